"""What to ask the teacher for: question types drawn by weakness, an image each, and bad cases to learn from."""

import hashlib
import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from .errors import KitError
from .records import BadCase, Query, TypeWeakness
from .stats import wilson

MAX_TRIES = 50


def sample_queries(
    table: Sequence[TypeWeakness],
    bad_cases: Iterable[BadCase],
    image_ids: Iterable[str],
    *,
    budget: int,
    in_context: int,
    rng: random.Random,
    fits: Callable[[str, str], bool] | None = None,
    used: Collection[str] = frozenset(),
) -> list[Query]:
    """Adaptive Bad-case Sampling: `budget` queries, each with a question type, an image and up to `in_context` bad cases.

    Types are drawn independently by the table's weights. No image serves twice, nor one of `used`; with
    `fits(image_id, question_type)` up to `MAX_TRIES` images are looked at for one that can serve the type (where none
    does, the first of them is taken, and the teacher will say so). Bad cases are of the query's type, at random, without
    repetition within a query. Raises `KitError` when there are fewer images than queries. The same seed and inputs
    give the same queries.
    """
    images = _Images(image_ids, used, rng)
    _check(table, budget, in_context, len(images))
    cases = defaultdict(list)
    for case in bad_cases:
        cases[case.question_type].append(case)
    types = rng.choices([row.question_type for row in table], [row.weight for row in table], k=budget)
    queries = []
    for question_type in types:
        image_id = images.take(lambda image, name=question_type: fits is None or fits(image, name))
        same_type = cases[question_type]
        shown = tuple(rng.sample(same_type, min(in_context, len(same_type))))
        queries.append(Query(_query_id(question_type, image_id, shown), question_type, image_id, shown))
    return queries


def shares(table: Sequence[TypeWeakness], queries: Sequence[Query]) -> list[dict[str, Any]]:
    """Planned against drawn, one dict a type: `question_type`, `planned` (the weight), `drawn`, `low`, `high`.

    All are shares (0..1); `low` and `high` are Wilson's 95 % interval of the drawn share.
    """
    drawn = Counter(query.question_type for query in queries)
    rows = []
    for row in table:
        low, high = wilson(drawn[row.question_type], len(queries))
        share = drawn[row.question_type] / len(queries) if queries else 0.0
        rows.append(
            {
                "question_type": row.question_type,
                "planned": row.weight,
                "drawn": share,
                "low": low,
                "high": high,
            }
        )
    return rows


class _Images:
    """The images not used so far, taken at random."""

    def __init__(self, image_ids: Iterable[str], used: Collection[str], rng: random.Random) -> None:
        gone = set(used)
        self._left = [image_id for image_id in dict.fromkeys(image_ids) if image_id not in gone]
        self._rng = rng

    def __len__(self) -> int:
        return len(self._left)

    def take(self, fits: Callable[[str], bool]) -> str:
        positions = self._rng.sample(range(len(self._left)), min(MAX_TRIES, len(self._left)))
        position = next((p for p in positions if fits(self._left[p])), positions[0])
        self._left[position], self._left[-1] = self._left[-1], self._left[position]
        return self._left.pop()


def _check(table: Sequence[TypeWeakness], budget: int, in_context: int, n_images: int) -> None:
    if budget < 1 or in_context < 0:
        raise KitError(f"budget {budget!r}, in_context {in_context!r}: allowed are at least 1 and at least 0")
    if not any(row.weight > 0 for row in table):
        raise KitError(
            "no question type has a weight above 0; run notebooks 01_evaluate and 02_weakness first"
        )
    if n_images < budget:
        raise KitError(
            f"{budget} queries need {budget} unused images, the image source has {n_images}; "
            "lower the budget (--set budget=N) or give more images"
        )


def _query_id(question_type: str, image_id: str, shown: Sequence[BadCase]) -> str:
    content = json.dumps([question_type, image_id, [case.question_id for case in shown]], ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()[:16]
