"""What stays the same of a picture that was resized, re-encoded, cropped by a tenth or mirrored.

The hash is that of the cosine transform (pHash), here the signs of the lowest frequencies, taken of the whole
picture and of the parts in `PARTS`: a copy that was cropped is then like one of the parts. A small grey copy
decides in the end (`same`). Libraries have the plain hash, of which a crop of a tenth changes a third, and a
crop-resistant one, which takes hundreds of milliseconds a picture and knows no mirror; both were measured
before this was written.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from PIL import Image

VERSION = 1
"""Hashes of another version are computed anew."""

Span = tuple[float, float]  # from, to: shares of the height or width
LOW, HIGH = 8, 16  # frequencies each way: 63 signs to look up by, 255 to compare by
SMALL = 32  # pixels each way of the small copy
_WHOLE: Span = (0.0, 1.0)
_TENTH: tuple[Span, ...] = ((0.0, 0.9), (0.05, 0.95), (0.1, 1.0))
_TWENTIETH: tuple[Span, ...] = ((0.0, 0.95), (0.05, 1.0))
PARTS: tuple[tuple[Span, Span], ...] = (
    (_WHOLE, _WHOLE),
    *product(_TENTH, _TENTH),
    *product(_TWENTIETH, _TWENTIETH),
    *product((_WHOLE,), (_TENTH[0], _TENTH[-1])),
    *product((_TENTH[0], _TENTH[-1]), (_WHOLE,)),
    ((0.025, 0.975), (0.025, 0.975)),
    ((0.1, 0.9), (0.1, 0.9)),
)
"""The parts of a picture that are hashed, as spans of height and width: the whole comes first."""

ALIKE = 0.92
"""Two small copies of one picture correlate at least so much; others seldom do."""

_SQUARE = 64  # pixels: the grey square that the hashes are computed from
_FLAT = 1.0  # grey levels (0..255): with less contrast there is nothing but noise to hash
_BRIGHTER, _STEEPER = 30.0, 1.5  # grey levels, ratio: so far a copy's brightness and contrast may be off
_SHIFTS = (-0.025, 0.0, 0.025)
_GRID = 16  # cells each way in which small copies are compared


@dataclass(frozen=True)
class PictureHash:
    """The signs of one picture, a row a part of `PARTS`, and its small copy.

    `low` (parts,) uint64, `high` (parts, 4) uint64, `small` (SMALL, SMALL) uint8.
    """

    low: np.ndarray
    high: np.ndarray
    small: np.ndarray

    @property
    def mirrored(self) -> "PictureHash":
        """The same of the mirror image: the signs of the odd frequencies across are turned.

        Of parts that are no mirror image of themselves it is that of their counterpart.
        """
        low, high = self.low ^ _TURNED_LOW, self.high ^ _TURNED_HIGH
        return PictureHash(low[_COUNTERPARTS], high[_COUNTERPARTS], self.small[:, ::-1])


def hash_picture(image: Image.Image) -> PictureHash | None:
    """The hash of a picture; None for one without contrast, such as a blank page."""
    grey = image.convert("L")
    square = np.asarray(grey.resize((_SQUARE, _SQUARE), Image.Resampling.BOX), dtype=np.float64)
    if square.std() < _FLAT:
        return None
    waves = _ROWS @ square @ _COLUMNS  # (parts, HIGH, HIGH)
    low, high = _bits(waves[:, :LOW, :LOW]), _bits(waves)
    small = np.asarray(grey.resize((SMALL, SMALL), Image.Resampling.BOX))
    return PictureHash(low.view(np.uint64)[:, 0], high.view(np.uint64), small)


def same(whole: np.ndarray, other: np.ndarray, part: int) -> bool:
    """Whether a small copy is that of a picture whose small copy is `other`, or of about that part of it."""
    rows, columns = (_spans(span) for span in PARTS[part])
    cells = np.einsum(
        "rgh,hw,cvw->rcgv", _cells(rows), other.astype(np.float64), _cells(columns), optimize=True
    )
    parts, one = cells.reshape(-1, _GRID * _GRID), (_CELLS @ whole @ _CELLS.T).ravel()
    means, deviations = parts.mean(axis=1), np.maximum(parts.std(axis=1), 1e-9)
    correlations = (
        (parts - means[:, None]) @ (one - one.mean()) / (one.size * deviations * max(one.std(), 1e-9))
    )
    steeper = np.maximum(deviations / max(one.std(), 1e-9), one.std() / deviations)
    return bool(
        np.any((correlations >= ALIKE) & (abs(means - one.mean()) <= _BRIGHTER) & (steeper <= _STEEPER))
    )


def _bits(waves: np.ndarray) -> np.ndarray:
    """A bit a frequency, the mean brightness (the first one) left out: (parts, bytes)."""
    above = waves.reshape(len(waves), -1) > 0
    above[:, 0] = False
    return np.packbits(above, axis=1)


def _cosines(start: float, end: float) -> np.ndarray:
    """(HIGH, _SQUARE): each frequency's cosine over the pixels from `start` to `end`, averaged in each."""
    edges = (np.clip(np.arange(_SQUARE + 1) / _SQUARE, start, end) - start) / (end - start)
    frequencies = np.pi * np.arange(1, HIGH)[:, None]
    waves = np.diff(np.sin(frequencies * edges), axis=1) / frequencies
    return np.concatenate([np.diff(edges)[None], waves])


def _spans(span: Span) -> list[Span]:
    """The spans that begin and end about where this one does."""
    starts, ends = ({min(max(edge + shift, 0.0), 1.0) for shift in _SHIFTS} for edge in span)
    return sorted(product(starts, ends))


def _cells(spans: list[Span]) -> np.ndarray:
    """(spans, _GRID, SMALL): how much each pixel of a small copy counts in each of the cells of a span."""
    edges = np.stack([np.linspace(start, end, _GRID + 1) * SMALL for start, end in spans])
    pixels = np.arange(SMALL)
    inside = np.minimum(edges[:, 1:, None], pixels + 1) - np.maximum(edges[:, :-1, None], pixels)
    covered = np.clip(inside, 0, None)
    return covered / covered.sum(axis=2, keepdims=True)


_ROWS = np.stack([_cosines(*rows) for rows, _ in PARTS])
_COLUMNS = np.stack([_cosines(*columns).T for _, columns in PARTS])
_CELLS = _cells([_WHOLE])[0]
_ODD = np.ones((1, HIGH, HIGH)) * (np.arange(HIGH) % 2)
_TURNED_LOW, _TURNED_HIGH = _bits(_ODD[:, :LOW, :LOW]).view(np.uint64)[0, 0], _bits(_ODD).view(np.uint64)[0]
_COUNTERPARTS = [
    PARTS.index((rows, next(span for _, span in PARTS if np.allclose(span, (1 - end, 1 - start)))))
    for rows, (start, end) in PARTS
]
