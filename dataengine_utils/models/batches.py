"""Questions in batches of like length under one progress bar, with one second try where memory runs out."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import torch
from tqdm import tqdm

from ..errors import KitError
from .packing import Row, halves, make_batches
from .vision import Picture

T = TypeVar("T")

WINDOW = 8
"""Batches whose pictures are readied ahead, so that rows of like length can come together."""


def run_batches(
    rows: Sequence[Row],
    batch_size: int,
    work: Callable[[list[Row], list[Picture]], Sequence[T]],
    look: Callable[[list[Row]], Sequence[Picture]],
) -> list[T]:
    """What `work` makes of every question (one result each, in the batch's order), by the questions' keys.

    `look` readies a batch's pictures, one a row. Pictures of some families take different numbers of tokens:
    they are readied for `WINDOW` batches, and rows of like length batched in there. The longest rows come
    first (those with pictures by their text, then those without; in a window by all their tokens), so that
    memory runs out at once if at all. A batch that does not fit is tried once more in two halves, with a
    warning; one that still does not fit is a `KitError`.
    """
    done: dict[int, T] = {}
    by_text = sorted(rows, key=lambda row: (not row.image, -row.n_tokens()))
    n_questions = sum(len(row.keys) for row in rows)
    with tqdm(total=n_questions, unit=" questions", leave=False, disable=None) as bar:
        for window in make_batches(by_text, WINDOW * batch_size):
            pictures = dict(_results(make_batches(window, batch_size), _by_question(look)))
            work_on = _with_pictures(work, pictures)
            by_length = sorted(window, key=lambda row: -row.n_tokens() - pictures[row.keys[0]].n_tokens())
            for key, result in _results(make_batches(by_length, batch_size), work_on):
                done[key] = result
                bar.update(1)
    return [done[key] for key in range(len(done))]


def _by_question(look: Callable[[list[Row]], Sequence[Picture]]) -> Callable[[list[Row]], list[Picture]]:
    """`look` with one picture a question."""
    return lambda batch: [
        picture for row, picture in zip(batch, look(batch), strict=True) for _ in row.keys
    ]


def _with_pictures(
    work: Callable[[list[Row], list[Picture]], Sequence[T]], pictures: Mapping[int, Picture]
) -> Callable[[list[Row]], Sequence[T]]:
    """`work` with the pictures of its batch, which are known by the rows' keys."""
    return lambda batch: work(batch, [pictures[row.keys[0]] for row in batch])


def _results(
    batches: Iterable[list[Row]], work: Callable[[list[Row]], Sequence[T]]
) -> Iterator[tuple[int, T]]:
    """Every question's key and result, batch after batch."""
    for batch in batches:
        keys = [key for row in batch for key in row.keys]
        yield from zip(keys, _within_memory(batch, work), strict=True)


def _within_memory(batch: list[Row], work: Callable[[list[Row]], Sequence[T]]) -> list[T]:
    results = _attempt(batch, work)
    if results is not None:
        return results
    parts = halves(batch)
    size = max(_count(part) for part in parts)
    if len(parts) == 1:
        raise _too_large(size)
    warnings.warn(
        f"the GPU's memory does not hold a batch of {_count(batch)} questions; trying {size} at a time. "
        "A smaller eval_batch_size avoids the lost time.",
        stacklevel=4,
    )
    halved = [_attempt(part, work) for part in parts]
    if any(results is None for results in halved):
        raise _too_large(size)
    return [result for results in halved for result in results or ()]


def _attempt(batch: list[Row], work: Callable[[list[Row]], Sequence[T]]) -> list[T] | None:
    """The results, or None where the GPU's memory ran out; the failed try's tensors are gone by then."""
    try:
        return list(work(batch))
    except torch.OutOfMemoryError:
        pass
    torch.cuda.empty_cache()
    return None


def _too_large(n_questions: int) -> KitError:
    return KitError(
        f"the GPU's memory does not hold a batch of {n_questions} questions; lower eval_batch_size below "
        f"{n_questions}, set quantise to nf4, or free the GPU of other programs"
    )


def _count(batch: Sequence[Row]) -> int:
    return sum(len(row.keys) for row in batch)
