"""What the filter by difficulty did, counted from the records that it left."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..records import Generated
from ..verification import EASY, HARD


@dataclass(frozen=True)
class Sifted:
    """What the filter did with the records of a type: how many it asked about, kept, and lost which way.

    `right` counts the tries that were right, of `tries`. `lost` are the rejected records.
    """

    question_type: str
    asked: int
    easy: int
    hard: int
    right: int
    tries: int
    lost: tuple[Generated, ...]

    @property
    def kept(self) -> int:
        """Records within the band; the last check may still take some out."""
        return self.asked - self.easy - self.hard

    @property
    def share(self) -> float:
        """The share of right tries (0..1)."""
        return self.right / self.tries if self.tries else 0.0


def sifted(records: Iterable[Generated]) -> list[Sifted]:
    """What the filter did, by question type in the records' order; empty where it was off."""
    by_type: dict[str, list[Generated]] = {}
    for record in records:
        if "difficulty" in record.verdicts:
            by_type.setdefault(record.question_type, []).append(record)
    return [_sifted(name, given) for name, given in by_type.items()]


def _sifted(question_type: str, records: Sequence[Generated]) -> Sifted:
    reasons = Counter(record.reason for record in records)
    told = [record.verdicts["difficulty"] for record in records]
    return Sifted(
        question_type,
        len(records),
        reasons[EASY],
        reasons[HARD],
        sum(one["right"] for one in told),
        sum(one["asked"] for one in told),
        tuple(record for record in records if record.reason in (EASY, HARD)),
    )
