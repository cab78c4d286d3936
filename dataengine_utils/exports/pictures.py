"""Where an export's pictures are: paths as they are, and files written for those that are none."""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from .. import files, images
from ..errors import KitError


@dataclass
class Pictures:
    """Paths for an export's pictures.

    A path is left as the sample has it, or `absolute`, made whole with `root`. A picture that is no file
    (drawn, or inside a table) is written once, as PNG, into `folder`; without one it is a `KitError`. For
    formats that have relative paths, `folder` is then the image folder.
    """

    root: Path | None = None
    folder: Path | None = None
    absolute: bool = False
    _written: set[str] = field(default_factory=set, repr=False)

    def path_of(self, reference: str) -> str:
        """The path of a picture for the export; `reference` is a sample's `image`."""
        if reference.partition(":")[0] in images.SCHEMES:
            return self._write(reference)
        return os.path.abspath(Path(self.root or "", reference)) if self.absolute else reference

    def bytes_of(self, reference: str) -> bytes:
        """The picture's file as it is; PNG for one that is no file."""
        if reference.partition(":")[0] in images.SCHEMES:
            file = BytesIO()
            images.open_image(reference).save(file, "PNG")
            return file.getvalue()
        path = Path(self.root or "", reference)
        try:
            return path.read_bytes()
        except OSError as error:
            raise KitError(
                f"no image at {str(path)!r} ({error.strerror}); give the folder that the paths count from "
                "(--root FOLDER)"
            ) from error

    def _write(self, reference: str) -> str:
        if self.folder is None:
            raise KitError(
                f"picture {reference!r:.90} is no file; say where to write such pictures: --pictures DIR"
            )
        name = _file_name(reference)
        path = self.folder / name
        if name not in self._written and not path.exists():
            with written_beside(path) as part:
                images.open_image(reference).save(part, "PNG")
        self._written.add(name)
        return os.path.abspath(path) if self.absolute else name


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """Yield where to write a file; it takes its place when it is whole. A full disk is a `KitError`."""
    files.make_folder(path.parent)
    part = files.part_of(path)
    try:
        yield part
        os.replace(part, path)
    except OSError as error:
        raise KitError(
            f"cannot write {str(path)!r}: {error.strerror or error}; free the disk or choose another folder"
        ) from error
    finally:
        files.remove(part)


def _file_name(reference: str) -> str:
    """A file name that says what it is where that is short, and is unique where it is not."""
    if re.fullmatch(r"\w+:\w{1,40}", reference):
        return f"{reference.replace(':', '_')}.png"
    return f"{reference.partition(':')[0]}_{hashlib.sha256(reference.encode()).hexdigest()[:16]}.png"
