"""Reading questions in the VQA format: a file of questions, and one of ten people's answers beside it.

VQAv2, OK-VQA, and the copies of TextVQA and VizWiz in this format. Objects become records while the JSON is
parsed, so that 2 million answers are never there as dicts.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import KitError
from ..inputs import read_text
from ..records import Question

Gold = dict[str, Any]
TypeOf = Callable[[Gold], str]
Hook = Callable[[dict[str, Any]], Any]
UNLABELLED = "unlabelled"
_NO_GOLD: Gold = {}

_QUESTION = "an object with question_id, image_id, question"
_ANNOTATION = 'an object with question_id and answers, such as [{"answer": "yes", "answer_id": 1}]'


class Asked(NamedTuple):
    """An entry of a question file; TextVQA's own files have the answers in it."""

    id: str
    image_id: int | str
    question: str
    gold: Gold


class Annotated(NamedTuple):
    """An entry of an annotation file; for `gold` see `gold_of`."""

    id: str
    gold: Gold


@dataclass(frozen=True)
class Files:
    """A question file, the annotations to it if there are any, and what an error should ask for.

    `pictures` is the COCO folder in the pictures' names where the question file does not say it.
    """

    questions: Path
    annotations: Path | None
    expected: str
    pictures: str = "val2014"


def annotations_of(questions: Path, *others: str) -> Path | None:
    """The annotation file beside a question file, by the names that both are distributed under, or None."""
    name = questions.name.replace("OpenEnded_", "").replace("questions", "annotations")
    beside = [questions.with_name(name) for name in (name, *others)]
    return next((path for path in beside if path != questions and path.exists()), None)


def read_questions(files: Files, type_of: TypeOf) -> Iterator[Question]:
    """The questions of `files` in their order; `type_of` gives the question type of a `gold_of`."""
    gold = _read_gold(files.annotations, files.expected) if files.annotations else {}
    asked, subtype = _read_asked(files)
    pictures: dict[int | str, tuple[str, str]] = {}
    for one in asked:
        if files.annotations and one.id not in gold:
            raise KitError(
                f"{files.annotations}: no annotation of question {one.id!r} of {files.questions}; "
                f"expected {files.expected}"
            )
        if one.image_id not in pictures:
            pictures[one.image_id] = (str(one.image_id), picture_name(one.image_id, subtype))
        image_id, image = pictures[one.image_id]
        yield make_question(one.id, image_id, image, one.question, gold.get(one.id, one.gold), type_of)


def hub_questions(
    rows: Iterable[Mapping[str, Any]], image_id_of: Callable[[Mapping[str, Any]], object], type_of: TypeOf
) -> Iterator[Question]:
    """The questions of a Hugging Face dataset's rows; `image_id_of` tells a row's picture from others."""
    for row in rows:
        gold = gold_of(row) if row.get("answers") else {}
        image_id, image = str(image_id_of(row)), row["image"] or ""
        yield make_question(str(row["question_id"]), image_id, image, row["question"], gold, type_of)


def make_question(
    id: str, image_id: str, image: str, question: str, gold: Gold, type_of: TypeOf, form: str = "short"
) -> Question:
    """The record of one question; `gold` is empty where there are no answers."""
    return Question(
        id=id,
        image_id=image_id,
        image=image,
        question=question,
        options=(),
        choice="",
        answer=usual(gold["answers"]) if gold else "",
        question_type=type_of(gold) if gold else UNLABELLED,
        form=form,
        gold=gold,
    )


def picture_name(image_id: int | str, subtype: str) -> str:
    """The file of a picture: COCO's name for a number (test-dev has the pictures of test2015)."""
    if isinstance(image_id, int):
        return f"COCO_{subtype.replace('test-dev', 'test')}_{image_id:012}.jpg"
    return image_id if Path(image_id).suffix else f"{image_id}.jpg"


def usual(answers: Sequence[str]) -> str:
    """The most frequent answer; the first of equals."""
    return Counter(answers).most_common(1)[0][0]


def gold_of(row: Mapping[str, Any]) -> Gold:
    """What the rules need of an annotation: `answers`, `answer_type` and `question_type`, and `marks`.

    `answers` may be objects or plain texts. For `marks`, which most have not, see `vqa.leave_one_out`.
    """
    try:
        gold: Gold = {"answers": texts_of(row.get("answers"))}
    except KitError as error:
        raise KitError(f"question {row.get('question_id')!r}: {error}") from error
    for name in ("answer_type", "question_type"):
        if row.get(name):
            gold[name] = sys.intern(str(row[name]))
    marks = _marks(row["answers"])
    return {**gold, "marks": marks} if marks else gold


def texts_of(answers: Any) -> tuple[str, ...]:
    """The texts of people's answers, objects with `answer` or plain; equal texts are one string in memory."""
    if not isinstance(answers, list) or not answers:
        raise KitError(f"answers are {answers!r:.80}: expected a list with at least one")
    texts = [answer.get("answer") if isinstance(answer, dict) else answer for answer in answers]
    if not all(isinstance(text, str) for text in texts):
        wrong = next(answer for answer, text in zip(answers, texts, strict=True) if not isinstance(text, str))
        raise KitError(f'an answer is {wrong!r:.80}: expected {{"answer": text}}')
    return tuple(map(sys.intern, texts))


def _marks(answers: list[Any]) -> tuple[int, ...]:
    """Numbers that are equal where answers have equal fields beside the text; () where none have."""
    if not all(isinstance(answer, dict) for answer in answers):
        return ()
    if len({str(answer.get("answer_id")) for answer in answers}) == len(answers):
        return ()  # as nearly all are
    rests = [{name: value for name, value in answer.items() if name != "answer"} for answer in answers]
    marks = tuple(rests.index(rest) for rest in rests)
    return marks if len(set(marks)) < len(marks) else ()


def read_json(path: Path, expected: str, hook: Hook | None = None) -> Any:
    """The JSON value of a file; `hook` makes something of each object as soon as it is parsed."""
    try:
        return json.loads(read_text(path, expected), object_hook=hook)
    except json.JSONDecodeError as error:
        raise KitError(
            f"{path}:{error.lineno}: not JSON ({error.msg}, character {error.colno}); expected {expected}"
        ) from error
    except KitError as error:
        raise error if str(path) in str(error) else KitError(f"{path}: {error}") from error
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, thousands of brackets
        raise KitError(f"{path}: not readable as JSON ({error}); expected {expected}") from error


def _read_asked(files: Files) -> tuple[list[Asked], str]:
    """The entries of a question file, {"questions": [...]}, in TextVQA {"data": [...]}, or a plain list, and
    its COCO folder.
    """
    value = read_json(files.questions, files.expected, _asked)
    name = "data" if isinstance(value, dict) and "data" in value else "questions"
    entries = _entries(value, name, Asked, files.questions, _QUESTION)
    subtype = value.get("data_subtype") if isinstance(value, dict) else None
    return entries, subtype if isinstance(subtype, str) else files.pictures


def _read_gold(path: Path, expected: str) -> dict[str, Gold]:
    value = read_json(path, expected, _annotated)
    return dict(_entries(value, "annotations", Annotated, path, _ANNOTATION))


def _entries(value: Any, name: str, kind: type, path: Path, expected: str) -> list[Any]:
    entries = value.get(name) if isinstance(value, dict) else value
    if not isinstance(entries, list):
        raise KitError(f'{path}: expected {{"{name}": [...]}}, got {value!r:.80}')
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, kind):
            raise KitError(f"{path}: number {number} of {name} is {entry!r:.80}: expected {expected}")
    return entries


def _asked(value: dict[str, Any]) -> Any:
    id, image_id, question = value.get("question_id"), value.get("image_id"), value.get("question")
    if _is_id(id) and _is_id(image_id) and isinstance(question, str):
        return Asked(str(id), image_id, question, gold_of(value) if value.get("answers") else _NO_GOLD)
    return value


def _annotated(value: dict[str, Any]) -> Any:
    if "answers" not in value or not _is_id(value.get("question_id")):
        return value
    return Annotated(str(value["question_id"]), gold_of(value))


def _is_id(value: Any) -> bool:
    return isinstance(value, (int, str)) and not isinstance(value, bool)
