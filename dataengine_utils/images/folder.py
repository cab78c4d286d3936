"""A folder of images with a sidecar file of annotations: the plainest way to bring one's own pictures."""

from collections.abc import Sequence
from pathlib import Path

from ..errors import KitError
from ..inputs import read_objects
from ..records import ImageRecord, from_json

EXPECTED = ("one image record a line: image_id, image (path), width, height, and objects, relations, "
            "regions, texts, captions")


class FolderSource:
    """Images below `path`, described line by line in `annotations` (JSON of `ImageRecord`; image paths from
    `path`).
    """

    def __init__(self, path: str, annotations: str = "annotations.jsonl"):
        self.root: Path | None = Path(path)
        self._records = _read(Path(path, annotations))

    def ids(self) -> Sequence[str]:
        """The image ids in the file's order."""
        return tuple(self._records)

    def record(self, image_id: str) -> ImageRecord:
        """The annotations of one image."""
        if image_id not in self._records:
            raise KitError(f"no image {image_id!r} in {self.root}; it has {len(self._records)} images")
        return self._records[image_id]


def _read(path: Path) -> dict[str, ImageRecord]:
    records: dict[str, ImageRecord] = {}
    for where, value in read_objects(path, EXPECTED):
        try:
            record = from_json(ImageRecord, value)
        except KitError as error:
            raise KitError(f"{where}: {error}") from error
        _check(record, where, records)
        records[record.image_id] = record
    if not records:
        raise KitError(f"{path}: no images in it; expected {EXPECTED}")
    return records


def _check(record: ImageRecord, where: str, earlier: dict[str, ImageRecord]) -> None:
    if record.image_id in earlier:
        raise KitError(f"{where}: image_id {record.image_id!r} is there twice; ids must be unique")
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
