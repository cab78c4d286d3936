"""Vectors of pictures, computed once by one model and kept on disk, where a killed computation goes on.

A store is a folder of one model and one collection of pictures: `vectors.f16` (rows of float16, memory-mapped
when read), `blocks.jsonl` (the ids of each block of rows and the pictures that could not be read, a line once
the block is on disk) and `mark.json` (model, weights, preprocessing), whose hash is in the folder's name.
"""

import hashlib
import itertools
import json
import os
import random
import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image
from tqdm import tqdm

from ..errors import KitError
from ..files import append_lines, document, make_folder, part_of, read_lines, read_part, write_whole
from ..models.pictures import FIRST_IMAGES, Pictures, try_open
from . import ImageSource, open_image
from .building import locked
from .similar import unit

MODEL = "openai/clip-vit-base-patch32"
"""The model of the paper's v1."""
WHOLE, PART = 200_000, 10_000
BLOCK = 1024  # pictures whose vectors are written together
BATCH_SIZE = 64
OPENERS = 4  # threads that open pictures ahead
VECTORS, BLOCKS, MARK = "vectors.f16", "blocks.jsonl", "mark.json"
_TYPE = np.dtype("<f2")


class Encoder(Protocol):
    """Turns pictures into vectors. `mark` tells it from every other: model, weights and preprocessing."""

    mark: Mapping[str, Any]

    def __call__(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        """The vectors (pictures, width), float32."""
        ...


@dataclass(frozen=True)
class Embeddings:
    """`vectors` (n, width), float16 rows of length one, are those of the pictures `ids`.

    `unreadable` are the pictures that could not be opened, with the reason.
    """

    ids: tuple[str, ...]
    vectors: np.ndarray
    unreadable: dict[str, str]

    def only(self, ids: Iterable[str]) -> "Embeddings":
        """Those of some pictures in their order; ids without a vector are left out."""
        row_of = {image_id: row for row, image_id in enumerate(self.ids)}
        wanted = tuple(image_id for image_id in dict.fromkeys(ids) if image_id in row_of)
        unreadable = {i: self.unreadable[i] for i in self.unreadable.keys() & set(ids)}
        if wanted == self.ids:
            return Embeddings(self.ids, self.vectors, unreadable)
        return Embeddings(wanted, self.vectors[[row_of[i] for i in wanted]], unreadable)

    def note(self) -> str:
        """One sentence about the pictures that could not be read; "" if all could."""
        if not self.unreadable:
            return ""
        image_id, reason = next(iter(self.unreadable.items()))
        return (f"{len(self.unreadable):,} pictures could not be read and have no vector; the first is "
                f"{image_id!r}: {reason}")  # fmt: skip


def pool_of(ids: Sequence[str], n: int | None = None) -> Sequence[str]:
    """The images that are embedded of a source: `n` of them, drawn at random once and for all.

    With None all of a source with up to `WHOLE` images, else `PART`: nobody embeds ten million.
    """
    n = n or (len(ids) if len(ids) <= WHOLE else PART)
    if n >= len(ids):
        return ids
    return [ids[place] for place in sorted(random.Random(0).sample(range(len(ids)), n))]


def embed_source(
    source: ImageSource, encoder: Encoder, folder: Path | None = None, *, n: int | None = None, **options: Any
) -> Embeddings:
    """The vectors of a source's images (those of `pool_of`), the missing ones computed now.

    The store lies below `folder`, by default in "embeddings" beside the source's data. `options` are those of
    `embed`.
    """
    return embed(
        pool_of(source.ids(), n),
        lambda image_id: source.record(image_id).image,
        encoder,
        folder or beside(source),
        name=_name_of(source),
        root=source.root,
        **options,
    )


def beside(source: ImageSource) -> Path:
    """The folder for vectors beside a source's data."""
    if source.root is None:
        raise KitError("the pictures of this image source are drawn and have no folder; name one for their "
                       "vectors (--out FOLDER)")  # fmt: skip
    return source.root / "embeddings"


def store_beside(source: ImageSource, encoder: Encoder) -> Path | None:
    """The folder beside a source's data, if there is a store of this encoder in it."""
    if source.root is None or not store_of(beside(source), _name_of(source), encoder.mark).exists():
        return None
    return beside(source)


def _name_of(source: ImageSource) -> str:
    return f"{type(source).__name__} {source.root.name if source.root else ''}".strip()


def embed(
    ids: Collection[str],
    reference_of: Callable[[str], str],
    encoder: Encoder,
    folder: Path,
    *,
    name: str = "pictures",
    root: Path | None = None,
    batch_size: int = BATCH_SIZE,
    block: int = BLOCK,
    retry: bool = False,
) -> Embeddings:
    """The vectors of the pictures `ids`; what the store of this encoder and `name` has is not computed again.

    `reference_of` gives the reference of a picture (for `images.open_image`) by its id. The vectors of every
    `block` pictures are written together: a killed computation loses no more than that. A picture that cannot
    be opened is noted and left out, and tried again with `retry`. Raises `KitError` when more than a few
    cannot be opened (see `models.pictures`), or none can, and when the disk is full.
    """
    store = store_of(folder, name, encoder.mark)
    found = _read(store, encoder, _lines(store))
    if _missing(ids, found, retry):
        make_folder(store)
        with locked(store / VECTORS):
            write_whole(store / MARK, document({"pictures": name, **encoder.mark}))
            found = _read(store, encoder, _unfinished_lines(store))
            work = _Work(encoder, reference_of, partial(open_image, root=root), batch_size)
            todo = _missing(ids, found, retry)
            _fill(store, len(found.ids), work.encoded(todo, len(ids)), block)
            found = _read(store, encoder, _lines(store))
    asked = found.only(ids)
    if ids and not asked.ids:
        raise KitError(f"none of the {len(ids):,} pictures could be read: {asked.note()}")
    return asked


def store_of(folder: Path, name: str, mark: Mapping[str, Any]) -> Path:
    """The folder of an encoder's vectors of some pictures."""
    content = json.dumps([name, mark], sort_keys=True, ensure_ascii=False)
    readable = re.sub(r"[^a-z0-9]+", "-", f"{name} {mark['model']}".lower()).strip("-")
    return folder / f"{readable}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def _missing(ids: Iterable[str], found: Embeddings, retry: bool) -> list[str]:
    known = {*found.ids, *(() if retry else found.unreadable)}
    return [image_id for image_id in dict.fromkeys(ids) if image_id not in known]


Lines = list[dict[str, Any]]


def _lines(store: Path) -> Lines:
    """The blocks of a finished computation; none while one is going on."""
    try:
        return read_lines(store / BLOCKS, dict)
    except FileNotFoundError:
        return []


def _unfinished_lines(store: Path) -> Lines:
    """The blocks that are on disk, also of a computation that was killed; only for the one that goes on."""
    return read_part(store / BLOCKS, dict) if part_of(store / BLOCKS).exists() else _lines(store)


def _read(store: Path, encoder: Encoder, lines: Lines) -> Embeddings:
    ids = tuple(itertools.chain.from_iterable(line["ids"] for line in lines))
    unreadable = {i: reason for line in lines for i, reason in line["unreadable"].items()}
    shape = (len(ids), encoder.mark["width"])
    if not ids:
        return Embeddings((), np.zeros(shape, _TYPE), unreadable)
    file = store / VECTORS
    if not file.exists() or file.stat().st_size < shape[0] * shape[1] * _TYPE.itemsize:
        raise KitError(f"{str(file)!r} is cut off; delete the folder {str(store)!r} and embed again")
    read = set(ids)
    return Embeddings(ids, np.memmap(file, _TYPE, "r", shape=shape),
                      {i: reason for i, reason in unreadable.items() if i not in read})  # fmt: skip


Encoded = tuple[list[str], dict[str, str], np.ndarray]  # ids, unreadable ids with the reason, the vectors


def _fill(store: Path, n_rows: int, batches: Iterator[Encoded], block: int) -> None:
    """Append batches to a store: first the vectors of a block, then the line that counts them."""
    if (store / BLOCKS).exists():
        os.replace(store / BLOCKS, part_of(store / BLOCKS))
    with open(store / VECTORS, "ab") as file, append_lines(store / BLOCKS, dict) as write:
        for ids, unreadable, vectors in _blocks(batches, block):
            with _telling(store):
                file.truncate(n_rows * vectors.shape[1] * _TYPE.itemsize)
                file.write(vectors.tobytes())
                file.flush()
                os.fsync(file.fileno())
                write({"ids": ids, "unreadable": unreadable})
            n_rows += len(ids)


@contextmanager
def _telling(store: Path) -> Iterator[None]:
    """Say of a full disk and the like what can be done."""
    try:
        yield
    except OSError as error:
        raise KitError(f"cannot write {str(store)!r} ({error.strerror or error}); free the disk or choose "
                       "another folder (--out FOLDER)") from error  # fmt: skip


def _blocks(batches: Iterator[Encoded], block: int) -> Iterator[Encoded]:
    """The batches joined to blocks of at least so many pictures."""
    held: list[Encoded] = []
    for batch in batches:
        held.append(batch)
        if sum(len(ids) + len(unreadable) for ids, unreadable, _ in held) >= block:
            yield _joined(held)
            held = []
    if held:
        yield _joined(held)


def _joined(batches: list[Encoded]) -> Encoded:
    ids, unreadable, vectors = zip(*batches, strict=True)
    reasons = {i: reason for batch in unreadable for i, reason in batch.items()}
    return list(itertools.chain.from_iterable(ids)), reasons, np.concatenate(vectors)


Batch = list[tuple[str, str]]  # ids with the references of their pictures
Opened = dict[str, Image.Image | str]  # references with their pictures, or why there is none


@dataclass(frozen=True)
class _Work:
    """How pictures are opened and encoded."""

    encoder: Encoder
    reference_of: Callable[[str], str]
    open_image: Callable[[str], Image.Image]
    batch_size: int

    def encoded(self, ids: Sequence[str], n_all: int) -> Iterator[Encoded]:
        """The ids in batches with their vectors, under one progress bar; `n_all` pictures were asked for."""
        pictures = Pictures(self.open_image, max(n_all, FIRST_IMAGES))
        with tqdm(total=len(ids), unit="image", desc="embed", leave=False, disable=None) as bar:
            for batch, opened in self._opened(ids):
                pictures.add(opened)
                drawn = {image_id: pictures(reference) for image_id, reference in batch}
                failed = {i: pictures.failed[r] for i, r in batch if r in pictures.failed}
                good = [image_id for image_id in drawn if image_id not in failed]
                yield good, failed, self._vectors([drawn[image_id] for image_id in good])
                bar.update(len(batch))

    def _vectors(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        if not pictures:
            return np.zeros((0, self.encoder.mark["width"]), _TYPE)
        return unit(self.encoder(pictures)).astype(_TYPE)

    def _opened(self, ids: Sequence[str]) -> Iterator[tuple[Batch, Opened]]:
        """The batches with their pictures; one batch is opened ahead."""
        ahead: deque[tuple[Batch, list[Future[Image.Image | str]]]] = deque()
        with ThreadPoolExecutor(OPENERS) as pool:
            for start in range(0, len(ids), self.batch_size):
                batch = [(i, self.reference_of(i)) for i in ids[start : start + self.batch_size]]
                ahead.append((batch, [pool.submit(try_open, self.open_image, r) for _, r in batch]))
                if len(ahead) > 1:
                    yield self._result(*ahead.popleft())
            while ahead:
                yield self._result(*ahead.popleft())

    @staticmethod
    def _result(batch: Batch, futures: "list[Future[Image.Image | str]]") -> tuple[Batch, Opened]:
        return batch, {r: f.result() for (_, r), f in zip(batch, futures, strict=True)}
