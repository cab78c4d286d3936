"""`python -m tests.bench.images --scale 0.05`: Visual Genome's annotations by the index against `json.load`.

The files are made up in the official layout (`tests.vg_scale`; scale 1 has 108,077 images). Each measurement
runs in a process of its own, for its memory. Times are processor seconds, which a busy machine does not
disturb. Lookups are of images that were not read before.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataengine_utils import images
from dataengine_utils.images.visual_genome import INDEX, by_image
from tests.bench.vqa import MB, peak_bytes
from tests.vg_scale import FILES, IMAGES, write

N_LOOKUPS = 2000
Found = dict[str, float]


@dataclass(frozen=True)
class Row:
    """One measured quantity: the index's, that of `json.load` (None: not measured), and what is wanted."""

    what: str
    ours: float
    plain: float | None
    unit: str
    wanted: str = "-"

    def __str__(self) -> str:
        plain = "-" if self.plain is None else f"{self.plain:,.1f}"
        return f"{self.what:<58}{self.ours:>10,.2f}{plain:>12} {self.unit:<4} {self.wanted}"


def bench_images(scale: float = 0.01, *, plain: bool = True) -> list[Row]:
    """Make the files up at this scale and measure; `plain` False leaves `json.load` out (at full scale it
    needs some twenty GB).
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        n_images = max(1, round(IMAGES * scale))
        n_bytes = write(folder, n_images)
        made, opened, read = (measured(work, folder) for work in ("index", "open", "look_up"))
        loaded = measured("plain", folder) if plain else {}
        size = (folder / INDEX).stat().st_size
    return [
        Row(f"{n_images:,} images, {n_bytes / MB:,.0f} MB: first reading", made["seconds"],
            loaded.get("seconds"), "s"),
        Row("peak memory of it", made["peak"] / MB, _mb(loaded.get("peak")), "MB", "below 1,000"),
        Row("each later start", opened["seconds"], loaded.get("seconds"), "s"),
        Row("peak memory of it", opened["peak"] / MB, _mb(loaded.get("peak")), "MB"),
        Row(f"a record by image id, median of {min(N_LOOKUPS, n_images):,} (clock)", read["clock"], None,
            "ms", "below 2"),
        Row("a record by image id, median (processor)", read["median"], None, "ms", "below 2"),
        Row("a record by image id, 99 % are below (processor)", read["most"], None, "ms", "below 2"),
        Row("on disk: index, files", size / MB, n_bytes / MB, "MB"),
    ]  # fmt: skip


def table(rows: list[Row]) -> str:
    """The rows for people to read."""
    head = f"{'Visual Genome annotations':<58}{'index':>10}{'json.load':>12}      wanted"
    return "\n".join([head, *map(str, rows)])


def measured(work: str, folder: Path) -> Found:
    """What one of `WORKS` found in a process of its own, with its peak memory (bytes)."""
    command = [sys.executable, "-m", "tests.bench.images", "--work", work, "--folder", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def open_source(folder: Path) -> Found:
    """Seconds until the source is ready: with indexing, where there is no index yet."""
    start = time.process_time()
    images.load("visual_genome", path=str(folder)).ids()
    return {"seconds": time.process_time() - start}


def look_up(folder: Path) -> Found:
    """Milliseconds of a record: the median by the clock, and of processor time the median and the time that
    99 % stay below.
    """
    source = images.load("visual_genome", path=str(folder))
    ids = source.ids()
    places = random.Random(0).sample(range(len(ids)), min(N_LOOKUPS, len(ids)))
    clock, worked = [], []
    for image_id in [ids[place] for place in places]:
        start, work = time.perf_counter(), time.process_time()
        source.record(image_id)
        worked.append(1000 * (time.process_time() - work))
        clock.append(1000 * (time.perf_counter() - start))
    most = sorted(worked)[int(0.99 * (len(worked) - 1))]
    return {"clock": statistics.median(clock), "median": statistics.median(worked), "most": most}


def load_all(folder: Path) -> Found:
    """Seconds of the plain way: every file by `json.load`, kept by image id."""
    start = time.process_time()
    held: list[dict[str, Any]] = []
    for name in FILES:
        with (folder / name).open(encoding="utf-8") as file:
            held.append(by_image(json.load(file), name))
    return {"seconds": time.process_time() - start}


WORKS = {"index": open_source, "open": open_source, "look_up": look_up, "plain": load_all}


def _mb(n_bytes: float | None) -> float | None:
    return None if n_bytes is None else n_bytes / MB


def main() -> None:
    """Measure and print, or do one piece of work and print what it found."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.images", description=__doc__)
    parser.add_argument("--scale", type=float, default=0.05, help="1: as large as Visual Genome")
    parser.add_argument("--no-plain", action="store_true", help="leave json.load out")
    parser.add_argument("--work", choices=WORKS, help="only this, over the files of --folder")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.work:
        print(json.dumps({**WORKS[given.work](given.folder), "peak": peak_bytes()}))
    else:
        print(table(bench_images(given.scale, plain=not given.no_plain)))


if __name__ == "__main__":
    main()
