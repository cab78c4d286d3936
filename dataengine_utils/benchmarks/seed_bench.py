"""SEED-Bench: multiple choice about single images (types 1-9) and videos (types 10-12)."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import KitError, unknown_name
from ..inputs import read_json
from ..question_types import QUESTION_TYPES
from ..records import LETTERS, Prediction, Question
from . import hub, tsv
from .fields import picked, texts
from .official import About, Official, OfficialBenchmark, unique_ids
from .rates import percent, rate_rows
from .scoring import Verdict

TYPES = {**QUESTION_TYPES, 10: "Action Recognition", 11: "Action Prediction", 12: "Procedure Understanding"}
FOUR = LETTERS[:4]
PICTURES = "SEED-Bench-image"
FIELDS = (
    "a question with question_id, question_type_id, data_type (image or video), data_id, question, choice_a "
    "to choice_d, answer (A to D)"
)
FILE = f'SEED-Bench.json: {{"questions": [...], "question_type": {{name: number}}}}, {FIELDS}'
COLUMNS = "the columns index, image, question, A, B, C, D, answer (A to D), category"

# From a reply to what is compared with the answer's letter.
_READERS: dict[str, Callable[[str], str]] = {
    "llava": str,
    "minigpt4": lambda reply: reply[:1].upper(),
    "lmms": lambda reply: reply.strip()[:1].upper(),
}
_GOLD = {kind: {"data_type": kind} for kind in ("image", "video")}  # shared by all questions


@dataclass(frozen=True)
class JsonRecord:
    """A question of SEED-Bench.json or of a hub copy, which has numbers as texts and pictures in lists."""

    question_id: Any
    question_type_id: Any
    data_type: str
    question: str
    choice_a: Any
    choice_b: Any
    choice_c: Any
    choice_d: Any
    answer: str
    data_id: Any = ""
    image: Any = ""


@dataclass(frozen=True)
class TsvRecord:
    """A row of VLMEvalKit's table; `image` is a reference."""

    index: str
    image: str
    question: str
    A: str
    B: str
    C: str
    D: str
    answer: str
    category: str


class SeedBench(OfficialBenchmark):
    """SEED-Bench's 14,233 questions on images (variant "image") or all 19,242 with videos ("all").

    Read are SEED-Bench.json (also in LLaVA's folder), VLMEvalKit's SEEDBench_IMG.tsv and the hub copies. A
    question on a video has no image. Question 49914 is there twice; both count, the second as "49914#2".
    Rule "llava" wants the bare letter and nothing else, "minigpt4" looks at the first character, "lmms" at
    the first after spaces; the last two take small letters.
    """

    name = "seed_bench"
    about = About(
        title="SEED-Bench",
        files=f"SEED-Bench.json with the pictures of {PICTURES}.zip beside it (named by data_id, without "
        "extension), or VLMEvalKit's SEEDBench_IMG.tsv",
        where="https://huggingface.co/datasets/AILab-CVC/SEED-Bench",
        licence="annotations CC BY-NC 4.0 and OpenAI's terms; pictures of Conceptual Captions: their owners'",
        hub="lmms-lab/SEED-Bench",
    )
    rules = tuple(_READERS)
    variants = ("image", "all")

    def read(self) -> Iterator[Question]:
        """The questions of the variant; `question_type` is the name that the file itself gives to a type."""
        wanted = ("image",) if self.variant == "image" else ("image", "video")
        yield from unique_ids(q for q in self._everything() if q.gold["data_type"] in wanted)

    def _everything(self) -> Iterator[Question]:
        if self.is_hub:
            rows = hub.rows(self.hub_name, None, "test")
            yield from _questions(rows, TYPES, self._pictures(), f"{self.path}: row")
            return
        path = self.find("SEED-Bench.json", "SEEDBench_IMG.tsv")
        if path.suffix == ".tsv":
            yield from (_tsv_question(where, row) for where, row in tsv.rows(path))
        else:
            yield from _json_questions(path, self._pictures())

    def _pictures(self) -> str:
        """The folder that holds the pictures, as a path from `root` that ends in a slash, or ""."""
        return f"{PICTURES}/" if not self._images or Path(self._images, PICTURES).is_dir() else ""

    def judge(self, question: Question, reply: str) -> Verdict:
        """The letter that the rule reads; what is none of the four letters is unparsed."""
        return seed_verdict(reply, question.choice, self.rule)

    def official(self, questions: Sequence[Question], predictions: Sequence[Prediction]) -> Official:
        """Accuracy in per cent over images, over everything where videos are asked too, and per type."""
        return seed_scores(
            (question.question_type, question.gold["data_type"], prediction.outcome == "right")
            for question, prediction in zip(questions, predictions, strict=True)
        )

    def aliases(self, question: Question) -> Sequence[str]:
        """The id, and where it is there twice the file's own ("49914" for "49914#2")."""
        return tuple(dict.fromkeys((question.id, question.id.partition("#")[0])))


def seed_verdict(reply: str, answer: str, rule: str = "llava") -> Verdict:
    """A rule's verdict on a reply; `answer` is the right letter.

    Sources: LLaVA scripts/convert_seed_for_submission.py, MLLM-DataEngine
    MiniGPT-4/eval_scripts/convert_seed_for_submission_minigpt4.py, lmms-eval tasks/seedbench/utils.py.
    """
    if rule not in _READERS:
        raise unknown_name("rule of seed_bench", rule, tuple(_READERS))
    letter = _READERS[rule](reply)
    return Verdict(letter, float(letter == answer)) if letter in tuple(FOUR) else Verdict("", 0.0)


def seed_scores(items: Iterable[tuple[str, str, bool]]) -> Official:
    """The scores of (question type, "image" or "video", right) items: micro averages in per cent.

    Types come in SEED-Bench's order; one without a right answer has 0, where the official scripts crash.
    """
    rows = list(items)
    summary = {"image": percent([right for _, data_type, right in rows if data_type == "image"])}
    if any(data_type != "image" for _, data_type, _ in rows):
        summary["all"] = percent([right for _, _, right in rows])
    order = {name: number for number, name in TYPES.items()}
    by_type: dict[str, list[bool]] = {}
    for question_type, _, right in sorted(rows, key=lambda row: order.get(row[0], len(order) + 1)):
        by_type.setdefault(question_type, []).append(right)
    return {"summary": summary, "type": rate_rows(by_type)}


def _json_questions(path: Path, pictures: str) -> Iterator[Question]:
    if path.suffix == ".jsonl":
        raise KitError(f"{path}: LLaVA's question file has no answers; give the folder of SEED-Bench.json")
    value = read_json(path, FILE)
    records = value.get("questions") if isinstance(value, dict) else None
    if not isinstance(records, list):
        raise KitError(f"{path}: no list of questions in it; expected {FILE}")
    names = _type_names(value.get("question_type"), path)
    yield from _questions(records, names, pictures, f"{path}: question")


def _type_names(numbers: Any, path: Path) -> Mapping[int, str]:
    """Names by number as the file has them: its versions differ (AILab-CVC/SEED-Bench, issue 28)."""
    if numbers is None:
        return TYPES
    if not isinstance(numbers, dict) or not all(isinstance(number, int) for number in numbers.values()):
        raise KitError(f"{path}: question_type is {numbers!r:.60}; expected {FILE}")
    return {number: name for name, number in numbers.items()}


def _questions(
    records: Iterable[Any], names: Mapping[int, str], pictures: str, what: str
) -> Iterator[Question]:
    for number, value in enumerate(records):
        record = picked(JsonRecord, value, f"{what} {number}", FIELDS)
        yield _json_question(record, names, pictures, f"{what} {number}")


def _json_question(record: JsonRecord, names: Mapping[int, str], pictures: str, where: str) -> Question:
    name, number = texts([record.question_id, record.question_type_id], where, FIELDS)
    where = f"{where} ({name})"
    if record.data_type not in _GOLD:
        raise KitError(f"{where}: data_type {record.data_type!r}; expected image or video (not SEED-Bench-2)")
    if not number.isdecimal() or int(number) not in names:
        known = ", ".join(f"{key} {known}" for key, known in sorted(names.items()))
        raise KitError(f"{where}: question_type_id {number!r}; known: {known}")
    data_id = _joined(record.data_id)
    image = _joined(record.image) or (f"{pictures}{data_id}" if data_id else "")
    if not image:
        raise KitError(f"{where}: neither data_id nor image; expected {FIELDS}")
    options = texts([record.choice_a, record.choice_b, record.choice_c, record.choice_d], where, FIELDS)
    return Question(
        id=name, image_id=data_id or image, image=image if record.data_type == "image" else "",
        question=record.question, options=options, question_type=names[int(number)], form="choice",
        gold=_GOLD[record.data_type], **_answer(record.answer, options, where),
    )


def _tsv_question(where: str, row: dict[str, str]) -> Question:
    record = picked(TsvRecord, row, where, COLUMNS)
    options = (record.A, record.B, record.C, record.D)
    if not record.image:
        raise KitError(f"{where}: no image; expected {COLUMNS}")
    return Question(
        id=record.index, image_id=tsv.picture_id(record.image), image=record.image, question=record.question,
        options=options, question_type=record.category, form="choice", gold=_GOLD["image"],
        **_answer(record.answer, options, where),
    )


def _answer(letter: str, options: tuple[str, ...], where: str) -> dict[str, str]:
    if letter not in tuple(FOUR):
        raise KitError(f"{where}: answer {letter!r}; expected one of {', '.join(FOUR)}")
    return {"choice": letter, "answer": options[FOUR.index(letter)]}


def _joined(value: Any) -> str:
    """A text; of a list (the hub copy's pictures) its only item, and of several (a video's) all."""
    return "+".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value or "")
