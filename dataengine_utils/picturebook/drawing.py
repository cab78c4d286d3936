"""Draws a scene as a flat picture-book page: `draw(scene)` is the whole of it."""

import random
from collections.abc import Callable
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from dataengine_utils.picturebook.backgrounds import (
    INK,
    SHADOWS,
    WHITE,
    Brush,
    Colour,
    backdrop,
    disc,
    dome,
    limb,
    mix,
    oval,
    poly,
    rect,
    weather,
)
from dataengine_utils.picturebook.world import Scene, Thing

PAINTS: dict[str, Colour] = {
    "red": (224, 52, 48),
    "orange": (248, 138, 28),
    "yellow": (252, 216, 50),
    "green": (52, 160, 72),
    "blue": (44, 106, 214),
    "purple": (142, 70, 184),
    "white": (252, 252, 250),
    "black": (46, 46, 54),
}
SKINS: tuple[Colour, ...] = ((252, 218, 188), (238, 190, 150), (190, 132, 92), (132, 88, 62))
HAIRS: tuple[Colour, ...] = ((74, 48, 36), (122, 78, 44), (52, 40, 44))
WOOD: Colour = (140, 94, 60)
TYRE: Colour = (52, 50, 58)
GLASS: Colour = (200, 228, 242)
PINK: Colour = (246, 172, 172)
STEEL: Colour = (150, 152, 162)

# Per pose: neck x, hip x, hip drop, hands as (x, drop from the neck), legs as points from the hip down.
POSES: dict[str, tuple[float, float, float, tuple, tuple]] = {
    "": (0.5, 0.5, 0, ((0.84, 0.27), (0.16, 0.27)), ((0.38, 0.95), (0.62, 0.95))),
    "riding": (0.4, 0.38, 0.04, ((0.95, 0.13), (0.9, 0.2)), ((0.7, 0.72, 0.56, 0.95),)),
    "sitting on": (0.34, 0.34, 0.05, ((0.62, 0.26), (0.58, 0.26)),
                   ((0.8, 0.69, 0.8, 0.95), (0.7, 0.7, 0.68, 0.95))),
    "holding": (0.45, 0.45, 0, ((0.95, -0.08), (0.12, 0.27)), ((0.34, 0.95), (0.58, 0.95))),
    "pushing": (0.56, 0.32, 0.03, ((0.97, 0.02), (0.97, 0.12)), ((0.08, 0.95), (0.5, 0.77, 0.42, 0.95))),
    "kicking": (0.3, 0.4, 0.0, ((0.72, 0.1), (0.04, -0.04)), ((0.3, 0.95), (0.93, 0.7))),
    "walking": (0.46, 0.44, 0, ((0.95, 0.2), (0.08, 0.2)), ((0.14, 0.95), (0.76, 0.95))),
}


def _dark(fill: Colour, share: float = 0.28) -> Colour:
    """A shade of the thing's own colour; black is shaded lighter, or it would be a blot."""
    return mix(fill, (150, 150, 164), share) if max(fill) < 90 else mix(fill, (20, 16, 40), share * 0.75)


def _contrast(fill: Colour) -> Colour:
    return INK if fill[0] * 0.3 + fill[1] * 0.59 + fill[2] * 0.11 > 140 else WHITE


def _face(b: Brush, x: float, y: float, radius: float, skin: Colour) -> None:
    across = radius * b.height / abs(b.width)
    eye = _contrast(skin) if max(skin) < 150 else INK
    b.paint(eye, disc(x + across * 0.1, y, radius * 0.15), disc(x + across * 0.7, y, radius * 0.15),
            edge=None)
    b.paint(eye, limb(0.01, x + across * 0.15, y + radius * 0.45, x + across * 0.4, y + radius * 0.58,
                      x + across * 0.65, y + radius * 0.45), edge=None)


def _person(b: Brush, fill: Colour, thing: Thing, rng: random.Random) -> None:
    skin, hair, shade = rng.choice(SKINS), rng.choice(HAIRS), _dark(fill)
    small, woman = thing.kind == "child", thing.kind == "woman"
    neck_x, hip_x, drop, hands, legs = POSES[thing.pose]
    neck, hip, radius = (0.46, 0.7, 0.18) if small else (0.33, 0.61, 0.12)
    hip += drop
    if thing.pose in ("riding", "sitting on"):
        hip = max(hip, 0.66)
    head_x, head_y = neck_x + (0.06 if thing.pose == "pushing" else 0), neck - radius * 0.72
    arm = 0.085 if small else 0.095 if not woman else 0.075

    def reach(hand: tuple[float, float]) -> None:
        x, y = hand[0], neck + 0.08 + hand[1] * (0.85 if small else 1)
        start, high = neck_x + (0.14 if x > neck_x else -0.14), neck + (0.08 if small else 0.06)
        b.paint(skin, disc(x, y, arm * 0.62))
        b.paint(fill, limb(arm, start, high, start + (x - start) * 0.75, high + (y - high) * 0.75))

    reach(hands[1])
    for leg in legs:
        start = hip_x + (0.06 if leg[-2] > hip_x else -0.06) * (len(legs) > 1)
        points = (start, hip, *leg)
        foot_x, foot_y = points[-2:]
        b.paint(INK, oval(foot_x - 0.08, foot_y - 0.035, foot_x + 0.13, foot_y + 0.045))
        if thing.kind == "man":
            b.paint(shade, limb(0.12, *points))
            continue
        b.paint(skin, limb(0.065 if woman else 0.08, *points))
        if small:
            end = points[2:4] if len(points) > 4 else ((start + foot_x) / 2, (hip + foot_y) / 2)
            b.paint(shade, limb(0.13, start, hip, *end))
    top, low = neck - 0.01, hip + 0.03
    if not woman:
        wide = 0.17 if small else 0.19
        b.paint(fill, poly(neck_x - wide, top + 0.03, neck_x - 0.08, top, neck_x + 0.08, top, neck_x + wide,
                           top + 0.03, hip_x + wide - 0.02, low, hip_x - wide + 0.02, low))
    elif thing.pose in ("riding", "sitting on"):
        b.paint(fill, poly(neck_x - 0.14, top, neck_x + 0.14, top, hip_x + 0.14, hip - 0.1, hip_x + 0.46, hip,
                           hip_x + 0.48, hip + 0.17, hip_x - 0.24, hip + 0.17, hip_x - 0.18, hip))
    else:
        b.paint(fill, poly(neck_x - 0.13, top, neck_x + 0.13, top, hip_x + 0.13, hip - 0.12, hip_x + 0.36,
                           0.81, hip_x - 0.36, 0.81, hip_x - 0.13, hip - 0.12))
    if woman:
        across = radius * b.height / abs(b.width)
        b.paint(hair, disc(head_x - across * 0.1, head_y - 0.01, radius * 1.2),
                rect(head_x - across * 1.3, head_y, head_x - across * 0.1, head_y + radius * 2.2, 0.06))
    b.paint(skin, disc(head_x, head_y, radius))
    _face(b, head_x, head_y + radius * 0.15, radius, skin)
    _hat(b, thing.kind, fill, hair, head_x, head_y, radius)
    reach(hands[0])


def _hat(b: Brush, kind: str, fill: Colour, hair: Colour, x: float, y: float, radius: float) -> None:
    across = radius * b.height / abs(b.width)
    if kind == "woman":
        b.paint(hair, dome(x - across * 1.1, y - radius * 1.15, x + across * 1.0, y - radius * 0.25),
                edge=None)
    elif kind == "man":
        b.paint(hair, rect(x - across, y - radius * 0.4, x - across * 0.5, y + radius * 0.3), edge=None)
        top = max(0.02, y - radius * 1.65)
        b.paint(_dark(fill, 0.4), rect(x - across * 0.85, top, x + across * 0.85, y - radius * 0.5, 0.02),
                rect(x - across * 1.5, y - radius * 0.65, x + across * 1.5, y - radius * 0.4))
    else:
        b.paint(hair, rect(x - across * 0.95, y - radius * 0.4, x - across * 0.55, y + radius * 0.25),
                edge=None)
        b.paint(fill, dome(x - across * 1.02, y - radius * 1.15, x + across * 1.02, y - radius * 0.2),
                rect(x, y - radius * 0.42, x + across * 1.6, y - radius * 0.16))


def _cat(b: Brush, fill: Colour, thing: Thing, rng: random.Random) -> None:
    shade, line = _dark(fill), _contrast(fill)
    b.paint(fill, limb(0.085, 0.3, 0.9, 0.12, 0.86, 0.07, 0.7, 0.13, 0.56, 0.08, 0.46))
    b.paint(fill, oval(0.24, 0.46, 0.82, 0.98), rect(0.36, 0.75, 0.72, 0.98, 0.05))
    b.paint(shade, limb(0.02, 0.54, 0.8, 0.54, 0.97), edge=None)
    b.paint(fill, poly(0.3, 0.28, 0.32, 0.02, 0.52, 0.16), poly(0.58, 0.16, 0.78, 0.02, 0.8, 0.28),
            oval(0.24, 0.1, 0.86, 0.56))
    b.paint(PINK, poly(0.35, 0.18, 0.36, 0.09, 0.44, 0.15), poly(0.66, 0.15, 0.74, 0.09, 0.75, 0.18),
            edge=None)
    b.paint((150, 214, 120), oval(0.36, 0.27, 0.48, 0.39), oval(0.62, 0.27, 0.74, 0.39))
    b.paint(INK, oval(0.4, 0.28, 0.445, 0.38), oval(0.655, 0.28, 0.7, 0.38), edge=None)
    b.paint(PINK, poly(0.5, 0.41, 0.6, 0.41, 0.55, 0.46), edge=None)
    for y in (0.42, 0.48):
        b.paint(line, limb(0.012, 0.45, 0.45, 0.28, y), limb(0.012, 0.65, 0.45, 0.82, y), edge=None)
        b.paint(INK, limb(0.012, 0.24, y, 0.14, y), limb(0.012, 0.86, y, 0.96, y), edge=None)


def _dog(b: Brush, fill: Colour, thing: Thing, rng: random.Random) -> None:
    shade = _dark(fill, 0.45)
    b.paint(_dark(fill), limb(0.11, 0.32, 0.7, 0.32, 0.92), limb(0.11, 0.62, 0.7, 0.62, 0.92))
    b.paint(fill, limb(0.08, 0.16, 0.5, 0.06, 0.36, 0.06, 0.24), rect(0.12, 0.42, 0.7, 0.74, 0.14),
            limb(0.12, 0.2, 0.66, 0.19, 0.92), limb(0.12, 0.56, 0.66, 0.52, 0.92),
            limb(0.22, 0.6, 0.52, 0.68, 0.34),
            oval(0.52, 0.08, 0.86, 0.46), rect(0.7, 0.26, 0.98, 0.44, 0.08))
    b.paint(shade, oval(0.48, 0.12, 0.64, 0.5))
    b.paint(INK, disc(0.96, 0.29, 0.05), edge=None)
    b.paint(_contrast(fill), disc(0.75, 0.22, 0.03), limb(0.015, 0.82, 0.4, 0.93, 0.38), edge=None)
    b.paint((236, 70, 70) if thing.colour != "red" else GLASS, limb(0.05, 0.56, 0.5, 0.74, 0.5))


def _horse(b: Brush, fill: Colour, thing: Thing, rng: random.Random) -> None:
    shade, mane = _dark(fill), (92, 62, 44) if thing.colour != "black" else (150, 140, 140)
    b.paint(mane, limb(0.08, 0.12, 0.46, 0.04, 0.56, 0.05, 0.78))
    b.paint(shade, limb(0.07, 0.28, 0.6, 0.3, 0.94), limb(0.07, 0.62, 0.6, 0.66, 0.94))
    b.paint(fill, oval(0.1, 0.38, 0.74, 0.7), limb(0.08, 0.18, 0.56, 0.16, 0.94),
            limb(0.08, 0.56, 0.6, 0.54, 0.94),
            poly(0.52, 0.46, 0.7, 0.14, 0.84, 0.2, 0.76, 0.56), limb(0.13, 0.77, 0.16, 0.92, 0.3),
            poly(0.7, 0.12, 0.73, 0.01, 0.79, 0.1))
    b.paint(mane, limb(0.07, 0.72, 0.08, 0.62, 0.2, 0.52, 0.4))
    b.paint(INK, *(rect(x - 0.045, 0.92, x + 0.045, 0.98) for x in (0.16, 0.3, 0.54, 0.66)), edge=None)
    b.paint(_contrast(fill), disc(0.8, 0.16, 0.022), disc(0.94, 0.31, 0.015), edge=None)


def _cow(b: Brush, fill: Colour, thing: Thing, rng: random.Random) -> None:
    patch = WHITE if thing.colour != "white" else (90, 84, 88)
    b.paint(INK, limb(0.015, 0.06, 0.36, 0.02, 0.6), edge=None)
    b.paint(_dark(fill), disc(0.025, 0.64, 0.04))
    b.paint(PINK, oval(0.24, 0.64, 0.42, 0.82))
    b.paint(_dark(fill), limb(0.1, 0.24, 0.7, 0.24, 0.9), limb(0.1, 0.6, 0.7, 0.6, 0.9))
    b.paint(fill, rect(0.05, 0.28, 0.72, 0.74, 0.13), limb(0.11, 0.12, 0.7, 0.12, 0.9),
            limb(0.11, 0.5, 0.7, 0.5, 0.9))
    b.paint(patch, oval(0.14, 0.32, 0.32, 0.54), oval(0.42, 0.46, 0.56, 0.66), edge=None)
    b.paint((240, 226, 190), limb(0.05, 0.7, 0.2, 0.66, 0.04), limb(0.05, 0.86, 0.2, 0.9, 0.04))
    b.paint(fill, limb(0.07, 0.66, 0.26, 0.58, 0.24), limb(0.07, 0.9, 0.26, 0.97, 0.24),
            rect(0.65, 0.14, 0.91, 0.56, 0.1))
    b.paint(PINK, rect(0.63, 0.42, 0.93, 0.62, 0.09))
    b.paint(INK, disc(0.72, 0.52, 0.022), disc(0.84, 0.52, 0.022), edge=None)
    b.paint(_contrast(fill), disc(0.72, 0.3, 0.03), disc(0.84, 0.3, 0.03), edge=None)
    b.paint(INK, *(rect(x - 0.045, 0.9, x + 0.045, 0.97) for x in (0.12, 0.24, 0.5, 0.6)), edge=None)


def _bird(b: Brush, fill: Colour, thing: Thing, rng: random.Random) -> None:
    beak = (255, 170, 40) if thing.colour not in ("orange", "yellow") else (206, 84, 40)
    b.paint(beak, limb(0.03, 0.44, 0.8, 0.44, 0.96, 0.54, 0.96),
            limb(0.03, 0.58, 0.8, 0.58, 0.96, 0.68, 0.96))
    b.paint(beak, poly(0.86, 0.2, 1.0, 0.29, 0.86, 0.37))
    b.paint(fill, poly(0.3, 0.5, 0.0, 0.42, 0.04, 0.68, 0.3, 0.74), oval(0.14, 0.32, 0.82, 0.86),
            disc(0.72, 0.27, 0.21))
    b.paint(_dark(fill, 0.4), poly(0.26, 0.48, 0.62, 0.46, 0.6, 0.64, 0.44, 0.74, 0.12, 0.72))
    b.paint(WHITE, disc(0.77, 0.24, 0.06), edge=None)
    b.paint(INK, disc(0.785, 0.24, 0.04), edge=None)


def _wheels(b: Brush, y: float, radius: float, *places: float) -> None:
    for x in places:
        b.paint(TYRE, disc(x, y, radius))
        b.paint((204, 206, 212), disc(x, y, radius * 0.45), edge=None)


def _car(b: Brush, fill: Colour, thing: Thing, rng: random.Random) -> None:
    b.paint(fill, rect(0.02, 0.44, 0.98, 0.82, 0.14), poly(0.16, 0.48, 0.3, 0.1, 0.66, 0.1, 0.82, 0.48))
    b.paint(GLASS, poly(0.25, 0.44, 0.34, 0.18, 0.46, 0.18, 0.46, 0.44),
            poly(0.51, 0.44, 0.51, 0.18, 0.63, 0.18, 0.73, 0.44))
    b.paint(_dark(fill, 0.4), limb(0.025, 0.48, 0.5, 0.48, 0.76), limb(0.04, 0.52, 0.56, 0.58, 0.56),
            edge=None)
    b.paint((255, 240, 150), oval(0.9, 0.5, 0.98, 0.64))
    _wheels(b, 0.8, 0.175, 0.24, 0.76)


def _bus(b: Brush, fill: Colour, thing: Thing, rng: random.Random) -> None:
    b.paint(fill, rect(0.01, 0.05, 0.99, 0.86, 0.08))
    b.paint(GLASS, *(rect(x, 0.17, x + 0.135, 0.42, 0.02) for x in (0.06, 0.235, 0.41, 0.585)),
            rect(0.77, 0.17, 0.96, 0.8, 0.02))
    b.paint(INK, limb(0.018, 0.865, 0.18, 0.865, 0.79), edge=None)
    b.paint(_dark(fill, 0.5), rect(0.03, 0.54, 0.73, 0.59), edge=None)
    b.paint((255, 240, 150), oval(0.94, 0.68, 0.99, 0.78))
    _wheels(b, 0.85, 0.125, 0.22, 0.66)


def _bicycle(b: Brush, fill: Colour, thing: Thing, rng: random.Random) -> None:
    draw, ring = b.draw, 0.27
    for x in (0.22, 0.78):
        cx, cy = b.at(x, 0.71)
        for radius, colour, width in ((ring, TYRE, 0.07), (ring - 0.075, fill, 0.05)):
            r = radius * b.height
            draw.ellipse((cx - r, cy - r, cx + r, cy + r), outline=colour,
                    width=max(2, round(width * b.height)))
        b.paint(STEEL, limb(0.012, x - 0.15, 0.71, x + 0.15, 0.71), limb(0.012, x, 0.5, x, 0.92), edge=None)
    b.paint(fill, limb(0.075, 0.22, 0.71, 0.4, 0.36, 0.68, 0.36, 0.5, 0.72, 0.22, 0.71),
            limb(0.075, 0.38, 0.3, 0.5, 0.72),
            limb(0.075, 0.66, 0.22, 0.78, 0.71))
    b.paint(INK, limb(0.07, 0.3, 0.25, 0.46, 0.25), limb(0.06, 0.6, 0.2, 0.68, 0.14, 0.8, 0.16), edge=None)
    b.paint(STEEL, disc(0.5, 0.72, 0.07))


def _boat(b: Brush, fill: Colour, thing: Thing, rng: random.Random) -> None:
    b.paint(WOOD, limb(0.035, 0.46, 0.04, 0.46, 0.74))
    b.paint(mix(fill, WHITE, 0.12) if thing.colour != "black" else fill,
            poly(0.52, 0.06, 0.95, 0.62, 0.52, 0.62))
    b.paint(WHITE if thing.colour != "white" else (226, 228, 234), poly(0.4, 0.18, 0.4, 0.62, 0.1, 0.62))
    b.paint(fill, poly(0.01, 0.7, 0.99, 0.7, 0.82, 0.96, 0.18, 0.96))
    b.paint(_contrast(fill), limb(0.03, 0.1, 0.77, 0.9, 0.77), edge=None)


def _ball(b: Brush, fill: Colour, thing: Thing, rng: random.Random) -> None:
    stripe = mix(fill, WHITE, 0.7) if thing.colour != "white" else (190, 196, 210)
    b.paint(fill, disc(0.5, 0.5, 0.46))
    b.paint(stripe, limb(0.06, 0.08, 0.4, 0.3, 0.52, 0.52, 0.56, 0.74, 0.52, 0.92, 0.4),
            limb(0.06, 0.5, 0.06, 0.4, 0.3, 0.42, 0.56, 0.54, 0.93), edge=None)
    b.paint(mix(fill, WHITE, 0.75), oval(0.62, 0.16, 0.76, 0.28), edge=None)


def _umbrella(b: Brush, fill: Colour, thing: Thing, rng: random.Random) -> None:
    b.paint(WOOD, limb(0.04, 0.5, 0.3, 0.5, 0.88, 0.54, 0.95, 0.62, 0.95, 0.66, 0.88))
    b.paint(fill, dome(0.01, 0.08, 0.99, 0.52),
            *(dome(x, 0.4, x + 0.245, 0.58) for x in (0.01, 0.255, 0.5, 0.745)),
            limb(0.03, 0.5, 0.03, 0.5, 0.1))
    shade = _dark(fill, 0.5)
    b.paint(shade, limb(0.022, 0.5, 0.1, 0.32, 0.28, 0.255, 0.52),
            limb(0.022, 0.5, 0.1, 0.68, 0.28, 0.745, 0.52),
            limb(0.022, 0.5, 0.1, 0.5, 0.52), edge=None)


def _chair(b: Brush, fill: Colour, thing: Thing, rng: random.Random) -> None:
    shade = _dark(fill)
    b.paint(shade, limb(0.07, 0.3, 0.6, 0.3, 0.88), limb(0.07, 0.78, 0.6, 0.78, 0.88))
    b.paint(fill, limb(0.09, 0.1, 0.06, 0.1, 0.95), limb(0.09, 0.92, 0.62, 0.92, 0.95),
            rect(0.06, 0.06, 0.3, 0.52, 0.03),
            rect(0.04, 0.52, 0.97, 0.66, 0.04))
    b.paint(shade, limb(0.03, 0.18, 0.14, 0.18, 0.46), edge=None)


def _tree(b: Brush, fill: Colour, thing: Thing, rng: random.Random) -> None:
    b.paint(WOOD, poly(0.42, 0.5, 0.58, 0.5, 0.6, 0.9, 0.68, 0.97, 0.32, 0.97, 0.4, 0.9))
    b.paint(fill, oval(0.02, 0.26, 0.5, 0.7), oval(0.5, 0.26, 0.98, 0.7), oval(0.18, 0.02, 0.82, 0.5),
            oval(0.26, 0.3, 0.76, 0.74))
    b.paint(_dark(fill), *(limb(0.025, x, y, x + 0.06, y + 0.04, x + 0.12, y) for x, y in
                           ((0.3, 0.22), (0.54, 0.3), (0.16, 0.46), (0.42, 0.52), (0.7, 0.5))), edge=None)


def _flower(b: Brush, fill: Colour, thing: Thing, rng: random.Random) -> None:
    leaf, heart = (84, 150, 78), (150, 84, 40) if thing.colour in ("yellow", "orange") else (255, 206, 60)
    b.paint(leaf, limb(0.045, 0.5, 0.5, 0.5, 0.97), poly(0.5, 0.9, 0.14, 0.84, 0.1, 0.68, 0.36, 0.74),
            poly(0.5, 0.84, 0.84, 0.78, 0.92, 0.62, 0.64, 0.68))
    step = abs(b.height / b.width)
    for dx, dy in ((0, -0.19), (0.18, -0.06), (0.11, 0.15), (-0.11, 0.15), (-0.18, -0.06)):
        b.paint(fill, disc(0.5 + dx * step, 0.32 + dy, 0.135))
    b.paint(heart, disc(0.5, 0.32, 0.11))


def _cup(b: Brush, fill: Colour, thing: Thing, rng: random.Random) -> None:
    grip = (0.74, 0.44, 0.92, 0.42, 0.97, 0.56, 0.9, 0.7, 0.7, 0.76)
    b.paint(INK, limb(0.13, *grip), edge=None)
    b.paint(fill, limb(0.07, *grip), edge=None)
    b.paint((232, 232, 236), oval(0.04, 0.86, 0.84, 0.98))
    b.paint(fill, poly(0.08, 0.36, 0.78, 0.36, 0.72, 0.82, 0.62, 0.93, 0.24, 0.93, 0.14, 0.82))
    b.paint(mix(fill, WHITE, 0.45) if max(fill) < 252 else (236, 236, 238), oval(0.08, 0.28, 0.78, 0.44))
    b.paint((120, 76, 48), oval(0.16, 0.32, 0.7, 0.42), edge=None)
    for x in (0.3, 0.52):
        b.paint(WHITE, limb(0.045, x, 0.24, x + 0.06, 0.17, x - 0.02, 0.1, x + 0.04, 0.03),
                edge=(150, 152, 162))


def _kite(b: Brush, fill: Colour, thing: Thing, rng: random.Random) -> None:
    b.paint(INK, limb(0.015, 0.5, 0.68, 0.62, 0.78, 0.42, 0.88, 0.56, 0.98), edge=None)
    bow = _dark(fill, 0.2)
    for x, y in ((0.58, 0.78), (0.46, 0.88)):
        b.paint(bow, poly(x, y, x - 0.13, y - 0.05, x - 0.13, y + 0.05),
                poly(x, y, x + 0.13, y - 0.05, x + 0.13, y + 0.05))
    b.paint(fill, poly(0.5, 0.01, 0.98, 0.28, 0.5, 0.7, 0.02, 0.28))
    b.paint(_dark(fill, 0.4), poly(0.5, 0.03, 0.5, 0.27, 0.06, 0.28), poly(0.5, 0.28, 0.94, 0.29, 0.5, 0.67),
            edge=None)
    b.paint(fill, poly(0.5, 0.06, 0.5, 0.26, 0.14, 0.27), edge=None)


@lru_cache(maxsize=512)
def _lettering(word: str, width: int, height: int) -> tuple[ImageFont.FreeTypeFont, tuple[float, float], int]:
    """The largest font whose word fits, where its middle lies, and the stroke that makes it bold."""
    for size in range(height * 2, 4, -1):
        font, stroke = ImageFont.load_default(size), max(1, size // 22)
        left, top, right, bottom = font.getbbox(word, stroke_width=stroke)
        if right - left <= width and bottom - top <= height:
            break
    return font, ((left + right) / 2, (top + bottom) / 2), stroke


def _sign(b: Brush, fill: Colour, thing: Thing, rng: random.Random) -> None:
    b.paint(WOOD, rect(0.46, 0.7, 0.54, 0.98))
    b.paint(fill, rect(0.01, 0.03, 0.99, 0.78, 0.09))
    ink = _contrast(fill)
    wide, high = round(abs(b.width) * 0.93), round(b.height * 0.6)
    font, middle, stroke = _lettering(thing.word, wide, high)
    x, y = b.at(0.5, 0.405)
    b.draw.text((x - middle[0], y - middle[1]), thing.word, ink, font, stroke_width=stroke, stroke_fill=ink)


PAINTERS: dict[str, Callable[[Brush, Colour, Thing, random.Random], None]] = {
    "man": _person, "woman": _person, "child": _person, "cat": _cat, "dog": _dog, "horse": _horse,
    "bird": _bird,
    "cow": _cow, "car": _car, "bus": _bus, "bicycle": _bicycle, "boat": _boat, "ball": _ball,
    "umbrella": _umbrella,
    "chair": _chair, "tree": _tree, "flower": _flower, "cup": _cup, "kite": _kite, "sign": _sign,
}
LEASHED = {"dog": (0.62, 0.52), "cat": (0.54, 0.55), "horse": (0.72, 0.34)}


def _place(brush: Brush, thing: Thing, x: float, y: float) -> tuple[float, float]:
    left, top, width, height = thing.box
    return left + (1 - x if thing.flip else x) * width, top + y * height


def _act(b: Brush, action: str, person: Thing, other: Thing, dark: bool) -> None:
    """The lines that join a person to the other thing, in canvas units."""
    neck = 0.46 if person.kind == "child" else 0.33
    x, drop = POSES[person.pose][3][0] if person.pose in POSES else (0.95, 0.1)
    hand = _place(b, person, x, neck + 0.08 + drop * (0.85 if person.kind == "child" else 1))
    line = (236, 236, 240) if dark else INK
    if action == "walking" and other.kind in LEASHED:
        end = _place(b, other, *LEASHED[other.kind])
        b.paint(line, limb(1, *hand, (hand[0] + end[0]) / 2, max(hand[1], end[1]) + 1.5, *end), edge=None)
    elif action == "holding" and other.kind == "kite":
        b.paint(line, limb(0.8, *hand, *_place(b, other, 0.5, 0.69)), edge=None)
    elif action in ("kicking", "pushing"):
        way = -1 if person.flip else 1
        left, top, width, height = other.box if action == "kicking" else person.box
        edge = left if way == 1 else left + width
        heights = (0.12, 0.3, 0.48) if action == "kicking" else (0.16, 0.32)
        for i, share in enumerate(heights):
            y, size = top + share * height, (-3 - i % 2 if action == "kicking" else 3.5)
            b.paint(line, limb(0.9, edge, y, edge + way * size, y), edge=None)


def draw(scene: Scene, scale: int = 1) -> Image.Image:
    """The picture of a scene: RGB, 112 * `scale` pixels square, the same for the same scene every time."""
    rng, fine = random.Random(scene.seed), 2 * scale
    picture = backdrop(scene.setting, scene.sky, fine, rng)
    canvas = ImageDraw.Draw(picture)
    whole = Brush(canvas, fine, (0, 0, 1, 1))
    for thing in scene.things:
        box = thing.box
        brush = Brush(canvas, fine, box, thing.flip)
        if thing.kind != "kite" and thing.pose not in ("riding", "sitting on"):
            brush.paint(SHADOWS[scene.sky], oval(0.06, 0.9, 0.94, 1), edge=None)
        PAINTERS[thing.kind](brush, PAINTS[thing.colour], thing, rng)
    for act in scene.interactions:
        _act(whole, act.action, scene.things[act.subject], scene.things[act.object], scene.sky == "night")
    # A flake or a drop upon a letter would change the word, so the boards stay clear.
    boards = [thing.box for thing in scene.things if thing.word]
    weather(whole, scene.setting, scene.sky, rng, boards)
    return picture.reduce(2)
