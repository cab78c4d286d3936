"""The pool of bad cases: what the student got wrong, of which no two are nearly the same."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from .benchmarks.scoring import units
from .errors import KitError
from .records import BadCase, Prediction, Question
from .similarity import Vectors, distinct, tfidf


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


def deduplicate(
    bad_cases: Sequence[BadCase],
    threshold: float = 0.9,
    *,
    rng: random.Random,
    vectors: Callable[[Sequence[str]], Vectors] = tfidf,
) -> list[BadCase]:
    """Algorithm 1 of the paper: bad cases of which no two of a type are more alike than `threshold`.

    Pick one at random, keep it, drop every remaining one that is more similar to it than the threshold,
    repeat; the kept ones come in the order given. What is compared is `case_text`, by the cosine of what
    `vectors` makes of the texts of a type (see `similarity.SIMILARITIES`; rows of length one).
    """
    if not 0 <= threshold <= 1:
        raise KitError(f"similarity threshold {threshold!r}: allowed are 0 to 1 (the paper has 0.9)")
    positions = defaultdict(list)
    for position, case in enumerate(bad_cases):
        positions[case.question_type].append(position)
    kept: list[int] = []
    for same_type in positions.values():
        texts = [case_text(bad_cases[position]) for position in same_type]
        order = rng.sample(range(len(texts)), len(texts))
        kept += [same_type[i] for i in distinct(vectors(texts), threshold, order)]
    return [bad_cases[position] for position in sorted(kept)]


def case_text(case: BadCase) -> str:
    """What two bad cases are compared by: the question with its right answer."""
    return " ".join(f"{case.question} {case.answer}".lower().split())
