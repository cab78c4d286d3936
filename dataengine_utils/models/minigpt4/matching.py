"""Which model the official files make, and whether they have all of its tensors and nothing else."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import Blip2QFormerConfig, Blip2VisionConfig, PreTrainedConfig

from ...errors import KitError
from ..checkpoint import quiet
from .configuration import MiniGPT4Config, MiniGPTv2Config
from .modeling import MiniGPT4ForConditionalGeneration, MiniGPTForConditionalGeneration
from .modeling import MiniGPTv2ForConditionalGeneration as MiniGPTv2Model
from .official_keys import (
    ignorable,
    interpolate_positions,
    join_biases,
    language_place,
    lora_place,
    places,
    summarise,
)

Config = MiniGPTv2Config | MiniGPT4Config
POSITIONS = "visual_encoder.pos_embed"


@dataclass(frozen=True)
class Matched:
    """Official tensors to use by official key, keys left out by reason, and notes on what was filled in."""

    tensors: dict[str, torch.Tensor]
    ignored: dict[str, list[str]]
    filled: list[str]


def choose_config(
    projector: torch.Tensor | None,
    text_config: PreTrainedConfig,
    image_size: int | None,
    architecture: Mapping[str, Any],
) -> Config:
    """v2 or v1, by what the projector `llama_proj.weight` (text width, feature width) reads.

    `image_size` is by default the published one.
    """
    if projector is None or projector.ndim != 2:
        raise KitError(
            "the checkpoint has no matrix llama_proj.weight: it is none of MiniGPT-4's; check --checkpoint"
        )
    vision = Blip2VisionConfig(**architecture.get("vision_config", {}))
    qformer = Blip2QFormerConfig(**architecture.get("qformer_config", {}))
    width_out, width_in = projector.shape
    if width_out != text_config.hidden_size:
        raise KitError(
            f"the checkpoint's projector leads to {width_out} wide tokens, --llama's are "
            f"{text_config.hidden_size} wide; name the language model it was trained on (4096: 7B, 5120: 13B)"
        )
    if width_in not in (4 * vision.hidden_size, qformer.hidden_size):
        raise KitError(
            f"the checkpoint's projector reads {width_in} wide features: neither four joined patches "
            f"({4 * vision.hidden_size}, MiniGPT4-v2) nor the Q-Former's ({qformer.hidden_size}, MiniGPT-4); "
            "check --checkpoint, or give --architecture for other sizes"
        )
    joins = width_in == 4 * vision.hidden_size
    vision.image_size = image_size or (448 if joins else 224)
    side = vision.image_size // vision.patch_size
    if vision.image_size % vision.patch_size or (joins and side**2 % 4):
        raise KitError(
            f"{vision.image_size} px do not divide into patches of {vision.patch_size} px, or these into "
            "fours; use 448 (MiniGPT4-v2) or 224 (MiniGPT-4)"
        )
    if joins:
        return MiniGPTv2Config(vision_config=vision, text_config=text_config)
    queries = architecture.get("num_query_tokens", 32)
    return MiniGPT4Config(
        vision_config=vision, qformer_config=qformer, text_config=text_config, num_query_tokens=queries
    )


def match(official: Mapping[str, torch.Tensor], config: Config, ignore: Sequence[re.Pattern[str]]) -> Matched:
    """Sort the official tensors; `KitError` with all keys that are missing or unexpected."""
    expected = places(config)
    tensors: dict[str, torch.Tensor] = {}
    ignored: dict[str, list[str]] = {}
    unexpected = []
    for key, value in official.items():
        reason = ignorable(key, config.vision_config.num_hidden_layers)
        if not reason and any(pattern.fullmatch(key) for pattern in ignore):
            reason = "named by --ignore"
        if reason:
            ignored.setdefault(reason, []).append(key)
        elif key in expected or language_place(key):
            tensors[key] = value
        else:
            unexpected.append(key)
    filled = _fill_layer_norm(tensors, config)
    missing = [key for key in expected if key not in tensors]
    if missing or unexpected:
        raise KitError(_misfit(missing, unexpected, config))
    return Matched(tensors, ignored, filled + _note_interpolation(tensors[POSITIONS], config))


def vision_weights(tensors: Mapping[str, torch.Tensor], config: Config) -> dict[str, torch.Tensor]:
    """Everything but the language model under our names, positions on the config's grid."""
    fitted = {**tensors, POSITIONS: interpolate_positions(tensors[POSITIONS], config.n_patches)}
    return join_biases({ours: fitted[theirs] for theirs, ours in places(config).items()})


def language_weights(
    base: Mapping[str, torch.Tensor], tensors: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Llama's weights, with those in their place that the checkpoint brings itself."""
    brought = {
        language_place(key): value
        for key, value in tensors.items()
        if language_place(key) and not lora_place(key)
    }
    unknown = [key for key in brought if key not in base]
    if unknown:
        raise KitError(
            f"the checkpoint has weights that --llama's model lacks: {summarise(unknown)}; check --llama, or "
            "name them with --ignore PATTERN"
        )
    return {**base, **brought}


def empty_model(config: Config) -> MiniGPTForConditionalGeneration:
    """The model without memory for its weights."""
    kind = MiniGPT4ForConditionalGeneration if isinstance(config, MiniGPT4Config) else MiniGPTv2Model
    with torch.device("meta"), quiet():
        return kind(config)


def check_shapes(weights: Mapping[str, torch.Tensor], config: Config) -> None:
    """Refuse weights of other shapes than the config's, in one message, by their official names."""
    theirs = {ours.partition(":")[0]: key for key, ours in places(config).items()}
    wrong = [
        f"{theirs.get(key, key)} {tuple(weights[key].shape)} instead of {tuple(value.shape)}"
        for key, value in empty_model(config).state_dict().items()
        if weights[key].shape != value.shape
    ]
    if wrong:
        raise KitError(
            f"{len(wrong)} tensors have wrong shapes: {'; '.join(wrong[:8])}"
            f"{'; ...' if len(wrong) > 8 else ''}; the files are of different models, or give --architecture"
        )


def count(names: Iterable[str]) -> dict[str, int]:
    """How often each name occurs, in the order of first occurrence."""
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return counts


def _fill_layer_norm(tensors: dict[str, torch.Tensor], config: Config) -> list[str]:
    """Ones and zeros for v2's `ln_vision`, where no file has it.

    The original never loads it: it freezes the layer as it is made (base_model.py), and frozen parameters
    are left out of checkpoints (runner_base.py). In v1 it comes with BLIP-2's file.
    """
    names = ("ln_vision.weight", "ln_vision.bias")
    if isinstance(config, MiniGPT4Config) or any(name in tensors for name in names):
        return []
    width = config.vision_config.hidden_size
    tensors.update(zip(names, (torch.ones(width), torch.zeros(width)), strict=True))
    return ["ln_vision is in none of the files: ones and zeros, as the original leaves it"]


def _note_interpolation(table: torch.Tensor, config: Config) -> list[str]:
    if table.ndim != 3 or table.shape[1] < 2 or math.isqrt(table.shape[1] - 1) ** 2 != table.shape[1] - 1:
        raise KitError(
            f"{POSITIONS} has the shape {tuple(table.shape)}: no [CLS] and square grid; check --eva"
        )
    old, new = math.isqrt(table.shape[1] - 1), math.isqrt(config.n_patches)
    return (
        [] if old == new else [f"position embeddings interpolated from {old}x{old} to {new}x{new} (bicubic)"]
    )


def _misfit(missing: list[str], unexpected: list[str], config: Config) -> str:
    parts = [f"missing: {summarise(missing)}"] if missing else []
    parts += [f"unexpected: {summarise(unexpected)}"] if unexpected else []
    advice = "check the files, or download them again"
    if any(key.startswith("visual_encoder.") for key in missing):
        advice = "give the whole eva_vit_g.pth with --eva"
    elif any(key.startswith(("Qformer.", "query_tokens", "ln_vision.")) for key in missing):
        advice = "give BLIP-2's file (blip2_pretrained_flant5xxl.pth) with --qformer"
    elif unexpected and not missing:
        advice = "if these may be left out, name them with --ignore PATTERN"
    return f"the files do not make a {config.model_type}: {'; '.join(parts)}. {advice}"
