"""Where pictures and their annotations come from: sources by name, and the one way to open a picture."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from ..errors import KitError
from ..records import ImageRecord
from ..registry import build, resolve

SOURCES = {
    "folder": "dataengine_utils.images.folder:FolderSource",
    "visual_genome": "dataengine_utils.images.visual_genome:VisualGenome",
    "coco": "dataengine_utils.images.coco:Coco",
    "picturebook": "dataengine_utils.images.picturebook:PicturebookSource",
}

# What stands before the colon of an image reference -> the function that draws what stands after it.
SCHEMES = {
    "picturebook": "dataengine_utils.images.picturebook:open_picture",
    "tsv": "dataengine_utils.benchmarks.tsv:open_picture",
    "hub": "dataengine_utils.benchmarks.hub:open_picture",
}


class ImageSource(Protocol):
    """A collection of annotated images. `root` is the folder that relative image paths count from."""

    root: Path | None

    def ids(self) -> Sequence[str]:
        """All image ids, in a fixed order; may be long, so sample from it rather than listing it."""
        ...

    def record(self, image_id: str) -> ImageRecord:
        """The annotations of one image; an unknown id raises `KitError`."""
        ...


def load(name: str, **options: Any) -> ImageSource:
    """The image source of that name (see `SOURCES`), or the user's own "package.module:Class"."""
    return build("image source", SOURCES, name, options)


def open_image(reference: str, root: Path | None = None) -> Image.Image:
    """The picture of a reference, as RGB: "scheme:rest" is drawn, anything else is a path (relative ones from
    `root`).

    A file that is missing or is not a whole image raises `KitError`.
    """
    scheme, colon, rest = reference.partition(":")
    if colon and scheme in SCHEMES:
        draw: Callable[[str], Image.Image] = resolve("image scheme", SCHEMES, scheme)
        return draw(rest)
    return _read(Path(root or "", reference))


def _read(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except FileNotFoundError as error:
        raise KitError(
            f"no image at {str(path)!r}: check the path of the image folder in the profile's options"
        ) from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise KitError(f"{str(path)!r} is not a whole image ({error}); fetch the file again") from error
