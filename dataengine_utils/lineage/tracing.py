"""The way of one sample through a run, from the questions that asked for it to what it changed."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..artifacts import Iteration, Run
from ..records import BadCase, Decision, Query, Sample, Template
from ..standing import is_kept, rounds_to_train_on
from ..stats import wilson
from ..teachers.ledger import Answer
from ..weakness import Change, changes
from ..withdrawal import load_withdrawn
from .answers import LedgerAnswers
from .near import find_sample

_ID_OF = {"queries": "id", "generated": "query_id", "bad_cases": "question_id"}


@dataclass(frozen=True)
class Training:
    """A training that used the sample: one of `samples`, of which `of_type` are of its type.

    `steps` is None while the training is not finished. `promoted` says whether the gate let its student take
    the place of the one before; only then has it changed anything.
    """

    iteration: int
    samples: int
    of_type: int
    steps: int | None
    start_from: str
    promoted: bool = True


@dataclass(frozen=True)
class Effect:
    """How the sample's type changed from one evaluation (by its iteration) to another, on the same questions.

    `before` and `after` are (share right, low, high), shares 0..1 with Wilson's 95 % interval.
    """

    split: str
    first: int
    last: int
    before: tuple[float, float, float]
    after: tuple[float, float, float]
    change: Change


@dataclass(frozen=True)
class Lineage:
    """One sample's way. What an older run did not record, or a run has not done yet, is None or empty.

    `bad_cases` are those that the teacher was shown; `unknown_cases` the ids of those of which only the id is
    kept. `answer` is the teacher's in the ledger, None for a teacher that sends no requests. `effects` follow
    the trainings that used it, one by one.
    """

    run: Path
    iteration: int
    sample: Sample
    bad_cases: tuple[BadCase, ...]
    unknown_cases: tuple[str, ...]
    template: Template | None
    decision: Decision | None
    teacher: str
    model: str
    answer: Answer | None
    withdrawn: bool
    trainings: tuple[Training, ...]
    effects: tuple[Effect, ...]


class Tracer:
    """Traces samples of one run; each artifact is read once, so that tracing all of them is cheap."""

    def __init__(self, run: Run):
        self.run = run
        self._answers = LedgerAnswers(run)
        self._tables: dict[tuple[int, str], Any] = {}
        self._effects: dict[int, dict[str, Effect]] = {}

    def __call__(self, sample_id: str) -> Lineage:
        """The lineage of a sample by its id, or the beginning of the id; `KitError` for an unknown one."""
        number, sample = find_sample(self.samples, sample_id, self.run.path)
        query = self._by_id(number, "queries").get(sample.query_id)
        made = self._by_id(number, "generated").get(sample.query_id)
        cases, unknown = self._cases(number, sample, query)
        trainings = self._trainings(number, sample)
        return Lineage(
            run=self.run.path,
            iteration=number,
            sample=sample,
            bad_cases=cases,
            unknown_cases=unknown,
            template=self._template(number, sample),
            decision=self._load(number, "decision"),
            teacher=made.teacher if made else self.run.profile.teacher,
            model=self._answers.model,
            answer=self._answers(sample.request),
            withdrawn=not self._withdrawn.keep([sample]),
            trainings=trainings,
            effects=tuple(
                effect for one in trainings
                if one.steps is not None and one.promoted
                and (effect := self._effect(one.iteration, sample.question_type))
            ),
        )

    @cached_property
    def samples(self) -> dict[int, list[Sample]]:
        """All samples of the run, by iteration."""
        return {one.number: one.load("samples") for one in self.run.iterations() if one.has("samples")}

    @cached_property
    def _withdrawn(self) -> Any:
        return load_withdrawn(self.run)

    def _load(self, number: int, artifact: str) -> Any:
        """An artifact of an iteration, None where it has none."""
        if (number, artifact) not in self._tables:
            iteration = self.run.iteration(number)
            self._tables[number, artifact] = iteration.load(artifact) if iteration.has(artifact) else None
        return self._tables[number, artifact]

    def _by_id(self, number: int, artifact: str) -> dict[str, Any]:
        """The records of an iteration by their id (see `_ID_OF`)."""
        key = (number, f"{artifact} by id")
        if key not in self._tables:
            records = self._load(number, artifact) or ()
            self._tables[key] = {getattr(record, _ID_OF[artifact]): record for record in records}
        return self._tables[key]

    def _cases(
        self, number: int, sample: Sample, query: Query | None
    ) -> tuple[tuple[BadCase, ...], tuple[str, ...]]:
        """The bad cases of the query, else those of the pool that the sample names, and ids without any."""
        if query:
            return query.bad_cases, ()
        pool = self._by_id(number, "bad_cases")
        return (
            tuple(pool[name] for name in sample.bad_cases if name in pool),
            tuple(name for name in sample.bad_cases if name not in pool),
        )

    def _template(self, number: int, sample: Sample) -> Template | None:
        """The template by its id: the iteration's choice, or another that was tried in the run."""
        for other in (number, *self.samples):
            tried = [self._load(other, "template"), *(self._load(other, "templates") or ())]
            for template in tried:
                if template and template.id == sample.template_id:
                    return template
        return None

    def _trainings(self, number: int, sample: Sample) -> tuple[Training, ...]:
        return tuple(
            self._training(iteration, sample)
            for iteration in self.run.iterations()
            if number in self._rounds(iteration) and self._trained(iteration)
        )

    def _rounds(self, iteration: Iteration) -> list[int]:
        return rounds_to_train_on(iteration.number, self.run.profile.train_on)

    def _trained(self, iteration: Iteration) -> bool:
        return iteration.has("adapter") or iteration.has("train_log")

    def _training(self, iteration: Iteration, sample: Sample) -> Training:
        used = [s for n in self._rounds(iteration) for s in self._withdrawn.keep(self.samples.get(n, ()))]
        log = self._load(iteration.number, "train_log") or ()
        steps = [row["step"] for row in log if "step" in row]
        return Training(
            iteration.number,
            len(used),
            sum(one.question_type == sample.question_type for one in used),
            steps[-1] if steps else None,
            self.run.profile.start_from,
            not is_kept(self.run, iteration.number),
        )

    def _effect(self, number: int, question_type: str) -> Effect | None:
        """What changed from the evaluation before the training to the one after it."""
        if number not in self._effects:
            self._effects[number] = effects(self.run.iteration(number), self.run.iteration(number + 1))
        return self._effects[number].get(question_type)


def effects(first: Iteration, last: Iteration) -> dict[str, Effect]:
    """How every question type, and "all", changed between two evaluations, on the sealed questions where both
    have them; empty where one of them is not there.
    """
    for split in ("sealed", "diagnose"):
        artifact = f"predictions_{split}"
        if all(one.has(artifact) and one.has("metrics") for one in (first, last)):
            both = [one.load("metrics")[split] for one in (first, last)]
            changed = changes(first.load(artifact), last.load(artifact))
            return {
                name: Effect(split, first.number, last.number, *(_rate(side, name) for side in both), one)
                for name, one in changed.items()
            }
    return {}


def _rate(scores: dict[str, Any], name: str) -> tuple[float, float, float]:
    row = scores["overall"] if name == "all" else scores["types"][name]
    low, high = wilson(row["accuracy"] * row["n"], row["n"])
    return row["accuracy"], low, high

