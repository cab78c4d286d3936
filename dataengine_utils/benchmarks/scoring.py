"""From replies to numbers: reading the chosen letter, three outcomes, and accuracy per question type with
intervals.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import fsum
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


@dataclass(frozen=True)
class Verdict:
    """What a scoring rule makes of one reply: what it `read` ("" when nothing), and the credit, 0 to 1."""

    read: str
    credit: float


Judge = Callable[[Question, str], Verdict]


def judge(question: Question, reply: str) -> Verdict:
    """The rule for questions of one's own: the option chosen, or without options the text, must be right."""
    if question.options:
        read, wanted = parse_choice(reply, question.options), question.choice
    else:
        read, wanted = normalise(reply), normalise(question.answer)
    return Verdict(read, float(bool(read) and read == wanted))


def predict(
    question: Question, reply: str, choice: str = "", scores: tuple[float, ...] = (), *, judge: Judge = judge
) -> Prediction:
    """The judged prediction of a raw reply; with `scores` the options were ranked, and `choice` decides.

    Right is what gets at least half the credit; a reply in which the rule reads nothing is unparsed.
    """
    verdict = Verdict(choice, float(choice == question.choice)) if scores else judge(question, reply)
    outcome: Outcome = "unparsed" if not verdict.read else "right" if verdict.credit >= 0.5 else "wrong"
    return Prediction(
        question.id, question.question_type, reply, verdict.read if question.options else "", outcome, scores,
        question.group, None if verdict.credit in (0.0, 1.0) else verdict.credit,
    )


def judged(
    questions: Sequence[Question], predictions: Sequence[Prediction], judge: Judge = judge
) -> list[Prediction]:
    """One prediction a question, in the questions' order, judged anew; without one a question is unparsed.

    An id that is there twice, or a prediction for a question that was not asked, raises `KitError`.
    """
    asked = _by_id([question.id for question in questions], questions, "question")
    given = _by_id([prediction.question_id for prediction in predictions], predictions, "prediction")
    strangers = [name for name in given if name not in asked]
    if strangers:
        raise KitError(
            f"{len(strangers)} predictions answer no question of this set, such as {strangers[0]!r}; "
            "score them with the benchmark and split that they were made for"
        )
    return [_judged(question, given.get(question.id), judge) for question in questions]


def _judged(question: Question, given: Prediction | None, judge: Judge) -> Prediction:
    if given is None:
        return unanswered(question)
    return predict(question, given.reply, given.choice, given.scores, judge=judge)


def unanswered(question: Question) -> Prediction:
    """What stands for a question without a reply: unparsed."""
    return Prediction(question.id, question.question_type, "", "", "unparsed", group=question.group)


def units(predictions: Iterable[Prediction]) -> list[Prediction]:
    """What counts as one: a group of predictions becomes its first that is not right, or its first.

    So a group is right only if all of it is (circular evaluation).
    """
    chosen: dict[str, Prediction] = {}
    for number, prediction in enumerate(predictions):
        key = prediction.group or f"\0{number}"
        if key not in chosen or (chosen[key].outcome == "right" and prediction.outcome != "right"):
            chosen[key] = prediction
    return list(chosen.values())


def credit(prediction: Prediction) -> float:
    """The credit of a prediction, 0 to 1."""
    return float(prediction.outcome == "right") if prediction.credit is None else prediction.credit


def score(
    questions: Sequence[Question], predictions: Sequence[Prediction], judge: Judge = judge
) -> dict[str, Any]:
    """Metrics of a set of questions: `tally` of the predictions as `judged` by a rule."""
    return tally(judged(questions, predictions, judge))


def tally(predictions: Sequence[Prediction]) -> dict[str, Any]:
    """`{"overall": row, "types": {question_type: row}}`, types in order of appearance.

    A row is what `rates` gives.
    """
    counted = units(predictions)
    by_type: dict[str, list[Prediction]] = defaultdict(list)
    for prediction in counted:
        by_type[prediction.question_type].append(prediction)
    return {"overall": rates(counted), "types": {name: rates(of_type) for name, of_type in by_type.items()}}


def rates(counted: Sequence[Prediction]) -> dict[str, Any]:
    """The counts `n`, `right`, `wrong`, `unparsed`, and the shares (0..1) `accuracy`, `low`, `high`.

    Accuracy is the mean credit, with its 95 % interval (Wilson; with partial credit on the safe side).
    """
    n, outcomes = len(counted), Counter(prediction.outcome for prediction in counted)
    credits = fsum(map(credit, counted))
    low, high = wilson(credits, n)
    return {"n": n, "right": outcomes["right"], "wrong": outcomes["wrong"], "unparsed": outcomes["unparsed"],
            "accuracy": credits / n if n else 0.0, "low": low, "high": high}


def pick_split(split: str, parts: dict[str, list[Question]]) -> list[Question]:
    """The questions of a split out of {"diagnose": ..., "sealed": ...}, "all" being both unless given.
    """
    if split not in SPLITS:
        raise unknown_name("split", split, SPLITS)
    return parts[split] if split in parts else parts["diagnose"] + parts["sealed"]


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
    found = dict(zip(ids, items, strict=True))
    if len(found) < len(ids):
        twice = [name for name, n in Counter(ids).items() if n > 1]
        raise KitError(f"{what} id {twice[0]!r} is there twice ({len(twice)} such ids); ids must be unique")
    return found
