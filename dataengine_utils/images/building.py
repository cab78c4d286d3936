"""How an index of annotations is written: whole or not at all, by one process at a time.

The file (SQLite) holds the images in their order, the annotations as pieces (a kind and a JSON value, long
ones compressed), what OCR found, and the marks (name, size, time) of the files it was made from.
"""

import json
import os
import shlex
import sqlite3
import stat
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..errors import KitError
from ..files import part_of
from ..records import ImageRecord

FORMAT = 1  # raise it when what is stored changes: every index is then made anew
LONG = 200  # characters from which a value is compressed
_ANYONE_WRITES = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
_TABLES = """
CREATE TABLE images (position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, image TEXT NOT NULL,
                     width INTEGER NOT NULL, height INTEGER NOT NULL, coco_id TEXT NOT NULL);
CREATE TABLE pieces (image_id TEXT NOT NULL, kind TEXT NOT NULL, value NOT NULL);
CREATE TABLE texts (image_id TEXT NOT NULL, provider TEXT NOT NULL, boxes TEXT NOT NULL,
                    UNIQUE (image_id, provider));
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode

Pieces = Mapping[str, list[Any]]


@dataclass(frozen=True)
class Row:
    """An image without its annotations. `image` is the reference of its picture, `coco_id` COCO's id of it
    ("" when it has none); width and height are pixels.
    """

    image_id: str
    image: str
    width: int
    height: int
    coco_id: str = ""


@dataclass(frozen=True)
class Recipe:
    """How the index of a source is made and read.

    `files` are the annotation files that are there; `fill` reads them into a `Builder`; `assemble` makes a
    record of a row, its pieces by kind in the order they were added, and what `Builder.note` kept. `options`
    are those of the command line besides the folder.
    """

    source: str
    folder: Path
    files: tuple[Path, ...]
    fill: Callable[["Builder"], None]
    assemble: Callable[[Row, Pieces, Mapping[str, Any]], ImageRecord]
    options: str = ""

    @property
    def command(self) -> str:
        """The command that makes the index."""
        data = shlex.quote(str(self.folder))
        return f"python -m dataengine_utils.images index {self.source} --data {data}{self.options}"

    def marks(self) -> list[Any]:
        """What tells these annotation files from others, as JSON values."""
        states = [(path, path.stat()) for path in self.files]
        return [FORMAT, self.source, [[path.name, s.st_size, s.st_mtime_ns] for path, s in states]]


class Builder:
    """An index in the making. `advance` takes the bytes that were read, for the progress bar."""

    def __init__(self, connection: sqlite3.Connection, advance: Callable[[int], Any]):
        self.advance = advance
        self._counts: Counter[str] = Counter()
        self._run = connection.execute
        connection.executescript(_TABLES)
        self._run("BEGIN")

    def add_image(self, row: Row) -> str:
        """Take an image up, after those before it. An id that is there already stays as it is, and its
        `image` is returned, else "".
        """
        values = (row.image_id, row.image, row.width, row.height, row.coco_id)
        done = self._run(
            "INSERT INTO images (id, image, width, height, coco_id) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO NOTHING",
            values,
        )
        if done.rowcount:
            return ""
        return self._run("SELECT image FROM images WHERE id = ?", (row.image_id,)).fetchone()[0]

    def add(self, image_id: str, kind: str, value: Any, n: int = 1) -> int:
        """Store a JSON value about an image, which may be taken up later; it counts as `n` of its kind.

        Returns its length as JSON, in characters.
        """
        text = encode(value)
        stored = text if len(text) < LONG else zlib.compress(text.encode())
        self._run("INSERT INTO pieces VALUES (?, ?, ?)", (image_id, kind, stored))
        self._counts[kind] += n
        return len(text)

    def note(self, name: str, value: Any) -> None:
        """Keep a JSON value about the whole set, for `Recipe.assemble`."""
        self._run("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, encode(value)))

    def finish(self, recipe: Recipe, marks: list[Any], old: Path | None) -> None:
        """Make it quick to read, check that the pieces are about the images, take the texts of `old` over."""
        self._run("CREATE INDEX pieces_of_image ON pieces (image_id)")
        if not self._run("SELECT 1 FROM images LIMIT 1").fetchone():
            raise KitError(f"{recipe.files[0]}: no images in it; expected a list of images")
        unlisted = dict(self._run(
            "SELECT kind, count(*) FROM pieces WHERE image_id NOT IN (SELECT id FROM images) GROUP BY kind"
        ).fetchall())  # fmt: skip
        n_pieces = self._run("SELECT count(*) FROM pieces").fetchone()[0]
        if n_pieces and n_pieces == sum(unlisted.values()):
            raise KitError(f"no annotation in {str(recipe.folder)!r} is about an image that "
                           f"{recipe.files[0].name} lists; put files of one version there")
        for row in _old_texts(old):
            self._run("INSERT INTO texts SELECT ?, ?, ? WHERE EXISTS"
                      " (SELECT 1 FROM images WHERE id = ? AND image = ?)", row)
        self.note("counts", self._counts)
        self.note("unlisted", unlisted)
        self.note("marks", marks)
        self._run("COMMIT")


def build(recipe: Recipe, connection: sqlite3.Connection, old: Path | None = None) -> None:
    """Read the annotation files into an empty database, with one progress bar."""
    marks = recipe.marks()  # before reading: of a file that changes meanwhile the index is an old one
    n_bytes = sum(path.stat().st_size for path in recipe.files)
    with tqdm(total=n_bytes, unit="B", unit_scale=True, desc="index", leave=False, disable=None) as bar:
        builder = Builder(connection, bar.update)
        recipe.fill(builder)
        builder.finish(recipe, marks, old)


def make_current(recipe: Recipe, path: Path) -> None:
    """Have a whole index of these very files at `path`, made anew where there is none or an old one.

    What was kept of OCR stays. Raises `KitError` for annotations that cannot be read, for a place that cannot
    be written to, and rather than overwrite a file that is not an index of this source.
    """
    if not recipe.folder.is_dir():
        raise KitError(f"no folder {str(recipe.folder)!r} with the files of {recipe.source}; give the folder "
                       "that they are in (--data DIR, the image source's option path)")  # fmt: skip
    if _is_current(recipe, path):
        return
    _check_place(recipe, path)
    with telling(path), locked(path):
        if not _is_current(recipe, path):  # else another process made it meanwhile
            _write(recipe, path)


def _write(recipe: Recipe, path: Path) -> None:
    part = part_of(path)
    part.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(part, isolation_level=None)) as connection:
            for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -65536"):
                connection.execute(f"PRAGMA {setting}")
            build(recipe, connection, path)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        _journal_of(path).unlink(missing_ok=True)  # it would be played into the new file
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def read_only(path: Path) -> sqlite3.Connection:
    """Open an index for reading. A change that a killed process left half written is undone first."""
    if _journal_of(path).exists():
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("SELECT count(*) FROM meta").fetchone()
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Be the only one who writes this index; the system frees the lock of a process that was killed."""
    import fcntl

    with open(path.with_name(f".{path.name}.lock"), "a", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another process that writes {path}", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def telling(path: Path) -> Iterator[None]:
    """Say of a full disk and the like what can be done."""
    try:
        yield
    except (sqlite3.OperationalError, OSError) as error:
        raise KitError(
            f"cannot write the index {str(path)!r} ({error}); free the disk, or choose another place with "
            "--index FILE (the image source's option index)"
        ) from error


def _is_current(recipe: Recipe, path: Path) -> bool:
    return path.is_file() and _marks_of(path) == recipe.marks()


def _marks_of(path: Path) -> list[Any]:
    """The marks that an index keeps; none of a file that is no index, or a damaged one."""
    try:
        with closing(read_only(path)) as connection:
            found = connection.execute("SELECT value FROM meta WHERE name = 'marks'").fetchone()
    except sqlite3.DatabaseError:
        return []
    return json.loads(found[0]) if found else []


def _old_texts(old: Path | None) -> Iterator[tuple[str, ...]]:
    """What OCR found, of an older index: image id, provider, boxes, and again image id and picture."""
    if old is None or not old.is_file():
        return
    query = ("SELECT t.image_id, t.provider, t.boxes, o.id, o.image FROM texts t"
             " JOIN images o ON o.id = t.image_id ORDER BY t.rowid")  # fmt: skip
    try:
        with closing(read_only(old)) as connection:
            found = connection.execute(query).fetchall()
    except sqlite3.DatabaseError as error:
        raise KitError(f"the index {str(old)!r} is damaged ({error}) and the texts found by OCR cannot be "
                       "taken over; delete it and run again") from error  # fmt: skip
    yield from found


def _check_place(recipe: Recipe, path: Path) -> None:
    """A folder that nobody may write to is left as it is, by the superuser too."""
    folder = path.parent
    elsewhere = (f"choose a file elsewhere with the image source's option index=FILE, or run: "
                 f"{recipe.command} --index FILE")  # fmt: skip
    if not folder.is_dir():
        raise KitError(f"cannot write the index {path.name}: no folder {str(folder)!r}; {elsewhere}")
    if not folder.stat().st_mode & _ANYONE_WRITES or not os.access(folder, os.W_OK | os.X_OK):
        raise KitError(f"cannot write the index {path.name}: {str(folder)!r} is read-only; {elsewhere}")
    if path.exists() and _marks_of(path)[1:2] != [recipe.source]:
        raise KitError(f"{str(path)!r} is not an index of {recipe.source}, or is damaged; delete it, or "
                       f"{elsewhere}")  # fmt: skip


def _journal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-journal")
