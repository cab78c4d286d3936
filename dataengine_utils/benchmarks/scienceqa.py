"""ScienceQA: school questions with two to five options, about half of them with a picture."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import KitError
from ..inputs import read_json
from ..records import LETTERS, Prediction, Question
from . import hub, scoring
from .fields import picked, texts
from .official import About, Official, OfficialBenchmark, unique_ids
from .scienceqa_rules import FIVE, READERS, Item, choice_index, sqa_scores, sqa_verdict
from .scoring import Verdict

NO_TOPIC = "unknown topic"  # LLaVA's question file has none
FOLDERS = ("images/test", "test")
PROBLEMS = (
    "problems.json: {id: {question, choices (two to five texts), answer (the right one's index), hint, "
    "image, split, subject, grade, topic}}"
)
SPLITS = 'pid_splits.json: {"test": [ids], ...}'
CONVERSATIONS = (
    'llava_test_CQM-A.json: [{"id", "image" (if any), "conversations": [{"value": question and options}, '
    '{"value": letter}]}]'
)
HUB_CONFIGS = {
    f"{owner}/ScienceQA": {"full": "ScienceQA-FULL", "img": "ScienceQA-IMG"}
    for owner in ("lmms-lab", "lmms-lab-encoder")
}

_FIRST_OPTION = "\nA. "


@dataclass(frozen=True)
class Problem:
    """A record of problems.json or of a hub copy; `head_text` is what a record made from LLaVA's file has."""

    choices: Any
    answer: int
    question: str = ""
    head_text: str = ""
    hint: str | None = None
    image: str | None = None
    split: str = ""
    subject: str | None = None
    grade: str | None = None
    topic: str | None = None


@dataclass(frozen=True)
class Conversation:
    """A record of LLaVA's question file."""

    id: Any
    conversations: Any
    image: str | None = None


@dataclass(frozen=True)
class Turn:
    """What one side says in it."""

    value: str


class ScienceQA(OfficialBenchmark):
    """ScienceQA's 4,241 test questions (variant "full"), or the 2,017 with a picture ("img").

    Read are problems.json with pid_splits.json (without it, the records' own split counts), LLaVA's
    llava_test_CQM-A.json (subjects, grades and topics come from a problems.json beside it) and the hub
    copies, whose rows have no ids: there the row's number is the id. A question without a picture has image
    "". Double spaces become single ones and a hint becomes a "Context: " line, as in LLaVA's file. Rules: see
    `llava_letter` and `lmms_letter`; a letter that is no option's is unparsed. By rule "llava" a question
    without prediction counts in the total and not in IMG, as LLaVA's script knows only the prompts of those
    it got.
    """

    name = "scienceqa"
    about = About(
        title="ScienceQA",
        files="problems.json and pid_splits.json with the folder images beside them, or LLaVA's "
        "llava_test_CQM-A.json",
        where="https://github.com/lupantech/ScienceQA",
        licence="CC BY-NC-SA 4.0",
        hub="lmms-lab/ScienceQA",
    )
    rules = tuple(READERS)
    variants = ("full", "img")

    def read(self) -> Iterator[Question]:
        """The test questions of the variant; `question_type` is the topic."""
        questions = self._from_hub() if self.is_hub else self._from_file()
        yield from unique_ids(q for q in questions if q.image or self.variant == "full")

    def _from_hub(self) -> Iterator[Question]:
        config = HUB_CONFIGS.get(self.hub_name, {}).get(self.variant)
        for number, row in enumerate(hub.rows(self.hub_name, config, "test")):
            where = f"{self.path}: row {number}"
            problem = picked(Problem, row, where, PROBLEMS)
            yield _question(str(number), problem, problem.image or "", where)

    def _from_file(self) -> Iterator[Question]:
        path = self.find("problems.json", "llava_test_CQM-A.json")
        value = read_json(path, f"{PROBLEMS}, or {CONVERSATIONS}")
        if isinstance(value, dict):
            return _from_problems(value, path, self._pictures())
        if isinstance(value, list):
            return _from_conversations(value, path, self._pictures())
        raise KitError(f"{path}: got {value!r:.60}; expected {PROBLEMS}, or {CONVERSATIONS}")

    def _pictures(self) -> str:
        """The folder of the test pictures, as a path from `root` that ends in a slash, or ""."""
        there = [folder for folder in FOLDERS if self.root and (self.root / folder).is_dir()]
        return f"{there[0]}/" if there else "" if self._images else f"{FOLDERS[0]}/"

    def judge(self, question: Question, reply: str) -> Verdict:
        """The option's letter that the rule reads."""
        return sqa_verdict(reply, question.choice, len(question.options), self.rule)

    def official(self, questions: Sequence[Question], predictions: Sequence[Prediction]) -> Official:
        """Accuracy in per cent in total and with pictures (IMG), the official table, and per topic."""
        return sqa_scores(
            Item(prediction.outcome == "right", bool(question.image), bool(question.hint),
                 question.gold["subject"], question.gold["grade"], question.question_type)
            for question, prediction in zip(questions, predictions, strict=True)
        )

    def score(self, questions: Sequence[Question], predictions: Sequence[Prediction]) -> dict[str, Any]:
        """As for every benchmark; by rule "llava" the summary's IMG is over the questions answered."""
        scores = super().score(questions, predictions)
        if self.rule == "llava" and scores["missing"]:
            given = {prediction.question_id for prediction in predictions}
            answered = [question for question in questions if question.id in given]
            seen = self.official(answered, scoring.judged(answered, predictions, self.judge))
            scores["official"]["summary"]["IMG"] = seen["summary"]["IMG"]
        return scores


def split_prompt(prompt: str, question: str = "") -> tuple[str, str, tuple[str, ...]]:
    """(hint line, question, options) of the text in LLaVA's question file.

    The options start at the last line "A. "; options may have several lines. Without `question`, the last
    line before them is the question and the context before it the hint: together the same text.
    """
    head, _, rest = prompt.replace("<image>", "").strip().rpartition(_FIRST_OPTION)
    options = []
    for letter in FIVE[1:]:
        option, separator, after = rest.partition(f"\n{letter}. ")
        if not separator:
            break
        options.append(option)
        rest = after
    return *_split_head(head, question), (*options, rest)


def _split_head(head: str, question: str = "") -> tuple[str, str]:
    if not head.startswith("Context: ") or "\n" not in head:
        return "", head
    if question and head.endswith(f"\n{question}"):
        return head.removesuffix(f"\n{question}"), question
    hint, _, last = head.rpartition("\n")
    return hint, last


def _from_problems(problems: Mapping[str, Any], path: Path, pictures: str) -> Iterator[Question]:
    """The test questions by pid_splits.json beside the file, or without it by the records' own split."""
    splits = path.parent / "pid_splits.json"
    wanted = _test_ids(splits, problems, path) if splits.exists() else None
    for pid in problems if wanted is None else wanted:
        where = f"{path}: problem {pid!r}"
        problem = picked(Problem, problems[pid], where, PROBLEMS)
        if wanted is not None or problem.split == "test":
            yield _question(pid, problem, f"{pictures}{pid}/{problem.image}" if problem.image else "", where)


def _test_ids(splits: Path, problems: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    value = read_json(splits, SPLITS)
    if not isinstance(value, dict) or "test" not in value:
        raise KitError(f"{splits}: no ids of the test questions in it; expected {SPLITS}")
    ids = texts(value["test"], str(splits), SPLITS)
    missing = [pid for pid in ids if pid not in problems]
    if missing:
        raise KitError(
            f"{path}: {len(missing)} of the {len(ids)} test questions of {splits.name} are not in it, such "
            f"as {missing[0]!r}; download the whole file ({ScienceQA.about.where})"
        )
    return ids


def _from_conversations(records: list[Any], path: Path, pictures: str) -> Iterator[Question]:
    file = path.parent / "problems.json"
    problems = read_json(file, PROBLEMS) if file.exists() else {}
    for number, value in enumerate(records):
        where = f"{path}: question {number}"
        record = picked(Conversation, value, where, CONVERSATIONS)
        (pid,) = texts([record.id], where, CONVERSATIONS)
        prompt, letter = _turns(record.conversations, f"{where} ({pid})")
        problem = _problem_beside(problems, pid, file)
        text = split_prompt(prompt, _plain(problem.question))
        answer = choice_index(letter, len(text[2]))
        if answer < 0:
            raise KitError(
                f"{where} ({pid}): answer {letter!r:.40} to {len(text[2])} options; expected {CONVERSATIONS}"
            )
        yield _made(pid, text, answer, problem, f"{pictures}{record.image}" if record.image else "")


def _turns(turns: Any, where: str) -> tuple[str, str]:
    """What the person asks and the letter that is the answer."""
    if not isinstance(turns, list) or len(turns) < 2:
        raise KitError(f"{where}: conversations is {turns!r:.60}; expected {CONVERSATIONS}")
    asked, answered = (picked(Turn, turn, where, CONVERSATIONS).value for turn in turns[:2])
    return asked, answered.strip()


def _problem_beside(problems: Any, pid: str, file: Path) -> Problem:
    """The record of a question in the problems.json beside LLaVA's file; without one nothing is known."""
    if not isinstance(problems, dict):
        raise KitError(f"{file}: got {type(problems).__name__}; expected {PROBLEMS}")
    if pid not in problems:
        return Problem((), 0)
    return picked(Problem, problems[pid], f"{file}: problem {pid!r}", PROBLEMS)


def _question(pid: str, problem: Problem, image: str, where: str) -> Question:
    options = tuple(map(_plain, texts(problem.choices, where, PROBLEMS)))
    if not 2 <= len(options) <= len(FIVE) or not 0 <= problem.answer < len(options):
        raise KitError(f"{where}: answer {problem.answer} to {len(options)} choices; expected {PROBLEMS}")
    if problem.question:
        hint = _plain(problem.hint or "")
        text = f"Context: {hint}" if hint else "", _plain(problem.question)
    else:
        text = _split_head(problem.head_text)
    if not text[1]:
        raise KitError(f"{where}: no question; expected {PROBLEMS}")
    return _made(pid, (*text, options), problem.answer, problem, image)


def _made(
    pid: str, text: tuple[str, str, tuple[str, ...]], answer: int, problem: Problem, image: str
) -> Question:
    hint, question, options = text
    return Question(
        id=pid, image_id=pid, image=image, question=question, options=options, answer=options[answer],
        choice=LETTERS[answer], question_type=problem.topic or NO_TOPIC, hint=hint, form="choice",
        gold={"subject": problem.subject or "", "grade": problem.grade or ""},
    )


def _plain(text: str) -> str:
    """A text as LLaVA's question file has it."""
    return text.replace("  ", " ").strip()
