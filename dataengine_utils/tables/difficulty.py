"""The table of the filter by difficulty: what the student was asked, and what was left out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pandas.io.formats.style import Styler

from ..artifacts import Run
from ..difficulty import Sifted, sifted
from ..lineage import LedgerAnswers
from ..records import Generated
from .style import ALL, numbers, percent, words


def difficulty_table(run: Run, generated: Sequence[Generated], wanted: Mapping[str, int]) -> Styler:
    """By question type: samples wanted and kept, how the student did, and what the rest has cost (USD)."""
    found = sifted(generated)
    if not found:
        return words([{"filter by difficulty": "nobody was asked: all accepted samples are kept"}])
    answers = LedgerAnswers(run)
    answers.read([record.request for record in generated])
    accepted = Counter(record.question_type for record in generated if record.accepted)
    rows = {one.question_type: _row(one, wanted, accepted, answers) for one in found}
    rows[ALL] = {name: sum(row[name] for row in rows.values()) for name in next(iter(rows.values()))}
    return numbers({name: _shown(row) for name, row in rows.items()}, "question type")


def _row(
    one: Sifted, wanted: Mapping[str, int], accepted: Counter[str], answers: LedgerAnswers
) -> dict[str, Any]:
    return {
        "wanted": wanted.get(one.question_type, 0),
        "samples": accepted[one.question_type],
        "asked": one.asked,
        "right": one.right,
        "tries": one.tries,
        "easy": one.easy,
        "hard": one.hard,
        "usd": sum(answers.usd(record) for record in one.lost),
    }


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    kept = row["asked"] - row["easy"] - row["hard"]
    return {
        "samples wanted": row["wanted"],
        "samples": row["samples"],
        "asked": row["asked"],
        "tries right, %": percent(row["right"] / row["tries"]),
        "too easy": row["easy"],
        "too hard": row["hard"],
        "in the band": kept,
        "in the band, %": percent(kept / row["asked"]),
        "USD left out": f"{row['usd']:.4f}",
    }
