"""Finding the question that a row of another tool's predictions is for."""

import re
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from ..records import Question
from . import Benchmark
from .prediction_files import Row

_WORD = re.compile(r"[^\W_]+")
_LONGEST = 400  # words: more of a prompt is not searched for a question's text


class Match(NamedTuple):
    """The questions (places in the benchmark's list) that a row is for, and how they were told."""

    places: list[int]
    by_text: bool = False
    in_order: bool = False


class Index:
    """A benchmark's questions, to be found by id, by text, and by place."""

    def __init__(self, questions: list[Question], benchmark: Benchmark):
        aliases = getattr(benchmark, "aliases", lambda question: (question.id,))
        self.questions = questions
        self._by_key: dict[str, list[int]] = {}
        for place, question in enumerate(questions):
            for key in dict.fromkeys(aliases(question)):
                self._by_key.setdefault(key, []).append(place)
        self._by_text: dict[str, list[int]] = {}
        self._parts: dict[str, list[int]] = {}
        self._by_id = True

    def trust(self, rows: Sequence[Row]) -> None:
        """Decide from a file's first rows whether its ids are the benchmark's, or numbers of the tool's own.

        They are not if more rows ask what a question of another id asks than what that of their id asks.
        """
        told = [row for row in rows if row.key and row.text]
        apart = [row for row in told if not self._fitting(self._by_key.get(row.key, []), row)]
        moved = sum(bool(self._fitting(self._of_text(row.text), row)) for row in apart)
        self._by_id = moved <= len(told) - len(apart)

    def match(self, row: Row, last: Sequence[int]) -> Match:
        """A row's questions; of those that cannot be told apart, the one with the lowest number in `last`."""
        if not (row.key and self._by_id):
            return self._by_what_it_asks(row, last)
        known = self._by_key.get(row.key, [])
        if self._is_one_id(row.key, known):
            return Match(known)
        named = self._narrowed(known, row)
        return Match(sorted(named, key=lambda place: last[place])[:1], in_order=len(named) > 1)

    def likeness(self, place: int, text: str) -> float:
        """The share (0..1) of a question's words that a text has; 1 also if it is a part of the question."""
        if self._asks(place, text):
            return 1.0
        asked = set(words(self.questions[place].question))
        return len(asked & set(words(text))) / len(asked)

    def _is_one_id(self, key: str, places: list[int]) -> bool:
        """Whether the benchmark's file has this id more than once ("7", "7#2"): the official scripts know
        one reply an id.
        """
        ids = [self.questions[place].id for place in places]
        return len(ids) > 1 and ids[0] == key and all(one.startswith(f"{key}#") for one in ids[1:])

    def _by_what_it_asks(self, row: Row, last: Sequence[int]) -> Match:
        """The question that a row without a known id asks: the only one, else the one at the row's place.

        Where the file has ids of its own, and so is known to be of this benchmark, order may decide at last.
        """
        alike = self._narrowed(self._fitting(self._of_text(row.text), row), row)
        if len(alike) == 1:
            return Match(alike, by_text=True)
        part, at = self._part(row.part), row.position or 0
        if row.text and self._fitting(part[at:at + 1], row):
            return Match([part[at]], by_text=True, in_order=True)
        turn = sorted(alike if row.key else [], key=lambda place: last[place])[:1]
        return Match(turn, by_text=bool(turn), in_order=bool(turn))

    def _part(self, part: str) -> list[int]:
        """The questions that a file's name says it holds: those of one type, or all."""
        if part not in self._parts:
            places = [n for n, one in enumerate(self.questions) if _is_of(one.question_type, part)]
            types = {self.questions[place].question_type for place in places}
            self._parts[part] = places if len(types) == 1 else list(range(len(self.questions)))
        return self._parts[part]

    def _narrowed(self, places: list[int], row: Row) -> list[int]:
        """Those that fit what else the row tells; what fits none of them tells nothing."""
        for fits in (_in_category, _in_part, _has_picture, _has_options, _in_text):
            if len(places) > 1:
                places = [place for place in places if fits(self.questions[place], row)] or places
        if len(places) > 1 and row.text and self._asks(places[0], row.text):
            longest = max(len(self.questions[place].question) for place in places)
            places = [place for place in places if len(self.questions[place].question) == longest]
        return places

    def _asks(self, place: int, text: str) -> bool:
        question = self.questions[place].question
        return not text or _contains(text, question) or _contains(question, text)

    def _fitting(self, places: Sequence[int], row: Row) -> list[int]:
        """The questions that ask what the row asks, with the same options where both have some."""
        return [
            place for place in places
            if self._asks(place, row.text)
            and (not (row.options and self.questions[place].options)
                 or _has_options(self.questions[place], row))
        ]

    def _of_text(self, text: str) -> list[int]:
        """The questions whose text a prompt begins with, the longest such, or has as a line."""
        if not self._by_text:
            for place, question in enumerate(self.questions):
                self._by_text.setdefault(" ".join(words(question.question)), []).append(place)
        said = words(text)[:_LONGEST]
        starts = (" ".join(said[:n]) for n in range(len(said), 0, -1))
        lines = (" ".join(words(line)) for line in text.splitlines())
        return next((self._by_text[key] for key in chain(starts, lines) if key in self._by_text), [])


def words(text: str) -> list[str]:
    """The words of a text, in lower case and without punctuation."""
    return _WORD.findall(text.lower())


def _in_category(question: Question, row: Row) -> bool:
    return bool(row.category) and question.question_type.lower() == row.category.lower()


def _in_part(question: Question, row: Row) -> bool:
    return _is_of(question.question_type, row.part)


def _has_picture(question: Question, row: Row) -> bool:
    names = {_stem(name) for name in (row.image, row.key) if name}
    return bool(names & {_stem(question.image), _stem(question.image_id)} - {""})


def _has_options(question: Question, row: Row) -> bool:
    return bool(row.options) and [*map(words, row.options)] == [*map(words, question.options)]


def _in_text(question: Question, row: Row) -> bool:
    return bool(row.text) and _contains(row.text, question.question)


def _contains(text: str, part: str) -> bool:
    if part in text:
        return True
    said = words(part)
    return not said or f" {' '.join(said)} " in f" {' '.join(words(text))} "


def _stem(name: str) -> str:
    file = name.rpartition("/")[2]
    return file.rpartition(".")[0] or file


def _is_of(question_type: str, part: str) -> bool:
    """Whether a file's name says that it holds one type: "coco_pope_random", "pope_adv"."""
    name, kind = part.lower(), question_type.lower()
    starts = (word for word in words(name.replace("_", " ")) if len(word) > 2)
    return bool(kind) and (kind in name or any(map(kind.startswith, starts)))
