"""What the published benchmarks share: their files, splits by image, and named scoring rules."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from ..errors import KitError, unknown_name
from ..records import Prediction, Question
from . import scoring
from .classify import with_types
from .scoring import Verdict
from .splits import PROTOCOLS, deal

HUB = "hub:"
Summary = dict[str, float]
Official = dict[str, Any]


@dataclass(frozen=True)
class About:
    """What a user has to know to get a benchmark; `files` says what `path` has to be or hold.

    `hub` is the default Hugging Face copy, "" where there is none.
    """

    title: str
    files: str
    where: str
    licence: str
    hub: str = ""

    def __str__(self) -> str:
        hub = f', or path "{HUB}{self.hub}"' if self.hub else ""
        return f"{self.title} needs {self.files} (from {self.where}; {self.licence}){hub}"


class OfficialBenchmark:
    """A published benchmark, read as it is distributed and scored by one of its `rules`.

    `path` is the question file or the folder that holds it (see `about.files`), or "hub:" with a Hugging Face
    dataset ("hub:" alone: `about.hub`). `images` is the folder of the pictures (default: beside the
    questions). `rule` is a name of `rules` (default: the first, the one behind the paper's table), `variant`
    one of `variants`. `types` is a file of question types, as `benchmarks.classify` writes it. `splits`
    "halves" deals the images into diagnose and sealed; "paper" uses the whole benchmark for both, as the
    paper did, and the metrics say so.
    """

    name: ClassVar[str]
    about: ClassVar[About]
    rules: ClassVar[tuple[str, ...]]
    variants: ClassVar[tuple[str, ...]] = ("",)

    def __init__(
        self,
        path: str,
        images: str = "",
        rule: str = "",
        variant: str = "",
        types: str = "",
        splits: str = "halves",
        split_seed: int = 0,
        diagnose_share: float = 0.5,
    ):
        for what, value, known in (
            ("rule", rule, self.rules), ("variant", variant, self.variants), ("splits", splits, PROTOCOLS)
        ):
            if value and value not in known:
                raise unknown_name(f"{what} of {self.name}", value, known)
        self.path, self._images = str(path), images
        self.rule, self.variant = rule or self.rules[0], variant or self.variants[0]
        self._types = types
        self.splits, self._seed, self._share = splits, split_seed, diagnose_share

    def read(self) -> Iterable[Question]:
        """All questions, in the files' order; ids as the files have them. No picture is opened."""
        raise NotImplementedError

    def judge(self, question: Question, reply: str) -> Verdict:
        """What the rule makes of one raw reply."""
        raise NotImplementedError

    def official(self, questions: Sequence[Question], predictions: Sequence[Prediction]) -> Official:
        """The scores that the field reports: {"summary": {name: value}, table: {row: {column: value}}}.

        `predictions` are judged, one a question, in the questions' order.
        """
        raise NotImplementedError

    def aliases(self, question: Question) -> Sequence[str]:
        """The ids by which other tools' prediction files may call a question."""
        return (question.id,)

    @property
    def is_hub(self) -> bool:
        """Whether the questions come from a Hugging Face dataset."""
        return self.path.startswith(HUB)

    @property
    def hub_name(self) -> str:
        """The Hugging Face dataset's id."""
        return self.path.removeprefix(HUB) or self.about.hub

    @property
    def root(self) -> Path | None:
        """The folder that the questions' image paths count from."""
        if self._images or self.is_hub:
            return Path(self._images) if self._images else None
        path = Path(self.path)
        return path if path.is_dir() else path.parent

    @cached_property
    def _parts(self) -> dict[str, list[Question]]:
        questions = list(self.read())
        if not questions:
            raise KitError(f"{self.path}: no questions in it; {self.about}")
        if self._types:
            questions = with_types(questions, self._types)
        return deal(questions, self.splits, self._share, self._seed)

    def questions(self, split: str) -> list[Question]:
        """The questions of a split, in the files' order; no image is in both "diagnose" and "sealed"."""
        return list(scoring.pick_split(split, self._parts))

    def score(self, questions: Sequence[Question], predictions: Sequence[Prediction]) -> dict[str, Any]:
        """`scoring.tally` by this benchmark's rule, with the `rule`, the `splits`, and the `official` scores.

        A question without a prediction is unparsed, and counted in `missing`. Ranked options leave a rule
        nothing to read: `rule` says how many answers came that way.
        """
        judged = scoring.judged(questions, predictions, self.judge)
        ranked = sum(bool(prediction.scores) for prediction in predictions)
        given = {prediction.question_id for prediction in predictions}
        return {
            **scoring.tally(judged),
            "rule": f"{self.rule}; {ranked:,} answers by ranked options" if ranked else self.rule,
            "splits": self.splits,
            "missing": sum(question.id not in given for question in questions),
            "official": self.official(questions, judged),
        }

    def find(self, *names: str) -> Path:
        """`path` when it is a file, else the first of these files in it; `KitError` tells how to get them."""
        path = Path(self.path)
        if path.is_file():
            return path
        found = next((path / name for name in names if (path / name).exists()), None)
        if found is None:
            what = f"no {' or '.join(names)} in {str(path)!r}" if path.is_dir() else f"no file {str(path)!r}"
            raise KitError(f"{what}; {self.about}")
        return found


def unique_ids(questions: Iterable[Question]) -> Iterator[Question]:
    """The questions with ids that are there twice told apart: "7", then "7#2"."""
    seen: dict[str, int] = {}
    for question in questions:
        seen[question.id] = seen.get(question.id, 0) + 1
        n = seen[question.id]
        yield question if n == 1 else replace(question, id=f"{question.id}#{n}")


def need_answers(questions: Sequence[Question], where: str) -> None:
    """Raise `KitError` when questions have no answers; `where` says how to get them scored."""
    missing = [question.id for question in questions if not question.gold]
    if missing:
        raise KitError(
            f"{len(missing)} of {len(questions)} questions have no answers, such as {missing[0]!r}; {where}"
        )
