"""What each process computes of each planned batch, and what its dataloader workers open ahead."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from PIL import Image

from ..models import OpenImage
from ..models.packing import Row
from .pictures import try_open


@dataclass(frozen=True)
class Share:
    """One process's rows of one batch. `new` are the images that no earlier share has shown; `opened` holds
    them once a worker has opened them. A `muted` share only fills a place: it has no part in the loss.
    """

    rows: tuple[Row, ...]
    new: tuple[str, ...] = ()
    muted: bool = False
    opened: Mapping[str, Image.Image | str] = field(default_factory=dict)


def make_shares(batches: Sequence[Sequence[Row]], n_processes: int) -> list[Share]:
    """Every batch split between the processes: `n_processes` shares a batch, in the order of the batches.

    A batch is the same examples whatever the number of processes, so the loss of a step is, too. Where a
    batch has fewer rows than there are processes, a muted row keeps the others in step.
    """
    seen: list[set[str]] = [set() for _ in range(n_processes)]
    shares = []
    for batch in batches:
        for process, rows in enumerate(_split(batch, n_processes)):
            images = dict.fromkeys(row.image for row in rows or batch[:1] if row.image)
            new = tuple(image for image in images if image not in seen[process])
            seen[process].update(new)
            shares.append(Share(tuple(rows or batch[:1]), new, muted=not rows))
    return shares


def _split(batch: Sequence[Row], parts: int) -> list[list[Row]]:
    """The rows in parts of like cost, each in the batch's order."""
    if parts == 1:
        return [list(batch)]
    loads, owner = [0] * parts, {}
    for place in sorted(range(len(batch)), key=lambda place: -_cost(batch[place])):
        lightest = loads.index(min(loads))
        loads[lightest] += _cost(batch[place])
        owner[place] = lightest
    return [[row for place, row in enumerate(batch) if owner[place] == part] for part in range(parts)]


def _cost(row: Row) -> int:
    """A row's tokens, the image's counted as a few questions'."""
    return row.n_tokens() + 500


class OpenShare:
    """The dataloader's collate function: hands a share on, in a worker process with its pictures opened."""

    def __init__(self, open_image: OpenImage | None):
        self._open_image = open_image

    def __call__(self, shares: Sequence[Share]) -> Share:
        (share,) = shares
        if self._open_image is None:
            return share
        opened = {reference: try_open(self._open_image, reference) for reference in share.new}
        return Share(share.rows, share.new, share.muted, opened)


def examples_seen(batches: Sequence[Sequence[Row]], accumulation: int) -> list[int]:
    """The number of examples that have been trained on before the first step and after each."""
    totals = [0, *itertools.accumulate(sum(len(row.keys) for row in batch) for batch in batches)]
    return [*totals[:-1:accumulation], totals[-1]]
