"""Reading and writing of files: whole or not at all, strict when read, equal records give equal bytes."""

import dataclasses
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

from .errors import KitError
from .records import from_json, to_json


def make_folder(path: Path) -> None:
    """Make the folder and its parents; `KitError` when that cannot be or it cannot be written to."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise KitError(f"{str(path)!r} is read-only; choose a folder you can write to (--out FOLDER)")


def write_whole(path: Path, text: str) -> None:
    """Write a text file so that it is there complete or not at all, also after a crash."""
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        try:
            with open(descriptor, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        _sync(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error


def move_folder(source: Path, target: Path) -> None:
    """Put a finished folder in place of `target`; files are synced first, an older `target` goes."""
    if not source.is_dir():
        raise KitError(f"{str(source)!r} is no folder to keep as {target.name}; write it first")
    if source.resolve() == target.resolve():
        return
    old = old_of(target)
    try:
        sync_folder(source)
        shutil.rmtree(old, ignore_errors=True)
        if target.exists():
            os.replace(target, old)
        shutil.move(source, target)
        _sync(target.parent)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise _unwritable(target, error) from error


def sync_folder(folder: Path) -> None:
    """Have the system write all files of a folder to the disk."""
    for file in folder.rglob("*"):
        if file.is_file():
            _sync(file)


def lines_text(records: Iterable[Any], kind: type) -> str:
    """JSONL: one record a line."""
    return "".join(_line(record, kind) for record in records)


def list_text(records: Iterable[Any], kind: type) -> str:
    """One JSON list of records."""
    return document([_plain(record, kind) for record in records])


def object_text(record: Any, kind: type) -> str:
    """One JSON object."""
    return document(_plain(record, kind))


def document(value: Any) -> str:
    """JSON for people to read: indented, in the order given, letters as they are."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def read_lines(path: Path, kind: type) -> list[Any]:
    """The records of a JSONL file; a bad line raises `KitError` with file and line."""
    return [_record(kind, _parse(line, f"{path}:{number}"), f"{path}:{number}")
            for number, line in enumerate(path.read_bytes().splitlines(), start=1)]


def read_list(path: Path, kind: type) -> list[Any]:
    """The records of a JSON list; a bad one raises `KitError` with file and position."""
    values = _parse(path.read_bytes(), str(path))
    if not isinstance(values, list):
        raise KitError(f"{path}: expected a list, got {type(values).__name__}")
    return [_record(kind, value, f"{path}[{number}]") for number, value in enumerate(values)]


def read_object(path: Path, kind: type) -> Any:
    """The one record, or with `dict` the table, of a JSON file."""
    return _record(kind, _parse(path.read_bytes(), str(path)), str(path))


@contextmanager
def append_lines(path: Path, kind: type) -> Iterator[Callable[[Any], None]]:
    """Yield `write(record)`, which adds a line to `path`'s part; the part becomes `path` at the end.

    On a full disk `KitError`, and the part ends with the line before.
    """
    part = part_of(path)
    _drop_cut_line(part)
    with open(part, "ab", buffering=0) as file:
        def write(record: Any) -> None:
            line = _line(record, kind).encode()
            try:
                append_whole(file, line)
            except OSError as error:
                raise _unwritable(part, error) from error
        yield write
        os.fsync(file.fileno())
    os.replace(part, path)
    _sync(path.parent)


def append_whole(file: FileIO, line: bytes) -> None:
    """Write a line at the end of an unbuffered file, all of it or, where `OSError` is raised, nothing."""
    size, rest = os.fstat(file.fileno()).st_size, memoryview(line)
    try:
        while rest:
            rest = rest[os.write(file.fileno(), rest):]
    except OSError:
        file.truncate(size)
        raise


def read_part(path: Path, kind: type) -> list[Any]:
    """The records that an unfinished `append_lines` has written; a last line that was cut off is dropped."""
    part = part_of(path)
    _drop_cut_line(part)
    return read_lines(part, kind) if part.exists() else []


def part_of(path: Path) -> Path:
    """Where the unfinished form of a file or folder lies."""
    return path.with_name(f"{path.name}.part")


def old_of(path: Path) -> Path:
    """Where `move_folder` puts the folder that it replaces, until the new one is in place."""
    return path.with_name(f".{path.name}.old")


def remove_strays(folder: Path) -> None:
    """Remove what a `write_whole` that was killed has left in the folder itself (not below it)."""
    for path in folder.glob(".*.????????.tmp"):
        path.unlink(missing_ok=True)


def _drop_cut_line(part: Path) -> None:
    if part.exists():
        text = part.read_bytes()
        whole = text.rfind(b"\n") + 1
        if whole < len(text):
            os.truncate(part, whole)


def _line(record: Any, kind: type) -> str:
    return json.dumps(_plain(record, kind), ensure_ascii=False, allow_nan=False) + "\n"


def _plain(record: Any, kind: type) -> Any:
    if not isinstance(record, kind):
        raise KitError(f"expected a {kind.__name__} to write, got {record!r:.80}")
    return to_json(record) if dataclasses.is_dataclass(record) else record


def _parse(text: bytes, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise KitError(f"{where}: not JSON ({error}); delete the file and run its notebook again") from error


def _record(kind: type, value: Any, where: str) -> Any:
    if kind is dict and not isinstance(value, dict):
        raise KitError(f"{where}: expected an object, got {type(value).__name__}")
    try:
        return value if kind is dict else from_json(kind, value)
    except KitError as error:
        raise KitError(f"{where}: {error}") from error


def _unwritable(path: Path, error: OSError) -> KitError:
    return KitError(f"cannot write {str(path)!r}: {error.strerror or error}; free the disk or choose another "
                    "folder (--out FOLDER)")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file or a folder if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
