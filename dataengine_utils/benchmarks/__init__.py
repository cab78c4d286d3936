"""What the student is asked: benchmarks by name, each with its questions, its splits and its score."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from ..records import Prediction, Question
from ..registry import build

BENCHMARKS = {
    "jsonl": "dataengine_utils.benchmarks.jsonl:JsonlBenchmark",
    "picturebook": "dataengine_utils.benchmarks.picturebook:PicturebookBenchmark",
}

# "diagnose" gives weights and bad cases, "sealed" the reported numbers, "all" is both.
Split = Literal["diagnose", "sealed", "all"]


class Benchmark(Protocol):
    """Questions with known answers. `root` is the folder that the questions' image paths count from."""

    name: str
    root: Path | None

    def questions(self, split: Split) -> list[Question]:
        """The questions of a split, in a fixed order; no image is in both "diagnose" and "sealed"."""
        ...

    def score(self, questions: Sequence[Question], predictions: Sequence[Prediction]) -> dict[str, Any]:
        """The metrics of `benchmarks.scoring.score`, by this benchmark's own rules."""
        ...


def load(name: str, **options: Any) -> Benchmark:
    """The benchmark of that name (see `BENCHMARKS`), or the user's own "package.module:Class"."""
    return build("benchmark", BENCHMARKS, name, options)
