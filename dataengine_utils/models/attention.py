"""Who attends to whom in a packed batch, layer by layer: some language models look back a few tokens only."""

from typing import Any

import torch

from ..errors import KitError
from .packing import Packed

FULL, NEAR = "full_attention", "sliding_attention"


def check_layers(name: str, config: Any) -> None:
    """`KitError` for a student whose attention is of a kind that packed passes do not know.

    `config` is the language model's; its kinds of layers are in `layer_types`.
    """
    unknown = sorted(set(getattr(config, "layer_types", None) or ()) - {FULL, NEAR})
    if unknown:
        raise KitError(
            f"student {name!r} has layers of the kind {', '.join(unknown)}; questions about one image are "
            f"packed for {FULL} and {NEAR} only. Write a class of your own and name it package.module:Class"
        )


def looks_near(config: Any) -> bool:
    """Whether some layers have a sliding window; `config` is the language model's."""
    kinds = getattr(config, "layer_types", None)
    return getattr(config, "sliding_window", None) is not None and (not kinds or NEAR in kinds)


def attention_masks(config: Any, batch: Packed) -> torch.Tensor | dict[str, torch.Tensor]:
    """The batch's mask as the language model takes it: one, or one a kind of layer.

    A token in a layer with a sliding window of n attends to itself and the n - 1 tokens before it, counted
    along its own sequence, as in a pass over that sequence alone.
    """
    if not looks_near(config):
        return batch.attention_mask
    window, kinds = config.sliding_window, getattr(config, "layer_types", None)
    distance = batch.depths[:, None, :, None] - batch.depths[:, None, None, :]
    near = batch.attention_mask & (distance < window)
    return {FULL: batch.attention_mask, NEAR: near} if kinds else near
