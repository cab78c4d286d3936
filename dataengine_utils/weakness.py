"""Where the student is weak: question types with intervals and weights, and the pool of bad cases."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from math import fsum, log, sqrt
from typing import Protocol

from .benchmarks.scoring import credit, rates, units
from .errors import KitError, unknown_name
from .records import BadCase, Prediction, Question, TypeWeakness
from .stats import Paired, paired_difference, paired_mean

STRATEGIES: dict[str, Callable[[float], float]] = {
    "paper": lambda accuracy: sqrt(1 - accuracy),
    "error_rate": lambda accuracy: 1 - accuracy,
    "uniform": lambda accuracy: 1.0,
}
"""How much of the next data a type with this accuracy (0..1) gets, before the weights are made to sum to one.

`paper` is Adaptive Bad-case Sampling of arXiv 2308.13566; `error_rate` is the first version of the same work.
"""


def type_table(
    predictions: Iterable[Prediction],
    strategy: str = "paper",
    *,
    types: Sequence[str] | None = None,
    bad_cases: Iterable[BadCase] | None = None,
) -> list[TypeWeakness]:
    """The weakness table: per question type its counts, accuracy with Wilson's 95 % interval, and weight.

    Order: `types`, or first appearance. A reply that could not be read counts as not right; accuracy is the
    mean credit, and a group of questions counts as one (`scoring.units`). Weights sum to
    one over the types that were asked at all (others weigh 0); where every type is perfect they are equal.
    `bad_cases` is the pool to count per type; without it, every answer that is not right is counted.
    """
    rows = {name: rates(given) for name, given in _by_type(predictions, types).items()}
    weights = _weights({name: row["accuracy"] for name, row in rows.items() if row["n"]}, strategy)
    pool = None if bad_cases is None else Counter(case.question_type for case in bad_cases)
    return [
        TypeWeakness(
            question_type=name,
            **row,
            weight=weights.get(name, 0.0),
            bad_cases=row["n"] - row["right"] if pool is None else pool[name],
        )
        for name, row in rows.items()
    ]


def collect_bad_cases(questions: Iterable[Question], predictions: Iterable[Prediction]) -> list[BadCase]:
    """Every question (or group) not answered rightly, with the raw reply, in the order of the predictions."""
    by_id = {question.id: question for question in questions}
    cases = []
    for prediction in units(predictions):
        if prediction.question_id not in by_id:
            raise KitError(
                f"prediction for question {prediction.question_id!r}, which the benchmark does not have; "
                "run notebook 01_evaluate again on this benchmark"
            )
        if prediction.outcome != "right":
            q = by_id[prediction.question_id]
            cases.append(
                BadCase(q.id, q.question_type, q.image_id, q.question, q.options, q.answer, prediction.reply)
            )
    return cases


def change(
    before: Iterable[Prediction], after: Iterable[Prediction], question_type: str | None = None
) -> Paired:
    """How the share of right answers changed between two evaluations of the same questions.

    With `question_type`, on that type alone. Answers are paired by question id (groups by theirs); questions
    that only one of the two has raise `KitError`. With partial credit: the change of the mean credit.
    """
    first, second = (
        {_unit_id(p): p for p in units(predictions) if question_type in (None, p.question_type)}
        for predictions in (before, after)
    )
    unpaired = sorted(first.keys() ^ second.keys())
    if unpaired:
        raise KitError(
            f"{len(unpaired)} questions are in only one of the two evaluations, such as {unpaired[0]!r}; "
            "run notebook 01_evaluate again for both on the same benchmark"
        )
    credits = [credit(p) for p in first.values()], [credit(second[name]) for name in first]
    if all(value in (0.0, 1.0) for side in credits for value in side):
        return paired_difference(*([value == 1 for value in side] for side in credits))
    return paired_mean(*credits)


def _unit_id(prediction: Prediction) -> str:
    return prediction.group or prediction.question_id


def deduplicate(
    bad_cases: Sequence[BadCase],
    threshold: float = 0.9,
    *,
    rng: random.Random,
    similarity: Callable[[str, str], float] | None = None,
) -> list[BadCase]:
    """Algorithm 1 of the paper: bad cases of which no two of a type are more alike than `threshold`.

    Pick one at random, keep it, drop every remaining one that is more similar to it than the threshold,
    repeat; the kept ones come in the order given. What is compared is `case_text`, by the cosine of TF-IDF
    weights of its three-letter pieces within the type, or by `similarity(text, text)` (0..1; slower: every
    kept pair is compared).
    """
    if not 0 <= threshold <= 1:
        raise KitError(f"similarity threshold {threshold!r}: allowed are 0 to 1 (the paper has 0.9)")
    positions = defaultdict(list)
    for position, case in enumerate(bad_cases):
        positions[case.question_type].append(position)
    kept: list[int] = []
    for same_type in positions.values():
        texts = [case_text(bad_cases[position]) for position in same_type]
        pool = (
            _CosinePool(texts, threshold) if similarity is None else _PairPool(texts, threshold, similarity)
        )
        kept += [same_type[i] for i in _pick(len(texts), pool, rng)]
    return [bad_cases[position] for position in sorted(kept)]


def case_text(case: BadCase) -> str:
    """What two bad cases are compared by: the question with its right answer."""
    return " ".join(f"{case.question} {case.answer}".lower().split())


def tfidf(texts: Sequence[str]) -> list[dict[str, float]]:
    """Sparse unit vectors of the texts: counts of three-letter pieces times log((1 + n) / (1 + df)) + 1."""
    pieces = [Counter(_pieces(text)) for text in texts]
    n_texts_with = Counter(piece for counts in pieces for piece in counts)
    rarity = {piece: log((1 + len(texts)) / (1 + n)) + 1 for piece, n in n_texts_with.items()}
    vectors = []
    for counts in pieces:
        weights = {piece: count * rarity[piece] for piece, count in counts.items()}
        length = sqrt(sum(weight * weight for weight in weights.values()))
        vectors.append({piece: weight / length for piece, weight in weights.items()})
    return vectors


def cosine(first: dict[str, float], second: dict[str, float]) -> float:
    """The cosine of two sparse unit vectors, at most 1."""
    return min(1.0, fsum(first[piece] * second[piece] for piece in first.keys() & second.keys()))


class _Pool(Protocol):
    """The texts kept so far."""

    def too_similar(self, i: int) -> bool: ...

    def keep(self, i: int) -> None: ...


def _pick(n: int, pool: _Pool, rng: random.Random) -> list[int]:
    """Algorithm 1: a random pick among what remains is the next one of a random order that is not dropped."""
    kept = []
    for i in rng.sample(range(n), n):
        if not pool.too_similar(i):
            pool.keep(i)
            kept.append(i)
    return kept


class _PairPool:
    """Compares with every kept text."""

    def __init__(
        self, texts: Sequence[str], threshold: float, similarity: Callable[[str, str], float]
    ) -> None:
        self._texts, self._threshold, self._similarity = texts, threshold, similarity
        self._kept: list[str] = []

    def too_similar(self, i: int) -> bool:
        return any(self._similarity(self._texts[i], text) > self._threshold for text in self._kept)

    def keep(self, i: int) -> None:
        self._kept.append(self._texts[i])


class _CosinePool:
    """The same verdicts as comparing every pair by `cosine`, through an index of each text's rarest pieces.

    With pieces in one order for all (rarest first), the part of a unit vector from a piece on bounds every
    cosine whose first shared piece is that one. So two texts above the threshold share a piece among those
    from which each one's remainder is still longer than the threshold (prefix filtering, Bayardo et al.
    2007).
    """

    def __init__(self, texts: Sequence[str], threshold: float) -> None:
        self._vectors, self._threshold = tfidf(texts), threshold
        n_texts_with = Counter(piece for vector in self._vectors for piece in vector)
        self._order = {piece: (n, piece) for piece, n in n_texts_with.items()}
        self._kept_with: dict[str, list[int]] = defaultdict(list)

    def too_similar(self, i: int) -> bool:
        candidates = {j for piece in self._rarest(i) for j in self._kept_with.get(piece, ())}
        return any(cosine(self._vectors[i], self._vectors[j]) > self._threshold for j in candidates)

    def keep(self, i: int) -> None:
        for piece in self._rarest(i):
            self._kept_with[piece].append(i)

    def _rarest(self, i: int) -> list[str]:
        vector, remainder = self._vectors[i], 1.0
        rarest = []
        for piece in sorted(vector, key=self._order.__getitem__):
            if remainder < self._threshold**2 - 1e-9:
                break
            rarest.append(piece)
            remainder -= vector[piece] ** 2
        return rarest


def _pieces(text: str) -> list[str]:
    padded = f" {text} "
    return [padded[i : i + 3] for i in range(len(padded) - 2)]


def _by_type(
    predictions: Iterable[Prediction], types: Sequence[str] | None
) -> dict[str, list[Prediction]]:
    by_type: dict[str, list[Prediction]] = {name: [] for name in types or ()}
    for prediction in units(predictions):
        if types is not None and prediction.question_type not in by_type:
            raise unknown_name("question type", prediction.question_type, list(types))
        by_type.setdefault(prediction.question_type, []).append(prediction)
    return by_type


def _weights(accuracies: dict[str, float], strategy: str) -> dict[str, float]:
    if strategy not in STRATEGIES:
        raise unknown_name("strategy", strategy, list(STRATEGIES))
    raw = {name: STRATEGIES[strategy](accuracy) for name, accuracy in accuracies.items()}
    if not any(raw.values()):
        raw = dict.fromkeys(accuracies, 1.0)
    total = sum(raw.values())
    return {name: weight / total for name, weight in raw.items()}
