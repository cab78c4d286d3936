"""How a table looks: numbers to the right, long texts wrapped, everything escaped."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler

ALL = "All questions"


def numbers(rows: Mapping[str, Mapping[str, Any]], title: str, caption: str = "") -> Styler:
    """A table of numbers, names at the left; the row over everything is bold."""
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis(title, axis="columns")
    light = {"selector": "th.row_heading", "props": "font-weight: normal"}
    right = {"selector": "td, th.col_heading", "props": "text-align: right"}
    position = list(rows).index(ALL) + 1 if ALL in rows else 0  # of no row
    bold = {"selector": f"tbody tr:nth-child({position}) > *", "props": "font-weight: bold"}
    return _styled(frame, [right, light, bold], caption)


def words(rows: Sequence[Mapping[str, Any]], caption: str = "") -> Styler:
    """A table of texts without row names; long ones are wrapped."""
    wrap = "max-width: 42em; min-width: 5em; white-space: normal; overflow-wrap: anywhere; text-align: left"
    frame = pd.DataFrame(rows).astype(str)
    return _styled(frame, [{"selector": "td", "props": wrap}], caption).hide(axis="index")


def _styled(frame: pd.DataFrame, styles: list[dict[str, str]], caption: str = "") -> Styler:
    left = {"selector": "th, td", "props": "text-align: left; vertical-align: top"}
    one_line = "caption-side: bottom; text-align: left; padding-top: 6px; white-space: nowrap"
    below = {"selector": "caption", "props": one_line}
    if caption:
        return _styled(frame, [*styles, below]).set_caption(escape(caption))
    shown = frame.style.format(escape="html").format_index(escape="html")
    return shown.format_index(escape="html", axis="columns").set_table_styles([left, *styles])


def plain(value: Any) -> str:
    """A setting or number as one would write it."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {item}" for key, item in value.items()) or "–"
    if isinstance(value, tuple):
        return ", ".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def score(value: float | str | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.2f}" if isinstance(value, float) else str(value)


def percent(share: float) -> str:
    return f"{100 * share:.1f}"


def interval(row: Mapping[str, Any]) -> str:
    return f"{100 * row['low']:.1f} – {100 * row['high']:.1f}"
