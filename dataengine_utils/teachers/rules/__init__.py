"""A teacher that needs no model, key or network: it writes from the annotations alone, by the rules of the
template.

It serves the embedded world and real Visual Genome alike. A rule that the template lacks is a rule it does
not keep: that is what makes versions of the template differ. Its reply states its facts, so that the
verification can judge it.
"""

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ...facts import View, is_clear, judge
from ...facts.words import may_be_same
from ...picturebook.world import COLOURS, KINDS, SETTINGS
from ...prompts import RULES
from ...records import LETTERS, ImageRecord
from ...verification import gives_away
from .. import Reply, Request
from .asks import ASKS, NAMING, Ask
from .wordings import question, sentence

ALL_RULES = frozenset(RULES)


class RuleTeacher:
    """Writes questions of SEED-Bench's nine types; the same query, template and `seed` give the same reply.
    """

    name = "rules"

    def __init__(self, seed: int = 0):
        self._seed = seed

    def can_write(self, record: ImageRecord, question_type: str) -> bool:
        """Whether a sound question of the type can be written, keeping all rules."""
        return _compose(View(record), question_type, ALL_RULES, random.Random(0)) is not None

    def replies(self, requests: Sequence[Request]) -> Iterator[Reply]:
        """One JSON reply a request, in order."""
        for request in requests:
            value = self._write(request)
            yield Reply(request.query.id, json.dumps(value, ensure_ascii=False))

    def _write(self, request: Request) -> dict[str, Any]:
        obeyed = frozenset(name for name, text in RULES.items() if text in request.template.rules)
        rng = random.Random(f"{self._seed}-{request.query.id}")
        view = View(request.record)
        composed = _compose(view, request.query.question_type, obeyed, rng)
        if composed is None:
            return {"skip": f"the facts do not allow a question of the type {request.query.question_type}"}
        ask, wrong = composed
        options = [ask.answer, *wrong]
        rng.shuffle(options)
        on_sign = ask.form == "word" and view.only("sign") is not None
        asked = (
            question(ask, rng, on_sign)
            if "no_giveaway" in obeyed
            else f"{sentence(ask)} {question(ask, rng, on_sign)}"
        )
        asked = asked if "no_sources" in obeyed else f"By the description: {asked}"
        return {
            "question": asked, "answer": sentence(ask) if "sentence" in obeyed else ask.answer,
            "short_answer": ask.answer, "options": options, "choice": LETTERS[options.index(ask.answer)],
            "facts": ask.facts,
        }


def _compose(view: View, question_type: str, obeyed: frozenset[str],
             rng: random.Random) -> tuple[Ask, list[str]] | None:
    """An ask of the type with its wrong options: the forms in random order, and within a form its asks."""
    wanted = 3 if "four_options" in obeyed else 2
    forms = list(ASKS.get(question_type, ()))
    rng.shuffle(forms)
    for form in forms:
        asks = [ask for ask in form(view) if _allowed(ask, obeyed)]
        rng.shuffle(asks)
        for ask in asks:
            wrong = _wrong_options(view, ask, obeyed, rng) if _sound(view, ask, obeyed) else []
            if len(wrong) == wanted:
                return ask, wrong
    return None


def _allowed(ask: Ask, obeyed: frozenset[str]) -> bool:
    return (ask.named_once or "named_once" not in obeyed) and (
        ask.clear_place or "clear_places" not in obeyed
    )


def _sound(view: View, ask: Ask, obeyed: frozenset[str]) -> bool:
    """With both rules about meaning kept, only what the annotations leave no doubt about is asked."""
    if not {"named_once", "clear_places"} <= obeyed:
        return True
    return is_clear(view, ask.facts) and judge(view, ask.facts, ask.answer) == "holds" and not gives_away(
        question(ask, random.Random(0)), ask.answer)


def _wrong_options(view: View, ask: Ask, obeyed: frozenset[str], rng: random.Random) -> list[str]:
    """Three wrong options, those most like the answer first; fewer if there are not as many."""
    pools: Iterable[Sequence[str]] = (
        (ask.near, ask.far) if "same_kind" in obeyed else ((*COLOURS, *KINDS, *SETTINGS),)
    )
    wrong: list[str] = []
    for pool in pools:
        candidates = [
            option for option in dict.fromkeys(pool) if option != ask.answer and option not in wrong
        ]
        rng.shuffle(candidates)
        for option in candidates:
            if len(wrong) == 3:
                break
            alike = ask.form in NAMING and any(may_be_same(option, other) for other in (ask.answer, *wrong))
            if not alike and (
                "false_options" not in obeyed or judge(view, ask.facts, option) == "contradicted"
            ):
                wrong.append(option)
    return wrong if "four_options" in obeyed else wrong[:2]
