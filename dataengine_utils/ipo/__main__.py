"""The templates of a run at the command line.

    python -m dataengine_utils.ipo show RUN [--types]
    python -m dataengine_utils.ipo diff RUN ONE OTHER
    python -m dataengine_utils.ipo export RUN [TEMPLATE] [--out FILE]

A template is named by its id or the start of it.
"""

import argparse
import sys
from pathlib import Path

from .. import files
from ..artifacts import open_run
from ..commands import exit_code
from .history import difference_text, export_text, find, run_history, template_text, tree_text


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    return exit_code(lambda: options.function(options))


def _show(options: argparse.Namespace) -> None:
    print(tree_text(run_history(open_run(options.run)), options.types))


def _diff(options: argparse.Namespace) -> None:
    nodes = run_history(open_run(options.run))
    print(difference_text(find(nodes, options.one), find(nodes, options.other)))


def _export(options: argparse.Namespace) -> None:
    nodes = run_history(open_run(options.run))
    text = template_text(find(nodes, options.template)) if options.template else export_text(nodes)
    if options.out is None:
        print(text, end="")
    else:
        files.make_folder(options.out.absolute().parent)
        files.write_whole(options.out.absolute(), text)
        print(f"written: {options.out}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dataengine_utils.ipo", description="Templates of a run.")
    commands = parser.add_subparsers(required=True, metavar="show | diff | export")
    show = commands.add_parser("show", help="the tree of templates with their acceptance")
    diff = commands.add_parser("diff", help="what changes from one template to another")
    export = commands.add_parser("export", help="a template, or the whole history, as plain text")
    for command, function in ((show, _show), (diff, _diff), (export, _export)):
        command.add_argument("run", help="the run's folder")
        command.set_defaults(function=function)
    show.add_argument("--types", action="store_true", help="acceptance by question type, too")
    diff.add_argument("one", help="a template's id, or its start")
    diff.add_argument("other", help="another's")
    export.add_argument("template", nargs="?", help="a template's id, or its start; none for the history")
    export.add_argument("--out", type=Path, metavar="FILE", help="write it there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
