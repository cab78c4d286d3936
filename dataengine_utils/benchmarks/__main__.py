"""Score somebody's predictions, or see what each benchmark needs.

    python -m dataengine_utils.benchmarks list
    python -m dataengine_utils.benchmarks score NAME --questions PATH --predictions PATH [--rule RULE]
                                                [--json OUT]
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from .. import files
from ..commands import exit_code
from ..errors import unknown_name
from ..registry import resolve
from . import OFFICIAL, load
from .predictions import load_predictions
from .splits import remark


def show_list() -> str:
    """Every published benchmark: the files it needs, where to get them, their licence, its rules."""
    return "\n\n".join(_entry(name) for name in OFFICIAL)


def _entry(name: str) -> str:
    kind = resolve("benchmark", OFFICIAL, name)
    rows = {"files": kind.about.files, "from": kind.about.where, "hub copy": kind.about.hub or "none",
            "licence": kind.about.licence, "rules": _choices(kind.rules)}
    if len(kind.variants) > 1:
        rows["variants"] = _choices(kind.variants)
    return "\n".join([f"{name}: {kind.about.title}", *(f"  {what:<9} {text}" for what, text in rows.items())])


def _choices(names: tuple[str, ...]) -> str:
    """The names, the default first; an empty one is what the files themselves say."""
    return ", ".join([f"{names[0] or 'as the files are'} (default)", *names[1:]])


def score(name: str, questions: str, predictions: Path, **options: str) -> dict[str, Any]:
    """The metrics of a predictions file on a whole benchmark; unusable input raises `KitError`."""
    if name not in OFFICIAL:
        raise unknown_name("benchmark", name, list(OFFICIAL))
    benchmark = load(name, path=questions, **{key: value for key, value in options.items() if value})
    asked = {"all": benchmark.questions("all")}
    given = load_predictions(predictions, benchmark, asked)
    metrics = benchmark.score(asked["all"], given["all"])
    return {**metrics, "splits": "whole benchmark", "predictions": str(given.report)}


def metrics_text(metrics: dict[str, Any]) -> str:
    """The table that `score` prints: what the field reports, then every question type."""
    overall = metrics["overall"]
    lines = [f"rule: {metrics['rule']}", f"predictions: {metrics['predictions']}",
             f"questions: {overall['n']:,}, right {overall['right']:,}, wrong {overall['wrong']:,}, "
             f"unparsed {overall['unparsed']:,}, without a prediction {metrics['missing']:,}"]
    lines += [f"{name:<34}{_number(value)}" for name, value in metrics["official"]["summary"].items()]
    for table, rows in metrics["official"].items():
        if table != "summary":
            lines += ["", *_table(table, rows)]
    types = {name: {"right, %": 100 * row["accuracy"], "n": row["n"]}
             for name, row in metrics["types"].items()}
    return "\n".join([*lines, "", *_table("question type", types), *filter(None, [remark(metrics)])])


def _table(title: str, rows: dict[str, dict[str, Any]]) -> list[str]:
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    cells = [[title, *columns]] + [[name, *(_number(row.get(column, "")) for column in columns)]
                                   for name, row in rows.items()]
    widths = [max(len(row[i]) for row in cells) + 2 for i in range(len(cells[0]))]
    head, *body = ["".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in cells]
    return [head, "-" * len(head), *body]


def _number(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:,.4f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dataengine_utils.benchmarks", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, dest="command", metavar="list | score")
    commands.add_parser("list", help="every benchmark, its files, where to get them, its licence and rules")
    command = commands.add_parser("score", help="score a predictions file by a benchmark's rule")
    command.add_argument("name", help=", ".join(OFFICIAL))
    command.add_argument("--questions", required=True, metavar="PATH", help="see list; or hub:DATASET")
    command.add_argument("--predictions", required=True, type=Path, metavar="PATH")
    command.add_argument("--rule", default="", help="the benchmark's default is the one of the paper's table")
    command.add_argument("--variant", default="", help="see list")
    command.add_argument("--types", default="", metavar="FILE", help="question types of your own (JSONL)")
    command.add_argument("--json", type=Path, metavar="OUT", help="also write the metrics, whole, as JSON")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    return exit_code(lambda: _do(options))


def _do(options: argparse.Namespace) -> None:
    if options.command == "list":
        print(show_list())
        return
    metrics = score(options.name, options.questions, options.predictions, rule=options.rule,
                    variant=options.variant, types=options.types)
    print(metrics_text(metrics))
    if options.json:
        files.write_whole(options.json, files.document(metrics))


if __name__ == "__main__":
    sys.exit(main())
