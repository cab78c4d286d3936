"""Opening the pictures of a training: those that cannot be read are left out and counted, up to a bound."""

from collections.abc import Mapping
from typing import Any

from PIL import Image

from ..errors import KitError
from ..models import OpenImage

MOST_UNREADABLE = 0.05
"""Share of unreadable images that stops a training."""
FIRST_IMAGES = 200
"""The share is taken of at least so many images: a few bad ones at the start are no verdict."""

_BLANK = (64, 64)


class Pictures:
    """`open_image` for a training: a picture that cannot be read is blank, and its reason kept in `failed`.

    Whoever makes a batch takes the examples of a failed image out of the loss. Raises `KitError` when more
    than 5 % of the images cannot be read.
    """

    def __init__(self, open_image: OpenImage, n_images: int):
        self.failed: dict[str, str] = {}
        self._open_image = open_image
        self._n_images = n_images
        self._n_opened = 0
        self._ready: dict[str, Image.Image | str] = {}

    def add(self, opened: Mapping[str, Image.Image | str]) -> None:
        """Take pictures (or the reasons why there are none) that a worker has opened ahead."""
        self._ready = dict(opened)

    def open(self, reference: str) -> Image.Image:
        """The picture, or a blank one."""
        found = self._ready.pop(reference, None)
        if found is None:
            found = try_open(self._open_image, reference)
        self._n_opened += 1
        if isinstance(found, str):
            self.failed[reference] = found
            self._check_share()
            return Image.new("RGB", _BLANK)
        return found

    def _check_share(self) -> None:
        looked_at = max(self._n_opened, min(self._n_images, FIRST_IMAGES))
        if len(self.failed) > MOST_UNREADABLE * looked_at:
            raise KitError(
                f"{len(self.failed)} of the first {self._n_opened} training images cannot be read (more than "
                f"{MOST_UNREADABLE:.0%} of {looked_at}), so training stops. The last: "
                f"{next(reversed(self.failed.values()))}"
            )


def try_open(open_image: OpenImage, reference: str) -> Image.Image | str:
    """The picture whole in memory, or why it cannot be read."""
    try:
        picture = open_image(reference)
        picture.load()
        return picture
    except (KitError, OSError) as error:
        return str(error) or type(error).__name__


def summary_of(failed: Mapping[str, str]) -> dict[str, Any]:
    """What the summary of a training says of the images that were left out; nothing where there are none."""
    if not failed:
        return {}
    reasons = "; ".join(list(failed.values())[:3])
    return {"unreadable_images": len(failed), "reasons": reasons}
