"""The annotations of a data set as one file on disk, read image by image (how it is written: `building`)."""

import dataclasses
import json
import os
import sqlite3
import threading
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import KitError
from ..records import ImageRecord, TextBox
from .building import Recipe, Row, build, encode, locked, make_current, read_only, telling

CACHED = 1024  # records kept in memory


def open_index(recipe: Recipe, path: Path | None) -> "Index":
    """The index at `path`, made first where there is none or an old one; with None it is held in memory.

    Raises `KitError` for annotations that cannot be read and for a place that cannot be written to.
    """
    if path is None:
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        build(recipe, connection)
        return Index(recipe, None, connection)
    path = path.absolute()
    make_current(recipe, path)
    return Index(recipe, path, read_only(path))


class Index:
    """An index that is whole: the record of an image by its id, and a place for what OCR finds.

    Several threads may use it, and a process after a fork. `path` is None for one that is held in memory.
    `ids` are the image ids in the order of the files, read from the index one by one.
    """

    def __init__(self, recipe: Recipe, path: Path | None, connection: sqlite3.Connection):
        self.path, self._recipe = path, recipe
        self._connection, self._process, self._lock = connection, os.getpid(), threading.Lock()
        self._meta = {name: json.loads(value) for name, value in self.rows("SELECT * FROM meta")}
        self.ids: Sequence[str] = Ids(self, self.rows("SELECT count(*) FROM images")[0][0])
        self._cached = lru_cache(maxsize=CACHED)(self._read)

    @property
    def counts(self) -> dict[str, int]:
        """The number of annotations, by kind."""
        return self._meta["counts"]

    @property
    def unlisted(self) -> dict[str, int]:
        """The number of entries about images that are not listed, by kind; no record has them."""
        return self._meta["unlisted"]

    def record(self, image_id: str) -> ImageRecord:
        """The annotations of one image, with the texts found by OCR; an unknown id raises `KitError`."""
        return self._cached(image_id)

    def coco_id(self, image_id: str) -> str:
        """COCO's id of an image, "" when it has none; an unknown id raises `KitError`."""
        return self._row(image_id).coco_id

    def add_texts(self, image_id: str, boxes: Iterable[TextBox], provider: str) -> None:
        """Keep the texts that an OCR provider found in an image (also none at all), in place of its earlier
        ones.

        Of several providers the one added last is read. They stay when the index is made anew.
        """
        self._row(image_id)
        if self.path is None:
            raise KitError(f"the index of {str(self._recipe.folder)!r} is in memory and keeps no texts; "
                           f"make it a file: {self._recipe.command}")  # fmt: skip
        value = encode([[box.text, *box.box] for box in boxes])
        with telling(self.path), locked(self.path), closing(sqlite3.connect(self.path)) as opened, opened:
            opened.execute("INSERT OR REPLACE INTO texts VALUES (?, ?, ?)", (image_id, provider, value))
        self._cached.cache_clear()

    def texts_by(self, provider: str) -> set[str]:
        """The ids of the images whose texts a provider has added, also of those where it found none."""
        found = self.rows("SELECT image_id FROM texts WHERE provider = ?", provider)
        return {image_id for (image_id,) in found}

    def rows(self, query: str, *values: Any) -> list[Any]:
        """The rows of a query; `KitError` when the file is damaged."""
        with self._lock:
            if self.path is not None and self._process != os.getpid():
                self._connection, self._process = read_only(self.path), os.getpid()
            with self._whole():
                return self._connection.execute(query, values).fetchall()

    @contextmanager
    def _whole(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.DatabaseError, zlib.error, ValueError) as error:
            raise KitError(f"cannot read the index {str(self.path)!r} ({error}); delete it and run: "
                           f"{self._recipe.command}") from error  # fmt: skip

    def _row(self, image_id: str) -> Row:
        found = self.rows("SELECT id, image, width, height, coco_id FROM images WHERE id = ?", image_id)
        if not found:
            raise KitError(
                f"no image {image_id!r} in {self._recipe.folder}; it has {len(self.ids):,} images"
            )
        return Row(*found[0])

    def _read(self, image_id: str) -> ImageRecord:
        row = self._row(image_id)
        pieces: dict[str, list[Any]] = defaultdict(list)
        query = "SELECT kind, value FROM pieces WHERE image_id = ? ORDER BY rowid"
        for kind, value in self.rows(query, image_id):
            with self._whole():
                text = zlib.decompress(value) if isinstance(value, bytes) else value
                pieces[kind].append(json.loads(text))
        record = self._recipe.assemble(row, pieces, self._meta)
        texts = dict.fromkeys([*record.texts, *self._texts(image_id)])
        return dataclasses.replace(record, texts=tuple(texts))

    def _texts(self, image_id: str) -> list[TextBox]:
        query = "SELECT boxes FROM texts WHERE image_id = ? ORDER BY rowid DESC LIMIT 1"
        found = self.rows(query, image_id)
        return [TextBox(text, tuple(box)) for text, *box in json.loads(found[0][0])] if found else []


class Ids(Sequence[str]):
    """The image ids of an index in its order; none is held in memory."""

    def __init__(self, index: Index, n_images: int):
        self._index, self._n_images = index, n_images

    def __len__(self) -> int:
        return self._n_images

    def __getitem__(self, position):
        places = range(1, self._n_images + 1)[position]
        if isinstance(places, range):
            return tuple(self._at(place) for place in places)
        return self._at(places)

    def __iter__(self) -> Iterator[str]:
        query = "SELECT id FROM images WHERE position BETWEEN ? AND ? ORDER BY position"
        for start in range(1, self._n_images + 1, 1000):
            yield from (image_id for (image_id,) in self._index.rows(query, start, start + 999))

    def __contains__(self, image_id: object) -> bool:
        query = "SELECT 1 FROM images WHERE id = ?"
        return isinstance(image_id, str) and bool(self._index.rows(query, image_id))

    def _at(self, place: int) -> str:
        return self._index.rows("SELECT id FROM images WHERE position = ?", place)[0][0]
