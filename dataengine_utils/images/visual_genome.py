"""Visual Genome's official JSON files (v1.0, v1.2, v1.4), merged into one record an image.

The versions differ in spelling: an object's id is `id` or `object_id`, its name `name`, `names` or
`object_names`, an image's entry is keyed by `id` or `image_id`; names and predicates come in any case (they
are lower-cased; region phrases stay as they are, for they may quote text). Source: visualgenome.org, "Data"
and its readme.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import KitError
from ..records import Box, ImageObject, ImageRecord, Region, Relation
from .building import Builder, Pieces, Recipe, Row
from .index import open_index
from .streaming import read_entry, stream_list

Entry = dict[str, Any]
Thing = list[Any]  # as the index keeps an object: id, name, box, attributes, ids merged into it
EXPECTED = "Visual Genome's official file, unzipped (see visualgenome.org, Data)"
INDEX = "visual_genome.index.sqlite"


class VisualGenome:
    """The annotations in folder `path`: image_data.json, and objects, attributes, relationships and
    region_descriptions.

    Files other than image_data.json may be left out. Images lie in `path`/VG_100K and `path`/VG_100K_2. The
    files are read once, into an index beside them or at `index`.
    """

    def __init__(self, path: str, index: str = ""):
        folder = Path(path)
        self.root: Path | None = folder
        names = ["image_data.json", *(part.file for part in PARTS.values())]
        files = tuple(file for name in names if (file := folder / name).is_file())
        recipe = Recipe("visual_genome", folder, files, lambda builder: _fill(builder, folder), _assemble)
        self.index = open_index(recipe, Path(index or folder / INDEX))

    def ids(self) -> Sequence[str]:
        """The image ids in the order of image_data.json."""
        return self.index.ids

    def record(self, image_id: str) -> ImageRecord:
        """The annotations of one image."""
        return self.index.record(image_id)

    def coco_id(self, image_id: str) -> str:
        """The id that COCO has given the same picture; "" for none."""
        return self.index.coco_id(image_id)


def image_path(entry: Entry) -> str:
    """Where a picture lies below the data's folder, from its entry in image_data.json."""
    return "/".join(entry["url"].split("/")[-2:])


def by_image(entries: list[Any], name: str) -> dict[str, Entry]:
    """The entries of an official file by image id, whichever way they spell it."""
    try:
        return {_image_id(entry): entry for entry in entries}
    except (KeyError, TypeError) as error:
        raise KitError(f"{name}: an entry has no image_id or id; expected {EXPECTED}") from error


def _fill(builder: Builder, folder: Path) -> None:
    path = folder / "image_data.json"
    for number, entry in enumerate(stream_list(path, EXPECTED, builder.advance)):
        builder.add_image(read_entry(_row, entry, f"{path}, entry {number}", IMAGE_FORM))
    if not any((folder / part.file).is_file() for part in PARTS.values()):
        raise KitError(f"no annotations in {str(folder)!r} beside image_data.json; add objects.json, "
                       "or region_descriptions.json")  # fmt: skip
    for key, part in PARTS.items():
        if (folder / part.file).is_file():
            _fill_part(builder, folder / part.file, key, part)


def _fill_part(builder: Builder, path: Path, key: str, part: "_Part") -> None:
    def compact(entry: Entry) -> tuple[str, list[Any]]:
        return _image_id(entry), [part.compact(item) for item in entry[key]]

    form = f"{{image_id or id, {key}: [{part.form}]}}"
    for number, entry in enumerate(stream_list(path, EXPECTED, builder.advance)):
        image_id, items = read_entry(compact, entry, f"{path}, entry {number}", form)
        builder.add(image_id, key, items, len(items))


def _row(entry: Entry) -> Row:
    coco_id = entry.get("coco_id")
    return Row(
        image_id=_image_id(entry),
        image=image_path(entry),
        width=int(entry["width"]),
        height=int(entry["height"]),
        coco_id="" if coco_id is None else str(int(coco_id)),
    )


def _thing(entry: Entry) -> Thing:
    attributes = [_words(word) for word in entry.get("attributes") or ()]
    merged = [int(number) for number in entry.get("merged_object_ids") or ()]
    return [_id(entry), _name(entry), _box(entry), attributes, merged]


def _relation(entry: Entry) -> list[Any]:
    ends = [[_id(end), _name(end), _box(end)] for end in (entry["subject"], entry["object"])]
    return [_words(entry["predicate"]), *ends]


def _region(entry: Entry) -> list[Any]:
    return [" ".join(entry["phrase"].split()), _box(entry)]


@dataclass(frozen=True)
class _Part:
    """A file of annotations: its name, what the index keeps of an item, and the item's form in words."""

    file: str
    compact: Callable[[Entry], list[Any]]
    form: str


IMAGE_FORM = "{image_id or id, url, width, height}"
THING_FORM = "{object_id or id, names or name, x, y, w, h}"
PARTS = {
    "objects": _Part("objects.json", _thing, THING_FORM),
    "attributes": _Part("attributes.json", _thing, f"{THING_FORM[:-1]}, attributes}}"),
    "relationships": _Part(
        "relationships.json", _relation, f"{{predicate, subject and object: {THING_FORM}}}"
    ),
    "regions": _Part("region_descriptions.json", _region, "{phrase, x, y, width, height}"),
}


def _assemble(row: Row, pieces: Pieces, notes: Mapping[str, Any]) -> ImageRecord:
    found = {key: pieces[key][-1] if key in pieces else [] for key in PARTS}
    objects = _objects(found["objects"], found["attributes"])
    relations = _relations(found["relationships"], objects, found["objects"])
    return ImageRecord(
        image_id=row.image_id,
        image=row.image,
        width=row.width,
        height=row.height,
        objects=tuple(objects.values()),
        relations=relations,
        regions=tuple(Region(phrase, tuple(box)) for phrase, box in found["regions"]),
    )


def _objects(objects: list[Thing], attributed: list[Thing]) -> dict[int, ImageObject]:
    """Objects by id, in file order, with the attributes that objects.json or attributes.json gives them."""
    merged: dict[int, Thing] = {}
    words: dict[int, list[str]] = {}
    for number, name, box, attributes, _ in [*objects, *attributed]:
        merged.setdefault(number, [name, box])
        words.setdefault(number, []).extend(attributes)
    return {
        number: ImageObject(number, name, tuple(box), tuple(dict.fromkeys(words[number])))
        for number, (name, box) in merged.items()
        if name
    }


def _relations(
    found: list[Any], objects: dict[int, ImageObject], listed: list[Thing]
) -> tuple[Relation, ...]:
    """Relations between object ids; an end that was merged into another object, or is named only here, is
    looked up.
    """
    merged_into = {old: number for number, _, _, _, merged in listed for old in merged}

    def end(number: int, name: str, box: list[int]) -> int:
        number = merged_into.get(number, number)
        if number not in objects:
            objects[number] = ImageObject(number, name, tuple(box))
        return number

    named = [item for item in found if item[1][1] and item[2][1]]
    relations = [Relation(end(*subject), predicate, end(*other)) for predicate, subject, other in named]
    return tuple(dict.fromkeys(r for r in relations if r.predicate))


def _image_id(entry: Entry) -> str:
    return str(entry["image_id"] if "image_id" in entry else entry["id"])


def _id(entry: Entry) -> int:
    return int(entry["object_id"] if "object_id" in entry else entry["id"])


def _name(entry: Entry) -> str:
    spelling = next((key for key in ("name", "names") if key in entry), "object_names")
    names = entry[spelling]
    return _words(names if isinstance(names, str) else names[0] if names else "")


def _box(entry: Entry) -> Box:
    """(x, y, width, height) in pixels; regions spell the sizes out."""
    width, height = (entry["w"], entry["h"]) if "w" in entry else (entry["width"], entry["height"])
    return int(entry["x"]), int(entry["y"]), int(width), int(height)


def _words(text: str) -> str:
    return " ".join(text.lower().split())
