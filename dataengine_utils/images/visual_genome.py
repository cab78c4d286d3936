"""Visual Genome's official JSON files (v1.0, v1.2, v1.4), merged into one record an image.

The versions differ in spelling: an object's id is `id` or `object_id`, its name `name`, `names` or
`object_names`, an image's entry is keyed by `id` or `image_id`; names and predicates come in any case (they
are lower-cased; region phrases stay as they are, for they may quote text). Source: visualgenome.org, "Data"
and its readme.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import KitError
from ..inputs import read_list
from ..records import Box, ImageObject, ImageRecord, Region, Relation

Entry = dict[str, Any]
EXPECTED = "Visual Genome's official file, unzipped (see visualgenome.org, Data)"


class VisualGenome:
    """The annotations in folder `path`: image_data.json, and objects, attributes, relationships and
    region_descriptions.

    Files other than image_data.json may be left out. Images lie in `path`/VG_100K and `path`/VG_100K_2.
    """

    def __init__(self, path: str):
        self.root: Path | None = Path(path)
        self._images = by_image(read_list(Path(path, "image_data.json"), EXPECTED), "image_data.json")
        self._parts = {key: self._read(key) for key in ("objects", "attributes", "relationships", "regions")}
        if not any(self._parts.values()):
            raise KitError(f"no annotations in {path!r} beside image_data.json; add objects.json, "
                           "or region_descriptions.json")

    def ids(self) -> Sequence[str]:
        """The image ids in the order of image_data.json."""
        return tuple(self._images)

    def record(self, image_id: str) -> ImageRecord:
        """The annotations of one image."""
        if image_id not in self._images:
            raise KitError(f"no image {image_id!r} in {self.root}; it has {len(self._images)} images")
        try:
            return self._merge(image_id)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise KitError(
                f"image {image_id} in {self.root}: an annotation is not in Visual Genome's form ({error!r}); "
                f"expected {EXPECTED}"
            ) from error

    def _read(self, key: str) -> dict[str, Entry]:
        name = "region_descriptions.json" if key == "regions" else f"{key}.json"
        path = Path(self.root or "", name)
        return by_image(read_list(path, EXPECTED), name) if path.exists() else {}

    def _merge(self, image_id: str) -> ImageRecord:
        image = self._images[image_id]
        found = {key: part.get(image_id, {}).get(key, []) for key, part in self._parts.items()}
        objects = _objects(found["objects"], found["attributes"])
        relations = _relations(found["relationships"], objects, found["objects"])
        return ImageRecord(
            image_id=image_id,
            image=image_path(image),
            width=int(image["width"]),
            height=int(image["height"]),
            objects=tuple(objects.values()),
            relations=relations,
            regions=tuple(Region(" ".join(r["phrase"].split()), _box(r)) for r in found["regions"]),
        )


def image_path(entry: Entry) -> str:
    """Where a picture lies below the data's folder, from its entry in image_data.json."""
    return "/".join(entry["url"].split("/")[-2:])


def by_image(entries: list[Any], name: str) -> dict[str, Entry]:
    """The entries of an official file by image id, whichever way they spell it."""
    try:
        return {str(entry["image_id"] if "image_id" in entry else entry["id"]): entry for entry in entries}
    except (KeyError, TypeError) as error:
        raise KitError(f"{name}: an entry has no image_id or id; expected {EXPECTED}") from error


def _objects(objects: list[Entry], attributes: list[Entry]) -> dict[int, ImageObject]:
    """Objects by id, in file order, with the attributes that objects.json or attributes.json gives them."""
    merged: dict[int, ImageObject] = {}
    for entry in [*objects, *attributes]:
        number = _id(entry)
        known = merged.get(number)
        words = (*(known.attributes if known else ()), *map(_words, entry.get("attributes") or ()))
        box = known.box if known else _box(entry)
        merged[number] = ImageObject(
            number, known.name if known else _name(entry), box, tuple(dict.fromkeys(words))
        )
    return {number: o for number, o in merged.items() if o.name}


def _relations(
    entries: list[Entry], objects: dict[int, ImageObject], listed: list[Entry]
) -> tuple[Relation, ...]:
    """Relations between object ids; an end that was merged into another object, or is named only here, is
    looked up.
    """
    merged_into = {old: _id(entry) for entry in listed for old in entry.get("merged_object_ids") or ()}

    def end(entry: Entry) -> int:
        number = merged_into.get(_id(entry), _id(entry))
        if number not in objects:
            objects[number] = ImageObject(number, _name(entry), _box(entry))
        return number

    relations = [Relation(end(r["subject"]), _words(r["predicate"]), end(r["object"])) for r in entries]
    return tuple(dict.fromkeys(r for r in relations if r.predicate))


def _id(entry: Entry) -> int:
    return int(entry["object_id"] if "object_id" in entry else entry["id"])


def _name(entry: Entry) -> str:
    spelling = next((key for key in ("name", "names") if key in entry), "object_names")
    return _words(entry[spelling] if isinstance(entry[spelling], str) else entry[spelling][0])


def _box(entry: Entry) -> Box:
    """(x, y, width, height) in pixels; regions spell the sizes out."""
    width, height = (entry["w"], entry["h"]) if "w" in entry else (entry["width"], entry["height"])
    return int(entry["x"]), int(entry["y"]), int(width), int(height)


def _words(text: str) -> str:
    return " ".join(text.lower().split())
