"""Compare the scorers with official scores: `python tests/check_golden.py FILE...`

A file holds inputs of a benchmark and what the official code made of them. Each benchmark's module in
tests/golden yields every expected value beside ours. Exit code 1 on any mismatch.
"""

import argparse
import importlib
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TOLERANCE = 1e-6
SHOWN = 5
REFUSED = (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
MODULES = {
    "aokvqa": "aokvqa",
    "gqa": "gqa",
    "mmbench": "mmbench",
    "mme": "mme",
    "okvqa": "okvqa",
    "pope": "pope",
    "prompts": "prompts",
    "scienceqa": "scienceqa",
    "seed_bench": "seed_bench",
    "vizwiz": "vizwiz",
    "vqa": "vqav2",
    "vqav2": "vqav2",
    "vqav2_submission_processor": "vqav2",
    "vsr": "vsr",
}


def comparisons(path: Path) -> Iterator[tuple[str, Any, Any]]:
    """(what, expected, ours) for every value that a file expects; NaN in it is null."""
    document = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda name: None)
    known = isinstance(document, dict) and document.get("schema") == "golden-v1"
    if not known or document.get("benchmark") not in MODULES:
        raise ValueError(f"not a file of golden-v1 for one of {', '.join(MODULES)}")
    module = importlib.import_module(f"tests.golden.{MODULES[document['benchmark']]}")
    return module.check(document)


def same(expected: Any, ours: Any) -> bool:
    """Equal, with numbers at 1e-6 and the insides of lists and objects alike."""
    if isinstance(expected, dict) and isinstance(ours, dict):
        return expected.keys() == ours.keys() and all(same(expected[key], ours[key]) for key in expected)
    if isinstance(expected, (list, tuple)) and isinstance(ours, (list, tuple)):
        return len(expected) == len(ours) and all(map(same, expected, ours))
    if _is_number(expected) and _is_number(ours):
        return math.isclose(expected, ours, rel_tol=0, abs_tol=TOLERANCE)
    return type(expected) is type(ours) and expected == ours


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def check_file(path: Path) -> tuple[int, list[str]]:
    """How many values were compared, and a line for each that differs."""
    n, mismatches = 0, []
    for what, expected, ours in comparisons(path):
        n += 1
        if not same(expected, ours):
            mismatches.append(f"  {what}: expected {expected!r:.200}, got {ours!r:.200}")
    return n, mismatches


def main(arguments: list[str] | None = None) -> int:
    """Check the files; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python tests/check_golden.py", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    failed = False
    for path in parser.parse_args(arguments).files:
        try:
            n, mismatches = check_file(path)
        except REFUSED as error:
            print(f"{path}: cannot be compared: {type(error).__name__}: {error}")
            failed = True
            continue
        print(f"{path}: {n} compared, {len(mismatches)} mismatches")
        print(*mismatches[:SHOWN], sep="\n", end="\n" if mismatches else "")
        failed = failed or bool(mismatches) or n == 0
    return int(failed)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    sys.exit(main())
