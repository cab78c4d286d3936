"""Check a file of training data, of whatever origin, against benchmarks: exit code 1 when it meets one.

    python -m dataengine_utils.contamination FILE --benchmark gqa --path data/gqa [--benchmark ... --path ...]
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from .. import benchmarks, images
from ..artifacts import HASHES_FILE
from ..commands import exit_code
from ..errors import KitError
from ..exports import TrainingItem, read_items
from . import REASONS, Guard, Hit, hits

_SHOWN = 10


def hits_text(found: Sequence[tuple[TrainingItem, Hit]], n_items: int) -> str:
    """The table that the command prints: the hits by reason, and the first of them."""
    ids = {item.id for item, _ in found}
    counts = Counter(hit.reason for _, hit in found)
    lines = [f"{n_items:,} questions and pictures checked; {len(found):,}, in {len(ids):,} entries, meet a "
             "benchmark"]  # fmt: skip
    lines += [f"  {reason:<40}{counts[reason]:>10,}" for reason in REASONS]
    lines += [
        f"{item.id}: {hit.reason} ({hit.met}): {item.instruction[:70]!r}" for item, hit in found[:_SHOWN]
    ]
    return "\n".join(lines + [f"... and {len(found) - _SHOWN:,} more"] * (len(found) > _SHOWN))


def _guard(options: argparse.Namespace) -> Guard:
    if len(options.benchmark) != len(options.path):
        raise KitError(
            f"{len(options.benchmark)} --benchmark and {len(options.path)} --path; each needs its own"
        )
    loaded = [
        benchmarks.load(name, path=path) for name, path in zip(options.benchmark, options.path, strict=True)
    ]
    coco_id = (
        images.load("visual_genome", path=options.visual_genome).coco_id if options.visual_genome else None
    )
    return Guard.of(
        loaded,
        coco_id=coco_id,
        cache=options.cache or options.file.parent / HASHES_FILE,
        look=not options.names_only,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dataengine_utils.contamination",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="samples, LLaVA or ShareGPT conversations, messages"
    )
    parser.add_argument("--benchmark", action="append", required=True, help=", ".join(benchmarks.BENCHMARKS))
    parser.add_argument("--path", action="append", required=True, help="its questions; see benchmarks list")
    parser.add_argument(
        "--images", type=Path, metavar="FOLDER", help="where the file's pictures are (its folder)"
    )
    parser.add_argument(
        "--visual-genome", metavar="FOLDER", help="its files; image_data.json tells which are COCO's"
    )
    parser.add_argument(
        "--cache", type=Path, help=f"keeps the pictures' hashes ({HASHES_FILE} beside the file)"
    )
    parser.add_argument(
        "--names-only", action="store_true", help="open no picture: names and wordings decide"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code: 0 clean, 1 hits or an error."""
    options = _parser().parse_args(arguments)
    return exit_code(lambda: _check(options))


def _check(options: argparse.Namespace) -> int:
    items = list(read_items(options.file))  # before the benchmarks' pictures are hashed, which may take long
    guard = _guard(options)
    found = list(hits(items, guard, options.images or options.file.parent))
    print(f"{guard}\n{hits_text(found, len(items))}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
