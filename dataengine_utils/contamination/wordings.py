"""Which questions a benchmark asks, so that a copy is found whatever the picture, and a phrase that everybody
uses is not.

Most short questions are asked of thousands of pictures ("What color is the car?"): their wording says
nothing. It says something where the benchmarks ask it of one picture only, and then

- together with the same options, in any order; or
- alone, when it is `LONG` words or longer; or
- in pieces: of the runs of `RUN` words that only this question has (at least `FEWEST`), `SHARE` are there.

Words are compared without case, punctuation and accents of writing. On published questions by other writers
these rules meet well under one in a hundred (tests/bench/contamination.py).
"""

import hashlib
import re
import unicodedata
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

LONG = 9
RUN = 5
SHARE = 0.8
FEWEST = 3

Words = tuple[str, ...]


def words_of(text: str) -> Words:
    """The words of a text, in lower case and without punctuation."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("'", "").replace("’", "")
    return tuple(re.findall(r"\w+", plain))


def digest(value: object) -> int:
    """A 64-bit number for a value with a stable `repr`, the same in every run."""
    return int.from_bytes(hashlib.blake2b(repr(value).encode(), digest_size=8).digest(), "little")


@dataclass(frozen=True)
class Asked:
    """A benchmark's question: a label of its own to show, its picture as a number, its words and options."""

    label: str
    picture: int
    question: str
    options: tuple[str, ...]


class Wordings:
    """The questions that were asked of one picture only, by their digests: about 110 bytes a question."""

    def __init__(self, questions: Iterable[Asked]):
        self._labels: list[str] = []
        both, alone, runs = _Table(), _Table(), _Table()
        for number, asked in enumerate(questions):
            self._labels.append(asked.label)
            words = words_of(asked.question)
            alone.add(digest(words), asked.picture, number)
            for run in _runs(words):
                runs.add(run, asked.picture, number)
            if asked.options:
                both.add(_with_options(words, asked.options), asked.picture, number)
        self._both, self._alone, self._runs = (table.of_one_picture() for table in (both, alone, runs))
        self._n_runs = np.bincount(self._runs.questions, minlength=len(self._labels))

    def find(self, question: str, options: Sequence[str] = ()) -> str:
        """The label of the benchmark's question that this one copies, "" for none."""
        words = words_of(question)
        number = self._both.question(_with_options(words, options)) if options else None
        if number is None and len(words) >= LONG:
            number = self._alone.question(digest(words))
        if number is None:
            number = self._in_pieces(_runs(words))
        return "" if number is None else self._labels[number]

    def _in_pieces(self, runs: set[int]) -> int | None:
        found = [number for run in runs if (number := self._runs.question(run)) is not None]
        for number in set(found):
            n_runs = int(self._n_runs[number])
            if n_runs >= FEWEST and found.count(number) >= SHARE * n_runs:
                return number
        return None


@dataclass(frozen=True)
class _Known:
    """Digests in order (n,) uint64, and the number of a question that each stands for."""

    digests: np.ndarray
    questions: np.ndarray

    def question(self, value: int) -> int | None:
        place = int(np.searchsorted(self.digests, np.uint64(value)))
        there = place < len(self.digests) and int(self.digests[place]) == value
        return int(self.questions[place]) if there else None


class _Table:
    """Digests with picture and question, in flat arrays: 20 bytes a row."""

    def __init__(self) -> None:
        self._digests, self._pictures, self._questions = array("Q"), array("Q"), array("i")

    def add(self, value: int, picture: int, question: int) -> None:
        self._digests.append(value)
        self._pictures.append(picture)
        self._questions.append(question)

    def of_one_picture(self) -> _Known:
        """The digests that only one picture has; a question that is there twice stands once."""
        digests, pictures = (np.array(column, np.uint64) for column in (self._digests, self._pictures))
        order = np.argsort(digests, kind="stable")
        digests, pictures = digests[order], pictures[order]
        starts = (
            np.flatnonzero(np.diff(digests, prepend=digests[:1] - np.uint64(1))) if len(digests) else order
        )
        if not len(starts):
            return _Known(digests, np.array(self._questions, np.int32))
        low, high = np.minimum.reduceat(pictures, starts), np.maximum.reduceat(pictures, starts)
        kept = starts[low == high]
        return _Known(digests[kept], np.array(self._questions, np.int32)[order][kept])


def _with_options(words: Words, options: Sequence[str]) -> int:
    return digest((words, sorted({words_of(option) for option in options})))


def _runs(words: Words) -> set[int]:
    return {digest(words[start : start + RUN]) for start in range(len(words) - RUN + 1)}
