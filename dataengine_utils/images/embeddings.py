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
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import KitError
from ..files import (
    append_lines,
    append_whole,
    document,
    make_folder,
    part_of,
    read_lines,
    read_part,
    write_whole,
)
from . import ImageSource, open_image
from .building import locked
from .encoding import TYPE, Encoded, Encoder, Work

MODEL, OF_DRAWN = "openai/clip-vit-base-patch32", "picturebook"
"""The model of the paper's v1, and for drawn pictures the student that ships with the kit."""
WHOLE, PART = 200_000, 10_000  # a source of up to so many images is embedded whole, else so many of it
BATCH_SIZE, BLOCK = 64, 1024  # pictures encoded at a time, and those whose vectors are written together
VECTORS, BLOCKS, MARK = "vectors.f16", "blocks.jsonl", "mark.json"


@dataclass(frozen=True)
class Embeddings:
    """`vectors` (n, width), float16 rows of length one, are those of the pictures `ids`.

    `unreadable` are the pictures that could not be opened, with the reason.
    """

    ids: tuple[str, ...]
    vectors: np.ndarray
    unreadable: dict[str, str]

    def only(self, ids: Collection[str]) -> "Embeddings":
        """Those of some pictures in their order; ids without a vector are left out."""
        row_of = {image_id: row for row, image_id in enumerate(self.ids)}
        wanted = tuple(image_id for image_id in dict.fromkeys(ids) if image_id in row_of)
        asked = set(ids)
        unreadable = {i: reason for i, reason in self.unreadable.items() if i in asked}
        if wanted == self.ids:
            return Embeddings(self.ids, self.vectors, unreadable)
        return Embeddings(wanted, self.vectors[[row_of[i] for i in wanted]], unreadable)

    def note(self) -> str:
        """One sentence about the pictures that could not be read; "" if all could."""
        if not self.unreadable:
            return ""
        first, reason = next(iter(self.unreadable.items()))
        n = len(self.unreadable)
        return f"{n:,} pictures could not be read and have no vector; the first is {first!r}: {reason}"


def pool_of(ids: Sequence[str], n: int | None = None) -> Sequence[str]:
    """The images that are embedded of a source: `n` of them, drawn at random once and for all.

    With None all of a source with up to `WHOLE` images, else `PART`: nobody embeds ten million.
    """
    n = (len(ids) if len(ids) <= WHOLE else PART) if n is None else n
    if n < 1:
        raise KitError(f"{n!r} images to embed: at least 1 (option pool)")
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


def model_for(source: ImageSource) -> str:
    """The model to take where none is named."""
    return OF_DRAWN if source.root is None else MODEL


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
    `block` pictures are written together: a killed computation loses no more. A picture that cannot be opened
    is noted and left out, and tried again with `retry`. Raises `KitError` when more than a few cannot be
    opened (see `models.pictures`), or none can, and when the disk is full.
    """
    if batch_size < 1 or block < 1:
        raise KitError(f"batch_size {batch_size!r}, block {block!r}: allowed are pictures, at least 1")
    store = store_of(folder, name, encoder.mark)
    found = _read(store, encoder, _lines(store))
    if _missing(ids, found, retry):
        make_folder(store)
        with locked(store / VECTORS):
            write_whole(store / MARK, document({"pictures": name, **encoder.mark}))
            found = _read(store, encoder, _unfinished_lines(store))
            work = Work(encoder, reference_of, partial(open_image, root=root), batch_size)
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
        return Embeddings(ids, np.zeros(shape, TYPE), unreadable)
    file = store / VECTORS
    if not file.exists() or file.stat().st_size < shape[0] * shape[1] * TYPE.itemsize:
        raise KitError(f"{str(file)!r} is cut off; delete the folder {str(store)!r} and embed again")
    read = set(ids)
    still = {i: reason for i, reason in unreadable.items() if i not in read}
    return Embeddings(ids, np.memmap(file, TYPE, "r", shape=shape), still)


def _fill(store: Path, n_rows: int, batches: Iterator[Encoded], block: int) -> None:
    """Append batches to a store: first the vectors of a block, then the line that counts them."""
    if (store / BLOCKS).exists():
        os.replace(store / BLOCKS, part_of(store / BLOCKS))
    with open(store / VECTORS, "ab", buffering=0) as file, append_lines(store / BLOCKS, dict) as write:
        for ids, unreadable, vectors in _blocks(batches, block):
            with _telling(store):
                file.truncate(n_rows * vectors.shape[1] * TYPE.itemsize)
                append_whole(file, vectors.tobytes())
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
