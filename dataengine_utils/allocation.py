"""How the next data is shared between question types: strategies by name, from the same evidence."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, log, sqrt
from statistics import fmean, variance

from .errors import KitError, unknown_name
from .registry import resolve
from .stats import beta_binomial, wilson


@dataclass(frozen=True)
class Round:
    """What one earlier round did for a type: samples that were trained on, and its accuracy before and after.

    `n` is how many questions measured it; accuracies are shares (0..1).
    """

    samples: int
    before: float
    after: float
    n: int


@dataclass(frozen=True)
class Evidence:
    """What is known of one type: `right` (or credits) of `n`, and its earlier rounds, oldest first."""

    right: float
    n: int
    rounds: tuple[Round, ...] = ()

    @property
    def accuracy(self) -> float:
        """The share of right answers (0..1), 0 where nothing was asked."""
        return self.right / self.n if self.n else 0.0


Types = Mapping[str, Evidence]
Strategy = Callable[[Types, int], Mapping[str, float]]


def paper(types: Types, budget: int) -> dict[str, float]:
    """sqrt(1 - accuracy): Adaptive Bad-case Sampling of arXiv 2308.13566."""
    return {name: sqrt(1 - one.accuracy) for name, one in types.items()}


def error_rate(types: Types, budget: int) -> dict[str, float]:
    """1 - accuracy: the first version of the same work. It leans hardest on the weak types."""
    return {name: 1 - one.accuracy for name, one in types.items()}


def uniform(types: Types, budget: int) -> dict[str, float]:
    """The same for every type."""
    return dict.fromkeys(types, 1.0)


def shrunk(types: Types, budget: int) -> dict[str, float]:
    """sqrt(1 - rate) with rates drawn towards their mean: few questions cannot claim the budget."""
    spread = beta_binomial([(one.right, one.n) for one in types.values()])
    return {name: sqrt(1 - spread.rate(one.right, one.n)) for name, one in types.items()}


def bins(types: Types, budget: int) -> dict[str, float]:
    """Five fixed levels: 5 parts for a type under 20 %, 4 under 40 %, 3 under 60 %, 2 under 80 %, else 1."""
    return {name: 5.0 - min(int(one.accuracy * 5 + 1e-9), 4) for name, one in types.items()}


def confidence(types: Types, budget: int) -> dict[str, float]:
    """sqrt(1 - accuracy), each accuracy moved within its 95 % interval as near to all types' as it goes.

    Types that cannot be told from the whole get the whole's weight; only what the interval shows counts.
    """
    total = sum(one.n for one in types.values())
    overall = sum(one.right for one in types.values()) / total if total else 0.0
    careful = {}
    for name, one in types.items():
        low, high = wilson(one.right, one.n)
        careful[name] = min(max(overall, low), high)
    return {name: sqrt(1 - accuracy) for name, accuracy in careful.items()}


def gain(types: Types, budget: int) -> dict[str, float]:
    """What the next sample of a type promises, by the gain per sample measured in earlier rounds.

    Samples of a type are taken to fill the room above its accuracy at a rate of their own: after n more of
    them a share exp(-rate n) of the room is left, so the next one promises room times rate. A type's rate is
    what its rounds showed, drawn towards all types' by how sure it is, plus its standard error: what is
    little known is tried (an upper confidence bound). No type gets less than a quarter of an equal share. In
    the first round, with nothing measured, it is `shrunk`. (Giving all to the best promises, which is optimal
    for rates known exactly, loses to `uniform` with rates measured on hundreds of questions.)
    """
    measured = {name: found for name, one in types.items() if (found := _filling(one.rounds))}
    if not measured:
        return shrunk(types, budget)
    mean, between = _common(list(measured.values()))
    spread = beta_binomial([(one.right, one.n) for one in types.values()])
    promised = {
        name: (1 - spread.rate(one.right, one.n)) * _hopeful(measured.get(name), mean, between)
        for name, one in types.items()
    }
    return _at_least(promised, 0.25)


STRATEGIES: dict[str, str] = {
    function.__name__: f"dataengine_utils.allocation:{function.__name__}"
    for function in (paper, error_rate, uniform, shrunk, bins, confidence, gain)
}
"""Name -> a function from the evidence of all types to weights; your own is "package.module:function"."""


def allocate(types: Types, strategy: str, budget: int) -> dict[str, float]:
    """The shares (summing to one) of the next `budget` samples for each type that was asked at all.

    Where the strategy gives nobody anything (every type is perfect) they are equal. A strategy that is not in
    `STRATEGIES`, or
    weights that are negative or not numbers, raise `KitError`.
    """
    asked = {name: one for name, one in types.items() if one.n}
    if ":" not in strategy and strategy not in STRATEGIES:
        raise unknown_name("strategy", strategy, list(STRATEGIES))
    given = dict(resolve("strategy", STRATEGIES, strategy)(asked, budget)) if asked else {}
    wrong = [name for name in asked if not (isfinite(given.get(name, -1.0)) and given.get(name, -1.0) >= 0)]
    if wrong:
        raise KitError(
            f"strategy {strategy!r} gave {wrong[0]!r} the weight {given.get(wrong[0])!r}; "
            "expected a number from 0 for every type"
        )
    if not any(given.values()):
        given = dict.fromkeys(asked, 1.0)
    total = sum(given[name] for name in asked)
    return {name: given[name] / total for name in asked}


def _filling(rounds: Sequence[Round]) -> tuple[float, float] | None:
    """The rate at which a type's samples filled its room in earlier rounds, and the variance of that rate.

    Rounds are weighted by their precision; None where no round trained on the type. Units: one per sample.
    """
    found = []
    for one in rounds:
        room = max(1 - one.before, 0.02)
        if one.samples and one.n:
            left = min(max(1 - (one.after - one.before) / room, 0.05), 2.0)
            noise = (one.before * (1 - one.before) + one.after * (1 - one.after)) / one.n + 1 / one.n**2
            found.append((-log(left) / one.samples, noise / (room * left * one.samples) ** 2))
    if not found:
        return None
    precisions = [1 / variance for _, variance in found]
    mean = sum(p * rate for p, (rate, _) in zip(precisions, found, strict=True)) / sum(precisions)
    return mean, 1 / sum(precisions)


def _hopeful(measured: tuple[float, float] | None, mean: float, between: float) -> float:
    """The rate to plan with: measured and common rate weighed by precision, plus the standard error."""
    precision = 1 / between + (1 / measured[1] if measured else 0.0)
    value = (mean / between + (measured[0] / measured[1] if measured else 0.0)) / precision
    return max(value + sqrt(1 / precision), 1e-9)


def _common(measured: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The mean of all types' rates, and the variance between types that noise does not explain.

    Every type counts the same: a type that got many samples is measured well because it was thought weak, so
    precise ones are no fair sample of all. Without proof of the contrary, types differ by the mean itself.
    """
    rates = [rate for rate, _ in measured]
    centre = max(fmean(rates), 0.0)
    spread = variance(rates) if len(rates) > 1 else 0.0
    return centre, max(spread - fmean(noise for _, noise in measured), centre * centre, 1e-16)


def _at_least(weights: Mapping[str, float], share: float) -> dict[str, float]:
    """The weights as shares, those under `share` of an equal share raised to it."""
    total, floor = sum(weights.values()), share / len(weights)
    shares = {name: weight / total if total else 1 / len(weights) for name, weight in weights.items()}
    return {name: max(value, floor) for name, value in shares.items()}
