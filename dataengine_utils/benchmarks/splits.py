"""Splitting a benchmark in two by image, so that what is diagnosed and what is reported never share a
picture.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import KitError, unknown_name
from ..records import Question

PROTOCOLS = ("halves", "paper")


def deal(questions: list[Question], protocol: str, share: float, seed: int) -> dict[str, list[Question]]:
    """The splits of a benchmark: `diagnose`, `sealed`, and `all` in the order given.

    "halves" deals the images (see `split_by_image`); "paper" uses the whole benchmark for both, as
    arXiv 2308.13566 did: what is reported is then also what was diagnosed.
    """
    if protocol not in PROTOCOLS:
        raise unknown_name("splits", protocol, PROTOCOLS)
    diagnose, sealed = (
        (questions, questions) if protocol == "paper" else split_by_image(questions, share, seed)
    )
    return {"diagnose": diagnose, "sealed": sealed, "all": questions}


def split_name(metrics: Mapping[str, Any], split: str) -> str:
    """What a table or figure calls the questions of a split."""
    return "all (diagnosed and reported)" if metrics.get("splits") == "paper" else split


def remark(metrics: Mapping[str, Any]) -> str:
    """What every table of a split has to say about how it was made; "" where there is nothing."""
    if metrics.get("splits") != "paper":
        return ""
    return "The whole benchmark serves for diagnosis and report alike (splits: paper)."


def split_by_image(
    questions: Sequence[Question], share: float, seed: int
) -> tuple[list[Question], list[Question]]:
    """(diagnose, sealed), each in the order given; about `share` of every question type goes to diagnose.

    Images are dealt in a seeded order, each to the side that leaves the types' shares nearest to `share`:
    where every image has one question, a type's count is within one of its share. No image is ever on both
    sides.
    """
    if not 0 < share < 1:
        raise KitError(f"diagnose_share is {share!r}: expected a share between 0 and 1, such as 0.5")
    by_image: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        by_image[question.image_id].append(question)
    images = sorted(by_image)
    random.Random(f"split-{seed}").shuffle(images)
    chosen = _deal([(image, Counter(q.question_type for q in by_image[image])) for image in images], share)
    return (
        [q for q in questions if q.image_id in chosen],
        [q for q in questions if q.image_id not in chosen],
    )


def _deal(images: list[tuple[str, Counter[str]]], share: float) -> set[str]:
    """The images for diagnose: each step keeps (diagnosed - share * dealt) smallest in square, types first,
    then overall.
    """
    excess: Counter[str] = Counter()
    chosen = set()
    for image, types in images:
        n = sum(types.values())
        # The square of an excess e grows by 2en + n^2 for one side against the other: compare the two without
        # squaring all.
        gain = sum(k * (2 * excess[name] + k - 2 * share * k) for name, k in types.items())
        overall = n * (2 * excess[_ALL] + n - 2 * share * n)
        taken = (gain, overall) < (0, 0) or (gain == 0 and overall <= 0)
        for name, k in [*types.items(), (_ALL, n)]:
            excess[name] += k * ((1 - share) if taken else -share)
        if taken:
            chosen.add(image)
    return chosen


_ALL = "\0all"
