"""Another tool's predictions as input: each row finds its question, and the benchmark's rule judges it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from ..errors import KitError
from ..records import Prediction, Question
from . import Benchmark, scoring
from .prediction_files import TWO_ANSWERS, Row, read_rows
from .prediction_matching import Index

_FIRST = 1000  # rows, by which it is told whether a file's ids are the benchmark's
_ALIKE = 0.5  # of the words of a question: below this a prompt asks something else


@dataclass(frozen=True)
class Report:
    """How a file's rows found their questions.

    Of `rows`, `elsewhere` answer questions that were not asked for (another split's), `others` none of the
    benchmark's (`other` names one), `repeated` a question that had a reply: the last one counts, as in the
    official scripts. `by_text` rows were told by the question's text, `in_order` by nothing but their order
    among questions that look alike. `missing` questions that were asked for have no prediction.
    """

    form: str
    rows: int
    elsewhere: int
    others: int
    other: str
    repeated: int
    by_text: int
    in_order: int
    missing: int

    def __str__(self) -> str:
        parts = {
            "answer questions that are not asked here": self.elsewhere,
            f"answer none of the benchmark's, such as {self.other}": self.others,
            "repeat a question, and the last reply counts": self.repeated,
            "were matched by the question's text": self.by_text,
            "were matched by their order alone": self.in_order,
        }
        said = [f"{n:,} {what}" for what, n in parts.items() if n]
        return "; ".join([f"{self.rows:,} rows of {self.form}", *said,
                          f"{self.missing:,} questions are without a prediction"])


class Imported(dict[str, list[Prediction]]):
    """Judged predictions by split, in the questions' order; `report` says how the rows were matched.

    A question without a prediction has none here; the benchmark's `score` counts it as missing.
    """

    report: Report


def load_predictions(
    path: str | Path, benchmark: Benchmark, questions: Mapping[str, Sequence[Question]] | Sequence[Question]
) -> Imported:
    """What another tool answered to a benchmark's questions, judged by the benchmark's rule.

    `path` is a file or folder of one of `prediction_files.FORMS`; `questions` are those of each split wanted,
    or a list, which comes back as "all". Rows are matched with the whole benchmark, so another split's rows
    are passed over. A row is matched by its question's id; where several share that, or the file has ids of
    its own, by category, picture, options and text; then in order. Rows of no question of the benchmark are
    passed over if every question has its reply (they are a larger benchmark's), else they raise `KitError`.
    So do a file that cannot be read, and one whose ids or texts are another benchmark's.
    """
    splits = questions if isinstance(questions, Mapping) else {"all": questions}
    asked = {question.id: question for of_split in splits.values() for question in of_split}
    whole = {question.id: question for question in benchmark.questions("all")} | asked
    replies = _Replies(list(whole.values()), benchmark)
    rows = read_rows(Path(path))
    first = list(islice(rows, _FIRST))
    replies.trust(first)
    for row in chain(first, rows):
        replies.add(row)
    replies.check(path, benchmark.name)
    judged = {
        question.id: scoring.predict(question, reply, judge=benchmark.judge)
        for question, reply in replies.given() if question.id in asked
    }
    imported = Imported(
        {name: [judged[one.id] for one in of_split if one.id in judged] for name, of_split in splits.items()}
    )
    imported.report = replies.report(asked)
    return imported


class _Replies:
    """The replies so far, by question."""

    def __init__(self, questions: list[Question], benchmark: Benchmark):
        self._index = Index(questions, benchmark)
        self._replies: list[str | None] = [None] * len(questions)
        self._rows_of: list[int] = [0] * len(questions)
        self._last = [-1] * len(questions)
        self._form = self._other = self._differs = ""
        self._n = dict.fromkeys(("rows", "others", "repeated", "by_text", "in_order", "differ"), 0)

    def trust(self, rows: Sequence[Row]) -> None:
        """Decide from the first rows whether the file's ids are the benchmark's."""
        self._index.trust(rows)

    def add(self, row: Row) -> None:
        """Give a row's reply to its question."""
        match = self._index.match(row, self._last)
        self._form = self._form or row.form
        self._n["rows"] += 1
        self._n["by_text"] += match.by_text
        self._n["in_order"] += match.in_order
        if not match.places:
            self._n["others"] += 1
            self._other = self._other or f"{row.key or row.text or 'no id and no text'!r:.60} ({row.where})"
            return
        self._note_wording(row, match.places[0])
        self._n["repeated"] += self._replies[match.places[0]] is not None
        for place in match.places:
            self._replies[place] = _reply_to(self._index.questions[place], row)
            self._last[place] = self._n["rows"]
        self._rows_of[match.places[0]] += 1

    def given(self) -> Iterator[tuple[Question, str]]:
        """The questions that have a reply, with it."""
        yield from ((question, reply) for question, reply in self._all() if reply is not None)

    def _all(self) -> Iterator[tuple[Question, str | None]]:
        return zip(self._index.questions, self._replies, strict=True)

    def check(self, path: str | Path, name: str) -> None:
        """Raise `KitError` if the rows are not this benchmark's."""
        unanswered = [question.id for question, reply in self._all() if reply is None]
        n, matched = self._n, self._n["rows"] - self._n["others"]
        if n["others"] and unanswered:
            raise KitError(
                f"{path}: {n['others']:,} of {n['rows']:,} rows answer no question of {name}, such as "
                f"{self._other}; its ids are such as {unanswered[0]!r}. Give the predictions of this "
                "benchmark, for the same version of its questions"
            )
        if 2 * n["differ"] > matched:
            raise KitError(
                f"{path}: {n['differ']:,} of {matched:,} rows have an id of {name} but another question: "
                f"{self._differs}. Give the predictions of this benchmark"
            )

    def report(self, asked: Mapping[str, Question]) -> Report:
        """How the rows found the questions asked for."""
        elsewhere = sum(n for question, n in zip(self._index.questions, self._rows_of, strict=True)
                        if question.id not in asked)
        missing = sum(question.id in asked and reply is None for question, reply in self._all())
        n = {name: count for name, count in self._n.items() if name != "differ"}
        return Report(self._form, elsewhere=elsewhere, other=self._other, missing=missing, **n)

    def _note_wording(self, row: Row, place: int) -> None:
        if row.text and self._index.likeness(place, row.text) < _ALIKE:
            self._n["differ"] += 1
            question = self._index.questions[place]
            self._differs = self._differs or (
                f"{row.where} asks {row.text!r:.80}, question {question.id!r} is {question.question!r:.80}"
            )


def _reply_to(question: Question, row: Row) -> str:
    """The row's reply; of A-OKVQA's two the one to this kind of question."""
    if isinstance(row.reply, str):
        return row.reply
    name = TWO_ANSWERS[0] if question.options else TWO_ANSWERS[1]
    if not isinstance(row.reply.get(name), str):
        raise KitError(f"{row.where}: {name} is {row.reply.get(name)!r:.60}; expected a text")
    return row.reply[name]
