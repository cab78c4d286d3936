"""MME: fourteen subtasks of yes/no questions, two a picture, that count singly and as a pair."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import KitError, unknown_name
from ..inputs import read_text
from ..records import Prediction, Question
from . import hub
from .official import About, Official, OfficialBenchmark
from .scoring import Verdict

PERCEPTION = ("existence", "count", "position", "color", "posters", "celebrity", "scene", "landmark",
              "artwork", "OCR")
COGNITION = ("commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning")
CATEGORIES = PERCEPTION + COGNITION
COCO = PERCEPTION[:4]  # these ask about the same COCO pictures; elsewhere equal names are other pictures
RULES = ("official", "lmms")
SUFFIX = " Please answer yes or no."

# The categories whose pictures and questions lie in folders of their own, and those with PNG pictures.
IN_FOLDERS = ("artwork", "celebrity", "landmark", "posters", "scene")
PNG = ("code_reasoning", "commonsense_reasoning", "numerical_calculation", "text_translation")
FOLDERS = (
    "", "MME_Benchmark_release_version", "MME_Benchmark_release_version/MME_Benchmark", "MME_Benchmark",
    "Your_Results", "eval_tool/Your_Results",
)
LINES = "question, tab, Yes or No, in pairs of lines about one picture"
RESULTS = "image, tab, question, tab, Yes or No (a reply after that is passed over), in pairs of lines"



@dataclass(frozen=True)
class Line:
    """One question: `where` it stands, the picture's name and its path (`image`), and Yes or No."""

    where: str
    picture: str
    image: str
    question: str
    answer: str


class MME(OfficialBenchmark):
    """MME's 2,374 questions; `question_type` is the subtask, and a pair of questions shares a picture.

    Read are the release's folders, the fourteen result files of the evaluation tool, or the hub copy. Rule
    "official" is the evaluation tool's, "lmms" that of lmms-eval, which reads "y" and "n" as well.
    """

    name = "mme"
    about = About(
        title="MME",
        files="the folder MME_Benchmark_release_version (or eval_tool/Your_Results, without pictures)",
        where="https://github.com/BradyFU/Awesome-Multimodal-Large-Language-Models, branch Evaluation",
        licence="research use only",
        hub="lmms-lab/MME",
    )
    rules = RULES

    def read(self) -> Iterator[Question]:
        """The questions without their " Please answer yes or no."; an id is "OCR/0001.jpg#1" (or "#2")."""
        if self.is_hub:
            yield from _from_hub(hub.rows(self.hub_name, None, "test"), self.path)
            return
        folder, below = self._folder()
        for category in CATEGORIES:
            source = _source(folder, category)
            lines = _release(source) if source.is_dir() else _results(source, category)
            for question in _pairs(category, lines, str(source)):
                yield replace(question, image=f"{below}{question.image}")

    def _folder(self) -> tuple[Path, str]:
        """The folder of the subtasks, and the path to it from the folder that images count from."""
        names = [name for name in FOLDERS if any(_has(Path(self.path, name), item) for item in CATEGORIES)]
        if not names:
            raise KitError(f"no folder of MME's subtasks, such as {CATEGORIES[0]!r}, in {self.path!r}; "
                           f"{self.about}")
        folder = Path(self.path, names[0])
        missing = [name for name in CATEGORIES if not _has(folder, name)]
        if missing:
            raise KitError(f"{folder}: no {', '.join(missing)}; all {len(CATEGORIES)} subtasks are needed: "
                           f"{self.about}")
        return folder, "" if self._images or not names[0] else f"{names[0]}/"

    def judge(self, question: Question, reply: str) -> Verdict:
        """Yes or no as the rule reads it; MME's "other" is unparsed."""
        read = read_reply(reply, self.rule)
        return Verdict(read, float(read == question.answer.lower()))

    def official(self, questions: Sequence[Question], predictions: Sequence[Prediction]) -> Official:
        """Perception (to 2000) and Cognition (to 800), and per subtask the score (to 200) and its parts."""
        answers = [question.answer.lower() for question in questions]
        read = ["" if prediction.outcome == "unparsed" else answer if prediction.outcome == "right"
                else _opposite(answer) for answer, prediction in zip(answers, predictions, strict=True)]
        table = category_scores(
            (question.question_type, question.gold["pair"], answer, label)
            for question, answer, label in zip(questions, answers, read, strict=True)
        )
        return {"summary": totals(table), "category": table}

    def aliases(self, question: Question) -> Sequence[str]:
        """Other tools call both questions of a picture by its path; some write the name as .txt."""
        picture = question.id.rpartition("#")[0]
        category, _, name = picture.partition("/")
        return (question.id, picture, f"{category}/images/{name}", f"{picture.rpartition('.')[0]}.txt")


def read_reply(reply: str, rule: str = "official") -> str:
    """ "yes", "no", or "" for what MME calls other.

    Source: `parse_pred_ans` of MME's calculation.py and of lmms-eval's mme/utils.py. Only the first four
    characters are looked at, so "know" is no, and "The answer is yes" is other.
    """
    if rule not in RULES:
        raise unknown_name("rule of mme", rule, RULES)
    text = reply.lower()
    if rule == "lmms":
        text = text.strip().replace(".", "")
        text = {"y": "yes", "n": "no"}.get(text, text)
    return next((label for label in ("yes", "no") if label in text[:4]), "")


def category_scores(items: Iterable[tuple[str, Any, str, str]]) -> dict[str, dict[str, float | None]]:
    """The scores per subtask of (subtask, pair, answer, read) items, in MME's order.

    `acc` (0..1) is over questions, `acc_plus` (0..1) over pairs of which both are right, `score` is
    100 * acc + 100 * acc_plus. TP, FN, TN, FP (yes is positive) are over replies that could be read, `other`
    counts the rest; `precision` and `recall` are None where they have no denominator.
    """
    by_category: dict[str, list[tuple[Any, str, str]]] = defaultdict(list)
    for category, pair, answer, read in items:
        by_category[category].append((pair, answer, read))
    known = sorted(by_category, key=lambda name: CATEGORIES.index(name) if name in CATEGORIES else 99)
    return {category: _scores(by_category[category]) for category in known}


def totals(table: dict[str, dict[str, float | None]]) -> dict[str, float]:
    """The sums of the subtasks' scores; a subtask that is not in the table adds nothing."""
    groups = {"Perception": PERCEPTION, "Cognition": COGNITION}
    return {
        name: sum((table[category]["score"] or 0.0 for category in group if category in table), 0.0)
        for name, group in groups.items()
    }


def _scores(items: list[tuple[Any, str, str]]) -> dict[str, float | None]:
    pairs: dict[Any, list[bool]] = defaultdict(list)
    counts = dict.fromkeys(("TP", "FN", "TN", "FP", "other"), 0)
    for pair, answer, read in items:
        pairs[pair].append(answer == read)
        counts[_cell(answer, read)] += 1
    acc = sum(map(sum, pairs.values())) / len(items)
    acc_plus = sum(len(hits) == 2 and all(hits) for hits in pairs.values()) / len(pairs)
    positive, true = counts["TP"] + counts["FP"], counts["TP"] + counts["FN"]
    return {
        "score": 100 * acc + 100 * acc_plus, "acc": acc, "acc_plus": acc_plus, **counts,
        "precision": counts["TP"] / positive if positive else None,
        "recall": counts["TP"] / true if true else None,
    }


def _cell(answer: str, read: str) -> str:
    if not read:
        return "other"
    return ("T" if answer == read else "F") + ("P" if read == "yes" else "N")


def _opposite(answer: str) -> str:
    return "no" if answer == "yes" else "yes"


def _has(folder: Path, category: str) -> bool:
    source = _source(folder, category)
    return source.is_dir() or source.is_file()


def _source(folder: Path, category: str) -> Path:
    """The subtask's folder of the release, or its result file."""
    return folder / category if (folder / category).is_dir() else folder / f"{category}.txt"


def _release(folder: Path) -> Iterator[Line]:
    """The lines of one subtask's folder, file by file in the order of their names."""
    questions = folder / "questions_answers_YN" if (folder / "questions_answers_YN").is_dir() else folder
    pictures = folder / "images" if (folder / "images").is_dir() else folder
    names = {file.stem: file.name for file in pictures.iterdir() if file.suffix != ".txt"}
    files = sorted(questions.glob("*.txt"))
    if not files:
        raise KitError(f"{folder}: no .txt file in it; expected one a picture: {LINES}")
    for file in files:
        name = names.get(file.stem) or file.stem + (".png" if folder.name in PNG else ".jpg")
        for where, fields in _fields(file, LINES):
            if len(fields) != 2:
                raise KitError(f"{where}: {len(fields)} fields; expected {LINES}")
            yield Line(where, name, (pictures / name).relative_to(folder.parent).as_posix(), *fields)


def _results(file: Path, category: str) -> Iterator[Line]:
    folder = f"{category}/images" if category in IN_FOLDERS else category
    for where, fields in _fields(file, RESULTS):
        if len(fields) not in (3, 4):
            raise KitError(f"{where}: {len(fields)} fields; expected {RESULTS}")
        yield Line(where, fields[0], f"{folder}/{fields[0]}", *fields[1:3])


def _fields(file: Path, expected: str) -> Iterator[tuple[str, list[str]]]:
    for number, line in enumerate(read_text(file, expected).split("\n"), start=1):
        if line.strip():
            yield f"{file}:{number}", line.rstrip("\r").split("\t")


def _pairs(category: str, lines: Iterable[Line], source: str) -> Iterator[Question]:
    """Consecutive lines are a pair, as the evaluation tool has it; they must be about one picture."""
    seen: Counter[str] = Counter()
    first: Line | None = None
    number = -1
    for number, line in enumerate(lines):
        if number % 2 and first is not None and first.picture != line.picture:
            raise KitError(f"{line.where}: a question about {line.picture!r} follows one about "
                           f"{first.picture!r}; expected the two questions of a picture in consecutive lines")
        first = line
        seen[line.picture] += 1
        yield _question(category, f"{category}/{line.picture}", number // 2, seen[line.picture], line)
    if number % 2 == 0 or first is None:
        where = first.where if first else source
        raise KitError(f"{where}: {number + 1} questions of {category!r}; expected two a picture: {LINES}")


def _from_hub(rows: Iterable[dict[str, Any]], where: str) -> Iterator[Question]:
    """The hub copy's rows: the two questions of a picture share its `question_id`, "category/picture"."""
    seen: Counter[str] = Counter()
    for number, row in enumerate(rows):
        missing = [name for name in ("question_id", "question", "answer", "category") if not row.get(name)]
        if missing:
            raise KitError(f"{where}, row {number}: no {missing[0]}; expected question_id, image, question, "
                           "answer (Yes or No), category")
        name = row["question_id"].replace("/images/", "/")
        line = Line(f"{where}, row {number}", name, row.get("image") or "", row["question"], row["answer"])
        seen[name] += 1
        yield _question(row["category"], name, name, seen[name], line)
    odd = [name for name, n in seen.items() if n != 2]
    if odd:
        raise KitError(f"{where}: {seen[odd[0]]} questions about {odd[0]!r}; expected two a picture")


def _question(category: str, picture: str, pair: int | str, number: int, line: Line) -> Question:
    if line.answer.strip().lower() not in ("yes", "no"):
        raise KitError(f"{line.where}: answer {line.answer!r}; expected Yes or No")
    return Question(
        id=f"{picture}#{number}", image=line.image,
        image_id=picture.rpartition("/")[2] if category in COCO else picture,
        question=line.question.replace(SUFFIX, "").strip(), options=(),
        answer=line.answer.strip().capitalize(), choice="", question_type=category, form="yes_no",
        gold={"pair": f"{category}/{pair}"},
    )
