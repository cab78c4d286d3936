"""A folder of images with a sidecar file of annotations: the plainest way to bring one's own pictures."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import KitError
from ..inputs import read_objects
from ..records import ImageRecord, from_json
from .building import Builder, Pieces, Recipe, Row
from .index import open_index

EXPECTED = ("one image record a line: image_id, image (path), width, height, and objects, relations, "
            "regions, texts, captions")
LARGE = 16 * 2**20  # bytes: a smaller sidecar file is read anew each time, into memory


class FolderSource:
    """Images below `path`, described line by line in `annotations` (JSON of `ImageRecord`; image paths from
    `path`).

    The annotations go into an index: one on disk at `index`, or beside the file when that is large or the
    index was made before; else one in memory.
    """

    def __init__(self, path: str, annotations: str = "annotations.jsonl", index: str = ""):
        folder, sidecar = Path(path), Path(path, annotations)
        self.root: Path | None = folder
        files = (sidecar,) if sidecar.is_file() else ()
        options = "" if annotations == "annotations.jsonl" else f" --annotations {shlex.quote(annotations)}"
        recipe = Recipe(
            "folder", folder, files, lambda builder: _fill(builder, sidecar), _assemble, options
        )
        self.index = open_index(recipe, Path(index) if index else _beside(sidecar))

    def ids(self) -> Sequence[str]:
        """The image ids in the file's order."""
        return self.index.ids

    def record(self, image_id: str) -> ImageRecord:
        """The annotations of one image."""
        return self.index.record(image_id)

    def coco_id(self, image_id: str) -> str:
        """No picture is known to be one of COCO's."""
        return self.index.coco_id(image_id)


def index_of(path: str, annotations: str = "annotations.jsonl") -> Path:
    """Where the index of a sidecar file lies, if there is one."""
    return Path(path, annotations).with_suffix(".index.sqlite")


def _beside(sidecar: Path) -> Path | None:
    beside = index_of("", str(sidecar))
    large = sidecar.is_file() and sidecar.stat().st_size > LARGE
    return beside if large or beside.is_file() else None


def _fill(builder: Builder, path: Path) -> None:
    n_images = 0
    for where, value in read_objects(path, EXPECTED):
        try:
            record = from_json(ImageRecord, value)
        except KitError as error:
            raise KitError(f"{where}: {error}") from error
        _check(record, where)
        if builder.add_image(Row(record.image_id, record.image, record.width, record.height)):
            raise KitError(f"{where}: image_id {record.image_id!r} is there twice; ids must be unique")
        builder.advance(builder.add(record.image_id, "records", value))
        n_images += 1
    if not n_images:
        raise KitError(f"{path}: no images in it; expected {EXPECTED}")


def _assemble(row: Row, pieces: Pieces, notes: Mapping[str, Any]) -> ImageRecord:
    return from_json(ImageRecord, pieces["records"][0])


def _check(record: ImageRecord, where: str) -> None:
    if record.width < 1 or record.height < 1:
        raise KitError(
            f"{where}: width and height are {record.width} x {record.height}; expected pixels, at least 1"
        )
    known = {o.object_id for o in record.objects}
    if len(known) < len(record.objects):
        raise KitError(f"{where}: an object_id is there twice; ids must be unique within an image")
    unknown = {end for r in record.relations for end in (r.subject, r.object)} - known
    if unknown:
        raise KitError(f"{where}: relations name object ids {sorted(unknown)} that no object has")
