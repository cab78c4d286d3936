"""GQA: questions made from scene graphs, answered in a word and compared exactly."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from sys import intern
from typing import Any

from ..errors import KitError
from ..inputs import read_json
from ..records import Prediction, Question
from . import hub
from .fields import picked, texts
from .gqa_details import gqa_answer, gqa_scores, reasoning_steps
from .official import About, Official, OfficialBenchmark, need_answers, unique_ids
from .scoring import Verdict

FILES = (
    "testdev_balanced_questions.json", "testdev_all_questions.json", "val_balanced_questions.json",
    "val_all_questions.json", "val_questions.json",
)
_ENTRY = "imageId, question, answer, and as the official file has them isBalanced, types, groups, semantic"
_PAIR = "image, question, answer (MiniGPT-v2's list)"
_CHOICES = "an object of id -> {valid: [...], plausible: [...]} (eval.zip of the download page)"


@dataclass(frozen=True)
class _Entry:
    """A question as the official file has it; test splits have no more than image and question."""

    imageId: str
    question: str
    answer: str | None = None
    isBalanced: bool = True
    types: dict[str, Any] | None = None
    groups: dict[str, Any] | None = None
    entailed: Any = ()
    semantic: list | None = None


@dataclass(frozen=True)
class _Pair:
    """A question of MiniGPT-v2's list."""

    image: str
    question: str
    answer: str


class GQA(OfficialBenchmark):
    """GQA, testdev balanced (12,578 questions, 398 pictures), or val with its choices file beside it.

    Rule "llava": exact equality after dropping full stops at the end and lower-casing, over balanced
    questions. Rule "minigpt4": exact equality after lower-casing, over all. A question's type is its
    structural and semantic type, such as "query attr" (`official` also has each alone); without types it is
    "GQA". The official script stops where a balanced question has no prediction; here it counts as wrong.
    Files of all questions also give `consistency`; `types` and `overall` then count all of them.
    """

    name = "gqa"
    about = About(
        title="GQA",
        files="testdev_balanced_questions.json, another questions file of questions1.2.zip (val also reads "
        "val_choices.json beside it), or MiniGPT-v2's list of image, question, answer",
        where="https://cs.stanford.edu/people/dorarad/gqa/download.html",
        licence="CC BY 4.0",
        hub="lmms-lab/GQA",
    )
    rules = ("llava", "minigpt4")

    def read(self) -> Iterator[Question]:
        """All questions; pictures are `<imageId>.jpg`, in a folder "images" if there is one."""
        return unique_ids(self._read_hub() if self.is_hub else self._read_file(self.find(*FILES)))

    def judge(self, question: Question, reply: str) -> Verdict:
        """Whether the reply, as the rule reads it, is the answer."""
        predicted = gqa_answer(reply, self.rule)
        return Verdict(predicted.strip(), float(bool(question.answer) and predicted == question.answer))

    def official(self, questions: Sequence[Question], predictions: Sequence[Prediction]) -> Official:
        """The scores of `gqa_details.gqa_scores`: per cent, and `distribution` (lower is better)."""
        need_answers(questions, "the GQA challenge (EvalAI) scores its test splits")
        answers = [gqa_answer(prediction.reply, self.rule) for prediction in predictions]
        return gqa_scores(questions, answers, self.rule)

    def _read_hub(self) -> Iterator[Question]:
        pictures = {
            row["id"]: row["image"] or ""
            for row in hub.rows(self.hub_name, "testdev_balanced_images", "testdev")
        }
        for row in hub.rows(self.hub_name, "testdev_balanced_instructions", "testdev"):
            yield gqa_question(str(row.get("id")), row, f"{self.path} {row.get('id')}",
                               image=pictures.get(row.get("imageId"), ""))

    def _read_file(self, path: Path) -> Iterator[Question]:
        value = read_json(path, str(self.about))
        folder = "images/" if self.root and (self.root / "images").is_dir() else ""
        if isinstance(value, list):
            for number, pair in enumerate(value):
                yield _of_pair(pair, number, f"{path}[{number}]", folder)
        elif isinstance(value, dict):
            choices = _read_choices(path)
            for name, entry in value.items():
                yield gqa_question(name, entry, f"{path}: question {name!r}", folder=folder, choices=choices)
        else:
            raise KitError(f"{path}: got {type(value).__name__}; {self.about}")


def gqa_question(
    name: str, entry: Any, where: str, *, folder: str = "", image: str | None = None,
    choices: Mapping[str, Any] | None = None,
) -> Question:
    """A question of the official form; `choices` are the valid and plausible answers of all questions."""
    read = picked(_Entry, entry, where, _ENTRY)
    kind = read.types or {}
    question_type = f"{kind['structural']} {kind['semantic']}" if _is_typed(kind) else "GQA"
    gold = {} if read.answer is None else _gold(read, kind, where)
    if gold and choices is not None:
        gold["choices"] = _choices_of(name, choices)
    return Question(
        id=name, image_id=intern(read.imageId),
        image=f"{folder}{read.imageId}.jpg" if image is None else image, question=read.question, options=(),
        answer=intern(read.answer or ""), choice="", question_type=intern(question_type), form="short",
        gold=gold,
    )


def _is_typed(kind: Mapping[str, Any]) -> bool:
    return isinstance(kind.get("structural"), str) and isinstance(kind.get("semantic"), str)


def _gold(read: _Entry, kind: Mapping[str, Any], where: str) -> dict[str, Any]:
    """What the official scores need beside the answer."""
    gold: dict[str, Any] = {"balanced": read.isBalanced}
    if _is_typed(kind):
        program = read.semantic or []
        if not all(isinstance(step, dict) for step in program):
            raise KitError(f"{where}: semantic is {program!r:.60}; expected steps with operation, argument")
        gold |= {
            "structural": intern(kind["structural"]),
            "semantic": intern(kind["semantic"]),
            "detailed": intern(str(kind.get("detailed") or "")),
            "steps": reasoning_steps(program),
            "group": (read.groups or {}).get("global"),
        }
    entailed = texts(read.entailed, where, "entailed, a list of question ids")
    return {**gold, "entailed": list(entailed)} if entailed else gold


def _of_pair(pair: Any, number: int, where: str, folder: str) -> Question:
    read = picked(_Pair, pair, where, _PAIR)
    return Question(
        id=str(number), image_id=Path(read.image).stem, image=f"{folder}{read.image}", question=read.question,
        options=(), answer=read.answer, choice="", question_type="GQA", form="short", gold={"balanced": True},
    )


def _read_choices(questions: Path) -> dict[str, Any] | None:
    """The valid and plausible answers by question, of `val_choices.json` beside `val_..._questions.json`."""
    tier = questions.name.split("_")[0]
    path = questions.with_name(f"{tier}_choices.json")
    if not path.exists():
        return None
    value = read_json(path, _CHOICES)
    if not isinstance(value, dict):
        raise KitError(f"{path}: got {type(value).__name__}; expected {_CHOICES}")
    return value


def _choices_of(name: str, choices: Mapping[str, Any]) -> dict[str, list[str]]:
    found = choices.get(name)
    lists = {kind: found.get(kind) for kind in ("valid", "plausible")} if isinstance(found, dict) else {}
    if not lists or not all(isinstance(answers, list) for answers in lists.values()):
        raise KitError(f"choices of question {name!r}: got {found!r:.60}; expected {_CHOICES}")
    return lists
