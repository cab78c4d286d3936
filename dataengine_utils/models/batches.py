"""Questions in batches of like length under one progress bar, with one second try where memory runs out."""

import warnings
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from tqdm import tqdm

from ..errors import KitError
from .packing import Row, halves, make_batches

T = TypeVar("T")


def run_batches(rows: Sequence[Row], batch_size: int, work: Callable[[list[Row]], Sequence[T]]) -> list[T]:
    """What `work` makes of every question (one result each, in the batch's order), by the questions' keys.

    The longest rows come first, so that memory runs out at once if at all. A batch that does not fit is tried
    once more in two halves, with a warning; one that still does not fit is a `KitError`.
    """
    done: dict[int, T] = {}
    by_length = sorted(rows, key=lambda row: -row.n_tokens())
    n_questions = sum(len(row.keys) for row in rows)
    with tqdm(total=n_questions, unit=" questions", leave=False, disable=None) as bar:
        for batch in make_batches(by_length, batch_size):
            results = _within_memory(batch, work)
            keys = [key for row in batch for key in row.keys]
            done.update(zip(keys, results, strict=True))
            bar.update(len(keys))
    return [done[key] for key in range(len(done))]


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
