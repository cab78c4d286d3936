"""What a study found: the numbers of its finished cells, put together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from ..artifacts import RUN_FILE
from ..benchmarks.scoring import credit, tally, units
from ..errors import KitError
from ..records import Prediction
from .design import BASELINE, Study
from .differences import Comparison, Reached, Scores, comparisons, samples_needed
from .journal import Facts, Journal, read_journal

WEAK_BELOW = 0.55
"""A type is weak where the base answers fewer of its questions right, as a share."""

ALL, WEAK = "all questions", "weak types"
Journals = Mapping[tuple[str, int], Journal]


@dataclass(frozen=True)
class Cost:
    """What a cell of a strategy took, on average: samples, queries, training steps, USD, and seconds, of
    which the training took `training`.
    """

    strategy: str
    samples: float
    queries: float
    steps: float
    usd: float
    seconds: float
    training: float


@dataclass(frozen=True)
class Results:
    """A study's numbers; scores are shares (0..1) of sealed questions.

    `curves[questions][strategy]` are the mean scores after each round, the base's first, `samples` the
    samples by then. `types[strategy]` are the scores per type in the end, with the base's under "base";
    `shares` what each type got of the samples. `seeds` are those of which every cell is done, `seconds` what
    their cells took together; `versions` counts the versions of the code that made them.
    """

    settings: dict[str, Any]
    strategies: tuple[str, ...]
    seeds: tuple[int, ...]
    n_questions: int
    weak: tuple[str, ...]
    samples: tuple[int, ...]
    comparisons: tuple[Comparison, ...]
    reached: tuple[Reached, ...]
    costs: tuple[Cost, ...]
    curves: dict[str, dict[str, list[float]]]
    types: dict[str, dict[str, float]]
    shares: dict[str, dict[str, float]]
    seconds: float
    versions: int

    def of(self, questions: str) -> list[Comparison]:
        """The comparisons on these questions (`ALL` or `WEAK`)."""
        return [one for one in self.comparisons if one.questions == questions]


def compare(study: Study) -> Results:
    """The numbers of a study, from those seeds of which every cell is done; at least two, else `KitError`."""
    journals = _whole_seeds(study)
    seeds = tuple(dict.fromkeys(seed for _, seed in journals))
    base = study.base_run()
    sealed = units(base.iteration(0).load("predictions_sealed"))
    weak = weak_types(base.iteration(0).load("predictions_diagnose"))
    masks = {ALL: np.full(len(sealed), True), WEAK: _of_types(sealed, weak)}
    scores = {
        name: np.array([_credits(journals[name, seed]) for seed in seeds]) for name in study.strategies
    }
    samples = tuple(base.profile.budget * number for number in range(base.profile.iterations + 1))
    by_strategy = {name: [journals[name, seed] for seed in seeds] for name in study.strategies}
    return Results(
        settings={"profile": study.profile, **study.overrides},
        strategies=study.strategies,
        seeds=seeds,
        n_questions=len(sealed),
        weak=tuple(weak),
        samples=samples,
        comparisons=tuple(one for part in masks for one in comparisons(scores, masks[part], part)),
        reached=tuple(one for part in masks for one in samples_needed(scores, masks[part], part, samples)),
        costs=tuple(_cost(name, given) for name, given in by_strategy.items()),
        curves={part: _curves(scores, mask) for part, mask in masks.items()},
        types=_types(scores, sealed),
        shares={name: _shares(given) for name, given in by_strategy.items()},
        seconds=sum(journal.seconds for journal in journals.values()),
        versions=len({str(sorted(_code(journal))) for journal in journals.values()}),
    )


def weak_types(diagnose: Sequence[Prediction]) -> list[str]:
    """The types under `WEAK_BELOW`, or the weakest one. By the diagnose questions: the sealed ones of types
    that were chosen by their own score would rise by chance alone.
    """
    rates = {name: row["accuracy"] for name, row in tally(diagnose)["types"].items()}
    return [name for name, rate in rates.items() if rate < WEAK_BELOW] or [min(rates, key=rates.__getitem__)]


def _whole_seeds(study: Study) -> dict[tuple[str, int], Journal]:
    """The journals of the seeds of which every cell is done, seed by seed."""
    begun = [cell for cell in study.cells() if (cell.path / RUN_FILE).exists()]
    found = {(cell.strategy, cell.seed): read_journal(study.run_of(cell)) for cell in begun}
    done = {key: journal for key, journal in found.items() if journal.done}
    seeds = [seed for seed in study.seeds if all((name, seed) in done for name in study.strategies)]
    if len(seeds) < 2:
        raise KitError(
            f"{str(study.path)!r} has {len(seeds)} whole seeds of {len(study.seeds)}, and 2 are needed; run "
            f"the rest: python -m dataengine_utils.loop ablation --out {study.path} (with the same settings)"
        )
    return {key: journal for key, journal in done.items() if key[1] in seeds}


def _credits(journal: Journal) -> list[list[float]]:
    """(rounds + 1, questions): the credit of each sealed question after each round."""
    iterations = map(journal.run.iteration, range(journal.run.profile.iterations + 1))
    return [[credit(one) for one in units(each.load("predictions_sealed"))] for each in iterations]


def _of_types(sealed: Sequence[Prediction], names: Sequence[str]) -> np.ndarray:
    return np.array([one.question_type in names for one in sealed])


def _curves(scores: Scores, mask: np.ndarray) -> dict[str, list[float]]:
    means = {name: table[:, :, mask].mean((0, 2)) for name, table in scores.items()}
    return {name: [float(x) for x in curve] for name, curve in means.items()}


def _types(scores: Scores, sealed: Sequence[Prediction]) -> dict[str, dict[str, float]]:
    masks = {name: _of_types(sealed, [name]) for name in dict.fromkeys(one.question_type for one in sealed)}
    ends = {"base": scores[BASELINE][0, 0], **{name: table[:, -1].mean(0) for name, table in scores.items()}}
    return {
        who: {name: float(credits[mask].mean()) for name, mask in masks.items()}
        for who, credits in ends.items()
    }


def _shares(journals: Sequence[Journal]) -> dict[str, float]:
    given = [step["given"] for journal in journals for step in _steps(journal, "data")]
    total = sum(sum(one.values()) for one in given)
    return {name: sum(one.get(name, 0) for one in given) / total for one in given for name in one}


def _cost(strategy: str, journals: Sequence[Journal]) -> Cost:
    def mean(step: str, fact: str) -> float:
        return fmean(sum(one[fact] for one in _steps(journal, step)) for journal in journals)

    return Cost(
        strategy,
        samples=mean("data", "samples"),
        queries=mean("data", "queries"),
        steps=mean("train", "steps"),
        usd=fmean(max(one["usd"] for one in _steps(journal, "data")) for journal in journals),
        seconds=fmean(journal.seconds for journal in journals),
        training=mean("train", "seconds"),
    )


def _steps(journal: Journal, name: str) -> Iterator[Facts]:
    return (one for one in journal.steps if one["step"] == name)


def _code(journal: Journal) -> Iterator[str]:
    return (f"{name} {journal.fingerprint.get(name)}" for name in ("code", "cell"))
