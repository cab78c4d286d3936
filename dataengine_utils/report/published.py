"""The table in the paper's form: a row a round, beside the published rows where the benchmark is the same."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from ..benchmarks.splits import split_name
from ..question_types import QUESTION_TYPES
from ..withdrawal import load_withdrawn
from .page import Html, join, note, table
from .story import Story

_SUMS = (
    " In three printed rows the types make another whole than the one printed: 67.60 and 68.42 in rounds 1 "
    "and 2 of LLaVA, 49.66 for MiniGPT4-v2 without data."
)
FILE = Path(__file__).with_name("published.yaml")


@dataclass(frozen=True)
class PublishedRow:
    """One row of the paper: `scores` are by benchmark and score, `types` SEED-Bench's, 1 to 9; as printed."""

    student: str
    data: str
    samples: int
    scores: dict[str, dict[str, float]]
    types: tuple[float, ...]


@lru_cache(maxsize=1)
def published_rows() -> tuple[PublishedRow, ...]:
    """The rows of the paper's tables, student by student; the source stands in the file."""
    rows = yaml.safe_load(FILE.read_text(encoding="utf-8"))["rows"]
    return tuple(PublishedRow(**{**row, "types": tuple(row["types"])}) for row in rows)


def paper_table(story: Story) -> Html:
    """This run's rounds as the paper prints its own, and the paper's below where it measured the same."""
    metrics = [table[story.split] for table in story.tables]
    theirs, columns = _matching(story.run.profile.benchmark, metrics[0])
    types = list(metrics[0]["types"]) if _has_types(story, theirs) else []
    header = ["student", "data", "samples", *(columns or ["all questions"]), *types]
    rows = [["this run", *_own_row(story, n, one, columns, types)] for n, one in enumerate(metrics)]
    rows += [_their_row(row, row.scores[story.run.profile.benchmark], columns, types) for row in theirs]
    caption = "In the paper's form: one row a round"
    remark = note(_remark(story, metrics[0], theirs))
    return join([table(caption, header, rows, n_text=2, is_dense=True), remark])


def _matching(benchmark: str, metrics: dict[str, Any]) -> tuple[list[PublishedRow], list[str]]:
    """The published rows of the benchmark, and the official scores that they and this run have."""
    official = metrics.get("official", {}).get("summary", {})
    rows = [row for row in published_rows() if official.keys() & row.scores.get(benchmark, {})]
    return rows, [name for name in (rows[0].scores[benchmark] if rows else ()) if name in official]


def _has_types(story: Story, theirs: list[PublishedRow]) -> bool:
    """Whether the rows show question types: the paper has SEED-Bench's alone."""
    return not theirs or story.run.profile.benchmark == "seed_bench"


def _own_row(
    story: Story, number: int, metrics: dict[str, Any], columns: list[str], types: list[str]
) -> list[str]:
    official = metrics.get("official", {}).get("summary", {})
    scores = [official.get(name) for name in columns] or [100 * metrics["overall"]["accuracy"]]
    scores += [100 * metrics["types"][name]["accuracy"] for name in types]
    kept = load_withdrawn(story.run)
    n_samples = sum(len(kept.keep(made)) for n, made in story.all_with("samples").items() if n < number)
    return [f"round {number}" if number else "none", f"{n_samples:,}", *map(_score, scores)]


def _their_row(
    row: PublishedRow, scores: dict[str, float], columns: list[str], types: list[str]
) -> list[str]:
    of_type = dict(zip(QUESTION_TYPES.values(), row.types, strict=True))
    shown = [*(scores[name] for name in columns), *(of_type.get(name) for name in types)]
    return [row.student, row.data, f"{row.samples:,}", *map(_score, shown)]


def _score(value: float | None) -> str:
    return "" if value is None else f"{value:,.2f}"


def _remark(story: Story, metrics: dict[str, Any], theirs: list[PublishedRow]) -> str:
    benchmark, asked = story.run.profile.benchmark, split_name(metrics, story.split)
    if not theirs:
        measured = ", ".join(dict.fromkeys(name for row in published_rows() for name in row.scores))
        return (
            f"Right answers in % of the {asked} questions. No published rows stand beside them: "
            f"arXiv 2308.13566 measured {measured}, and this is {benchmark}."
        )
    rule = f", by the rule {metrics['rule']!r}" if "rule" in metrics else ""
    sums = _SUMS if benchmark == "seed_bench" else ""
    return (
        f"This run is measured on its {asked} questions{rule}; the rows of arXiv 2308.13566, as printed, on "
        "the whole benchmark, which also gave the paper its weights and examples. Students, base data "
        f"and questions differ: compare changes rather than levels.{sums}"
    )
