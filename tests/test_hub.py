"""Questions from a Hugging Face dataset: a small one on disk stands for the hub."""

import base64
import io
import subprocess
import sys

import pytest
from PIL import Image

from dataengine_utils.benchmarks import hub
from dataengine_utils.errors import KitError
from dataengine_utils.images import open_image

REASON = "the package datasets is not installed: reading the hub is not tested"


def png(colour):
    stream = io.BytesIO()
    Image.new("RGB", (3, 2), colour).save(stream, "PNG")
    return {"bytes": stream.getvalue(), "path": f"{colour}.png"}


@pytest.fixture
def datasets(tmp_path, monkeypatch):
    library = pytest.importorskip("datasets", reason=REASON)
    monkeypatch.setattr(library.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    hub._dataset.cache_clear()
    hub._pictures.cache_clear()
    yield library
    hub._dataset.cache_clear()
    hub._pictures.cache_clear()


@pytest.fixture
def folder(datasets, tmp_path):
    """A folder as the hub has them: parquet, with a column of pictures and one of lists of pictures."""
    features = datasets.Features({
        "id": datasets.Value("string"), "answers": datasets.Sequence(datasets.Value("string")),
        "image": datasets.Image(), "many": datasets.Sequence(datasets.Image()),
    })
    broken = {"bytes": b"no picture", "path": None}
    data = datasets.Dataset.from_dict({
        "id": ["a", "b", "c"], "image": [png("red"), None, broken],
        "many": [[png("blue"), png("red")], [], None], "answers": [["x", "y"], [], ["z"]],
    }, features=features)
    (tmp_path / "my data" / "data").mkdir(parents=True)
    data.to_parquet(tmp_path / "my data" / "data" / "test-00000-of-00001.parquet")
    return str(tmp_path / "my data")


def test_rows_have_references_and_open_no_picture(folder, monkeypatch):
    monkeypatch.setattr(Image, "open", lambda *_: pytest.fail("a picture was opened while listing"))
    rows = list(hub.rows(folder, None, "test"))
    assert [row["id"] for row in rows] == ["a", "b", "c"] and rows[0]["answers"] == ["x", "y"]
    assert [bool(row["image"]) for row in rows] == [True, False, True] and rows[1]["image"] is None
    assert [bool(row["many"]) for row in rows] == [True, False, False]
    assert rows[0]["image"].startswith("hub:")


def test_a_reference_opens_its_own_row(folder):
    first, _, last = hub.rows(folder, "default", "test")
    assert open_image(first["image"]).getpixel((0, 0)) == (255, 0, 0)
    assert open_image(first["many"]).getpixel((0, 0)) == (0, 0, 255)
    with pytest.raises(KitError, match=r"row=2.*is not a whole image"):
        open_image(last["image"])


def test_pictures_as_base64_text_are_references_too(datasets, tmp_path):
    texts = [base64.b64encode(png(colour)["bytes"]).decode() for colour in ("red", "blue")]
    folder = tmp_path / "texts"
    (folder / "data").mkdir(parents=True)
    rows = datasets.Dataset.from_dict({"index": [1, 2], "image": texts})
    rows.to_parquet(folder / "data" / "train.parquet")
    read = list(hub.rows(str(folder), None, "train"))
    assert all(row["image"].startswith(hub.SCHEME) for row in read)
    assert open_image(read[1]["image"]).getpixel((0, 0)) == (0, 0, 255)


def test_names_of_picture_files_stay_as_they_are(datasets, tmp_path):
    folder = tmp_path / "names"
    (folder / "data").mkdir(parents=True)
    datasets.Dataset.from_dict({"image": ["0001.jpg"]}).to_parquet(folder / "data" / "train.parquet")
    assert [row["image"] for row in hub.rows(str(folder), None, "train")] == ["0001.jpg"]


def test_a_reference_that_leads_nowhere_is_refused(folder):
    good = next(hub.rows(folder, None, "test"))["image"]
    for bad, said in (
        (good.replace("row=0", "row=7"), "has 3 rows"),
        (good.replace("row=0", "row=1"), "there is no picture"),
        (good.replace("column=image", "column=id"), "no pictures in column 'id'"),
        ("hub:somewhere", "references come from listing"),
    ):
        with pytest.raises(KitError, match=said):
            open_image(bad)


def test_batches_keep_rows_and_pictures_together(folder, monkeypatch):
    whole = list(hub.rows(folder, None, "test"))
    monkeypatch.setattr(hub, "_BATCH", 2)
    assert list(hub.rows(folder, None, "test")) == whole


@pytest.mark.parametrize(("config", "split"), [(None, "dev"), ("other", "test")])
def test_an_unknown_split_or_config_is_one_error(folder, config, split):
    with pytest.raises(KitError, match="cannot read the Hugging Face dataset .*or give the path"):
        next(hub.rows(folder, config, split))


def test_a_dataset_that_is_not_there_is_one_error(datasets, tmp_path):
    with pytest.raises(KitError, match="cannot read the Hugging Face dataset .*takes a network"):
        next(hub.rows(str(tmp_path / "gone"), None, "test"))


def test_no_network_is_one_error(datasets, monkeypatch):
    def unreachable(*_, **__):
        raise ConnectionError("Couldn't reach 'lmms-lab/MME' on the Hub")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(KitError, match="'lmms-lab/MME'.*Couldn't reach.*takes a network"):
        next(hub.rows("lmms-lab/MME", None, "test"))


def test_without_the_library_the_error_has_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    hub._dataset.cache_clear()
    with pytest.raises(KitError, match=r"hub:lmms-lab/MME needs .* run: pip install datasets"):
        next(hub.rows("lmms-lab/MME", None, "test"))


def test_importing_the_reader_imports_no_library():
    code = "import sys, dataengine_utils.benchmarks.hub; print({'datasets', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
