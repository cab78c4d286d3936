"""How the figures look: colours that every reader can tell apart, and the parts that figures share."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from matplotlib.transforms import ScaledTranslation

BLUE, ORANGE, GREEN, RED, GREY, INK = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#8C8C8C", "#222222"
SERIES = (BLUE, RED, GREEN, "#CC79A7", ORANGE, "#56B4E9")
LINES = ("-", "--", "-.", ":")
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


@contextmanager
def new_figure(width: float, height: float) -> Iterator[Figure]:
    """A figure in the kit's style (inches), closed for pyplot so that a notebook shows it once."""
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(width, height))
        try:
            yield figure
        finally:
            plt.close(figure)


def legend_below(axes: Axes, columns: int = 1) -> None:
    """The legend a third of an inch below the axes, however high they are."""
    below = ScaledTranslation(0, -0.34, axes.figure.dpi_scale_trans)
    axes.legend(loc="upper left", bbox_to_anchor=(0, 0), bbox_transform=axes.transAxes + below,
                ncols=columns, fontsize=9, borderaxespad=0)


def intervals(axes: Axes, shares: Sequence[float], rows: Sequence[Mapping[str, float]]) -> None:
    below = [share - row["low"] for share, row in zip(shares, rows, strict=True)]
    above = [row["high"] - share for share, row in zip(shares, rows, strict=True)]
    axes.errorbar(
        shares, range(len(rows)), xerr=[below, above], fmt="none", ecolor=INK, elinewidth=1.1, capsize=2.5
    )


def percent_rows(axes: Axes) -> None:
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    rows_down(axes)


def rows_down(axes: Axes) -> None:
    """Bars read from the top down, with lines only along the scale."""
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
