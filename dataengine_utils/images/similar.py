"""Which vectors are most alike: exact neighbours by cosine, in blocks, so that memory stays bounded."""

from typing import NamedTuple

import numpy as np

from ..errors import KitError

BLOCK_BYTES = 32 * 2**20


class Neighbours(NamedTuple):
    """The rows most like each anchor, the nearest first; `rows` and `cosines` are (anchors, k)."""

    rows: np.ndarray
    cosines: np.ndarray


def nearest(
    anchors: np.ndarray, vectors: np.ndarray, k: int, *, block_bytes: int = BLOCK_BYTES
) -> Neighbours:
    """The `k` rows of `vectors` (n, width) with the highest cosine to each of `anchors` (m, width).

    Exact: every pair is compared, by blocked matrix products in float32. Equal cosines go in the order of the
    rows; a vector of zeros has the cosine 0 with all. With fewer than `k` vectors all of them are returned.
    `vectors` may be memory-mapped and of any float type: a block of it is read at a time. Held are some five
    times `block_bytes`, and twice the result (8 bytes a neighbour).
    """
    if k < 1:
        raise KitError(f"{k!r} neighbours: allowed are at least 1")
    k = min(k, len(vectors))
    n_rows = max(1, block_bytes // (4 * max(1, vectors.shape[1])))
    n_lines = max(1, block_bytes // (4 * n_rows))
    parts = [unit(anchors[start : start + n_lines]) for start in range(0, len(anchors), n_lines)]
    found = [_none(len(part)) for part in parts]
    for start in range(0, len(vectors), n_rows):
        block = unit(vectors[start : start + n_rows])
        rows = np.arange(start, start + len(block), dtype=np.int32)[None]
        for n, part in enumerate(parts):
            own = _best(Neighbours(rows, part @ block.T), k)
            both = (np.concatenate(pair, axis=1) for pair in zip(found[n], own, strict=True))
            found[n] = _best(Neighbours(*both), k)
    ordered = [_ordered(one) for one in found] or [_none(0, k)]
    return Neighbours(*(np.concatenate(values) for values in zip(*ordered, strict=True)))


def unit(vectors: np.ndarray) -> np.ndarray:
    """The vectors as float32 of length one; zeros stay zeros."""
    rows = np.array(vectors, dtype=np.float32)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return rows


def _none(n_lines: int, width: int = 0) -> Neighbours:
    shape = (n_lines, width)
    return Neighbours(np.zeros(shape, dtype=np.int32), np.zeros(shape, dtype=np.float32))


def _best(found: Neighbours, k: int) -> Neighbours:
    """The candidates of each line with the `k` highest cosines, in no order; of equal ones the lowest rows.

    `found.rows` is (lines, candidates), or (1, candidates) where all lines have the same.
    """
    cosines, rows = found.cosines, np.broadcast_to(found.rows, found.cosines.shape)
    n_out = cosines.shape[1] - k
    if n_out <= 0:
        return Neighbours(rows, cosines)
    places = np.argpartition(cosines, n_out, axis=1)[:, n_out:]
    least = np.take_along_axis(cosines, places, axis=1).min(axis=1, keepdims=True)
    for line in np.nonzero((cosines >= least).sum(axis=1) > k)[0]:  # more are equal to the last than fit
        places[line] = np.lexsort((rows[line], -cosines[line]))[:k]
    return Neighbours(*(np.take_along_axis(values, places, axis=1) for values in (rows, cosines)))


def _ordered(found: Neighbours) -> Neighbours:
    """The candidates of each line by falling cosine, equal ones by row."""
    order = np.lexsort((found.rows, -found.cosines), axis=1)
    return Neighbours(*(np.take_along_axis(values, order, axis=1) for values in found))
