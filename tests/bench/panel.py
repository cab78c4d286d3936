"""`python -m tests.bench.panel`: how long a person waits for the panel of notebook 04, by the clock.

200 samples of the rule teacher on the embedded world, once with its drawn pictures and once with photographs'
sizes (1,024 x 768 pixels, JPEG files). What a kernel's messages and the browser add is not in it.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dataengine_utils import images, teachers
from dataengine_utils.images import open_image
from dataengine_utils.ipo import Session
from dataengine_utils.prompts import base_template
from dataengine_utils.question_types import QUESTION_TYPES
from dataengine_utils.records import Query
from dataengine_utils.widgets import PromptPanel

N_SAMPLES, N_STEPS = 200, 60
PHOTO = (1024, 768)
OpenPicture = Callable[[str], Image.Image]


@dataclass(frozen=True)
class Row:
    """One waiting time: its median and its longest (s), and what is wanted of the longest."""

    what: str
    median: float
    longest: float
    wanted: str = "-"

    def __str__(self) -> str:
        return f"{self.what:<64}{self.median:>9.3f}s{self.longest:>9.3f}s  {self.wanted}"


def bench_panel(n: int = N_SAMPLES) -> list[Row]:
    """The waiting times with `n` samples."""
    source = images.load("picturebook")
    names = list(QUESTION_TYPES.values())
    ids = random.Random(0).sample(source.ids(), n)
    queries = [Query(f"q{i}", names[i % len(names)], image_id, ()) for i, image_id in enumerate(ids)]
    image_of = {query.id: source.record(query.image_id).image for query in queries}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = _photos(folder, queries)
        drawn = _waits(folder / "drawn", queries, lambda query_id: open_image(image_of[query_id]))
        taken = _waits(folder / "taken", queries, lambda query_id: open_image(photos[query_id], folder))
    return [*_rows(f"{n} drawn pictures", drawn), *_rows(f"{n} photographs", taken)]


def _waits(folder: Path, queries: list[Query], open_picture: OpenPicture) -> dict[str, list[float]]:
    """Seconds of every act, by what it is: reviewing, then only looking, then coming back to the journal."""
    session = _session(folder, queries)
    panel, opening = _timed(lambda: PromptPanel(session, open_picture))
    review = panel.review
    accepting = [_timed(review.accept.click)[1] for _ in range(N_STEPS)]
    rejecting = [_timed(review.reasons[i % 7].click)[1] for i in range(N_STEPS)]
    looking = [_timed(review.next.click)[1] for _ in range(N_STEPS)]
    again, reading = _timed(lambda: _session(folder, queries))
    reopening = _timed(lambda: PromptPanel(again, open_picture))[1]
    return {"opening": [opening], "a verdict and the next sample": accepting + rejecting,
            "the next sample": looking, "the journal read after a restart": [reading],
            "opening after a restart": [reopening]}


def _rows(what: str, waits: dict[str, list[float]]) -> list[Row]:
    wanted = {"opening": "below 2", "opening after a restart": "below 2", "the next sample": "below 0.1",
              "a verdict and the next sample": "below 0.1"}
    return [Row(f"{what}: {name}", statistics.median(times), max(times), wanted.get(name, "-"))
            for name, times in waits.items()]


def _session(folder: Path, queries: list[Query]) -> Session:
    source, teacher = images.load("picturebook"), teachers.load("rules")
    return Session(folder / "session.jsonl", base_template(), queries, source, teacher)


def _photos(folder: Path, queries: list[Query]) -> dict[str, str]:
    """A JPEG file for every query, as large and as hard to pack as a photograph."""
    rng, files = np.random.default_rng(0), {}
    for query in queries:
        coarse = rng.integers(0, 256, (PHOTO[1] // 16, PHOTO[0] // 16, 3), dtype=np.uint8)
        files[query.id] = f"{query.id}.jpg"
        Image.fromarray(coarse).resize(PHOTO, Image.Resampling.BICUBIC).save(folder / files[query.id])
    return files


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def main() -> None:
    """Print the waiting times."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.panel", description=__doc__)
    parser.add_argument("--samples", type=int, default=N_SAMPLES)
    rows = bench_panel(parser.parse_args().samples)
    print(f"{'waiting':<64}{'median':>10}{'longest':>10}  wanted of the longest")
    print(*rows, sep="\n")


if __name__ == "__main__":
    main()
