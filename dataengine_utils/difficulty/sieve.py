"""Which samples the student finds too easy or too hard: a sieve asks it, and keeps the band between."""

import inspect
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

from .. import images, models
from ..artifacts import Run
from ..errors import KitError
from ..evaluation import evaluate
from ..images import ImageSource
from ..profiles import Profile
from ..records import LETTERS, Draft, Generated, Prediction, Query, Question, TypeWeakness
from ..standing import standing_adapter
from ..verification import EASY, HARD

if TYPE_CHECKING:
    from ..models import Student

Wanted = Mapping[str, int]
"""How many samples of each question type are wanted."""


@dataclass(frozen=True)
class Band:
    """What is kept: questions that `asks` tries get right in a share from `low` to `high`, both included."""

    asks: int
    low: float
    high: float

    def judge(self, record: Generated, right: int) -> Generated:
        """The record with what the tries said, rejected where they are outside of the band."""
        share = right / self.asks
        reason = HARD if share < self.low else EASY if share > self.high else ""
        told = {"asked": self.asks, "right": right, "share": round(share, 4)}
        return replace(
            record, accepted=not reason, reason=reason, verdicts={**record.verdicts, "difficulty": told}
        )


class NoSieve:
    """Every accepted sample is kept, and every query is asked."""

    def __call__(self, records: Sequence[Generated]) -> list[Generated]:
        """The records as they are."""
        return list(records)

    def wanted(self, table: Sequence[TypeWeakness], queries: Sequence[Query]) -> Wanted:
        """As many of each type as there are queries."""
        return Counter(query.question_type for query in queries)

    def __str__(self) -> str:
        return "no filter by difficulty: the student is not asked (difficulty_asks is 0)"


class Sieve:
    """Asks a student the accepted samples of the records it is called with, and keeps those in the band.

    `load` gives the student; it is called when there is something to ask. A sample whose picture cannot be
    read counts as never right (with a warning, see `evaluate`).
    """

    def __init__(self, load: Callable[[], "Student"], source: ImageSource, profile: Profile):
        self._load, self._source, self._profile = load, source, profile
        self._band = Band(profile.difficulty_asks, profile.difficulty_low, profile.difficulty_high)
        self._n_asked, self._n_kept, self._seconds = 0, 0, 0.0

    def __call__(self, records: Sequence[Generated]) -> list[Generated]:
        """All records in their order; the accepted ones judged by what the student replied."""
        asked = [(record, record.draft) for record in records if record.accepted and record.draft]
        begun = time.monotonic()
        judged = {
            record.query_id: self._band.judge(record, right)
            for (record, _), right in zip(asked, self._times_right(asked), strict=True)
        }
        self._seconds += time.monotonic() - begun
        self._n_asked += len(judged)
        self._n_kept += sum(record.accepted for record in judged.values())
        return [judged.get(record.query_id, record) for record in records]

    def wanted(self, table: Sequence[TypeWeakness], queries: Sequence[Query]) -> Wanted:
        """The planned number of each type: its weight's part of the samples that so many queries are for."""
        n = math.floor(len(queries) / self._profile.over_generate + 1e-9)
        return divided(n, {row.question_type: row.weight for row in table})

    def __str__(self) -> str:
        band, each = self._band, self._seconds / self._n_asked if self._n_asked else 0.0
        return (
            f"{self._n_asked:,} samples asked {band.asks} times, {self._n_kept:,} kept (right in "
            f"{band.low:.0%} to {band.high:.0%} of the tries); {self._seconds:,.1f} s, {each:.3f} s each"
        )

    @cached_property
    def _student(self) -> "Student":
        student = self._load()
        writes = self._profile.answer_mode == "generate"
        if writes and "seed" not in inspect.signature(student.answer).parameters:
            raise KitError(
                f"student {student.name!r} cannot draw replies: its answer() takes no seed; give it one (see "
                "models.Student), or rank the options: --set answer_mode=letter"
            )
        return student

    def _times_right(self, asked: Sequence[tuple[Generated, Draft]]) -> list[int]:
        if not asked:
            return []
        profile = self._profile
        n_orders = 1 if profile.answer_mode == "text" else profile.difficulty_asks
        questions = [
            self._question(record, draft, number) for record, draft in asked for number in range(n_orders)
        ]
        predictions = evaluate(
            self._student,
            questions,
            partial(images.open_image, root=self._source.root),
            mode=profile.answer_mode,
            batch_size=profile.eval_batch_size,
            max_new_tokens=profile.max_new_tokens,
            seed=profile.seed,
        )
        replies = list(zip(questions, predictions, strict=True))
        by_sample = [replies[first : first + n_orders] for first in range(0, len(replies), n_orders)]
        tries = range(profile.difficulty_asks)
        return [sum(self._is_right(*orders[n % n_orders], n) for n in tries) for orders in by_sample]

    def _question(self, record: Generated, draft: Draft, number: int) -> Question:
        """The question of a try, its options in an order of its own."""
        right, options = draft.options[LETTERS.index(draft.choice)], list(draft.options)
        random.Random(f"options-{self._profile.seed}-{record.query_id}-{number}").shuffle(options)
        image = self._source.record(record.image_id).image
        return Question(
            f"{record.query_id}-{number}",
            record.image_id,
            image,
            draft.instruction,
            tuple(options),
            right,
            LETTERS[options.index(right)],
            record.question_type,
        )

    def _is_right(self, question: Question, prediction: Prediction, number: int) -> bool:
        """Whether a try's reply is right: the one written, or one drawn from the options' scores."""
        if not prediction.scores:
            return prediction.outcome == "right"
        rng = random.Random(f"reply-{self._profile.seed}-{question.id}-{number}")
        highest = max(prediction.scores)
        chances = [math.exp(score - highest) for score in prediction.scores]
        return rng.choices(LETTERS[: len(chances)], chances)[0] == question.choice


def sieve_of_run(run: Run, profile: Profile, number: int, source: ImageSource) -> Sieve | NoSieve:
    """The profile's filter with the student of iteration `number`, the one that notebook 01 evaluates."""
    if profile.difficulty_asks == 0:
        return NoSieve()
    adapter = standing_adapter(run, number)
    load = partial(
        models.load,
        profile.student,
        adapter=adapter,
        quantise=profile.quantise,
        n_processes=profile.num_processes,
    )
    return Sieve(load, source, profile)


def queries_to_draw(profile: Profile) -> int:
    """How many queries an iteration needs: the budget, where difficulty filters `over_generate` times it."""
    if not profile.difficulty_asks:
        return profile.budget
    return math.ceil(profile.budget * profile.over_generate - 1e-9)


def divided(n: int, weights: Mapping[str, float]) -> dict[str, int]:
    """`n` as whole numbers in the proportion of the weights (largest remainders; the first of equal ones)."""
    total = sum(weights.values())
    exact = {name: n * weight / total for name, weight in weights.items()}
    parts = {name: math.floor(value) for name, value in exact.items()}
    by_rest = sorted(exact, key=lambda name: parts[name] - exact[name])
    return {name: parts[name] + (name in by_rest[: n - sum(parts.values())]) for name in weights}
