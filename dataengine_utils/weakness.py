"""Where the student is weak: question types with intervals, weights, and what changed between evaluations."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .allocation import Evidence, Round, allocate
from .benchmarks.scoring import credit, rates, units
from .errors import KitError, unknown_name
from .records import BadCase, Prediction, TypeWeakness
from .stats import Paired, beta_binomial, detectable_change, holm, paired_difference, paired_mean

LEVEL = 0.05
"""Changes whose p-value is under it are called more than chance."""


@dataclass(frozen=True)
class Change:
    """How one question type (or all questions) changed. `adjusted` is Holm's p-value over all types."""

    paired: Paired
    adjusted: float
    n: int
    flipped: float

    @property
    def verdict(self) -> str:
        """Whether the change is more than chance: "higher", "lower", or "" """
        if self.adjusted >= LEVEL or self.paired.difference == 0:
            return ""
        return "higher" if self.paired.difference > 0 else "lower"


def type_table(
    predictions: Iterable[Prediction],
    strategy: str = "paper",
    *,
    budget: int = 1000,
    types: Sequence[str] | None = None,
    bad_cases: Iterable[BadCase] | None = None,
    rounds: Mapping[str, Sequence[Round]] | None = None,
    flipped: Mapping[str, float] | None = None,
) -> list[TypeWeakness]:
    """The weakness table: per question type its counts, accuracy with Wilson's 95 % interval, and weight.

    Order: `types`, or first appearance. A reply that could not be read counts as not right; accuracy is the
    mean credit, and a group of questions counts as one (`scoring.units`). The shrunk rate is drawn towards
    all types' (`stats.beta_binomial`). Weights are the shares of `budget` that a strategy of
    `allocation.STRATEGIES` gives, with the earlier `rounds` of each type; types that were not asked weigh 0.
    `bad_cases` is the pool to count per type; without it, every answer that is not right is counted.
    `flipped` is the share of a type's answers that changed in the last round; without it the smallest
    detectable change is that between unrelated evaluations, which is larger.
    """
    counts = {name: rates(given) for name, given in _by_type(predictions, types).items()}
    right = {name: row["accuracy"] * row["n"] for name, row in counts.items()}
    spread = beta_binomial([(right[name], row["n"]) for name, row in counts.items()])
    weights = allocate(
        {
            name: Evidence(right[name], row["n"], tuple((rounds or {}).get(name, ())))
            for name, row in counts.items()
        },
        strategy,
        budget,
    )
    pool = None if bad_cases is None else Counter(case.question_type for case in bad_cases)
    table = []
    for name, row in counts.items():
        low, high = spread.interval(right[name], row["n"])
        rate = spread.rate(right[name], row["n"])
        share = (flipped or {}).get(name, 2 * rate * (1 - rate))
        table.append(
            TypeWeakness(
                question_type=name,
                **row,
                weight=weights.get(name, 0.0),
                bad_cases=row["n"] - row["right"] if pool is None else pool[name],
                shrunk=rate,
                shrunk_low=low,
                shrunk_high=high,
                detectable=detectable_change(row["n"], share) if row["n"] else 1.0,
            )
        )
    return table


def changes(before: Iterable[Prediction], after: Iterable[Prediction]) -> dict[str, Change]:
    """How the share of right answers of every question type, and of "all", changed between two evaluations.

    Answers are paired by question id (groups by theirs); questions that only one of the two has raise
    `KitError`. The types' p-values are adjusted together by Holm's method; that of "all" stands alone.
    """
    pairs = _pairs(before, after)
    by_type: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for question_type, was, now in pairs:
        by_type[question_type].append((was, now))
    found = {name: _paired(credits) for name, credits in by_type.items()}
    adjusted = dict(zip(found, holm([one.p for one in found.values()]), strict=True))
    table = {
        name: Change(one, adjusted[name], len(by_type[name]), _flipped(by_type[name]))
        for name, one in found.items()
    }
    everything = [(was, now) for _, was, now in pairs]
    overall = _paired(everything)
    return {**table, "all": Change(overall, overall.p, len(everything), _flipped(everything))}


def change(
    before: Iterable[Prediction], after: Iterable[Prediction], question_type: str | None = None
) -> Paired:
    """How the share of right answers changed, on all questions or on those of one type (see `changes`).

    With partial credit it is the change of the mean credit, with the paired z test.
    """
    return _paired([(was, now) for name, was, now in _pairs(before, after) if question_type in (None, name)])


def _pairs(before: Iterable[Prediction], after: Iterable[Prediction]) -> list[tuple[str, float, float]]:
    """(question type, credit before, credit after) of every question or group."""
    first, second = ({p.group or p.question_id: p for p in units(given)} for given in (before, after))
    unpaired = sorted(first.keys() ^ second.keys())
    if unpaired:
        raise KitError(
            f"{len(unpaired)} questions are in only one of the two evaluations, such as {unpaired[0]!r}; "
            "run notebook 01_evaluate again for both on the same benchmark"
        )
    return [(p.question_type, credit(p), credit(second[name])) for name, p in first.items()]


def _paired(credits: Sequence[tuple[float, float]]) -> Paired:
    before, after = [was for was, _ in credits], [now for _, now in credits]
    if all(value in (0.0, 1.0) for side in (before, after) for value in side):
        return paired_difference([value == 1 for value in before], [value == 1 for value in after])
    return paired_mean(before, after)


def _flipped(credits: Sequence[tuple[float, float]]) -> float:
    return sum(was != now for was, now in credits) / len(credits) if credits else 0.0


def _by_type(predictions: Iterable[Prediction], types: Sequence[str] | None) -> dict[str, list[Prediction]]:
    by_type: dict[str, list[Prediction]] = {name: [] for name in types or ()}
    for prediction in units(predictions):
        if types is not None and prediction.question_type not in by_type:
            raise unknown_name("question type", prediction.question_type, list(types))
        by_type.setdefault(prediction.question_type, []).append(prediction)
    return by_type
