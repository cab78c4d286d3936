"""Which stored hashes are near a given one, without looking at most of them."""

from itertools import combinations

import numpy as np

_BANDS = 4
_BITS = 16
_KEYS = 1 << _BITS
MAX_DISTANCE = 4 * 3 - 1
"""Found are all hashes that differ in up to so many bits: one of four bands then differs in two at most."""

_FLIPS = np.array(
    [0, *(1 << a for a in range(_BITS)), *((1 << a) | (1 << b) for a, b in combinations(range(_BITS), 2))],
    dtype=np.uint16,
)


class Bands:
    """64-bit hashes by their four 16-bit bands (multi-index hashing, Norouzi et al. 2012).

    `hashes` (n,) uint64 is kept, and four orders of it: 24 bytes a hash.
    """

    def __init__(self, hashes: np.ndarray):
        self._hashes = np.ascontiguousarray(hashes, dtype=np.uint64)
        bands = _bands(self._hashes)
        self._order = np.stack([np.argsort(band, kind="stable").astype(np.uint32) for band in bands.T])
        counts = np.stack([np.bincount(band, minlength=_KEYS) for band in bands.T])
        self._starts = np.concatenate([np.zeros((_BANDS, 1), np.int64), counts.cumsum(axis=1)], axis=1)

    def near(self, queries: np.ndarray, distance: int) -> tuple[np.ndarray, np.ndarray]:
        """(places in `queries`, places in the stored hashes) of the pairs at most `distance` bits apart.

        A pair may come more than once; `distance` is up to `MAX_DISTANCE`.
        """
        queries = np.asarray(queries, dtype=np.uint64)
        keys = _bands(queries)[:, :, None] ^ _FLIPS  # (queries, bands, flips)
        which = np.broadcast_to(np.arange(_BANDS)[:, None], keys.shape[1:])[None]
        starts = self._starts[which, keys]
        sizes = self._starts[which, keys.astype(np.int64) + 1] - starts
        asked, places = self._members(starts, sizes)
        fits = np.bitwise_count(queries[asked] ^ self._hashes[places]) <= distance
        return asked[fits], places[fits]

    def _members(self, starts: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All members of the buckets that start there, each with the query that it was looked up for."""
        query, band, _ = np.nonzero(sizes)
        starts, sizes = starts[sizes > 0], sizes[sizes > 0]
        first = np.repeat(np.cumsum(sizes) - sizes, sizes)
        at = np.repeat(starts, sizes) + np.arange(sizes.sum()) - first
        return np.repeat(query, sizes), self._order[np.repeat(band, sizes), at]


def _bands(hashes: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(hashes).view(np.uint16).reshape(-1, _BANDS)
