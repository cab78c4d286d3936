"""What a training of the gate learns with, and what is changed when the first one is not promoted."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..instruction_data import Example, examples_from_samples, load_replay
from ..profiles import Profile
from ..records import Sample
from ..registry import resolve
from .deciding import Verdict

FIRST = "first"
"""The name of an iteration's first attempt, by the profile's own settings."""


@dataclass(frozen=True)
class Plan:
    """The settings that an attempt may change, and its name.

    `without` are the question types whose samples of this round are left out.
    """

    name: str
    learning_rate: float
    projector_learning_rate: float
    replay_samples: int
    without: tuple[str, ...] = ()

    def changed(self, first: "Plan") -> dict[str, Any]:
        """The settings that differ from the first attempt's."""
        return {
            name: value
            for name, value in dataclasses.asdict(self).items()
            if name != "name" and value != getattr(first, name)
        }


Fallback = Callable[[Plan, Verdict], Plan | None]


def first_plan(profile: Profile) -> Plan:
    """The attempt with the profile's settings."""
    return Plan(FIRST, profile.learning_rate, profile.projector_learning_rate, profile.replay_samples)


def more_replay(first: Plan, verdict: Verdict) -> Plan | None:
    """Twice the replay, against forgetting; None where there is no replay."""
    return (
        dataclasses.replace(first, replay_samples=2 * first.replay_samples) if first.replay_samples else None
    )


def lower_rate(first: Plan, verdict: Verdict) -> Plan | None:
    """Half the learning rates, of the LoRA weights and of the projector."""
    return dataclasses.replace(
        first,
        learning_rate=first.learning_rate / 2,
        projector_learning_rate=first.projector_learning_rate / 2,
    )


def without_type(first: Plan, verdict: Verdict) -> Plan | None:
    """Without this round's samples of the types that fell by more than chance, else of the lowest change."""
    types = verdict.fell or ((verdict.lowest,) if verdict.lowest else ())
    return dataclasses.replace(first, without=types) if types else None


_HERE = "dataengine_utils.gate.fallbacks"
FALLBACKS: dict[str, str] = {
    "more_replay": f"{_HERE}:more_replay",
    "lower_rate": f"{_HERE}:lower_rate",
    "without_type": f"{_HERE}:without_type",
}
"""Name -> function of the first attempt's plan and verdict; None where it does not apply."""


def fallback_plans(names: Sequence[str], first: Plan, verdict: Verdict) -> Iterator[Plan]:
    """The plans of the fallbacks that apply, in the order of their names. Each changes the first attempt.

    `names` are of `FALLBACKS`, or "package.module:function" for one of the user's own.
    """
    for name in names:
        plan = resolve("fallback", FALLBACKS, name)(first, verdict)
        if plan is not None and plan.changed(first):
            yield dataclasses.replace(plan, name=name)


@dataclass(frozen=True)
class Mix:
    """What is trained on: samples of `earlier` rounds and `new` ones of this, in some forms, and replay."""

    earlier: Sequence[Sample]
    new: Sequence[Sample]
    forms: Sequence[str]
    replay: str
    seed: int

    @property
    def samples(self) -> list[Sample]:
        """All samples, round by round."""
        return [*self.earlier, *self.new]

    def parts(self, plan: Plan) -> dict[str, list[Example]]:
        """The examples of an attempt: "samples" and "replay"."""
        new = [sample for sample in self.new if sample.question_type not in plan.without]
        return {
            "samples": examples_from_samples([*self.earlier, *new], self.forms, self.seed),
            "replay": _replay(self.replay, plan.replay_samples, self.seed),
        }

    def __call__(self, plan: Plan) -> list[Example]:
        """The examples of an attempt, samples first."""
        return [example for part in self.parts(plan).values() for example in part]


@lru_cache(maxsize=1)
def _replay(name: str, n: int, seed: int) -> list[Example]:
    """The replay, which may be a large file: read once for the page's tables and the first attempt."""
    return load_replay(name, n, seed)
