"""LoRA weights inside an official checkpoint: merged into the language model, or kept as a peft adapter."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import LoraConfig
from safetensors.torch import save_file

from ...errors import KitError
from ..checkpoint import BASE_FILE, fingerprint
from .official_keys import PROJECTOR, lora_place, our_language_key

DEFAULT_ALPHA = 16.0
"""The original's (minigpt_v2.py, eval_utils.py: --lora_alpha); no checkpoint's weights tell it."""
DROPOUT = 0.05


@dataclass(frozen=True)
class LoraWeights:
    """A (rank, in) and B (out, rank) of each adapted linear layer, by its name in LlamaForCausalLM."""

    pairs: Mapping[str, tuple[torch.Tensor, torch.Tensor]]
    alpha: float

    @property
    def rank(self) -> int:
        """The one rank of all pairs."""
        return next(iter(self.pairs.values()))[0].shape[0]

    @property
    def scale(self) -> float:
        """What B @ A is multiplied with."""
        return self.alpha / self.rank

    def merge_into(self, weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The language model's weights with B @ A added; summed in float32, kept in their own precision."""
        merged = dict(weights)
        for module, (first, second) in self.pairs.items():
            base = weights[f"{module}.weight"]
            merged[f"{module}.weight"] = (base.float() + second.float() @ first.float() * self.scale).to(
                base.dtype
            )
        return merged

    def save(
        self, folder: Path, projector: Mapping[str, torch.Tensor], base: Path, base_name: str
    ) -> None:
        """Write a peft adapter folder for the model in `base`, which will be called `base_name`.

        The projector (by its names in our model) is in it as well: training goes on with both, as the
        original's does.
        """
        names = sorted({module.rpartition(".")[2] for module in self.pairs})
        config = LoraConfig(
            r=self.rank,
            lora_alpha=int(self.alpha) if self.alpha == int(self.alpha) else self.alpha,
            lora_dropout=DROPOUT,
            target_modules=rf"model\.language_model\..*\.({'|'.join(map(re.escape, names))})",
            modules_to_save=[PROJECTOR.split(".")[1]],
            base_model_name_or_path=base_name,
            inference_mode=True,
        )
        folder.mkdir()
        config.save_pretrained(str(folder))
        values = {
            f"{our_language_key(module)}.lora_{part}.weight": value
            for module, pair in self.pairs.items()
            for part, value in zip("AB", pair, strict=True)
        }
        values |= projector
        tensors = {f"base_model.model.{key}": value.contiguous() for key, value in values.items()}
        save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
        mark = {"student": base_name, "fingerprint": fingerprint(str(base))}
        (folder / BASE_FILE).write_text(json.dumps(mark, indent=2) + "\n", encoding="utf-8")


def collect(
    official: Mapping[str, torch.Tensor], weights: Mapping[str, torch.Tensor], alpha: float
) -> LoraWeights | None:
    """The LoRA weights among the official tensors, None without any; `KitError` where they do not fit."""
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for key, value in official.items():
        place = lora_place(key)
        if place:
            parts.setdefault(place[0], {})[place[1]] = value
    if not parts:
        return None
    for module, pair in parts.items():
        _check_pair(module, pair, weights.get(f"{module}.weight"))
    ranks = sorted({pair["A"].shape[0] for pair in parts.values()})
    if len(ranks) > 1:
        raise KitError(
            f"the checkpoint's LoRA weights have the ranks {ranks}, one is expected; it is damaged"
        )
    return LoraWeights({module: (pair["A"], pair["B"]) for module, pair in parts.items()}, alpha)


def _check_pair(module: str, pair: Mapping[str, torch.Tensor], base: torch.Tensor | None) -> None:
    if set(pair) != {"A", "B"}:
        raise KitError(f"{module}: the checkpoint has lora_{''.join(pair)} alone; download it again")
    if base is None:
        raise KitError(f"{module}: LoRA weights, but the language model has no such layer; check --llama")
    first, second = (tuple(pair[part].shape) for part in "AB")
    fits = (
        len(first) == len(second) == 2
        and first[0] == second[1]
        and (second[0], first[1]) == tuple(base.shape)
    )
    if not fits:
        raise KitError(
            f"{module}: LoRA weights {first} and {second} do not fit the layer {tuple(base.shape)}; "
            "check --llama"
        )
