"""Figures of scores: over iterations, by question type, and inside the types."""

from collections.abc import Collection, Mapping, Sequence
from math import ceil
from textwrap import fill
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ..benchmarks.splits import split_name
from ..errors import KitError
from .style import BLUE, GREY, INK, intervals, legend_below, new_figure, percent_rows

Metrics = Mapping[str, Any]


def progress(
    metrics_by_iteration: Sequence[Metrics], split: str = "sealed", *, kept: Collection[int] = ()
) -> Figure:
    """The share of right answers per iteration: overall, and a small panel per type, with 95 % intervals.

    `metrics_by_iteration[i]` is metrics.json of iteration i; the dashed line is iteration 0, the base
    student; a panel's number is its change since then, in points. Iterations in `kept`, before which the gate
    promoted nothing, are hollow: the student is the one before.
    """
    turns = [_split(metrics, split) for metrics in metrics_by_iteration]
    names = list(turns[0]["types"])
    columns = 3 if len(names) <= 9 else 4
    rows = max(1, ceil(len(names) / columns))
    with new_figure(3.4 + 2.2 * columns, max(3.4, 1.75 * rows + 0.4)) as figure:
        whole, parts = figure.subfigures(1, 2, width_ratios=[1.25, 2.2 * columns / 3])
        axes = whole.subplots()
        _trace(axes, [turn["overall"] for turn in turns], INK, kept)
        if kept:
            axes.plot([], [], "o", color=INK, markersize=5, markerfacecolor="white", label="student kept")
            axes.legend(loc="lower left", fontsize=9)
        axes.set(title=_all_questions(turns[0], split), ylabel="right answers", xlabel="iteration")
        panels = parts.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat
        for name, panel in zip(names, panels, strict=False):
            _trace(panel, [turn["types"][name] for turn in turns], BLUE, kept)
            panel.set_title(fill(name, 24), fontsize=8.5)
        for panel in list(panels):
            panel.set_visible(False)
    return figure


def heatmap(metrics_by_iteration: Sequence[Metrics], split: str = "sealed") -> Figure:
    """The share of right answers by question type and iteration, with the change since iteration 0."""
    import seaborn as sns  # here, because it takes a second to import and only this figure needs it

    turns = [_split(metrics, split) for metrics in metrics_by_iteration]
    rows = {name: [100 * turn["types"][name]["accuracy"] for turn in turns] for name in turns[0]["types"]}
    rows["All questions"] = [100 * turn["overall"]["accuracy"] for turn in turns]
    table = pd.DataFrame(rows).T
    labels = table.apply(
        lambda row: [
            f"{v:.0f}" if i == 0 else f"{v:.0f}  ({v - row[0]:+.0f})".replace("-", "\N{MINUS SIGN}")
            for i, v in enumerate(row)
        ],
        axis=1,
        result_type="expand",
    )
    with new_figure(3.1 + 1.05 * len(turns), 0.36 * len(table) + 1.1) as figure:
        axes = figure.subplots()
        sns.heatmap(
            table,
            ax=axes,
            annot=labels,
            fmt="",
            cmap="YlGnBu",
            vmin=0,
            vmax=100,
            linewidths=1.5,
            annot_kws={"size": 9},
            cbar_kws={"label": "right answers, %"},
        )
        axes.axhline(len(table) - 1, color="white", linewidth=6)
        axes.tick_params(length=0, rotation=0)
        title = f"Right answers, % (change), {split_name(turns[0], split)}"
        axes.set(title=title, xlabel="iteration", ylabel="")
    return figure


def type_bars(metrics: Metrics, split: str = "diagnose") -> Figure:
    """The share of right answers of each question type in one evaluation, with its 95 % interval."""
    scores = _split(metrics, split)
    names = list(scores["types"])
    rows = [scores["types"][name] for name in names]
    with new_figure(7.2, 0.36 * len(names) + 1.2) as figure:
        axes = figure.subplots()
        axes.barh(names, [row["accuracy"] for row in rows], color=BLUE, height=0.62, alpha=0.85)
        intervals(axes, [row["accuracy"] for row in rows], rows)
        overall = scores["overall"]["accuracy"]
        axes.axvline(
            overall, color=INK, linewidth=1, linestyle=(0, (4, 3)), label=f"all questions: {overall:.1%}"
        )
        for position, row in enumerate(rows):
            axes.annotate(
                f"{row['accuracy']:.0%} of {row['n']:,}",
                (1.02, position),
                va="center",
                fontsize=9,
                annotation_clip=False,
                xycoords=("axes fraction", "data"),
            )
        axes.set(title=f"Right answers by question type, {split_name(scores, split)}", xlim=(0, 1))
        percent_rows(axes)
        legend_below(axes)
    return figure


def cluster_points(clusters: Sequence[Mapping[str, Any]]) -> Figure:
    """Parts of question types: the share of right answers of each with its 95 % interval, and its type's.

    A row has `question_type`, `name`, `n`, `accuracy`, `low`, `high` and `type_accuracy` (all shares 0..1).
    """
    labels = [f"{row['question_type']}: {row['name']}" for row in clusters]
    with new_figure(8.6, 0.36 * len(labels) + 1.3) as figure:
        axes = figure.subplots()
        places = range(len(labels))
        intervals(axes, [row["accuracy"] for row in clusters], clusters)
        shares = [row["accuracy"] for row in clusters]
        axes.plot(shares, places, "o", color=BLUE, markersize=7, label="cluster")
        axes.plot([row["type_accuracy"] for row in clusters], places, "|", color=INK, markersize=13,
                  markeredgewidth=1.8, label="its whole type")
        for place, row in enumerate(clusters):
            axes.annotate(f"{row['accuracy']:.0%} of {row['n']:,}", (1.02, place), va="center", fontsize=9,
                          annotation_clip=False, xycoords=("axes fraction", "data"))
        axes.set(title="Right answers inside the types", xlim=(0, 1))
        axes.set_yticks(list(places), [fill(label, 46) for label in labels])
        percent_rows(axes)
        legend_below(axes, columns=2)
    return figure


def _split(metrics: Metrics, split: str) -> Metrics:
    if split not in metrics:
        raise KitError(f"metrics have no split {split!r}; there are: {', '.join(metrics)}")
    return metrics[split]


def _all_questions(metrics: Metrics, split: str) -> str:
    name = split_name(metrics, split)
    return f"All {name} questions" if name == split else "All questions,\ndiagnosed and reported"


def _trace(axes: Axes, scores: Sequence[Mapping[str, float]], colour: str, kept: Collection[int]) -> None:
    """One line of scores over iterations with its intervals, and the change from first to last."""
    turns, shares = range(len(scores)), [score["accuracy"] for score in scores]
    low, high = [score["low"] for score in scores], [score["high"] for score in scores]
    axes.axhline(shares[0], color=GREY, linewidth=1, linestyle=(0, (4, 3)))
    axes.fill_between(turns, low, high, color=colour, alpha=0.13, linewidth=0)
    axes.vlines(turns, low, high, color=colour, linewidth=1.2)
    axes.plot(turns, shares, color=colour, linewidth=1.8, marker="o", markersize=4.5, clip_on=False)
    for turn in (turn for turn in turns if turn in kept):
        axes.plot(turn, shares[turn], "o", color=colour, markersize=5, markerfacecolor="white", clip_on=False)
    if len(scores) > 1:
        change = f"{100 * (shares[-1] - shares[0]):+.1f}".replace("-", "\N{MINUS SIGN}")
        axes.annotate(
            change,
            (0.97, 0.06 if shares[-1] > 0.35 else 0.86),
            xycoords="axes fraction",
            ha="right",
            fontsize=9.5,
            fontweight="bold",
        )
    axes.set(ylim=(0, 1), xlim=(-0.25, max(len(scores) - 1, 1) + 0.25), xticks=list(turns))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(axis="x", visible=False)
