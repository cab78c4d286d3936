"""Reading the files that users bring: each error names the file and line and says what was expected there."""

import json
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import KitError


def read_text(path: Path, expected: str) -> str:
    """The text of a UTF-8 file (a byte-order mark is dropped); `expected` says in errors what the file should
    be.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise KitError(f"no file {str(path)!r}; expected {expected}") from error
    except UnicodeDecodeError as error:
        raise KitError(f"{path}: byte {error.start} is not UTF-8; expected {expected}") from error
    except OSError as error:
        raise KitError(f"cannot read {str(path)!r} ({error.strerror}); expected {expected}") from error


def read_json(path: Path, expected: str) -> Any:
    """The JSON value of a file."""
    text = read_text(path, expected)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise KitError(f"{path}:{error.lineno}: not JSON ({error.msg}); expected {expected}") from error
    except (ValueError, RecursionError) as error:  # digits or brackets by the thousand
        raise KitError(f"{path}: not readable as JSON ({error}); expected {expected}") from error


def read_list(path: Path, expected: str) -> list[Any]:
    """The JSON list of a file."""
    value = read_json(path, expected)
    if not isinstance(value, list):
        raise KitError(f"{path}: expected {expected}, got {type(value).__name__}")
    return value


def read_objects(path: Path, expected: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSONL file, line by line, each with its "file:line"; empty lines are passed over."""
    for number, line in enumerate(_lines(path, expected), start=1):
        if line.strip():
            yield f"{path}:{number}", _parse_object(line, f"{path}:{number}", expected)


def read_sheet(path: Path, expected: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of an Excel file's first sheet as texts, each with its "file:row"; nothing becomes NaN."""
    import pandas

    try:
        table = pandas.read_excel(path, dtype=str, keep_default_na=False)
    except ImportError as error:
        raise KitError(f"{path}: reading xlsx needs openpyxl ({error}); run: pip install openpyxl") from error
    except (zipfile.BadZipFile, zlib.error, OSError, KeyError, SyntaxError, ValueError) as error:
        raise KitError(f"{path}: not a whole xlsx file ({error}); expected {expected}") from error
    header = [str(name) for name in table.columns]
    for number, cells in enumerate(table.itertuples(index=False, name=None), start=2):
        yield f"{path}:{number}", dict(zip(header, map(str, cells), strict=True))


def _lines(path: Path, expected: str) -> Iterator[str]:
    number = 1
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
    except FileNotFoundError as error:
        raise KitError(f"no file {str(path)!r}; expected {expected}") from error
    except UnicodeDecodeError as error:
        raise KitError(f"{path}:{number}: byte {error.start} is not UTF-8; expected {expected}") from error
    except OSError as error:
        raise KitError(f"cannot read {str(path)!r} ({error.strerror}); expected {expected}") from error


def _parse_object(line: str, where: str, expected: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise KitError(f"{where}: not JSON ({error.msg}); expected {expected}") from error
    except (ValueError, RecursionError) as error:
        raise KitError(f"{where}: not readable as JSON ({error}); expected {expected}") from error
    if not isinstance(value, dict):
        raise KitError(f"{where}: expected an object, got {type(value).__name__}")
    return value
