"""The command line of the image sources: indexes, records, texts in pictures, vectors of pictures.

    python -m dataengine_utils.images index visual_genome --data data/visual_genome
    python -m dataengine_utils.images show coco --data data/coco --split val2017 --id 139
    python -m dataengine_utils.images texts visual_genome --data data/visual_genome --provider rapidocr
    python -m dataengine_utils.images embed coco --data data/coco
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..commands import exit_code
from ..files import document
from ..records import to_json
from . import SOURCES, load, texts
from .embeddings import BATCH_SIZE, MODEL, PART, WHOLE, beside, embed_source, model_for
from .folder import index_of
from .index import Index

INDEXED = ("visual_genome", "coco", "folder")


def index(source: str, options: dict[str, Any]) -> str:
    """Make the index of a source, if it is not there already, and tell what is in it."""
    start = time.perf_counter()
    made: Index = load(source, **_on_disk(source, options)).index  # type: ignore[attr-defined]
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


def read_texts(source: str, options: dict[str, Any], provider: str, n: int | None) -> str:
    """Have the texts of a source's images (the first `n`, or all) read into its index, and tell how many."""
    reader = texts.load(provider)
    opened = load(source, **_on_disk(source, options))
    ids = opened.ids() if n is None else opened.ids()[:n]
    found = texts.add_texts(opened, reader, ids)
    lines = [f"not read: {image_id}: {reason}" for image_id, reason in found.unreadable.items()]
    before = len(ids) - found.n_images - len(found.unreadable)
    return "\n".join([*lines, f"{found.n_images:,} images read by {reader.name} ({before:,} before), "
                              f"{found.n_with_texts:,} with texts, {found.n_texts:,} texts"])  # fmt: skip


def embed(source: str, options: dict[str, Any], given: argparse.Namespace) -> str:
    """Compute the vectors of a source's images that are not on disk, and tell how many there are."""
    from .encoders import TorchEncoder

    opened = load(source, **options)
    folder = Path(given.out) if given.out else beside(opened)
    model, start = given.model or model_for(opened), time.perf_counter()
    encoder = TorchEncoder(model, given.device)
    found = embed_source(opened, encoder, folder, n=given.images, batch_size=given.batch_size, retry=True)
    lines = [f"not read: {image_id}: {reason}" for image_id, reason in found.unreadable.items()]
    n, width = found.vectors.shape
    made = f"{n:,} vectors of {width} numbers by {model} in {str(folder)!r}, {len(lines):,} unread"
    return "\n".join([*lines, f"{made}, {time.perf_counter() - start:.1f} s"])


def _on_disk(source: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options with a place for the index, which the plain folder otherwise keeps in memory."""
    if source != "folder":
        return options
    return {"index": str(index_of(**{k: v for k, v in options.items() if k != "index"})), **options}


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit code; without a command it prints the help."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.command is None:
        parser.print_help()
        return 0
    named = {"path": given.data, "index": given.index, "split": given.split, "annotations": given.annotations}
    options = {name: value for name, value in named.items() if value}
    works = {
        "index": lambda: index(given.source, options),
        "show": lambda: show(given.source, options, given.id),
        "texts": lambda: read_texts(given.source, options, given.provider, given.images),
        "embed": lambda: embed(given.source, options, given),
    }
    return exit_code(lambda: print(works[given.command]()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dataengine_utils.images",
        description="Annotated images: read the official files once into an index, look at a record, read "
        "the texts in pictures, compute the pictures' vectors.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    _command(commands, "index", "make the index (again, when files changed)", INDEXED)
    add = _command(commands, "show", "print one record", INDEXED)
    add("--id", metavar="ID", help="of the image; default: the first")
    add = _command(commands, "texts", "read what is written in the pictures (OCR) into the index", INDEXED)
    known = ", ".join(texts.PROVIDERS)
    add("--provider", required=True, metavar="NAME", help=f'{known}, or your own "package.module:Class"')
    add("--images", type=_number, metavar="N", help="only the first N images")
    add = _command(commands, "embed", "compute vectors of the pictures, to find alike ones", tuple(SOURCES))
    add("--model", metavar="NAME", help=f"folder, Hugging Face id or picturebook; default: {MODEL}")
    add("--out", metavar="DIR", help="where the vectors go, if not into DATA/embeddings")
    add("--images", type=_number, metavar="N", help=f"so many at random; all, or {PART:,} of above {WHOLE:,}")
    add("--batch-size", type=_number, default=BATCH_SIZE, metavar="N", help=f"at a time; {BATCH_SIZE}")
    add("--device", metavar="NAME", help="such as cpu or cuda:0; default: the GPU if there is one")
    return parser


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number, at least 1")
    return int(text)


def _command(commands: Any, name: str, what: str, sources: Sequence[str]) -> Any:
    """A command with the options that name a source; returns what adds more."""
    add = commands.add_parser(name, help=what, description=what).add_argument
    add("source", choices=sources, metavar="SOURCE", help=", ".join(sources))
    add("--data", required="picturebook" not in sources, metavar="DIR", help="the folder of the data set")
    add("--index", metavar="FILE", help="the index's place, if not beside the data")
    add("--split", metavar="NAME", help="coco: only this split, such as train2017")
    add("--annotations", metavar="NAME", help="folder: the sidecar file, if not annotations.jsonl")
    return add


if __name__ == "__main__":
    sys.exit(main())
