"""What was measured, as JSON and as the page docs/gpu.md."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from dataengine_utils import files
from tests.bench.gpu import flops
from tests.bench.gpu.parts import NEW_TOKENS, SHARED, Measured
from tests.bench.gpu.run import Result
from tests.bench.markdown import markdown

JSON_FILE, PAGE_FILE = "gpu.json", "gpu.md"

PAGE = """\
# LLaVA-1.5-7B and MiniGPT4-v2 at full size on one GPU

    python -m tests.bench.gpu --out DIR

measures on one card of 80 GB, in under nine minutes, what the kit's training and evaluation take at full size
and in 4 bits, and writes `DIR/gpu.md` (this page with its table) and `DIR/gpu.json`. Nothing is downloaded:
both students are built from their published configs with random weights, which have the shapes and the speed
of the real ones but no skill, saved as checkpoints (16 GB of disk, one at a time; `--scratch` names the
folder) and read by the kit's own loading: the language model's linear layers in NF4 with double
quantisation, everything else in bfloat16. Their tokenizers are small ones, trained on the bench's own texts.
A part that would not end in the time that is left (`--seconds`) is skipped, and the table says so. Without a
CUDA GPU the command says that, writes nothing, and ends with exit code 0.

- **train**: optimiser steps with the LoRA and projector of the student's profile (`llava15`, `minigpt4_v2`),
  by the parts that the kit's `train` is made of; "recomputing" is gradient checkpointing. **train()** is the
  whole command at the profile's own settings.
- **choose**: `choose()` on questions with four options, ranked by their text. **answer**: `answer()`, greedy,
  {new_tokens} tokens.
- **a picture's questions**: 1, or up to {shared} about one picture, which then share its tokens. Every
  picture is new: opening it, its tower and its projector are in the time.
- **peak** is the most that tensors held, **predicted** what `dataengine_utils.planner` says of it from the
  config alone, **taken** what PyTorch's allocator had of the card. GiB.
- **MFU**, model FLOP utilisation: model FLOPs a second over the card's dense bf16 peak.

{flops}

{found}
"""

NONE_YET = """\
**No table is here yet: no GPU was at hand when this page was written.** Nothing has been measured, and no
number stands in for one that was not."""


def page(result: Result | None) -> str:
    """The page; without a result it says that there is none."""
    formula = flops.__doc__.split("\n\n", 1)[1].strip()
    found = NONE_YET if result is None else _found(result)
    return PAGE.format(new_tokens=NEW_TOKENS, shared=SHARED, flops=formula, found=found)


def write(result: Result, folder: Path) -> None:
    """Both files, each whole or not at all."""
    files.write_whole(folder / JSON_FILE, files.document(dataclasses.asdict(result)))
    files.write_whole(folder / PAGE_FILE, page(result))


def _found(result: Result) -> str:
    peak = f"{result.peak_tflops:g} TFLOP/s" if result.peak_tflops else "not known, so there is no MFU"
    head = (
        f"Measured on **{result.card}** (dense bf16 peak: {peak}), {result.software}, "
        f"in {result.spent_s:.0f} of {result.budget_s:.0f} s.\n"
    )
    loaded = "".join(
        f"\n{one.name}: built in {one.build_s:.0f} s, {one.disk_gib:.1f} GiB; loaded in NF4 in "
        f"{one.load_s:.0f} s{'' if one.card_gib is None else f', {one.card_gib:.2f} GiB on the card'}.\n"
        for one in result.students
    )
    parts = [_part(name, result) for name in dict.fromkeys(one.student for one in result.measured)]
    return (head + loaded + "\n" + "\n".join(parts)).rstrip("\n")


def _part(student: str, result: Result) -> str:
    heading = ["part", "micro-batch", "a picture's questions", "recomputing", "samples/s", "model TFLOP/s",
               "MFU", "peak", "predicted", "error", "taken", "note"]  # fmt: skip
    rows = [_row(one, result.peak_tflops) for one in result.measured if one.student == student]
    return f"## {student}\n\n{markdown(heading, rows)}"


def _row(one: Measured, peak_tflops: float | None) -> Sequence[str]:
    rate = None if one.flops is None else one.flops / 1e12
    share = None if rate is None or not peak_tflops else rate / peak_tflops
    error = one.predicted / one.peak - 1 if one.predicted and one.peak else None
    training = one.part.startswith("train")
    return [
        one.part, str(one.micro_batch), str(one.per_picture), _said(one.recomputing) if training else "",
        _number(one.samples_per_s, ".2f"), _number(rate, ".1f"), _number(share, ".1%"),
        _number(one.peak, ".2f"), _number(one.predicted, ".2f"), _number(error, "+.1%"),
        _number(one.taken, ".2f"), one.note,
    ]  # fmt: skip


def _said(yes: bool) -> str:
    return "yes" if yes else "no"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
