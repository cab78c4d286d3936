"""Models that turn pictures into vectors: CLIP and SigLIP, and a student's own vision tower."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .. import models  # (before torch: it sets what torch reads when imported)

# isort: split
import numpy as np
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModel

from ..errors import KitError, unknown_name
from ..models.checkpoint import quiet
from ..models.marks import fingerprint
from .embeddings import MODEL

_UNREADABLE = (OSError, ValueError, RuntimeError, KeyError, TypeError, ImportError)


class TorchEncoder:
    """A model of transformers that gives a picture one vector; pictures are prepared by PIL.

    `model` is a folder, a Hugging Face id, or a student that ships with the kit. `device` defaults to the GPU
    where there is one. An unknown kind of model, or one that cannot be read, raises `KitError`.
    """

    def __init__(self, model: str = MODEL, device: str | None = None):
        kind, self._processor, self._model = _load(model)
        place = Path(models.checkpoint_of(model))
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._model.to(self._device)
        self._pool = POOLING[kind]
        self.mark = {
            "model": place.name if place.is_dir() and model not in models.CHECKPOINTS else model,
            "weights": fingerprint(model) or getattr(self._model.config, "_commit_hash", None) or "",
            "preprocessing": self._processor.to_dict(),
            "width": len(self([Image.new("RGB", (64, 64))])[0]),
        }

    def __call__(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        """The vectors (pictures, width), float32."""
        inputs = self._processor(list(pictures), return_tensors="pt")["pixel_values"].to(self._device)
        with torch.inference_mode():
            return self._pool(self._model, inputs).float().cpu().numpy()


def _load(model: str) -> tuple[str, Any, Any]:
    """The kind of a model, its image processor and itself."""
    try:
        kind = models.model_type(model)
        if kind in POOLING:
            place = models.checkpoint_of(model)
            with quiet():
                processor = AutoImageProcessor.from_pretrained(place, backend="pil")
                return kind, processor, AutoModel.from_pretrained(place).eval()
    except _UNREADABLE as error:
        raise KitError(
            f"the embedding model {model!r} cannot be loaded ({error!s:.160}); fetch it (hf download "
            f"{MODEL}), name a folder (model=FOLDER), or take the shipped student's tower: model=picturebook"
        ) from error
    raise unknown_name("kind of embedding model", kind, list(POOLING), f"{model!r} is one")


def _projected(model: Any, pixels: torch.Tensor) -> torch.Tensor:
    """What the model compares with texts."""
    return model.get_image_features(pixel_values=pixels).pooler_output


def _tower(model: Any, pixels: torch.Tensor) -> torch.Tensor:
    """The mean over the patches of the tower's layer that the student reads."""
    layer = model.config.vision_feature_layer
    states = model.vision_tower(pixels, output_hidden_states=True).hidden_states[layer]
    first = 1 if model.config.vision_feature_select_strategy == "default" else 0
    return states[:, first:].mean(dim=1)


POOLING: dict[str, Callable[[Any, torch.Tensor], torch.Tensor]] = {
    "clip": _projected,
    "siglip": _projected,
    "llava": _tower,
}
"""How a picture becomes one vector, by the `model_type` in a checkpoint's config.json."""
