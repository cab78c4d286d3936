"""What the student is asked: benchmarks by name, each with its questions, its splits and its score."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from ..records import Prediction, Question
from ..registry import build
from .scoring import Verdict

OFFICIAL = {
    "seed_bench": "dataengine_utils.benchmarks.seed_bench:SeedBench",
    "mmbench": "dataengine_utils.benchmarks.mmbench:MMBench",
    "mme": "dataengine_utils.benchmarks.mme:MME",
    "gqa": "dataengine_utils.benchmarks.gqa:GQA",
    "vqav2": "dataengine_utils.benchmarks.vqav2:VQAv2",
    "scienceqa": "dataengine_utils.benchmarks.scienceqa:ScienceQA",
    "okvqa": "dataengine_utils.benchmarks.okvqa:OKVQA",
    "vizwiz": "dataengine_utils.benchmarks.vizwiz:VizWiz",
    "vsr": "dataengine_utils.benchmarks.vsr:VSR",
    "aokvqa": "dataengine_utils.benchmarks.aokvqa:AOKVQA",
    "pope": "dataengine_utils.benchmarks.pope:POPE",
    "visual_genome": "dataengine_utils.benchmarks.visual_genome:VisualGenomeQA",
}
BENCHMARKS = {
    "picturebook": "dataengine_utils.benchmarks.picturebook:PicturebookBenchmark",
    "jsonl": "dataengine_utils.benchmarks.jsonl:JsonlBenchmark",
    **OFFICIAL,
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

    def judge(self, question: Question, reply: str) -> Verdict:
        """What this benchmark's scoring rule makes of a raw reply."""
        ...

    def score(self, questions: Sequence[Question], predictions: Sequence[Prediction]) -> dict[str, Any]:
        """The metrics of `benchmarks.scoring.score`, by this benchmark's own rules."""
        ...


def load(name: str, **options: Any) -> Benchmark:
    """The benchmark of that name (see `BENCHMARKS`), or the user's own "package.module:Class"."""
    return build("benchmark", BENCHMARKS, name, options)
