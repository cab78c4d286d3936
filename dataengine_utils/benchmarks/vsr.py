"""VSR, Visual Spatial Reasoning: is a caption about where two things lie true or false?"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from sys import intern
from typing import Any

from ..errors import KitError
from ..inputs import read_objects
from ..records import Prediction, Question
from . import hub
from .fields import picked
from .official import About, Official, OfficialBenchmark, unique_ids
from .rates import percent, rate_rows
from .scoring import Verdict

FILES = ("test.jsonl", "zeroshot/test.jsonl", "data/splits/zeroshot/test.jsonl")
_LINE = "image, caption, label (0 or 1), relation"
_WORDS = {"1": "true", "true": "true", "yes": "true", "0": "false", "false": "false", "no": "false"}

# The relations of each meta category (cambridgeltl/visual-spatial-reasoning, rel_meta_category_dict.txt).
CATEGORIES = {
    "Adjacency": "adjacent to, alongside, at the side of, at the right side of, at the left side of, "
    "attached to, at the back of, ahead of, against, at the edge of",
    "Directional": "off, past, toward, down, deep down, up, away from, along, around, from, into, to, "
    "across, across from, through, down from",
    "Orientation": "facing, facing away from, parallel to, perpendicular to",
    "Projective": "on top of, beneath, beside, behind, left of, right of, under, in front of, below, above, "
    "over, in the middle of",
    "Proximity": "by, close to, near, far from, far away from",
    "Topological": "connected to, detached from, has as a part, part of, contains, within, at, on, in, with, "
    "surrounding, among, consists of, out of, between, inside, outside, touching",
    "Unallocated": "beyond, next to, opposite to, after, among, enclosed by",
}
# "among" is listed twice; as in the official analysis the last category has it.
_CATEGORY_OF = {relation: name for name, listed in CATEGORIES.items() for relation in listed.split(", ")}


@dataclass(frozen=True)
class _Line:
    """What is needed of a line; the validators' votes are lists in some files and texts in others."""

    image: str
    caption: str
    label: int
    relation: str
    image_link: str = ""


class VSR(OfficialBenchmark):
    """VSR: the zero-shot test split (1,222 captions, 715 pictures) or any other split's file.

    Rule "minigpt4": a reply is exactly "true" or "false" but for capitals; anything else, also with a full
    stop or a space, is unparsed. Rule "binary": the 0 or 1 of the official analysis; "true", "yes", "false"
    and "no" say the same, with outer spaces and one full stop allowed. A question's type is its relation;
    `official` has the accuracy by relation and by meta category too. The files have no ids: an id is the
    picture's name with the caption, and other tools may call a question by its line, from 0.
    """

    name = "vsr"
    about = About(
        title="VSR (zero-shot test)",
        files="test.jsonl of data/splits/zeroshot, or another split's file",
        where="https://github.com/cambridgeltl/visual-spatial-reasoning; pictures: COCO 2017 train and val",
        licence="Apache-2.0; pictures: COCO's terms",
        hub="cambridgeltl/vsr_zeroshot",
    )
    rules = ("minigpt4", "binary")

    def read(self) -> Iterator[Question]:
        """All captions; pictures are named as in the file, or by COCO's folders where these are there."""
        return unique_ids(
            vsr_question(line, where, number, in_coco=self._in_coco)
            for number, (where, line) in enumerate(self._lines())
        )

    def judge(self, question: Question, reply: str) -> Verdict:
        """Whether the reply, as the rule reads it, says what is true of the caption."""
        read = read_reply(reply, self.rule)
        return Verdict(read, float(read == question.answer))

    def official(self, questions: Sequence[Question], predictions: Sequence[Prediction]) -> Official:
        """Accuracy in per cent: `accuracy`, and the tables "relation" and "meta_category"."""
        right = [
            read_reply(prediction.reply, self.rule) == question.answer
            for question, prediction in zip(questions, predictions, strict=True)
        ]
        summary = {"accuracy": percent(right), "correct": sum(right), "total": len(right)}
        tables = by_relation(questions, right)
        return {"summary": summary, **{name: rate_rows(rows) for name, rows in tables.items()}}

    def aliases(self, question: Question) -> Sequence[str]:
        """The id, and the line in the file, from 0."""
        return (question.id, str(question.gold["line"]))

    @property
    def _in_coco(self) -> bool:
        return bool(self.root) and any((self.root / part).is_dir() for part in ("train2017", "val2017"))

    def _lines(self) -> Iterable[tuple[str, dict[str, Any]]]:
        if not self.is_hub:
            return read_objects(self.find(*FILES), _LINE)
        rows = hub.rows(self.hub_name, None, "test")
        return ((f"{self.path} row {number}", row) for number, row in enumerate(rows))


def vsr_question(line: Any, where: str, number: int, *, in_coco: bool = False) -> Question:
    """The question of one line of a split's file; `number` counts the lines from 0."""
    read = picked(_Line, line, where, _LINE)
    if read.label not in (0, 1):
        raise KitError(f"{where}: label is {read.label}; expected 0 or 1")
    folder = read.image_link.split("/")[-2:-1] if in_coco else []
    return Question(
        id=f"{Path(read.image).stem}: {read.caption}",
        image_id=Path(read.image).stem,
        image="/".join([*folder, read.image]),
        question=read.caption,
        options=(),
        answer="true" if read.label else "false",
        choice="",
        question_type=intern(read.relation),
        form="true_false",
        gold={"line": number, "meta_category": _CATEGORY_OF.get(read.relation, "")},
    )


def read_reply(reply: str, rule: str) -> str:
    """ "true", "false", or "" where a rule (see `VSR`) reads neither.

    Source: MiniGPT-v2, eval_scripts/eval_vqa.py; VSR, analysis_scripts.
    """
    if rule == "binary":
        return _WORDS.get(reply.strip().removesuffix(".").lower(), "")
    return reply.lower() if reply.lower() in ("true", "false") else ""


def by_relation(questions: Sequence[Question], right: Sequence[bool]) -> dict[str, dict[str, list[bool]]]:
    """Right or not, by relation (the most frequent first) and by meta category (the best first).

    Relations that no category lists are in no row of "meta_category", as in the official analysis.
    """
    relations: dict[str, list[bool]] = defaultdict(list)
    categories: dict[str, list[bool]] = defaultdict(list)
    for question, is_right in zip(questions, right, strict=True):
        relations[question.question_type].append(is_right)
        if question.gold["meta_category"]:
            categories[question.gold["meta_category"]].append(is_right)
    return {
        "relation": dict(sorted(relations.items(), key=lambda row: -len(row[1]))),
        "meta_category": dict(sorted(categories.items(), key=lambda row: -sum(row[1]) / len(row[1]))),
    }
