"""The report's part about what is weak inside the types: clusters of bad cases, with pictures."""

from typing import Any

from .. import plots
from ..artifacts import Iteration
from ..records import Cluster
from .data import percent
from .page import Html, absent, element, join, note, picture, side_by_side, table
from .story import Story
from .work import bad_case_card

N_SHOWN, N_WITH_PICTURES, N_PICTURES = 10, 3, 4


def section(story: Story) -> list[Any]:
    """The weakest clusters of the latest iteration that has some, and pictures of the weakest few."""
    last = story.last_with("clusters")
    if last is None:
        return ["", absent("Clusters of bad cases", "02_weakness")]
    found: list[Cluster] = last.load("clusters")
    lead = (
        f"Parts of question types, found in the bad cases of iteration {last.number} by wording and answer. "
        "Every diagnose question belongs to one, so each has a share of right answers of its own."
    )
    if not found:
        return [lead, note("No type has enough bad cases that have something in common.")]
    rows = [_row(one, last) for one in found]
    alt = "Right answers inside the types, weakest first: " + "; ".join(
        f"{row['question_type']}, {row['name']}: {percent(row['accuracy'])} % of {row['n']}"
        for row in rows[:N_SHOWN]
    )
    drawing = story.figures.add("clusters", plots.cluster_points(rows[:N_SHOWN]), alt, rows)
    return [lead, drawing, _table(rows), *(_pictures(story, last, one) for one in found[:N_WITH_PICTURES])]


def _row(one: Cluster, iteration: Iteration) -> dict[str, Any]:
    of_type = {row.question_type: row.accuracy for row in iteration.load("weakness")}
    return {
        "question_type": one.question_type, "name": one.name, "n": one.n, "right": one.right,
        "accuracy": one.accuracy, "low": one.low, "high": one.high,
        "type_accuracy": of_type.get(one.question_type, one.accuracy),
    }  # fmt: skip


def _table(rows: list[dict[str, Any]]) -> Html:
    cells = [
        [row["question_type"], row["name"], f"{row['right']:,} of {row['n']:,}", percent(row["accuracy"]),
         f"{percent(row['low'])} to {percent(row['high'])}", percent(row["type_accuracy"])]
        for row in rows[:N_SHOWN]
    ]  # fmt: skip
    header = ["question type", "about", "right", "right, %", "95 % interval", "its type, %"]
    return table("Weakest clusters", header, cells, n_text=2)


def _pictures(story: Story, iteration: Iteration, one: Cluster) -> Html:
    """The most typical bad cases of a cluster that are in the pool."""
    pool = {case.question_id: case for case in iteration.load("bad_cases")}
    cases = [pool[name] for name in one.question_ids if name in pool][:N_PICTURES]
    cards = [
        bad_case_card(case, picture(story.question_picture(case.question_id), f"Picture of: {case.question}"))
        for case in cases
    ]
    title = element("h3", f"{one.question_type}: {one.name}")
    return join([title, side_by_side(cards, "cards") if cards else note("Its bad cases repeat others'.")])
