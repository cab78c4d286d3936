"""Which image seeds serve which purpose. The ranges are disjoint, so no picture is used for two purposes."""

from ..errors import KitError

RANGES = {
    "pretrain": range(0, 10_000_000),
    "replay": range(10_000_000, 20_000_000),
    "generation": range(20_000_000, 30_000_000),
    "diagnose": range(30_000_000, 40_000_000),
    "sealed": range(40_000_000, 50_000_000),
    "card": range(50_000_000, 60_000_000),
}


def seeds_of(purpose: str) -> range:
    """The image seeds of one purpose, as a range that is never held in memory."""
    if purpose not in RANGES:
        raise KitError(f"unknown picturebook split {purpose!r}; known: {', '.join(RANGES)}")
    return RANGES[purpose]
