"""Pictures side by side."""

from collections.abc import Sequence
from math import ceil
from textwrap import fill

from matplotlib.figure import Figure
from PIL import Image

from .style import new_figure


def picture_grid(items: Sequence[tuple[Image.Image, str]], columns: int = 4) -> Figure:
    """Pictures side by side, each with its caption below; long lines of a caption are wrapped."""
    if not items:
        with new_figure(2.5, 0.5) as figure:
            figure.subplots().set_axis_off()  # a notebook shows no figure without axes
            figure.text(0, 0.5, "nothing to show here", va="center")
        return figure
    columns = min(columns, len(items))
    captions = ["\n".join(fill(line, 30) for line in caption.splitlines()) for _, caption in items]
    n_lines = max(caption.count("\n") + 1 for caption in captions)
    rows = ceil(len(items) / columns)
    with new_figure(2.5 * columns, rows * (2.4 + 0.155 * n_lines)) as figure:
        for axes in figure.subplots(rows, columns, squeeze=False).flat:
            axes.set_axis_off()
        for axes, (picture, _), caption in zip(figure.axes, items, captions, strict=False):
            axes.imshow(picture)
            place = {"transform": axes.transAxes, "va": "top", "parse_math": False}
            axes.text(0, -0.03, caption, fontsize=8.5, linespacing=1.25, **place)
    return figure
