"""Fine-tuning a student: NF4 + LoRA on `transformers.Trainer`; the adapter is saved whole."""

import dataclasses
import functools
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import models  # before torch: it sets what torch reads when imported

# isort: split
import torch
from safetensors import SafetensorError

from .. import files
from ..errors import KitError
from ..models import OpenImage
from ..models.checkpoint import quiet, save_adapter
from ..models.image_text import ImageTextStudent
from ..models.learning import AnswerLoss, Collator, encode_examples, plan_batches
from ..trackers import tracking
from .adapter import attach_lora, make_optimiser, trained
from .checkpoints import Checkpoints, check_disk, mark_of, prepare_folder
from .feature_cache import use_cache
from .log import GIB, LogLine, StepLog
from .pictures import Pictures, summary_of
from .ranks import Ranks
from .recipe import Recipe, make_recipe
from .sharding import peft_names, shard, whole_weights
from .shares import OpenShare, examples_seen, make_shares
from .trainer import KitTrainer, SaveEvery, make_arguments

if TYPE_CHECKING:
    from ..instruction_data import Example

__all__ = ["Recipe", "attach_lora", "train"]


def train(
    student: str,
    examples: Sequence["Example"],
    *,
    open_image: OpenImage,
    out_dir: Path,
    start_adapter: Path | None = None,
    n_processes: int = 1,
    feature_dir: Path | None = None,
    image_root: Path | None = None,
    log_path: Path | None = None,
    on_log: Callable[[LogLine], None] | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Train an adapter for `student` on `examples`, save it whole in `out_dir`, and return a summary.

    `settings` are the fields of `Recipe`. The vision tower is frozen and runs once an image; examples of one
    image share its tokens under a block mask. One line a step (see `StepLog`) goes to `log_path` (JSONL) and
    to `on_log`. Same settings, machine and threads: the same adapter, also when a run was killed: called
    again with the same arguments, it goes on from the last checkpoint in `out_dir`. `n_processes` above 1
    starts as many, one a GPU (see `processes`). Vision features are kept in `feature_dir`, as far as
    `feature_cache_gib` allows; relative image references count from `image_root`. Images that cannot be read
    are left out and counted in the summary. Raises `KitError` for no examples, an unknown setting or layer, a
    checkpoint or adapter that does not fit, too many unreadable images, a full disk or a full GPU.
    """
    recipe, out_dir = make_recipe(settings), Path(out_dir)
    if not examples:
        raise KitError(
            "no examples to train on; run notebook 05_generate first, or set replay_samples above 0"
        )
    if n_processes > 1:
        from ..processes import train_in_processes

        return train_in_processes(
            n_processes, student, examples, open_image=open_image, out_dir=out_dir,
            start_adapter=start_adapter, feature_dir=feature_dir, image_root=image_root, log_path=log_path,
            on_log=on_log, settings=settings,
        )  # fmt: skip
    ranks = Ranks()
    mark = mark_of(student, examples, start_adapter, recipe, ranks.n)
    checkpoints = Checkpoints.of(out_dir, mark)
    ranks.first(lambda: prepare_folder(out_dir, checkpoints))
    recipe = dataclasses.replace(recipe, shard=recipe.shard and ranks.n > 1)
    learner = models.load(student, quantise=recipe.quantise, dtype=recipe.dtype, device=ranks.device)
    adapter = _make_trainable(learner, recipe, start_adapter)
    n_trained = sum(value.numel() for _, value in trained(adapter))
    check_disk(out_dir, n_trained, keeps_checkpoints=recipe.checkpoint_minutes > 0)
    paths = [checkpoints.log, *([Path(log_path)] if log_path else [])] if ranks.index == 0 else []
    tracker_dir = Path(recipe.tracker_dir) if recipe.tracker_dir else None
    with tracking(recipe.report_to, tracker_dir, recipe.run_name):
        trainer = _make_trainer(learner, examples, recipe, ranks.n, open_image, checkpoints, paths, on_log)
        if feature_dir is not None and recipe.feature_cache_gib > 0:
            limit = int(recipe.feature_cache_gib * GIB / ranks.n)
            use_cache(learner, Path(feature_dir), limit, image_root, trainer.pictures.failed)
        _run(trainer, checkpoints, student, recipe, ranks)
    weights = peft_names(whole_weights(trainer.model_wrapped)) if recipe.shard else None
    ranks.first(lambda: _save(adapter, student, out_dir, weights))
    return {**trainer.log_lines.summary(), **summary_of(ranks.merge(trainer.pictures.failed))}


def _make_trainable(learner: ImageTextStudent, recipe: Recipe, start_adapter: Path | None) -> Any:
    """The student's peft model, ready to be trained."""
    torch.manual_seed(recipe.seed)
    adapter = attach_lora(learner, start_adapter, recipe.lora_targets, recipe.train_projector, recipe.lora)
    if recipe.gradient_checkpointing:
        learner.model.activation_checkpointing_enable({"use_reentrant": False})
    return adapter


def _make_trainer(
    learner: ImageTextStudent,
    examples: Sequence["Example"],
    recipe: Recipe,
    n_processes: int,
    open_image: OpenImage,
    checkpoints: Checkpoints,
    paths: Sequence[Path],
    on_log: Callable[[LogLine], None] | None,
) -> KitTrainer:
    """Trainer over the planned batches; each of its items is one process's share of a batch."""
    rows = encode_examples(learner, examples)
    batches = plan_batches(rows, batch_size=recipe.batch_size, epochs=recipe.epochs, seed=recipe.seed)
    log = StepLog(examples_seen(batches, recipe.gradient_accumulation), len(examples), paths, on_log)
    pictures = Pictures(open_image, len({example.image for example in examples} - {""}))
    rates = (recipe.learning_rate, recipe.projector_learning_rate, recipe.weight_decay)
    with quiet():
        return KitTrainer(
            AnswerLoss(learner.model, learner.features.projector),
            args=make_arguments(checkpoints.folder, recipe, bfloat16=learner.model.dtype == torch.bfloat16),
            data_collator=OpenShare(open_image if recipe.dataloader_workers else None),
            train_dataset=make_shares(batches, n_processes),
            callbacks=[log, SaveEvery(recipe.checkpoint_minutes)],
            optimizers=(make_optimiser(learner, *rates), None),
            collate=Collator(learner, pictures),
            pictures=pictures,
            log_lines=log,
            checkpoints=checkpoints,
            shard=_shard_of(learner) if recipe.shard else None,
        )


def _shard_of(learner: ImageTextStudent) -> Callable[[torch.nn.Module], torch.nn.Module]:
    return functools.partial(shard, language_model=learner.family.language_model, device=learner.device)


def _run(
    trainer: KitTrainer, checkpoints: Checkpoints, student: str, recipe: Recipe, ranks: Ranks
) -> None:
    """Train from the newest checkpoint, or from the start."""
    newest = checkpoints.newest()
    lines, failed = checkpoints.read(newest) if newest else ([], {})
    trainer.log_lines.restore(lines)
    trainer.pictures.failed.update(failed)
    try:
        with quiet():
            trainer.train(resume_from_checkpoint=str(newest) if newest else None)
    except torch.OutOfMemoryError as error:
        raise _memory_is_full(trainer.state.global_step + 1, student, recipe, ranks) from error


def _memory_is_full(step: int, student: str, recipe: Recipe, ranks: Ranks) -> KitError:
    """What to say and to suggest when the GPU was full."""
    from ..planner import suggestion
    from ..profiles import FIELDS, load_profile

    total = torch.cuda.mem_get_info()[1] / GIB if torch.cuda.is_available() else 0.0
    fields = {name: value for name, value in vars(recipe).items() if name in FIELDS}
    profile = load_profile(
        "llava15",
        {**fields, "student": student, "train_batch_size": recipe.batch_size, "num_processes": ranks.n},
    )
    return KitError(
        f"the GPU's memory ({total:.0f} GiB) was full in step {step}, at train_batch_size "
        f"{recipe.batch_size} on {ranks.n} processes; the planner suggests: {suggestion(profile, total)}"
    )


def _save(adapter: Any, student: str, out_dir: Path, weights: dict[str, Any] | None) -> None:
    """Put the finished adapter in the place of its checkpoints, whole or not at all."""
    part = files.part_of(out_dir)
    try:
        save_adapter(adapter, student, part, weights)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(part, ignore_errors=True)
        raise KitError(
            f"the adapter cannot be written to {part} ({error}); free the disk and run the training again: "
            "it goes on from its last checkpoint"
        ) from error
    files.move_folder(part, out_dir)
