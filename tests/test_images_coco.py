"""COCO's instances and captions as an image source: their layout, boxes, crowds, splits, bad files."""

import json
import shutil

import pytest

from dataengine_utils import images
from dataengine_utils.errors import KitError
from dataengine_utils.images.__main__ import main
from dataengine_utils.records import ImageObject, ImageRecord, Region

CATEGORIES = [{"supercategory": "animal", "id": 17, "name": "cat"}, {"id": 64, "name": "potted plant"}]


def image(number: int, split: str = "val2017") -> dict:
    return {"license": 4, "file_name": f"{number:012}.jpg", "height": 426, "width": 640, "id": number,
            "coco_url": f"http://images.cocodataset.org/{split}/{number:012}.jpg"}  # fmt: skip


def instance(number: int, image_id: int, category: int, box: list[float], crowd: int = 0) -> dict:
    outline = {"counts": [272, 2], "size": [426, 640]} if crowd else [[1.5, 2.5, 3.5, 4.5, 5.5, 6.5]]
    return {"segmentation": outline, "area": 9.5, "iscrowd": crowd, "image_id": image_id, "bbox": box,
            "category_id": category, "id": number}  # fmt: skip


INSTANCES = {  # not grouped by image, and the names come last, as in the official files
    "info": {"year": 2017, "version": "1.0"},
    "licenses": [{"id": 4, "name": "by"}],
    "images": [image(139), image(285), image(632)],
    "annotations": [
        instance(11, 139, 64, [236.98, 142.51, 24.7, 69.5]),
        instance(12, 285, 17, [0, 0.4, 0.3, 0.2]),
        instance(900, 139, 17, [10.2, 20.6, 100.5, 50], crowd=1),
        instance(13, 139, 17, [7.03, 167.76, 149.32, 94.87]),
    ],
    "categories": CATEGORIES,
}
CAPTIONS = {
    "info": {},
    "images": [image(632), image(139), image(285)],
    "annotations": [
        {"image_id": 285, "id": 1, "caption": "A cat\nlooks. "},
        {"image_id": 139, "id": 2, "caption": "A room with a plant."},
        {"image_id": 139, "id": 3, "caption": "Two chairs."},
    ],
}


def write(data, split: str = "val2017", instances=INSTANCES, captions=CAPTIONS):
    (data / "annotations").mkdir(exist_ok=True)
    for kind, content in (("instances", instances), ("captions", captions)):
        if content is not None:
            (data / "annotations" / f"{kind}_{split}.json").write_text(json.dumps(content))
    return data


def load(data, **options):
    return images.load("coco", path=str(data), **options)


def test_instances_and_captions_make_one_record(tmp_path):
    source = load(write(tmp_path))
    assert list(source.ids()) == ["139", "285", "632"] and source.root == tmp_path
    assert source.record("139") == ImageRecord(
        image_id="139",
        image="val2017/000000000139.jpg",
        width=640,
        height=426,
        objects=(
            ImageObject(11, "potted plant", (237, 143, 25, 69)),
            ImageObject(13, "cat", (7, 168, 149, 95)),
        ),
        regions=(Region("a crowd of cats", (10, 21, 101, 50)),),
        captions=("A room with a plant.", "Two chairs."),
    )
    cat = source.record("285")
    assert cat.objects[0].box == (0, 0, 1, 1) and cat.captions == ("A cat looks.",)
    assert source.record("632") == ImageRecord("632", "val2017/000000000632.jpg", 640, 426)
    assert source.coco_id("139") == "139"
    with pytest.raises(KitError, match="no image '1' in .*it has 3 images"):
        source.record("1")


@pytest.mark.parametrize(("instances", "captions"), [(INSTANCES, None), (None, CAPTIONS)])
def test_one_kind_of_file_is_enough(tmp_path, instances, captions):
    record = load(write(tmp_path, instances=instances, captions=captions)).record("139")
    assert bool(record.objects) == (captions is None) and bool(record.captions) == (instances is None)


def test_files_may_lie_in_the_folder_itself_and_the_names_may_come_first(tmp_path):
    write(tmp_path)
    for path in (tmp_path / "annotations").iterdir():
        content = json.loads(path.read_text())
        (tmp_path / path.name).write_text(json.dumps(dict(reversed(content.items()))))
    shutil.copytree(tmp_path / "annotations", tmp_path / "other" / "annotations")
    shutil.rmtree(tmp_path / "annotations")
    flat, official = load(tmp_path), load(tmp_path / "other")
    assert set(flat.ids()) == set(official.ids())
    assert all(flat.record(image_id) == official.record(image_id) for image_id in flat.ids())


def test_splits_are_read_together_or_one_alone(tmp_path):
    other = {**INSTANCES, "images": [image(9)], "annotations": [instance(1, 9, 17, [1, 2, 3, 4])]}
    write(tmp_path)
    write(tmp_path, "train2017", other, None)
    assert set(load(tmp_path).ids()) == {"9", "139", "285", "632"}
    one = load(tmp_path, split="train2017")
    assert list(one.ids()) == ["9"] and one.record("9").image == "train2017/000000000009.jpg"
    assert {path.name for path in tmp_path.glob("*.sqlite")} == {
        "coco.index.sqlite", "coco.train2017.index.sqlite"}  # fmt: skip
    write(tmp_path, "val2014")
    with pytest.raises(KitError, match=r"image 139 is 'val2017/.*'val2014/.*option split"):
        load(tmp_path)
    with pytest.raises(KitError, match="expected annotations/instances_test2015.json or annotations/capt"):
        load(tmp_path, split="test2015")


def test_the_command_takes_a_split(tmp_path, capsys):
    main(["index", "coco", "--data", str(write(tmp_path)), "--split", "val2017"])
    told = capsys.readouterr().out
    assert "coco.val2017.index.sqlite: 3 images" in told and "3 objects" in told and "1 crowds" in told
    main(["show", "coco", "--data", str(tmp_path), "--split", "val2017", "--id", "285"])
    assert json.loads(capsys.readouterr().out)["captions"] == ["A cat looks."]


def changed(section: str, entry: int, **values) -> dict:
    content = json.loads(json.dumps(INSTANCES))
    content[section][entry].update(values)
    return content


BAD = {
    "box": (changed("annotations", 2, bbox=[1, 2, 3]), "annotations, entry 2 .image 139.*bbox: .x, y, width"),
    "no number": (changed("annotations", 1, bbox=[1, 2, "a", 4]), "annotations, entry 1 .image 285."),
    "infinite": (changed("annotations", 1, bbox=[1, 2, 1e999, 4]), "annotations, entry 1 .image 285."),
    "image id": (changed("annotations", 0, image_id="x"), "annotations, entry 0 .image x.*image_id"),
    "category": (changed("annotations", 3, category_id=5), "category_id 5 is not in its list categories"),
    "names": (changed("categories", 1, name=None), "categories, entry 1.*{id, name}"),
    "image": ({**INSTANCES, "images": [{"id": 139}]}, "images, entry 0 .image 139.*no 'file_name'"),
    "no images": ({**INSTANCES, "images": []}, "the list 'images' is missing or empty"),
    "no list": ({**INSTANCES, "annotations": {}}, "the list 'annotations' is missing or empty"),
    "list": ([1], r"expected '\{'"),
}


@pytest.mark.parametrize("what", BAD)
def test_another_form_is_told_with_its_place(tmp_path, what):
    content, told = BAD[what]
    with pytest.raises(KitError, match=f"instances_val2017.json.*{told}"):
        load(write(tmp_path, instances=content))
    assert not list(tmp_path.glob("coco*"))


def test_a_cut_file_is_told_with_its_place(tmp_path):
    path = write(tmp_path) / "annotations" / "captions_val2017.json"
    path.write_bytes(path.read_bytes()[:-60])
    told = r"captions_val2017.json, entry 1, character 613: .*cut off.*fetch the file again"
    with pytest.raises(KitError, match=told):
        load(tmp_path)
    assert not list(tmp_path.glob("coco*"))


def test_missing_annotations_are_named(tmp_path):
    with pytest.raises(KitError, match="no annotations in .*annotations/instances_train2017.json"):
        load(tmp_path)


def test_real_boxes_and_captions_in_the_official_layout(shared_data, tmp_path):
    """The real samples are result files, which list no images; around them the official lists are put."""
    folder = shared_data / "coco_results"
    boxes = json.loads((folder / "instances_val2014_fakebbox100_results.json").read_text())
    captions = json.loads((folder / "captions_val2014_fakecap_results.json").read_text())
    ids = sorted({one["image_id"] for one in [*boxes, *captions]})
    pictures = [{"id": n, "file_name": f"COCO_val2014_{n:012}.jpg", "width": 640, "height": 640} for n in ids]
    names = [{"id": n, "name": f"category {n}"} for n in sorted({one["category_id"] for one in boxes})]
    numbered = [{"id": number, "iscrowd": 0, **one} for number, one in enumerate(boxes)]
    write(tmp_path, "val2014", {"images": pictures, "annotations": numbered, "categories": names},
          {"images": pictures, "annotations": captions})  # fmt: skip
    source = load(tmp_path)
    assert list(source.ids()) == [str(n) for n in ids]
    assert source.index.counts == {"objects": len(boxes), "captions": len(captions)}
    first = source.record("42")
    assert first.image == "val2014/COCO_val2014_000000000042.jpg"
    assert first.objects[0].box == (258, 41, 348, 244) and first.objects[0].name == "category 18"
    told = {one["image_id"]: " ".join(one["caption"].split()) for one in captions}
    assert all(source.record(str(number)).captions == (text,) for number, text in told.items())
    (tmp_path / "annotations" / "captions_val2014.json").write_text(json.dumps(captions))
    with pytest.raises(KitError, match="captions_val2014.json.*an object with the lists images"):
        load(tmp_path)


def test_real_images_with_five_captions_and_boxes(shared_data, tmp_path):
    """80 real images of val2014, whose boxes the sample gives as shares of the sides."""
    lines = (shared_data / "coco_llava" / "caps_boxes_coco2014_val_80.jsonl").read_text().splitlines()
    real = [json.loads(line) for line in lines]
    names = sorted({one["category"] for item in real for one in item["instances"]})
    pictures = [image(int(item["id"])) for item in real]
    annotations = [
        instance(number, int(item["id"]), names.index(one["category"]) + 1,
                 [640 * x, 426 * y, 640 * (r - x), 426 * (b - y)])
        for item in real for number, one in enumerate(item["instances"]) for x, y, r, b in [one["bbox"]]
    ]  # fmt: skip
    captions = [{"image_id": int(item["id"]), "caption": text} for item in real for text in item["captions"]]
    categories = [{"id": number, "name": name} for number, name in enumerate(names, start=1)]
    write(tmp_path, "val2014", {"images": pictures, "annotations": annotations, "categories": categories},
          {"images": pictures, "annotations": captions})  # fmt: skip
    source = load(tmp_path)
    for item in real:
        record = source.record(str(int(item["id"])))
        assert [o.name for o in record.objects] == [one["category"] for one in item["instances"]]
        assert record.captions == tuple(" ".join(text.split()) for text in item["captions"])
        for found, one in zip(record.objects, item["instances"], strict=True):
            shares = [found.box[0] / 640, found.box[1] / 426, (found.box[0] + found.box[2]) / 640]
            assert shares == pytest.approx([one["bbox"][0], one["bbox"][1], one["bbox"][2]], abs=0.004)
