"""What a type's samples have brought: its change on questions nobody trained on, against samples and USD."""

from collections import Counter, defaultdict
from dataclasses import dataclass

from ..artifacts import Run
from ..standing import new_rounds
from ..weakness import Change
from ..withdrawal import load_withdrawn
from .answers import LedgerAnswers
from .tracing import effects

NOTE = (
    "Gain: the change of the type, divided by the samples of the type that were trained on in between. It is "
    "no proof that they alone made the change: samples of other types, and replay, were in the same training "
    "and help or harm too. The interval is that of the change, on the same scale; whether a change is more "
    "than chance is said after Holm's adjustment over the types, so that an interval may leave out zero and "
    "the change still be one that chance could make."
)


@dataclass(frozen=True)
class Rate:
    """A change per unit, in percentage points, with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Gain:
    """One question type (or "all") between two evaluations: `samples` new to the student, and its change.

    `usd` is what all replies for the type have cost in between, rejected ones too, and those for trainings
    that the gate did not promote. `split` names the questions.
    """

    question_type: str
    samples: int
    usd: float
    split: str
    change: Change

    @property
    def per_thousand(self) -> Rate | None:
        """Points per 1,000 samples of the type; None without samples."""
        return self._per(self.samples / 1000)

    @property
    def per_usd(self) -> Rate | None:
        """Points per USD; None where the replies cost nothing."""
        return self._per(self.usd)

    def _per(self, amount: float) -> Rate | None:
        paired = self.change.paired
        if not amount:
            return None
        return Rate(*(100 * share / amount for share in (paired.difference, paired.low, paired.high)))


def gains(run: Run, first: int, last: int) -> list[Gain]:
    """What the rounds between the evaluations of two iterations did for each type; "all" comes last.

    Empty where one of the evaluations is not there. Withdrawn samples do not count, nor do those that the
    student has not learned from because the gate kept it; they do once a training with them is promoted.
    """
    found = effects(run.iteration(first), run.iteration(last))
    samples, usd, answers = Counter[str](), defaultdict[str, float](float), LedgerAnswers(run)
    kept = load_withdrawn(run)
    for iteration in map(run.iteration, new_rounds(run, first, last) if found else ()):
        if iteration.has("samples"):
            samples.update(one.question_type for one in kept.keep(iteration.load("samples")))
    for iteration in map(run.iteration, range(first, last) if found else ()):
        if iteration.has("generated"):
            replies = iteration.load("generated")
            answers.read([reply.request for reply in replies])
            for reply in replies:
                usd[reply.question_type] += answers.usd(reply)
    samples["all"], usd["all"] = samples.total(), sum(usd.values())
    return [Gain(name, samples[name], usd[name], one.split, one.change) for name, one in found.items()]
