"""MMBench: multiple choice with the options rotated, right only if right in every rotation (CircularEval).

The rules are those of VLMEvalKit (vlmeval/utils/matching_util.py and dataset/utils/multiple_choice.py), at
its head and as it was in May 2024, without a language model as judge ("exact_matching").
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from ..errors import KitError
from ..inputs import read_sheet
from ..records import LETTERS, Prediction, Question
from . import hub, scoring, tsv
from .official import HUB, About, Official, OfficialBenchmark, unique_ids
from .rates import percent
from .scoring import Verdict

MAY_2024, HEAD = "vlmevalkit_2024_05", "vlmevalkit_head"
ROTATION = 1_000_000  # rotation r of question q has the index q + r * ROTATION
REFUSED = "Z"
SUBMIT = "https://mmbench.opencompass.org.cn"

# What pandas takes for an empty cell, and so do all official tools, which read and write tables by it.
EMPTY_CELLS = frozenset(
    ["", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A",
     "NA", "NULL", "NaN", "None", "n/a", "nan", "null"]
)
L2_CATEGORIES = {
    "coarse_perception": ("image_style", "image_topic", "image_scene", "image_emotion", "image_quality"),
    "finegrained_perception (instance-level)": (
        "attribute_recognition", "celebrity_recognition", "object_localization", "ocr"),
    "finegrained_perception (cross-instance)": (
        "spatial_relationship", "attribute_comparison", "action_recognition"),
    "attribute_reasoning": ("physical_property_reasoning", "function_reasoning", "identity_reasoning"),
    "relation_reasoning": ("social_relation", "nature_relation", "physical_relation"),
    "logic_reasoning": ("structuralized_imagetext_understanding", "future_prediction"),
}
ABBREVIATIONS = dict(zip(L2_CATEGORIES, ("CP", "FP-S", "FP-C", "AR", "RR", "LR"), strict=True))

_FILES = {
    "en": ("mmbench_dev_20230712.tsv", "MMBench_DEV_EN.tsv", "MMBench_DEV_EN_legacy.tsv",
           "mmbench_dev_en_20231003.tsv", "MMBench_DEV_EN_V11.tsv"),
    "cn": ("MMBench_DEV_CN.tsv", "MMBench_DEV_CN_legacy.tsv", "mmbench_dev_cn_20231003.tsv",
           "MMBench_DEV_CN_V11.tsv"),
    "cc": ("CCBench.tsv", "CCBench_legacy.tsv", "ccbench_20231003.tsv"),
}
_L2_OF = {category: l2 for l2, categories in L2_CATEGORIES.items() for category in categories}
_NEEDED = ("index", "question", "A", "B")
_ALL_LANGUAGES = "lmms-lab/MMBench"
_NO_ANSWER = "Failed to obtain answer via API"
_REFUSALS = (
    "Sorry, I can't help with images of people yet.", "I can't process this file.",
    "I'm sorry, but without the image provided", "Cannot determine the answer",
)
_TO_SPACES = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_ANSWER_IS = re.compile(r"answer\s+is\s+\**([ABCD])", re.IGNORECASE)

Row = tuple[Question, bool]
Kind = Callable[[Question], str]


class MMBench(OfficialBenchmark):
    """MMBench's dev questions; one record is one rotation, and `group` is the question that it rotates.

    `variant` picks the language where `path` is a folder or a hub copy: "en", "cn", or "cc" (CCBench). The
    upload file with answers (xlsx) serves as questions too, for scoring.
    """

    name: ClassVar[str] = "mmbench"
    rules: ClassVar[tuple[str, ...]] = (MAY_2024, HEAD)
    variants: ClassVar[tuple[str, ...]] = tuple(_FILES)
    about: ClassVar[About] = About(
        title="MMBench (dev)",
        files="mmbench_dev_20230712.tsv (4,377 rows, the paper's), MMBench_DEV_EN.tsv, or another such TSV",
        where="https://github.com/open-compass/MMBench",
        licence="Apache-2.0; the pictures are of several sources",
        hub="lmms-lab/MMBench_EN",
    )

    @property
    def hub_name(self) -> str:
        """The Hugging Face dataset's id; the default copy depends on the variant."""
        default = self.about.hub if self.variant == "en" else _ALL_LANGUAGES
        return self.path.removeprefix(HUB) or default

    def read(self) -> Iterable[Question]:
        """One question a row; rotations of one question share their `group` and `image_id`."""
        return unique_ids(_share_pictures(question_of(row, where) for where, row in self._rows()))

    def _rows(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        if self.is_hub:
            config, split = _hub_part(self.hub_name, self.variant)
            return ((f"{self.hub_name} ({split}), row {n}", row)
                    for n, row in enumerate(hub.rows(self.hub_name, config, split)))
        path = self.find(*_FILES[self.variant])
        if path.suffix.lower() == ".xlsx":
            return read_sheet(path, "MMBench's upload file with answers")
        return tsv.rows(path)

    def judge(self, question: Question, reply: str) -> Verdict:
        """The option inferred must be the right one; unparsed is also a refusal."""
        read = infer(reply, dict(zip(LETTERS, question.options, strict=False)), self.rule)
        return Verdict("" if read == REFUSED else read, float(bool(read) and read == question.choice))

    def official(self, questions: Sequence[Question], predictions: Sequence[Prediction]) -> Official:
        """Shares in per cent: circular, of the first rotations, of all rows; circular by ability and split.

        As in VLMEvalKit a question whose first rotation is missing counts among all rows only.
        """
        unanswered = [question.id for question in questions if not question.choice]
        if unanswered:
            raise KitError(f"{self.path}: {len(unanswered)} questions have no public answer, such as index "
                           f"{unanswered[0]}; upload the predictions at {SUBMIT}, or use a dev file")
        hits = group_hits(questions, predictions)
        by_split: dict[str, list[Row]] = defaultdict(list)
        for question, prediction in zip(questions, predictions, strict=True):
            by_split[_split(question)].append((question, prediction.outcome == "right"))
        rows = [row for of_split in by_split.values() for row in of_split]
        mains = [question for question, _ in rows if question.id in hits]
        tables = {"l2": _table(mains, hits, _l2), "category": _table(mains, hits, _category)}
        return {
            "summary": _shares(rows, hits),
            "split": {split: _shares(of_split, hits) for split, of_split in sorted(by_split.items())},
            **{name: table for name, table in tables.items() if table},
        }


def infer(reply: str, options: Mapping[str, str], rule: str) -> str:
    """The letter of the option that a reply gives, "Z" for a refusal, "" when nothing is certain.

    `options` are letters to texts. What pandas takes for an empty cell is no option, and the text "nan" as a
    reply. Stated letters go before the text of an option.
    """
    shown = {letter: text for letter, text in options.items() if text not in EMPTY_CELLS}
    text = "nan" if reply in EMPTY_CELLS else reply
    return _stated_letter(text, shown, rule) or _only_option_in(text, shown, rule)


def _stated_letter(reply: str, options: Mapping[str, str], rule: str) -> str:
    if _NO_ANSWER in reply:
        return ""
    if any(refusal in reply for refusal in _REFUSALS):
        return REFUSED
    words = reply.translate(_TO_SPACES).split()
    letters = [letter for letter in options if letter in words]
    if len(letters) == 1 and (rule == MAY_2024 or words.index(letters[0]) >= len(words) - 4):
        return letters[0]
    if not letters and REFUSED in words:
        return REFUSED
    stated = _ANSWER_IS.search(reply) if rule == HEAD else None
    return stated[1].upper() if stated and stated[1].upper() in options else ""


def _only_option_in(reply: str, options: Mapping[str, str], rule: str) -> str:
    said = reply.lower()
    if rule == HEAD and len(said) > 2 * sum(map(len, options.values())):
        return ""
    letters = [letter for letter, text in options.items() if text.lower() in said]
    return letters[0] if len(letters) == 1 else ""


def group_hits(questions: Sequence[Question], predictions: Sequence[Prediction]) -> dict[str, bool]:
    """Whether every rotation was answered right, by main index; questions without their first rotation are
    left out.
    """
    mains = {question.id for question in questions if question.id == question.group}
    counted = scoring.units(predictions)
    return {unit.group: unit.outcome == "right" for unit in counted if unit.group in mains}


def _shares(rows: Sequence[Row], hits: Mapping[str, bool]) -> dict[str, float | None]:
    first = [(question, right) for question, right in rows if question.id in hits]
    return {
        "circular": percent([hits[question.id] for question, _ in first]),
        "vanilla first pass": percent([right for _, right in first]),
        "all rows": percent([right for _, right in rows]),
    }


def _table(mains: Sequence[Question], hits: Mapping[str, bool], kind: Kind) -> Official:
    """Circular shares in per cent, kinds by splits; None where a split has none of a kind."""
    of_cell: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for question in mains:
        of_cell[kind(question), _split(question)].append(hits[question.id])
    names = sorted({name for name, _ in of_cell if name})
    splits = sorted({split for _, split in of_cell})
    return {name: {split: percent(of_cell[name, split]) for split in splits} for name in names}


def _split(question: Question) -> str:
    return question.gold["split"] or "all"


def _category(question: Question) -> str:
    return question.gold["category"]


def _l2(question: Question) -> str:
    return ABBREVIATIONS.get(question.gold["l2"], question.gold["l2"])


def question_of(row: Mapping[str, Any], where: str) -> Question:
    """The question of a table's row, in any of the spellings of its columns; `where` names it in errors.

    Options keep their places, so one that is missing between others is ""; it is not shown to a student.
    """
    cells = {_column(name): _text(value) for name, value in row.items()}
    missing = [name for name in _NEEDED if name not in cells]
    if missing:
        raise KitError(f"{where}: no column {missing[0]!r}; expected an MMBench table with the columns "
                       f"{', '.join(_NEEDED)} ..., got {', '.join(cells):.160}")
    index = _index(cells["index"], where)
    options, choice = _options(cells, where)
    category, image = _fact(cells, "category"), cells.get("image", "")
    return Question(
        id=str(index), group=str(index % ROTATION), image=image,
        image_id=tsv.picture_id(image) if image.startswith(tsv.SCHEME) else "",
        question=cells["question"], hint=_fact(cells, "hint"), options=options, choice=choice,
        answer=dict(zip(LETTERS, options, strict=False)).get(choice, ""),
        question_type=category or "all", form="choice",
        gold={"category": category, "l2": _fact(cells, "l2-category") or _L2_OF.get(category, ""),
              "split": _fact(cells, "split")},
    )


def _options(cells: Mapping[str, str], where: str) -> tuple[tuple[str, ...], str]:
    """The texts up to the last that is not empty, and the letter of the right one; empty as pandas has it."""
    letters = [letter for letter in LETTERS if letter in cells]
    texts = [_fact(cells, letter) for letter in LETTERS]
    while texts and not texts[-1]:
        texts.pop()
    choice = _fact(cells, "answer").strip()
    if not any(cells[letter] for letter in letters):
        raise KitError(f"{where}: no options; expected texts in the columns {', '.join(letters)}")
    if choice and choice not in letters:
        raise KitError(f"{where}: answer is {choice!r}; expected one of {', '.join(letters)}")
    return tuple(texts), choice


def _share_pictures(questions: Iterable[Question]) -> Iterator[Question]:
    """The questions with the picture id of their group's first row, or without pictures the group's own."""
    ids: dict[str, str] = {}
    for question in questions:
        image_id = ids.setdefault(question.group, question.image_id or question.group)
        yield replace(question, image_id=image_id)


def _index(text: str, where: str) -> int:
    found = re.fullmatch(r"\s*(\d+)(?:\.0+)?\s*", text)
    if not found:
        raise KitError(f"{where}: index is {text!r}; expected a whole number, such as 241 or 1000241")
    return int(found[1])


def _column(name: str) -> str:
    return name if name in LETTERS else name.strip().lower().replace("_", "-")


def _text(value: Any) -> str:
    """A cell as text; some copies have the missing ones as None, NaN or "nan"."""
    return "" if value is None or value != value or value == "nan" else str(value)


def _fact(cells: Mapping[str, str], name: str) -> str:
    text = cells.get(name, "")
    return "" if text in EMPTY_CELLS else text


def _hub_part(name: str, variant: str) -> tuple[str | None, str]:
    """The config and the split of a hub copy that has the variant's public answers."""
    if name.replace("lmms-lab-encoder/", "lmms-lab/") == _ALL_LANGUAGES:
        return variant, "test" if variant == "cc" else "dev"
    if variant != "en":
        raise KitError(f"{name!r} has English questions only; {variant!r} is in \"{HUB}{_ALL_LANGUAGES}\"")
    return None, "validation" if name == "HuggingFaceM4/MMBench" else "dev"
