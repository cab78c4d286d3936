"""`python -m tests.bench.similar`: the nearest of 118,000 vectors for 6,000 anchors, against the paper's way.

MLLM-DataEngine v1 repeats each anchor's vector as often as there are images, takes torch's cosine similarity
and the top k. That is done here for some anchors, and its time is multiplied up: the first number in the
column is measured, the second is not. Vectors are made up in groups, as those of pictures lie, and read from
a file. Times are processor seconds over all threads, which a busy machine does not disturb much; each way
runs in a process of its own, for its memory.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dataengine_utils.images.similar import nearest
from tests.bench.vqa import MB, peak_bytes

N_VECTORS, N_ANCHORS, WIDTH, K = 118_000, 6_000, 512, 1_000
N_PLAIN = 20
N_GROUPS, SPREAD = 400, 1.0
AS_GOOD = 1e-6  # cosines that differ by less may come in either order


@dataclass(frozen=True)
class Row:
    """One measured quantity: ours, the paper's way, and what is wanted."""

    what: str
    ours: str
    plain: str
    wanted: str = "-"

    def __str__(self) -> str:
        return f"{self.what:<56}{self.ours:>10}{self.plain:>20}  {self.wanted}"


def bench_similar(
    n_anchors: int = N_ANCHORS, n_vectors: int = N_VECTORS, n_plain: int = N_PLAIN
) -> list[Row]:
    """Measure both ways; raises `ValueError` where they find other neighbours."""
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), n_anchors, n_vectors)
        ours, plain = (measured(work, Path(name), n_plain) for work in WORKS)
    check_same(np.array(ours["cosines"]), np.array(plain["cosines"]))
    whole = plain["seconds"] / n_plain * n_anchors
    title = f"{n_vectors:,} x {WIDTH}, {n_anchors:,} anchors, k = {K:,}: seconds"
    return [
        Row(title, f"{ours['seconds']:,.1f}", f"{plain['seconds']:,.1f} -> {whole:,.0f}"),
        Row("faster by", f"{whole / ours['seconds']:,.0f}", "-", "at least 20"),
        Row("peak memory, MB (the result takes 8 bytes a neighbour)", f"{ours['peak'] / MB:,.0f}",
            f"{plain['peak'] / MB:,.0f}"),
    ]  # fmt: skip


def table(rows: list[Row]) -> str:
    """The rows for people to read."""
    head = f"{'nearest pictures':<56}{'ours':>10}{'repeat + cosine':>20}  wanted"
    return "\n".join([head, *map(str, rows)])


def measured(work: str, folder: Path, n_plain: int) -> dict[str, Any]:
    """What one of `WORKS` found in a process of its own, with its peak memory (bytes)."""
    command = [sys.executable, "-m", "tests.bench.similar", "--work", work, "--folder", str(folder),
               "--plain", str(n_plain)]  # fmt: skip
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def check_same(ours: np.ndarray, plain: np.ndarray) -> None:
    """Compare the cosines of both ways' neighbours, nearest first."""
    if ours.shape != plain.shape or np.abs(ours - plain).max() > AS_GOOD:
        raise ValueError(f"neighbours differ: cosines by up to {np.abs(ours - plain).max():.2g}")


def write(folder: Path, n_anchors: int, n_vectors: int, seed: int = 0) -> None:
    """Anchors and vectors in groups of differing size, as float32 files."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((N_GROUPS, WIDTH), dtype=np.float32)
    weights = 1 / np.arange(1, N_GROUPS + 1)
    for name, n in (("anchors", n_anchors), ("vectors", n_vectors)):
        groups = rng.choice(N_GROUPS, n, p=weights / weights.sum())
        noise = SPREAD * rng.standard_normal((n, WIDTH), dtype=np.float32)
        np.save(folder / f"{name}.npy", centres[groups] + noise)


def by_blocks(anchors: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """The rows (anchors, k) of the neighbours."""
    return nearest(anchors, vectors, K).rows


def by_repeating(anchors: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """The same in the paper's way."""
    import torch  # here, so that it is not in the memory of the other
    import torch.nn.functional as F

    embedded, rows = torch.from_numpy(vectors), []
    for anchor in torch.from_numpy(anchors):
        repeated = anchor[None].repeat(embedded.shape[0], 1)
        rows.append(torch.topk(F.cosine_similarity(embedded, repeated), K).indices.numpy())
    return np.stack(rows)


WORKS = {"blocks": by_blocks, "repeating": by_repeating}


def do(work: str, folder: Path, n_plain: int) -> dict[str, Any]:
    """Processor seconds of one way, and the exact cosines of the first anchors' neighbours."""
    mode = "r" if work == "blocks" else "c"  # torch wants arrays that could be written to
    anchors, vectors = (np.load(folder / f"{name}.npy", mmap_mode=mode) for name in ("anchors", "vectors"))
    start = time.process_time()
    rows = WORKS[work](anchors if work == "blocks" else anchors[:n_plain], vectors)
    seconds, peak = time.process_time() - start, peak_bytes()
    return {"seconds": seconds, "peak": peak, "cosines": exact(anchors[:n_plain], vectors, rows).tolist()}


def exact(anchors: np.ndarray, vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The cosines (anchors, k) of neighbours in float64, highest first."""
    cosines = []
    for anchor, found in zip(anchors.astype(np.float64), rows, strict=False):
        near = vectors[found].astype(np.float64)
        cosines.append(near @ anchor / np.linalg.norm(near, axis=1) / np.linalg.norm(anchor))
    return -np.sort(-np.array(cosines), axis=1)


def main() -> None:
    """Measure and print, or do one piece of work and print what it found."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.similar", description=__doc__)
    parser.add_argument("--anchors", type=int, default=N_ANCHORS)
    parser.add_argument("--vectors", type=int, default=N_VECTORS)
    parser.add_argument("--plain", type=int, default=N_PLAIN, help="anchors that the paper's way is timed on")
    parser.add_argument("--work", choices=WORKS, help="only this, on the files of --folder")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.work:
        print(json.dumps(do(given.work, given.folder, given.plain)))
    else:
        print(table(bench_similar(given.anchors, given.vectors, given.plain)))


if __name__ == "__main__":
    main()
