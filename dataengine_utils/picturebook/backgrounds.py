"""The places and the weather of the picturebook, and the brush that everything is painted with."""

import random
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import cos, pi, sin

from PIL import Image, ImageChops, ImageDraw

from dataengine_utils.picturebook.world import SIZE

Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]
Shape = tuple[str, tuple[float, ...], float]

INK: Colour = (38, 32, 44)
WHITE: Colour = (255, 255, 255)


def oval(*corners: float) -> Shape:
    """An ellipse inside left, top, right, bottom."""
    return "oval", corners, 0


def disc(x: float, y: float, radius: float) -> Shape:
    """A true circle; the radius is a share of the box's height, however wide the box is."""
    return "disc", (x, y), radius


def rect(left: float, top: float, right: float, bottom: float, radius: float = 0) -> Shape:
    """A rectangle, with rounded corners when a radius (share of the height) is given."""
    return "rect", (left, top, right, bottom), radius


def poly(*points: float) -> Shape:
    """A polygon through x, y, x, y, ..."""
    return "poly", points, 0


def dome(left: float, top: float, right: float, bottom: float) -> Shape:
    """The upper half of an ellipse whose middle lies on `bottom`."""
    x, rx, ry = (left + right) / 2, (right - left) / 2, bottom - top
    arc = [(x - rx * cos(pi * i / 12), bottom - ry * sin(pi * i / 12)) for i in range(13)]
    return "poly", tuple(value for point in arc for value in point), 0


def limb(width: float, *points: float) -> Shape:
    """A line with round ends through x, y, x, y, ...; the width is a share of the height."""
    return "limb", points, width


class Brush:
    """Paints shapes given in unit coordinates into a box of the canvas, mirrored when `flip` is set."""

    def __init__(
        self, draw: ImageDraw.ImageDraw, scale: int, box: Box, flip: bool = False
    ) -> None:
        left, top, width, height = (value * scale for value in box)
        self.draw, self.scale, self.flip, self.unit = draw, scale, flip, height
        self.top, self.height = top, height
        self.left, self.width = (left + width, -width) if flip else (left, width)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point given in unit coordinates lies on the canvas."""
        return self.left + x * self.width, self.top + y * self.height

    def paint(self, fill: Colour, *shapes: Shape, edge: Colour | None = INK) -> None:
        """Paint shapes as one silhouette: their outlines never cross one another's insides."""
        if edge is not None:
            for shape in shapes:
                self._stroke(shape, edge, 0.75 * self.scale)
        for shape in shapes:
            self._stroke(shape, fill, 0)

    def _stroke(self, shape: Shape, fill: Colour, grow: float) -> None:
        name, numbers, size = shape
        points = [self.at(*pair) for pair in zip(numbers[::2], numbers[1::2], strict=True)]
        if name == "poly":
            self.draw.polygon(points, fill=fill)
            if grow:
                self.draw.line([*points, *points[:2]], fill, round(2 * grow), joint="curve")
        elif name == "limb":
            width = max(1, round(size * self.unit + 2 * grow))
            self.draw.line(points, fill, width, joint="curve" if len(points) > 2 else None)
            if width > 2:
                for x, y in (points[0], points[-1]):
                    self._round(x, y, width / 2, fill)
        elif name == "disc":
            self._round(*points[0], size * self.unit + grow, fill)
        else:
            (x0, y0), (x1, y1) = points
            corners = (min(x0, x1) - grow, y0 - grow, max(x0, x1) + grow, y1 + grow)
            if name == "oval":
                self.draw.ellipse(corners, fill)
            elif size:
                self.draw.rounded_rectangle(corners, size * self.unit + grow, fill)
            else:
                self.draw.rectangle(corners, fill)

    def _round(self, x: float, y: float, radius: float, fill: Colour) -> None:
        self.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """The first colour with a share of the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


SKY_COLOURS: dict[str, tuple[Colour, Colour]] = {
    "sunny": ((124, 198, 240), (206, 236, 248)),
    "cloudy": ((182, 192, 204), (216, 220, 226)),
    "rainy": ((96, 110, 132), (142, 154, 170)),
    "snowy": ((196, 208, 226), (232, 238, 246)),
    "night": ((22, 30, 74), (52, 62, 118)),
}
KITCHEN_PANES: tuple[Box, ...] = ((36, 0, 54.5, 24.5), (57.5, 0, 76, 24.5))
SHADOWS: dict[str, Colour] = {
    "sunny": (150, 140, 116),
    "cloudy": (150, 150, 146),
    "rainy": (92, 98, 106),
    "snowy": (188, 200, 220),
    "night": (36, 42, 74),
}


def _beach(b: Brush) -> None:
    b.paint((126, 190, 208), rect(0, 29, 112, 52), edge=None)
    for i in range(7):
        x, y = (i * 37) % 104, 32 + (i * 5) % 11
        b.paint((176, 218, 226), limb(1, x, y, x + 4, y - 1, x + 8, y, x + 12, y - 1), edge=None)
    shore = [v for i in range(15) for v in (i * 8, 47 + 2.2 * sin(i * 1.3))]
    b.paint((240, 224, 184), poly(*shore, 112, 112, 0, 112), edge=None)
    b.paint((250, 252, 250), limb(2.2, *shore), edge=None)
    for i in range(26):
        x, y = (i * 43 + 9) % 110, 56 + (i * 29) % 54
        b.paint((222, 202, 156), limb(0.9, x, y, x + 2.5, y), edge=None)
    for x, y in ((8, 76), (101, 62), (74, 108)):
        b.paint((244, 190, 170), dome(x - 2.4, y - 3, x + 2.4, y), edge=(206, 150, 132))


def _street(b: Brush) -> None:
    b.paint((206, 204, 200), rect(0, 30, 112, 44), edge=None)
    tints = ((236, 202, 186), (224, 220, 190), (196, 214, 222), (226, 204, 222), (208, 222, 198))
    for i, tint in enumerate(tints):
        x, top = i * 23 - 1, (12, 8, 14, 9, 12)[i]
        soft = mix(tint, INK, 0.3)
        b.paint(mix(tint, (150, 92, 80), 0.5), poly(x, top, x + 11, top - 7, x + 22, top), edge=soft)
        b.paint(tint, rect(x, top, x + 22, 33), edge=soft)
        b.paint((176, 200, 216), rect(x + 3, top + 4, x + 8, top + 10),
                rect(x + 14, top + 4, x + 19, top + 10), edge=soft)
        b.paint(mix(tint, (120, 80, 60), 0.5), rect(x + 9, 23, x + 14, 33), edge=None)
    b.paint((160, 160, 160), rect(0, 43, 112, 45), rect(0, 104, 112, 106), edge=None)
    b.paint((176, 177, 184), rect(0, 45, 112, 104), edge=None)
    b.paint((206, 204, 200), rect(0, 106, 112, 112), edge=None)
    for x in range(2, 112, 22):
        b.paint((246, 244, 232), rect(x, 73, x + 12, 76), edge=None)
    for x in range(8, 112, 15):
        b.paint((186, 184, 180), limb(0.8, x, 33, x - 3, 43), limb(0.8, x, 107, x - 2, 112), edge=None)


def _kitchen(b: Brush) -> None:
    b.paint((226, 236, 232), rect(0, 0, 112, 36), edge=None)
    for i in range(15):
        b.paint((200, 216, 212), limb(0.7, i * 8, 0, i * 8, 36), edge=None)
        if i < 5:
            b.paint((200, 216, 212), limb(0.7, 0, i * 8, 112, i * 8), edge=None)
    for i in range(11):
        for j in range(8):
            tint = ((232, 214, 190), (244, 234, 218))[(i + j) % 2]
            b.paint(tint, rect(j * 14, 44 + i * 7, j * 14 + 14, 51 + i * 7), edge=None)
    wood, line = (214, 180, 144), (164, 130, 98)
    b.paint(wood, rect(0, -2, 14, 17), rect(15, -2, 28, 17), rect(84, -2, 97, 17), rect(98, -2, 113, 17),
            edge=line)
    for x in (12, 17, 95, 100):
        b.paint(line, disc(x, 12, 1), edge=None)
    b.paint(wood, rect(-2, 34, 114, 46), edge=line)
    for x in range(16, 112, 16):
        b.paint(line, limb(0.8, x, 35, x, 46), disc(x - 3, 39, 0.9), edge=None)
    b.paint((240, 238, 232), rect(-2, 30, 114, 34), edge=(180, 176, 170))
    b.paint((250, 246, 238), rect(33, -2, 79, 27), edge=(176, 160, 140))


def _park(b: Brush) -> None:
    for i, x in enumerate(range(-6, 120, 13)):
        b.paint(((166, 204, 152), (180, 212, 160))[i % 2], disc(x, 27, 9 + i % 3), edge=None)
    b.paint((202, 226, 164), rect(0, 30, 112, 112), edge=None)
    b.paint((238, 226, 196), poly(50, 30, 58, 30, 66, 44, 52, 62, 48, 80, 66, 112, 32, 112, 30, 80, 38, 58,
            54, 42), edge=None)
    b.paint((160, 204, 222), oval(78, 62, 110, 78), edge=(176, 196, 150))
    b.paint((202, 228, 238), limb(0.9, 86, 68, 93, 68), limb(0.9, 94, 73, 102, 73), edge=None)
    b.paint((190, 156, 122), rect(6, 37, 26, 39), rect(6, 41, 26, 43), rect(8, 43, 10, 48),
            rect(22, 43, 24, 48), edge=None)
    for i in range(22):
        x, y = (i * 31 + 5) % 110, 36 + (i * 47) % 74
        b.paint((178, 208, 138), limb(0.9, x, y, x + 1, y - 3), limb(0.9, x + 2, y, x + 3, y - 2.4),
                edge=None)


def _mountain(b: Brush) -> None:
    for x, top, half, tint in ((18, 9, 30, (176, 178, 200)), (94, 7, 34, (170, 174, 196)),
            (56, 2, 34, (154, 158, 186))):
        slope = half / (36 - top)
        b.paint(tint, poly(x, top, x + half, 36, x - half, 36), edge=None)
        b.paint(mix(tint, INK, 0.14), poly(x, top, x + half, 36, x + half * 0.2, 36), edge=None)
        d = 9 * slope
        b.paint((248, 250, 252), poly(x, top, x + d, top + 9, x + d / 3, top + 6, x, top + 10, x - d / 2,
                top + 6, x - d, top + 9),
                edge=None)
    b.paint((186, 204, 172), dome(-20, 28, 60, 48), dome(50, 29, 134, 48), edge=None)
    b.paint((206, 208, 190), rect(0, 40, 112, 112), edge=None)
    for i in range(15):
        x, y = (i * 41 + 12) % 108, 48 + (i * 23) % 62
        b.paint((184, 184, 180), dome(x - 3.5, y - 3.5 - i % 2, x + 3.5, y), edge=(160, 160, 158))
    for x in (6, 14, 99, 107):
        b.paint((150, 180, 156), poly(x, 26, x + 4, 40, x - 4, 40), edge=None)


def _desert(b: Brush) -> None:
    b.paint((240, 206, 148), dome(-30, 22, 60, 44), dome(40, 19, 150, 44), edge=None)
    for x, y, h in ((16, 31, 13), (92, 32, 16), (60, 34, 9)):
        b.paint((162, 180, 132), limb(3, x, y, x, y - h), limb(2, x, y - h * 0.4, x - 4, y - h * 0.4, x - 4,
                y - h * 0.7),
                limb(2, x, y - h * 0.3, x + 4, y - h * 0.3, x + 4, y - h * 0.6), edge=None)
    for i, (x, y) in enumerate(((10, 40), (90, 52), (25, 66), (95, 82), (30, 96))):
        tint = ((246, 216, 162), (242, 206, 150))[i % 2]
        b.paint(tint, dome(x - 90, y - 9, x + 90, y + 8), rect(0, y + 7, 112, 112), edge=None)
    for i in range(12):
        x, y = (i * 37 + 4) % 100, 54 + (i * 19) % 56
        b.paint((224, 184, 126), limb(0.9, x, y, x + 4, y - 1.2, x + 8, y), edge=None)


def _farm(b: Brush) -> None:
    b.paint((190, 212, 152), dome(-20, 24, 70, 42), dome(40, 22, 140, 42), edge=None)
    for i in range(14):
        x0, x1 = 56 + (i - 7) * 9, 56 + (i - 7) * 34
        tint = ((220, 214, 146), (196, 212, 140))[i % 2]
        b.paint(tint, poly(x0, 32, x0 + 9, 32, x1 + 34, 112, x1, 112), edge=None)
    b.paint((208, 138, 124), poly(74, 34, 74, 18, 80, 9, 90, 4, 100, 9, 106, 18, 106, 34), edge=(150, 92, 84))
    b.paint((240, 228, 216), rect(84, 21, 96, 34), rect(87, 11, 93, 16), edge=(150, 92, 84))
    b.paint((208, 138, 124), limb(1.4, 84, 21, 96, 34), limb(1.4, 96, 21, 84, 34), edge=None)
    b.paint((214, 216, 214), rect(64, 12, 72, 34), dome(64, 7, 72, 12), edge=(160, 162, 162))
    fence = [rect(x, 31, x + 2.6, 44) for x in range(3, 112, 13)]
    b.paint((244, 238, 226), *fence, rect(0, 33.5, 112, 35.5), rect(0, 38.5, 112, 40.5), edge=(186, 172, 150))


def _lake(b: Brush) -> None:
    b.paint((180, 204, 186), dome(-24, 17, 50, 34), dome(30, 21, 90, 34), dome(66, 15, 140, 34), edge=None)
    for i in range(15):
        x, h = 3 + i * 7.6, 8 + (i * 5) % 6
        b.paint((150, 182, 162), poly(x, 31 - h, x + 3.4, 31, x - 3.4, 31), edge=None)
    b.paint((160, 206, 220), rect(0, 30, 112, 112), edge=None)
    b.paint((150, 192, 200), rect(0, 30, 112, 34), edge=None)
    for i in range(20):
        x, y = (i * 47 + 3) % 104, 38 + (i * 17) % 62
        b.paint((198, 228, 236), limb(1.1, x, y, x + 4, y - 1.2, x + 8, y, x + 12, y - 1.2), edge=None)
    b.paint((192, 214, 156), dome(-30, 100, 60, 114), dome(58, 103, 150, 114), edge=None)
    for x, h in ((2, 22), (6, 16), (10, 25), (103, 20), (107, 27), (110.5, 17)):
        b.paint((150, 176, 120), limb(1.2, x, 110, x + 1, 110 - h), edge=None)
        b.paint((160, 122, 90), limb(2.4, x + 1, 110 - h, x + 1.2, 104 - h), edge=None)
    for x, y in ((22, 92), (88, 95)):
        b.paint((164, 200, 140), oval(x - 5, y - 2, x + 5, y + 2), edge=(132, 172, 124))


PLACES: dict[str, Callable[[Brush], None]] = {
    "beach": _beach, "street": _street, "kitchen": _kitchen, "park": _park,
    "mountain": _mountain, "desert": _desert, "farm": _farm, "lake": _lake,
}


def _toned(picture: Image.Image, sky: str) -> Image.Image:
    """The day colours of a place under a sky: things may hide the sky, so the ground tells it too."""
    def flat(colour: Colour) -> Image.Image:
        return Image.new("RGB", picture.size, colour)

    if sky == "cloudy":
        return Image.blend(Image.blend(picture, picture.convert("L").convert("RGB"), 0.45),
                flat((176, 180, 186)), 0.3)
    if sky == "rainy":
        return Image.blend(ImageChops.multiply(picture, flat((158, 170, 190))), flat((110, 122, 138)), 0.2)
    if sky == "snowy":
        return Image.blend(picture, flat((246, 249, 255)), 0.58)
    if sky == "night":
        return ImageChops.add(ImageChops.multiply(picture, flat((104, 106, 142))), flat((6, 10, 28)))
    return picture


@lru_cache(maxsize=80)
def _ground(setting: str, sky: str, scale: int) -> tuple[Image.Image, Image.Image]:
    """A place without its sky, and the mask of what it covers."""
    size = SIZE * scale
    picture, mask = Image.new("RGB", (size, size), (1, 2, 3)), Image.new("L", (size, size), 255)
    b = Brush(ImageDraw.Draw(picture), scale, (0, 0, 1, 1))
    PLACES[setting](b)
    if setting == "kitchen":
        brush = Brush(ImageDraw.Draw(mask), scale, (0, 0, 1, 1))
        brush.paint(0, *(rect(*pane) for pane in KITCHEN_PANES), edge=None)
        picture = _toned(picture, sky)
        if sky == "snowy":
            # No flake falls indoors, so a cold light keeps a snowy kitchen apart from a cloudy one.
            picture = ImageChops.multiply(picture, Image.new("RGB", picture.size, (226, 240, 255)))
    else:
        hole = ImageChops.difference(picture, Image.new("RGB", picture.size, (1, 2, 3))).convert("L")
        mask = hole.point(lambda value: 255 if value else 0)
        picture = _toned(picture, sky)
    b = Brush(ImageDraw.Draw(picture), scale, (0, 0, 1, 1))
    if setting == "kitchen":
        # The window may be hidden behind a thing, so its light on the floor tells the sky a second time.
        light = {"sunny": (255, 240, 170), "night": (104, 122, 190)}.get(sky)
        if light:
            b.paint(light, poly(30, 56, 49, 56, 40, 92, 16, 92), poly(53, 56, 72, 56, 70, 92, 46, 92),
                    edge=None)
    elif sky == "rainy":
        for x, y in ((18, 58), (84, 50), (52, 90), (98, 99)):
            b.paint((136, 152, 172), oval(x - 9, y - 2.4, x + 9, y + 2.4), edge=None)
    elif sky == "snowy":
        for x, y in ((8, 50), (62, 60), (104, 82), (30, 100)):
            b.paint((252, 253, 255), dome(x - 17, y - 5, x + 17, y), edge=None)
    return picture, mask


@lru_cache(maxsize=20)
def _sky(sky: str, scale: int) -> Image.Image:
    top, low = SKY_COLOURS[sky]
    size = SIZE * scale
    picture = Image.new("RGB", (size, size), low)
    draw = ImageDraw.Draw(picture)
    for i in range(32):
        draw.rectangle((0, i * scale, size, (i + 1) * scale), mix(top, low, i / 32))
    return picture


def _cloud(b: Brush, x: float, y: float, colour: Colour) -> None:
    edge = mix(colour, INK, 0.22)
    b.paint(colour, disc(x - 6, y, 3.4), disc(x, y - 2, 5), disc(x + 6, y, 3.6),
            rect(x - 6, y, x + 6, y + 3.4), edge=edge)


def _heavens(b: Brush, setting: str, sky: str, rng: random.Random) -> None:
    places = (44, 67) if setting == "kitchen" else (14, 38, 74, 98)
    x, y = rng.choice(places) + rng.uniform(-2, 2), 10
    if sky == "sunny":
        rays = [limb(1.2, x + 8.5 * cos(a * pi / 5), y + 8.5 * sin(a * pi / 5), x + 11 * cos(a * pi / 5),
                     y + 11 * sin(a * pi / 5)) for a in range(10)]
        b.paint((255, 208, 66), *rays, edge=None)
        b.paint((255, 216, 84), disc(x, y, 6.5), edge=(240, 170, 50))
    elif sky == "night":
        for _ in range(14):
            b.paint((255, 250, 214), disc(rng.uniform(0, 112), rng.uniform(1, 26), rng.uniform(0.4, 0.9)),
                    edge=None)
        b.paint((255, 244, 196), disc(x, y, 6.5), edge=None)
        b.paint(mix(*SKY_COLOURS["night"], 0.3), disc(x + 3, y - 1.5, 5.6), edge=None)
    else:
        colour = {"cloudy": (248, 249, 250), "rainy": (78, 88, 106), "snowy": (222, 228, 238)}[sky]
        for i in range(4):
            _cloud(b, 14 + i * 28 + rng.uniform(-6, 6), rng.uniform(6, 15), colour)


def backdrop(setting: str, sky: str, scale: int, rng: random.Random) -> Image.Image:
    """The place under its sky, without things, at `scale` pixels for each unit of the 112-unit canvas."""
    picture = _sky(sky, scale).copy()
    b = Brush(ImageDraw.Draw(picture), scale, (0, 0, 1, 1))
    _heavens(b, setting, sky, rng)
    if setting == "kitchen":
        weather(b, "street", sky, rng)
    picture.paste(*_ground(setting, sky, scale))
    return picture


def weather(
    b: Brush, setting: str, sky: str, rng: random.Random, spared: Sequence[Box] = ()
) -> None:
    """What falls from the sky, save upon the spared boxes; indoors nothing does."""
    def clear(x: float, y: float) -> bool:
        return not any(
            left - 2 < x < left + width + 3 and top - 7 < y < top + height + 2
            for left, top, width, height in spared
        )

    if setting == "kitchen":
        return
    if sky == "rainy":
        for i in range(42):
            x, y = (i % 7) * 17 + rng.uniform(-4, 12), (i // 7) * 19 + rng.uniform(-4, 12)
            if clear(x, y):
                b.paint((206, 222, 242), limb(0.1, x, y, x - 2, y + 6), edge=None)
    elif sky == "snowy":
        for i in range(36):
            x, y = (i % 6) * 19 + rng.uniform(0, 18), (i // 6) * 19 + rng.uniform(0, 18)
            radius = rng.choice((0.7, 1, 1.3))
            if clear(x, y):
                b.paint(WHITE, disc(x, y, radius), edge=(196, 208, 230) if i % 2 else None)
