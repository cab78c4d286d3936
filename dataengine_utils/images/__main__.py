"""The command line of the image sources: make an index of annotations, look at one record.

    python -m dataengine_utils.images index visual_genome --data data/visual_genome
    python -m dataengine_utils.images show coco --data data/coco --split val2017 --id 139
"""

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any

from ..errors import KitError
from ..files import document
from ..records import to_json
from . import load
from .folder import index_of
from .index import Index

INDEXED = ("visual_genome", "coco", "folder")


def index(source: str, options: dict[str, Any]) -> str:
    """Make the index of a source, if it is not there already, and tell what is in it."""
    start = time.perf_counter()
    if source == "folder":
        options = {"index": str(index_of(**{k: v for k, v in options.items() if k != "index"})), **options}
    made: Index = load(source, **options).index  # type: ignore[attr-defined]
    return f"{describe(made)}, {time.perf_counter() - start:.1f} s"


def describe(made: Index) -> str:
    """Where an index lies, how large it is, what it holds, and what it could not place."""
    held = ", ".join(f"{n:,} {kind}" for kind, n in made.counts.items())
    lines = [f"{kind}: {n:,} entries are about unlisted images" for kind, n in made.unlisted.items()]
    size = made.path.stat().st_size / 2**20 if made.path else 0.0
    return "\n".join([*lines, f"{made.path}: {len(made.ids):,} images, {held}; {size:,.1f} MB"])


def show(source: str, options: dict[str, Any], image_id: str | None) -> str:
    """One record as JSON; the first where no id is given."""
    opened = load(source, **options)
    record = opened.record(opened.ids()[0] if image_id is None else image_id)
    return document(to_json(record)).rstrip("\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the command line says; without a command it prints the help."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.command is None:
        parser.print_help()
        return
    named = {"path": given.data, "index": given.index, "split": given.split, "annotations": given.annotations}
    options = {name: value for name, value in named.items() if value}
    try:
        if given.command == "index":
            print(index(given.source, options))
        else:
            print(show(given.source, options, given.id))
    except KitError as error:
        sys.exit(f"error: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dataengine_utils.images",
        description="Annotated images: read the official files once into an index, look at a record.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, what in (("index", "make the index (again, when files changed)"), ("show", "print one record")):
        one = commands.add_parser(name, help=what, description=what)
        add = one.add_argument
        add("source", choices=INDEXED, metavar="SOURCE", help=", ".join(INDEXED))
        add("--data", required=True, metavar="DIR", help="the folder of the data set")
        add("--index", metavar="FILE", help="the index's place, if not beside the data")
        add("--split", metavar="NAME", help="coco: only this split, such as train2017")
        add("--annotations", metavar="NAME", help="folder: the sidecar file, if not annotations.jsonl")
        if name == "show":
            add("--id", metavar="ID", help="of the image; default: the first")
    return parser


if __name__ == "__main__":
    main()
