"""What a fact is worth for a question of a type: new, rare, large and to the point is worth most."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from math import log, sqrt
from typing import NamedTuple

from ..facts.vocabulary import ANIMATE, COLOUR_WORDS, MATERIAL_WORDS
from ..facts.words import head
from ..picturebook.truth import NUMBERS
from ..records import ImageObject, ImageRecord

# How much later facts of a section count: the n-th best of a section is worth 1 / (1 + n / HALF) of itself.
HALF = 12
ALIKE = 0.7  # phrases that share this much of their words say nothing new

_WORD = re.compile(r"[a-z0-9]+")
_STOP = frozenset(("a", "an", "the", "is", "are", "of", "in", "on", "at", "it", "its", "with", "and", "to",
                   "has", "have", "that", "this", "there", "his", "her"))
_PLACE_WORDS = r"left|right|top|bottom|corner|middle|center|centre|upper|lower|front|background|foreground"
_NEAR_WORDS = (r"left|right|above|below|under|over|behind|beside|next|near|between|against|front|top|inside|"
               r"outside|on|in|along|around|across")
_NO_ACTS = "building|ceiling|railing|clothing|lighting|parking|paving|morning|evening|something|crossing"
_ACT = re.compile(
    rf"\b(?!(?:{_NO_ACTS})\b)[a-z]{{2,}}ing\b|\b(?:wears?|holds?|rides?|carries|sits?|stands?)\b"
)


class Weights(NamedTuple):
    """What the sections are worth to a question type, and the words that make a fact worth more."""

    objects: float = 1.0
    relations: float = 1.0
    descriptions: float = 1.0
    texts: float = 0.5
    captions: float = 2.0
    cue: re.Pattern[str] | None = None
    attributes: float = 0.2  # more for an object with attributes
    single: float = 0.2  # more for the only thing of its name
    several: float = 0.0  # more for things of a name that two to six have


def _words(*words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(words)})\b", re.IGNORECASE)


WEIGHTS = {
    "Scene Understanding": Weights(objects=1.2, captions=5, relations=0.5,
                                   cue=_words("sky", "street", "room", "field", "weather", "day", "night")),
    "Instance Identity": Weights(objects=1.5, relations=0.7),
    "Instance Attributes": Weights(objects=1.5, relations=0.5, attributes=1.0,
                                   cue=_words(*COLOUR_WORDS, *MATERIAL_WORDS, "made", "shaped?", "striped")),
    "Instance Location": Weights(objects=2, relations=0.7, single=0.8, cue=_words(_PLACE_WORDS)),
    "Instances Counting": Weights(objects=2.5, relations=0.4, several=1.5, single=0,
                                  cue=_words(*NUMBERS, "many", "several", "group", "pair", "row")),
    "Spatial Relation": Weights(objects=1.5, relations=1.5, single=0.8, cue=_words(_NEAR_WORDS)),
    "Instance Interaction": Weights(relations=2.5, descriptions=1.3, cue=_ACT),
    "Visual Reasoning": Weights(relations=1.2, descriptions=1.3, captions=4),
    "Text Understanding": Weights(objects=0.6, relations=0.4, texts=10,
                                  cue=re.compile(r"[\"'\u201c\u2018]\w|\b(?:says?|reads?|words?|letters?|text|"
                                                 r"sign|written|writing|logo|label|numbers?)\b",
                                                 re.IGNORECASE)),
}


class Weigher:
    """Weighs the facts of one image for one question type; types of other benchmarks weigh all alike."""

    def __init__(self, record: ImageRecord, question_type: str):
        self._record, self._weights = record, WEIGHTS.get(question_type, Weights())

    def objects(self, objects: Sequence[ImageObject]) -> list[float]:
        """The worth of each object: large, described, the only one of its name or one of a countable few."""
        names, area = Counter(o.name for o in objects), self._record.width * self._record.height
        seen: Counter[str] = Counter()
        found = []
        for o in objects:
            seen[o.name] += 1
            n, few = names[o.name], 2 <= names[o.name] <= len(NUMBERS)
            worth = 0.4 + 0.4 * sqrt(min(1.0, max(0, o.box[2]) * max(0, o.box[3]) / max(1, area)))
            worth += bool(o.attributes) * self._weights.attributes + (n == 1) * self._weights.single
            worth += few * self._weights.several
            together = few and self._weights.several  # to be counted, all of a name stay together
            found.append(worth if together else worth / sqrt(seen[o.name]))
        return self._by_rank(found, self._weights.objects)

    def relations(self, said: Sequence[tuple[str, str, str]]) -> list[float]:
        """The worth of each (subject, predicate, object): rare predicates, acts of people and animals."""
        predicates, seen = Counter(predicate for _, predicate, _ in said), set()
        found = []
        for text in said:
            subject, predicate, _ = text
            rare = 1 / sqrt(predicates[predicate])
            acts = predicate.split(" ")[0].endswith("ing") and head(subject) in ANIMATE
            worth = 0.4 + 0.4 * rare + 0.4 * acts + self._cued(" ".join(text))
            found.append(0.0 if text in seen else worth)
            seen.add(text)
        return self._by_rank(found, self._weights.relations)

    def phrases(self, phrases: Sequence[str]) -> list[float]:
        """The worth of each region phrase: rare words, and words to the point; what others say is worth less.
        """
        bags = [_content_words(phrase) for phrase in phrases]
        within = Counter(word for bag in bags for word in bag)
        rare = [_rarity((within[word] for word in bag), len(bags)) for bag in bags]
        own = [0.3 + 0.5 * r + self._cued(phrase) for r, phrase in zip(rare, phrases, strict=True)]
        return self._by_rank(list(_discounted(own, bags)), self._weights.descriptions)

    def texts(self) -> list[float]:
        """The worth of each recognised text: the larger the more; a single sign says little."""
        seen: set[str] = set()
        found = []
        for read in self._record.texts:
            key = read.text.casefold().strip()
            size = sqrt(max(0, read.box[3]) / max(1, self._record.height))
            found.append(0.0 if key in seen or not key else 0.3 + 0.4 * min(1, size) + 0.3 * (len(key) > 1))
            seen.add(key)
        return self._by_rank(found, self._weights.texts)

    def captions(self) -> list[float]:
        """Captions say what matters most in an image: the first is worth most, a repeated one nothing."""
        captions = [caption.casefold().strip() for caption in self._record.captions]
        found = [0.0 if c in captions[:n] or not c else 1.0 for n, c in enumerate(captions)]
        return self._by_rank(found, self._weights.captions)

    def _cued(self, text: str) -> float:
        cue = self._weights.cue
        return 1.0 if cue and cue.search(text.casefold()) else 0.0

    @staticmethod
    def _by_rank(worth: Sequence[float], weight: float) -> list[float]:
        order = sorted(range(len(worth)), key=lambda n: -worth[n])
        ranks = {n: rank for rank, n in enumerate(order)}
        return [weight * value / (1 + ranks[n] / HALF) for n, value in enumerate(worth)]


def _content_words(text: str) -> frozenset[str]:
    return frozenset(head(word) for word in _WORD.findall(text.casefold()) if word not in _STOP)


def _rarity(counts: Iterable[int], n: int) -> float:
    """How rare (0..1) the three rarest words of a phrase are among n phrases."""
    rarest = sorted(counts)[:3]
    return sum(log((n + 1) / count) for count in rarest) / (3 * log(n + 1)) if rarest else 0.0


def _discounted(worth: Sequence[float], bags: Sequence[frozenset[str]]) -> Iterator[float]:
    """The worth of phrases in their order; one that says what a worthier one says is worth a tenth, the same
    again nothing.
    """
    said: set[frozenset[str]] = set()
    places: dict[str, list[int]] = defaultdict(list)  # of the worthier phrases that have a word
    share: dict[int, float] = {}
    for n in sorted(range(len(worth)), key=lambda n: -worth[n]):
        bag = bags[n]
        if bag in said:
            share[n] = 0.0
            continue
        said.add(bag)
        common = Counter(place for word in bag for place in places[word])
        share[n] = 0.1 if any(_alike(len(bag), len(bags[m]), k) for m, k in common.items()) else 1.0
        if share[n] == 1.0:
            for word in bag:
                places[word].append(n)
    return (worth[n] * share[n] for n in range(len(worth)))


def _alike(n: int, m: int, common: int) -> bool:
    """Whether phrases of `n` and `m` words with so many in common say the same, or all of the first is in the
    second.
    """
    return common == n or common >= ALIKE * (n + m - common)
