"""An image's annotations as things with places, colours and acts: doubled boxes merged, words made one
spelling.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from ..picturebook.world import POSITIONS
from ..records import Box, ImageObject, ImageRecord, Region
from .vocabulary import (
    ACT_WORDS,
    ANIMATE,
    CLOTHES,
    COLOUR_WORDS,
    MATERIAL_WORDS,
    PERSONS,
    PLACE_SIGNS,
    PLACE_WORDS,
    SKY_WORDS,
    VAGUE,
)
from .words import head, kin, may_be_same

# Two boxes of names that may be the same are one thing if they share this much of their union.
SAME_BOX = 0.5
# A direction holds if one axis has twice the distance of the other and at least this share of the image's
# longer side.
CLEAR_DISTANCE = 20 / 112
# A thing wider or higher than this share of the image is in no one part of it.
LARGEST = 0.6
# A centre nearer than this (share of the image's side) to the border between two parts is in neither for
# sure.
BORDER = 0.03
_NAME = re.compile(r"[a-z][a-z' -]*[a-z]")
_STATE = re.compile(r"\w{2,}[a-z]ed(?<!bed|eed|hed)")
_QUOTED = re.compile(r"[\"'\u201c\u2018]([^\"'\u201c\u201d\u2018\u2019]{1,30})[\"'\u201d\u2019]")
_SAYS = re.compile(r"\b(?:says|saying|reads|reading|spells|word|words|text|letters)\b", re.IGNORECASE)
_SKY = re.compile(r"\b(blue|clear|cloudy|overcast|sunny|night)\b(?: \w+)? sky\b", re.IGNORECASE)


@dataclass(frozen=True)
class Thing:
    """One thing to point at. `box` is (x, y, width, height) in pixels; `ids` are its objects' ids in the
    record.
    """

    name: str
    box: Box
    colours: tuple[str, ...]
    materials: tuple[str, ...]
    ids: frozenset[int]

    @property
    def centre(self) -> tuple[float, float]:
        x, y, width, height = self.box
        return x + width / 2, y + height / 2


class View:
    """What a record says, ready to be asked. Nothing here guesses: what is not annotated is not known."""

    def __init__(self, record: ImageRecord):
        self.record = record

    @cached_property
    def things(self) -> tuple[Thing, ...]:
        """The things in the record's order; places, vague names and doubled boxes left out."""
        merged: list[list[ImageObject]] = []
        for o in self.record.objects:
            if (
                o.name in PLACE_WORDS
                or o.name in VAGUE
                or not _NAME.fullmatch(o.name)
                or _STATE.fullmatch(o.name)
            ):
                continue
            same = next((group for group in merged if _same(group[0], o)), None)
            if same is None:
                merged.append([o])
            else:
                same.append(o)
        return tuple(_thing(group, self._dressed) for group in merged)

    @cached_property
    def _dressed(self) -> bool:
        """Whether clothes are named: then a colour said of a person is not how the person is dressed."""
        heads = self._phrase_heads.union(head(o.name) for o in self.record.objects)
        return any(not kin(cloth).isdisjoint(heads) for cloth in CLOTHES)

    @cached_property
    def by_id(self) -> dict[int, Thing]:
        return {number: thing for thing in self.things for number in thing.ids}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The different names of things."""
        return tuple(dict.fromkeys(thing.name for thing in self.things))

    def called(self, name: str, colour: str = "") -> list[Thing]:
        """The things that a name (with a colour, if given) may mean."""
        found = [thing for thing in self.things if may_be_same(thing.name, name)]
        return [t for t in found if colour in t.colours or not t.colours] if colour else found

    def only(self, name: str, colour: str = "") -> Thing | None:
        """The one thing that a name may mean, or None."""
        found = self.called(name, colour)
        return found[0] if len(found) == 1 and (not colour or colour in found[0].colours) else None

    def mentioned(self, name: str) -> bool:
        """Whether an object, or a region phrase or caption outside quotes, may speak of a kind of thing."""
        return any(may_be_same(name, o.name) for o in self.record.objects) or self._in_phrases(name)

    def _in_phrases(self, name: str) -> bool:
        if " " in name:
            return f" {name} " in self._phrase_text
        return not kin(name).isdisjoint(self._phrase_heads)

    @cached_property
    def _phrase_text(self) -> str:
        return " . ".join(
            ["", *(re.sub(r"[^a-z.-]+", " ", _QUOTED.sub(" ", phrase)) for phrase in self.phrases), ""]
        )

    @cached_property
    def _phrase_heads(self) -> frozenset[str]:
        return frozenset(map(head, self._phrase_text.replace(".", " ").split()))

    @cached_property
    def phrases(self) -> tuple[str, ...]:
        """The region phrases and captions in lower case."""
        return tuple(p.lower() for p in (*(r.phrase for r in self.record.regions), *self.record.captions))

    def phrases_about(self, name: str) -> list[str]:
        """The phrases that have a word or words in them."""
        return [phrase for phrase in self.phrases if re.search(rf"\b{re.escape(name)}\b", phrase)]

    @cached_property
    def places(self) -> dict[str, int]:
        """Every place that something speaks for, with how much does: 100 if it is named, else the number of
        its things.
        """
        names = {o.name for o in self.record.objects}
        found = {place: sum(sign in names for sign in signs) for place, signs in PLACE_SIGNS.items()}
        for name in names & PLACE_WORDS.keys():
            found[PLACE_WORDS[name]] = 100
        return {place: n for place, n in found.items() if n}

    @cached_property
    def place(self) -> str:
        """The place the image shows: the only named one, or else the only one that at least three things
        tell; or "".
        """
        best = [place for place, n in self.places.items() if n >= 100] or [
            p for p, n in self.places.items() if n >= 3
        ]
        return best[0] if len(best) == 1 else ""

    @cached_property
    def sky_attributes(self) -> frozenset[str]:
        """The weather words among the attributes of the place and the sky."""
        return frozenset(a for o in self.record.objects for a in o.attributes if a in SKY_WORDS
                         and (o.name == "sky" or (o.name in PLACE_WORDS and SKY_WORDS[a] == a)))

    @cached_property
    def sky(self) -> str:
        """The weather, by the place's or sky's attributes or a phrase about the sky, if all agree; else "".
        """
        told = {SKY_WORDS[word] for word in self.sky_attributes}
        for phrase in (r.phrase for r in self.record.regions):
            told |= {SKY_WORDS[word.lower()] for word in _SKY.findall(phrase)}
        return told.pop() if len(told) == 1 else ""

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The different words read in the image: recognised text, else what region phrases quote; case aside.
        """
        read = [t.text.strip() for t in self.record.texts] or list(_quotes(self.record.regions))
        return tuple({text.lower(): text for text in reversed(read) if text}.values())

    @cached_property
    def acts(self) -> tuple[tuple[Thing, str, Thing], ...]:
        """(subject, act, object) where somebody or something does a thing, the act as in "riding"."""
        triples = (
            (self.by_id.get(r.subject), _act(r.predicate), self.by_id.get(r.object))
            for r in self.record.relations
        )
        return tuple(dict.fromkeys((s, act, o) for s, act, o in triples if s and act and o and _animate(s)))

    @cached_property
    def n_people(self) -> int:
        return sum(head(thing.name) in PERSONS for thing in self.things)

    def part(self, thing: Thing) -> str:
        """Which of the nine parts (thirds by thirds) the centre of a thing is in."""
        (x, y), record = thing.centre, self.record
        column, row = (min(2, max(0, int(3 * value))) for value in (x / record.width, y / record.height))
        return POSITIONS[3 * row + column]

    def part_is_clear(self, thing: Thing) -> bool:
        """Whether a thing is small enough, and far enough from the borders between parts, to be in one of
        them.
        """
        (x, y), record = thing.centre, self.record
        shares = (x / record.width, y / record.height)
        near = any(abs(share - border) < BORDER for share in shares for border in (1 / 3, 2 / 3))
        return not near and self.is_small(thing)

    def is_small(self, thing: Thing) -> bool:
        """Whether a thing takes a part of the image rather than most of it."""
        return thing.box[2] <= LARGEST * self.record.width and thing.box[3] <= LARGEST * self.record.height

    def reaches(self, thing: Thing, part: str) -> bool:
        """Whether more than a sliver (a twentieth of the image's side) of a thing's box lies in a part."""
        row, column = divmod(POSITIONS.index(part), 3)
        x, y, width, height = thing.box
        return (
            _shared(x, width, column / 3 * self.record.width, self.record.width / 3) > self.record.width / 20
            and _shared(y, height, row / 3 * self.record.height, self.record.height / 3)
            > self.record.height / 20
        )

    def direction(self, thing: Thing, seen_from: Thing) -> str:
        """Where a thing lies, seen from another: a direction only if one axis clearly dominates, else ""."""
        dx, dy = self._offset(thing, seen_from)
        least = CLEAR_DISTANCE * max(self.record.width, self.record.height)
        if not (self.is_small(thing) and self.is_small(seen_from)) or overlap(thing.box, seen_from.box) > 0.1:
            return ""
        if abs(dx) >= max(2 * abs(dy), least):
            return "left" if dx < 0 else "right"
        if abs(dy) >= max(2 * abs(dx), least):
            return "above" if dy < 0 else "below"
        return ""

    def rough_directions(self, thing: Thing, seen_from: Thing) -> tuple[str, str]:
        """The two directions that could be said of a thing, the larger offset's first."""
        dx, dy = self._offset(thing, seen_from)
        across, along = ("left" if dx < 0 else "right"), ("above" if dy < 0 else "below")
        return (across, along) if abs(dx) >= abs(dy) else (along, across)

    @staticmethod
    def _offset(thing: Thing, seen_from: Thing) -> tuple[float, float]:
        (x, y), (x0, y0) = thing.centre, seen_from.centre
        return x - x0, y - y0


def overlap(a: Box, b: Box) -> float:
    """The shared area of two boxes as a share of the smaller one's."""
    shared = max(0, _shared(a[0], a[2], b[0], b[2])) * max(0, _shared(a[1], a[3], b[1], b[3]))
    return shared / max(1, min(a[2] * a[3], b[2] * b[3]))


def _same(one: ImageObject, other: ImageObject) -> bool:
    if not may_be_same(one.name, other.name):
        return False
    a, b = one.box, other.box
    shared = max(0, _shared(a[0], a[2], b[0], b[2])) * max(0, _shared(a[1], a[3], b[1], b[3]))
    return shared >= SAME_BOX * (a[2] * a[3] + b[2] * b[3] - shared)


def _shared(start: float, length: float, other_start: float, other_length: float) -> float:
    return min(start + length, other_start + other_length) - max(start, other_start)


def _thing(objects: list[ImageObject], dressed: bool) -> Thing:
    unsure = dressed and head(objects[0].name) in PERSONS
    words = [word for o in objects for word in o.attributes if not (unsure and word in COLOUR_WORDS)]
    colours = tuple(dict.fromkeys(COLOUR_WORDS[word] for word in words if word in COLOUR_WORDS))
    materials = tuple(dict.fromkeys(MATERIAL_WORDS[word] for word in words if word in MATERIAL_WORDS))
    return Thing(objects[0].name, objects[0].box, colours, materials, frozenset(o.object_id for o in objects))


def _animate(thing: Thing) -> bool:
    return head(thing.name) in ANIMATE


def _act(predicate: str) -> str:
    act = ACT_WORDS.get(predicate, predicate)
    return act if act.split()[:1] and act.split()[0].endswith("ing") else ""


def _quotes(regions: tuple[Region, ...]) -> Iterator[str]:
    for region in regions:
        if _SAYS.search(region.phrase):
            yield from (quote.strip(" .,") for quote in _QUOTED.findall(region.phrase))
