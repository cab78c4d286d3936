"""Writing a checkpoint folder: room is checked first, and the folder is there whole or not at all."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError

from .. import files
from ..errors import KitError

MARGIN = 16 << 20
"""Bytes left free beside the weights, for configs and tokenizer."""


@contextlib.contextmanager
def new_folder(out: Path, n_bytes: int) -> Iterator[Path]:
    """Yield an empty folder beside `out` that becomes `out` at the end, and disappears after any error.

    `n_bytes` is the size of the weights to come. Raises `KitError` if `out` exists and is not empty, for too
    little free space, and for whatever the disk refuses while writing.
    """
    free_name(out)
    files.make_folder(out.parent)
    part = files.part_of(out)
    files.remove(part)  # left by a run that was killed
    _check_room(out, n_bytes)
    try:
        part.mkdir()
        yield part
        files.move_folder(part, out)
    except (OSError, SafetensorError) as error:
        raise KitError(
            f"cannot write {str(out)!r} ({error}); nothing was kept; free the disk or choose another --out"
        ) from error
    finally:
        files.remove(part)


def free_name(out: Path) -> None:
    """Refuse a folder that would be overwritten."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise KitError(f"{str(out)!r} exists and is not an empty folder; choose another --out, or remove it")


def _check_room(out: Path, n_bytes: int) -> None:
    free = shutil.disk_usage(out.parent).free
    if free < n_bytes + MARGIN:
        raise KitError(
            f"no room for {str(out)!r}: it needs {n_bytes / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are free "
            f"in {str(out.parent)!r}; free the disk or choose another --out"
        )
