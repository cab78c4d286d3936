"""The records of benchmark files: the fields that are needed are checked, the others passed over."""

import ast
import dataclasses
from typing import Any, TypeVar

from ..errors import KitError
from ..records import from_json

Record = TypeVar("Record")


def picked(kind: type[Record], value: Any, where: str, expected: str) -> Record:
    """The fields of a file's record that the dataclass `kind` names; `where` is its file and line or id.

    A field that is missing or has the wrong type raises `KitError`.
    """
    if not isinstance(value, dict):
        raise KitError(f"{where}: got {value!r:.60}; expected {expected}")
    names = {field.name for field in dataclasses.fields(kind)}
    try:
        return from_json(kind, {name: item for name, item in value.items() if name in names})
    except KitError as error:
        raise KitError(f"{where}: {error}; expected {expected}") from error


def texts(value: Any, where: str, expected: str) -> tuple[str, ...]:
    """A list of texts, which some files write as one text ("['a', 'b']"); None is an empty list."""
    try:
        items = ast.literal_eval(value) if isinstance(value, str) and value.strip() else value or ()
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        items = None
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, (str, int, float)) for item in items):
        raise KitError(f"{where}: got {value!r:.60}, which is no list of texts; expected {expected}")
    return tuple(str(item) for item in items)
