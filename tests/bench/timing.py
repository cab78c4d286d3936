"""What all benches share: processor time, the quickest of some rounds, and the table of comparisons."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Line:
    """One comparison: what, processor seconds of the kit and of the plain way, what is wanted of their ratio.

    `bound` is what a bare forward (and backward) over the tokens that must be processed takes, None where the
    comparison has no such bound.
    """

    what: str
    ours: float
    plain: float
    ratio: float
    wanted: str
    bound: float | None = None

    def __str__(self) -> str:
        bound = "" if self.bound is None else f"{self.bound:>8.2f}s{self.ours / self.bound:>11.2f}"
        spent = f"{self.ours:>8.2f}s{self.plain:>8.2f}s{self.ratio:>8.2f}"
        return f"{self.what:<66}{spent}  {self.wanted:<14}{bound}".rstrip()


def table(lines: Iterable[Line]) -> str:
    """The comparisons under a heading; the last columns are the bare bound and how far the kit is from it."""
    lines = list(lines)
    more = "" if all(line.bound is None for line in lines) else f"{'bound':>9}{'kit/bound':>11}"
    heading = f"{'comparison':<66}{'kit':>9}{'plain':>9}{'ratio':>8}  {'wanted':<14}{more}"
    return "\n".join([heading, *map(str, lines)])


def seconds(work: Callable[[], Any]) -> float:
    """Processor time of one call, over all threads: a busy machine does not disturb it."""
    return timed(work)[0]


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Processor time of one call over all threads, and what it returned."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def best(measure: Callable[[], float], rounds: int = 3) -> float:
    """The quickest of several measurements."""
    return min(measure() for _ in range(rounds))


def quickest(measure: Callable[[], tuple[float, T]], rounds: int) -> tuple[float, T]:
    """The (seconds, result) with the fewest seconds of several measurements."""
    return min((measure() for _ in range(rounds)), key=lambda one: one[0])
