"""Picture features of a frozen vision tower, computed once an image and kept within a bound."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

DEFAULT_LIMIT = 1 << 30


class FrozenFeatures:
    """What the tower says about each image, before the projector: (image tokens, tower width), on the CPU.

    The tower is never trained, so this does not change; the projector may be, and is applied by the caller.
    Features are kept until `limit` bytes are full; what does not fit is computed again when asked for.
    """

    def __init__(
        self, model: torch.nn.Module, projector: str, image_processor: Any, *, limit: int = DEFAULT_LIMIT
    ):
        self._model = model
        self._projector_path = projector
        self._image_processor = image_processor
        self._kept: dict[str, torch.Tensor] = {}
        self._room = limit

    @property
    def projector(self) -> torch.nn.Module:
        """The module that maps tower features to the language model's width (peft may have wrapped it)."""
        return self._model.get_submodule(self._projector_path)

    def get(self, references: Sequence[str], open_image: Callable[[str], Any]) -> torch.Tensor:
        """Features in order, (images, image tokens, tower width); new images go through in one batch."""
        known = {name: self._kept[name] for name in references if name in self._kept}
        new = [name for name in dict.fromkeys(references) if name not in known]
        if new:
            features = self._compute([open_image(name) for name in new])
            known.update(zip(new, features, strict=True))
            for name, feature in zip(new, features, strict=True):
                self._keep(name, feature)
        return torch.stack([known[name] for name in references])

    @torch.no_grad()
    def _compute(self, pictures: list[Any]) -> torch.Tensor:
        inputs = self._image_processor(pictures, return_tensors="pt")
        training = self._model.training
        seen: list[torch.Tensor] = []
        hook = self.projector.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
        self._model.eval()
        try:
            place = next(self.projector.parameters())
            self._model.get_image_features(
                **{name: value.to(place.device, place.dtype) for name, value in inputs.items()}
            )
        finally:
            hook.remove()
            self._model.train(training)
        return seen[0].cpu()

    def _keep(self, name: str, feature: torch.Tensor) -> None:
        size = feature.numel() * feature.element_size()
        if size <= self._room:
            self._kept[name] = feature.clone()  # not a view of the whole batch
            self._room -= size
