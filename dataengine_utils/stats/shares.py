"""One share of right answers: its interval, and several shares shrunk towards what they have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np

from ..errors import KitError

_LOOSEST, _TIGHTEST = 1e-2, 1e6  # bounds of a fitted distribution's weight, in questions


@dataclass(frozen=True)
class BetaBinomial:
    """How the rates of question types are spread: a beta distribution with this mean and this weight.

    `weight` is how many questions of its own a type needs for its rate to count as much as the mean.
    """

    mean: float
    weight: float

    def rate(self, right: float, n: int) -> float:
        """The rate (0..1) to expect of a type with `right` of `n`: its own, drawn towards the mean."""
        return (right + self.mean * self.weight) / (n + self.weight) if n + self.weight else self.mean

    def interval(self, right: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
        """The central credible interval (low, high) of that rate."""
        from scipy.stats import beta

        a, b = right + self.mean * self.weight, n - right + (1 - self.mean) * self.weight
        tail = (1 - _level(confidence)) / 2
        low, high = (
            float(beta.ppf(share, a, b)) if min(a, b) > 0 else self.rate(right, n)
            for share in (tail, 1 - tail)
        )
        return low, high


def wilson(right: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval (low, high) for the share `right / n`; (0, 1) where nothing was asked.

    `right` may be a sum of credits between 0 and 1: they vary less than right and wrong, so the interval is
    then too wide rather than too narrow.

    Source: Wilson 1927; method 3 of Newcombe 1998, Statistics in Medicine 17:857.
    """
    if not 0 <= right <= n:
        raise KitError(f"{right} right answers of {n}: allowed are 0 to n")
    if n == 0:
        return 0.0, 1.0
    z = quantile(confidence)
    share = right / n
    scale = 1 + z * z / n
    centre = (share + z * z / (2 * n)) / scale
    half = z / scale * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = 0.0 if right == 0 else centre - half
    high = 1.0 if right == n else centre + half
    return low, high


def beta_binomial(counts: Sequence[tuple[float, int]]) -> BetaBinomial:
    """The beta distribution under which counts (right, n), one a question type, are likeliest.

    Mean and weight maximise the marginal likelihood of all types with questions. Where the rates differ no
    more than chance would make them, the weight runs to its upper bound: every type gets the mean. A single
    type keeps its own rate. Types without questions are passed over; none at all: mean 0.5, weight 2.

    Source: empirical Bayes, Casella 1985, The American Statistician 39:83; `right` may be a sum of credits.
    """
    asked = np.array([(right, n) for right, n in counts if n], dtype=float).reshape(-1, 2)
    if not len(asked):
        return BetaBinomial(0.5, 2.0)
    right, n = asked.T
    pooled = float(right.sum() / n.sum())
    if len(asked) == 1 or pooled in (0.0, 1.0):
        return BetaBinomial(pooled, _TIGHTEST if len(asked) > 1 else 0.0)
    return _likeliest(right, n, pooled)


def _likeliest(right: np.ndarray, n: np.ndarray, pooled: float) -> BetaBinomial:
    from scipy.optimize import minimize
    from scipy.special import betaln, expit, logit

    def cost(point: np.ndarray) -> float:
        mean, weight = float(expit(point[0])), float(np.exp(point[1]))
        a, b = mean * weight, (1 - mean) * weight
        return -float(np.sum(betaln(right + a, n - right + b) - betaln(a, b)))

    bounds = [(-12.0, 12.0), (np.log(_LOOSEST), np.log(_TIGHTEST))]
    starts = [(float(logit(pooled)), float(np.log(weight))) for weight in (2.0, 50.0, 5000.0)]
    found = [minimize(cost, start, bounds=bounds, method="L-BFGS-B") for start in starts]
    best = min(found, key=lambda one: one.fun)
    return BetaBinomial(float(expit(best.x[0])), float(np.exp(best.x[1])))


def quantile(confidence: float) -> float:
    """The normal distribution's two-sided quantile, 1.96 for 0.95."""
    return NormalDist().inv_cdf((1 + _level(confidence)) / 2)


def _level(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise KitError(f"confidence {confidence!r}: allowed are shares between 0 and 1, such as 0.95")
    return confidence
