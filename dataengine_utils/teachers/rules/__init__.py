"""A teacher that needs no model, key or network: it writes from the annotations alone, by the rules of the
template.

It serves the embedded world and real Visual Genome alike. A rule that the template lacks is a rule it does
not keep: that is what makes versions of the template differ. Its reply states its facts, so that the
verification can judge it.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ...facts import View, is_clear, judge
from ...facts.words import may_be_same
from ...picturebook.world import COLOURS, KINDS, SETTINGS
from ...prompts import RULES
from ...records import LETTERS, ImageRecord
from ...verification import gives_away
from .. import Reply, Request
from .asks import ASKS, NAMING, REAL_ASKS, Ask
from .wordings import (
    QUESTIONS,
    REAL_QUESTIONS,
    REAL_SIGN_QUESTIONS,
    SIGN_QUESTIONS,
    Wordings,
    question,
    sentence,
)

ALL_RULES = frozenset(RULES)

# Why an image cannot serve a type, where its annotations hold nothing that the type could be about.
MISSING = {
    "Scene Understanding": "neither the place nor the weather is told",
    "Instance Identity": "no thing is annotated that one could point at",
    "Instance Attributes": "no thing has one colour or material",
    "Instance Location": "no thing is annotated that one could point at",
    "Instances Counting": "no kind of thing is there two to six times",
    "Spatial Relation": "no two things of different kinds are annotated",
    "Instance Interaction": "no relation says what a person or an animal does with a thing",
    "Visual Reasoning": "nothing tells the weather, the place, a sound or a use",
    "Text Understanding": "no text is annotated or quoted, or none that could be asked for",
}


class Manner(NamedTuple):
    """What is asked about a kind of picture, and in which words."""

    asks: Mapping[str, Sequence[Callable[[View], Iterator[Ask]]]]
    questions: Wordings
    on_sign: tuple[str, ...]


REAL = Manner(REAL_ASKS, REAL_QUESTIONS, REAL_SIGN_QUESTIONS)
MANNERS = {"picturebook": Manner(ASKS, QUESTIONS, SIGN_QUESTIONS)}
"""The manner by the scheme of a picture's reference (see `images.SCHEMES`); of all others it is `REAL`."""


class RuleTeacher:
    """Writes questions of SEED-Bench's nine types; the same query, template and `seed` give the same reply.
    """

    name = "rules"

    def __init__(self, seed: int = 0):
        self._seed = seed

    def can_write(self, record: ImageRecord, question_type: str) -> bool:
        """Whether a sound question of the type can be written, keeping all rules."""
        return _Writer(record, ALL_RULES, random.Random(0)).compose(question_type) is not None

    def replies(self, requests: Sequence[Request]) -> Iterator[Reply]:
        """One JSON reply a request, in order."""
        for request in requests:
            obeyed = frozenset(name for name, text in RULES.items() if text in request.template.rules)
            rng = random.Random(f"{self._seed}-{request.query.id}")
            value = _Writer(request.record, obeyed, rng).write(request.query.question_type)
            yield Reply(request.query.id, json.dumps(value, ensure_ascii=False))


def supported_types(record: ImageRecord) -> dict[str, str]:
    """For each of the nine question types "" if a sound question can be written about an image, else why not.
    """
    writer = _Writer(record, ALL_RULES, random.Random(0))
    return {name: "" if writer.compose(name) else writer.reason(name) for name in ASKS}


class _Writer:
    """Writes about one image, keeping some of the template's rules."""

    def __init__(self, record: ImageRecord, obeyed: frozenset[str], rng: random.Random):
        self._view, self._obeyed, self._rng = View(record), obeyed, rng
        self._manner = MANNERS.get(record.image.partition(":")[0], REAL)

    def write(self, question_type: str) -> dict[str, Any]:
        """The value of a reply."""
        composed = self.compose(question_type)
        if composed is None:
            return {"skip": f"the facts do not allow a question of the type {question_type}"}
        ask, wrong = composed
        options = [ask.answer, *wrong]
        self._rng.shuffle(options)
        asked = self._question(ask, self._rng)
        asked = asked if "no_giveaway" in self._obeyed else f"{sentence(ask)} {asked}"
        asked = asked if "no_sources" in self._obeyed else f"By the description: {asked}"
        return {
            "question": asked, "answer": sentence(ask) if "sentence" in self._obeyed else ask.answer,
            "short_answer": ask.answer, "options": options, "choice": LETTERS[options.index(ask.answer)],
            "facts": ask.facts if ask.stated else {},
        }  # fmt: skip

    def compose(self, question_type: str) -> tuple[Ask, list[str]] | None:
        """An ask of the type with its wrong options: forms in random order, and within a form its asks."""
        wanted = 3 if "four_options" in self._obeyed else 2
        forms = list(self._manner.asks.get(question_type, ()))
        self._rng.shuffle(forms)
        for form in forms:
            asks = [ask for ask in form(self._view) if self._is_allowed(ask)]
            self._rng.shuffle(asks)
            for ask in asks:
                wrong = self._wrong_options(ask) if self._is_sound(ask) else []
                if len(wrong) == wanted:
                    return ask, wrong
        return None

    def reason(self, question_type: str) -> str:
        """Why there is no sound question of a type, by what is wrong with those that could be asked."""
        asks = [ask for form in self._manner.asks[question_type] for ask in form(self._view)]
        if not asks:
            return MISSING[question_type]
        faults = Counter(map(self._fault, asks)).most_common()
        told = "; ".join(f"in {n} {fault}" for fault, n in faults)
        return f"none of {len(asks)} possible questions is free of doubt: {told}"

    def _fault(self, ask: Ask) -> str:
        if not ask.named_once and ask.stated:
            return "the name fits several things"
        if not ask.clear_place:
            return "the boxes leave the place open"
        if not self._is_sound(ask):
            return "the annotations do not decide the answer"
        return "too few other options are surely wrong"

    def _question(self, ask: Ask, rng: random.Random) -> str:
        is_on_sign = ask.form == "word" and self._is_on_sign(ask.answer)
        return question(ask, self._manner.questions, rng, self._manner.on_sign if is_on_sign else ())

    def _is_on_sign(self, text: str) -> bool:
        """Whether the one sign carries the text; of real pictures, which show more signs, it must be told."""
        if self._view.only("sign") is None or self._manner is not REAL:
            return self._view.only("sign") is not None
        return any("sign" in phrase for phrase in self._view.phrases_about(text.lower()))

    def _is_allowed(self, ask: Ask) -> bool:
        return (ask.named_once or "named_once" not in self._obeyed) and (
            ask.clear_place or "clear_places" not in self._obeyed
        )

    def _is_sound(self, ask: Ask) -> bool:
        """With both rules about meaning kept, only what the annotations leave no doubt about is asked."""
        if not {"named_once", "clear_places"} <= self._obeyed:
            return True
        is_plain = is_clear(self._view, ask.facts) or not ask.stated
        return is_plain and judge(self._view, ask.facts, ask.answer) == "holds" and not gives_away(
            self._question(ask, random.Random(0)), ask.answer)

    def _wrong_options(self, ask: Ask) -> list[str]:
        """Three wrong options, those most like the answer first; fewer if there are not as many."""
        pools: Iterable[Sequence[str]] = (
            (ask.near, ask.far) if "same_kind" in self._obeyed else ((*COLOURS, *KINDS, *SETTINGS),)
        )
        wrong: list[str] = []
        for pool in pools:
            candidates = [
                option for option in dict.fromkeys(pool) if option != ask.answer and option not in wrong
            ]
            self._rng.shuffle(candidates)
            for option in candidates:
                if len(wrong) == 3:
                    break
                if self._is_wrong(ask, option, wrong):
                    wrong.append(option)
        return wrong if "four_options" in self._obeyed else wrong[:2]

    def _is_wrong(self, ask: Ask, option: str, wrong: Sequence[str]) -> bool:
        alike = ask.form in NAMING and any(may_be_same(option, other) for other in (ask.answer, *wrong))
        return not alike and (
            "false_options" not in self._obeyed or judge(self._view, ask.facts, option) == "contradicted"
        )
