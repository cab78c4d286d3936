"""From replies to numbers: reading the chosen letter, three outcomes, and accuracy per question type with
intervals.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from ..errors import KitError, unknown_name
from ..records import LETTERS, Outcome, Prediction, Question
from ..stats import wilson

SPLITS = ("diagnose", "sealed", "all")

_BARE = re.compile(r"\(?([A-Za-z])\)?[.):,]?")
_LEADING = re.compile(r"(?:\(([A-Z])\)|([A-Z])[.):])\s")
_EITHER = re.compile(r"\b[A-Z],?\s+(?:or|and)\s+\(?[A-Z]\b")
_STATED = re.compile(
    r"\b(?:answer|option|choice)\b\s*(?:is|:)?\s*(?:option\s+)?[\"'(*]*([A-Z])\b", re.IGNORECASE
)


def parse_choice(reply: str, options: Sequence[str]) -> str:
    """The letter of the option that a reply chooses, or "" when that is not certain.

    Read are a letter ("B", "b.", "(B)", "B. a cat", "The answer is B") and the text of an option, as the
    whole reply or as the only option named in it. The option's text goes before the letter where a reply
    could be both.
    """
    letters = LETTERS[: len(options)]
    text = reply.strip()
    whole = [
        letter
        for letter, option in zip(letters, options, strict=False)
        if normalise(option) == normalise(text)
    ]
    if whole:
        return whole[0] if len(whole) == 1 else ""
    letter = _letter(text)
    if letter:
        return letter if letter in letters else ""
    return _named_option(text, options)


def normalise(text: str) -> str:
    """Lower case, single spaces, no quotes and no full stop at the end: what does not count when texts are
    compared.
    """
    return " ".join(
        text.lower().replace('"', " ").replace("\u201c", " ").replace("\u201d", " ").split()
    ).strip(" .")


def outcome(question: Question, choice: str, reply: str) -> Outcome:
    """Whether an answer is right. Without options the reply's text must equal the answer; "" is unparsed."""
    if question.options:
        given, wanted = choice, question.choice
    else:
        given, wanted = normalise(reply), normalise(question.answer)
    if not given:
        return "unparsed"
    return "right" if given == wanted else "wrong"


def score(questions: Sequence[Question], predictions: Sequence[Prediction]) -> dict[str, Any]:
    """Metrics of a set of questions: `{"overall": row, "types": {question_type: row}}`, types in order of
    appearance.

    A row has the counts `n`, `right`, `wrong`, `unparsed`, and the shares (0..1) `accuracy`, `low`, `high`
    (Wilson, 95 %). A question without a prediction counts as unparsed. An id that is there twice, or a
    prediction for a question that was not asked, raises `KitError`.
    """
    asked = _by_id([question.id for question in questions], questions, "question")
    given = _by_id([prediction.question_id for prediction in predictions], predictions, "prediction")
    strangers = [name for name in given if name not in asked]
    if strangers:
        raise KitError(
            f"{len(strangers)} predictions answer no question of this set, such as {strangers[0]!r}; "
            "score them with the benchmark and split that they were made for"
        )
    outcomes: dict[str, list[Outcome]] = defaultdict(list)
    for name, question in asked.items():
        found = given.get(name)
        outcomes[question.question_type].append(
            outcome(question, found.choice, found.reply) if found else "unparsed"
        )
    everything = [one for of_type in outcomes.values() for one in of_type]
    return {"overall": _row(everything), "types": {name: _row(of_type) for name, of_type in outcomes.items()}}


def pick_split(split: str, parts: dict[str, list[Question]]) -> list[Question]:
    """The questions of a split out of {"diagnose": ..., "sealed": ...}; "all" is one after the other."""
    if split not in SPLITS:
        raise unknown_name("split", split, SPLITS)
    return parts["diagnose"] + parts["sealed"] if split == "all" else parts[split]


def _letter(text: str) -> str:
    found = _BARE.fullmatch(text) or _LEADING.match(text)
    if found:
        return next(group for group in found.groups() if group).upper()
    if _EITHER.search(text):
        return ""
    stated = {letter.upper() for letter in _STATED.findall(text) if letter.isupper()}
    return stated.pop() if len(stated) == 1 else ""


def _named_option(text: str, options: Sequence[str]) -> str:
    """The one option whose text is in the reply; an option within a longer named one ("left", "top left")
    gives way.
    """
    said = f" {re.sub(r'[^0-9a-z]+', ' ', text.lower())} "
    plain = [f" {re.sub(r'[^0-9a-z]+', ' ', option.lower()).strip()} " for option in options]
    named = []
    for position in sorted(range(len(plain)), key=lambda i: -len(plain[i])):
        if plain[position].strip() and plain[position] in said:
            said = said.replace(plain[position], " | ")
            named.append(position)
    return LETTERS[named[0]] if len(named) == 1 else ""


def _by_id(ids: list[str], items: Iterable[Any], what: str) -> dict[str, Any]:
    twice = [name for name, n in Counter(ids).items() if n > 1]
    if twice:
        raise KitError(f"{what} id {twice[0]!r} is there twice ({len(twice)} such ids); ids must be unique")
    return dict(zip(ids, items, strict=True))


def _row(outcomes: list[Outcome]) -> dict[str, Any]:
    n, right = len(outcomes), outcomes.count("right")
    low, high = wilson(right, n)
    return {"n": n, "right": right, "wrong": outcomes.count("wrong"), "unparsed": outcomes.count("unparsed"),
            "accuracy": right / n if n else 0.0, "low": low, "high": high}
