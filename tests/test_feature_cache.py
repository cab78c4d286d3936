"""Vision features on disk: found again, bounded, and never stale or half-written."""

import os
from pathlib import Path

import pytest
import torch

from dataengine_utils import models
from dataengine_utils.models.packing import Insert
from dataengine_utils.models.vision import Picture
from dataengine_utils.training import train
from dataengine_utils.training.feature_cache import FeatureCache
from tests.test_training import SETTINGS, make_examples, open_image
from tests.tiny import build_student

PICTURE = Picture(Insert.in_line([4] * 5), (torch.arange(20.0).view(5, 4), torch.ones(2, 3)), (30, 40))
LIMIT = 1 << 20


def test_a_picture_comes_back_as_it_was(tmp_path):
    FeatureCache(tmp_path, "student", limit=LIMIT).put("cat.jpg", PICTURE)
    found = FeatureCache(tmp_path, "student", limit=LIMIT).get("cat.jpg")
    assert (found.insert, found.size) == (PICTURE.insert, PICTURE.size)
    assert all(torch.equal(one, other) for one, other in zip(found.states, PICTURE.states, strict=True))
    assert FeatureCache(tmp_path, "student", limit=LIMIT).get("dog.jpg") is None
    assert FeatureCache(tmp_path, "another", limit=LIMIT).get("cat.jpg") is None


@pytest.mark.parametrize("damage", [b"", b"half of a file"])
def test_a_file_that_cannot_be_read_is_not_there(tmp_path, damage):
    cache = FeatureCache(tmp_path, "student", limit=LIMIT)
    cache.put("cat.jpg", PICTURE)
    (file,) = (tmp_path / "student").iterdir()
    file.write_bytes(damage or file.read_bytes()[:-30])
    assert cache.get("cat.jpg") is None and not file.exists()


def test_a_picture_that_has_changed_is_computed_anew(tmp_path):
    (tmp_path / "images").mkdir()
    file = tmp_path / "images" / "cat.jpg"
    file.write_bytes(b"a cat")
    cache = FeatureCache(tmp_path / "cache", "student", limit=LIMIT, image_root=tmp_path / "images")
    cache.put("cat.jpg", PICTURE)
    assert cache.get("cat.jpg") is not None
    file.write_bytes(b"another cat")
    assert cache.get("cat.jpg") is None


def used(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.pt"))


def test_the_bound_holds_and_other_students_caches_go_first(tmp_path):
    old = FeatureCache(tmp_path, "old", limit=40_000)
    for number in range(9):
        old.put(f"{number}.jpg", PICTURE)
    assert 0 < used(tmp_path) <= 40_000
    new = FeatureCache(tmp_path, "new", limit=20_000)
    for number in range(9):
        new.put(f"{number}.jpg", PICTURE)
    assert 0 < used(tmp_path) <= 20_000 and not (tmp_path / "old").exists()
    assert sum(new.get(f"{number}.jpg") is not None for number in range(9)) < 9


def test_a_full_disk_only_ends_the_caching(tmp_path, monkeypatch):
    def full(content, path):
        Path(path).write_bytes(b"half")
        raise RuntimeError("PytorchStreamWriter failed writing file")

    cache = FeatureCache(tmp_path, "student", limit=LIMIT)
    monkeypatch.setattr(torch, "save", full)
    cache.put("cat.jpg", PICTURE)
    assert list((tmp_path / "student").iterdir()) == [] and cache.get("cat.jpg") is None


def test_a_second_training_opens_no_picture_and_gives_the_same_bytes(tmp_path):
    student = str(build_student(tmp_path / "tiny"))
    examples, opened = make_examples(12, ("short",)), []
    for name in ("first", "second", "without"):
        opened.append([])
        train(
            student,
            examples,
            open_image=lambda reference: opened[-1].append(reference) or open_image(reference),
            out_dir=tmp_path / name,
            feature_dir=tmp_path / "features",
            feature_cache_gib=0.0 if name == "without" else 0.1,
            **{**SETTINGS, "epochs": 1},
        )
    assert [len(names) for names in opened] == [12, 0, 12]
    weights = [(tmp_path / name / "adapter_model.safetensors").read_bytes() for name in ("first", "second")]
    assert weights[0] == weights[1] == (tmp_path / "without" / "adapter_model.safetensors").read_bytes()
    assert models.load(student, adapter=tmp_path / "second").name == student
    assert len(os.listdir(tmp_path / "features")) == 1
