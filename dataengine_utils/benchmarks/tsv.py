"""TSV files that carry their pictures as base64 (VLMEvalKit's, MMBench's): rows are streamed, and a picture
is found again by its byte offset when it is opened.
"""

import base64
import binascii
import csv
import hashlib
import io
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from ..errors import KitError

SCHEME = "tsv:"
# VLMEvalKit's convention: no picture is that short, so such a cell is the index of the row that has it.
POINTER_CHARACTERS = 64
EXPECTED = "tab-separated columns under a header, with pictures as base64"

_INDEX = "index"
_FIELD_LIMIT = 2**31 - 1
_SPACES = b" \t\r\n"
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="


def rows(path: Path, images: str = "image") -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of a TSV file, each with its "file:line", cells as they are written.

    The cell of column `images`, if there is such a column, becomes a reference for `images.open_image`: to
    the row's own picture, or to that of the row whose index stands there; "" stays "". No base64 is kept. A
    cell that cannot be base64, or an index that no picture has, raises `KitError`, and so does a file that is
    not TSV.
    """
    references: dict[str, str] = {}
    for record in _table(path):
        cell = record.row.get(images, "").strip()
        if 0 < len(cell) <= POINTER_CHARACTERS and cell not in references:
            references |= _references(path, images)  # the row meant stands further down, if anywhere
        if len(cell) > POINTER_CHARACTERS:
            references[record.row.get(_INDEX, "")] = cell = _reference(record, images, cell)
        elif cell:
            cell = _follow(cell, references, record)
        yield record.where, {**record.row, images: cell} if images in record.row else record.row


def picture_id(reference: str) -> str:
    """What is the same for references to the same base64 text: its hash."""
    return _Place.parse(reference.removeprefix(SCHEME)).digest


def open_picture(place: str) -> Image.Image:
    """The picture, as RGB, of a reference without its "tsv:"; a broken one raises `KitError`."""
    at = _Place.parse(place)
    with closing(_records(at.path)) as records:
        header = _header(records, at.path)
    with closing(_records(at.path, at.offset, at.line)) as records:
        _, _, cells = next(records, (0, 0, []))
    row = dict(zip(header, cells, strict=False))
    cell = row.get(at.column, "").strip()
    where = f"{at.path}:{at.line}, index {row.get(_INDEX, '')}, column {at.column!r}"
    if _digest(cell.encode()) != at.digest:
        raise KitError(f"{where}: not the picture that was there when the questions were listed; "
                       "the file was changed, so list them again")
    return decode(cell, where)


def decode(cell: str, where: str) -> Image.Image:
    """The picture of a base64 text, as RGB; `where` names it in the `KitError` for one that is broken."""
    try:
        content = base64.b64decode(b"".join(cell.encode().split()), validate=True)
        with Image.open(io.BytesIO(content)) as image:
            return image.convert("RGB")
    except (binascii.Error, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise KitError(f"{where}: not a whole picture as base64 ({error}); fetch the file again") from error


@dataclass(frozen=True)
class _Place:
    """Where a picture's text stands: the line and the byte at which its row starts, and the text's hash."""

    line: int
    offset: int
    digest: str
    column: str
    path: Path

    def __str__(self) -> str:
        return f"{self.line}@{self.offset}@{self.digest}@{self.column}@{self.path}"

    @classmethod
    def parse(cls, text: str) -> "_Place":
        parts = text.split("@", 4)
        if len(parts) < 5 or not (parts[0].isdecimal() and parts[1].isdecimal()):
            raise KitError(f"unknown picture {SCHEME + text!r:.80}; list the questions for its reference")
        return cls(int(parts[0]), int(parts[1]), parts[2], parts[3], Path(parts[4]))


@dataclass(frozen=True)
class _Record:
    path: Path
    line: int
    offset: int
    row: dict[str, str]

    @property
    def where(self) -> str:
        return f"{self.path}:{self.line}"


def _references(path: Path, images: str) -> dict[str, str]:
    """The references to all the file's pictures by index."""
    cells = ((record, record.row.get(images, "").strip()) for record in _table(path))
    return {
        record.row.get(_INDEX, ""): _reference(record, images, cell)
        for record, cell in cells
        if len(cell) > POINTER_CHARACTERS
    }


def _follow(index: str, references: dict[str, str], record: _Record) -> str:
    if index not in references:
        raise KitError(
            f"{record.where}: the image of index {record.row.get(_INDEX, '')} is {index!r}, which is neither "
            "base64 nor the index of a row with a picture; fetch the file again"
        )
    return references[index]


def _reference(record: _Record, images: str, cell: str) -> str:
    text = cell.encode()
    plain = text.translate(None, _SPACES)
    if plain.translate(None, _ALPHABET) or len(plain) % 4 or b"=" in plain[:-2]:
        raise KitError(
            f"{record.where}: the image of index {record.row.get(_INDEX, '')} is not base64 "
            f"({len(plain)} characters, {cell[:20]!r}...); fetch the file again"
        )
    return SCHEME + str(_Place(record.line, record.offset, _digest(text), images, record.path))


def _digest(text: bytes) -> str:
    return hashlib.blake2b(text, digest_size=8).hexdigest()


def _table(path: Path) -> Iterator[_Record]:
    with closing(_records(path)) as records:
        header = _header(records, path)
        for line, offset, cells in records:
            if len(cells) != len(header):
                raise KitError(f"{path}:{line}: {len(cells)} cells under a header of {len(header)} "
                               f"({', '.join(header):.160}); the file may be cut off, so fetch it again")
            yield _Record(path, line, offset, dict(zip(header, cells, strict=True)))


def _header(records: Iterator[tuple[int, int, list[str]]], path: Path) -> list[str]:
    _, _, header = next(records, (0, 0, []))
    if not header:
        raise KitError(f"{path}: an empty file; expected {EXPECTED}")
    twice = [name for name in header if header.count(name) > 1]
    if twice:
        raise KitError(f"{path}:1: column {twice[0]!r} is there twice; expected {EXPECTED}")
    return header


def _records(path: Path, offset: int = 0, line: int = 1) -> Iterator[tuple[int, int, list[str]]]:
    """The records from a byte on: the line and byte at which each starts, and its cells."""
    csv.field_size_limit(max(csv.field_size_limit(), _FIELD_LIMIT))
    with _open(path) as file:
        file.seek(offset)
        lines = _Lines(file, path, offset, line)
        reader: Any = csv.reader(lines, delimiter="\t", strict=True)
        while True:
            line, offset = lines.line, lines.offset
            try:
                cells = next(reader, None)
            except csv.Error as error:
                raise KitError(f"{path}:{line}: not TSV ({error}); expected {EXPECTED}") from error
            if cells is None:
                return
            if cells:
                yield line, offset, cells


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise KitError(f"cannot read {str(path)!r} ({error.strerror}); expected {EXPECTED}") from error


class _Lines:
    """The lines of a file as text; `line` and `offset` (bytes) are those of the next one."""

    def __init__(self, file: BinaryIO, path: Path, offset: int, line: int):
        self._file, self._path = file, path
        self.offset, self.line = offset, line

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        raw = next(self._file)
        try:
            text = raw.decode("utf-8-sig" if self.offset == 0 else "utf-8")
        except UnicodeDecodeError as error:
            raise KitError(f"{self._path}:{self.line}: byte {self.offset + error.start} is not UTF-8; "
                           f"expected {EXPECTED}") from error
        self.line, self.offset = self.line + 1, self.offset + len(raw)
        return text
