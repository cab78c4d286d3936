"""`python -m tests.bench.memory --out docs/memory.md`: the memory planner's formulas against what a training
allocates, on a CPU.

PyTorch's profiler sees every block that its allocator hands out. The kit's own `train` runs on small random
students of every family; the fullest moment of its second and third step is compared with the prediction.
"""

import argparse
import gc
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataengine_utils import models

# isort: split
import torch
from torch.profiler import ProfilerActivity, profile

from dataengine_utils import files
from dataengine_utils.instruction_data import Example
from dataengine_utils.memory import (
    FRAGMENTATION,
    GIB,
    RESERVED_GIB,
    Load,
    Shape,
    memory_of,
    picture_load,
    shape_of,
)
from dataengine_utils.models.checkpoint import family_of_checkpoint, quiet, read_config
from dataengine_utils.models.learning import encode_examples
from dataengine_utils.models.vision import Picture
from dataengine_utils.training import train
from tests import tiny_families
from tests.bench.markdown import markdown
from tests.bench.small_llava import noise_picture

MIB = 2**20
LORA_R = 16
CPU_MASK = 4
"""A CPU keeps dropout's masks as float32, a GPU as one byte a number."""
GROWN = {"num_hidden_layers": 6, "hidden_size": 256, "intermediate_size": 688, "num_attention_heads": 16,
         "num_key_value_heads": 8, "head_dim": 16, "vocab_size": 8000}  # fmt: skip
"""The language models' sizes: large enough that activations outweigh bookkeeping, with grouped keys."""


@dataclass(frozen=True)
class Case:
    """One training: which student, and the settings that change its memory. `rows` is the micro-batch."""

    family: str = "llava"
    rows: int = 4
    checkpointing: bool = False
    quantise: str = "nf4"
    dtype: str = "bfloat16"
    dropout: float = 0.05
    accumulation: int = 1
    answer_words: int = 3

    @property
    def weights(self) -> str:
        """In what the weights are."""
        return "NF4, bf16" if self.quantise == "nf4" else self.dtype


CASES = (
    *(Case(rows=rows, checkpointing=again) for again in (False, True) for rows in (1, 2, 4, 8)),
    *(Case(quantise="none", dtype=dtype, checkpointing=again)
      for dtype in ("bfloat16", "float32") for again in (False, True)),
    Case(dropout=0.0), Case(dropout=0.0, quantise="none", dtype="float32"),
    Case(rows=1, checkpointing=True, accumulation=4), Case(checkpointing=True, answer_words=120),
    *(Case(family, checkpointing=again) for family in tiny_families.NAMES[1:] for again in (False, True)),
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """A case with bytes, predicted and measured: there before the step, and on top at its fullest moment."""

    case: Case
    tokens: int
    predicted_base: float
    predicted_step: float
    base: float
    step: float

    @property
    def error(self) -> float:
        """Of the predicted peak, as a share of the measured one."""
        return (self.predicted_base + self.predicted_step) / (self.base + self.step) - 1


class StepMeter:
    """A listener for `train(on_log=)`: what tensors hold after its first step, and the most until its third.

    What others held before the training does not count, nor do picture features: on a GPU they wait in the
    CPU's memory.
    """

    def __init__(self) -> None:
        self.base = 0
        self.step = 0
        self._others = held_by_tensors()
        self._profile = profile(activities=[ProfilerActivity.CPU], profile_memory=True)

    def __call__(self, line: dict[str, Any]) -> None:
        """Start after step 1, stop after step 3."""
        if line["step"] == 1:
            self.base = held_by_tensors() - self._others
            self._profile.start()
        elif line["step"] == 3:
            self._profile.stop()
            self.step = most_allocated(self._profile)


def held_by_tensors() -> int:
    """Bytes of all tensors' storages, without picture features."""
    gc.collect()
    everything = gc.get_objects()
    storages = {}
    for one in everything:
        if issubclass(type(one), torch.Tensor) and one.device.type == "cpu":
            storage = one.untyped_storage()
            storages[storage._cdata] = storage.nbytes()
    return sum(storages.values()) - sum(one.n_bytes() for one in everything if type(one) is Picture)


def most_allocated(recorded: profile) -> int:
    """The most bytes that were allocated at once while the profiler ran."""
    events = [event for event in recorded.profiler.kineto_results.events() if event.name() == "[memory]"]
    now = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    return most


def build_student(family: str, folder: Path, layers: int = GROWN["num_hidden_layers"]) -> Path:
    """A random student of the family whose language model has the sizes of `GROWN` and so many layers."""
    config, processor = tiny_families.BUILDERS[family]()
    text = {key: value for key, value in config.text_config.to_dict().items() if key != "layer_types"}
    config.text_config = type(config.text_config)(**(text | GROWN | {"num_hidden_layers": layers}))
    if hasattr(config.vision_config, "out_hidden_size"):
        config.vision_config.out_hidden_size = GROWN["hidden_size"]
    return tiny_families.save(config, processor, folder)


def measure(case: Case, checkpoint: Path, folder: Path) -> Line:
    """Train for three steps, each on new rows about pictures that were seen in the first."""
    n = case.rows * case.accumulation
    answer = " ".join(["red"] * case.answer_words)
    examples = [
        Example(f"noise:{number}", "What colour is the cat, seen from the dog?", (), answer, "short")
        for number in range(n)
    ]
    predicted, meter = predict(case, checkpoint, examples), StepMeter()
    train(
        str(checkpoint),
        examples,
        open_image=noise_picture,
        out_dir=folder,
        on_log=meter,
        learning_rate=1e-4,
        lora_r=LORA_R,
        lora_dropout=case.dropout,
        quantise=case.quantise,
        dtype=case.dtype,
        batch_size=case.rows,
        gradient_accumulation=case.accumulation,
        epochs=3,
        gradient_checkpointing=case.checkpointing,
        checkpoint_minutes=0,
    )
    return Line(case, *predicted, meter.base, meter.step)


def predict(case: Case, checkpoint: Path, examples: Sequence[Example]) -> tuple[int, float, float]:
    """Tokens of a row; bytes before a step and on top of them in it, by the planner's formulas."""
    learner = models.load(str(checkpoint), device="cpu")
    row = encode_examples(learner, examples)[0]
    shape = shape_of_student(str(checkpoint), learner.encoder.processor)
    load = Load(
        rows=case.rows,
        tokens=row.n_tokens() - 1 + shape.picture.tokens,
        answers=len(row.questions[0].answers[0]),
        lora_r=LORA_R,
        dropout=case.dropout > 0,
        width=2 if case.dtype == "bfloat16" else 4,
        mask=CPU_MASK,
        checkpointing=case.checkpointing,
        accumulating=case.accumulation > 1,
    )
    memory = memory_of(shape, load, quantise=case.quantise, projector=True)
    base = memory.weights + memory.adapter + memory.optimiser
    step = memory.activations / (1 + FRAGMENTATION)
    return load.tokens, base * GIB, step * GIB


def shape_of_student(name: str, processor: Any) -> Shape:
    """The sizes of a student of the bench, for the bench's pictures."""
    config = read_config(name)
    picture = picture_load(processor, config, noise_picture("").size)
    return shape_of(config, family_of_checkpoint(name, config).structure, "all-linear", picture)


def run(cases: Sequence[Case]) -> list[Line]:
    """Measure the cases one after the other."""
    with tempfile.TemporaryDirectory() as name, quiet():
        folder = Path(name)
        students = {
            family: build_student(family, folder / family)
            for family in dict.fromkeys(case.family for case in cases)
        }
        return [
            measure(case, students[case.family], folder / f"adapter_{number}")
            for number, case in enumerate(cases)
        ]


def table(lines: Sequence[Line]) -> str:
    """The comparison as a Markdown table, in MiB."""
    heading = ["student", "micro-batch x tokens", "weights", "dropout", "recomputing", "accumulated",
               "before a step: predicted", "measured", "in it: predicted", "measured", "error of the peak",
               "GPU"]  # fmt: skip
    rows = [
        [line.case.family, f"{line.case.rows} x {line.tokens}", line.case.weights, f"{line.case.dropout:g}",
         "yes" if line.case.checkpointing else "no", line.case.accumulation,
         *(f"{value / MIB:.1f}" for value in (
             line.predicted_base, line.base, line.predicted_step, line.step)),
         f"{line.error:+.1%}", "not measured"]
        for line in lines
    ]  # fmt: skip
    return markdown(heading, rows)


PAGE = """\
# The memory planner: predicted against measured

`python -m dataengine_utils.planner --profile llava15 --gpu-memory 24` predicts a training's memory from the
student's config and processor alone. This page compares its formulas (`dataengine_utils/memory.py`) with
what PyTorch allocates in the kit's own `train`; it is written by

    python -m tests.bench.memory --out docs/memory.md

**Measured on a CPU only; no GPU was at hand.** The students are random and small ({layers} layers,
{hidden} wide, LoRA r = {r} on all linear layers, the projector trained), of every family that the kit trains.
"Before a step" are all tensors after the first optimiser step: weights, LoRA, AdamW's moments. "In it" is
the fullest moment of the second and third step beyond that: activations, logits, gradients. It is the sum
of what PyTorch's allocator had handed out, seen by PyTorch's profiler: neither the interpreter nor the
allocator's unused blocks are in it. The predicted numbers are those of a GPU but for two: a CPU keeps
dropout's masks as float32 (a GPU: one byte a number), and the {fragmentation:.0%} that is added for a GPU's
fragmentation and the {reserved:g} GiB for CUDA itself are left out. All numbers are MiB.

{table}
Over the {n} rows the predicted peak differs from the measured one by {low:+.1%} to {high:+.1%}. The formulas
were corrected with this bench at hand, so the table says that they count what is allocated here, not that
they were right unseen.

What a CPU cannot tell is what differs on a GPU: its attention and 4-bit kernels' own work space,
fragmentation, and what CUDA keeps. `python -m tests.bench.gpu` measures that at full size: see
[gpu.md](gpu.md).
"""


def page(lines: Sequence[Line]) -> str:
    """The whole page."""
    errors = [line.error for line in lines]
    return PAGE.format(
        layers=GROWN["num_hidden_layers"], hidden=GROWN["hidden_size"], r=LORA_R,
        fragmentation=FRAGMENTATION, reserved=RESERVED_GIB, table=table(lines), n=len(lines),
        low=min(errors), high=max(errors),
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all cases; print the table, or write the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.memory", description=__doc__)
    parser.add_argument("--out", type=Path, help="write the page to this file")
    options = parser.parse_args(arguments)
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # the profiler counts the CPU's blocks
    lines = run(CASES)
    if options.out is None:
        print(table(lines))
    else:
        files.make_folder(options.out.parent)
        files.write_whole(options.out, page(lines))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
