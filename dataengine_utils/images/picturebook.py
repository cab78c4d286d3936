"""The embedded world as an image source: drawn pictures with exact annotations, named by their seed."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from PIL import Image

from ..errors import KitError
from ..picturebook.annotations import image_record
from ..picturebook.seeds import seeds_of
from ..records import ImageRecord


class SeedIds(Sequence[str]):
    """A range of seeds as image ids; ten million of them take no memory."""

    def __init__(self, seeds: range):
        self.seeds = seeds

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, index):
        picked = self.seeds[index]
        return SeedIds(picked) if isinstance(picked, range) else str(picked)

    def __contains__(self, image_id: object) -> bool:
        return isinstance(image_id, str) and image_id.isdecimal() and int(image_id) in self.seeds


class PicturebookSource:
    """Pictures of one purpose's seeds, by default those kept for generation, which no benchmark question
    uses.
    """

    root: Path | None = None

    def __init__(self, purpose: str = "generation"):
        self._ids = SeedIds(seeds_of(purpose))

    def ids(self) -> Sequence[str]:
        """The seeds as text."""
        return self._ids

    def record(self, image_id: str) -> ImageRecord:
        """The scene of a seed, in Visual Genome's schema."""
        if image_id not in self._ids:
            seeds = self._ids.seeds
            raise KitError(
                f"picturebook has no image {image_id!r} here; ids are {seeds.start} to {seeds.stop - 1}"
            )
        return _record(int(image_id))


@lru_cache(maxsize=256)
def _record(seed: int) -> ImageRecord:
    return image_record(seed)


def open_picture(seed: str) -> Image.Image:
    """Draw the picture of a seed (112 x 112 pixels, RGB)."""
    from ..picturebook.drawing import draw
    from ..picturebook.world import sample_scene

    if not seed.isdecimal():
        raise KitError(f"unknown picture 'picturebook:{seed}'; write a seed, as in picturebook:20000000")
    return draw(sample_scene(int(seed)), scale=1)
