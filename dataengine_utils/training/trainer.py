"""transformers' Trainer over planned batches, with checkpoints that are whole or not there."""

import itertools
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .. import models  # noqa: F401  (before torch: it sets what torch reads when imported)

# isort: split
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import distributed
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from ..errors import KitError
from ..models.learning import Collator
from ..trackers import PROJECT_NAME, tracker_names
from .adapter import trained
from .checkpoints import KEPT, Checkpoints
from .log import StepLog
from .pictures import Pictures
from .recipe import Recipe
from .sharding import clip_gradients, optimiser_file, whole_weights
from .shares import Share

WEIGHTS = "trained.safetensors"
IGNORED = -100
"""The label that cross entropy leaves out."""


class KitTrainer(Trainer):
    """Trainer that packs shares of batches itself, and saves only what is trained."""

    def __init__(
        self,
        *args: Any,
        collate: Collator,
        pictures: Pictures,
        log_lines: StepLog,
        checkpoints: Checkpoints,
        shard: Callable[[torch.nn.Module], torch.nn.Module] | None = None,
        **options: Any,
    ):
        super().__init__(*args, **options)
        self.remove_callback(PrinterCallback)
        self.pictures, self.log_lines = pictures, log_lines
        self._collate, self._checkpoints, self._shard = collate, checkpoints, shard

    def get_batch_samples(
        self, epoch_iterator: Iterator[Share], num_batches: int, device: torch.device
    ) -> tuple[list[dict[str, torch.Tensor]], torch.Tensor | int | None]:
        """Tensors of the next shares, and the number of answer tokens in them over all processes."""
        batches = [self._pack(share) for share in itertools.islice(epoch_iterator, num_batches)]
        n_tokens = self._get_num_items_in_batch(batches, device)
        return batches, n_tokens.clamp(min=1) if torch.is_tensor(n_tokens) else n_tokens

    def _pack(self, share: Share) -> dict[str, torch.Tensor]:
        """One share as tensors; examples without a picture, and muted ones, have no labels left."""
        self.pictures.add(share.opened)
        batch = self._collate([list(share.rows)])
        left_out = [share.muted or row.image in self.pictures.failed for row in share.rows]
        gone = [out for row, out in zip(share.rows, left_out, strict=True) for _ in range(row.n_answers())]
        if any(gone):
            batch["labels"] = batch["labels"].masked_fill(torch.tensor(gone)[batch["owners"]], IGNORED)
        self.log_lines.count(int((batch["input_ids"] != self._collate.learner.pad_id).sum()))
        return batch

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        """Write a checkpoint; it counts once all processes have written their part and it is sealed."""
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        try:
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                self._checkpoints.seal(folder, self.log_lines.lines, self.pictures.failed)
        except torch.OutOfMemoryError:
            raise
        except (OSError, RuntimeError, SafetensorError, KitError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise KitError(
                f"the checkpoint of step {self.state.global_step} cannot be written to {folder.parent} "
                f"({error}); free the disk and run the training again: it goes on from its last checkpoint"
            ) from error

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save the trained weights alone; the base is where it was. All processes take part."""
        weights, folder = whole_weights(self.model_wrapped), Path(output_dir)
        if self.args.should_save:
            folder.mkdir(parents=True, exist_ok=True)
            save_file({_bare(name): value.contiguous() for name, value in weights.items()}, folder / WEIGHTS)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Put the trained weights back."""
        saved = load_file(Path(resume_from_checkpoint) / WEIGHTS)
        with torch.no_grad():
            for name, value in trained(self.model):
                value.copy_(saved[name])

    def _wrap_model(self, model: torch.nn.Module, training: bool = True, dataloader: Any = None) -> Any:
        """Divide the model between the processes where that is wanted; DDP is accelerate's."""
        if self._shard is None or model is not self.model:
            return super()._wrap_model(model, training, dataloader)
        return self._shard(model)

    def _clip_grad_norm(self, model: torch.nn.Module) -> torch.Tensor:
        """Clip over all processes' parts."""
        if self._shard is None:
            return super()._clip_grad_norm(model)
        return clip_gradients(model, self.args.max_grad_norm)

    def autocast_smart_context_manager(self, cache_enabled: bool | None = True) -> Any:
        """Mixed precision for a model that accelerate has not wrapped."""
        mine = self._shard is not None
        return self.accelerator.autocast() if mine else super().autocast_smart_context_manager()

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        """Save both; of a divided model each process its own part of the optimiser's state."""
        super()._save_optimizer_and_scheduler(output_dir)
        if self._shard is not None:
            Path(output_dir).mkdir(parents=True, exist_ok=True)
            torch.save(self.optimizer.state_dict(), Path(output_dir, optimiser_file(self.args.process_index)))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """Load both."""
        super()._load_optimizer_and_scheduler(checkpoint)
        if self._shard is not None and checkpoint is not None:
            own = Path(checkpoint, optimiser_file(self.args.process_index))
            state = torch.load(own, map_location=lambda storage, _: storage, weights_only=True)
            self.optimizer.load_state_dict(state)


def _bare(name: str) -> str:
    """A weight's name without DDP's prefix."""
    return name.removeprefix("module.")


class SaveEvery(TrainerCallback):
    """Asks for a checkpoint when `minutes` have passed since the last; 0 for none. All processes agree."""

    def __init__(self, minutes: float):
        self._seconds = 60 * minutes
        self._last = time.monotonic()

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock."""
        self._last = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Look at the clock, of the first process where there are several."""
        if not self._seconds or state.global_step == state.max_steps:
            return
        due = time.monotonic() - self._last >= self._seconds
        if args.world_size > 1:
            flag = torch.tensor([due], dtype=torch.int32, device=args.device)
            distributed.broadcast(flag, 0)
            due = bool(flag.item())
        if due:
            control.should_save, self._last = True, time.monotonic()


def make_arguments(folder: Path, recipe: Recipe, *, bfloat16: bool) -> TrainingArguments:
    """Trainer's settings; its one "epoch" is the whole plan, and one of its "items" a share of a batch."""
    on_gpu = torch.cuda.is_available()
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=1,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=recipe.gradient_accumulation,
        train_sampling_strategy="sequential",
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=recipe.warmup_ratio,
        seed=recipe.seed,
        bf16=bfloat16,
        use_cpu=not on_gpu,
        ddp_backend=None if on_gpu or not distributed.is_initialized() else "gloo",
        ddp_find_unused_parameters=False,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        save_total_limit=KEPT,
        report_to=tracker_names(recipe.report_to) or "none",
        run_name=recipe.run_name or None,
        project=PROJECT_NAME,
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_num_workers=recipe.dataloader_workers,
        dataloader_pin_memory=False,
    )
