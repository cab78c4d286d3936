"""The rule teacher made sloppy on purpose, by named flaws that the template's rules cure.

It is what the improvement of prompts is tried on: how good its samples are depends on the template alone.
"""

import json
import random
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from ...errors import unknown_name
from ...facts import View, is_clear, judge
from ...picturebook.truth import DIRECTIONS, NUMBERS
from ...picturebook.world import COLOURS, POSITIONS
from ...prompts import RULES
from ...records import LETTERS, ImageRecord
from .. import Reply, Request
from . import RuleTeacher

# Each flaw, with the rule (of `prompts.RULES`) that a template cures it by.
FLAWS = {
    "asks about things named twice": "named_once",
    "asks about doubtful places": "clear_places",
    "offers a second right option": "false_options",
    "marks a wrong answer": "check_answer",
    "names the wrong letter": "check_letter",
}
_TWICE, _DOUBTFUL, _SECOND, _WRONG, _LETTER = FLAWS
OFTEN = 0.4  # the share of replies that each of the last two strikes
CHOICE = 3  # questions that it writes of a query, to take one that is not clear


class SloppyTeacher:
    """The rule teacher with flaws: names of `FLAWS`, by default all of them.

    A flaw strikes while the template lacks its rule. The same query, template and `seed` give the same reply.
    """

    name = "sloppy rules"

    def __init__(self, seed: int = 0, flaws: Sequence[str] = tuple(FLAWS)):
        for flaw in flaws:
            if flaw not in FLAWS:
                raise unknown_name("flaw", flaw, list(FLAWS))
        self._seed, self._flaws = seed, frozenset(flaws)
        self._writers = [RuleTeacher(CHOICE * seed + n) for n in range(CHOICE)]

    def can_write(self, record: ImageRecord, question_type: str) -> bool:
        """Whether a sound question of the type can be written, keeping all rules."""
        return self._writers[0].can_write(record, question_type)

    def replies(self, requests: Sequence[Request]) -> Iterator[Reply]:
        """One JSON reply a request, in order."""
        for request in requests:
            flaws = {flaw for flaw in self._flaws if RULES[FLAWS[flaw]] not in request.template.rules}
            view, rng = View(request.record), random.Random(f"{self._seed}-{request.query.id}")
            value = self._write(request, view, flaws)
            if "skip" not in value:
                value = _spoilt(value, view, flaws, rng)
            yield Reply(request.query.id, json.dumps(value, ensure_ascii=False))

    def _write(self, request: Request, view: View, flaws: Collection[str]) -> dict[str, Any]:
        """A reply as the rule teacher writes it: one that is not clear, where there is one."""
        heedless = {RULES[FLAWS[flaw]] for flaw in (_TWICE, _DOUBTFUL) if flaw in flaws}
        if heedless:
            dropped = heedless | {RULES["false_options"]}  # which such a question could not keep
            rules = tuple(rule for rule in request.template.rules if rule not in dropped)
            lax = replace(request, template=replace(request.template, rules=rules))
            for value in _values(self._writers, lax):
                if value.get("facts") and not is_clear(view, value["facts"]):
                    return value
        return next(_values(self._writers, request))


def _values(writers: Iterable[RuleTeacher], request: Request) -> Iterator[dict[str, Any]]:
    return (json.loads(reply.text) for writer in writers for reply in writer.replies([request]))


def _spoilt(value: dict[str, Any], view: View, flaws: Collection[str], rng: random.Random) -> dict[str, Any]:
    slips, misses = rng.random() < OFTEN, rng.random() < OFTEN
    if _SECOND in flaws:
        value = _with_second_right(value, view, rng)
    if _WRONG in flaws and slips:
        value = _with_wrong_answer(value, rng)
    if _LETTER in flaws and misses:
        following = (LETTERS.index(value["choice"]) + 1) % len(value["options"])
        value = {**value, "choice": LETTERS[following]}
    return value


def _with_second_right(value: dict[str, Any], view: View, rng: random.Random) -> dict[str, Any]:
    """The reply with another true answer for a wrong option, where there is one."""
    facts, options = value["facts"], list(value["options"])
    others = (*view.names, *view.texts, *COLOURS, *POSITIONS, *DIRECTIONS, *NUMBERS)
    true = [option for option in dict.fromkeys(others)
            if option not in options and facts and judge(view, facts, option) == "holds"]
    if true:
        wrong = [n for n, letter in enumerate(LETTERS[: len(options)]) if letter != value["choice"]]
        options[rng.choice(wrong)] = true[0]
    return {**value, "options": options}


def _with_wrong_answer(value: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """The reply with a wrong option taken for the right one."""
    right = value["short_answer"]
    wrong = rng.choice([option for option in value["options"] if option != right])
    return {**value, "answer": value["answer"].replace(right, wrong), "short_answer": wrong,
            "choice": LETTERS[value["options"].index(wrong)]}
