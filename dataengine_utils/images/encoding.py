"""Pictures to vectors, batch by batch: opened ahead by threads, those that cannot be read passed over."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from PIL import Image
from tqdm import tqdm

from ..models.pictures import FIRST_IMAGES, Pictures, try_open
from .similar import unit

TYPE = np.dtype("<f2")  # of the vectors on disk
OPENERS = 4  # threads that open pictures


class Encoder(Protocol):
    """Turns pictures into vectors. `mark` tells it from every other: model, weights and preprocessing."""

    mark: Mapping[str, Any]

    def __call__(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        """The vectors (pictures, width), float32."""
        ...


Encoded = tuple[list[str], dict[str, str], np.ndarray]  # ids, unreadable ids with the reason, the vectors
Batch = list[tuple[str, str]]  # ids with the references of their pictures
Opened = dict[str, Image.Image | str]  # references with their pictures, or why there is none


@dataclass(frozen=True)
class Work:
    """How pictures are opened and encoded."""

    encoder: Encoder
    reference_of: Callable[[str], str]
    open_image: Callable[[str], Image.Image]
    batch_size: int

    def encoded(self, ids: Sequence[str], n_all: int) -> Iterator[Encoded]:
        """The ids in batches with their vectors, under one progress bar; `n_all` pictures were asked for."""
        pictures = Pictures(self.open_image, max(n_all, FIRST_IMAGES))
        with tqdm(total=len(ids), unit="image", desc="embed", leave=False, disable=None) as bar:
            for batch, opened in self._opened(ids):
                pictures.add(opened)
                drawn = {image_id: pictures(reference) for image_id, reference in batch}
                failed = {i: pictures.failed[r] for i, r in batch if r in pictures.failed}
                good = [image_id for image_id in drawn if image_id not in failed]
                yield good, failed, self._vectors([drawn[image_id] for image_id in good])
                bar.update(len(batch))

    def _vectors(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        if not pictures:
            return np.zeros((0, self.encoder.mark["width"]), TYPE)
        return unit(self.encoder(pictures)).astype(TYPE)

    def _opened(self, ids: Sequence[str]) -> Iterator[tuple[Batch, Opened]]:
        """The batches with their pictures; one batch is opened ahead."""
        ahead: deque[tuple[Batch, dict[str, Future[Image.Image | str]]]] = deque()
        starts = [*range(0, len(ids), self.batch_size), len(ids)]
        with ThreadPoolExecutor(OPENERS) as pool:
            for start in starts:
                batch = [(i, self.reference_of(i)) for i in ids[start : start + self.batch_size]]
                ahead.append((batch, {r: pool.submit(try_open, self.open_image, r) for _, r in batch}))
                if len(ahead) > 1:
                    ready, futures = ahead.popleft()
                    yield ready, {reference: future.result() for reference, future in futures.items()}
