"""By which names a picture is known: COCO's and Visual Genome's ids, drawn pictures' seeds, files.

Two pictures that share a name are the same. COCO's image ids are unique over its splits and years; GQA's
pictures are Visual Genome's under their ids.
"""

import os
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from .. import images
from ..benchmarks import tsv
from ..errors import KitError

CocoId = Callable[[str], "str | int | None"]

# Benchmarks and image sources whose image ids are those of one collection.
COLLECTIONS = {
    "visual_genome": "vg",
    "gqa": "vg",
    "coco": "coco",
    "vqav2": "coco",
    "okvqa": "coco",
    "aokvqa": "coco",
    "pope": "coco",
    "vsr": "coco",
}
DRAWN = "picturebook:"
"""References of drawn pictures: the seed is the picture, so that none has to be drawn to know it."""

# COCO's file names have twelve digits, and its largest id has six.
_PATHS = (
    (
        "coco",
        re.compile(r"(?:^|/)(?:COCO_(?:train|val|test)20\d\d_)?0{6}0*(?=\d)(\d+)(?<=\d{12})\.(?:jpe?g|png)$"),
    ),
    ("vg", re.compile(r"(?:^|/)(?:VG_100K(?:_2)?|gqa/images)/(\d+)\.(?:jpe?g|png)$")),
)


def names_of(image_id: str, image: str, root: Path | None = None, source: str = "") -> list[str]:
    """The names of a picture, the most telling first; `source` is the benchmark's or image source's name.

    `image` is its reference for `images.open_image`; a path counts from `root`, if that is known.
    """
    found = [f"{collection}:{match[1]}" for collection, form in _PATHS if (match := form.search(image))]
    collection = COLLECTIONS.get(source)
    number = _number(image_id)
    if collection and number:
        found.append(f"{collection}:{number}")
    return list(dict.fromkeys([*found, *_place(image, root)]))


def coco_names(names: list[str], coco_id: CocoId | None) -> list[str]:
    """COCO's names of Visual Genome's pictures, by `coco_id(image id)`; half of them have none."""
    if coco_id is None:
        return []
    found = [_known(coco_id, name.removeprefix("vg:")) for name in names if name.startswith("vg:")]
    return [f"coco:{number}" for number in found if number]


def _known(coco_id: CocoId, image_id: str) -> str:
    """COCO's id of a picture, "" for none; so too for one that the annotations at hand do not have."""
    try:
        number = coco_id(image_id)
    except KitError:
        return ""
    return "" if number is None else str(number)


def _number(image_id: str) -> str:
    """The number of an image id, also of COCO's "COCO_val2014_000000310196", without leading zeros."""
    match = re.fullmatch(r"(?:COCO_\w+20\d\d_)?0*(\d+)", image_id)
    return match[1] if match else ""


def _place(image: str, root: Path | None) -> list[str]:
    if image.startswith(tsv.SCHEME):
        return [f"base64:{tsv.picture_id(image)}"]
    if image.partition(":")[0] in images.SCHEMES:
        return [image]
    if not image or (root is None and not os.path.isabs(image)):
        return []
    return [f"file:{os.path.normpath(os.path.join(_folder(root), image))}"]


@lru_cache(maxsize=64)
def _folder(root: Path | None) -> str:
    """The folder itself, whatever links lead to it."""
    return os.path.realpath(root) if root else ""
