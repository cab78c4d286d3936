"""Visual Genome's question answering: free questions about its pictures, typed by their question word."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ..images.visual_genome import by_image, image_path
from ..inputs import read_list
from ..records import Prediction, Question
from . import scoring
from .fields import picked
from .official import About, Official, OfficialBenchmark
from .rates import rate_rows
from .scoring import Verdict

WORDS = ("what", "where", "when", "who", "why", "how")  # the six of Krishna et al. 2017, section 5.7
OTHER = "other"
EXPECTED = "Visual Genome's question_answers.json: a list of image id and qas (qa_id, question, answer)"


@dataclass(frozen=True)
class _Answered:
    qa_id: int
    question: str
    answer: str


class VisualGenomeQA(OfficialBenchmark):
    """Questions of question_answers.json (v1.0, v1.2); image_data.json beside it tells their pictures.

    There is no official score for free answers: by rule "text" a reply must be the answer, case, outer
    quotes and the full stop left aside.
    """

    name: ClassVar[str] = "visual_genome"
    rules: ClassVar[tuple[str, ...]] = ("text",)
    about: ClassVar[About] = About(
        title="Visual Genome QA",
        files="question_answers.json, with image_data.json beside it for the pictures",
        where="https://homes.cs.washington.edu/~ranjay/visualgenome",
        licence="CC BY 4.0",
    )

    def read(self) -> Iterator[Question]:
        """One question a record, in the file's order."""
        path = self.find("question_answers.json")
        pictures = _pictures(path.with_name("image_data.json"))
        for image_id, entry in by_image(read_list(path, EXPECTED), str(path)).items():
            where = f"{path}, image {image_id}"
            for qa in picked(_Entry, entry, where, EXPECTED).qas:
                yield _question(picked(_Answered, qa, where, EXPECTED), image_id, pictures)

    def judge(self, question: Question, reply: str) -> Verdict:
        """The reply's text must be the answer's."""
        return scoring.judge(question, reply)

    def official(self, questions: Sequence[Question], predictions: Sequence[Prediction]) -> Official:
        """Accuracy in per cent, overall and by question word."""
        right: dict[str, list[bool]] = {"all": []}
        for prediction in predictions:
            right["all"].append(prediction.outcome == "right")
            right.setdefault(prediction.question_type, []).append(prediction.outcome == "right")
        rows = rate_rows(right)
        return {"summary": {"accuracy": rows.pop("all")["accuracy"]}, "question word": rows}


@dataclass(frozen=True)
class _Entry:
    qas: tuple[dict, ...]


def _pictures(path: Path) -> dict[str, str]:
    """The picture's path by image id; none without image_data.json."""
    if not path.is_file():
        return {}
    entries = by_image(read_list(path, "Visual Genome's image_data.json"), str(path))
    return {image_id: image_path(entry) for image_id, entry in entries.items()}


def _question(qa: _Answered, image_id: str, pictures: dict[str, str]) -> Question:
    word = qa.question.split(maxsplit=1)[0].lower().strip("?,.") if qa.question.strip() else ""
    return Question(
        id=str(qa.qa_id),
        image_id=image_id,
        image=pictures.get(image_id, ""),
        question=qa.question.strip(),
        options=(),
        answer=qa.answer.strip(),
        choice="",
        question_type=word if word in WORDS else OTHER,
        form="short",
    )
