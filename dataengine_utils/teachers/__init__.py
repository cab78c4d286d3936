"""Who writes the training data: teachers by name, and what goes to and comes from them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from ..artifacts import JUDGE_LEDGER_FILE, LEDGER_FILE, Run
from ..profiles import Profile
from ..records import ImageRecord, Query, Template
from ..registry import build, takes

TEACHERS = {
    "rules": "dataengine_utils.teachers.rules:RuleTeacher",
    "openai": "dataengine_utils.teachers.openai:OpenAITeacher",
}


@dataclass(frozen=True)
class Request:
    """A query with all that the teacher needs to answer it; relative image paths count from `root`."""

    query: Query
    record: ImageRecord
    template: Template
    root: Path | None = None


@dataclass(frozen=True)
class Reply:
    """A teacher's raw text for one query; `error` says why there is none.

    `request` is the ledger's key of the request, `usd` what the reply cost now (0 for one that was paid
    before), `shown` how many facts of each kind the teacher saw and how many were cut.
    """

    query_id: str
    text: str
    error: str = ""
    request: str = ""
    usd: float = 0.0
    shown: dict[str, Any] = field(default_factory=dict)


class Teacher(Protocol):
    """Writes a question with its answer and options for each request."""

    name: str

    def can_write(self, record: ImageRecord, question_type: str) -> bool:
        """Whether an image's annotations are enough for a question of a type."""
        ...

    def replies(self, requests: Sequence[Request]) -> Iterator[Reply]:
        """One reply a request, as they come: the order may differ from the requests'."""
        ...


def of_run(run: Run, profile: Profile) -> Teacher:
    """The teacher of a profile, its requests in the run's ledger, and its spend under the run's budget.

    A teacher that keeps no ledger or costs nothing (one without these options) is loaded as it is.
    """
    of_run = {"ledger": str(run.path / LEDGER_FILE), "budget_usd": profile.budget_usd}
    known = {name: value for name, value in of_run.items()
             if takes("teacher", TEACHERS, profile.teacher, name)}
    return load(profile.teacher, **{**known, **profile.teacher_options})


def judge_of_run(run: Run, profile: Profile) -> Teacher | None:
    """The second teacher, who judges what the annotations leave undecided, with ledger and budget of its own.

    None where the profile names none.
    """
    if not profile.judge:
        return None
    judging = replace(profile, teacher=profile.judge, teacher_options=profile.judge_options,
                      budget_usd=profile.judge_budget_usd)
    if takes("teacher", TEACHERS, profile.judge, "ledger"):
        own = {"ledger": str(run.path / JUDGE_LEDGER_FILE), **profile.judge_options}
        judging = replace(judging, teacher_options=own)
    return of_run(run, judging)


def estimate(teacher: Teacher, requests: Sequence[Request]) -> float:
    """The most (USD) that replies to these requests can cost; 0 for a teacher that has no price."""
    estimate = getattr(teacher, "estimate", None)
    return estimate(requests) if estimate else 0.0


def load(name: str, **options: Any) -> Teacher:
    """The teacher of that name (see `TEACHERS`), or the user's own "package.module:Class"."""
    return build("teacher", TEACHERS, name, options)
