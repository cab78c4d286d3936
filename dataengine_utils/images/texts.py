"""What is written in pictures: OCR by whichever package is installed, kept in the index of a source.

The texts of an image become `ImageRecord.texts`. Nothing here is needed for pictures whose texts are
annotated.
"""

import importlib
from collections.abc import Iterable, Sequence
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple, Protocol

import numpy as np
from PIL import Image
from tqdm import tqdm

from ..errors import KitError
from ..models.pictures import FIRST_IMAGES, Pictures
from ..records import Box, TextBox
from ..registry import build
from . import ImageSource, open_image
from .index import Index

PROVIDERS = {
    "rapidocr": "dataengine_utils.images.texts:RapidOcr",
    "paddleocr": "dataengine_utils.images.texts:PaddleOcr",
}
"""Name -> the class that reads texts; your own is "package.module:Class"."""

SURE = 0.9  # confidence from which a text is kept: below, words are misread in part


class Provider(Protocol):
    """Reads the texts in a picture. `name` tells in the index who has read them."""

    name: str

    def read(self, picture: Image.Image) -> Sequence[TextBox]:
        """The texts with their boxes (pixels), from the top; none where there is none."""
        ...


class Found(NamedTuple):
    """What one run of `add_texts` did. `unreadable` are the pictures that could not be opened, with the
    reason.
    """

    n_images: int
    n_with_texts: int
    n_texts: int
    unreadable: dict[str, str]


def load(name: str, **options: Any) -> Provider:
    """The provider of that name (see `PROVIDERS`), or the user's own "package.module:Class"."""
    provider: Provider = build("provider of texts", PROVIDERS, name, options)
    return provider


def add_texts(source: ImageSource, provider: Provider, ids: Iterable[str] | None = None) -> Found:
    """Have the texts of a source's images read, and keep them in its index; those it has read are left out.

    `ids` are the images to read, by default all. What was read stays when the work is cut off. A picture that
    cannot be opened is named and tried again the next time; `KitError` when there are more than a few (see
    `models.pictures`), or when the source has no index on disk.
    """
    index = _index_of(source)
    done = index.texts_by(provider.name)
    todo = [image_id for image_id in (source.ids() if ids is None else ids) if image_id not in done]
    pictures = Pictures(partial(open_image, root=source.root), max(len(todo), FIRST_IMAGES))
    unreadable, found = {}, []
    for image_id in tqdm(todo, unit="image", desc="texts", leave=False, disable=None):
        reference = source.record(image_id).image
        picture = pictures(reference)
        if reference in pictures.failed:
            unreadable[image_id] = pictures.failed[reference]
            continue
        texts = provider.read(picture)
        index.add_texts(image_id, texts, provider.name)
        found.append(len(texts))
    return Found(len(found), sum(n > 0 for n in found), sum(found), unreadable)


class RapidOcr:
    """RapidOCR (PaddleOCR's models by ONNX, on the CPU); texts of at least the confidence `sure` are kept."""

    name = "rapidocr"

    def __init__(self, sure: float = SURE):
        package = _package("rapidocr", "pip install rapidocr onnxruntime")
        _package("onnxruntime", "pip install onnxruntime")
        self._sure = sure
        self._engine = package.RapidOCR(params={"Global.log_level": "error"})

    def read(self, picture: Image.Image) -> list[TextBox]:
        """The texts that it is sure of."""
        found = self._engine(_bgr(picture))
        if found.txts is None:
            return []
        return _kept(found.txts, found.scores, found.boxes, self._sure)


class PaddleOcr:
    """PaddleOCR 3 in a language; texts of at least the confidence `sure` are kept."""

    name = "paddleocr"

    def __init__(self, sure: float = SURE, lang: str = "en"):
        package = _package("paddleocr", "pip install paddleocr paddlepaddle")
        self._sure = sure
        self._engine = package.PaddleOCR(
            lang=lang,
            use_doc_orientation_classify=False,
            use_doc_unwarping=False,
            use_textline_orientation=False,
        )

    def read(self, picture: Image.Image) -> list[TextBox]:
        """The texts that it is sure of."""
        kept = []
        for found in self._engine.predict(_bgr(picture)):
            kept += _kept(found["rec_texts"], found["rec_scores"], found["rec_polys"], self._sure)
        return kept


def _index_of(source: ImageSource) -> Index:
    index = getattr(source, "index", None)
    if not isinstance(index, Index):
        raise KitError(f"{type(source).__name__} has no index to keep texts in; take an image source that "
                       "has one: visual_genome, coco, folder")  # fmt: skip
    return index


def _package(name: str, command: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise KitError(f"reading texts needs the package {name} ({error}); run: {command}") from error


def _bgr(picture: Image.Image) -> np.ndarray:
    """The pixels (height, width, 3) in OpenCV's order, which both packages expect of arrays."""
    return np.ascontiguousarray(np.asarray(picture.convert("RGB"))[:, :, ::-1])


def _kept(
    texts: Sequence[str], scores: Sequence[float], corners: Sequence[Any], sure: float
) -> list[TextBox]:
    found = zip(texts, scores, corners, strict=True)
    return [TextBox(" ".join(text.split()), _box(four)) for text, score, four in found
            if score >= sure and text.strip()]  # fmt: skip


def _box(corners: Any) -> Box:
    """(x, y, width, height) in whole pixels around four corners."""
    points = np.asarray(corners, dtype=float)
    (left, top), (right, bottom) = points.min(axis=0).round(), points.max(axis=0).round()
    return int(left), int(top), max(1, int(right - left)), max(1, int(bottom - top))
