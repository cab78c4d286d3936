"""What to ask the teacher for: question types drawn by weakness, each with an image and bad cases."""

import functools
import hashlib
import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from .errors import KitError
from .image_choice import MAX_TRIES, ImageChoice, RandomImages
from .records import BadCase, Query, TypeWeakness
from .stats import wilson

__all__ = ["MAX_TRIES", "Choose", "sample_queries", "shares"]

Choose = Callable[[Sequence[str], Collection[str], random.Random], ImageChoice]


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
    choose: Choose = RandomImages,
) -> list[Query]:
    """Adaptive Bad-case Sampling: `budget` queries, each a type, an image and some bad cases of the type.

    Types are drawn independently by the table's weights. `image_ids` are distinct; no image serves twice, nor
    one of `used`. With `fits(image_id, question_type)` up to `MAX_TRIES` images are tried for one that can
    serve the type (where none does, one of those tried is taken, and the teacher will say so). Which images
    are tried is for `choose` to say (see `image_choice`; by default any). Bad cases are of the query's type,
    at random, without repetition within a query. Raises `KitError` when there are fewer images than queries.
    The same seed and inputs give the same queries.
    """
    images = choose(image_ids, used, rng)
    _check(table, budget, in_context, len(images))
    cases = defaultdict(list)
    for case in bad_cases:
        cases[case.question_type].append(case)
    types = rng.choices([row.question_type for row in table], [row.weight for row in table], k=budget)
    queries = []
    for question_type in types:
        shown = functools.cache(functools.partial(_shown, cases[question_type], in_context, rng))
        image_id = images.take(lambda image, name=question_type: fits is None or fits(image, name), shown)
        queries.append(Query(_query_id(question_type, image_id, shown()), question_type, image_id, shown()))
    return queries


def _shown(cases: Sequence[BadCase], in_context: int, rng: random.Random) -> tuple[BadCase, ...]:
    return tuple(rng.sample(cases, min(in_context, len(cases))))


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
            "lower budget or over_generate (--set budget=N) or give more images"
        )


def _query_id(question_type: str, image_id: str, shown: Sequence[BadCase]) -> str:
    content = json.dumps([question_type, image_id, [case.question_id for case in shown]], ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()[:16]
