"""Training in three forms an image: one sequence an image against separate ones, and against SFTTrainer."""

import contextlib
import io
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from dataengine_utils import models

# isort: split
import torch
from PIL.Image import Image

from dataengine_utils import training
from dataengine_utils.errors import KitError
from dataengine_utils.instruction_data import Example, examples_from_samples
from dataengine_utils.models.checkpoint import quiet
from dataengine_utils.models.learning import encode_examples, plan_batches
from dataengine_utils.models.packing import Row
from dataengine_utils.models.wording import full_prompt, prompt
from dataengine_utils.training import attach_lora, train
from tests.bench.plain_llava import bare_step, pixels_of
from tests.bench.small_llava import FAMILY, make_samples, noise_picture
from tests.bench.timing import Line, quickest, timed

FORMS = ("direct", "choice", "shuffled")
SETTINGS = {
    "learning_rate": 2e-4,
    "lora_r": 16,
    "lora_alpha": 32,
    "lora_dropout": 0.0,
    "warmup_ratio": 0.0,
    "train_projector": False,
    "quantise": "none",
    "checkpoint_minutes": 0.0,
}


@dataclass(frozen=True)
class TrainingSize:
    """Samples (one an image, each in three forms), examples in a batch, and the best of `rounds`."""

    n_samples: int = 12
    batch_size: int = 12
    pixels: int = 336
    rounds: int = 2


@dataclass(frozen=True)
class Run:
    """One training: processor seconds from the first picture to the end, and each step's loss (nats)."""

    spent: float
    losses: tuple[float, ...]


def bench_training(folder: Path, size: TrainingSize) -> tuple[list[Line], list[str]]:
    """`train()` with an image's forms in one sequence, against one sequence a form and against SFTTrainer.

    All see the same batches in the same order, and start from the same LoRA. Where TRL is not installed a
    note says so.
    """
    examples, pictures = make_examples(size), _pictures(size)
    shared = _quickest(lambda: run_kit(folder, examples, pictures, size), size)
    with separate_sequences():
        others = {"separate sequences": _quickest(lambda: run_kit(folder, examples, pictures, size), size)}
    missing = []
    try:
        check_trl()
        others["TRL's SFTTrainer"] = _quickest(lambda: run_trl(folder, examples, pictures, size), size)
    except KitError as error:
        missing = [str(error)]
    bound = bare_training_seconds(folder, examples, pictures, size)
    names = {name: f"train(), {len(FORMS)} forms an image, shared against {name}" for name in others}
    lines = [
        Line(names[name], shared.spent, run.spent, run.spent / shared.spent, "at least 1.8", bound)
        for name, run in others.items()
    ]
    speed = f"train(), shared: {len(examples) / shared.spent:.2f} samples a processor second"
    return lines, [speed, *(_losses(names[name], shared, run) for name, run in others.items()), *missing]


def check_trl() -> None:
    """Raise `KitError` with the command where TRL or what it needs for pictures is not installed."""
    for name in ("trl", "datasets"):
        try:
            __import__(name)
        except ImportError as error:
            raise KitError(
                f"{name} is not installed, so SFTTrainer is not compared: pip install {name}"
            ) from error


def make_examples(size: TrainingSize) -> list[Example]:
    """Every sample in the three forms."""
    return examples_from_samples(make_samples(size.n_samples), FORMS, seed=0)


def run_kit(
    folder: Path, examples: Sequence[Example], pictures: dict[str, Image], size: TrainingSize
) -> Run:
    """One epoch of `train()`; loading the student is left out of the time."""
    started: list[float] = []
    losses: list[float] = []

    def open_picture(reference: str) -> Image:
        started.append(time.process_time())
        return pictures[reference]

    with tempfile.TemporaryDirectory() as name:
        train(
            str(folder),
            examples,
            open_image=open_picture,
            out_dir=Path(name) / "adapter",
            on_log=lambda line: losses.append(line["loss"]),
            batch_size=size.batch_size,
            **SETTINGS,
        )
        return Run(time.process_time() - started[0], tuple(losses))


@contextlib.contextmanager
def separate_sequences() -> Iterator[None]:
    """The kit with the same batches, each example in a sequence of its own; the tower still runs once."""

    def plan(rows: Sequence[Row], **options: Any) -> list[list[Row]]:
        return [
            [
                Row(row.image, (item,), (key,))
                for row in batch
                for item, key in zip(row.questions, row.keys, strict=True)
            ]
            for batch in plan_batches(rows, **options)
        ]

    with mock.patch.object(training, "plan_batches", plan):
        yield


def run_trl(
    folder: Path, examples: Sequence[Example], pictures: dict[str, Image], size: TrainingSize
) -> Run:
    """The same batches in the same order by SFTTrainer, from the same LoRA, with its own collator.

    Prompt and completion are the kit's texts, so the loss is on the same tokens: SFTTrainer masks the prompt
    of prompt-completion data. Gradient checkpointing, which it switches on by itself, is off as in `train()`.
    """
    learner, adapter = _trainable(folder)
    with tempfile.TemporaryDirectory() as name, quiet(), contextlib.redirect_stdout(io.StringIO()):
        trainer = _sft_trainer(adapter, learner, examples, pictures, Path(name), size)
        spent, _ = timed(trainer.train)
    losses = [line["loss"] for line in trainer.state.log_history if "loss" in line]
    return Run(spent, tuple(losses))


def _sft_trainer(
    adapter: Any,
    learner: models.Student,
    examples: Sequence[Example],
    pictures: dict[str, Image],
    folder: Path,
    size: TrainingSize,
) -> Any:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    order = [key for batch in _plan(learner, examples, size) for row in batch for key in row.keys]
    tokenizer = learner.encoder.processor.tokenizer
    rows = [_prompt_and_completion(examples[key], pictures, tokenizer) for key in order]
    return SFTTrainer(
        adapter,
        args=SFTConfig(
            output_dir=str(folder),
            num_train_epochs=1,
            per_device_train_batch_size=size.batch_size,
            train_sampling_strategy="sequential",
            learning_rate=SETTINGS["learning_rate"],
            lr_scheduler_type="cosine",
            warmup_steps=SETTINGS["warmup_ratio"],
            weight_decay=0.0,
            optim="adamw_torch_fused",
            bf16=False,
            gradient_checkpointing=False,
            max_length=None,
            use_cpu=not torch.cuda.is_available(),
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=learner.encoder.processor,
    )


def _prompt_and_completion(example: Example, pictures: dict[str, Image], tokenizer: Any) -> dict[str, Any]:
    text = full_prompt(prompt(example.question, example.options, example.form, FAMILY), FAMILY)
    return {
        "images": [pictures[example.image]],
        "prompt": f"{tokenizer.bos_token}{text}",
        "completion": f"{FAMILY.separator}{example.answer}{tokenizer.eos_token}",
    }


def bare_training_seconds(
    folder: Path, examples: Sequence[Example], pictures: dict[str, Image], size: TrainingSize
) -> float:
    """Seconds of a bare forward and backward pass over each planned batch; tensors are prepared."""
    learner, adapter = _trainable(folder)
    adapter.train()
    inputs = []
    for batch in _plan(learner, examples, size):
        pixels = pixels_of(learner.encoder.processor, [pictures[row.image] for row in batch])
        inputs.append((learner.prepare(batch, pictures.__getitem__)[1], pixels))

    def steps() -> None:
        for packed, pixels in inputs:
            bare_step(learner.model, packed, pixels)

    return quickest(lambda: timed(steps), size.rounds)[0]


def _trainable(folder: Path) -> tuple[Any, Any]:
    """The student and its peft model, with the LoRA that `train()` starts from."""
    learner = models.load(str(folder), quantise=SETTINGS["quantise"])
    torch.manual_seed(0)
    lora = {"r": SETTINGS["lora_r"], "lora_alpha": SETTINGS["lora_alpha"], "lora_dropout": 0.0}
    return learner, attach_lora(learner, None, "all-linear", SETTINGS["train_projector"], lora)


def _plan(learner: Any, examples: Sequence[Example], size: TrainingSize) -> list[list[Row]]:
    """The batches that `train()` makes."""
    return plan_batches(encode_examples(learner, examples), batch_size=size.batch_size, epochs=1, seed=0)


def _pictures(size: TrainingSize) -> dict[str, Image]:
    return {one.image: noise_picture(one.image, size.pixels) for one in make_samples(size.n_samples)}


def _quickest(run: Callable[[], Run], size: TrainingSize) -> Run:
    return min((run() for _ in range(size.rounds)), key=lambda one: one.spent)


def _losses(what: str, ours: Run, theirs: Run) -> str:
    far = max(abs(one - other) for one, other in zip(ours.losses, theirs.losses, strict=True))
    return (
        f"{what}: loss {ours.losses[0]:.5f} -> {ours.losses[-1]:.5f} against {theirs.losses[0]:.5f} -> "
        f"{theirs.losses[-1]:.5f} in {len(ours.losses)} steps, which differ by at most {far:.1e} nats"
    )
