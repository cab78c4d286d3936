"""OK-VQA: open questions about COCO pictures whose answers need knowledge from outside the picture."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from ..records import Prediction, Question
from . import hub, vqa, vqa_files
from .official import About, Official, OfficialBenchmark, need_answers, unique_ids
from .scoring import Verdict
from .vqav2 import score_tables

# The annotation files' own question_types.
KNOWLEDGE = {
    "one": "Vehicles and Transportation",
    "two": "Brands, Companies and Products",
    "three": "Objects, Material and Clothing",
    "four": "Sports and Recreation",
    "five": "Cooking and Food",
    "six": "Geography, History, Language and Culture",
    "seven": "People and Everyday life",
    "eight": "Plants and Animals",
    "nine": "Science and Technology",
    "ten": "Weather and Climate",
    "other": "Other",
}
ANNOTATIONS = "mscoco_{}_annotations_clean.json", "mscoco_{}_annotations.json"
QUESTIONS = "OpenEnded_mscoco_{}_questions.json", "OpenEnded_mscoco_{}_questions_clean.json"
SPLIT_LIST = "okvqa_test_split.json"
NO_ANSWERS = (
    "they are in mscoco_val2014_annotations.json, which belongs beside the questions; "
    "get it from https://okvqa.allenai.org/download.html"
)


def okvqa_verdict(reply: str, answers: Sequence[str], marks: Sequence[int] = (), *, rule: str) -> Verdict:
    """The verdict on a reply as MiniGPT-v2's evaluation submits it, by its scorer or by the original one.

    "minigpt4" compares in lower case, "gt_vision_lab" does not.
    """
    submitted = vqa.minigpt4_submission(reply)
    fold = rule == "minigpt4"
    normaliser = vqa.PYTHON3 if fold else vqa.GT_VISION_LAB
    return vqa.vqa_verdict(submitted, answers, marks, normaliser=normaliser, fold=fold, raw=reply)


class OKVQA(OfficialBenchmark):
    """OK-VQA; its test questions are those on val2014, the default `variant`.

    The question types are the ten categories of knowledge by their published names, and "Other"; the file's
    own codes ("one" to "ten", "other") stay in `gold["question_type"]`.
    Rules: "minigpt4" (behind the paper's table) and "gt_vision_lab", the original VQA scorer.
    """

    name: ClassVar[str] = "okvqa"
    about: ClassVar[About] = About(
        "OK-VQA",
        "OpenEnded_mscoco_val2014_questions.json with mscoco_val2014_annotations.json beside it, or "
        "MiniGPT-v2's okvqa_test_split.json with mscoco_val2014_annotations_clean.json",
        "https://okvqa.allenai.org/download.html",
        "CC BY 4.0",
        "lmms-lab/OK-VQA",
    )
    rules: ClassVar[tuple[str, ...]] = ("minigpt4", "gt_vision_lab")
    variants: ClassVar[tuple[str, ...]] = ("val2014", "train2014")

    def read(self) -> Iterable[Question]:
        """All questions, in the file's order; without the annotations they have no answers."""
        if self.is_hub:
            rows = hub.rows(self.hub_name, None, self.variant)
            return unique_ids(vqa_files.hub_questions(rows, _picture, _knowledge))
        lists = (SPLIT_LIST,) if self.variant == "val2014" else ()
        path = self.find(*self._named(QUESTIONS), *lists)
        others = self._named(ANNOTATIONS) if path.name in lists else ()
        annotations = vqa_files.annotations_of(path, *others)
        files = vqa_files.Files(path, annotations, str(self.about), self.variant)
        return unique_ids(vqa_files.read_questions(files, _knowledge))

    def judge(self, question: Question, reply: str) -> Verdict:
        """The credit for agreeing with three of nine other answers; none for questions without answers."""
        gold = question.gold
        if not gold:
            return Verdict(reply.strip(), 0.0)
        return okvqa_verdict(reply, gold["answers"], gold.get("marks", ()), rule=self.rule)

    def official(self, questions: Sequence[Question], predictions: Sequence[Prediction]) -> Official:
        """The accuracy in per cent, overall and per category of knowledge, not rounded.

        A missing prediction is scored as "".
        """
        need_answers(questions, NO_ANSWERS)
        tables = score_tables(self, questions, predictions)
        named = {KNOWLEDGE.get(code, code): row for code, row in tables["question_type"].items()}
        return {**tables, "question_type": named}

    def _named(self, names: Sequence[str]) -> list[str]:
        return [name.format(self.variant) for name in names]


def _knowledge(gold: dict[str, Any]) -> str:
    code = gold.get("question_type", vqa_files.UNLABELLED)
    return KNOWLEDGE.get(code, code)


def _picture(row: Mapping[str, Any]) -> object:
    """A row's picture; without image ids, as in the default copy, a question's id is that and one digit."""
    return row["image_id"] if "image_id" in row else int(row["question_id"]) // 10
