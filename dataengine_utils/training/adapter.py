"""What is trained of a student: LoRA on its language model, its projector, and the optimiser over both."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .. import models  # noqa: F401  (before torch: it sets what torch reads when imported)

# isort: split
import torch

from ..errors import KitError
from ..models.checkpoint import attach_adapter, quiet
from ..models.image_text import ImageTextStudent


def attach_lora(
    learner: ImageTextStudent, start: Path | None, targets: str, train_projector: bool, lora: dict[str, Any]
) -> Any:
    """The trainable peft model: a new LoRA (and projector), or the adapter `start` to go on from."""
    from peft import LoraConfig, get_peft_model

    if start is not None:
        adapter = attach_adapter(learner.model, learner.name, Path(start), trainable=True)
    else:
        paths = [path.removeprefix("model.") for path in learner.features.projector.paths]
        config = LoraConfig(
            **lora,
            target_modules=_target_pattern(learner, targets),
            modules_to_save=paths if train_projector else None,
        )
        with quiet():
            adapter = get_peft_model(learner.model, config)
        adapter.peft_config["default"].base_model_name_or_path = learner.name
    projector = learner.features.projector
    if not train_projector:
        projector.requires_grad_(False)
    elif not any(value.requires_grad for value in projector.parameters()):
        raise KitError(
            f"the adapter {start} holds no projector to go on training; set train_projector to false, or "
            "start without this adapter"
        )
    for _, value in trained(adapter):
        value.data = value.data.float()  # small steps would be lost in bfloat16
    return adapter


def trained(model: torch.nn.Module) -> Iterator[tuple[str, torch.nn.Parameter]]:
    """The weights that are trained, by name."""
    return ((name, value) for name, value in model.named_parameters() if value.requires_grad)


def make_optimiser(
    learner: ImageTextStudent, rate: float, projector_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    """AdamW with the projector at its own rate."""
    projector = [value for value in learner.features.projector.parameters() if value.requires_grad]
    known = {id(value) for value in projector}
    lora = [value for _, value in trained(learner.model) if id(value) not in known]
    groups = [{"params": lora, "lr": rate}, {"params": projector, "lr": projector_rate}]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], weight_decay=weight_decay, fused=True
    )


def _target_pattern(learner: ImageTextStudent, targets: str) -> str:
    """A pattern for peft: the wanted linear layers of the language model (a set would lose its order)."""
    path = learner.family.structure.language_model
    linear = {
        name.rpartition(".")[2]
        for name, module in learner.model.named_modules()
        if isinstance(module, torch.nn.Linear) and name.startswith(f"{path}.")
    }
    wanted = linear if targets == "all-linear" else {name.strip() for name in targets.split(",")}
    if not wanted <= linear:
        raise KitError(
            f"lora_targets {targets!r}: no linear layer {sorted(wanted - linear)} in the language model of "
            f'{learner.name!r}; use "all-linear" or names out of: {", ".join(sorted(linear))}'
        )
    return rf"{re.escape(path)}\..*\.({'|'.join(sorted(wanted))})"
