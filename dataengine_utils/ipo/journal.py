"""The journal of sessions: one line an act, on the disk before anything depends on it; several may write."""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from .. import files
from ..errors import KitError
from ..records import Act, from_json


class Journal:
    """A file of acts that only grows. Two people, or two kernels, may write to it in turn."""

    def __init__(self, path: Path):
        self.path = path
        self._read = 0  # bytes

    @contextmanager
    def locked(self) -> Iterator[tuple[list[Act], Callable[[Act], None]]]:
        """The acts that others have written since the last time, and the way to write one, while no other
        can. What a killed kernel left of a line is cut off first. On a full disk `KitError`: an act is in the
        file or has not been.
        """
        files.make_folder(self.path.parent)
        with self._opened() as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(self._read)
            new = _whole(file.read())
            file.truncate(self._read + len(new))
            acts = _parse(new, self.path)
            self._read += len(new)

            def write(act: Act) -> None:
                line = files.lines_text([act], Act).encode("utf-8", "surrogatepass")  # as json reads it
                try:
                    files.append_whole(file, line)
                    os.fsync(file.fileno())
                except OSError as error:
                    file.truncate(self._read)
                    raise self._unwritable(error) from error
                self._read += len(line)

            yield acts, write

    def _opened(self) -> FileIO:
        try:
            return open(self.path, "a+b", buffering=0)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> KitError:
        return KitError(f"cannot write {str(self.path)!r} ({error.strerror}); free the disk or check the "
                        "file's rights, then do it again: what was done before is kept")


def read_acts(path: Path) -> list[Act]:
    """The acts in a journal that somebody may be writing to; none where there is no file."""
    return _parse(_whole(path.read_bytes()), path) if path.exists() else []


def last_session(acts: list[Act]) -> list[Act]:
    """The acts since the last one that began a session."""
    starts = [n for n, act in enumerate(acts) if act.kind == "begin"]
    return acts[starts[-1]:] if starts else []


def _whole(text: bytes) -> bytes:
    """The lines that are whole."""
    return text[: text.rfind(b"\n") + 1]


def _parse(text: bytes, path: Path) -> list[Act]:
    acts = []
    for line in text.split(b"\n")[:-1]:
        try:
            acts.append(from_json(Act, json.loads(line)))
        except ValueError as error:
            raise KitError(f"{path}: {line[:60]!r} is no act of a session ({error}); move the file away to "
                           "begin a new one") from error
    return acts
