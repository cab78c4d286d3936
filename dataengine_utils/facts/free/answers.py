"""Answers as people write them, read as the values that annotations know: numbers, colours, places, acts."""

import re
from functools import lru_cache

from ...picturebook.world import POSITIONS
from ..vocabulary import (
    ACT_WORDS,
    COLOUR_WORDS,
    GROUPS,
    MATERIAL_WORDS,
    PLACES,
    SHADES_OF,
    SKY_WORDS,
)
from ..words import head, word_set
from .phrases import read_number

_WORDS = re.compile(r"[a-z0-9]+")
# Words of answers that change nothing about the value: "It is on the left side of the picture."
_FILLERS = word_set("""
    the a an it is are was were there in on at of to this that picture image photo photograph scene side part
    corner area section portion third region half edge hand and they he she mostly mainly very only just
    exactly color colour colored coloured made from be shows show
""")
_UP_DOWN = {"top": "top", "upper": "top", "bottom": "bottom", "lower": "bottom"}
_MIDDLE = frozenset(("middle", "center", "centre", "central", "centrally"))
_SIDES = {"left": "left", "right": "right", "lefthand": "left", "righthand": "right"}
DIRECTION_WORDS = {"left": "left", "right": "right", "above": "above", "over": "above", "below": "below",
                   "under": "below", "underneath": "below", "beneath": "below"}
OPPOSITE = {"left": "right", "right": "left", "above": "below", "below": "above"}
_UNSURE = word_set("""
    more less least most about around several many some few over or approximately nearly almost fewer than
""")
_SHADES = frozenset(("dark", "light", "bright", "pale", "deep"))


def words_of(text: str) -> list[str]:
    """The lower-case words and numbers of a text."""
    return _WORDS.findall(text.lower())


@lru_cache(maxsize=8192)
def read_count(text: str) -> int | None:
    """The one number an answer tells: "2", "Two dogs.", "A pair"; None for "more than ten"."""
    words = words_of(text)
    if _UNSURE.intersection(words):
        return None
    if words in (["none"], ["no"]):
        return 0
    found = [n for n in map(read_number, words) if n is not None]
    found = found or [n for word, n in GROUPS.items() if word in words]
    return found[0] if len(found) == 1 else None


@lru_cache(maxsize=8192)
def read_colours(text: str) -> tuple[str, ...]:
    """The colours an answer names; none where other words could change them ("reddish", "red stripes")."""
    words = [SHADES_OF.get(word, word) for word in words_of(text) if word not in _FILLERS | _SHADES]
    if not words or any(word not in COLOUR_WORDS for word in words):
        return ()
    return tuple(dict.fromkeys(COLOUR_WORDS[word] for word in words))


@lru_cache(maxsize=8192)
def read_material(text: str) -> str:
    """The one material an answer names, or ""."""
    words = [form for word in words_of(text) for form in (word, head(word))]
    found = {MATERIAL_WORDS[word] for word in words if word in MATERIAL_WORDS}
    return found.pop() if len(found) == 1 else ""


@lru_cache(maxsize=8192)
def read_position(text: str) -> str:
    """The part of the picture (of `POSITIONS`) that an answer names, or ""; "left" alone may be the whole
    side.
    """
    words = [word for word in words_of(text.replace("-", " ")) if word not in _FILLERS]
    rows = [_UP_DOWN[word] for word in words if word in _UP_DOWN]
    sides = [_SIDES[word] for word in words if word in _SIDES]
    middle = [word for word in words if word in _MIDDLE]
    if not words or len(rows) > 1 or len(sides) > 1 or len(rows) + len(sides) + len(middle) < len(words):
        return ""
    named = " ".join((*rows, *sides)) or "middle"
    return named if named in POSITIONS else ""


@lru_cache(maxsize=8192)
def read_place(text: str) -> str:
    """The one place an answer names ("At the beach", "In an office"), or ""; "on sand" names none."""
    said = f" {' '.join(words_of(text))} "
    found = {place for place in PLACES if f" {place} " in said}
    return found.pop() if len(found) == 1 else ""


@lru_cache(maxsize=8192)
def read_sky(text: str) -> frozenset[str]:
    """The words for the weather that an answer says; none where it says anything else."""
    words = set(words_of(text)) - _FILLERS - {"weather", "sky", "skies", "day", "outside", "time", "be"}
    return frozenset(words) if words and words <= SKY_WORDS.keys() else frozenset()


@lru_cache(maxsize=8192)
def read_text(text: str) -> str:
    """The letters and numbers that an answer quotes: 'The word "STOP"' is "stop", as is "It says STOP"."""
    quoted = re.findall(r"[\"“‘']([^\"“”‘’']+)[\"”’'](?!\w)", text)
    said = quoted[0] if len(quoted) == 1 else re.sub(
        r"^(?:(?:the|a) )?(?:(?:words?|texts?|letters|message) |(?:it|sign|they) (?:says?|reads?) )+", "",
        text.lower())
    return "".join(words_of(said))


@lru_cache(maxsize=8192)
def read_act(text: str) -> tuple[str, ...]:
    """The words of the act an answer tells, its verb as in "riding" first, then what follows it; () for none.
    """
    words = words_of(text)
    for n, word in enumerate(words):
        pair = " ".join(words[n: n + 2])
        if pair in ACT_WORDS:
            return (*ACT_WORDS[pair].split(), *words[n + 2:])
        if word in ACT_WORDS:
            return (*ACT_WORDS[word].split(), *words[n + 1:])
        if word.endswith("ing") and len(word) > 4:
            return tuple(words[n:])
    return ()


@lru_cache(maxsize=8192)
def read_yes(text: str) -> bool | None:
    """Whether an answer says no more than yes or no; None for all others."""
    words = words_of(text)
    if words[:1] not in (["yes"], ["no"]) or len(words) > 5:
        return None
    return words[0] == "yes"


def without_fillers(text: str) -> list[str]:
    """The words of an answer that say something."""
    return [word for word in words_of(text) if word not in _FILLERS]
