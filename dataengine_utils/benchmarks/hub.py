"""Questions from the Hugging Face hub, through the `datasets` library; pictures stay unread until opened."""

import io
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from PIL import Image

from ..errors import KitError
from . import tsv

SCHEME = "hub:"
_BATCH = 1000


def rows(name: str, config: str | None, split: str) -> Iterator[dict[str, Any]]:
    """The rows of a dataset's split, each picture as a reference ("hub:...") for `images.open_image`.

    None stands where a row has no picture; of a list of pictures the reference is to the first. No picture is
    read. `name` is a dataset of the hub, or a folder that holds one. Without `datasets`, without a network,
    or without that dataset a `KitError` says what to do.
    """
    data = _dataset(name, config, split)
    filled = {column: _filled(data, column) for column in _picture_columns(data)}
    plain = data.remove_columns(list(filled))
    for start in range(0, data.num_rows, _BATCH):
        batch = plain[start:start + _BATCH]
        for number in range(start, min(start + _BATCH, data.num_rows)):
            row = {column: values[number - start] for column, values in batch.items()}
            for column, there in filled.items():
                row[column] = _reference(name, config, split, number, column) if there[number] else None
            yield row


def open_picture(place: str) -> Image.Image:
    """The picture, as RGB, of a reference without its "hub:"; only its row is read."""
    name, _, query = place.partition("?")
    at = dict(parse_qsl(query))
    if not {"split", "row", "column"} <= set(at) or not at["row"].isdecimal():
        raise KitError(f"unknown picture {SCHEME}{place!r:.120}; references come from listing the questions")
    data = _pictures(unquote(name), at.get("config"), at["split"], at["column"])
    if int(at["row"]) >= data.num_rows:
        raise KitError(f"{SCHEME}{place}: the dataset has {data.num_rows} rows; list its questions anew")
    value = data[int(at["row"])][at["column"]]
    return _decoded(value[0] if isinstance(value, list) and value else value, place)


def _decoded(value: Any, place: str) -> Image.Image:
    """The picture that `datasets` keeps as the bytes of a file, as a path, or as a base64 text."""
    if isinstance(value, str):
        return tsv.decode(value, f"{SCHEME}{place}")
    if not isinstance(value, dict) or not (value.get("bytes") or value.get("path")):
        raise KitError(f"{SCHEME}{place}: there is no picture")
    try:
        with Image.open(io.BytesIO(value["bytes"]) if value.get("bytes") else value["path"]) as image:
            return image.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise KitError(f"{SCHEME}{place} is not a whole image ({error}); fetch the dataset again") from error


def _reference(name: str, config: str | None, split: str, row: int, column: str) -> str:
    fields = {"split": split, "row": row, "column": column}
    return f"{SCHEME}{quote(name)}?{urlencode({'config': config, **fields} if config else fields)}"


@lru_cache(maxsize=8)
def _dataset(name: str, config: str | None, split: str) -> Any:
    """The dataset's handle; the library keeps the rows on disk."""
    try:
        import datasets
    except ImportError as error:
        raise KitError(f"{SCHEME}{name} needs the package datasets; run: pip install datasets") from error
    try:
        return datasets.load_dataset(name, config, split=split)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        said = " ".join(str(error).split())
        raise KitError(
            f"cannot read the Hugging Face dataset {name!r}, config {config!r}, split {split!r}: {said:.99}; "
            "it takes a network and the id of a dataset, or give the path of the benchmark's own files"
        ) from error


@lru_cache(maxsize=8)
def _pictures(name: str, config: str | None, split: str, column: str) -> Any:
    """One column of pictures, as bytes or paths."""
    data = _dataset(name, config, split)
    if column not in _picture_columns(data):
        raise KitError(f"{SCHEME}{name}: no pictures in column {column!r}; list its questions anew")
    pictures = data.select_columns([column])
    if not _is_picture(_inner(data.features[column])):
        return pictures
    return pictures.cast_column(column, _raw(data.features[column]))


def _picture_columns(data: Any) -> list[str]:
    return [column for column, feature in data.features.items()
            if _is_picture(_inner(feature)) or (column == "image" and _is_base64(data))]


def _is_base64(data: Any) -> bool:
    """Whether the column "image" holds pictures as base64 texts, as HuggingFaceM4/MMBench has them."""
    if not data.num_rows:
        return False
    value = data.select_columns(["image"])[0]["image"]
    return isinstance(value, str) and len(value) > tsv.POINTER_CHARACTERS


def _inner(feature: Any) -> Any:
    """What a list holds (older versions of `datasets` write it as a Python list), or the feature itself."""
    return feature[0] if isinstance(feature, list) else getattr(feature, "feature", feature)


def _is_picture(feature: Any) -> bool:
    import datasets

    return isinstance(feature, datasets.Image)


def _raw(feature: Any) -> Any:
    """The feature with its pictures left as they are stored."""
    import datasets

    raw = datasets.Image(decode=False)
    if isinstance(feature, datasets.Image):
        return raw
    return [raw] if isinstance(feature, list) else type(feature)(raw)


def _filled(data: Any, column: str) -> list[bool]:
    """Which rows have a picture in a column, told without reading one."""
    import pyarrow.compute

    values = data.data.column(column)
    if pyarrow.types.is_list(values.type) or pyarrow.types.is_large_list(values.type):
        return [bool(length) for length in pyarrow.compute.list_value_length(values).to_pylist()]
    return pyarrow.compute.is_valid(values).to_pylist()
