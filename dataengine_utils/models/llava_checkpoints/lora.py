"""LLaVA's LoRA files: read strictly, merged into the base's tensors, or kept as an adapter of the kit's form.

Sources: haotian-liu/LLaVA, llava/train/train.py (what is saved), llava/model/builder.py (how it is merged);
the update is W + (alpha / r) B A (arXiv 2106.09685, section 4.1).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import LlavaForConditionalGeneration

from ...errors import KitError
from ..checkpoint import BASE_FILE, fingerprint
from .layout import LANGUAGE, PROJECTOR, Account, grouped, llava_name
from .weights import read_json, read_tensors

CONFIG = "adapter_config.json"
WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
OTHERS = "non_lora_trainables.bin"

_NAME = re.compile(r"(base_model\.model\..+)\.lora_(A|B)(?:\.default)?\.weight")
_PLAIN = {
    "peft_type": ("LORA",),
    "bias": ("none",),
    "use_dora": (False, None),
    "use_rslora": (False, None),
    "fan_in_fan_out": (False, None),
    "modules_to_save": (None, []),
    "rank_pattern": ({}, None),
    "alpha_pattern": ({}, None),
    "layers_to_transform": (None,),
    "layer_replication": (None,),
    "lora_bias": (False, None),
    "target_parameters": (None,),
    "trainable_token_indices": (None,),
    "init_lora_weights": (True, False, None, "gaussian"),
}
"""What LLaVA's trainer writes; other values mean another update of the weights."""


@dataclass(frozen=True)
class Lora:
    """Pairs A (r, inputs) and B (outputs, r) by the transformers name of the layer's weight."""

    pairs: dict[str, tuple[torch.Tensor, torch.Tensor]]
    r: int
    alpha: float
    dropout: float
    base: str

    def merge(self, tensors: dict[str, torch.Tensor], kind: torch.dtype) -> None:
        """Add the update to the tensors, in float32, rounded once to `kind`."""
        for name, (a, b) in self.pairs.items():
            update = (b.float() @ a.float()).mul_(self.alpha / self.r)
            tensors[name] = update.add_(tensors[name]).to(kind)


def read_lora(folder: Path, account: Account, shapes: Mapping[str, torch.Size]) -> Lora:
    """The LoRA of a checkpoint folder; names that are not of a LoRA go to `account.unexpected`.

    Raises `KitError` for another kind of adapter, and unless there is one pair A and B of the right shapes
    for every layer that the config targets, and for no other.
    """
    config = _config(folder)
    path = next((folder / name for name in WEIGHTS if (folder / name).is_file()), folder / WEIGHTS[-1])
    halves: dict[str, dict[str, torch.Tensor]] = {}
    others = {}
    for name, value in read_tensors(path).items():
        found = _NAME.fullmatch(name)
        target = found and llava_name(f"{found[1]}.weight")
        if found and target:
            halves.setdefault(target, {})[found[2]] = value
        else:
            others[name] = value
    account.take(others, path.name, rename=lambda name: None)
    _check(path, halves, config, shapes)
    pairs = {name: (pair["A"], pair["B"]) for name, pair in halves.items()}
    base = str(config.get("base_model_name_or_path") or "")
    return Lora(pairs, config["r"], config["lora_alpha"], float(config.get("lora_dropout") or 0.0), base)


def save_as_adapter(
    lora: Lora, tensors: Mapping[str, torch.Tensor], folder: Path, base: Path, name: str
) -> None:
    """Write the LoRA and the projector as `models.checkpoint.save_adapter` does, for the student in `base`.

    `name` is the path under which the student will be loaded; `tensors` are the student's.
    """
    from peft import LoraConfig

    folder.mkdir()
    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=_targets(lora, tensors),
        modules_to_save=[PROJECTOR.split(".")[1]],
        base_model_name_or_path=name,
        inference_mode=True,
        auto_mapping={
            "base_model_class": LlavaForConditionalGeneration.__name__,
            "parent_library": LlavaForConditionalGeneration.__module__,
        },
    )
    config.save_pretrained(str(folder))
    values = {key: value for key, value in tensors.items() if key.startswith(PROJECTOR)}
    for key, (a, b) in lora.pairs.items():
        values |= {key.replace(".weight", ".lora_A.weight"): a, key.replace(".weight", ".lora_B.weight"): b}
    whole = {f"base_model.model.{key}": value.float().contiguous() for key, value in values.items()}
    save_file(whole, folder / WEIGHTS[0], metadata={"format": "pt"})
    mark = json.dumps({"student": name, "fingerprint": fingerprint(str(base))}, indent=2) + "\n"
    (folder / BASE_FILE).write_text(mark, encoding="utf-8")


def _config(folder: Path) -> dict[str, Any]:
    config = read_json(folder / CONFIG, "LoRA config")
    for key, allowed in _PLAIN.items():
        if key in config and config[key] not in allowed:
            raise KitError(
                f"{folder / CONFIG}: {key} is {config[key]!r}, LLaVA's LoRA has {allowed[0]!r}; merge "
                "this adapter with the code that trained it, and convert the whole model"
            )
    for key in ("r", "lora_alpha"):
        value = config.get(key)
        if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
            raise KitError(
                f"{folder / CONFIG}: {key} is {value!r}, a number above 0 is needed; download it again"
            )
    return config


def _check(
    path: Path,
    halves: Mapping[str, Mapping[str, torch.Tensor]],
    config: dict[str, Any],
    shapes: Mapping[str, torch.Size],
) -> None:
    """One pair of the right shapes for every layer of the language model that the config targets.

    The config may name layers that the vision tower has too (q_proj): those may have a pair, and need none.
    """
    expected = {name for name in shapes if name.startswith(LANGUAGE) and _targeted(name, config)}
    problems = {
        "missing": sorted(expected - halves.keys()),
        "not in the model": sorted(halves.keys() - shapes.keys()),
        "not among the config's target_modules": sorted(
            name for name in halves.keys() & shapes.keys() if not _targeted(name, config)
        ),
        "without its other half": sorted(name for name, pair in halves.items() if len(pair) == 1),
        "of another shape": sorted(
            f"{name} ({tuple(pair['B'].shape)} times {tuple(pair['A'].shape)} for {tuple(shapes[name])})"
            for name, pair in halves.items()
            if len(pair) == 2 and name in shapes and not _fits(pair, shapes[name], config["r"])
        ),
    }
    told = [
        f"{len(names)} layers {what}: {', '.join(grouped(names))}"
        for what, names in problems.items()
        if names
    ]
    if told or not halves:
        raise KitError(
            f"{path} does not fit {CONFIG} and config.json: {'; '.join(told) or 'it holds no LoRA'}. "
            "The folder mixes two checkpoints or is incomplete; download it again"
        )


def _targeted(name: str, config: dict[str, Any]) -> bool:
    """Whether peft would put a LoRA on this layer: a list names last parts, a string is a pattern."""
    targets, layer = config.get("target_modules"), name.removesuffix(".weight")
    if isinstance(targets, str):
        return re.fullmatch(targets, layer.replace(LANGUAGE, "model.")) is not None
    return name.endswith(".weight") and layer.rpartition(".")[2] in (targets or ())


def _fits(pair: Mapping[str, torch.Tensor], shape: torch.Size, r: int) -> bool:
    return tuple(pair["A"].shape) == (r, *shape[1:]) and tuple(pair["B"].shape) == (*shape[:1], r)


def _targets(lora: Lora, tensors: Mapping[str, torch.Tensor]) -> str | list[str]:
    """The kit's pattern where it means exactly these layers, else their names."""
    layers = sorted(name.removesuffix(".weight") for name in lora.pairs)
    names = sorted({layer.rpartition(".")[2] for layer in layers})
    pattern = rf"{re.escape(LANGUAGE[:-1])}\..*\.({'|'.join(names)})"
    matched = sorted(
        name[: -len(".weight")]
        for name in tensors
        if name.endswith(".weight") and re.fullmatch(pattern, name[: -len(".weight")])
    )
    return pattern if matched == layers else layers
