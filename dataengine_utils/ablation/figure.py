"""The study's figure: differences to the baseline with their intervals, and the scores over the samples."""

from itertools import cycle
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ..plots.style import GREY, INK, SERIES, new_figure
from .design import BASELINE
from .results import ALL, WEAK, Results

_MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def ablation_figure(results: Results) -> Figure:
    """Two rows, all questions and the weak types: differences to the baseline, and mean scores by samples."""
    n = len(results.strategies)
    with new_figure(9.6, 3.6 + 0.5 * n) as figure:
        panels = figure.subplots(2, 2, width_ratios=[1, 1.25])
        for (left, right), questions in zip(panels, (ALL, WEAK), strict=True):
            _differences(left, results, questions)
            _curves(right, results, questions)
        handles, labels = panels[0][1].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(n, 5))
    return figure


def save_figure(figure: Figure, svg: Path, png: Path) -> None:
    """Write both files, each whole; the same results give the same bytes."""
    for path, options in ((svg, {"metadata": {"Date": None}}), (png, {"dpi": 160})):
        part = path.with_name(f".{path.name}")
        with plt.rc_context({"svg.hashsalt": "ablation"}):
            figure.savefig(part, format=path.suffix[1:], **options)
        part.replace(path)


def _looks(results: Results) -> dict[str, tuple[str, str]]:
    others = [name for name in results.strategies if name != BASELINE]
    return {BASELINE: (GREY, "o"), **dict(zip(others, zip(cycle(SERIES), cycle(_MARKERS[1:])), strict=False))}


def _differences(axes: Axes, results: Results, questions: str) -> None:
    looks = _looks(results)
    for place, one in enumerate(results.of(questions)):
        colour, marker = looks[one.strategy]
        low, high, middle = 100 * one.low, 100 * one.high, 100 * one.difference
        axes.plot([low, high], [place, place], color=colour, linewidth=2)
        axes.plot(middle, place, marker=marker, color=colour, markersize=7)
        seeds = [100 * x for x in one.by_seed]
        axes.plot(seeds, [place + 0.22] * len(seeds), "|", color=colour, alpha=0.6)
        said = f"{middle:+.1f}".replace("-", "\N{MINUS SIGN}") + ("*" if one.verdict else "")
        axes.annotate(said, (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=9)
    names = [one.strategy for one in results.of(questions)]
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_yticks(range(len(names)), names)
    axes.set(ylim=(len(names) - 0.5, -0.5), title=f"Difference to {BASELINE}, {questions}", xlabel="points")
    axes.grid(axis="y", visible=False)


def _curves(axes: Axes, results: Results, questions: str) -> None:
    looks = _looks(results)
    for name in results.strategies:
        colour, marker = looks[name]
        axes.plot(results.samples, results.curves[questions][name], color=colour, marker=marker, markersize=5,
                  linewidth=1.6, label=name)  # fmt: skip
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set(title=f"Sealed questions right, {questions}", xlabel="samples", xticks=results.samples)
