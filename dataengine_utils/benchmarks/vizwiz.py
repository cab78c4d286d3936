"""VizWiz-VQA: questions that blind people asked about their own pictures, often not answerable."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ..errors import KitError
from ..records import Prediction, Question
from . import hub, vqa, vqa_files
from .fields import picked
from .official import About, Official, OfficialBenchmark, need_answers, unique_ids
from .scoring import Verdict

RECORD = 'objects with image, question, and but for test answers ([{"answer": text}, ...]) and answer_type'
SUBMIT = (
    "the test split's are not public: submit the predictions to the VizWiz challenge at https://eval.ai, "
    "or score val"
)
_NUMBER = re.compile(r"(\d+)\.\w+$")


@dataclass(frozen=True)
class _Record:
    """An entry of val.json, train.json or test.json."""

    image: str
    question: str
    answers: Any = None
    answer_type: str = ""


def vizwiz_verdict(reply: str, answers: Sequence[str], *, rule: str) -> Verdict:
    """The verdict on a reply by one of `VizWiz.rules`; answers are taken as they are distributed.

    "minigpt4": answers are cut at underscores (they are joined by them), and those that equal the reply in
    lower case count, a third each up to one; nothing is stripped. The two copies of the VizWiz API normalise
    the reply only; "api_loo" leaves each person out in turn, "api_no_loo" leaves nobody out.
    """
    if rule == "minigpt4":
        read = reply.lower()
        pieces = "_".join(answers).split("_")
        return vqa.verdict(reply, read, min(sum(piece.lower() == read for piece in pieces) / vqa.ENOUGH, 1.0))
    read = vqa.VIZWIZ_API(reply)
    matches = tuple([answer == read for answer in answers])
    credit = vqa.leave_one_out(matches) if rule == "api_loo" else vqa.all_together(matches)
    return vqa.verdict(reply, read, credit)


class VizWiz(OfficialBenchmark):
    """VizWiz-VQA, val by default; a question's id is its picture's file name, as in the result files.

    The question types are the annotations' answer types: unanswerable, other, yes/no, number.
    Rules: "minigpt4", MiniGPT-v2's on val (behind the paper's table), and the two circulating copies of the
    VizWiz API, "api_loo" and "api_no_loo".
    """

    name: ClassVar[str] = "vizwiz"
    about: ClassVar[About] = About(
        "VizWiz-VQA",
        "val.json (or train.json, test.json) of Annotations.zip, or its copy in the VQA format, "
        "val_questions_vqa_format.json with val_annotations_vqa_format.json beside it",
        "https://vizwiz.org/tasks-and-datasets/vqa",
        "CC BY 4.0",
        "lmms-lab/VizWiz-VQA",
    )
    rules: ClassVar[tuple[str, ...]] = ("minigpt4", "api_loo", "api_no_loo")
    variants: ClassVar[tuple[str, ...]] = ("val", "train", "test")

    def read(self) -> Iterable[Question]:
        """All questions, in the file's order; those of test have no answers."""
        if self.is_hub:
            rows = hub.rows(self.hub_name, None, self.variant)
            return unique_ids(_hub_question(row) for row in rows)
        split = self.variant
        path = self.find(f"{split}.json", f"Annotations/{split}.json", f"{split}_questions_vqa_format.json")
        value = vqa_files.read_json(path, str(self.about))
        return unique_ids(self._records(path, value) if isinstance(value, list) else self._vqa_format(path))

    def judge(self, question: Question, reply: str) -> Verdict:
        """The credit for agreeing with three people; none for questions without answers."""
        if not question.gold:
            return Verdict(reply.strip(), 0.0)
        return vizwiz_verdict(reply, question.gold["answers"], rule=self.rule)

    def official(self, questions: Sequence[Question], predictions: Sequence[Prediction]) -> Official:
        """The accuracy in per cent, overall and per answer type, not rounded.

        A missing prediction is scored as "".
        """
        need_answers(questions, SUBMIT)
        credits = vqa.credits_of(questions, predictions, self.judge)
        labels = [question.gold.get("answer_type", "") for question in questions]
        return vqa.accuracy_tables(credits, answer_type=labels)

    def aliases(self, question: Question) -> Sequence[str]:
        """The picture's file, its name without ending, and its number, which LLaVA's files count by."""
        number = _NUMBER.search(question.image_id)
        return (question.id, Path(question.image_id).stem, *([str(int(number[1]))] if number else []))

    def _records(self, path: Path, records: list[Any]) -> Iterator[Question]:
        for number, value in enumerate(records, start=1):
            where = f"{path}: number {number}"
            record = picked(_Record, value, where, RECORD)
            try:
                gold = _gold(record.answers, record.answer_type)
            except KitError as error:
                raise KitError(f"{where} ({record.image}): {error}; expected {RECORD}") from error
            yield _question(record.image, record.image, record.question, gold)

    def _vqa_format(self, path: Path) -> Iterator[Question]:
        files = vqa_files.Files(path, vqa_files.annotations_of(path), str(self.about))
        for one in vqa_files.read_questions(files, _answer_type):
            gold = _gold(list(one.gold.get("answers", ())), one.gold.get("question_type", ""))
            yield _question(one.image, one.image, one.question, gold)


def _question(image_id: str, image: str, question: str, gold: dict[str, Any]) -> Question:
    return vqa_files.make_question(image_id, image_id, image, question, gold, _answer_type, "unanswerable")


def _hub_question(row: dict[str, Any]) -> Question:
    gold = _gold(row.get("answers"), row.get("category"))
    return _question(str(row["question_id"]), row["image"] or "", row["question"], gold)


def _gold(answers: Any, answer_type: str | None) -> dict[str, Any]:
    """What the rules need; nothing without answers."""
    if not answers:
        return {}
    return {"answers": vqa_files.texts_of(answers), "answer_type": answer_type or vqa_files.UNLABELLED}


def _answer_type(gold: dict[str, Any]) -> str:
    return gold.get("answer_type", "")
