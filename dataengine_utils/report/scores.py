"""The report's parts about scores: progress over iterations, weak types and the data asked for them."""

from collections.abc import Sequence
from typing import Any

from .. import plots
from ..artifacts import Iteration, Run
from ..records import TypeWeakness
from ..sampling import shares
from ..stats import Paired
from .data import SIGNIFICANT, Changes, changes, interval, measured, percent, points, verdict
from .page import Html, absent, element, figure, join, note, side_by_side, table


def progress(_: Run, iterations: list[Iteration]) -> list[Any]:
    split, tables = measured(iterations)
    if not tables:
        return ["", absent("Scores", "01_evaluate")]
    changed = changes(iterations, split, len(tables))
    drawing = figure(plots.progress(tables, split), _progress_alt(tables, split))
    lead = (
        "The student's right answers before any training (iteration 0) and after each round of new data, with "
        f"95 % intervals, on the {split} questions."
        if len(tables) > 1
        else f"The base student's right answers on the {split} questions, with 95 % intervals."
    )
    return [lead, drawing, _score_table(tables, split, changed), _method(tables[-1][split], changed)]


def _score_table(tables: Sequence[dict[str, Any]], split: str, changed: Changes) -> Html:
    names = list(tables[0][split]["types"])
    header = ["question type", "questions", *[f"iteration {i}" for i in range(len(tables))]]
    header += ["change", "95 % interval", ""] if changed else []
    rows = []
    for name in [*names, "all"]:
        scores = [t[split]["overall"] if name == "all" else t[split]["types"][name] for t in tables]
        row = [
            "All questions" if name == "all" else name,
            f"{scores[0]['n']:,}",
            *[percent(s["accuracy"]) for s in scores],
        ]
        rows.append(row + (_change_cells(*changed[name]) if changed else []))
    return table(f"Right answers, % of {split} questions", header, rows, last_is_total=True)


def _change_cells(paired: Paired, p: float) -> list[Any]:
    marks = {
        "higher": element("span", "▲ higher", class_="up"),
        "lower": element("span", "▼ lower", class_="down"),
    }
    return [points(paired.difference), interval(paired), marks.get(verdict(paired, p), "–")]


def _method(metrics: dict[str, Any], changed: Changes) -> Html:
    parts = []
    if changed:
        parts.append(
            "Change: the last iteration against iteration 0 in percentage points, on the same questions (Tango's "
            "score interval). Higher and lower: McNemar's exact test, adjusted over the types by Holm's method, "
            f"below {SIGNIFICANT:g}; – is a change that chance alone could make."
        )
    unparsed = metrics["overall"]["unparsed"]
    if unparsed:
        parts.append(
            f"{unparsed:,} replies of the last iteration could not be read as an answer and count as not right."
        )
    return note(*parts) if parts else Html("")


def _progress_alt(tables: Sequence[dict[str, Any]], split: str) -> str:
    scores = ", ".join(f"{percent(metrics[split]['overall']['accuracy'])} %" for metrics in tables)
    return f"Right answers on the {split} questions by iteration, overall {scores}; the table below has every type"


def weakness(_: Run, iterations: list[Iteration]) -> list[Any]:
    known = [it for it in iterations if it.has("weakness")]
    if not known:
        return ["", absent("The weakness table", "02_weakness")]
    tables = [it.load("weakness") for it in known]
    planned = [
        shares(t, it.load("queries")) if it.has("queries") else None
        for it, t in zip(known, tables, strict=True)
    ]
    drawings = [
        _shares(it.number, rows)
        for it, rows in zip(known, planned, strict=True)
        if rows
    ]
    lead = (
        "What the student got right on the diagnose questions, and the share of new data that each type was given for "
        "it: the weaker the type, the more."
    )
    parts = [lead, _weakness_table(known, tables, planned), side_by_side(drawings, "plots")]
    return parts if drawings else [*parts[:2], absent("Queries", "03_sampling")]


def _shares(number: int, rows: list[dict[str, Any]]) -> Html:
    drawing = figure(plots.share_bars(rows), _shares_alt(rows))
    return element("div", join([element("h3", f"Iteration {number}"), drawing]))


def _weakness_table(
    known: list[Iteration], tables: list[list[TypeWeakness]], planned: list[list[dict[str, Any]] | None]
) -> Html:
    names = list(dict.fromkeys(row.question_type for rows in tables for row in rows))
    rows = []
    for name in names:
        cells: list[Any] = [name]
        for weak, drawn in zip(tables, planned, strict=True):
            entry = {row.question_type: row for row in weak}.get(name)
            share = {row["question_type"]: row["drawn"] for row in drawn or ()}.get(name)
            cells += (
                ["", "", ""]
                if entry is None
                else [_with_interval(entry), f"{entry.bad_cases:,}", percent(entry.weight)]
            )
            cells.append("" if share is None else percent(share))
        rows.append(cells)
    header = ["question type", *["right (95 %)", "bad cases", "weight", "drawn"] * len(known)]
    return table(
        "Weakness and what was asked for it, %",
        header,
        rows,
        groups=[("", 1), *[(f"iteration {it.number}", 4) for it in known]],
    )


def _with_interval(row: TypeWeakness) -> Html:
    interval = element("small", f"{100 * row.low:.0f}–{100 * row.high:.0f}")
    return Html(f"{percent(row.accuracy)} {interval}")


def _shares_alt(rows: Sequence[dict[str, Any]]) -> str:
    each = ", ".join(
        f"{row['question_type']} {percent(row['planned'])} and {percent(row['drawn'])}" for row in rows
    )
    return f"Share of queries by type in %, planned and drawn: {each}"
