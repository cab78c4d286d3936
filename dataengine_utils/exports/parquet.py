"""Samples as a Hugging Face dataset in one parquet file, pictures inside."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import KitError
from ..records import Sample, to_json
from .pictures import Pictures, written_beside

_BATCH = 100  # rows with their pictures that are in memory at a time
_TABLES = ("verdicts", "shown")  # their keys differ from sample to sample, so a column of them is JSON text


def write_parquet(samples: Iterable[Sample], path: Path, pictures: Pictures) -> int:
    """Write all fields of the samples, lineage too, and their pictures; returns the number of rows.

    `datasets.load_dataset("parquet", data_files=...)` reads it anywhere: column `image` is the picture (the
    bytes of its file, PNG for one that is drawn), `image_path` the sample's reference. Without the package
    `datasets` a `KitError` says how to get it.
    """
    try:
        import datasets
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise KitError(
            f"writing {str(path)!r} needs the package datasets ({error}); run: pip install datasets, or "
            "choose a JSON format"
        ) from error
    schema = _features(datasets).arrow_schema
    n, rest = 0, iter(samples)
    with written_beside(path) as part, pyarrow.parquet.ParquetWriter(part, schema) as writer:
        while rows := list(islice(_rows(rest, pictures), _BATCH)):
            writer.write_table(pyarrow.Table.from_pylist(rows, schema=schema))
            n += len(rows)
    return n


def _rows(samples: Iterator[Sample], pictures: Pictures) -> Iterator[dict[str, Any]]:
    for sample in samples:
        row = {
            **to_json(sample),
            "image_path": sample.image,
            "image": {"bytes": pictures.bytes_of(sample.image), "path": None},
        }
        yield row | {name: json.dumps(row[name], ensure_ascii=False) for name in _TABLES}


def _features(datasets: Any) -> Any:
    """The columns' types; letters and lists as the records have them."""
    text = datasets.Value("string")
    lists = {name: datasets.List(text) for name in ("options", "bad_cases")}
    kinds = {
        "qtype": datasets.Value("int64"),
        "usd": datasets.Value("float64"),
        "image": datasets.Image(),
        **lists,
    }
    names = [*Sample.__dataclass_fields__, "image_path"]
    return datasets.Features({name: kinds.get(name, text) for name in names})
