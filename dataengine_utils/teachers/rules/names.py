"""What of real annotations can be asked about: things one would point at, and texts one would read out."""

import re
from difflib import SequenceMatcher

from ...facts import Thing
from ...facts.vocabulary import FAMILIES, STUFF
from ...facts.words import head
from ...picturebook.world import WORDS

# Parts of a body: they have a colour, but nobody asks in which corner a chin is.
BODY = frozenset(("face", "eye", "finger", "thumb", "neck", "mouth", "lip", "tooth", "tongue", "tail", "wing",
                  "fur", "skin", "knee", "elbow", "shoulder", "wrist", "ankle", "paw", "hoof", "eyebrow",
                  "mustache", "body", "forehead", "cheek", "back", "chest", "trunk", "mane", "horn", "beak",
                  *next(family for family in FAMILIES if "hair" in family)))  # fmt: skip

SIGN_WORDS = (*WORDS, "CLOSED", "ENTER", "YIELD", "HOTEL", "SCHOOL", "POLICE", "PIZZA", "MARKET", "PARKING",
              "AIRPORT", "OFFICE", "CENTER", "STATION", "HOSPITAL", "BAKERY", "MUSEUM")  # fmt: skip
SIGN_PHRASES = ("NO PARKING", "ONE WAY", "FOR SALE", "KEEP LEFT", "DEAD END", "DO NOT ENTER", "SPEED LIMIT",
                "BUS STOP", "ROAD WORK", "NO SMOKING", "FIRE EXIT", "MAIN STREET", "OPEN DAILY", "WET FLOOR",
                "PUSH TO OPEN", "ICE CREAM", "FIRST AID", "STAFF ONLY")  # fmt: skip

ALIKE = 0.7  # texts that share so much could be one misread for the other
_TIME = re.compile(r"(\d{1,2}):(\d\d)")
_TEXT = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .,:;'&!?%$€£#/()+-]{1,29}")


def is_pointed_at(thing: Thing) -> bool:
    """Whether somebody would ask where a thing is: not a part of a body, and nothing without an end."""
    return head(thing.name) not in BODY | STUFF and thing.name not in STUFF


def is_readable(text: str) -> bool:
    """Whether a text is one that a question could ask for: two to thirty Latin letters, digits and signs, a
    word or a number among them.
    """
    return bool(_TEXT.fullmatch(text) and re.search(r"[A-Za-z]{2}|\d{2}", text))


def texts_like(text: str) -> tuple[str, ...]:
    """Other texts of its kind and spelling: numbers for a number, signs' words for a word, phrases for a
    phrase.
    """
    if time := _TIME.fullmatch(text):
        others = [_later(int(time[1]), int(time[2]), shift) for shift in range(1, 10)]
    elif any(sign.isdigit() for sign in text):
        others = [_shifted(text, shift) for shift in range(1, 10)]
    else:
        spell = str.upper if text.isupper() else str.lower if text.islower() else str.title
        others = [spell(sign) for sign in (SIGN_PHRASES if " " in text else SIGN_WORDS)]
    return tuple(other for other in dict.fromkeys(others) if not could_be_misread(other, text))


def could_be_misread(one: str, other: str) -> bool:
    """Whether two texts without digits differ so little that one could be the other, misread."""
    one, other = one.lower(), other.lower()
    if any(sign.isdigit() for sign in one + other):
        return one == other
    return one in other or other in one or SequenceMatcher(None, one, other).ratio() >= ALIKE


def _later(hour: int, minute: int, shift: int) -> str:
    return f"{(hour + shift - 1) % 12 + 1}:{(minute + 7 * shift) % 60:02}"


def _shifted(text: str, shift: int) -> str:
    """The text with its digits changed, each by another amount; a number does not begin with a new 0."""
    digits = [n for n, sign in enumerate(text) if sign.isdigit()]
    signs = list(text)
    for place, n in enumerate(digits):
        changed = (int(text[n]) + shift * (place + 1) + place) % 10
        signs[n] = str(changed or 1) if place == 0 else str(changed)
    return "".join(signs)
