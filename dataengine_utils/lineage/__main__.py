"""`python -m dataengine_utils.lineage SAMPLE_ID [RUN]`: where a sample comes from and what became of it."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..commands import exit_code
from .near import OUTPUTS, find_run
from .telling import lineage_text
from .tracing import Tracer


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m dataengine_utils.lineage",
        description="Print where a sample comes from, which trainings used it, and how its type changed.",
    )
    parser.add_argument("sample_id", metavar="SAMPLE_ID", help="the sample's id, or how it begins")
    where = f"the run's folder, or a folder of runs (default: {OUTPUTS})"
    place = parser.add_mutually_exclusive_group()
    place.add_argument("folder", nargs="?", type=Path, metavar="RUN", help=where)
    place.add_argument("--run", type=Path, metavar="RUN", help="the same")
    given = parser.parse_args(arguments)
    return exit_code(lambda: _tell(given))


def _tell(given: argparse.Namespace) -> None:
    run = find_run(given.sample_id, given.folder or given.run)
    print(lineage_text(Tracer(run)(given.sample_id)))


if __name__ == "__main__":
    sys.exit(main())
