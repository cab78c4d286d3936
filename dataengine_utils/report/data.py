"""What the report shows: the scores and changes of a run, a fair choice of items, and their pictures."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image

from .. import benchmarks, images, weakness
from ..artifacts import Iteration, Run
from ..errors import KitError
from ..stats import Paired
from ..weakness import Change

Item = TypeVar("Item")
MINUS = "\N{MINUS SIGN}"


def measured(iterations: Sequence[Iteration]) -> tuple[str, list[dict[str, Any]]]:
    """The split to report (sealed where there is one), and the metrics of iterations 0, 1, ….

    The first iteration without metrics ends the list.
    """
    found = []
    for number, iteration in enumerate(iterations):
        if iteration.number != number or not iteration.has("metrics"):
            break
        found.append(iteration.load("metrics"))
    split = "sealed" if found and all("sealed" in metrics for metrics in found) else "diagnose"
    return split, [metrics for metrics in found if split in metrics]


def changes(iterations: Sequence[Iteration], split: str, n_measured: int) -> dict[str, Change]:
    """Per question type and for "all": the change from iteration 0 to the last one measured.

    Empty when there are fewer than two evaluations, or their predictions are not there.
    """
    artifact = f"predictions_{split}"
    if n_measured < 2 or not (iterations[0].has(artifact) and iterations[n_measured - 1].has(artifact)):
        return {}
    return weakness.changes(iterations[0].load(artifact), iterations[n_measured - 1].load(artifact))


def last_with(iterations: Sequence[Iteration], artifact: str) -> Iteration | None:
    """The latest iteration that has the artifact."""
    return next((iteration for iteration in reversed(iterations) if iteration.has(artifact)), None)


def spread(
    items: Sequence[Item], question_type: Callable[[Item], str], order: Sequence[str], n: int
) -> list[Item]:
    """At most `n` items: one of each type in this order (then of the others), then a second of each, …"""
    waiting = defaultdict(list)
    for item in items:
        waiting[question_type(item)].append(item)
    names = [name for name in order if name in waiting] + [name for name in waiting if name not in order]
    turns = range(max(map(len, waiting.values()), default=0))
    return [waiting[name][turn] for turn in turns for name in names if turn < len(waiting[name])][:n]


def weakest_first(iteration: Iteration) -> list[str]:
    """The question types by falling weight; empty where there is no weakness table."""
    rows = iteration.load("weakness") if iteration.has("weakness") else []
    return [row.question_type for row in sorted(rows, key=lambda row: -row.weight)]


def question_pictures(run: Run) -> Callable[[str], Image.Image | None]:
    """A function that opens the picture of a benchmark question by the question's id."""
    try:
        benchmark = benchmarks.load(run.profile.benchmark, **run.profile.benchmark_options)
        references = {question.id: question.image for question in benchmark.questions("diagnose")}
    except KitError:  # the report of a run outlives its data
        return lambda question_id: None
    return lambda question_id: (
        _open(references[question_id], benchmark.root) if question_id in references else None
    )


def sample_pictures(run: Run) -> Callable[[str], Image.Image | None]:
    """A function that opens the picture of a sample by its image reference."""
    try:
        root = images.load(run.profile.image_source, **run.profile.image_options).root
    except KitError:  # as above
        return lambda reference: None
    return lambda reference: _open(reference, root)


def _open(reference: str, root: Path | None) -> Image.Image | None:
    try:
        return images.open_image(reference, root)
    except KitError:
        return None


def percent(share: float) -> str:
    """A share as a number of per cent with one decimal, without the sign."""
    return f"{100 * share:.1f}"


def points(difference: float) -> str:
    """A difference of shares as signed percentage points with one decimal."""
    return f"{100 * difference:+.1f}".replace("-", MINUS)


def interval(paired: Paired) -> str:
    """The interval of a change, in points."""
    return interval_of(paired.low, paired.high)


def interval_of(low: float, high: float) -> str:
    """An interval between two differences of shares, in points."""
    return f"{points(low)} to {points(high)}"
