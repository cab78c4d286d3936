"""The embedded world's own benchmark: nine question types, four options, exact answers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import KitError
from ..picturebook.questions import benchmark_questions
from ..records import Prediction, Question
from . import scoring


class PicturebookBenchmark:
    """`diagnose` and `sealed` questions about drawn pictures; the two splits have seed ranges of their own.
    """

    name = "picturebook"
    root: Path | None = None

    def __init__(self, diagnose: int = 900, sealed: int = 1800):
        self._sizes = {"diagnose": diagnose, "sealed": sealed}
        for split, n in self._sizes.items():
            if not isinstance(n, int) or isinstance(n, bool) or n < 1:
                raise KitError(
                    f"benchmark_options.{split} is {n!r}: expected a number of questions, at least 1"
                )

    def questions(self, split: str) -> list[Question]:
        """The first questions of the split's seed range, the nine types in turn."""
        wanted = self._sizes if split == "all" else {split: self._sizes.get(split, 1)}
        made = {name: benchmark_questions(name, n) for name, n in wanted.items() if name in self._sizes}
        return scoring.pick_split(split, made)

    def judge(self, question: Question, reply: str) -> scoring.Verdict:
        """The option chosen, or without options the text, must be right."""
        return scoring.judge(question, reply)

    def score(self, questions: Sequence[Question], predictions: Sequence[Prediction]) -> dict[str, Any]:
        """Accuracy per type with intervals."""
        return scoring.score(questions, predictions)
