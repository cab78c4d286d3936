"""A benchmark from one plain JSONL file: the way to bring one's own questions."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import KitError
from ..inputs import read_objects
from ..records import LETTERS, Prediction, Question
from . import scoring
from .splits import deal

EXPECTED = (
    "one question a line: id, image, question, answer, type, and options (a list, or letters to texts), hint"
)


class JsonlBenchmark:
    """Questions of file `path`, one JSON object a line, split in two by image (see `splits.deal`).

    Fields: `id`, `image` (a path, from `images` or else the file's folder), `question`, `answer` (a letter or
    the option's text), `type`; and, if any, `options` (a list, or {"A": text, ...}), `hint`, `image_id`.
    Other fields are passed over. Without options the answer is compared as text.
    """

    def __init__(
        self,
        path: str,
        images: str = "",
        splits: str = "halves",
        split_seed: int = 0,
        diagnose_share: float = 0.5,
    ):
        self._path = Path(path)
        self.name = self._path.stem
        self.root: Path | None = Path(images) if images else self._path.parent
        self._splits, self._seed, self._share = splits, split_seed, diagnose_share

    @cached_property
    def _parts(self) -> dict[str, list[Question]]:
        questions = read_questions(self._path)
        return deal(questions, self._splits, self._share, self._seed)

    def questions(self, split: str) -> list[Question]:
        """The questions of a split, in the file's order."""
        return list(scoring.pick_split(split, self._parts))

    def judge(self, question: Question, reply: str) -> scoring.Verdict:
        """The option chosen, or without options the text, must be right."""
        return scoring.judge(question, reply)

    def score(self, questions: Sequence[Question], predictions: Sequence[Prediction]) -> dict[str, Any]:
        """Accuracy per type with intervals."""
        return {**scoring.score(questions, predictions), "splits": self._splits}


def read_questions(path: Path) -> list[Question]:
    """All questions of a file; a line that is not as expected raises `KitError` with file and line."""
    questions: list[Question] = []
    seen: set[str] = set()
    for where, line in read_objects(path, EXPECTED):
        try:
            question = _question(line)
        except KitError as error:
            raise KitError(f"{where}: {error}") from error
        if question.id in seen:
            raise KitError(f"{where}: id {question.id!r} is there twice; ids must be unique")
        seen.add(question.id)
        questions.append(question)
    if not questions:
        raise KitError(f"{path}: no questions in it; expected {EXPECTED}")
    return questions


def _question(line: dict[str, Any]) -> Question:
    options = _options(line.get("options") or [])
    answer = _text(line, "answer")
    choice = _choice(answer, options, isinstance(line.get("options"), dict)) if options else ""
    image = _text(line, "image")
    return Question(
        id=_text(line, "id"), image_id=_text({"image_id": image, **line}, "image_id"), image=image,
        question=_text(line, "question"), options=options, choice=choice,
        answer=options[LETTERS.index(choice)] if choice else answer,
        question_type=_text(line, "type"), hint=_text(line, "hint") if line.get("hint") else "",
    )


def _text(line: dict[str, Any], field: str) -> str:
    value = line.get(field)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise KitError(f"{field} is {value!r}: expected a text; a line has {EXPECTED}")
    return value.strip()


def _options(value: Any) -> tuple[str, ...]:
    if isinstance(value, dict):
        if list(value) != list(LETTERS[: len(value)]):
            raise KitError(f"options have the letters {list(value)}: expected {list(LETTERS[: len(value)])}")
        value = list(value.values())
    if not isinstance(value, list) or not all(isinstance(option, (str, int, float)) for option in value):
        raise KitError(f"options are {value!r:.80}: expected a list of texts, or letters to texts")
    if value and not 2 <= len(value) <= len(LETTERS):
        raise KitError(f"{len(value)} options: expected 2 to {len(LETTERS)}, or none for an open question")
    return tuple(str(option).strip() for option in value)


def _choice(answer: str, options: tuple[str, ...], lettered: bool) -> str:
    """The letter of the right option; an answer that is one option's letter and another's text is refused."""
    letters = LETTERS[: len(options)]
    by_letter = answer if answer in letters else ""
    by_text = [letters[n] for n, option in enumerate(options) if option == answer]
    if len(by_text) > 1:
        raise KitError(f"answer {answer!r} is the text of {len(by_text)} options; give its letter")
    found = {by_letter} if by_letter and (lettered or not by_text) else {by_letter, *by_text} - {""}
    if len(found) != 1:
        problem = (
            "is one option's letter and another's text" if found else "is neither a letter nor an option"
        )
        raise KitError(f"answer {answer!r} {problem}; options are {list(options)!r:.160}")
    return found.pop()
