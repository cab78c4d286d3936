"""Nothing that a benchmark asks may be trained on, and nothing is trained on twice.

A sample is looked up before it is kept (`Guard.hit`: a hit is a reject) and a file of samples before it is
trained on (`check_training_file`: a hit is a hard stop). Compared are, the cheapest first: the names of the
picture (`names`), those of Visual Genome's pictures in COCO, the question's wording (`wordings`), and what
the picture looks like (`pictures`). `Seen` finds samples that repeat each other.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol, TypeVar

from ..errors import KitError
from .duplicates import Seen
from .guard import REASONS, Guard, Hit
from .of_run import guard_of_run

__all__ = ["REASONS", "Guard", "Hit", "Item", "Seen", "check_training_file", "guard_of_run", "hits"]


class Item(Protocol):
    """What is looked up of a training sample, whatever file it comes from: `records.Sample` has all of it."""

    @property
    def id(self) -> str: ...

    @property
    def image_id(self) -> str: ...

    @property
    def image(self) -> str: ...

    @property
    def instruction(self) -> str: ...

    @property
    def options(self) -> tuple[str, ...]: ...


AnyItem = TypeVar("AnyItem", bound=Item)


def hits(items: Iterable[AnyItem], guard: Guard, root: Path | None = None) -> Iterator[tuple[AnyItem, Hit]]:
    """The samples that meet a benchmark, each with why; image paths count from `root`."""
    for item in items:
        hit = guard.find(item.image_id, item.image, root, item.instruction, item.options)
        if hit:
            yield item, hit


def check_training_file(samples: Iterable[Item], guard: Guard, root: Path | None = None) -> None:
    """Stop before a training on samples that meet a benchmark: `KitError` names them and the way out."""
    found = list(hits(samples, guard, root))
    if found:
        item, hit = found[0]
        ids = ",".join(dict.fromkeys(item.id for item, _ in found[:20]))
        more = f" (and {len(found) - 20} more)" if len(found) > 20 else ""
        raise KitError(
            f"{len(found)} training samples meet a benchmark, such as {item.id!r}: {hit.reason} ({hit.met}). "
            "Nothing was trained. Take them out and resume the loop: python -m dataengine_utils.withdrawal "
            f"RUN --samples {ids} --apply{more}; from a file of your own delete the entries"
        )
