"""Reading JSON files of any size one entry after another: memory holds one block of the file and one entry.

Made for files that are one long list (Visual Genome) or an object of long lists (COCO). The standard
library's decoder does the parsing; errors name the file, the entry and the position.
"""

import codecs
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from ..errors import KitError

BLOCK = 1 << 22  # bytes read at a time
LARGEST = 1 << 28  # characters: a longer entry is no annotation but a broken file
_NEAR = 64  # characters: an error this near to what has been read may only want more of the file
_OPEN_NUMBER = 2  # signs: behind "1.5" there may be "e+", the beginning of more
_OPEN_STRING = "Unterminated string"  # what the decoder says of a text that has no end
_DECODE = json.JSONDecoder().raw_decode
Advance = Callable[[int], Any]
Result = TypeVar("Result")


def stream_list(path: Path, expected: str, advance: Advance = lambda n_bytes: None) -> Iterator[Any]:
    """The entries of a file that is one JSON list.

    `advance` is told the bytes read. `KitError` for a missing, damaged or cut file and for another form.
    """
    with _opened(path, expected, advance) as scanner:
        yield from scanner.items()
        scanner.end()


def stream_lists(
    path: Path, expected: str, advance: Advance = lambda n_bytes: None
) -> Iterator[tuple[str, int, Any]]:
    """Each entry of the lists in a file that is one JSON object: name of the list, position in it, entry.

    Values of the object that are no lists are passed over; else as `stream_list`.
    """
    with _opened(path, expected, advance) as scanner:
        for _ in scanner.members("{", "}"):
            name = scanner.value()
            scanner.take(":")
            if scanner.peek() == "[":
                yield from ((name, number, entry) for number, entry in enumerate(scanner.items()))
            else:
                scanner.value()
        scanner.end()


def read_entry(read: Callable[[Any], Result], entry: Any, where: str, form: str) -> Result:
    """What `read` makes of an entry; `KitError` with the entry's place and form when it has another form."""
    try:
        return read(entry)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        known = entry if isinstance(entry, dict) else {}
        about = next((f" (image {known[key]})" for key in ("image_id", "id") if key in known), "")
        problem = f"no {error}" if isinstance(error, KeyError) else f"{type(error).__name__}: {error}"
        raise KitError(f"{where}{about} is not in the official form ({problem}); expected {form}") from error


def _opened(path: Path, expected: str, advance: Advance) -> "_Scanner":
    try:
        return _Scanner(path.open("rb"), path, expected, advance)
    except FileNotFoundError as error:
        raise KitError(f"no file {str(path)!r}; expected {expected}") from error
    except OSError as error:
        raise KitError(f"cannot read {str(path)!r} ({error.strerror}); expected {expected}") from error


class _Scanner:
    """A position in a JSON text, of which only a window is held."""

    def __init__(self, file: BinaryIO, path: Path, expected: str, advance: Advance):
        self._file, self._path, self._expected, self._advance = file, path, expected, advance
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._window, self._at, self._passed, self._ended = "", 0, 0, False
        self._entry = -1

    def __enter__(self) -> "_Scanner":
        return self

    def __exit__(self, *problem: object) -> None:
        self._file.close()

    def items(self) -> Iterator[Any]:
        """The values of the list that starts here."""
        for number in self.members("[", "]"):
            self._entry = number
            yield self.value()
        self._entry = -1

    def members(self, start: str, end: str) -> Iterator[int]:
        """Count the members between two brackets; the caller reads each before it asks for the next."""
        self.take(start)
        if self.peek() == end:
            self.take(end)
            return
        yield 0
        for number in itertools.count(1):
            if self.take(f",{end}") == end:
                return
            yield number

    def value(self) -> Any:
        """The value that starts here."""
        self.peek()
        while True:
            try:
                value, end = _DECODE(self._window, self._at)
            except json.JSONDecodeError as error:
                if not self._may_be_cut(error):
                    raise self._broken(error.msg, error.pos) from error
            except (ValueError, RecursionError) as error:  # digits or brackets by the thousand
                raise self._broken(str(error), self._at) from error
            else:
                if end + _OPEN_NUMBER < len(self._window) or self._ended:
                    self._at = end
                    return value
            self._read_on()

    def peek(self) -> str:
        """The next sign that is not white space; "" at the end of the file."""
        while True:
            rest = len(self._window)
            while self._at < rest and self._window[self._at] in " \n\r\t":
                self._at += 1
            if self._at < rest or self._ended:
                return self._window[self._at : self._at + 1]
            self._read_on()

    def take(self, signs: str) -> str:
        """Step over the next sign, which has to be one of these."""
        found = self.peek()
        if not found or found not in signs:
            wanted = " or ".join(repr(sign) for sign in signs)
            raise self._broken(f"expected {wanted}, got {found or 'the end of the file'!r}", self._at)
        self._at += 1
        return found

    def end(self) -> None:
        """There has to be nothing more."""
        if self.peek():
            raise self._broken("there is more after the end of the JSON value", self._at)

    def _may_be_cut(self, error: json.JSONDecodeError) -> bool:
        near = error.pos >= len(self._window) - _NEAR
        return not self._ended and (near or error.msg.startswith(_OPEN_STRING))

    def _read_on(self) -> None:
        held = len(self._window) - self._at
        if held > LARGEST:
            raise self._broken(f"an entry of more than {LARGEST:,} characters", self._at)
        try:
            block = self._file.read(max(BLOCK, held))
            text = self._decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            raise self._broken(f"not UTF-8: {error.reason}", len(self._window)) from error
        except OSError as error:
            raise self._broken(f"cannot be read: {error.strerror}", self._at) from error
        self._passed += self._at
        self._window, self._at, self._ended = self._window[self._at :] + text, 0, not block
        self._advance(len(block))

    def _broken(self, problem: str, at: int) -> KitError:
        entry = f", entry {self._entry}" if self._entry >= 0 else ""
        at_end = at >= len(self._window) - 1 or problem.startswith(_OPEN_STRING)
        cut = "; the file is cut off" if self._ended and at_end else ""
        return KitError(
            f"{self._path}{entry}, character {self._passed + at}: not readable as JSON ({problem}){cut}; "
            f"expected {self._expected}; fetch the file again"
        )
