"""Changes between two evaluations of the same questions: intervals, tests, and what a test can find."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import fsum, sqrt
from statistics import NormalDist

from ..errors import KitError
from .shares import quantile


@dataclass(frozen=True)
class Paired:
    """A change in the share of right answers on the same questions (after minus before), and its interval.

    All are shares, -1..1. `p` is McNemar's exact two-sided p-value.
    """

    difference: float
    low: float
    high: float
    p: float


def paired_difference(before: Sequence[bool], after: Sequence[bool], confidence: float = 0.95) -> Paired:
    """How much the share of right answers changed between two turns on the same questions, in the same order.

    The interval is Tango's score interval (1998, Statistics in Medicine 17:891), which stays inside -1..1 and
    is sound for few or no changed answers; the p-value is McNemar's exact one. No question at all: no change,
    (-1, 1), p = 1.
    """
    if len(before) != len(after):
        raise KitError(
            f"{len(before)} answers before and {len(after)} after: a paired test needs the same questions"
        )
    gained = sum(1 for was, now in zip(before, after, strict=True) if now and not was)
    lost = sum(1 for was, now in zip(before, after, strict=True) if was and not now)
    n = len(before)
    if n == 0:
        return Paired(0.0, -1.0, 1.0, 1.0)
    low, high = tango(gained, lost, n, confidence)
    return Paired((gained - lost) / n, low, high, mcnemar(gained, lost))


def paired_mean(before: Sequence[float], after: Sequence[float], confidence: float = 0.95) -> Paired:
    """How much the mean of partial credits (0..1) changed on the same questions, in the same order.

    Interval and two-sided p-value are those of the paired z test: for hundreds of questions, not for ten.
    Where all changed by the same, so that nothing is known of how changes vary, they are those of as many
    answers that all turned right (or wrong). No question at all, or nothing changed: p = 1.
    """
    if len(before) != len(after):
        raise KitError(
            f"{len(before)} credits before and {len(after)} after: a paired test needs the same questions"
        )
    n = len(before)
    if n == 0:
        return Paired(0.0, -1.0, 1.0, 1.0)
    differences = [now - was for was, now in zip(before, after, strict=True)]
    mean = fsum(differences) / n
    error = sqrt(fsum((d - mean) ** 2 for d in differences) / max(n - 1, 1) / n)
    if mean and error < 1e-12:
        low, high = sorted(abs(mean) * end for end in tango(n * (mean > 0), n * (mean < 0), n, confidence))
        return Paired(mean, low, high, mcnemar(n, 0))
    if error == 0:
        return Paired(0.0, 0.0, 0.0, 1.0)
    half = quantile(confidence) * error
    p = 2 * NormalDist().cdf(-abs(mean) / error)
    return Paired(mean, max(-1.0, mean - half), min(1.0, mean + half), p)


def mcnemar(gained: int, lost: int) -> float:
    """McNemar's exact two-sided p-value: are gains and losses equally likely among the changed answers?"""
    changed = gained + lost
    term = total = 1
    for k in range(1, min(gained, lost) + 1):
        term = term * (changed - k + 1) // k
        total += term
    return min(1.0, 2 * total / 2**changed)


def tango(gained: int, lost: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Tango's score interval (low, high) for the paired difference `(gained - lost) / n` of `n` pairs."""
    z = quantile(confidence)
    estimate = (gained - lost) / n

    def score(difference: float) -> float:
        return _tango_score(gained, lost, n, difference)

    low = -1.0 if lost == n else _bisect(lambda d: score(d) - z, -1.0, estimate)
    high = 1.0 if gained == n else _bisect(lambda d: score(d) + z, estimate, 1.0)
    return low, high


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment, in the order given: compare the results with the level for all tests."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def detectable_change(n: int, flipped: float, power: float = 0.8, level: float = 0.05) -> float:
    """The smallest change of a share (0..1) that McNemar's test on `n` questions finds with that power.

    `flipped` is the share of questions (0..1) whose outcome differs between the two evaluations, whichever
    way; a change cannot be larger than it, and where even that would not be found the answer is 1 (nothing
    can be shown). For two unrelated evaluations of a rate p it is 2 p (1 - p). Two-sided `level`.

    Source: Connor 1987, Biometrics 43:207, solved for the difference.
    """
    if n < 1 or not 0 <= flipped <= 1:
        raise KitError(f"{n} questions of which a share of {flipped!r} flips: allowed are 1 or more, 0 to 1")
    normal = NormalDist()
    bound = normal.inv_cdf(1 - level / 2) * sqrt(flipped)

    def missing(change: float) -> float:
        return bound + normal.inv_cdf(power) * sqrt(max(0.0, flipped - change * change)) - change * sqrt(n)

    return 1.0 if missing(flipped) > 0 else _bisect(missing, 0.0, flipped)


def _tango_score(gained: int, lost: int, n: int, difference: float) -> float:
    """The score statistic at a supposed `difference`, with the likeliest share of losses under it."""
    linear = (2 * n - gained + lost) * difference - gained - lost
    constant = -lost * difference * (1 - difference)
    loss_share = (sqrt(max(0.0, linear * linear - 8 * n * constant)) - linear) / (4 * n)
    variance = n * (2 * loss_share + difference * (1 - difference))
    distance = gained - lost - n * difference
    if variance <= 0:
        return float("inf") if distance > 0 else float("-inf") if distance < 0 else 0.0
    return distance / sqrt(variance)


def _bisect(function: Callable[[float], float], low: float, high: float) -> float:
    """The root of a falling function between `low` and `high`, to the last bits."""
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) > 0 else (low, middle)
    return (low + high) / 2
