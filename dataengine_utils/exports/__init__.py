"""Samples for other trainers and readers: formats by name, one writer for all."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import files
from ..errors import KitError, unknown_name
from ..inputs import read_json
from ..records import Sample
from . import rows
from .parquet import write_parquet
from .pictures import Pictures
from .published import publish, read_samples, sample_of
from .reading import TrainingItem, read_items

__all__ = ["FORMATS", "TrainingItem", "export", "publish", "read_items", "read_samples", "sample_of"]

DATASET_INFO = "dataset_info.json"


@dataclass(frozen=True)
class Format:
    """A format: what it makes of a sample, the file's ending, and who reads it.

    `absolute`: its reader takes pictures' paths as they are; the others' count from an image folder.
    """

    rows: Callable[[rows.Turns, Pictures], Iterator[rows.Row]] | None
    suffix: str
    absolute: bool
    reader: str


FORMATS = {
    "published": Format(rows.published, ".json", False, "the paper's data format, seven fields"),
    "llava": Format(rows.llava, ".json", False, "LLaVA: --data_path FILE --image_folder FOLDER"),
    "sharegpt": Format(
        rows.sharegpt, ".json", False, f"LLaMA-Factory: dataset_dir with its {DATASET_INFO}, media_dir"
    ),
    "swift": Format(rows.swift, ".jsonl", True, "ms-swift: --dataset FILE"),
    "trl": Format(
        rows.trl, ".jsonl", True, "TRL: load_dataset('json', ...), column images cast to List(Image())"
    ),
    "parquet": Format(
        None, ".parquet", True, "datasets: load_dataset('parquet', data_files=FILE), pictures inside"
    ),
}


def export(
    samples: Sequence[Sample],
    name: str,
    out: Path,
    *,
    forms: Sequence[str] = ("direct", "choice"),
    family: str = "llava",
    root: Path | None = None,
    pictures: Path | None = None,
    seed: int = 0,
) -> int:
    """Write the samples into the file `out` in a format of `FORMATS`; returns the number of entries.

    `forms` (of `instruction_data.FORMS`) are the turns made of each sample, worded as that `family` of
    students is asked. Pictures are named by path, counted from `root`; those that are no files are written
    into the folder `pictures` (see `exports.pictures`). An ending or a name that does not fit raises
    `KitError`. For LLaMA-Factory, `out`'s folder gets the entry in dataset_info.json too.
    """
    if name not in FORMATS:
        raise unknown_name("export format", name, list(FORMATS))
    kind = FORMATS[name]
    if out.suffix != kind.suffix:
        raise KitError(
            f"{str(out)!r} ends in {out.suffix or 'nothing'!r}; format {name} is a {kind.suffix} file"
        )
    if not samples:
        raise KitError(f"no samples to write to {str(out)!r}; run notebook 05_generate first")
    files.make_folder(out.parent)
    where = Pictures(root, pictures, kind.absolute)
    if kind.rows is None:
        return write_parquet(samples, out, where)
    made = [row for turns in rows.turns_of(samples, forms, family, seed) for row in kind.rows(turns, where)]
    files.write_whole(out, files.document(made) if out.suffix == ".json" else files.lines_text(made, dict))
    if name == "sharegpt":
        _describe(out)
    return len(made)


def _describe(out: Path) -> None:
    """Enter the file into dataset_info.json beside it, which LLaMA-Factory reads; other entries stay."""
    path = out.parent / DATASET_INFO
    known = read_json(path, "LLaMA-Factory's table of datasets") if path.exists() else {}
    if not isinstance(known, dict):
        raise KitError(
            f"{path}: expected LLaMA-Factory's table of datasets, got {type(known).__name__}; move it away"
        )
    known[out.stem] = {
        "file_name": out.name,
        "formatting": "sharegpt",
        "columns": {"messages": "conversations", "images": "images"},
    }
    files.write_whole(path, files.document(known))
