"""The images that queries take one after the other: any, near ones by turns, of every group in turn."""

import itertools
import random
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Protocol

from ..errors import KitError
from ..records import BadCase

MAX_TRIES = 50

Fits = Callable[[str], bool]
Cases = Callable[[], Sequence[BadCase]]


class ImageChoice(Protocol):
    """The images that are left. Its length is how many."""

    def __len__(self) -> int: ...

    def take(self, fits: Fits, cases: Cases) -> str:
        """An image for one query, gone from then on; `cases` gives the bad cases that the query shows."""
        ...


class RandomImages:
    """The images not used so far, taken at random: a Fisher-Yates shuffle that moves only what it looks at.

    Of ten million ids none is listed; the positions from `_n_left` on are taken or used.
    """

    def __init__(self, image_ids: Sequence[str], used: Collection[str], rng: random.Random) -> None:
        self._ids, self._gone, self._rng = image_ids, set(used), rng
        self._n_left = len(image_ids)
        self._moved: dict[int, int] = {}

    def __len__(self) -> int:
        known = set(self._ids) if isinstance(self._ids, (list, tuple)) else self._ids
        return len(self._ids) - sum(image_id in known for image_id in self._gone)

    def take(self, fits: Fits, cases: Cases) -> str:
        """One that fits among `MAX_TRIES`, else one of those tried; `KitError` when none is left."""
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
            raise KitError("no unused image is left; lower budget or over_generate (--set budget=N) or give "
                           "more images")
        return self._remove(position)

    def has(self, image_id: str) -> bool:
        """Whether an image of the source is unused."""
        return image_id not in self._gone

    def drop(self, image_id: str) -> None:
        """Count an image as used."""
        self._gone.add(image_id)

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


class NearImages:
    """From the first on, every second image is one near a bad case of its query, the others are any.

    `near(case)` gives the images near a bad case. Of those of the first case that has some, an unused one is
    drawn; where none is left, or none of `MAX_TRIES` fits, any image is taken.
    """

    def __init__(
        self,
        image_ids: Sequence[str],
        used: Collection[str],
        rng: random.Random,
        *,
        near: Callable[[BadCase], Sequence[str]],
    ) -> None:
        self._any, self._rng, self._near = RandomImages(image_ids, used, rng), rng, near
        self._is_near_next = True

    def __len__(self) -> int:
        return len(self._any)

    def take(self, fits: Fits, cases: Cases) -> str:
        wanted, self._is_near_next = self._is_near_next, not self._is_near_next
        found = self._nearby(fits, cases()) if wanted else None
        if found is None:
            return self._any.take(fits, cases)
        self._any.drop(found)
        return found

    def _nearby(self, fits: Fits, cases: Sequence[BadCase]) -> str | None:
        images = next(filter(None, map(self._near, cases)), ())
        unused = (image_id for image_id in _shuffled(images, self._rng) if self._any.has(image_id))
        return next(filter(fits, itertools.islice(unused, MAX_TRIES)), None)


class CoverImages:
    """An image of each group in turn, the groups in random order; when they are used up, any image.

    Of a group whose image does not fit the turn goes to the next; after `MAX_TRIES` any image is taken.
    """

    def __init__(
        self,
        image_ids: Sequence[str],
        used: Collection[str],
        rng: random.Random,
        *,
        groups: Sequence[Sequence[str]],
    ) -> None:
        self._any, self._rng = RandomImages(image_ids, used, rng), rng
        self._groups = deque([list(group) for group in groups])
        rng.shuffle(self._groups)

    def __len__(self) -> int:
        return len(self._any)

    def take(self, fits: Fits, cases: Cases) -> str:
        for _ in range(MAX_TRIES):
            group = self._next_group()
            if group is None:
                break
            if fits(group[-1]):
                self._any.drop(group[-1])
                return group.pop()
        return self._any.take(fits, cases)

    def _next_group(self) -> list[str] | None:
        """The group whose turn it is, with an unused image drawn to its end; None when all are used up."""
        while self._groups:
            group = self._groups.popleft()
            while group:
                _draw(group, self._rng)
                if self._any.has(group[-1]):
                    self._groups.append(group)
                    return group
                group.pop()
        return None


def _shuffled(items: Sequence[str], rng: random.Random) -> Iterator[str]:
    """The items in random order, no more of them drawn than are looked at."""
    rest = list(items)
    while rest:
        _draw(rest, rng)
        yield rest.pop()


def _draw(items: list[str], rng: random.Random) -> None:
    """Move one of the items, each as likely, to the end."""
    place = rng.randrange(len(items))
    items[place], items[-1] = items[-1], items[place]
