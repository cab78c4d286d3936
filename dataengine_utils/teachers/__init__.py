"""Who writes the training data: teachers by name, and what goes to and comes from them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..records import ImageRecord, Query, Template
from ..registry import build

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


def load(name: str, **options: Any) -> Teacher:
    """The teacher of that name (see `TEACHERS`), or the user's own "package.module:Class"."""
    return build("teacher", TEACHERS, name, options)
