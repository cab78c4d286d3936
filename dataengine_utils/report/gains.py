"""The report's part that holds what each type was given against what it gained."""

from typing import Any

from .. import plots
from ..lineage import NOTE, Gain, Rate, gains
from .data import MINUS, interval, percent, points
from .page import Html, element, note, table
from .story import Story


def section(story: Story) -> list[Any]:
    """Shares against gains over the whole run, gains per 1,000 samples and per USD, and each round."""
    found = sorted((one for one in story.gains if one.question_type != "all"), key=lambda one: -one.samples)
    whole = [one for one in story.gains if one.question_type == "all"]
    if not found:
        return ["", element("p", "No round has been trained and evaluated yet.", class_="absent")]
    lead = (
        f"What the rounds before iteration {len(story.tables) - 1} gave each type, and how its right answers "
        f"on the {found[0].split} questions changed since iteration 0."
    )
    rows = [_row(one, whole[0].samples) for one in found]
    alt = "Share of the new samples, and change in points: " + "; ".join(
        f"{row['question_type']} {percent(row['share'])} % and {row['change']:+.1f}" for row in rows
    )
    drawing = story.figures.add("gains", plots.gain_points(rows), alt, rows)
    parts = [drawing, _table([*found, *whole]), note(NOTE)]
    return [lead, *parts, *([_rounds(story)] if len(story.tables) > 2 else [])]


def _row(one: Gain, total: int) -> dict[str, Any]:
    paired, per = one.change.paired, one.per_thousand
    return {
        "question_type": one.question_type, "samples": one.samples, "share": one.samples / max(total, 1),
        "usd": one.usd, "questions": one.change.n, "change": 100 * paired.difference, "low": 100 * paired.low,
        "high": 100 * paired.high, "p_adjusted": one.change.adjusted, "verdict": one.change.verdict,
        "per_1000_samples": per.value if per else "",
    }  # fmt: skip


def _table(found: list[Gain]) -> Html:
    has_price = any(one.usd for one in found)
    header = ["question type", "samples", "change", "95 % interval", "points per 1,000 samples"]
    rows = [
        [_name(one), f"{one.samples:,}", points(one.change.paired.difference), interval(one.change.paired),
         _rate(one.per_thousand), *([f"{one.usd:,.2f}", _rate(one.per_usd)] if has_price else [])]
        for one in found
    ]  # fmt: skip
    header += ["USD", "points per USD"] if has_price else []
    return table("Gain by question type", header, rows, last_is_total=True)


def _name(one: Gain) -> str:
    return "All questions" if one.question_type == "all" else one.question_type


def _rate(rate: Rate | None) -> Html | str:
    if rate is None:
        return "–"
    small = element("small", f"{_signed(rate.low)} to {_signed(rate.high)}")
    return Html(f"{_signed(rate.value)} {small}")


def _signed(value: float) -> str:
    return f"{value:+,.1f}".replace("-", MINUS)


def _rounds(story: Story) -> Html:
    """Each round by itself: its new samples of the type, and the change that followed."""
    rounds = [{one.question_type: one for one in gains(story.run, n, n + 1)}
              for n in range(len(story.tables) - 1)]
    names = list(dict.fromkeys(name for of_round in rounds for name in of_round))
    rows = [
        [_name(rounds[0][name]), *(cell for of_round in rounds for cell in _round_cells(of_round.get(name)))]
        for name in names
    ]
    groups = [("", 1), *[(f"iteration {n} to {n + 1}", 2) for n in range(len(rounds))]]
    header = ["question type", *["new samples", "change (95 %)"] * len(rounds)]
    title, is_dense = "Gain round by round", len(rounds) > 2
    return table(title, header, rows, groups=groups, last_is_total=True, is_dense=is_dense)


def _round_cells(one: Gain | None) -> list[Any]:
    if one is None:
        return ["", ""]
    small = element("small", interval(one.change.paired))
    return [f"{one.samples:,}", Html(f"{points(one.change.paired.difference)} {small}")]
