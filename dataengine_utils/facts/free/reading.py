"""Questions in free words, read as the forms that annotations can decide: what is asked, and of which things.

Only what is read whole is read at all: a question with words that no pattern knows has no reading.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from ..vocabulary import COLOUR_WORDS
from ..words import is_plural, plural
from .answers import DIRECTION_WORDS, read_position
from .phrases import Phrase, read_phrase
from .wordings import PATTERNS, SPELLINGS


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
    if re.search(r"\b(?:not|no|never|without|except|least|most|absent|missing)\b|n't\b", text):
        return None
    return next(_readings(text), None)


def plain(question: str) -> str:
    """A question in lower case and one spelling, without politeness and without "in the picture"."""
    text = re.sub(r"\s+", " ", question.lower().replace("’", "'")).strip(" ?.!\"")
    for pattern, put in SPELLINGS:
        text = pattern.sub(put, text)
    while True:
        shorter = _TAIL.sub("", _LEAD.sub("", text)).strip(" ,?.")
        if shorter == text:
            return text
        text = shorter


_PICTURE = r"(?:in|on|within|of|from|at|throughout) (?:the|this) picture"
_TAIL = re.compile(rf"(?:,? {_PICTURE}|,? among (?:these|the) (?:options|choices)| that you (?:can )?see"
                   r"| in total| altogether| overall| right now| today| here)$")
_LEAD = re.compile(rf"^(?:{_PICTURE},? |please |can you (?:tell(?: me)?|count) |tell me |so "
                   r"|(?:in total|altogether|overall), |(?:looking at|based on|according to) the picture,? )")


def _readings(text: str) -> Iterator[Reading]:
    for form, pattern in PATTERNS:
        found = pattern.fullmatch(text)
        reading = found and _filled(form, {k: v for k, v in found.groupdict().items() if v is not None})
        if reading:
            yield reading


def _filled(form: str, slots: dict[str, str]) -> Reading | None:
    """The reading of a pattern's slots; None where one of them is not what it should be."""
    things: dict[str, Phrase] = {}
    words: dict[str, str] = {}
    for name, text in slots.items():
        if name in ("x", "y"):
            phrase = read_phrase(text)
            if phrase is None or (form == "count" and not _is_countable(phrase)):
                return None
            things[name] = phrase
        elif name != "rest":
            words[name] = _WORD_OF.get(name, str)(text)
            if not words[name]:
                return None
    return Reading(form, things, words, whole=not slots.get("rest"))


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
