"""Merging: the exported checkpoint is base + adapter and answers as the unmerged student."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from dataengine_utils import images, models
from dataengine_utils.errors import KitError
from dataengine_utils.evaluation import evaluate
from dataengine_utils.models import merge as merging
from dataengine_utils.models.checkpoint import attach_adapter, save_adapter
from dataengine_utils.models.merge import Change, Comparison, compare, describe, main, merge, merged_model
from dataengine_utils.picturebook.questions import benchmark_questions
from dataengine_utils.records import Prediction
from dataengine_utils.training import attach_lora
from tests.tiny import build_student

QUESTIONS = benchmark_questions("diagnose", 45)


def write_adapter(student: str, folder, seed: int = 0) -> None:
    """A random adapter of the kit's form, strong enough to change answers."""
    learner = models.load(student)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        adapter = attach_lora(learner, None, "all-linear", True, {"r": 4, "lora_alpha": 8})
        for name, value in adapter.named_parameters():
            if value.requires_grad:
                value.data += torch.randn_like(value) * (0.05 if "lora_" in name else 0.02)
    save_adapter(adapter, student, folder)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A tiny student, an adapter for it, and the answers of both."""
    root = tmp_path_factory.mktemp("merge")
    student = str(build_student(root / "student"))
    write_adapter(student, root / "adapter")
    return SimpleNamespace(student=student, adapter=root / "adapter", root=root)


def asked(**changes):
    return {"questions": QUESTIONS, "open_image": images.open_image, **changes}


def answers(student, mode: str) -> list[str]:
    found = evaluate(student, QUESTIONS, images.open_image, mode=mode, batch_size=8, max_new_tokens=8)
    return [prediction.reply for prediction in found]


def packed_scores(student) -> torch.Tensor:
    return torch.tensor([c.scores for c in student.choose(QUESTIONS, images.open_image, batch_size=8)])


# What comes out


def test_the_exported_student_answers_as_the_unmerged_one(made, tmp_path):
    found = merge(made.student, made.adapter, tmp_path / "out", **asked())
    assert found == Comparison(45, (), found.score_difference) and found.score_difference < 1e-4
    unmerged, merged = models.load(made.student, adapter=made.adapter), models.load(str(tmp_path / "out"))
    for mode in ("text", "letter", "generate"):
        assert answers(unmerged, mode) == answers(merged, mode)
    assert answers(models.load(made.student), "text") != answers(merged, "text")
    assert json.loads((tmp_path / "out" / "merge.json").read_text())["share"] == 0
    assert not [name for name, _ in merged.model.named_modules() if "lora" in name]


def test_weights_are_base_plus_update_rounded_once_and_the_projector_is_the_trained_one(made):
    base = models.load(made.student).model
    tuned = attach_adapter(models.load(made.student).model, made.student, made.adapter)
    model = merged_model(made.student, made.adapter, "bfloat16")
    name = "model.language_model.layers.1.mlp.down_proj"
    layer = tuned.base_model.model.get_submodule(name)
    expected = (base.get_submodule(name).weight + layer.get_delta_weight("default")).bfloat16()
    assert torch.equal(model.get_submodule(name).weight, expected)
    projector = "model.multi_modal_projector.linear_1"
    trained = tuned.base_model.model.model.multi_modal_projector.modules_to_save["default"].linear_1.weight
    assert torch.equal(model.get_submodule(projector).weight, trained.bfloat16())
    assert not torch.equal(trained, base.get_submodule(projector).weight)
    assert {value.dtype for value in model.parameters()} == {torch.bfloat16}


def test_files_of_the_processor_are_copied_as_they_are(made, tmp_path):
    source = shutil.copytree(made.student, tmp_path / "student")
    config = json.loads((source / "tokenizer_config.json").read_text())
    (source / "tokenizer_config.json").write_text(json.dumps({**config, "legacy": True}))
    merge(str(source), made.adapter, tmp_path / "out", **asked(questions=QUESTIONS[:2]), dtype="bfloat16")
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {path.name for path in source.iterdir()} | {"merge.json"}
    for name in written - {"merge.json", "model.safetensors", "config.json", "generation_config.json"}:
        assert (tmp_path / "out" / name).read_bytes() == (source / name).read_bytes()
    assert json.loads((tmp_path / "out" / "config.json").read_text())["dtype"] == "bfloat16"


def test_a_student_run_in_4_bits_is_compared_in_4_bits(made, tmp_path):
    found = merge(made.student, made.adapter, tmp_path / "out", **asked(), quantise="nf4")
    assert found.score_difference > 1e-3
    four = answers(models.load(made.student, adapter=made.adapter, quantise="nf4"), "text")
    full = answers(models.load(str(tmp_path / "out")), "text")
    assert len(found.changes) == sum(a != b for a, b in zip(four, full, strict=True))


def test_changed_answers_are_counted_and_named():
    one, two = (
        [Prediction(str(n), "Text", reply, "A", "right", scores) for n, (reply, scores) in enumerate(replies)]
        for replies in ([("red", (0.0, -1.0)), ("on", ())], [("blue", (-0.5, -0.25)), ("on", ())])
    )
    found = compare(one, two)
    assert found == Comparison(2, (Change("0", "red", "blue"),), 0.75) and found.share == 0.5
    said = describe(found, "out")
    assert "1 of 2 answers changed by merging (50.00%)" in said and "'red' -> 'blue'" in said


def test_the_command_prints_the_share(made, tmp_path, capsys):
    flags = [f"--student={made.student}", f"--adapter={made.adapter}"]
    main([*flags, f"--out={tmp_path / 'a'}", "--questions=9"])
    assert "0 of 9 answers changed by merging (0.00%)" in capsys.readouterr().out
    images.open_image(QUESTIONS[0].image).save(tmp_path / "1.png")
    rows = [
        {
            "id": str(n),
            "image": "1.png",
            "question": f"{n}?",
            "answer": "A",
            "options": ["cat", "dog"],
            "type": "t",
        }
        for n in range(5)
    ]
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    own = ["--benchmark=jsonl", f"--path={tmp_path / 'own.jsonl'}", "--mode=generate"]
    main([*flags, f"--out={tmp_path / 'b'}", *own])
    assert "0 of 5 answers changed" in capsys.readouterr().out


# What is refused


def test_too_many_changed_answers_leave_nothing(made, tmp_path, monkeypatch):
    base = models.load(made.student).model
    monkeypatch.setattr(merging, "merged_model", lambda *_: base)
    with pytest.raises(KitError, match=r"merging changes \d+ of 45 answers .*allowed are 1.0%"):
        merge(made.student, made.adapter, tmp_path / "out", **asked(), max_changed=0.01)
    assert list(tmp_path.iterdir()) == []


def test_an_adapter_of_another_base_or_a_damaged_one_is_refused(made, tmp_path):
    other = str(build_student(tmp_path / "other", seed=1))
    broken = shutil.copytree(made.adapter, tmp_path / "broken")
    weights = broken / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    nan = shutil.copytree(made.adapter, tmp_path / "nan")
    tensors = load_file(nan / "adapter_model.safetensors")
    save_file(
        {name: value * float("nan") for name, value in tensors.items()}, nan / "adapter_model.safetensors"
    )
    for student, adapter, says in (
        (other, made.adapter, "another base"),
        (made.student, broken, "cannot be put on"),
        (made.student, nan, "cannot be merged"),
        (made.student, tmp_path / "none", "no adapter"),
    ):
        with pytest.raises(KitError, match=says):
            merge(student, adapter, tmp_path / "out", **asked())
    assert not (tmp_path / "out").exists() and not (tmp_path / "out.part").exists()


def test_a_disk_that_fills_up_leaves_nothing(made, tmp_path, monkeypatch):
    def full(self, folder, **_):
        (Path(folder) / "model.safetensors").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(PreTrainedModel, "save_pretrained", full)
    with pytest.raises(KitError, match=r"No space left.*nothing was kept; free the disk"):
        merge(made.student, made.adapter, tmp_path / "new" / "out", **asked())
    assert list((tmp_path / "new").iterdir()) == []


def test_arguments_are_checked_before_anything_is_read(made, tmp_path, monkeypatch):
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine").touch()
    for changes, says in (
        ({"mode": "loud"}, "generate"),
        ({"quantise": "int3"}, "nf4"),
        ({"dtype": "int8"}, "bfloat16"),
        ({"max_changed": 2.0}, "between 0 and 1"),
        ({"questions": []}, "--questions"),
        ({"student": "my.module:Student"}, "is a class"),
        ({"out": tmp_path / "used"}, "not an empty folder"),
    ):
        given = {
            "student": made.student,
            "adapter": made.adapter,
            "out": tmp_path / "out",
            **asked(**changes),
        }
        with pytest.raises(KitError, match=says):
            merge(**given)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(SystemExit, match="error: no room"):
        main([f"--student={made.student}", f"--adapter={made.adapter}", f"--out={tmp_path / 'out'}"])
    assert {path.name for path in tmp_path.iterdir()} == {"used"}
