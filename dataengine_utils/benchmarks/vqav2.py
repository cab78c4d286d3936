"""VQAv2: open questions about COCO pictures, each with ten people's answers."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from ..errors import KitError
from ..records import Prediction, Question
from . import hub, vqa, vqa_files
from .official import About, Official, OfficialBenchmark, need_answers, unique_ids
from .scoring import Verdict

FILES = "v2_OpenEnded_mscoco_val2014_questions.json with v2_mscoco_val2014_annotations.json beside it"
SPLITS = {"val2014": "validation", "train2014": "train", "test-dev2015": "testdev", "test2015": "test"}
SUBMIT = (
    "without v2_mscoco_..._annotations.json beside the questions there are none, and the test splits' are "
    "not public: submit the predictions to the VQA challenge at https://eval.ai, or score val2014"
)


def vqav2_verdict(reply: str, answers: Sequence[str], marks: Sequence[int] = (), *, rule: str) -> Verdict:
    """The VQA scorer's verdict on a reply: as LLaVA uploads it ("vqa_llava"), or as it is ("vqa")."""
    submitted = vqa.llava_submission(reply) if rule == "vqa_llava" else reply
    return vqa.vqa_verdict(submitted, answers, marks, normaliser=vqa.GT_VISION_LAB, raw=reply)


class VQAv2(OfficialBenchmark):
    """VQAv2, or any questions in its format, such as TextVQA's copy of OpenFlamingo, and TextVQA's own files.

    `path` is the question file, or a folder with one of them; `variant` picks a split by the file's name.
    The question types are the annotations' three answer types (yes/no, number, other), each with enough
    questions to weigh; the finer question types, the questions' first words, are in `gold` and in the
    official tables. Where annotations have no answer type, their question type stands in.
    Rules: "vqa_llava", LLaVA-1.5's upload to the test server (behind the paper's table: test-dev), and "vqa",
    the replies as they are.
    """

    name: ClassVar[str] = "vqav2"
    about: ClassVar[About] = About(
        "VQAv2",
        FILES,
        "https://visualqa.org/download.html",
        "annotations CC BY 4.0, COCO pictures under Flickr's terms",
        "lmms-lab/VQAv2",
    )
    rules: ClassVar[tuple[str, ...]] = ("vqa_llava", "vqa")
    variants: ClassVar[tuple[str, ...]] = ("", *SPLITS)

    def read(self) -> Iterable[Question]:
        """All questions, in the file's order; without the annotations they have no answers."""
        if self.is_hub:
            rows = hub.rows(self.hub_name, None, SPLITS[self.variant or "val2014"])
            return unique_ids(vqa_files.hub_questions(rows, lambda row: row["image_id"], _answer_type))
        path = self._question_file()
        files = vqa_files.Files(path, vqa_files.annotations_of(path), str(self.about))
        return unique_ids(vqa_files.read_questions(files, _answer_type))

    def judge(self, question: Question, reply: str) -> Verdict:
        """The credit for agreeing with three of nine other people; none for questions without answers."""
        gold = question.gold
        if not gold:
            return Verdict(reply.strip(), 0.0)
        return vqav2_verdict(reply, gold["answers"], gold.get("marks", ()), rule=self.rule)

    def official(self, questions: Sequence[Question], predictions: Sequence[Prediction]) -> Official:
        """The accuracy in per cent, overall and per answer type and question type, not rounded.

        A missing prediction is scored as "", as LLaVA uploads it.
        """
        need_answers(questions, SUBMIT)
        return score_tables(self, questions, predictions)

    def _question_file(self) -> Path:
        folder = Path(self.path)
        if not folder.is_dir():
            return self.find()
        found = sorted(path.name for path in folder.glob("*questions*.json") if self.variant in path.name)
        if len(found) > 1:
            raise KitError(
                f"{len(found)} question files in {str(folder)!r}: {', '.join(found)}; give one of them as "
                f"path, or a split as variant: {', '.join(SPLITS)}"
            )
        return self.find(*found or (f"v2_OpenEnded_mscoco_{self.variant or 'val2014'}_questions.json",))


def score_tables(
    benchmark: OfficialBenchmark, questions: Sequence[Question], predictions: Sequence[Prediction]
) -> Official:
    """`vqa.accuracy_tables` of judged predictions, by the labels in the questions' gold."""
    credits = vqa.credits_of(questions, predictions, benchmark.judge)
    labels = {
        name: [question.gold.get(name, "") for question in questions]
        for name in ("answer_type", "question_type")
    }
    return vqa.accuracy_tables(credits, **labels)


def _answer_type(gold: dict[str, Any]) -> str:
    return gold.get("answer_type") or gold.get("question_type") or vqa_files.UNLABELLED
