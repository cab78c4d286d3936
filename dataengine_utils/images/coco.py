"""COCO's official JSON files: named boxes (instances_*.json) and captions (captions_*.json), one record an
image.

The layout is that of cocodataset.org: annotations/instances_train2017.json, annotations/captions_train2017
.json, and the pictures in train2017/. Boxes are [x, y, width, height] in pixels with fractions, which are
rounded. A box of many things (iscrowd) is no object, for its members cannot be counted: it becomes the region
"a crowd of ...".
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import KitError
from ..facts.words import plural
from ..records import Box, ImageObject, ImageRecord, Region
from .building import Builder, Pieces, Recipe, Row
from .index import open_index
from .streaming import read_entry, stream_lists

EXPECTED = (
    "COCO's official file, unzipped: an object with the lists images, annotations and, for instances, "
    "categories (see cocodataset.org, Download)"
)
CROWD = "a crowd of"
IMAGE_FORM, CATEGORY_FORM = "{id, file_name, width, height}", "{id, name}"


class Coco:
    """The annotations in `path`/annotations (or in `path` itself), the pictures in `path`/train2017 and so
    on.

    `split` ("train2017") takes the files of one split, else all there are. The files are read once, into an
    index in `path` or at `index`.
    """

    def __init__(self, path: str, split: str = "", index: str = ""):
        folder = Path(path)
        self.root: Path | None = folder
        found = _files(folder, split)
        recipe = Recipe(
            source="coco",
            folder=folder,
            files=tuple(found),
            fill=lambda builder: _fill(builder, found),
            assemble=_assemble,
            options=f" --split {split}" if split else "",
        )
        name = f"coco.{split}.index.sqlite" if split else "coco.index.sqlite"
        self.index = open_index(recipe, Path(index or folder / name))

    def ids(self) -> Sequence[str]:
        """The image ids in the order of the files."""
        return self.index.ids

    def record(self, image_id: str) -> ImageRecord:
        """The annotations of one image."""
        return self.index.record(image_id)

    def coco_id(self, image_id: str) -> str:
        """The id itself."""
        return self.index.coco_id(image_id)


def _files(folder: Path, split: str) -> dict[Path, tuple[str, str]]:
    """The annotation files with their kind and split."""
    found = {}
    for place in (folder / "annotations", folder):
        for kind in ANNOTATIONS:
            for path in sorted(place.glob(f"{kind}_{split or '*'}.json")):
                found[path] = (kind, path.stem.removeprefix(f"{kind}_"))
        if found:
            return found
    names = " or ".join(f"annotations/{kind}_{split or 'train2017'}.json" for kind in ANNOTATIONS)
    raise KitError(f"no annotations in {str(folder)!r}; expected {names}: {EXPECTED}")


def _fill(builder: Builder, found: Mapping[Path, tuple[str, str]]) -> None:
    names: dict[int, str] = {}
    used: dict[int, Path] = {}
    for path, (kind, split) in found.items():
        readers = {
            "images": (partial(_row, split=split), IMAGE_FORM),
            "annotations": ANNOTATIONS[kind],
            "categories": (_category, CATEGORY_FORM),
        }
        seen = set()
        for section, number, entry in stream_lists(path, EXPECTED, builder.advance):
            if section in readers:
                seen.add(section)
                where = f"{path}, {section}, entry {number}"
                value = read_entry(readers[section][0], entry, where, readers[section][1])
                if section == "images":
                    _add_image(builder, value, where)
                elif section == "categories":
                    names.update([value])
                else:
                    builder.add(*value)
                    if kind == "instances":
                        used.setdefault(value[2][1], path)
        _check_lists(path, seen)
    _check_names(used, names)
    builder.note("names", names)


def _add_image(builder: Builder, row: Row, where: str) -> None:
    other = builder.add_image(row)
    if other and other != row.image:
        raise KitError(
            f"{where}: image {row.image_id} is {row.image!r} here and {other!r} in another split; name the "
            "split to use by option split, as in split=train2017 (--split train2017)"
        )


def _check_lists(path: Path, seen: set[str]) -> None:
    missing = sorted({"images", "annotations"} - seen)
    if missing:
        raise KitError(f"{path}: the list {missing[0]!r} is missing or empty; expected {EXPECTED}")


def _check_names(used: Mapping[int, Path], names: Mapping[int, str]) -> None:
    nameless = sorted(used.keys() - names.keys())
    if nameless:
        raise KitError(
            f"{used[nameless[0]]}: category_id {nameless[0]} is not in its list categories, "
            f"{CATEGORY_FORM}; expected {EXPECTED}"
        )


def _row(entry: dict[str, Any], split: str) -> Row:
    image_id = str(int(entry["id"]))
    image = f"{split}/{entry['file_name']}"
    return Row(image_id, image, int(entry["width"]), int(entry["height"]), coco_id=image_id)


def _instance(entry: dict[str, Any]) -> tuple[str, str, list[Any]]:
    kind = "crowds" if entry.get("iscrowd") else "objects"
    value = [int(entry["id"]), int(entry["category_id"]), _box(*entry["bbox"])]
    return str(int(entry["image_id"])), kind, value


def _caption(entry: dict[str, Any]) -> tuple[str, str, str]:
    return str(int(entry["image_id"])), "captions", " ".join(entry["caption"].split())


def _category(entry: dict[str, Any]) -> tuple[int, str]:
    return int(entry["id"]), " ".join(entry["name"].split())


def _box(x: float, y: float, width: float, height: float) -> Box:
    """Whole pixels: the edges are rounded, and a box is at least one pixel wide and high."""
    left, top = round(x), round(y)
    return left, top, max(1, round(x + width) - left), max(1, round(y + height) - top)


ANNOTATIONS = {
    "instances": (_instance, "{id, image_id, category_id, bbox: [x, y, width, height]}"),
    "captions": (_caption, "{image_id, caption}"),
}


def _assemble(row: Row, pieces: Pieces, notes: Mapping[str, Any]) -> ImageRecord:
    names = notes["names"]
    return ImageRecord(
        image_id=row.image_id,
        image=row.image,
        width=row.width,
        height=row.height,
        objects=tuple(
            ImageObject(number, names[str(category)], tuple(box))
            for number, category, box in pieces.get("objects", ())
        ),
        regions=tuple(
            Region(f"{CROWD} {plural(names[str(category)])}", tuple(box))
            for _, category, box in pieces.get("crowds", ())
        ),
        captions=tuple(text for text in pieces.get("captions", ()) if text),
    )
