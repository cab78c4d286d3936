"""Pictures that cannot be read: noted and stood in for, so that one of them does not end the work."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ..errors import KitError

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_UNREADABLE = 0.05
"""Share of unreadable images that stops the work."""
FIRST_IMAGES = 200
"""The share is taken of at least so many images: a few bad ones at the start are no verdict."""

_GREY = (127, 127, 127)
_SIZE = (224, 224)


class Pictures:
    """An `open_image` that gives grey for what it cannot read, and keeps the reason in `failed`.

    A grey picture is worked on as any other, which changes nothing for the others; the caller then counts the
    questions of `failed` references as unanswered, or takes the examples out of the loss. Raises `KitError`
    when more than 5 % of the images looked at, counted as 200 at least (or all `n_images`, if fewer), cannot
    be read: such a share is a wrong folder, not a bad file.
    """

    def __init__(self, open_image: Callable[[str], "Image"], n_images: int):
        self.failed: dict[str, str] = {}
        self._open_image = open_image
        self._n_images = n_images
        self._seen: set[str] = set()
        self._ready: dict[str, Image | str] = {}

    def add(self, opened: "Mapping[str, Image | str]") -> None:
        """Take pictures (or the reasons why there are none) that a worker has opened ahead."""
        self._ready = dict(opened)

    def __call__(self, reference: str) -> "Image":
        """The picture, or a grey one."""
        found = self._ready.pop(reference, None)
        if found is None:
            found = try_open(self._open_image, reference)
        self._seen.add(reference)
        if not isinstance(found, str):
            return found
        self.failed[reference] = found
        self._check_share()
        from PIL import Image

        return Image.new("RGB", _SIZE, _GREY)

    def note(self) -> str:
        """One sentence about what could not be read; "" if everything could."""
        if not self.failed:
            return ""
        return (
            f"{len(self.failed)} of {self._n_images} images could not be read, their questions count as "
            f"unanswered; the first: {next(iter(self.failed.values()))}"
        )

    def _check_share(self) -> None:
        looked_at = max(len(self._seen), min(self._n_images, FIRST_IMAGES))
        if len(self.failed) > MOST_UNREADABLE * looked_at:
            raise KitError(
                f"{len(self.failed)} of the first {len(self._seen)} images cannot be read (more than "
                f"{MOST_UNREADABLE:.0%} of {looked_at}), so the work stops. The last: "
                f"{next(reversed(self.failed.values()))}"
            )


def try_open(open_image: Callable[[str], "Image"], reference: str) -> "Image | str":
    """The picture whole in memory, or why it cannot be read."""
    try:
        picture = open_image(reference)
        picture.load()
        return picture
    except (KitError, OSError) as error:
        return str(error) or type(error).__name__
