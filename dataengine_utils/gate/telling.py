"""The gate's decisions in words, for pages, the report and a sample's lineage."""

from collections.abc import Collection, Mapping
from typing import Any

from ..artifacts import Run
from ..records import Decided
from ..standing import is_kept, standing


def student_text(number: int | None) -> str:
    """The student that wears the adapter of an iteration, in words; None is the base."""
    return "the base model" if number is None else f"the student that iteration {number} trained"


def decided_text(decided: Decided) -> str:
    """What the gate did, in one sentence and the reason of the last attempt."""
    n, last = len(decided.attempts), decided.attempts[-1]
    tried = "1 attempt" if n == 1 else f"{n} attempts"
    if decided.promoted:
        return f"promoted, in {tried}: {decided.promoted}; {last.reason}"
    return f"kept: {student_text(decided.standing)} stays, none of {tried} passed; the last: {last.reason}"


def known_text(run: Run, number: int, known: Collection[str]) -> str:
    """Where the answers come from that are not asked again (`known` splits), as a plain line."""
    if not known:
        return "all questions are asked now"
    if is_kept(run, number - 1):
        student = student_text(standing(run, number))
        return (
            f"iteration {number - 1} kept {student}: its answers are those of that iteration, no model runs"
        )
    return f"the gate of iteration {number - 1} asked the {', '.join(known)} questions: not asked again"


def changed_text(changed: Mapping[str, Any]) -> str:
    """The settings of an attempt that differ from the first one's."""
    return ", ".join(f"{name} {_plain(value)}" for name, value in changed.items()) or "nothing"


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return " and ".join(map(str, value))
    return (
        f"{value:g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
    )
