"""Model FLOPs: what the mathematics of a pass needs, from the model's own inputs, and what cards can do.

A multiplication with an addition counts as two. Of the language model, a token costs 2 for each weight of a
linear layer and of LoRA, and 4 x (width of all heads) x layers for each token that it may attend to; a
predicted token 2 for each weight of the head. A picture costs 2 for each weight of the tower a patch, 4 x
width x layers for each pair of its patches, and 2 for each weight of the projector a row. Training adds, for
frozen weights, once as much (the gradient of their input), for attention and trained weights twice. Tokens
that are padding, and what is computed again to save memory, do not count.
"""

from dataclasses import dataclass
from typing import Any

from dataengine_utils import models  # noqa: F401  (before torch: it sets what torch reads when imported)

# isort: split
import torch

from dataengine_utils.memory import Shape
from dataengine_utils.models.families import Structure

PEAK_TFLOPS = {
    "GB200": 2500, "B200": 2250, "GH200": 989, "H200 NVL": 835, "H200": 989, "H100 PCIe": 756,
    "H100 NVL": 835, "H100": 989, "H800": 989, "A100": 312, "A800": 312, "L40S": 362, "L40": 181, "L4": 121,
    "A40": 150, "A10G": 70, "A10": 125, "RTX 6000 Ada": 364, "RTX A6000": 155, "RTX 4090": 165,
    "RTX 3090": 71,
}  # fmt: skip
"""Dense bf16 products with float32 sums, in 10^12 operations a second, as the makers' data sheets give them.
A part of a card's name -> its peak; the first that fits counts."""


def peak_tflops(card: str) -> float | None:
    """The card's peak, None where the table does not know it."""
    return next((peak for part, peak in PEAK_TFLOPS.items() if part in card), None)


@dataclass(frozen=True)
class Costs:
    """What one token, pair of tokens, predicted token and picture cost in a forward pass, in FLOPs."""

    token: float
    lora_token: float
    pair: float
    logit: float
    picture: float
    projected: float


def costs_of(model: torch.nn.Module, structure: Structure, shape: Shape, lora_r: int) -> Costs:
    """The costs of a student; `lora_r` is 0 without an adapter."""
    vision, patches = model.config.vision_config, shape.picture.patches
    within = f"{structure.language_model}.", *structure.projectors
    tower = sum(
        layer.weight.numel()
        for name, layer in model.named_modules()
        if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d)
        and not name.startswith(within)
        and layer is not model.get_output_embeddings()
    )
    return Costs(
        token=2 * shape.linear,
        lora_token=2 * lora_r * shape.lora_ends,
        pair=4 * shape.queries * shape.layers,
        logit=2 * shape.hidden * shape.vocabulary,
        picture=2 * tower * patches + 4 * vision.hidden_size * vision.num_hidden_layers * patches**2,
        projected=2 * shape.projector * shape.projected_rows,
    )


@dataclass
class Work:
    """What a model was given to compute: non-padding tokens, pairs of them that may attend, kept logits."""

    tokens: int = 0
    pairs: int = 0
    logits: int = 0
    pictures: int = 0

    def forward_flops(self, costs: Costs) -> float:
        """FLOPs of a forward pass."""
        language = self.tokens * (costs.token + costs.lora_token) + self.pairs * costs.pair
        return language + self.logits * costs.logit + self.pictures * (costs.picture + costs.projected)

    def training_flops(self, costs: Costs) -> float:
        """FLOPs of a forward and a backward pass; the tower has no backward pass."""
        frozen = self.tokens * costs.token + self.logits * costs.logit
        trained = (
            self.tokens * costs.lora_token + self.pairs * costs.pair + self.pictures * costs.projected
        )
        return 2 * frozen + 3 * trained + self.pictures * costs.picture


class WorkCounter:
    """Counts a student's work from the inputs of its forward passes, packed or of `generate`."""

    def __init__(self, model: torch.nn.Module, pad_id: int):
        self.work = Work()
        self.shapes: list[tuple[int, int]] = []
        self._pad_id = pad_id
        self._hook = model.register_forward_pre_hook(self._count, with_kwargs=True)

    def close(self) -> Work:
        """Stop counting; returns what was counted."""
        self._hook.remove()
        return self.work

    @torch.no_grad()
    def _count(self, _: torch.nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        ids, kept, past = (
            named.get(name) for name in ("input_ids", "logits_to_keep", "past_key_values")
        )
        mask, own = named.get("attention_mask"), ids != self._pad_id
        if mask is None:  # `generate` leaves it out where nothing is padded
            mask = ids.new_ones(len(ids), ids.shape[1] + (past.get_seq_length() if past is not None else 0))
        self.shapes.append(tuple(ids.shape))
        self.work.tokens += int(own.sum())
        self.work.pairs += _pairs(own, mask)
        self.work.logits += int(kept.sum()) if torch.is_tensor(kept) else len(ids) * (kept or ids.shape[1])


def _pairs(own: torch.Tensor, mask: torch.Tensor) -> int:
    """Pairs (token, token it may attend to); `mask` as packed, or 1 for each token so far (`generate`)."""
    if mask.ndim == 4:
        return int((mask[:, 0] & own[..., None] & own[:, None]).sum())
    so_far, new = mask.sum(-1), own.sum(-1).clamp(max=mask.sum(-1))
    return int((new * so_far - new * (new - 1) // 2).sum())
