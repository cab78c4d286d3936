"""The report's parts about scores: progress over iterations, weak types and the data asked for them."""

from collections.abc import Collection, Sequence
from typing import Any

from .. import plots
from ..artifacts import Iteration
from ..benchmarks.splits import remark, split_name
from ..records import TypeWeakness
from ..sampling import shares
from ..weakness import LEVEL, Change
from .data import interval, percent, points
from .page import Html, absent, element, join, note, side_by_side, table
from .published import paper_table
from .story import Story


def progress(story: Story) -> list[Any]:
    """Scores over iterations: the lead, the figure, the table with changes, how they were tested, and the
    table in the paper's form.
    """
    split, tables, changed = story.split, story.tables, story.changed
    if not tables:
        return ["", absent("Scores", "01_evaluate")]
    asked = split_name(tables[0][split], split)
    lead = f"Right answers of the base student on the {asked} questions, with 95 % intervals."
    if len(tables) > 1:
        lead = (
            f"Right answers on the {asked} questions: the base student (iteration 0, dashed), then after "
            "each round of new data. Bands are 95 % intervals, numbers the change in points."
        )
    if story.kept:
        turns = ", ".join(map(str, sorted(story.kept)))
        lead += f" Kept: before iteration {turns} the gate promoted nothing, the student is the one before."
    alt, drawn = _progress_alt(tables, split), plots.progress(tables, split, kept=story.kept)
    drawing = story.figures.add("progress", drawn, alt, _progress_rows(tables, split, story.kept))
    scores = _score_table(tables, split, changed, story.kept)
    return [lead, drawing, scores, _method(tables[-1][split], changed), paper_table(story)]


def _progress_rows(
    tables: Sequence[dict[str, Any]], split: str, kept: Collection[int]
) -> list[dict[str, Any]]:
    columns = ("n", "right", "wrong", "unparsed", "accuracy", "low", "high")
    return [
        {
            "question_type": name,
            "iteration": number,
            **{column: row[column] for column in columns},
            "gate": "kept" if number in kept else "promoted" if number else "",
        }
        for number, metrics in enumerate(tables)
        for name, row in [*metrics[split]["types"].items(), ("all", metrics[split]["overall"])]
    ]


def _score_table(
    tables: Sequence[dict[str, Any]], split: str, changed: dict[str, Change], kept: Collection[int]
) -> Html:
    names = list(tables[0][split]["types"])
    turns = [f"iteration {i}{' (kept)' if i in kept else ''}" for i in range(len(tables))]
    header = ["question type", "questions", *turns]
    header += ["change", "95 % interval", "more than chance"] if changed else []
    rows = []
    for name in [*names, "all"]:
        scores = [t[split]["overall"] if name == "all" else t[split]["types"][name] for t in tables]
        row: list[Any] = ["All questions" if name == "all" else name, f"{scores[0]['n']:,}"]
        row += [percent(score["accuracy"]) for score in scores]
        rows.append(row + (_change_cells(changed[name]) if changed else []))
    caption = f"Right answers, % of {split_name(tables[0][split], split)} questions"
    return table(caption, header, rows, last_is_total=True)


def _change_cells(change: Change) -> list[Any]:
    marks = {
        "higher": element("span", "▲ higher", class_="up"),
        "lower": element("span", "▼ lower", class_="down"),
    }
    return [points(change.paired.difference), interval(change.paired), marks.get(change.verdict, "–")]


def _method(metrics: dict[str, Any], changed: dict[str, Change]) -> Html:
    parts = [note for note in [remark(metrics)] if note]
    if changed:
        overall = metrics["overall"]
        has_partial_credit = abs(overall["accuracy"] * overall["n"] - overall["right"]) > 1e-6
        interval_of, test = (
            ("the paired z interval of the mean credit", "the paired z test")
            if has_partial_credit
            else ("Tango's score interval", "McNemar's exact test")
        )
        parts.append(
            "Change: the last iteration against iteration 0 in percentage points, on the same questions "
            f"({interval_of}). Higher and lower: {test}, adjusted over the types by Holm's method, below "
            f"{LEVEL:g}; – is a change that chance alone could make."
        )
    unparsed = metrics["overall"]["unparsed"]
    if unparsed:
        parts.append(f"{unparsed:,} replies of the last iteration could not be read as an answer: not right.")
    return note(*parts) if parts else Html("")


def _progress_alt(tables: Sequence[dict[str, Any]], split: str) -> str:
    scores = ", ".join(f"{percent(metrics[split]['overall']['accuracy'])} %" for metrics in tables)
    return f"Right answers on the {split} questions by iteration, overall {scores}; the table has every type"


def weakness(story: Story) -> list[Any]:
    """How weak each type was, and how much was asked for it, per iteration."""
    known = [it for it in story.iterations if it.has("weakness")]
    if not known:
        return ["", absent("The weakness table", "02_weakness")]
    tables = [it.load("weakness") for it in known]
    drawn = [
        shares(weak, it.load("queries")) if it.has("queries") else []
        for it, weak in zip(known, tables, strict=True)
    ]
    lead = (
        "What the student got right on the diagnose questions, and the share of new data that each type was "
        "given for it: the weaker the type, the more."
    )
    whole = known[0].has("metrics") and remark(known[0].load("metrics").get("diagnose", {}))
    lead += f" {whole}" if whole else ""
    drawings = [_shares(story, it.number, rows) for it, rows in zip(known, drawn, strict=True) if rows]
    below = side_by_side(drawings, "plots") if drawings else absent("Queries", "03_sampling")
    return [lead, _weakness_table(known, tables, drawn), below]


def _shares(story: Story, number: int, rows: list[dict[str, Any]]) -> Html:
    name = f"shares_iter_{number:02d}"
    drawing = story.figures.add(name, plots.share_bars(rows), _shares_alt(rows), rows)
    return element("div", join([element("h3", f"Iteration {number}"), drawing]))


def _weakness_table(
    known: list[Iteration], tables: list[list[TypeWeakness]], drawn: list[list[dict[str, Any]]]
) -> Html:
    names = list(dict.fromkeys(row.question_type for rows in tables for row in rows))
    columns = [_weakness_cells(*turn) for turn in zip(tables, drawn, strict=True)]
    rows = [[name, *(cell for cells in columns for cell in cells.get(name, [""] * 4))] for name in names]
    header = ["question type", *["right (95 %)", "bad cases", "weight", "drawn"] * len(known)]
    groups = [("", 1), *[(f"iteration {it.number}", 4) for it in known]]
    caption = "Weakness and what was asked for it, %"
    return table(caption, header, rows, groups=groups, is_dense=len(known) > 2)


def _weakness_cells(weak: list[TypeWeakness], drawn: list[dict[str, Any]]) -> dict[str, list[Any]]:
    share = {row["question_type"]: percent(row["drawn"]) for row in drawn}
    return {
        row.question_type: [
            _with_interval(row),
            f"{row.bad_cases:,}",
            percent(row.weight),
            share.get(row.question_type, ""),
        ]
        for row in weak
    }


def _with_interval(row: TypeWeakness) -> Html:
    interval = element("small", f"{100 * row.low:.0f}–{100 * row.high:.0f}")
    return Html(f"{percent(row.accuracy)} {interval}")


def _shares_alt(rows: Sequence[dict[str, Any]]) -> str:
    each = ", ".join(
        f"{row['question_type']} {percent(row['planned'])} and {percent(row['drawn'])}" for row in rows
    )
    return f"Share of queries by type in %, planned and drawn: {each}"
