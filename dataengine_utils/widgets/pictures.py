"""Pictures as the panel shows them: a copy with named boxes drawn on it, and a strip of small ones."""

import io
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
from PIL import Image, ImageDraw, ImageFont

from ..errors import KitError
from ..ipo import FactBox
from .texts import one_line

SIDE = 320  # pixels on the page, longer side of a picture
SMALL = 56  # pixels on the page, side of a picture in the strip
_SHARP = 2  # pixels drawn for each pixel on the page
_OPENED, _READY = 16, 64  # pictures kept as they are and as bytes, more than a strip has
_LONGEST_NAME = 28  # characters
# Okabe and Ito's, darkened for white names. Names say with a mark what the colours say.
_COLOURS = {"asked": "#0072B2", "answer": "#B34E00"}
_MARKS = {"accept": ("✓", "#0072B2"), "reject": ("✗", "#B34E00")}

OpenPicture = Callable[[str], Image.Image]
_Area = tuple[float, float, float, float]


class Ready(NamedTuple):
    """A picture as JPEG bytes with its size on the page in pixels; `missing` says why there is none."""

    data: bytes
    width: int
    height: int
    missing: str = ""


class _Opened(NamedTuple):
    image: Image.Image | None
    missing: str


class Pictures:
    """Opens each picture once and keeps the last ones ready. `open_picture(query_id)` gives a picture."""

    def __init__(self, open_picture: OpenPicture):
        self._open_picture = open_picture
        self._opened: dict[str, _Opened] = {}
        self._ready: dict[tuple[str, tuple[FactBox, ...]], Ready] = {}
        self._small: dict[str, Image.Image] = {}

    def ready(self, query_id: str, boxes: Iterable[FactBox], width: int) -> Ready:
        """The picture of a query with these boxes, which count pixels of a picture that is `width` wide."""
        key = (query_id, tuple(boxes))
        if key not in self._ready:
            image, missing = self._open(query_id)
            made = Ready(b"", 0, 0, missing)
            if image is not None:
                made = _made(with_boxes(image, key[1], image.width / width))
            _keep(self._ready, key, made, _READY)
        return self._ready[key]

    def strip(self, around: Sequence[tuple[str, str] | None], current: int) -> bytes:
        """Small pictures side by side as JPEG: (query id, "accept", "reject" or "") each, None for an empty
        place; the place `current` has a frame. Opening them makes the neighbours ready for `ready`.
        """
        side = SMALL * _SHARP
        row = Image.new("RGB", (side * len(around), side), "white")
        for place, one in enumerate(around):
            if one:
                row.paste(self._marked(*one), (place * side, 0))
        pen, left = ImageDraw.Draw(row), current * side
        pen.rectangle((left, 0, left + side - 1, side - 1), outline="black", width=6)
        return _jpeg(row)

    def _open(self, query_id: str) -> _Opened:
        if query_id not in self._opened:
            _keep(self._opened, query_id, self._really_open(query_id), _OPENED)
        return self._opened[query_id]

    def _really_open(self, query_id: str) -> _Opened:
        try:
            image = self._open_picture(query_id)
        except KitError as error:
            return _Opened(None, str(error))
        scale = SIDE * _SHARP / max(image.size)
        width, height = (max(1, round(scale * side)) for side in image.size)
        return _Opened(image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS), "")

    def _marked(self, query_id: str, verdict: str) -> Image.Image:
        if query_id not in self._small:
            self._small[query_id] = _small(self._open(query_id).image)
        marked = self._small[query_id].copy()
        if verdict in _MARKS:
            sign, colour = _MARKS[verdict]
            pen = ImageDraw.Draw(marked)
            pen.ellipse((8, 8, 42, 42), fill=colour, outline="white", width=2)
            pen.text((25, 25), sign, fill="white", font=_font(24), anchor="mm")
        return marked


def with_boxes(image: Image.Image, boxes: Sequence[FactBox], scale: float = 1.0) -> Image.Image:
    """A copy of a picture with boxes drawn on it, their names beside them and over no other name.

    `scale` is how many of the picture's pixels one of a box's is.
    """
    copy = image.copy()
    pen, font = ImageDraw.Draw(copy), _font(22)
    places = [_scaled(one, scale) for one in boxes]
    for one, (x, y, width, height) in zip(boxes, places, strict=True):
        edges = (x, y, x + max(0, width - 1), y + max(0, height - 1))
        pen.rectangle(edges, outline="white", width=7)
        pen.rectangle(_grown(edges, -2), outline=_COLOURS[one.role], width=3)
    taken: list[_Area] = []
    for one, place in zip(boxes, places, strict=True):
        text = one_line(one.name, _LONGEST_NAME) + (" ✓" if one.role == "answer" else "")
        area = _free_area(pen.textbbox((0, 0), text, font), place, copy.size, taken)
        taken.append(area)
        pen.rectangle(area, fill=_COLOURS[one.role], outline="white", width=2)
        middle = ((area[0] + area[2]) / 2, (area[1] + area[3]) / 2)
        pen.text(middle, text, fill="white", font=font, anchor="mm")
    return copy


def _scaled(one: FactBox, scale: float) -> _Area:
    x, y, width, height = (scale * value for value in one.box)
    return (x, y, width, height)


def _free_area(text: _Area, box: _Area, size: tuple[int, int], taken: Sequence[_Area]) -> _Area:
    """Where a name goes: above its box, below it or inside, where it covers no other name, in the picture."""
    x, y, width, height = box
    wide, high = text[2] - text[0] + 14, text[3] - text[1] + 14
    tops = (y - high, y + height, y, y + height - high)
    lefts = (x, x + width - wide)
    areas = [_inside((left, top, left + wide, top + high), size) for top in tops for left in lefts]
    return next((area for area in areas if not any(_meet(area, other) for other in taken)), areas[0])


def _inside(area: _Area, size: tuple[int, int]) -> _Area:
    left = max(0, min(area[0], size[0] - 1 - (area[2] - area[0])))
    top = max(0, min(area[1], size[1] - 1 - (area[3] - area[1])))
    return (left, top, left + area[2] - area[0], top + area[3] - area[1])


def _meet(one: _Area, other: _Area) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _grown(edges: _Area, by: float) -> _Area:
    left, top, right, bottom = edges
    return (left - by, top - by, max(left - by, right + by), max(top - by, bottom + by))


def _small(image: Image.Image | None) -> Image.Image:
    side = SMALL * _SHARP
    small = Image.new("RGB", (side, side), "white" if image else "#E6E6E6")
    if image:
        copy = image.copy()
        copy.thumbnail((side - 6, side - 6))
        small.paste(copy, ((side - copy.width) // 2, (side - copy.height) // 2))
    return small


def _made(image: Image.Image) -> Ready:
    return Ready(_jpeg(image), round(image.width / _SHARP), round(image.height / _SHARP))


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=90, subsampling=0)
    return buffer.getvalue()


def _keep(kept: dict[Any, Any], key: Any, value: Any, most: int) -> None:
    while len(kept) >= most:
        del kept[next(iter(kept))]
    kept[key] = value


@lru_cache(maxsize=4)
def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which has the marks and most alphabets and comes with matplotlib."""
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), size)
