import json

import pytest
from PIL import Image

from dataengine_utils import images
from dataengine_utils.errors import KitError
from dataengine_utils.images.picturebook import SeedIds
from dataengine_utils.picturebook.annotations import visual_genome
from dataengine_utils.picturebook.seeds import seeds_of
from dataengine_utils.records import ImageObject, ImageRecord, Region, Relation

RECORD = {
    "image_id": "7",
    "image": "pics/7.png",
    "width": 40,
    "height": 30,
    "objects": [{"object_id": 1, "name": "cat", "box": [1, 2, 3, 4], "attributes": ["red"]}],
    "relations": [{"subject": 1, "predicate": "beside", "object": 1}],
    "captions": ["a red cat"],
}


def sidecar(folder, *lines):
    (folder / "annotations.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    return images.load("folder", path=str(folder))


def test_a_reference_is_drawn_or_read(tmp_path):
    assert images.open_image("picturebook:20000000").size == (112, 112)
    Image.new("L", (40, 30), 7).save(tmp_path / "grey.png")
    picture = images.open_image("grey.png", tmp_path)
    assert picture.mode == "RGB" and picture.size == (40, 30)
    assert images.open_image(str(tmp_path / "grey.png"), tmp_path / "elsewhere").size == (40, 30)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_files_that_are_no_image_are_named(tmp_path, content):
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(KitError, match="bad.png"):
        images.open_image("bad.png", tmp_path)


def test_a_cut_file_and_a_missing_file_are_named(tmp_path):
    Image.effect_noise((60, 60), 50).save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:-400])
    with pytest.raises(KitError, match="cut.jpg.*not a whole image"):
        images.open_image("cut.jpg", tmp_path)
    with pytest.raises(KitError, match="no image at .*none.jpg"):
        images.open_image("none.jpg", tmp_path)
    with pytest.raises(KitError, match="picturebook:twelve"):
        images.open_image("picturebook:twelve")


def test_a_folder_with_a_sidecar_file(tmp_path):
    source = sidecar(tmp_path, RECORD)
    assert list(source.ids()) == ["7"] and source.root == tmp_path
    record = source.record("7")
    assert record.objects == (ImageObject(1, "cat", (1, 2, 3, 4), ("red",)),)
    assert record.captions == ("a red cat",) and record.texts == ()
    with pytest.raises(KitError, match="no image '8'"):
        source.record("8")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": "40"}, r"annotations.jsonl:1: ImageRecord.width"),
        ({"height": 0}, "at least 1"),
        ({"colour": 1}, "unknown fields"),
        ({"relations": [{"subject": 1, "predicate": "on", "object": 5}]}, r"\[5\]"),
        ({"objects": RECORD["objects"] * 2}, "object_id is there twice"),
    ],
)
def test_bad_sidecar_lines_are_named(tmp_path, change, message):
    with pytest.raises(KitError, match=message):
        sidecar(tmp_path, {**RECORD, **change})


def test_bad_sidecar_files_are_named(tmp_path):
    with pytest.raises(KitError, match="no file"):
        images.load("folder", path=str(tmp_path))
    with pytest.raises(KitError, match="annotations.jsonl:2: image_id '7' is there twice"):
        sidecar(tmp_path, RECORD, RECORD)
    with pytest.raises(KitError, match="no images in it"):
        sidecar(tmp_path)
    (tmp_path / "annotations.jsonl").write_bytes(b'{"image_id": "7", "ima')
    with pytest.raises(KitError, match="annotations.jsonl:1: not JSON"):
        images.load("folder", path=str(tmp_path))
    (tmp_path / "annotations.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(KitError, match="not UTF-8"):
        images.load("folder", path=str(tmp_path))


def test_picturebook_keeps_to_the_seeds_of_its_purpose():
    source = images.load("picturebook")
    assert source.ids()[0] == str(seeds_of("generation")[0]) and len(source.ids()) == len(
        seeds_of("generation")
    )
    record = source.record(source.ids()[3])
    assert record.image == f"picturebook:{record.image_id}" and record.objects
    with pytest.raises(KitError, match="no image"):
        source.record(str(seeds_of("sealed")[0]))
    assert list(SeedIds(range(5, 9))[1:3]) == ["6", "7"] and "8" in SeedIds(range(5, 9))


def test_unknown_sources_and_options_are_named():
    with pytest.raises(KitError, match="visual_genome"):
        images.load("visual_genom")
    with pytest.raises(KitError, match="path"):
        images.load("folder", folder="x")


def test_picturebook_written_as_visual_genome_is_read_back(tmp_path):
    seeds = seeds_of("generation")[:5]
    for name, content in visual_genome(seeds).items():
        (tmp_path / name).write_text(json.dumps(content))
    source, drawn = images.load("visual_genome", path=str(tmp_path)), images.load("picturebook")
    for image_id in source.ids():
        read, made = source.record(image_id), drawn.record(image_id)
        assert read.objects == made.objects and read.regions == made.regions
        assert set(read.relations) == set(made.relations)


SPELLINGS = {
    "v1.0": (
        {"id": 1, "objects": [{"id": 5, "names": ["Cat"], "x": 1, "y": 2, "w": 3, "h": 4}]},
        {
            "id": 1,
            "attributes": [
                {"id": 5, "object_names": ["Cat"], "x": 1, "y": 2, "w": 3, "h": 4, "attributes": ["Red "]}
            ],
        },
        {
            "id": 1,
            "relationships": [
                {
                    "predicate": "ON",
                    "subject": {"id": 5, "name": "Cat", "x": 1, "y": 2, "w": 3, "h": 4},
                    "object": {"id": 6, "name": "mat", "x": 0, "y": 0, "w": 9, "h": 9},
                }
            ],
        },
    ),
    "v1.4": (
        {
            "image_id": 1,
            "objects": [
                {"object_id": 5, "merged_object_ids": [9], "names": ["cat"], "x": 1, "y": 2, "w": 3, "h": 4}
            ],
        },
        {
            "image_id": 1,
            "attributes": [
                {
                    "object_id": 5,
                    "names": ["cat"],
                    "x": 1,
                    "y": 2,
                    "w": 3,
                    "h": 4,
                    "attributes": ["red", "red"],
                }
            ],
        },
        {
            "image_id": 1,
            "relationships": [
                {
                    "predicate": "on",
                    "subject": {"object_id": 9, "names": ["cat"], "x": 1, "y": 2, "w": 3, "h": 4},
                    "object": {"object_id": 6, "names": ["mat"], "x": 0, "y": 0, "w": 9, "h": 9},
                }
            ],
        },
    ),
}


@pytest.mark.parametrize("version", SPELLINGS)
def test_every_spelling_of_visual_genome_is_read(tmp_path, version):
    objects, attributes, relationships = SPELLINGS[version]
    image = {"image_id": 1, "width": 40, "height": 30, "url": "https://x/rak248/VG_100K_2/1.jpg"}
    regions = {"id": 1, "regions": [{"phrase": " a  red Cat ", "x": 1, "y": 2, "width": 3, "height": 4}]}
    files = {
        "image_data": image,
        "objects": objects,
        "attributes": attributes,
        "relationships": relationships,
        "region_descriptions": regions,
    }
    for name, entry in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps([entry]))
    assert images.load("visual_genome", path=str(tmp_path)).record("1") == ImageRecord(
        image_id="1",
        image="VG_100K_2/1.jpg",
        width=40,
        height=30,
        objects=(ImageObject(5, "cat", (1, 2, 3, 4), ("red",)), ImageObject(6, "mat", (0, 0, 9, 9))),
        relations=(Relation(5, "on", 6),),
        regions=(Region("a red Cat", (1, 2, 3, 4)),),
    )


def test_visual_genome_that_is_not_whole_is_named(tmp_path):
    with pytest.raises(KitError, match="image_data.json"):
        images.load("visual_genome", path=str(tmp_path))
    (tmp_path / "image_data.json").write_text('[{"image_id": 1, "width": 4')
    with pytest.raises(KitError, match="image_data.json, entry 0, character 27: .*the file is cut off"):
        images.load("visual_genome", path=str(tmp_path))
    (tmp_path / "image_data.json").write_text('[{"image_id": 1}]')
    with pytest.raises(KitError, match=r"entry 0 .image 1. is not in the official form .no 'url'.*width"):
        images.load("visual_genome", path=str(tmp_path))
    (tmp_path / "image_data.json").write_text("[]")
    (tmp_path / "objects.json").write_text("[]")
    with pytest.raises(KitError, match="image_data.json: no images in it"):
        images.load("visual_genome", path=str(tmp_path))
    image = {"image_id": 1, "url": "a/b/1.jpg", "width": 4, "height": 3}
    (tmp_path / "image_data.json").write_text(json.dumps([image]))
    (tmp_path / "objects.json").unlink()
    with pytest.raises(KitError, match="no annotations"):
        images.load("visual_genome", path=str(tmp_path))
    assert not list(tmp_path.glob("visual_genome*"))


@pytest.mark.parametrize(("version", "n_objects"), [("v1.0.0", 52), ("v1.2.0", 40)])
def test_real_visual_genome(shared_data, tmp_path, version, n_objects):
    folder, index = shared_data / "visual_genome" / version, tmp_path / "index.sqlite"
    source = images.load("visual_genome", path=str(folder), index=str(index))
    assert source.coco_id("1") == "" and source.index.unlisted == {}
    assert list(source.ids()) == ["1", "2", "3", "4", "5"]
    record = source.record("1")
    assert (record.width, record.height, record.image) == (800, 600, "VG_100K_2/1.jpg")
    assert len(record.objects) >= n_objects and len(record.regions) > 250
    clock = next(o for o in record.objects if o.name == "clock")
    assert clock.box == (421, 91, 79, 339) and "green" in clock.attributes
    ids = {o.object_id for o in record.objects}
    assert all({r.subject, r.object} <= ids and r.predicate == r.predicate.lower() for r in record.relations)
