"""POPE: is a certain object in the picture? Yes/no questions in three categories."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import KitError, unknown_name
from ..inputs import read_objects
from ..records import Prediction, Question
from . import hub
from .official import About, Official, OfficialBenchmark
from .scoring import Verdict

CATEGORIES = ("adversarial", "popular", "random")
RULES = ("llava", "lmms")
FOLDERS = ("", "coco", "output/coco")
LINES = "one question a line: question_id, image, text, label (yes or no)"

HUB_COLUMNS = {"question_id": "question_id", "text": "question", "label": "answer", "image": "image",
               "image_id": "image_source"}

# LLaVA's one file of all three tells them apart by what it adds to their numbers.
LLAVA_OFFSETS = {"adversarial": 0, "random": 10_000_000, "popular": 20_000_000}

Row = dict[str, float | None]


class POPE(OfficialBenchmark):
    """POPE's COCO questions, up to 3,000 a category; `question_type` is the category.

    `path` is the folder of the three files, or one file. Rule "llava" is POPE's own rule as LLaVA uses it;
    "lmms" is lmms-eval's, which takes a bare yes or no only and reports over all questions at once.
    """

    name = "pope"
    about = About(
        title="POPE",
        files="coco_pope_adversarial.json, coco_pope_popular.json and coco_pope_random.json; pictures: "
              "COCO val2014",
        where="https://github.com/AoiDragon/POPE, folder output/coco",
        licence="MIT; COCO images under Flickr's terms",
        hub="lmms-lab/POPE",
    )
    rules = RULES

    def read(self) -> Iterator[Question]:
        """The questions; an id is "popular/17", for numbers start anew in each category."""
        lines = self._hub_lines() if self.is_hub else self._file_lines()
        seen: set[str] = set()
        for where, category, line in lines:
            question = _question(where, category, line)
            if question.id in seen:
                raise KitError(f"{where}: question_id {line['question_id']!r} is there twice; ids are unique "
                               f"within category {category!r}")
            seen.add(question.id)
            yield question

    def _file_lines(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        for category, file in self._files():
            lines = list(read_objects(file, LINES))
            if not lines:
                raise KitError(f"{file}: no questions in it; expected {LINES}")
            yield from ((where, category, line) for where, line in lines)

    def _files(self) -> list[tuple[str, Path]]:
        path = Path(self.path)
        if path.is_file():
            named = [category for category in CATEGORIES if category in path.name]
            if len(named) != 1:
                raise unknown_name("category of POPE in the file name", path.name, CATEGORIES)
            return [(named[0], path)]
        names = [f"coco_pope_{category}.json" for category in CATEGORIES]
        folders = [path / name for name in FOLDERS]
        folder = next((one for one in folders if any((one / name).is_file() for name in names)), path)
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise KitError(f"no {', '.join(missing)} in {str(folder)!r}; {self.about}")
        return [(category, folder / name) for category, name in zip(CATEGORIES, names, strict=True)]

    def _hub_lines(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        for number, row in enumerate(hub.rows(self.hub_name, None, "test")):
            line = {ours: row.get(theirs) for ours, theirs in HUB_COLUMNS.items()}
            yield f"{self.path}, row {number}", str(row.get("category")), line

    def judge(self, question: Question, reply: str) -> Verdict:
        """Yes or no as the rule reads it; under "llava" whatever is not a no is a yes."""
        read = read_reply(reply, self.rule)
        return Verdict(read, float(read == question.answer))

    def official(self, questions: Sequence[Question], predictions: Sequence[Prediction]) -> Official:
        """Per category and over "all" the counts and rates (0..1); the summary has per cent.

        F1 and accuracy in the summary are the categories' mean ("llava", as LLaVA's paper reports), or those
        over all ("lmms"). The official script matches replies with labels by their order in a category; here
        it is by id, so a reply left out moves no other. Under "llava" it counts as a wrong one.
        """
        items = [
            (question.question_type, question.answer, self._read(question, prediction))
            for question, prediction in zip(questions, predictions, strict=True)
        ]
        table = category_scores(items)
        overall = category_scores(("all", answer, read) for _, answer, read in items)
        rows = list(overall.values()) if self.rule == "lmms" else list(table.values())
        return {
            "summary": {"F1": _mean(rows, "F1 score"), "Accuracy": _mean(rows, "Accuracy")},
            "category": {**table, **overall},
        }

    def _read(self, question: Question, prediction: Prediction) -> str:
        opposite = "no" if question.answer == "yes" else "yes"
        if prediction.outcome == "unparsed":
            return opposite if self.rule == "llava" else ""
        return question.answer if prediction.outcome == "right" else opposite

    def aliases(self, question: Question) -> Sequence[str]:
        """The number within the category, and LLaVA's number."""
        category, _, number = question.id.partition("/")
        if not number.isdecimal():
            return (question.id, number)
        return (question.id, str(int(number) + LLAVA_OFFSETS[category]), number)


def read_reply(reply: str, rule: str = "llava") -> str:
    """ "yes", "no", or under "lmms" "" for a reply that is neither.

    Under "llava" the first sentence, without commas, is a no if one of the words between its spaces is No,
    not or no; all else, even nothing, is a yes. Source: POPE's evaluate.py, and LLaVA's eval_pope.py, which
    has the same rule; lmms-eval's pope/utils.py.
    """
    if rule not in RULES:
        raise unknown_name("rule of pope", rule, RULES)
    if rule == "lmms":
        text = reply.lower().strip()
        return text if text in ("yes", "no") else ""
    words = reply.split(".")[0].replace(",", "").split(" ")
    return "no" if {"No", "not", "no"} & set(words) else "yes"


def category_scores(items: Iterable[tuple[str, str, str]]) -> dict[str, Row]:
    """Counts and rates (0..1) per category of (category, label, read) items; yes is positive.

    A reply that is not read is in none of TP, FP, TN, FN, but Accuracy and Yes ratio are of all. None where a
    rate has no denominator.
    """
    cells: dict[str, Counter[str]] = defaultdict(Counter)
    for category, label, read in items:
        cell = ("T" if label == read else "F") + ("P" if read == "yes" else "N") if read else "other"
        cells[category][cell] += 1
    known = sorted(cells, key=lambda name: CATEGORIES.index(name) if name in CATEGORIES else 99)
    return {category: _rates(cells[category]) for category in known}


def _rates(cells: Counter[str]) -> Row:
    tp, fp, tn, fn = (cells[name] for name in ("TP", "FP", "TN", "FN"))
    return {
        "TP": tp, "FP": fp, "TN": tn, "FN": fn, "other": cells["other"],
        "Accuracy": _ratio(tp + tn, cells.total()), "Precision": _ratio(tp, tp + fp),
        "Recall": _ratio(tp, tp + fn), "F1 score": _ratio(2 * tp, 2 * tp + fp + fn),
        "Yes ratio": _ratio(tp + fp, cells.total()),
    }


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _mean(rows: Sequence[Row], name: str) -> float | None:
    values = [value for row in rows if (value := row[name]) is not None]
    return 100 * sum(values) / len(values) if values else None


def _question(where: str, category: str, line: dict[str, Any]) -> Question:
    missing = [name for name in ("question_id", "text", "label") if line.get(name) in (None, "")]
    if missing:
        raise KitError(f"{where}: no {missing[0]}; expected {LINES}")
    label = str(line["label"]).strip().lower()
    if label not in ("yes", "no"):
        raise KitError(f"{where}: label {line['label']!r}; expected yes or no")
    if category not in CATEGORIES:
        raise unknown_name(f"category of {where}", category, CATEGORIES)
    image = str(line.get("image") or "")
    return Question(
        id=f"{category}/{line['question_id']}", image=image,
        image_id=str(line.get("image_id") or image.rpartition(".")[0] or image),
        question=str(line["text"]).strip(), options=(), answer=label, choice="", question_type=category,
        form="yes_no",
    )
