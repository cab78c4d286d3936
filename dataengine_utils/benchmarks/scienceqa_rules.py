"""How ScienceQA is scored: which option a reply chooses, and the tables that the field reports."""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from ..errors import unknown_name
from ..records import LETTERS
from .official import Official
from .rates import percent, rate_rows
from .scoring import Verdict

FIVE = LETTERS[:5]
_STATED = re.compile(r"The answer is ([A-Z]).")


def llava_letter(reply: str) -> str:
    """The letter that LLaVA's evaluation reads, or "" (its "FAILED"); it may be no option's.

    Read are a bare A to E, "B. ..." (a space must follow the dot), and "The answer is B" where that is said
    exactly once and one more character follows. Source: LLaVA llava/eval/eval_science_qa.py.
    """
    if reply in tuple(FIVE):
        return reply
    if reply[:1] in tuple(FIVE) and reply[1:3] == ". ":
        return reply[0]
    stated = _STATED.findall(reply)
    return stated[0] if len(stated) == 1 else ""


def lmms_letter(reply: str) -> str:
    """The letter that lmms-eval reads (tasks/scienceqa/utils.py): bare, large or small, or "B." and on."""
    if len(reply) == 1:
        return reply.upper()
    return reply[0] if reply[:1].isupper() and reply[1] == "." else ""


READERS: dict[str, Callable[[str], str]] = {"llava": llava_letter, "lmms": lmms_letter}


def choice_index(letter: str, n_choices: int) -> int:
    """The index of the option that a letter names; -1 for none of them."""
    return LETTERS.index(letter) if letter in tuple(LETTERS[:n_choices]) else -1


class Item(NamedTuple):
    """One judged question, as the tables count it."""

    right: bool
    has_image: bool
    has_hint: bool = False
    subject: str = ""
    grade: str = ""
    topic: str = ""


def _grades(first: int, last: int) -> frozenset[str]:
    return frozenset(f"grade{number}" for number in range(first, last + 1))


_LOW, _HIGH = _grades(1, 6), _grades(7, 12)

# The columns of the official table, by what a question must be to count in one.
CATEGORIES: dict[str, Callable[[Item], bool]] = {
    "NAT": lambda item: item.subject == "natural science",
    "SOC": lambda item: item.subject == "social science",
    "LAN": lambda item: item.subject == "language science",
    "TXT": lambda item: item.has_hint,
    "IMG": lambda item: item.has_image,
    "NO": lambda item: not item.has_hint and not item.has_image,
    "G1-6": lambda item: item.grade in _LOW,
    "G7-12": lambda item: item.grade in _HIGH,
    "avg": lambda item: True,
}


def sqa_scores(items: Iterable[Item]) -> Official:
    """Accuracies in per cent: total and IMG, the official categories, and topics; None where none counts.

    The categories are those of ScienceQA tools/evaluate_acc.py; a reply that could not be read is wrong
    there (the script for GPT-3 put a random choice in its place).
    """
    items = list(items)
    groups = {name: [item.right for item in items if fits(item)] for name, fits in CATEGORIES.items()}
    topics: dict[str, list[bool]] = {}
    for item in items:
        topics.setdefault(item.topic, []).append(item.right)
    return {
        "summary": {"total": percent(groups["avg"]), "IMG": percent(groups["IMG"])},
        "category": rate_rows(groups),
        "topic": rate_rows(topics),
    }


def sqa_verdict(reply: str, answer: str, n_choices: int, rule: str = "llava") -> Verdict:
    """A rule's verdict on a reply to a question with `n_choices` options; `answer` is the right letter."""
    if rule not in READERS:
        raise unknown_name("rule of scienceqa", rule, tuple(READERS))
    letter = READERS[rule](reply)
    read = letter if choice_index(letter, n_choices) >= 0 else ""
    return Verdict(read, float(bool(read) and read == answer))
