import errno
import json
import os
import signal
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from dataengine_utils import images
from dataengine_utils.errors import KitError
from dataengine_utils.images import embeddings
from dataengine_utils.images.__main__ import main
from dataengine_utils.images.embeddings import embed, embed_source, pool_of
from dataengine_utils.images.similar import nearest, unit

N = 40


class Thumbnails:
    """An encoder for tests: the picture's pixels at 2 x 2. It counts its pictures."""

    def __init__(self, model="thumbnails"):
        self.mark = {"model": model, "width": 12}
        self.n_seen = 0

    def __call__(self, pictures):
        self.n_seen += len(pictures)
        return np.stack([np.asarray(picture.resize((2, 2)), np.float32).ravel() + 1 for picture in pictures])


@pytest.fixture
def data(tmp_path):
    """A folder of `N` pictures of noise with a sidecar file."""
    folder = tmp_path / "data"
    folder.mkdir()
    rng = np.random.default_rng(0)
    lines = []
    for n in range(N):
        Image.fromarray(rng.integers(0, 255, (9, 9, 3), np.uint8)).save(folder / f"{n}.png")
        lines.append({"image_id": f"i{n}", "image": f"{n}.png", "width": 9, "height": 9})
    (folder / "annotations.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


def load(data):
    return images.load("folder", path=str(data))


def store(data):
    (found,) = (data / "embeddings").iterdir()
    return found


def test_vectors_are_computed_once_and_lie_by_id(data):
    encoder, source = Thumbnails(), load(data)
    found = embed_source(source, encoder, batch_size=7, block=16)
    assert found.ids == tuple(f"i{n}" for n in range(N)) and encoder.n_seen == N
    assert found.vectors.dtype == np.float16 and isinstance(found.vectors, np.memmap)
    wanted = unit(Thumbnails()([images.open_image(f"{n}.png", data) for n in range(N)]))
    assert np.asarray(found.vectors, np.float32) == pytest.approx(wanted, abs=1e-3)
    again = embed_source(source, encoder)
    assert encoder.n_seen == N and again.ids == found.ids and (again.vectors == found.vectors).all()
    some = found.only(["i9", "nobody", "i2"])
    assert some.ids == ("i9", "i2") and (some.vectors == found.vectors[[9, 2]]).all()


def test_more_images_are_added_and_another_model_has_its_own(data):
    encoder, source = Thumbnails(), load(data)
    first = embed(["i3", "i1"], lambda i: source.record(i).image, encoder, data / "e", root=data)
    more = embed(["i1", "i2", "i3"], lambda i: source.record(i).image, encoder, data / "e", root=data)
    assert first.ids == ("i3", "i1") and more.ids == ("i1", "i2", "i3") and encoder.n_seen == 3
    assert (more.vectors[[2, 0]] == first.vectors).all()
    embed(["i1"], lambda i: source.record(i).image, Thumbnails("other"), data / "e", root=data)
    assert len(list((data / "e").iterdir())) == 2


def test_pictures_that_cannot_be_read_are_named_and_left_out(data):
    (data / "5.png").write_bytes(b"no picture")
    (data / "7.png").unlink()
    encoder = Thumbnails()
    found = embed_source(load(data), encoder, batch_size=4, block=8)
    assert len(found.ids) == N - 2 and set(found.unreadable) == {"i5", "i7"}
    assert "5.png" in found.unreadable["i5"] and "no image at" in found.unreadable["i7"]
    assert found.note().startswith("2 pictures could not be read and have no vector; the first is 'i5'")
    Image.new("RGB", (9, 9), "red").save(data / "7.png")
    assert len(embed_source(load(data), encoder).ids) == N - 2 == encoder.n_seen
    mended = embed_source(load(data), encoder, retry=True)
    assert set(mended.unreadable) == {"i5"} and mended.ids[7] == "i8" and "i7" in mended.ids
    assert encoder.n_seen == N - 1
    red = mended.vectors[mended.ids.index("i7")].astype(np.float32)
    assert red == pytest.approx(unit(Thumbnails()([Image.new("RGB", (9, 9), "red")]))[0], abs=1e-3)


def test_a_wrong_folder_stops_the_work(data):
    for n in range(N):
        (data / f"{n}.png").unlink()
    with pytest.raises(KitError, match="images cannot be read"):
        embed_source(load(data), Thumbnails())
    with pytest.raises(KitError, match="none of the 2 pictures could be read.*no image at"):
        embed(["a", "b"], str, Thumbnails(), data / "e", root=data)
    assert embed([], str, Thumbnails(), data / "e").ids == ()


KILLED = """
import os, signal, sys
from pathlib import Path
from dataengine_utils import images
from dataengine_utils.images.embeddings import embed_source
from tests.test_embeddings import Thumbnails

class Killed(Thumbnails):
    def __call__(self, pictures):
        if self.n_seen >= int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(pictures)

encoder = Killed()
embed_source(images.load("folder", path=sys.argv[1]), encoder, batch_size=3, block=9)
"""


def start(data, n_pictures):
    return subprocess.Popen([sys.executable, "-c", KILLED, str(data), str(n_pictures)])


def test_a_killed_computation_goes_on(data):
    whole = embed_source(load(data), Thumbnails(), data / "whole", batch_size=3, block=9)
    for n_pictures in (3, 12, 15):
        assert start(data, n_pictures).wait() == -signal.SIGKILL
    with open(store(data) / "vectors.f16", "ab") as file:
        file.write(b"half a row")
    with open(store(data) / "blocks.jsonl.part", "ab") as file:
        file.write(b'{"ids": ["i3')
    encoder = Thumbnails()
    found = embed_source(load(data), encoder, batch_size=3, block=9)
    assert found.ids == whole.ids and (found.vectors == whole.vectors).all()
    assert 0 < encoder.n_seen <= N - 18
    assert not (store(data) / "blocks.jsonl.part").exists()


def test_two_at_once_do_the_work_once(data):
    both = [start(data, 10**6), start(data, 10**6)]
    assert [one.wait() for one in both] == [0, 0]
    encoder = Thumbnails()
    found = embed_source(load(data), encoder)
    assert encoder.n_seen == 0 and len(found.ids) == len(set(found.ids)) == N


def test_a_full_disk_is_said_and_nothing_is_lost(data, monkeypatch):
    real, calls = os.fsync, Counter()

    def full(descriptor):
        calls["n"] += 1
        if calls["n"] == 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KitError, match=r"No space left on device.*--out FOLDER"):
        embed_source(load(data), Thumbnails(), batch_size=3, block=9)
    monkeypatch.undo()
    encoder = Thumbnails()
    found = embed_source(load(data), encoder)
    assert len(set(found.ids)) == N and 0 < encoder.n_seen < N


def test_a_cut_file_is_noticed(data):
    embed_source(load(data), Thumbnails())
    vectors = store(data) / "vectors.f16"
    vectors.write_bytes(vectors.read_bytes()[:-1])
    with pytest.raises(KitError, match=r"vectors.f16' is cut off; delete the folder"):
        embed_source(load(data), Thumbnails())


def test_of_a_large_source_a_part_is_embedded_always_the_same(monkeypatch):
    ids = images.load("picturebook").ids()
    assert pool_of(ids, 50) == pool_of(ids, 50) != pool_of(ids, 51)[:50]
    assert len(pool_of(ids)) == embeddings.PART
    assert pool_of(["a", "b"]) == pool_of(["a", "b"], 9) == ["a", "b"]
    with pytest.raises(KitError, match="0 images to embed: at least 1"):
        pool_of(ids, 0)


def test_the_students_tower_puts_alike_pictures_together(tmp_path):
    from dataengine_utils.images.encoders import TorchEncoder

    source = images.load("picturebook")
    found = embed_source(source, TorchEncoder("picturebook"), tmp_path, n=200)
    places = [source.record(image_id).objects[0].name for image_id in found.ids]
    near = nearest(found.vectors, found.vectors, 4).rows[:, 1:]
    same = np.mean([places[row] == places[n] for n, rows in enumerate(near) for row in rows])
    chance = sum((n / 200) ** 2 for n in Counter(places).values())
    assert same > 0.6 > 2 * chance
    with pytest.raises(KitError, match="name one for their vectors"):
        embed_source(source, Thumbnails())


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A small random CLIP with its image processor, in a folder."""
    import torch
    from transformers import CLIPConfig, CLIPModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    folder = tmp_path_factory.mktemp("clip")
    torch.manual_seed(0)
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = CLIPConfig(
        text_config={**small, "vocab_size": 30},
        vision_config={**small, "image_size": 32, "patch_size": 8},
        projection_dim=10,
    )
    CLIPModel(config).save_pretrained(folder)
    size = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    CLIPImageProcessorPil(**size).save_pretrained(folder)
    return folder


def test_clip_gives_its_image_features(clip):
    import torch
    from transformers import CLIPModel

    from dataengine_utils.images.encoders import TorchEncoder

    encoder = TorchEncoder(str(clip), device="cpu")
    picture = Image.effect_noise((32, 32), 60).convert("RGB")
    pixels = np.asarray(picture, np.float64) / 255
    mean, spread = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
    ready = torch.tensor((pixels - mean) / spread, dtype=torch.float32).permute(2, 0, 1)[None]
    with torch.inference_mode():
        wanted = CLIPModel.from_pretrained(clip).eval()(pixel_values=ready, input_ids=torch.tensor([[1, 2]]))
    ours = unit(encoder([picture, Image.new("RGB", (90, 40), "red")]))
    assert ours.shape == (2, 10) and encoder.mark["width"] == 10 and encoder.mark["weights"]
    assert ours[0] == pytest.approx(wanted.image_embeds[0].numpy(), abs=1e-5)


def test_models_that_give_no_vector_are_named(tmp_path, monkeypatch):
    from dataengine_utils.images.encoders import TorchEncoder

    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(KitError, match="unknown kind of embedding model 'bert'; known: clip, llava, siglip"):
        TorchEncoder(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    with pytest.raises(KitError, match="cannot be loaded.*model=picturebook"):
        TorchEncoder(str(tmp_path))


def test_the_command_embeds(data, clip, capsys):
    (data / "5.png").unlink()
    more = ["--model", str(clip), "--images", "30", "--batch-size", "8"]
    main(["embed", "folder", "--data", str(data), *more])
    said = capsys.readouterr().out
    assert "not read: i5: no image at" in said
    assert f"29 vectors of 10 numbers by {clip} in '{data / 'embeddings'}', 1 unread" in said
    assert store(data).name.startswith("foldersource-data-clip")
    assert main(["embed", "picturebook", "--images", "3", "--model", "picturebook"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ") and "(--out FOLDER)" in said
    with pytest.raises(SystemExit):
        main(["embed", "folder", "--data", str(data), "--images", "0"])
