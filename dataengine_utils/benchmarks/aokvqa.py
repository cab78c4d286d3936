"""A-OKVQA: questions that need knowledge of the world, as multiple choice or to be answered directly."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import KitError
from ..inputs import read_list
from ..records import LETTERS, Prediction, Question
from . import hub
from .fields import picked, texts
from .official import About, Official, OfficialBenchmark, need_answers, unique_ids
from .rates import percent
from .scoring import Verdict, parse_choice

FILES = ("aokvqa_v1p0_val.json", "aokvqa_v1p0_test.json", "aokvqa_v1p0_train.json")
QUESTION_TYPE = "A-OKVQA"
_ITEM = "question_id, question, choices, image_id, split, and but for test correct_choice_idx, direct_answers"
_LETTER = re.compile(r"\(?([A-Z])[).:,]?")


@dataclass(frozen=True)
class _Item:
    """A question as the file has it; test has no answers, the hub copy a picture and maybe no image_id."""

    question_id: str
    question: str
    choices: tuple[str, ...]
    image_id: Any = None
    split: str = ""
    image: str | None = None
    correct_choice_idx: int | None = None
    direct_answers: Any = None
    difficult_direct_answer: bool = False


class AOKVQA(OfficialBenchmark):
    """A-OKVQA v1.0: val (1,145 questions), train or test, as "multiple_choice" or "direct_answer".

    The official scorer compares texts exactly. Multiple choice: the reply is the text of the right choice.
    Direct answer: a third of a point for each of the ten answers that it equals, at most one; difficult
    questions (70 of val) do not count, and are left out here. A missing reply is 0.

    Rule "official" takes replies as they are. Rule "mapped" first makes of a reply what that scorer expects.
    For multiple choice that is a choice's text: what equals a choice is that choice; a lone capital letter
    ("B", "B.", "(B)") is the choice of that letter; the rest is read by `scoring.parse_choice`. For direct
    answers it is lower case without outer spaces and full stops at the end. (The official mapping, by GloVe
    similarity, chooses for any reply; here what names no choice stays unparsed.) The questions have no types:
    all are "A-OKVQA" until `classify` gives them some.
    Where the hub copy has no image ids, each row's picture counts as one of its own when images are dealt.
    """

    name = "aokvqa"
    about = About(
        title="A-OKVQA",
        files="aokvqa_v1p0_val.json (or train, test)",
        where="https://github.com/allenai/aokvqa; pictures: COCO 2017",
        licence="Apache-2.0; pictures: COCO's terms",
        hub="HuggingFaceM4/A-OKVQA",
    )
    rules = ("mapped", "official")
    variants = ("multiple_choice", "direct_answer")

    def read(self) -> Iterator[Question]:
        """All questions that count; pictures are `<split>2017/<image_id, 12 digits>.jpg`."""
        asked = unique_ids(aokvqa_question(item, where, self.variant) for where, item in self._items())
        return (question for question in asked if not _is_left_out(question))

    def judge(self, question: Question, reply: str) -> Verdict:
        """The credit of the reply, as the rule reads it."""
        if not question.options:
            text = direct_text(reply) if self.rule == "mapped" else reply
            return Verdict(text.strip(), direct_answer_credit(text, question.gold.get("answers", ())))
        text = choice_text(reply, question.options, self.rule)
        letter = "" if text is None else LETTERS[question.options.index(text)]
        return Verdict(letter, multiple_choice_credit(text, question.answer))

    def official(self, questions: Sequence[Question], predictions: Sequence[Prediction]) -> Official:
        """`multiple_choice` or `direct_answer` in per cent, and what a strict run would refuse."""
        need_answers(questions, "send predictions to leaderboard.allenai.org/aokvqa")
        asked = list(zip(questions, predictions, strict=True))
        replies = [_given(question, prediction) for question, prediction in asked]
        refused = strictness(replies, [question.options for question, _ in asked])
        if self.variant == "multiple_choice":
            credits = [
                multiple_choice_credit(reply, question.answer)
                for reply, (question, _) in zip(replies, asked, strict=True)
            ]
            return {"summary": {"multiple_choice": percent(credits), **refused}}
        credits = [self.judge(question, prediction.reply).credit for question, prediction in asked]
        return {"summary": {"direct_answer": percent(credits), "missing": refused["missing"]}}

    def _items(self) -> Iterable[tuple[str, Any]]:
        if not self.is_hub:
            path = self.find(*FILES)
            items = read_list(path, str(self.about))
            return ((f"{path}[{number}]", item) for number, item in enumerate(items))
        rows = hub.rows(self.hub_name, None, "validation")
        return ((f"{self.path} row {number}", row) for number, row in enumerate(rows))


def aokvqa_question(item: Any, where: str, variant: str) -> Question:
    """The question of one item of a file, in one of the two variants."""
    read = picked(_Item, item, where, _ITEM)
    if not 2 <= len(read.choices) <= len(LETTERS):
        raise KitError(f"{where}: {len(read.choices)} choices; expected 2 to {len(LETTERS)}")
    right = read.correct_choice_idx
    if right is not None and not 0 <= right < len(read.choices):
        raise KitError(f"{where}: correct_choice_idx is {right}; expected 0 to {len(read.choices) - 1}")
    answers = texts(read.direct_answers, where, _ITEM)
    image, image_id = _picture(read, where)
    gold = {"answers": list(answers), "difficult": read.difficult_direct_answer}
    by_choice = variant == "multiple_choice"
    choice = "" if right is None or not by_choice else LETTERS[right]
    direct = Counter(answers).most_common(1)[0][0] if answers else ""
    return Question(
        id=read.question_id, image_id=image_id, image=image, question=read.question,
        options=read.choices if by_choice else (), choice=choice,
        answer=read.choices[LETTERS.index(choice)] if choice else "" if by_choice else direct,
        question_type=QUESTION_TYPE, form="choice" if by_choice else "short",
        gold=gold if choice or (answers and not by_choice) else {},
    )


def choice_text(reply: str, choices: Sequence[str], rule: str) -> str | None:
    """The text of the choice that a reply names by a rule (see `AOKVQA`), or None.

    Two choices may have the same text (7 questions of val): naming it by letter or text is then the same.
    """
    if reply in choices:
        return reply
    if rule == "official":
        return None
    lone = _LETTER.fullmatch(reply.strip())
    if lone and lone[1] in LETTERS[: len(choices)]:
        return choices[LETTERS.index(lone[1])]
    for options in (choices, list(dict.fromkeys(choices))):
        letter = parse_choice(reply, options)
        if letter:
            return options[LETTERS.index(letter)]
    return None


def direct_text(reply: str) -> str:
    """A reply as the people wrote their direct answers: lower case, no full stop at the end."""
    return reply.strip().rstrip(".").rstrip().lower()


def multiple_choice_credit(text: str | None, answer: str) -> float:
    """1 for exactly the text of the right choice, else 0 (allenai/aokvqa, evaluation/eval_predictions.py)."""
    return float(text == answer)


def direct_answer_credit(text: str | None, answers: Sequence[str]) -> float:
    """A third for each of the ten answers that the text equals, at most 1; no normalisation, none left out.

    Source: allenai/aokvqa, evaluation/eval_predictions.py.
    """
    return min(1.0, sum(text == answer for answer in answers) / 3)


def strictness(replies: Sequence[str | None], choices: Sequence[Sequence[str]]) -> dict[str, int]:
    """How many replies are `missing`, and how many are `not_a_choice`: a strict official run stops at either.
    """
    given = [(reply, known) for reply, known in zip(replies, choices, strict=True) if reply is not None]
    return {"missing": len(replies) - len(given), "not_a_choice": sum(r not in known for r, known in given)}


def _given(question: Question, prediction: Prediction) -> str | None:
    """What would be sent to the official scorer; None where there is no reply."""
    if prediction.choice:
        return question.options[LETTERS.index(prediction.choice)]
    return prediction.reply or None


def _is_left_out(question: Question) -> bool:
    return not question.options and bool(question.gold.get("difficult"))


def _picture(read: _Item, where: str) -> tuple[str, str]:
    """(image, image_id): the hub's reference, or the name that COCO 2017 gives the picture."""
    if isinstance(read.image_id, bool) or not isinstance(read.image_id, (int, str, type(None))):
        raise KitError(f"{where}: image_id is {read.image_id!r:.60}; expected a number")
    image_id = "" if read.image_id is None else str(read.image_id)
    if read.image:
        return read.image, image_id or read.image
    if not image_id.isdecimal() or not read.split:
        raise KitError(
            f"{where}: image_id {image_id!r} and split {read.split!r} name no picture; expected {_ITEM}"
        )
    return f"{read.split}2017/{int(image_id):012}.jpg", str(int(image_id))
