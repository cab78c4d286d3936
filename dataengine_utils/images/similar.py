"""Which vectors are most alike: exact neighbours by cosine, in blocks, so that memory stays bounded."""

from typing import NamedTuple

import numpy as np

BLOCK_BYTES = 64 * 2**20


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
    `vectors` may be memory-mapped and of any float type: a block of it is read at a time. Held are some four
    times `block_bytes` and three times the result (8 bytes a neighbour).
    """
    k = min(k, len(vectors))
    found = Neighbours(
        np.zeros((len(anchors), 0), dtype=np.int32), np.zeros((len(anchors), 0), dtype=np.float32)
    )
    wanted = unit(anchors)
    step = max(1, block_bytes // (4 * max(1, vectors.shape[1])))
    for start in range(0, len(vectors) if k else 0, step):
        block = unit(vectors[start : start + step])
        own = _nearest_in(wanted, block, min(k, len(block)), block_bytes)
        found = _merged(found, Neighbours(own.rows + np.int32(start), own.cosines), k, block_bytes)
    order = np.lexsort((found.rows, -found.cosines), axis=1)
    return Neighbours(*(np.take_along_axis(values, order, axis=1) for values in found))


def unit(vectors: np.ndarray) -> np.ndarray:
    """The vectors as float32 of length one; zeros stay zeros."""
    rows = np.array(vectors, dtype=np.float32)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return rows


def _nearest_in(anchors: np.ndarray, block: np.ndarray, k: int, block_bytes: int) -> Neighbours:
    """The best `k` of one block for every anchor; scores are held for some anchors at a time."""
    step = max(1, block_bytes // (4 * len(block)))
    columns = np.arange(len(block), dtype=np.int32)[None]
    parts = [
        _best(columns, anchors[start : start + step] @ block.T, k) for start in range(0, len(anchors), step)
    ]
    return _stacked(parts, k)


def _merged(found: Neighbours, more: Neighbours, k: int, block_bytes: int) -> Neighbours:
    """The best `k` of two sets of candidates."""
    width = found.rows.shape[1] + more.rows.shape[1]
    step = max(1, block_bytes // (8 * max(1, width)))
    parts = []
    for start in range(0, len(more.rows), step):
        pairs = [(one[start : start + step], other[start : start + step])
                 for one, other in zip(found, more, strict=True)]  # fmt: skip
        rows, cosines = (np.concatenate(pair, axis=1) for pair in pairs)
        parts.append(_best(rows, cosines, min(k, width)))
    return _stacked(parts, min(k, width))


def _best(rows: np.ndarray, scores: np.ndarray, k: int) -> Neighbours:
    """The `k` highest scores of each line in no order; where the last ones are equal, those of the lowest
    rows.

    `rows` is (lines, candidates), or (1, candidates) where all lines have the same.
    """
    rows = np.broadcast_to(rows, scores.shape)
    if k == scores.shape[1]:
        return Neighbours(rows, scores)
    places = np.argpartition(scores, scores.shape[1] - k, axis=1)[:, scores.shape[1] - k :]
    least = np.take_along_axis(scores, places, axis=1).min(axis=1, keepdims=True)
    for line in np.nonzero((scores >= least).sum(axis=1) > k)[0]:  # more are equal to the last than fit
        places[line] = np.lexsort((rows[line], -scores[line]))[:k]
    return Neighbours(np.take_along_axis(rows, places, axis=1), np.take_along_axis(scores, places, axis=1))


def _stacked(parts: list[Neighbours], k: int) -> Neighbours:
    if not parts:
        return Neighbours(np.zeros((0, k), dtype=np.int32), np.zeros((0, k), dtype=np.float32))
    rows, cosines = (np.concatenate(values) for values in zip(*parts, strict=True))
    return Neighbours(rows, cosines)
