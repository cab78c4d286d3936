"""The kit's figures. Each function returns a matplotlib `Figure`; in a notebook, end the cell with it.

Colours are Okabe and Ito's, which every reader can tell apart; no figure relies on colour alone.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from math import ceil
from textwrap import fill
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from matplotlib.transforms import ScaledTranslation
from PIL import Image

from .benchmarks.splits import split_name
from .errors import KitError
from .records import Generated

BLUE, ORANGE, GREEN, RED, GREY, INK = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#8C8C8C", "#222222"
SERIES = (BLUE, RED, GREEN, "#CC79A7", ORANGE, "#56B4E9")
STYLE = {
    "axes.grid": True,
    "axes.axisbelow": True,
    "patch.force_edgecolor": True,
    "patch.edgecolor": "white",
    "lines.solid_capstyle": "round",
    "ytick.left": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 7,
    "axes.labelsize": 9.5,
    "axes.edgecolor": "#BBBBBB",
    "axes.linewidth": 0.8,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.bottom": True,
    "xtick.major.size": 3,
    "legend.frameon": False,
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.09,
    "figure.constrained_layout.h_pad": 0.09,
}
Metrics = Mapping[str, Any]


def progress(metrics_by_iteration: Sequence[Metrics], split: str = "sealed") -> Figure:
    """The share of right answers per iteration: overall, and a small panel per type, with 95 % intervals.

    `metrics_by_iteration[i]` is metrics.json of iteration i; the dashed line is iteration 0, the base
    student; a panel's number is its change since then, in points.
    """
    turns = [_split(metrics, split) for metrics in metrics_by_iteration]
    names = list(turns[0]["types"])
    columns = 3 if len(names) <= 9 else 4
    rows = max(1, ceil(len(names) / columns))
    with _figure(3.4 + 2.2 * columns, max(3.4, 1.75 * rows + 0.4)) as figure:
        whole, parts = figure.subfigures(1, 2, width_ratios=[1.25, 2.2 * columns / 3])
        axes = whole.subplots()
        _trace(axes, [turn["overall"] for turn in turns], INK)
        axes.set(title=_all_questions(turns[0], split), ylabel="right answers", xlabel="iteration")
        panels = parts.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat
        for name, panel in zip(names, panels, strict=False):
            _trace(panel, [turn["types"][name] for turn in turns], BLUE)
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
    with _figure(3.1 + 1.05 * len(turns), 0.36 * len(table) + 1.1) as figure:
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
    with _figure(7.2, 0.36 * len(names) + 1.2) as figure:
        axes = figure.subplots()
        axes.barh(names, [row["accuracy"] for row in rows], color=BLUE, height=0.62, alpha=0.85)
        _intervals(axes, [row["accuracy"] for row in rows], rows)
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
        _percent_rows(axes)
        _legend_below(axes)
    return figure


def share_bars(shares: Sequence[Mapping[str, Any]]) -> Figure:
    """Planned against drawn: the share of queries of each type, with the draw's 95 % interval."""
    names = [row["question_type"] for row in shares]
    with _figure(6.2, 0.34 * len(names) + 1.3) as figure:
        axes = figure.subplots()
        axes.barh(names, [row["drawn"] for row in shares], color=BLUE, height=0.62, alpha=0.85, label="drawn")
        _intervals(axes, [row["drawn"] for row in shares], shares)
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
        _percent_rows(axes)
        _legend_below(axes, columns=2)
    return figure


def loss_curve(log: Sequence[Mapping[str, Any]]) -> Figure:
    """The training loss by step: every logged value, and its running mean."""
    return loss_curves({"": log})


def loss_curves(logs: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """The training losses of several turns by step, one line and one label each."""
    with _figure(6.2, 3.2) as figure:
        axes = figure.subplots()
        for (name, log), colour in zip(logs.items(), cycle(SERIES), strict=False):
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
            axes.plot(points["step"], smooth, color=colour, linewidth=1.8, label=name or None)
        axes.set(title="Training loss", xlabel="step", ylabel="nats a token")
        axes.set_ylim(bottom=0)
        if any(logs):
            axes.legend(loc="upper right", fontsize=9)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    return figure


def picture_grid(items: Sequence[tuple[Image.Image, str]], columns: int = 4) -> Figure:
    """Pictures side by side, each with its caption below; long lines of a caption are wrapped."""
    if not items:
        with _figure(2.5, 0.5) as figure:
            figure.subplots().set_axis_off()  # a notebook shows no figure without axes
            figure.text(0, 0.5, "nothing to show here", va="center")
        return figure
    columns = min(columns, len(items))
    captions = ["\n".join(fill(line, 30) for line in caption.splitlines()) for _, caption in items]
    n_lines = max(caption.count("\n") + 1 for caption in captions)
    rows = ceil(len(items) / columns)
    with _figure(2.5 * columns, rows * (2.4 + 0.155 * n_lines)) as figure:
        for axes in figure.subplots(rows, columns, squeeze=False).flat:
            axes.set_axis_off()
        for axes, (picture, _), caption in zip(figure.axes, items, captions, strict=False):
            axes.imshow(picture)
            place = {"transform": axes.transAxes, "va": "top", "parse_math": False}
            axes.text(0, -0.03, caption, fontsize=8.5, linespacing=1.25, **place)
    return figure


def reasons_bars(generated: Iterable[Generated]) -> Figure:
    """What became of the teacher's replies: how many were accepted, and rejected for which reason."""
    counts = Counter("accepted" if reply.accepted else reply.reason for reply in generated)
    total, accepted = counts.total(), counts.pop("accepted", 0)
    bars = [("accepted", accepted), *counts.most_common()]
    with _figure(6.2, 0.36 * len(bars) + 1.0) as figure:
        axes = figure.subplots()
        names = [fill(name, 36) for name, _ in bars]
        colours = [GREEN] + [GREY] * (len(bars) - 1)
        drawn = axes.barh(names, [n for _, n in bars], color=colours, height=0.62)
        axes.bar_label(drawn, [f"{n:,}  ({n / max(total, 1):.1%})" for _, n in bars], padding=4, fontsize=9)
        axes.set(title=f"The teacher's {total:,} replies", xlim=(0, 1.4 * max([n for _, n in bars] + [1])))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        _rows(axes)
    return figure


@contextmanager
def _figure(width: float, height: float) -> Iterator[Figure]:
    """A figure in the kit's style (inches), closed for pyplot so that a notebook shows it once."""
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(width, height))
        try:
            yield figure
        finally:
            plt.close(figure)


def _split(metrics: Metrics, split: str) -> Metrics:
    if split not in metrics:
        raise KitError(f"metrics have no split {split!r}; there are: {', '.join(metrics)}")
    return metrics[split]


def _all_questions(metrics: Metrics, split: str) -> str:
    name = split_name(metrics, split)
    return f"All {name} questions" if name == split else "All questions,\ndiagnosed and reported"


def _trace(axes: Axes, scores: Sequence[Mapping[str, float]], colour: str) -> None:
    """One line of scores over iterations with its intervals, and the change from first to last."""
    turns, shares = range(len(scores)), [score["accuracy"] for score in scores]
    low, high = [score["low"] for score in scores], [score["high"] for score in scores]
    axes.axhline(shares[0], color=GREY, linewidth=1, linestyle=(0, (4, 3)))
    axes.fill_between(turns, low, high, color=colour, alpha=0.13, linewidth=0)
    axes.vlines(turns, low, high, color=colour, linewidth=1.2)
    axes.plot(turns, shares, color=colour, linewidth=1.8, marker="o", markersize=4.5, clip_on=False)
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


def _legend_below(axes: Axes, columns: int = 1) -> None:
    """The legend a third of an inch below the axes, however high they are."""
    below = ScaledTranslation(0, -0.34, axes.figure.dpi_scale_trans)
    axes.legend(loc="upper left", bbox_to_anchor=(0, 0), bbox_transform=axes.transAxes + below,
                ncols=columns, fontsize=9, borderaxespad=0)


def _intervals(axes: Axes, shares: Sequence[float], rows: Sequence[Mapping[str, float]]) -> None:
    below = [share - row["low"] for share, row in zip(shares, rows, strict=True)]
    above = [row["high"] - share for share, row in zip(shares, rows, strict=True)]
    axes.errorbar(
        shares, range(len(rows)), xerr=[below, above], fmt="none", ecolor=INK, elinewidth=1.1, capsize=2.5
    )


def _percent_rows(axes: Axes) -> None:
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    _rows(axes)


def _rows(axes: Axes) -> None:
    """Bars read from the top down, with lines only along the scale."""
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
