"""The pictures of the benchmarks: hashed once, kept on disk, found again in their copies."""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from .. import files, images
from ..errors import KitError
from .lookup import Bands
from .picture_hash import PARTS, SMALL, VERSION, PictureHash, hash_picture, same

LOW_DISTANCE = 11
"""Of 63 signs: so far a part may be from another to be compared."""

HIGH_DISTANCE = 92
"""Of 255 signs: so far a copy may be from its picture to be looked at as `picture_hash.same` does."""

_BATCH = 256
_NEAREST = 16  # candidates that are looked at
_LOW_BYTES, _HIGH_BYTES = 8 * len(PARTS), 32 * len(PARTS)
_TABLE = "CREATE TABLE IF NOT EXISTS pictures (reference TEXT PRIMARY KEY, mark TEXT, hashes BLOB)"


@dataclass(frozen=True)
class Picture:
    """A picture to hash: its reference for `images.open_image`, and the folder that a path counts from."""

    reference: str
    root: Path | None = None

    @property
    def key(self) -> str:
        """What the hashes are stored under."""
        drawn = self.reference.partition(":")[0] in images.SCHEMES
        return self.reference if drawn else os.path.abspath(Path(self.root or "", self.reference))

    @property
    def mark(self) -> str:
        """Size and time of the file, which tell whether it is still the one that was hashed."""
        try:
            state = os.stat(self.key)
        except OSError:
            return f"v{VERSION}"
        return f"v{VERSION} {state.st_size} {state.st_mtime_ns}"


@dataclass
class PictureStore:
    """Hashes of pictures in one SQLite file (in memory without a `path`), so that each is opened once.

    What was hashed before a break is there after it; a file that changed since is hashed again. 1.9 kB a
    picture.
    """

    path: Path | None = None
    open_image: Callable[[str, Path | None], Image.Image] = images.open_image

    @cached_property
    def _database(self) -> sqlite3.Connection:
        try:
            if self.path:
                files.make_folder(self.path.parent)
            database = sqlite3.connect(self.path or ":memory:", check_same_thread=False)
            database.execute(_TABLE)
        except sqlite3.Error as error:
            raise KitError(
                f"cannot keep picture hashes in {str(self.path)!r} ({error}); delete the file if it is "
                "not one of the kit's, or name another"
            ) from error
        return database

    def get(self, picture: Picture) -> PictureHash | None:
        """The hashes of a picture; None for a blank one. One that cannot be read raises `KitError`."""
        stored = self._stored(picture)
        if stored is None:
            stored = _pack(hash_picture(self.open_image(picture.reference, picture.root)))
            self._keep([(picture, stored)])
        return _unpack(stored)

    def fill(self, pictures: Sequence[Picture]) -> dict[str, str]:
        """Hash those not stored yet, on all cores; returns what could not be read: `Picture.key` -> why."""
        missing: dict[str, str] = {}
        todo = [picture for picture in pictures if self._stored(picture) is None]
        with (
            ThreadPoolExecutor(os.cpu_count()) as pool,
            tqdm(total=len(todo), unit="picture", desc="hashing pictures", disable=None, leave=False) as bar,
        ):
            for batch in _batches(todo):
                done = list(pool.map(self._hash, batch))
                self._keep(
                    [(p, value) for p, value in zip(batch, done, strict=True) if isinstance(value, bytes)]
                )
                missing |= {
                    p.key: value for p, value in zip(batch, done, strict=True) if isinstance(value, str)
                }
                bar.update(len(batch))
        return missing

    def _hash(self, picture: Picture) -> bytes | str:
        try:
            return _pack(hash_picture(self.open_image(picture.reference, picture.root)))
        except KitError as error:
            return str(error)

    def _stored(self, picture: Picture) -> bytes | None:
        found = self._database.execute(
            "SELECT mark, hashes FROM pictures WHERE reference = ?", (picture.key,)
        )
        mark, hashes = found.fetchone() or ("", None)
        return hashes if mark == picture.mark else None

    def _keep(self, hashed: Sequence[tuple[Picture, bytes]]) -> None:
        rows = [(picture.key, picture.mark, value) for picture, value in hashed]
        try:
            with self._database:
                self._database.executemany("INSERT OR REPLACE INTO pictures VALUES (?, ?, ?)", rows)
        except sqlite3.Error as error:
            raise KitError(
                f"cannot write picture hashes to {str(self.path)!r} ({error}); free the disk or name "
                "another file; those stored stay"
            ) from error


class PictureIndex:
    """The pictures that must not be trained on, found by their hashes. 1.2 kB of memory a picture.

    `blank` counts those without contrast: they are told apart by nothing, so none is found.
    """

    def __init__(self, store: PictureStore, pictures: Sequence[Picture]):
        self._store = store
        self.pictures: list[Picture] = []
        low = np.empty((len(pictures), len(PARTS)), np.uint64)
        high = np.empty((len(pictures), len(PARTS), 4), np.uint64)
        for picture in pictures:
            hashes = store.get(picture)
            if hashes is not None:
                low[len(self.pictures)], high[len(self.pictures)] = hashes.low, hashes.high
                self.pictures.append(picture)
        self.blank = len(pictures) - len(self.pictures)
        low, self._high = low[: len(self.pictures)], high[: len(self.pictures)]
        self._wholes, self._parts = Bands(low[:, 0]), Bands(low[:, 1:].ravel())

    def find(self, hashes: PictureHash) -> Picture | None:
        """The picture that these are the hashes of a copy of; None where there is none."""
        sides = (hashes, hashes.mirrored)
        for side, mine, number, part in self._candidates(sides):
            stored = self._store.get(self.pictures[number])
            small = sides[side].small
            if stored and (same(stored.small, small, mine) if mine else same(small, stored.small, part)):
                return self.pictures[number]
        return None

    def _candidates(self, sides: Sequence[PictureHash]) -> list[tuple[int, int, int, int]]:
        """(side, its part, picture, the picture's part) that may be the same, the nearest first.

        Compared are the sides, whole, with every picture's parts, and their parts with the whole pictures:
        one of the two is cropped, seldom both.
        """
        low, high = (np.stack([getattr(side, name) for side in sides]) for name in ("low", "high"))
        n = len(PARTS)
        asked, pictures = self._wholes.near(low.ravel(), LOW_DISTANCE)
        cropped, places = self._parts.near(low[:, 0], LOW_DISTANCE)
        side = np.concatenate([asked // n, cropped])
        mine = np.concatenate([asked % n, np.zeros_like(cropped)])
        number = np.concatenate([pictures, places // (n - 1)])
        part = np.concatenate([np.zeros_like(pictures), places % (n - 1) + 1])
        apart = np.bitwise_count(high[side, mine] ^ self._high[number, part]).sum(axis=1)
        near = [at for at in np.argsort(apart, kind="stable")[:_NEAREST] if apart[at] <= HIGH_DISTANCE]
        return [(int(side[at]), int(mine[at]), int(number[at]), int(part[at])) for at in near]


def _batches(pictures: Iterable[Picture]) -> Iterator[list[Picture]]:
    rest = iter(pictures)
    while batch := list(islice(rest, _BATCH)):
        yield batch


def _pack(hashes: PictureHash | None) -> bytes:
    return b"" if hashes is None else hashes.low.tobytes() + hashes.high.tobytes() + hashes.small.tobytes()


def _unpack(stored: bytes) -> PictureHash | None:
    if not stored:
        return None
    low = np.frombuffer(stored, np.uint64, len(PARTS))
    high = np.frombuffer(stored, np.uint64, 4 * len(PARTS), _LOW_BYTES)
    small = np.frombuffer(stored, np.uint8, SMALL * SMALL, _LOW_BYTES + _HIGH_BYTES)
    return PictureHash(low, high.reshape(-1, 4), small.reshape(SMALL, SMALL))
