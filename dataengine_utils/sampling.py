"""What to ask the teacher for: question types drawn by weakness, each with an image and bad cases."""

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
    image_ids: Sequence[str],
    *,
    budget: int,
    in_context: int,
    rng: random.Random,
    fits: Callable[[str, str], bool] | None = None,
    used: Collection[str] = frozenset(),
) -> list[Query]:
    """Adaptive Bad-case Sampling: `budget` queries, each a type, an image and some bad cases of the type.

    Types are drawn independently by the table's weights. `image_ids` are distinct; no image serves twice, nor
    one of `used`. With `fits(image_id, question_type)` up to `MAX_TRIES` images are tried for one that can
    serve the type (where none does, one of those tried is taken, and the teacher will say so). Bad cases
    are of the query's type, at random, without repetition within a query. Raises `KitError` when there are
    fewer images than queries. The same seed and inputs give the same queries.
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
    """Planned against drawn, a dict a type: `question_type`, `planned` (the weight), `drawn`, `low`, `high`.

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
    """The images not used so far, taken at random: a Fisher-Yates shuffle that moves only what it looks at.

    Of ten million ids none is listed; the positions from `_n_left` on are taken or used.
    """

    def __init__(self, image_ids: Sequence[str], used: Collection[str], rng: random.Random) -> None:
        self._ids, self._gone, self._rng = image_ids, set(used), rng
        self._n_left = len(image_ids)
        self._moved: dict[int, int] = {}

    def __len__(self) -> int:
        known = set(self._ids) if isinstance(self._ids, (list, tuple)) else self._ids
        return self._n_left - sum(image_id in known for image_id in self._gone)

    def take(self, fits: Callable[[str], bool]) -> str:
        position, n_looked = self._n_left, 0
        while n_looked < MAX_TRIES and position:
            position -= 1
            self._swap(self._rng.randrange(position + 1), position)
            image_id = self._id(position)
            if image_id in self._gone:
                self._remove(position)
            elif fits(image_id):
                break
            else:
                n_looked += 1
        if position == self._n_left:
            raise KitError("no unused image is left; lower the budget (--set budget=N) or give more images")
        return self._remove(position)

    def _id(self, position: int) -> str:
        return self._ids[self._moved.get(position, position)]

    def _swap(self, one: int, other: int) -> None:
        moved = self._moved
        moved[one], moved[other] = moved.get(other, other), moved.get(one, one)

    def _remove(self, position: int) -> str:
        self._n_left -= 1
        self._swap(position, self._n_left)
        image_id = self._id(self._n_left)
        self._gone.add(image_id)
        return image_id


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
