"""The same budget for every cell: exactly so many samples in a round, exactly so many training steps."""

from collections.abc import Callable, Sequence
from math import ceil

from ..errors import KitError
from ..models.learning import plan_batches
from ..models.packing import Row
from ..records import Generated, Query

SPARE = 1.1
MOST_ASKED = 20
"""A round is given up after so many queries a sample."""
Draw = Callable[[int, Sequence[Query]], list[Query]]
Answer = Callable[[Sequence[Query]], list[Generated]]


def gather_accepted(
    n: int, draw: Draw, answer: Answer
) -> tuple[list[Query], list[Generated], list[Generated]]:
    """All queries, all replies to them, and exactly `n` accepted ones: the first in the queries' order.

    `draw` gives so many more queries after those there are, `answer` the judged replies to all. More are
    asked for until enough were accepted; `KitError` when `MOST_ASKED` queries a sample did not do.
    """
    queries: list[Query] = []
    accepted: list[Generated] = []
    while True:
        rate = max(len(accepted) / len(queries), 0.1) if queries else 1.0
        queries += draw(ceil(SPARE * (n - len(accepted)) / rate), queries)
        replies = answer(queries)
        accepted = [reply for reply in replies if reply.accepted]
        if len(accepted) >= n:
            return queries, replies, accepted[:n]
        if len(queries) >= MOST_ASKED * n:
            raise KitError(
                f"{len(queries):,} queries gave {len(accepted):,} of {n:,} samples; look at the reasons in "
                "notebook 05_generate, or make the budget smaller (--set budget=N)"
            )


def epochs_for(rows: Sequence[Row], *, steps: int, batch_size: int, seed: int) -> float:
    """How many epochs make a training on these rows take exactly so many batches.

    Batches of questions about one image may be over-full, so that the same number of examples makes a batch
    more or less.
    """
    whole = before = 0
    while (n := len(plan_batches(rows, batch_size=batch_size, epochs=whole + 1, seed=seed))) < steps:
        whole, before = whole + 1, n
    return whole + (steps - before - 0.5) / (n - before)
