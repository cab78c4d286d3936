"""Questions in free words, read as the forms that annotations can decide: what is asked, and of which things.

Only what is read whole is read at all: a question with words that no pattern knows has no reading.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from ..vocabulary import BEARERS, COLOUR_WORDS, COMMON_NOUNS, DEPICTS
from ..words import head, is_plural, plural
from .answers import DIRECTION_WORDS, OPPOSITE, read_position
from .clauses import clause, plain
from .open_questions import read_open
from .phrases import NOUNS_IN_ING, Phrase, read_phrase
from .wordings import PATTERNS


@dataclass(frozen=True)
class Reading:
    """What a question asks: the form, the things it names ("x" is asked about, "y" beside it), other words.

    `words` may hold "position", "direction", "colour", "act" or "relation", and "noun" for a question such as
    "Which animal ...?"; `whole` is false where the question may mean fewer things than its names do ("How
    many people are on the grass?").
    """

    form: str
    things: dict[str, Phrase] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    whole: bool = True

    @property
    def is_plain(self) -> bool:
        """Whether the question says no more than its form, its names and their colours."""
        return self.whole and not any(phrase.loose for phrase in self.things.values())


@lru_cache(maxsize=8192)
def read(question: str) -> Reading | None:
    """The reading of a question, or None where no pattern fits all of it, or it asks for what is not so."""
    text = plain(question)
    if _NEGATED.search(question.lower()):
        return None
    form = read_open(question.lower())
    if not form and _NOT_SHOWN.search(text):
        return None
    return Reading(form) if form else next(_readings(f" {clause(text)}"), None)


_NEGATED = re.compile(r"\b(?:not|no|none|never|nothing|without|except|least|absent|missing|lacking|ignoring|"
                      r"excluding|besides|apart|other than|instead)\b|n['’]t\b")
# What could, will or is meant to be so, and what is seen by somebody else, is not in the picture.
_NOT_SHOWN = re.compile(
    r"\b(?:could|might|would|should|may|will|shall)\b(?! (?:you|we|one|i|be (?:seen|found|spotted|described"
    r"|counted|"
    r"considered|identified|located|made out|the|an?)|(?:the )?(?:picture|weather|sky)|this be)\b)"
    r"|\b(?<!you )(?<!we )(?<!one )can (?!you\b|be\b|we\b|one\b)(?!.* be\b)"
    r"|\b(?:about|going|supposed|trying|wants?|needs?|likely) to\b|\b(?:point of view|perspective|viewpoint"
    r"|mirrored|"
    r"flipped|before|after|later|next(?! to\b)|tomorrow|yesterday)\b")


def _readings(text: str) -> Iterator[Reading]:
    for form, pattern in PATTERNS:
        found = pattern.fullmatch(text)
        reading = found and _filled(form, {k: v for k, v in found.groupdict().items() if v is not None})
        if reading:
            yield reading


def _filled(form: str, slots: dict[str, str]) -> Reading | None:
    """The reading of a pattern's slots; None where one of them is missing or not what it should be."""
    things: dict[str, Phrase] = {}
    words: dict[str, str] = {}
    for name, text in slots.items():
        if name in ("x", "y"):
            phrase = read_phrase(text)
            if phrase is None or not _suits(form, phrase):
                return None
            things[name] = phrase
        elif name == "opposite":
            words["direction"] = OPPOSITE.get(_direction(text), "")
        elif name != "rest":
            words[name] = _WORD_OF.get(name, str)(text)
    asked_for = _NEEDS.get(form, ())
    if not all(words.values()) or not {*things, *words}.issuperset(asked_for):
        return None
    return Reading(_SAME.get(form, form), things, words, whole=not slots.get("rest"))


# What the judge of a form looks up: a reading without it is none.
_NEEDS: dict[str, tuple[str, ...]] = {
    "kind_at": ("position",), "colour_at": ("position",), "colour_of": ("colour",),
    **dict.fromkeys(("colour", "material", "count", "position", "doing", "says", "open_word", "is_there"),
                    ("x",)),
    "is_colour": ("x", "colour"), "direction": ("x", "y"), "is_beside": ("x", "y", "direction"),
    "neighbour": ("y", "direction"), "beside": ("y", "relation"),
    "action": ("x", "y"), "acted_on": ("x", "act"), "actor": ("y", "act"), "is_acting": ("x", "y", "act"),
}
_SAME = {"says": "word"}


def _suits(form: str, phrase: Phrase) -> bool:
    """Whether a phrase can be what a form asks about."""
    if form == "count":
        return _is_countable(phrase)
    if form in ("says", "open_word"):
        return head(phrase.name) in BEARERS
    if form == "beside" and head(phrase.name) in DEPICTS:
        return False
    if _ends_in_a_verb(phrase.name):
        return False
    last = phrase.more.split()[-1:]
    return not last or not (last[0].endswith("ing") and last[0] not in NOUNS_IN_ING)


def _ends_in_a_verb(name: str) -> bool:
    """Whether a name may be a known noun with a word behind it that is none: "path lead", "dog different"."""
    *before, last = name.split()
    return last not in COMMON_NOUNS and head(last) not in COMMON_NOUNS and any(
        head(word) in COMMON_NOUNS for word in before)


def _is_countable(phrase: Phrase) -> bool:
    """Whether things are counted, not the number on a jersey or the amount of water."""
    return is_plural(phrase.name) or plural(phrase.name) == phrase.name


def _direction(text: str) -> str:
    return next((DIRECTION_WORDS[word] for word in text.split() if word in DIRECTION_WORDS), "")


_WORD_OF = {
    "position": read_position,
    "direction": _direction,
    "colour": lambda text: COLOUR_WORDS.get(text, ""),
}
