"""`python -m dataengine_utils.report RUN_DIR` writes the report of any run, finished or not."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..artifacts import open_run
from ..errors import KitError
from . import build_report


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line: write the report of a run and print its path."""
    parser = argparse.ArgumentParser(
        prog="python -m dataengine_utils.report", description="Write the report of a run."
    )
    parser.add_argument("run_dir", type=Path, help="the run's folder, such as outputs/demo")
    parser.add_argument("--out", type=Path, help="the HTML file to write (default: RUN_DIR/report.html)")
    given = parser.parse_args(arguments)
    try:
        print(build_report(open_run(given.run_dir), given.out))
    except KitError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
