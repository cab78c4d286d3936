"""Names of things as people write them: "the man's red shirt", "a parked car", "two dogs", "Trees."."""

import re
from dataclasses import dataclass, field
from functools import lru_cache

from ..vocabulary import COLOUR_WORDS, VAGUE
from ..words import head, word_set

_DETERMINERS = word_set("""
    the a an this these those some any
""")
# What ends a name and begins what is said about the thing.
_BEHIND_NAME = word_set("""
    on in at of with near next behind under underneath above below beside between by to from over against
    inside outside along across around beneath through towards toward into onto off up down that which who
    whose where is are was were has have had can does do there here closest nearest farthest parked located
    placed positioned seated headed written printed pictured shown seen made held worn dressed attached
    mounted hanging standing sitting lying leaning wearing holding riding carrying walking looking facing
    playing eating using talking running flying driving pushing pulling crossing resting sleeping waiting
""")
# Nouns that end like acts.
NOUNS_IN_ING = word_set("""
    building ceiling railing clothing painting awning string spring wing ring king thing sling evening morning
    crossing wedding pudding lighting flooring covering icing dressing bedding sibling ping drawing siding
    parking dining living shopping swimming washing cutting frying sewing vending landing wiring
""")
_SHOWN = word_set("in the picture here there shown seen visible pictured depicted displayed present")
_JOINS = word_set("and or & plus nor but not no without than as")
# Words that no name of a thing has: the annotations cannot tell which things "other dogs" are, and a question
# or a sentence inside a name is none.
_UNRESOLVED = word_set("""
    another other others more most fewer less additional extra else remaining rest every each both all
    either neither several many few whatever what which who whom whose where when how that it he she they
    them him his her its their my your our we i us one about point if while because is are was were has
    have had does do did can could would should
""")
_LOOSE_WORDS = word_set("""
    big small large little tiny huge tall short long old young new main left right top bottom upper lower
    middle first second third last closest nearest front back same only whole single biggest smallest largest
    tallest dark light bright pale
""")
_NUMBERS = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen twenty
"""
NUMBER_WORDS = {word: n for n, word in enumerate(_NUMBERS.split())}
_NO_NAMES = VAGUE | word_set("""
    it he she they them him we you i who what which someone somebody anyone something anything everything
    nothing left right middle center centre read show shown say thing things objects items element elements
    kind kinds type types sort sorts color colour colors colours number image picture photo is are do does be
    being doing this that these those here there perspective viewpoint view viewer camera observer
""")
_SUPERLATIVE = re.compile(r"[a-z]{2,}(?:est|most)(?<!forest)(?<!chest)(?<!guest)(?<!harvest)")
_WORDS = re.compile(r"[a-z0-9][a-z0-9'-]*")


@dataclass(frozen=True)
class Phrase:
    """What names a thing: its kind in the words used, colours said of it, and whether more is said of it.

    `loose` phrases ("the car next to the tree") mean fewer things than their name does; `more` is what is
    said behind it.
    """

    name: str
    colours: tuple[str, ...] = ()
    loose: bool = False
    more: str = field(default="", compare=False)


@lru_cache(maxsize=8192)
def read_phrase(text: str) -> Phrase | None:
    """The phrase that names things of one kind; None for pronouns, numbers, lists, whole sentences, and for
    things that are told apart in ways that annotations do not know ("his hat", "the horse he is riding").
    """
    words = _WORDS.findall(re.sub(r"\s+", " ", text.lower().replace("’", "'")))
    if not words or _JOINS.intersection(words) or re.search(r"[,;:/~]", text):
        return None
    words, owned = _after_owner(words)
    before, behind = _split(words)
    name, colours, qualified = _unqualified(before)
    if any("'" in word for word in name):
        return None
    if not name or name[-1] in _NO_NAMES or not name[-1].isalpha() or len(name) > 3:
        return None
    if _UNRESOLVED.intersection((*before, *behind)) or _DETERMINERS.intersection(before):
        return None
    said_more = not _SHOWN.issuperset(behind)
    loose = said_more or owned or qualified
    return Phrase(" ".join(name).replace(" kan", " can"), colours, loose, " ".join(behind))


def same_name(said: str, annotated: str) -> bool:
    """Whether an annotated name is surely what is said: the same word, or one that says more of it."""
    if head(said) != head(annotated):
        return False
    return " " not in said or said.split()[:-1] == annotated.split()[:-1]


def read_number(word: str) -> int | None:
    """The number that a word or digits stand for (0 to 999)."""
    return int(word) if re.fullmatch(r"[0-9]{1,3}", word) else NUMBER_WORDS.get(word)


def _after_owner(words: list[str]) -> tuple[list[str], bool]:
    """The words behind the "man's" that they begin with, and whether there was one."""
    start = next((n for n, word in enumerate(words) if word not in _DETERMINERS), len(words))
    owner = next((n for n in range(start, len(words)) if words[n].endswith(("'s", "s'"))), len(words))
    if owner + 1 >= len(words) or any(_is_behind(word, first=False) for word in words[start:owner]):
        return words, False
    return words[owner + 1:], True


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """The words of the name with what stands before it, and what is said behind it."""
    start = next((n for n, word in enumerate(words) if word not in _DETERMINERS), len(words))
    end = next((n for n in range(start, len(words)) if _is_behind(words[n], first=n == start)), len(words))
    return words[start:end], words[end:]


def _is_behind(word: str, *, first: bool) -> bool:
    """Whether a word is no part of a name: "parked", "on", and acts behind the first word."""
    return word in _BEHIND_NAME or (not first and word.endswith("ing") and word not in NOUNS_IN_ING)


def _unqualified(words: list[str]) -> tuple[list[str], tuple[str, ...], bool]:
    """The name without colours and words such as "big" before it, the colours, and whether there were such
    words.
    """
    colours: list[str] = []
    qualified = False
    while len(words) > 1 and (words[0] in COLOUR_WORDS or words[0] in _LOOSE_WORDS
                              or _SUPERLATIVE.fullmatch(words[0]) or read_number(words[0]) is not None):
        if words[0] in COLOUR_WORDS:
            colours.append(COLOUR_WORDS[words[0]])
        else:
            qualified = True
        words = words[1:]
    return words, tuple(colours), qualified
