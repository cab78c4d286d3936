"""How the VQA family compares answers: normalised texts, and agreement with what ten people said.

The rules are those of the VQA evaluation (GT-Vision-Lab/VQA, PythonEvaluationTools/vqaEvaluation/vqaEval.py)
and of the scorers made from it: MiniGPT-v2's for OK-VQA, the VizWiz API, LLaVA-1.5's `EvalAIAnswerProcessor`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from ..records import Prediction, Question
from .official import Official
from .scoring import Judge, Verdict, credit

PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
ARTICLES = frozenset({"a", "an", "the"})
NUMBERS = {
    "none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6",
    "seven": "7", "eight": "8", "nine": "9", "ten": "10",
}
DOTS = 32  # the scorers pass re.UNICODE (32) where `re.sub` takes the count
ENOUGH = 3  # people who must agree with an answer for full credit
REMEMBERED = 1 << 17  # texts a normaliser keeps

_CONTRACTED = (
    "ain't", "aren't", "can't", "could've", "couldn't", "couldn't've", "didn't", "doesn't", "don't",
    "hadn't", "hadn't've", "hasn't", "haven't", "he'd", "he'd've", "he's", "how'd", "how'll", "how's",
    "isn't", "it'd", "it'd've", "it'll", "ma'am", "might've", "mightn't", "mightn't've", "must've",
    "mustn't", "needn't", "not've", "o'clock", "oughtn't", "'ow's'at", "shan't", "she'd've", "should've",
    "shouldn't", "shouldn't've", "somebody'd've", "somebody'll", "somebody's", "someone'd", "someone'd've",
    "someone'll", "someone's", "something'd", "something'd've", "something'll", "that's", "there'd",
    "there'd've", "there're", "there's", "they'd", "they'd've", "they'll", "they're", "they've", "'twas",
    "wasn't", "we'd've", "we've", "weren't", "what'll", "what're", "what's", "what've", "when's", "where'd",
    "where's", "where've", "who'd", "who'd've", "who'll", "who's", "who've", "why'll", "why're", "why's",
    "won't", "would've", "wouldn't", "wouldn't've", "y'all", "y'all'd've", "y'all'll", "you'd", "you'd've",
    "you'll", "you're", "you've",
)


def _one_left_out(words: Sequence[str], apostrophe: str) -> dict[str, str]:
    """Contracted words by what is left of them when any one apostrophe is forgotten."""
    return {
        word[:at] + word[at + 1 :]: word
        for word in words
        for at, sign in enumerate(word)
        if sign == apostrophe
    }


# The scorers' maps also have "Im", "Ive" and "Id've", which lower-cased words never match.
CONTRACTIONS = {**_one_left_out(_CONTRACTED, "'"), "somebody'd": "somebodyd"}


def _curly_contractions() -> dict[str, str]:
    """The VizWiz API's map: its apostrophes are U+2019 but for some words and two keys."""
    curly = {word: word.replace("'", "\u2019") for word in _CONTRACTED}
    table = _one_left_out(list(curly.values()), "\u2019")
    straight = ("ain't", "aren't", "can't", "could've", "couldn't", "we've", "where's", "who've")
    for word in ("couldn't've", "hadn't've"):
        del table[word.replace("'ve", "ve").replace("'", "\u2019")]
        table[word.replace("'ve", "ve")] = curly[word]
    table.update(_one_left_out(straight, "'"))
    return {**table, "somebody\u2019d": "somebodyd"}


class Stages(NamedTuple):
    """A text on its way: spaces stripped; then without punctuation; then articles, numbers, contractions."""

    stripped: str
    bare: str
    final: str


class _Remembered(dict[str, Stages]):
    """The stages of the texts met; when there are too many, all are forgotten.

    Most answers are among a few common ones: looking them up is what scoring costs, and `lru_cache`, which
    keeps count of their use, is slower at it.
    """

    def __init__(self, make: Callable[[str], Stages]):
        super().__init__()
        self._make = make

    def __missing__(self, text: str) -> Stages:
        if len(self) >= REMEMBERED:
            self.clear()
        stages = self[text] = self._make(text)
        return stages


class Normaliser:
    """The VQA scorer's normalisation; texts are remembered.

    `contractions` is applied last, word by word; `digit` is the pattern of a digit. A sign of `PUNCTUATION`
    becomes a space, but nothing when it stands beside a space somewhere or the text has digit,digit. A dot
    goes unless a digit follows (the scorer's pattern means to spare "5." too, but has a slip of the pen).
    """

    def __init__(self, contractions: Mapping[str, str], digit: str = r"\d"):
        self._contractions = contractions
        self._grouped = re.compile(f"{digit},{digit}")
        self._dot = re.compile(rf"\.(?!{digit})")
        self.stages = _Remembered(self._stages).__getitem__

    def __call__(self, text: str) -> str:
        """The normalised text."""
        return self.stages(text).final

    def _stages(self, text: str) -> Stages:
        stripped = text.replace("\n", " ").replace("\t", " ").strip()
        bare = self._without_punctuation(stripped)
        return Stages(stripped, bare, self._plain_words(bare))

    def _without_punctuation(self, text: str) -> str:
        bare, grouped = text, self._grouped.search(text)
        for sign in PUNCTUATION:
            if sign in text:
                deleted = grouped or f"{sign} " in text or f" {sign}" in text
                bare = bare.replace(sign, "" if deleted else " ")
        return self._dot.sub("", bare, count=DOTS)

    def _plain_words(self, text: str) -> str:
        words = (NUMBERS.get(word, word) for word in text.lower().split())
        return " ".join(self._contractions.get(word, word) for word in words if word not in ARTICLES)


GT_VISION_LAB = Normaliser(CONTRACTIONS, digit="[0-9]")  # it is Python 2, where other scripts have no digits
PYTHON3 = Normaliser(CONTRACTIONS)  # LLaVA's and MiniGPT-v2's copies of it
VIZWIZ_API = Normaliser(_curly_contractions())


@lru_cache(maxsize=REMEMBERED)
def llava_submission(reply: str) -> str:
    """The text that LLaVA-1.5 uploads for a reply (llava/eval/m4c_evaluator.py, EvalAIAnswerProcessor)."""
    return PYTHON3(reply.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip())


def minigpt4_submission(reply: str) -> str:
    """The text that MiniGPT-v2's evaluation hands to the OK-VQA scorer for a reply."""
    return reply.lower().replace("<unk>", "").strip()


def added(values: Sequence[float]) -> float:
    """The sum by plain addition in order, as the official loops do.

    Python's own corrects rounding since 3.12, which can move a tie of the rounded scores.
    """
    total = 0.0
    for value in values:
        total += value
    return total


@lru_cache(maxsize=REMEMBERED)
def leave_one_out(matches: tuple[bool, ...], marks: tuple[int, ...] = ()) -> float:
    """The credit (0..1) when people `matches`: the mean over everyone of min(1, matches of the others / 3).

    A person's others are all records that differ from his own. `marks` are equal where records differ in
    nothing but the answer (VizWiz's have no answer_id): equal answers then leave together. Without marks
    everyone is alone.
    """
    agreeing = sum(matches)
    shares = []
    for match, mark in zip(matches, marks or range(len(matches)), strict=True):
        twins = sum(m for m, other in zip(matches, marks, strict=True) if other == mark) if marks else 1
        shares.append(min(1.0, (agreeing - twins * match) / ENOUGH))
    return added(shares) / len(shares)


@lru_cache(maxsize=REMEMBERED)
def all_together(matches: tuple[bool, ...]) -> float:
    """The credit (0..1) when people `matches`, without leaving anyone out: min(1, matches / 3) for each."""
    return added([min(1.0, sum(matches) / ENOUGH)] * len(matches)) / len(matches)


def vqa_verdict(
    reply: str,
    answers: Sequence[str],
    marks: Sequence[int] = (),
    *,
    normaliser: Normaliser,
    fold: bool = False,
    raw: str = "",
) -> Verdict:
    """The VQA scorer's verdict on a reply, or on what is submitted for the reply `raw`.

    Only where the answers differ are both sides normalised: with ten times "yes", "Yes" and "yes." are
    wrong, unless `fold` compares in lower case. `marks`: see `leave_one_out`.
    """
    said, sides = normaliser.stages(reply), list(map(normaliser.stages, answers))
    if sides.count(sides[0]) == len(sides):
        read, wanted = said.stripped, sides[0].stripped
        match = read.lower() == wanted.lower() if fold else read == wanted
        matches = (match,) * len(sides)
    else:
        read = said.final
        matches = tuple([side.final == read for side in sides])
    return verdict(raw or reply, read, leave_one_out(matches, tuple(marks)))


def verdict(reply: str, read: str, share: float) -> Verdict:
    """The verdict on a reply of which `read` was compared: a reply such as "a" can earn its credit as ""."""
    return Verdict(read or (reply.strip() if share else ""), share)


def accuracy_tables(credits: Sequence[float], **labels: Sequence[str]) -> Official:
    """{"summary": {"accuracy"}, table: {label: {"accuracy", "n"}}}, a table for each kind of `labels`.

    Accuracies are in per cent and not rounded (None of no item); items without a label are in no row.
    """
    tables: dict[str, Any] = {"summary": {"accuracy": _percent(credits) if credits else None}}
    for name, of_items in labels.items():
        rows: dict[str, list[float]] = {}
        for label, share in zip(of_items, credits, strict=True):
            if label:
                rows.setdefault(label, []).append(share)
        tables[name] = {label: {"accuracy": _percent(row), "n": len(row)} for label, row in rows.items()}
    return tables


def _percent(credits: Sequence[float]) -> float:
    return 100 * added(credits) / len(credits)


def round_away(value: float, digits: int = 2) -> float:
    """Rounded as Python 2 did, ties away from zero: what the official VQA code prints."""
    return float(Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


def credits_of(questions: Sequence[Question], predictions: Sequence[Prediction], judge: Judge) -> list[float]:
    """The credits of judged predictions; unparsed ones, such as missing ones, earn what the upload does."""
    return [
        judge(question, prediction.reply).credit if prediction.outcome == "unparsed" else credit(prediction)
        for question, prediction in zip(questions, predictions, strict=True)
    ]
