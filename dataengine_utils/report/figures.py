"""The report's figures: inside the page, and as files to use elsewhere; equal runs give equal bytes."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from .. import files
from .page import Html, plot

DPI = 200
"""Of the PNG files; the page has the SVG."""


class Figures:
    """The figures of one page, by name; `add` puts one in, `save` writes all of them into a folder."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}

    def add(self, name: str, drawing: Figure, alt: str, rows: Sequence[Mapping[str, Any]]) -> Html:
        """The figure as HTML. `rows` are the numbers that it shows, for its CSV file."""
        _settle(drawing)
        svg = _bytes(drawing, "svg", metadata={"Date": None, "Creator": None})
        png = _bytes(drawing, "png", dpi=DPI, metadata={"Software": None})
        self._files |= {f"{name}.svg": svg, f"{name}.png": png, f"{name}.csv": _csv(rows).encode()}
        width, height = (round(inches * 96) for inches in drawing.get_size_inches())
        return plot(svg, alt, width, height)

    def save(self, folder: Path) -> None:
        """Write PNG, SVG and CSV of every figure; the folder's older content goes."""
        part = files.part_of(folder)
        files.remove(part)
        files.make_folder(part)
        for name, content in self._files.items():
            (part / name).write_bytes(content)
        files.move_folder(part, folder)


def _bytes(drawing: Figure, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    with plt.rc_context({"svg.hashsalt": "dataengine"}):
        drawing.savefig(buffer, format=form, **options)
    return buffer.getvalue()


def _settle(drawing: Figure) -> None:
    """Lay the figure out once and round the places: the solver's last digits differ from call to call."""
    drawing.draw_without_rendering()
    drawing.set_layout_engine("none")
    for axes in drawing.axes:
        axes.set_position([round(edge, 4) for edge in axes.get_position().bounds])


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows with their keys as header; numbers to six digits after the point."""
    text = io.StringIO()
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: round(v, 6) if isinstance(v, float) else v for k, v in row.items()})
    return text.getvalue()
