"""Fine-tuning a student: NF4 + LoRA on `transformers.Trainer`; the adapter is saved whole."""

import itertools
import json
import re
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import models  # before torch: it sets what torch reads when imported

# isort: split
import torch
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from . import files
from .errors import KitError
from .models import OpenImage
from .models.checkpoint import attach_adapter, quiet, save_adapter
from .models.image_text import ImageTextStudent
from .models.learning import AnswerLoss, Collator, encode_examples, plan_batches
from .models.packing import Row

if TYPE_CHECKING:
    from .instruction_data import Example

LOG_EVERY = 10


def train(
    student: str,
    examples: Sequence["Example"],
    *,
    open_image: OpenImage,
    out_dir: Path,
    learning_rate: float,
    start_adapter: Path | None = None,
    quantise: str = "nf4",
    lora_r: int = 128,
    lora_alpha: int = 256,
    lora_dropout: float = 0.05,
    lora_targets: str = "all-linear",
    train_projector: bool = True,
    projector_learning_rate: float = 2e-5,
    warmup_ratio: float = 0.03,
    weight_decay: float = 0.0,
    epochs: float = 1,
    batch_size: int = 16,
    gradient_accumulation: int = 1,
    seed: int = 0,
    log_path: Path | None = None,
    on_log: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Train an adapter for `student` on `examples`, save it whole in `out_dir`, and return a summary.

    LoRA sits on the language model's linear layers (`lora_targets`: "all-linear", or layer names such as
    "q_proj,v_proj"); the projector is trained fully at its own rate and saved with the adapter; the vision
    tower is frozen and runs once an image. `batch_size` counts examples; examples of one image share its
    tokens under a block mask. The rates fall by a cosine after a linear warm-up. One line every ten steps
    goes to `log_path` (JSONL: step, epoch, loss per answer token, lr, samples_per_s) and to `on_log`. Same
    seed, machine and threads: the same adapter. Raises `KitError` for no examples, an unknown layer, or a
    checkpoint or adapter that does not fit.
    """
    if not examples:
        raise KitError(
            "no examples to train on; run notebook 05_generate first, or set replay_samples above 0"
        )
    out_dir = _free_folder(Path(out_dir))
    learner = models.load(student, quantise=quantise)
    torch.manual_seed(seed)
    adapter = attach_lora(
        learner,
        start_adapter,
        lora_targets,
        train_projector,
        {"r": lora_r, "lora_alpha": lora_alpha, "lora_dropout": lora_dropout},
    )
    rows = encode_examples(learner, examples)
    batches = plan_batches(rows, batch_size=batch_size, epochs=epochs, seed=seed)
    log = _Log(batches, gradient_accumulation, len(examples), log_path, on_log)
    optimiser = _optimiser(learner, learning_rate, projector_learning_rate, weight_decay)
    with quiet():
        trainer = Trainer(
            AnswerLoss(learner.model, learner.features.projector),
            data_collator=Collator(learner, open_image),
            args=_arguments(out_dir, seed, learning_rate, warmup_ratio, gradient_accumulation),
            train_dataset=batches,
            callbacks=[log],
            optimizers=(optimiser, None),
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    part = files.part_of(out_dir)
    save_adapter(adapter, student, part)
    files.move_folder(part, out_dir)
    return log.summary()


def attach_lora(
    learner: ImageTextStudent, start: Path | None, targets: str, train_projector: bool, lora: dict[str, Any]
) -> Any:
    """The trainable peft model: a new LoRA (and projector), or the adapter `start` to go on from."""
    from peft import LoraConfig, get_peft_model

    if start is not None:
        adapter = attach_adapter(learner.model, learner.name, Path(start), trainable=True)
    else:
        projector = [learner.family.projector.rpartition(".")[2]] if train_projector else None
        config = LoraConfig(
            **lora, target_modules=_target_pattern(learner, targets), modules_to_save=projector
        )
        with quiet():
            adapter = get_peft_model(learner.model, config)
        adapter.peft_config["default"].base_model_name_or_path = learner.name
    if not train_projector:
        learner.features.projector.requires_grad_(False)
    for value in adapter.parameters():
        if value.requires_grad:
            value.data = value.data.float()  # small steps would be lost in bfloat16
    return adapter


def _target_pattern(learner: ImageTextStudent, targets: str) -> str:
    """A pattern for peft: the wanted linear layers of the language model (a set would lose its order)."""
    path = learner.family.language_model
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


def _optimiser(
    learner: ImageTextStudent, rate: float, projector_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    """AdamW with the projector at its own rate."""
    projector = [value for value in learner.features.projector.parameters() if value.requires_grad]
    known = {id(value) for value in projector}
    lora = [value for value in learner.model.parameters() if value.requires_grad and id(value) not in known]
    groups = [{"params": lora, "lr": rate}, {"params": projector, "lr": projector_rate}]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], weight_decay=weight_decay, fused=True
    )


def _arguments(
    out_dir: Path, seed: int, learning_rate: float, warmup_ratio: float, accumulation: int
) -> TrainingArguments:
    """Trainer's settings; its one "epoch" is the whole plan, and one of its "items" is one batch."""
    return TrainingArguments(
        output_dir=str(files.part_of(out_dir)),
        num_train_epochs=1,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=accumulation,
        train_sampling_strategy="sequential",
        learning_rate=learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=warmup_ratio,
        seed=seed,
        logging_steps=LOG_EVERY,
        save_strategy="no",
        logging_first_step=True,
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
    )


def _free_folder(folder: Path) -> Path:
    """The folder for a new adapter, after checking that nothing but an older adapter would be replaced."""
    if folder.exists() and not (folder / "adapter_config.json").is_file():
        raise KitError(f"{folder} exists and holds no adapter; choose another folder for the adapter")
    for left in (files.part_of(folder), files.old_of(folder)):  # by a training that was killed
        shutil.rmtree(left, ignore_errors=True)
    if not folder.parent.is_dir():
        raise KitError(f"the folder {folder.parent} for the adapter does not exist; create it first")
    return folder


class _Log(TrainerCallback):
    """Turns Trainer's log events into JSON lines, and keeps them for the summary."""

    def __init__(
        self,
        batches: list[list[Row]],
        accumulation: int,
        n_examples: int,
        path: Path | None,
        listener: Callable[[dict[str, Any]], None] | None,
    ):
        counts = [sum(len(row.keys) for row in batch) for batch in batches]
        totals = [0, *itertools.accumulate(counts)]
        self._seen = [*totals[:-1:accumulation], totals[-1]]
        self._n_examples, self._path, self._listener = n_examples, path, listener
        self._lines: list[dict[str, Any]] = []
        self._start = self._last = time.perf_counter()
        if path is not None:
            Path(path).write_text("", encoding="utf-8")

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock."""
        self._start = self._last = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Ask for a line at the last step too."""
        control.should_log = control.should_log or state.global_step == state.max_steps

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        """Write one line."""
        if not logs or "loss" not in logs:
            return
        now, before = time.perf_counter(), self._lines[-1]["step"] if self._lines else 0
        samples = self._seen[state.global_step] - self._seen[before]
        line = {
            "step": state.global_step,
            "epoch": round(self._seen[state.global_step] / self._n_examples, 4),
            "loss": round(float(logs["loss"]), 6),
            "lr": float(logs["learning_rate"]),
            "samples_per_s": round(samples / max(now - self._last, 1e-9), 1),
        }
        self._last = now
        self._lines.append(line)
        if self._path is not None:
            with Path(self._path).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        if self._listener is not None:
            self._listener(line)

    def summary(self) -> dict[str, Any]:
        """What a notebook shows of a finished training; `seconds` counts the steps alone."""
        seconds = time.perf_counter() - self._start
        return {
            "examples": self._n_examples,
            "steps": len(self._seen) - 1,
            "first_loss": self._lines[0]["loss"],
            "last_loss": self._lines[-1]["loss"],
            "seconds": round(seconds, 1),
            "samples_per_s": round(self._seen[-1] / seconds, 1),
        }
