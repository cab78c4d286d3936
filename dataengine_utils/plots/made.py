"""Figures of the work done: data asked for, made and rejected, and the training on it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from textwrap import fill
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..records import Generated
from .style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    LINES,
    ORANGE,
    RED,
    SERIES,
    intervals,
    legend_below,
    new_figure,
    percent_rows,
    rows_down,
)


def share_bars(shares: Sequence[Mapping[str, Any]]) -> Figure:
    """Planned against drawn: the share of queries of each type, with the draw's 95 % interval."""
    names = [row["question_type"] for row in shares]
    with new_figure(6.2, 0.34 * len(names) + 1.3) as figure:
        axes = figure.subplots()
        axes.barh(names, [row["drawn"] for row in shares], color=BLUE, height=0.62, alpha=0.85, label="drawn")
        intervals(axes, [row["drawn"] for row in shares], shares)
        axes.plot(
            [row["planned"] for row in shares],
            names,
            linestyle="",
            marker="D",
            markersize=6.5,
            markerfacecolor=ORANGE,
            markeredgecolor=INK,
            markeredgewidth=0.8,
            label="planned (the weight)",
        )
        axes.set(title="Share of queries by question type", xlim=(0, None))
        percent_rows(axes)
        legend_below(axes, columns=2)
    return figure


def loss_curve(log: Sequence[Mapping[str, Any]]) -> Figure:
    """The training loss by step: every logged value, and its running mean."""
    return loss_curves({"": log})


def loss_curves(logs: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """The training losses of several turns by step, one line and one label each."""
    with new_figure(6.2, 3.2) as figure:
        axes = figure.subplots()
        looks = zip(cycle(SERIES), cycle(LINES), strict=False)
        for (name, log), (colour, line) in zip(logs.items(), looks, strict=False):
            points = pd.DataFrame(
                [row for row in log if "loss" in row and "step" in row], columns=["step", "loss"]
            )
            axes.plot(
                points["step"],
                points["loss"],
                color=colour,
                linewidth=0.8,
                alpha=0.35,
                marker="." if len(points) < 3 else "",
            )
            smooth = points["loss"].ewm(span=max(2, len(points) / 25)).mean()
            axes.plot(points["step"], smooth, line, color=colour, linewidth=1.8, label=name or None)
        axes.set(title="Training loss", xlabel="step", ylabel="nats a token")
        axes.set_ylim(bottom=0)
        if any(logs):
            axes.legend(loc="upper right", fontsize=9)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    return figure


def reasons_bars(generated: Iterable[Generated]) -> Figure:
    """What became of the teacher's replies: how many were accepted, and rejected for which reason."""
    counts = Counter("accepted" if reply.accepted else reply.reason for reply in generated)
    total, accepted = counts.total(), counts.pop("accepted", 0)
    bars = [("accepted", accepted), *counts.most_common()]
    with new_figure(6.2, 0.36 * len(bars) + 1.0) as figure:
        axes = figure.subplots()
        names = [fill(name, 36) for name, _ in bars]
        colours = [GREEN] + [GREY] * (len(bars) - 1)
        drawn = axes.barh(names, [n for _, n in bars], color=colours, height=0.62)
        axes.bar_label(drawn, [f"{n:,}  ({n / max(total, 1):.1%})" for _, n in bars], padding=4, fontsize=9)
        axes.set(title=f"The teacher's {total:,} replies", xlim=(0, 1.4 * max([n for _, n in bars] + [1])))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        rows_down(axes)
    return figure


def gain_points(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """What each type was given against how it changed: its share of the samples, and the change in points.

    A row has `question_type`, `share` (0..1), `change`, `low`, `high` (points, 95 %) and `verdict`: "" for a
    change that chance could make, drawn hollow.
    """
    names = [row["question_type"] for row in rows]
    with new_figure(8.6, 0.34 * len(names) + 1.3) as figure:
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1, 1.35])
        left.barh(names, [row["share"] for row in rows], color=BLUE, height=0.62, alpha=0.85)
        left.set(title="Share of the new samples", xlim=(0, None))
        right.axvline(0, color=INK, linewidth=1)
        for place, row in enumerate(rows):
            colour = _CHANGE_COLOURS[row["verdict"]]
            right.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=1.8)
            inside = "white" if row["verdict"] == "" else colour
            right.plot(row["change"], place, _CHANGE_MARKS[row["verdict"]], color=colour,
                       markerfacecolor=inside, markersize=7)
        right.set(title="Change of right answers, points", ylim=(-0.6, len(names) - 0.4))
        right.xaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10]))
        right.grid(axis="y", visible=False)
        right.tick_params(axis="y", length=0)
        percent_rows(left)
        _change_legend(right, {row["verdict"] for row in rows})
    return figure


_CHANGE_COLOURS = {"higher": BLUE, "lower": RED, "": GREY}
_CHANGE_MARKS = {"higher": "^", "lower": "v", "": "o"}
_CHANGE_WORDS = {"higher": "higher", "lower": "lower", "": "chance could make it"}


def _change_legend(axes: Axes, verdicts: set[str]) -> None:
    for verdict, words in _CHANGE_WORDS.items():
        if verdict in verdicts:
            colour = _CHANGE_COLOURS[verdict]
            axes.plot([], [], _CHANGE_MARKS[verdict], color=colour, markersize=7, label=words,
                      markerfacecolor=colour if verdict else "white")
    legend_below(axes, columns=3)
