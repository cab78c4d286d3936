"""The settings of one training: plain values with their defaults, known without torch."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from ..errors import KitError, unknown_name
from ..trackers import OFF, tracker_names


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train. `batch_size` counts the examples of one step's micro-batch, over all processes.

    LoRA sits on the language model's linear layers (`lora_targets`: "all-linear", or layer names such as
    "q_proj,v_proj"); the projector is trained fully at its own rate. The rates fall by a cosine after a
    linear warm-up (`warmup_ratio` of the steps). `quantise` is "nf4" or "none"; `dtype` defaults to bfloat16
    on a GPU and float32 on a CPU, the trained weights are always float32. `checkpoint_minutes` 0 keeps no
    checkpoints, `feature_cache_gib` 0 no picture features on disk. With `shard` the language model is divided
    between the processes (see `sharding`). `report_to` names trackers (see `trackers`): they call the
    training `run_name` and write below `tracker_dir`, "" for where they would by themselves.
    """

    learning_rate: float
    projector_learning_rate: float = 2e-5
    quantise: str = "nf4"
    dtype: str | None = None
    lora_r: int = 128
    lora_alpha: int = 256
    lora_dropout: float = 0.05
    lora_targets: str = "all-linear"
    train_projector: bool = True
    warmup_ratio: float = 0.03
    weight_decay: float = 0.0
    epochs: float = 1
    batch_size: int = 16
    gradient_accumulation: int = 1
    seed: int = 0
    gradient_checkpointing: bool = False
    shard: bool = False
    dataloader_workers: int = 0
    feature_cache_gib: float = 0.0
    checkpoint_minutes: float = 10.0
    report_to: str = OFF
    run_name: str = ""
    tracker_dir: str = ""

    @property
    def lora(self) -> dict[str, Any]:
        """peft's numbers."""
        return {"r": self.lora_r, "lora_alpha": self.lora_alpha, "lora_dropout": self.lora_dropout}


SPEED_ONLY = ("dataloader_workers", "feature_cache_gib", "checkpoint_minutes", "gradient_checkpointing",
              "report_to", "run_name", "tracker_dir")  # fmt: skip
"""Settings that change how fast, in how much memory and before whose eyes a training runs, not what comes out
of it.
"""

_NAMES = tuple(field.name for field in dataclasses.fields(Recipe))


def make_recipe(settings: dict[str, Any]) -> Recipe:
    """The recipe of some settings by name; an unknown or missing one, or tracker, raises `KitError`."""
    for name in settings:
        if name not in _NAMES:
            raise unknown_name("training setting", name, _NAMES)
    if "learning_rate" not in settings:
        raise KitError("training needs a learning_rate; give train(..., learning_rate=1e-4)")
    tracker_names(settings.get("report_to", OFF))
    return Recipe(**settings)
