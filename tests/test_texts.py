import json
import sys
import types

import numpy as np
import pytest
from PIL import Image

from dataengine_utils import images
from dataengine_utils.errors import KitError
from dataengine_utils.images import texts
from dataengine_utils.images.__main__ import main
from dataengine_utils.records import TextBox

N = 6
WORDS = {0: "STOP", 1: "EXIT", 2: "TAXI"}


class Colours:
    """A provider for tests: a picture says the word of its red value; others say nothing."""

    name = "colours"
    n_seen = 0

    def read(self, picture):
        Colours.n_seen += 1
        word = WORDS.get(picture.getpixel((0, 0))[0])
        return [TextBox(word, (1, 2, 3, 4))] if word else []


@pytest.fixture
def data(tmp_path):
    """A folder of `N` pictures with a sidecar file and an index; the last picture is missing."""
    Colours.n_seen = 0
    lines = []
    for n in range(N):
        if n < N - 1:
            Image.new("RGB", (8, 8), (n, 0, 0)).save(tmp_path / f"{n}.png")
        lines.append({"image_id": f"i{n}", "image": f"{n}.png", "width": 8, "height": 8})
    (tmp_path / "annotations.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return tmp_path


def load(data):
    return images.load("folder", path=str(data), index=str(data / "index.sqlite"))


def test_texts_are_read_once_and_are_in_the_records(data):
    source = load(data)
    found = texts.add_texts(source, Colours())
    assert (found.n_images, found.n_with_texts, found.n_texts) == (N - 1, 3, 3)
    assert list(found.unreadable) == ["i5"] and "5.png" in found.unreadable["i5"]
    assert source.record("i1").texts == (TextBox("EXIT", (1, 2, 3, 4)),) and source.record("i4").texts == ()
    again = texts.add_texts(load(data), Colours())
    assert again.n_images == 0 and list(again.unreadable) == ["i5"] and Colours.n_seen == N - 1
    Image.new("RGB", (8, 8), (2, 0, 0)).save(data / "5.png")
    assert texts.add_texts(load(data), Colours()) == (1, 1, 1, {})
    assert [t.text for t in load(data).record("i5").texts] == ["TAXI"]


def test_what_was_read_stays_when_the_work_is_cut_off(data):
    class Tired(Colours):
        def read(self, picture):
            if Colours.n_seen == 3:
                raise KeyboardInterrupt
            return super().read(picture)

    with pytest.raises(KeyboardInterrupt):
        texts.add_texts(load(data), Tired())
    source = load(data)
    assert source.index.texts_by("colours") == {"i0", "i1", "i2"}
    assert texts.add_texts(source, Colours()).n_images == 2 and Colours.n_seen == N - 1


def test_only_some_images(data):
    source = load(data)
    assert texts.add_texts(source, Colours(), ["i2", "i0"]).n_images == 2
    assert source.index.texts_by("colours") == {"i0", "i2"}


def test_sources_that_cannot_keep_texts_say_so(data):
    with pytest.raises(KitError, match="PicturebookSource has no index to keep texts in"):
        texts.add_texts(images.load("picturebook"), Colours())
    with pytest.raises(KitError, match="is in memory and keeps no texts"):
        texts.add_texts(images.load("folder", path=str(data)), Colours())


def test_providers_by_name(monkeypatch):
    assert texts.load(f"{__name__}:Colours").name == "colours"
    with pytest.raises(KitError, match="unknown provider of texts 'tesseract'; known: paddleocr, rapidocr"):
        texts.load("tesseract")
    for name, command in (("rapidocr", "pip install rapidocr onnxruntime"),
                          ("paddleocr", "pip install paddleocr paddlepaddle")):  # fmt: skip
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(KitError, match=f"needs the package {name} .*run: {command}"):
            texts.load(name)


CORNERS = np.array([[[5.4, 2.0], [9.6, 3.0], [9.0, 8.0], [5.0, 7.5]], [[0, 0], [1, 0], [1, 0.2], [0, 0.2]]])
READ = [TextBox("NO PARKING", (5, 2, 5, 6))]


def test_rapidocrs_form_is_read(monkeypatch):
    """A stand-in of its documented output (boxes, txts, scores; None where nothing is found)."""
    given = []

    class Engine:
        def __init__(self, params):
            given.append(params)

        def __call__(self, pixels):
            given.append(pixels[0, 0].tolist())
            if pixels.shape[0] > 8:
                return types.SimpleNamespace(boxes=None, txts=None, scores=None)
            words = ("NO  PARKING ", "misread")
            return types.SimpleNamespace(boxes=CORNERS, txts=words, scores=(0.99, 0.6))

    monkeypatch.setitem(sys.modules, "rapidocr", types.SimpleNamespace(RapidOCR=Engine))
    monkeypatch.setitem(sys.modules, "onnxruntime", types.ModuleType("onnxruntime"))
    provider = texts.load("rapidocr")
    assert provider.read(Image.new("RGB", (8, 8), (1, 2, 3))) == READ and given[1] == [3, 2, 1]
    assert provider.read(Image.new("RGB", (8, 9))) == []
    assert [t.text for t in texts.load("rapidocr", sure=0.5).read(Image.new("L", (8, 8)))] == [
        "NO PARKING", "misread"
    ]  # fmt: skip


def test_paddleocrs_form_is_read(monkeypatch):
    """A stand-in of the documented output of its version 3: a dict with lists, one for each picture."""

    class Engine:
        def __init__(self, **options):
            assert options["lang"] == "de" and not options["use_doc_unwarping"]

        def predict(self, pixels):
            assert pixels.shape == (8, 8, 3)
            words = ["NO PARKING", ""]
            return [{"rec_texts": words, "rec_scores": [0.95, 1.0], "rec_polys": list(CORNERS)}]

    monkeypatch.setitem(sys.modules, "paddleocr", types.SimpleNamespace(PaddleOCR=Engine))
    assert texts.load("paddleocr", lang="de").read(Image.new("RGB", (8, 8))) == READ


def test_rapidocr_reads_real_photos(shared_data):
    """With the package installed: words that anybody can read on two photos of TextVQA."""
    pytest.importorskip("rapidocr")
    pytest.importorskip("onnxruntime")
    folder = shared_data / "textvqa" / "hf_dummy" / "train_images"
    provider = texts.load("rapidocr")
    for name, words in (("b9dc400eb20bad64", {"DRUPALCON", "COPENHAGEN"}),
                        ("003a8ae2ef43b901", {"DAKOTA DIGITAL"})):  # fmt: skip
        picture = images.open_image(f"{name}.jpg", folder)
        found = provider.read(picture)
        assert words <= {text.text for text in found}
        for text in found:
            x, y, width, height = text.box
            assert x >= 0 and y >= 0 and x + width <= picture.width and y + height <= picture.height


def test_the_command_reads_texts(data, capsys):
    arguments = ["texts", "folder", "--data", str(data), "--provider", f"{__name__}:Colours"]
    main([*arguments, "--images", "2"])
    assert capsys.readouterr().out == "2 images read by colours (0 before), 2 with texts, 2 texts\n"
    main(arguments)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("not read: i5: no image at")
    assert said[1] == "3 images read by colours (2 before), 1 with texts, 1 texts"
    assert main([*arguments[:-1], "none"]) == 1
    assert "error: unknown provider of texts 'none'" in capsys.readouterr().err
