"""Pictures that cannot be read: noted and stood in for, so that one of them does not end an evaluation."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import KitError

if TYPE_CHECKING:
    from PIL.Image import Image

TOLERATED_SHARE = 0.05


class ReadablePictures:
    """An `open_image` that notes what it cannot read in `unread` (reference -> reason) and gives grey for it.

    The student answers about the grey picture as about any other, which changes no other answer; the caller
    then counts the questions of `unread` references as unanswered. More than `tolerated` of `n_images` raise
    `KitError`: such a share is a wrong folder, not a bad file.
    """

    def __init__(
        self,
        open_image: Callable[[str], "Image"],
        n_images: int,
        *,
        tolerated: float = TOLERATED_SHARE,
    ):
        self.unread: dict[str, str] = {}
        self._open_image = open_image
        self._n_images = n_images
        self._tolerated = tolerated

    def __call__(self, reference: str) -> "Image":
        """The picture, or a grey one."""
        try:
            return self._open_image(reference)
        except KitError as error:
            self.unread[reference] = str(error)
            if len(self.unread) > self._tolerated * self._n_images:
                raise KitError(
                    f"more than {self._tolerated:.0%} of {self._n_images} images cannot be read; "
                    f"the last: {error}"
                ) from error
        from PIL import Image

        return Image.new("RGB", (224, 224), (127, 127, 127))

    def note(self) -> str:
        """One sentence about what could not be read; "" if everything could."""
        if not self.unread:
            return ""
        first = next(iter(self.unread.values()))
        return (
            f"{len(self.unread)} of {self._n_images} images could not be read, their questions count as "
            f"unanswered; the first: {first}"
        )
