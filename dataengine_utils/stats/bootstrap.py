"""Comparisons over seeds: intervals that let both the seeds and the questions vary, and how many seeds it
takes.
"""

from dataclasses import dataclass
from math import ceil
from statistics import NormalDist

import numpy as np

from ..errors import KitError

_AT_ONCE = 250


@dataclass(frozen=True)
class Bootstrap:
    """A mean difference with its interval (percentiles) and the share of resamples at or below zero."""

    difference: float
    low: float
    high: float
    below: float


def hierarchical_bootstrap(
    differences: np.ndarray, *, seed: int, repetitions: int = 5000, confidence: float = 0.95
) -> Bootstrap:
    """The mean of paired differences (seeds, questions) and its interval, for other seeds and questions.

    All seeds were asked the same questions. Each repetition draws seeds with replacement, and, for all of
    them alike, questions with replacement: a question that is hard for one seed is hard for the others, so
    drawing them anew within each seed would pretend to know more. With few seeds percentiles are too narrow:
    the ends are widened by sqrt(k / (k - 1)) for k seeds, by which the spread of k draws falls short.

    Source: the pigeonhole bootstrap, Owen 2007, Annals of Applied Statistics 1:386.
    """
    table = np.asarray(differences, dtype=float)
    if table.ndim != 2 or 0 in table.shape:
        raise KitError(f"differences of shape {table.shape}: expected (seeds, questions), at least (1, 1)")
    n_seeds, n_questions = table.shape
    rng, centre, means = np.random.default_rng(seed), float(table.mean()), []
    for _ in range(0, repetitions, _AT_ONCE):
        seeds = rng.multinomial(n_seeds, [1 / n_seeds] * n_seeds, size=_AT_ONCE) / n_seeds
        questions = rng.multinomial(n_questions, [1 / n_questions] * n_questions, size=_AT_ONCE) / n_questions
        means.append(np.einsum("rq,rq->r", seeds @ table, questions))
    spread = np.sqrt(n_seeds / (n_seeds - 1)) if n_seeds > 1 else 1.0
    drawn = centre + (np.concatenate(means)[:repetitions] - centre) * spread
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Bootstrap(centre, float(low), float(high), float(np.mean(drawn <= 0)))


def seeds_needed(effect: float, spread: float, power: float = 0.8, level: float = 0.05) -> int:
    """How many seeds a paired comparison needs to find a mean difference `effect` between two strategies.

    `spread` is the standard deviation of the difference from seed to seed, in the same unit. Two-sided
    `level`; the normal count is raised by z^2 / 2 for the estimated spread (Guenther 1981, The American
    Statistician 35:243). At least 2.
    """
    if effect == 0 or spread < 0:
        raise KitError(f"effect {effect!r}, spread {spread!r}: allowed are an effect but 0, a spread from 0")
    normal = NormalDist()
    z_level = normal.inv_cdf(1 - level / 2)
    n = ((z_level + normal.inv_cdf(power)) * spread / effect) ** 2 + z_level**2 / 2
    return max(2, ceil(n))
