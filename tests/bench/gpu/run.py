"""One student after the other: built, loaded by the kit, measured part by part while the clock allows it."""

import dataclasses
import functools
import gc
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dataengine_utils import models

# isort: split
import torch

from dataengine_utils.instruction_data import examples_from_samples
from dataengine_utils.memory import GIB, picture_load, shape_of
from dataengine_utils.models.checkpoint import read_config
from dataengine_utils.profiles import Profile, load_profile
from dataengine_utils.training import Recipe as Training
from dataengine_utils.training import attach_lora, train
from tests.bench.gpu.clock import Clock
from tests.bench.gpu.flops import costs_of
from tests.bench.gpu.parts import SHARED, Bench, Measured, measure
from tests.bench.gpu.students import Recipe, build
from tests.bench.small_llava import make_samples, noise_picture

MICRO_BATCHES = (1, 2, 4, 8, 16)
EVALUATION_SHARE = 0.4
"""Of a student's time, for choosing and answering; training has the rest."""
GROWTH = 2.2
"""A part at twice the micro-batch takes at most so many times as long."""
FIRST_S, BUILD_S = 20.0, 60.0
"""What a part, and building and loading a student, are thought to take before one was measured."""
TRAIN_STEPS = 4


@dataclass(frozen=True)
class Loaded:
    """A student as it came: seconds to build and to load it, and GiB on disk and on the card after it."""

    name: str
    build_s: float
    load_s: float
    disk_gib: float
    card_gib: float | None


@dataclass
class Result:
    """What one run found; `measured` and `students` grow while it runs."""

    card: str
    peak_tflops: float | None
    software: str
    budget_s: float
    spent_s: float = 0.0
    students: list[Loaded] = field(default_factory=list)
    measured: list[Measured] = field(default_factory=list)


@dataclass(frozen=True)
class Setting:
    """Where and how to measure; `dtype` is the models' type, `scratch` the folder for random checkpoints."""

    device: str = "cuda"
    dtype: str = "bfloat16"
    micro_batches: tuple[int, ...] = MICRO_BATCHES
    scratch: Path | None = None


def run(
    recipes: Sequence[Recipe],
    result: Result,
    setting: Setting,
    *,
    on_change: Callable[[Result], None] = lambda result: None,
) -> Result:
    """Measure every student into `result` within its budget; `on_change` hears of each new number."""
    clock = Clock(result.budget_s)

    def note(found: Measured | Loaded) -> None:
        (result.measured if isinstance(found, Measured) else result.students).append(found)
        result.spent_s = clock.spent
        on_change(result)

    for number, recipe in enumerate(recipes):
        own = clock.share(1 / (len(recipes) - number))
        needed = max((one.build_s + one.load_s for one in result.students), default=BUILD_S)
        refusal = own.refusal(needed)
        if refusal:
            note(Measured(recipe.name, "all", 0, 0, note=refusal))
            continue
        with tempfile.TemporaryDirectory(dir=setting.scratch) as scratch:
            _measure_student(recipe, Path(scratch) / "student", setting, own, note)
    return result


def _measure_student(
    recipe: Recipe, folder: Path, setting: Setting, clock: Clock, note: Callable[[Measured | Loaded], None]
) -> None:
    profile = load_profile(recipe.profile, {"student": str(folder), "quantise": "nf4"})
    bench, loaded = _load(recipe, profile, setting)
    note(loaded)
    evaluation = clock.share(EVALUATION_SHARE)
    for found in _series(bench, _evaluations(recipe.name, setting), evaluation):
        note(found)
    lora = {"r": profile.lora_r, "lora_alpha": profile.lora_alpha, "lora_dropout": profile.lora_dropout}
    attach_lora(bench.student, None, profile.lora_targets, profile.train_projector, lora)
    for found in _series(bench, _trainings(recipe.name, setting), clock):
        note(found)
    on_gpu = bench.on_gpu
    del bench
    _empty_card(on_gpu)
    note(_whole_training(recipe.name, profile, setting, clock, loaded.load_s, folder.parent / "adapter"))
    _empty_card(on_gpu)


def _load(recipe: Recipe, profile: Profile, setting: Setting) -> tuple[Bench, Loaded]:
    """Build the random checkpoint, and read it by the kit's own loading, in NF4."""
    start = time.monotonic()
    n_bytes = build(recipe, Path(profile.student), device=setting.device, dtype=setting.dtype)
    _empty_card(setting.device != "cpu")
    built = time.monotonic()
    student = models.load(profile.student, quantise="nf4", dtype=setting.dtype, device=setting.device)
    load_s = time.monotonic() - built
    on_card = torch.cuda.memory_allocated() / GIB if student.device.type == "cuda" else None
    structure = student.family.structure
    picture = picture_load(student.encoder.processor, student.model.config, noise_picture("").size)
    shape = shape_of(read_config(profile.student), structure, profile.lora_targets, picture)
    costs = functools.partial(costs_of, student.model, structure, shape)
    bench = Bench(recipe.name, student, profile, shape, costs)
    return bench, Loaded(recipe.name, built - start, load_s, n_bytes / GIB, on_card)


def _evaluations(name: str, setting: Setting) -> Iterator[Measured]:
    for micro_batch in setting.micro_batches:
        for part in ("choose", "answer"):
            for shared in _sharing(micro_batch):
                yield Measured(name, part, micro_batch, shared)


def _trainings(name: str, setting: Setting) -> Iterator[Measured]:
    for recomputing in (True, False):
        for micro_batch in setting.micro_batches:
            for shared in _sharing(micro_batch):
                yield Measured(name, "train", micro_batch, shared, recomputing)


def _sharing(micro_batch: int) -> tuple[int, ...]:
    """Questions about one picture: one, and several where the micro-batch has as many."""
    return (1, min(SHARED, micro_batch)) if micro_batch > 1 else (1,)


def _series(bench: Bench, wanted: Iterator[Measured], clock: Clock) -> Iterator[Measured]:
    """The measurements, or why there are none: no time left, or a smaller micro-batch filled the card."""
    last: dict[tuple[str, str, bool, bool], Measured] = {}
    for empty in wanted:
        before = last.get(empty.series)
        alike = [one.seconds for one in last.values() if one.part == empty.part]
        expected = GROWTH * before.seconds if before else max(alike, default=FIRST_S)
        if before and before.note:
            note = before.note if before.note.startswith("skipped") else f"skipped: {before.note} before"
        else:
            note = clock.refusal(expected)
        found = dataclasses.replace(empty, note=note) if note else measure(bench, empty)
        last[empty.series] = found
        yield found


def _whole_training(
    name: str, profile: Profile, setting: Setting, clock: Clock, load_s: float, out: Path
) -> Measured:
    """The kit's `train`, from loading to the saved adapter, at the profile's settings; the middle step."""
    size, forms = profile.train_batch_size, profile.forms
    empty = Measured(name, "train()", size, len(forms), profile.gradient_checkpointing)
    refusal = clock.refusal(1.5 * load_s + FIRST_S)
    if refusal:
        return dataclasses.replace(empty, note=refusal)
    samples = make_samples(-(-TRAIN_STEPS * size // len(forms)))
    settings = {
        one.name: getattr(profile, one.name)
        for one in dataclasses.fields(Training)
        if one.name in vars(profile) and one.name not in ("checkpoint_minutes", "epochs")
    }
    lines: list[dict[str, float]] = []
    start = time.monotonic()
    if setting.device != "cpu":
        torch.cuda.reset_peak_memory_stats()
    summary = train(
        profile.student,
        examples_from_samples(samples, forms, seed=0),
        open_image=noise_picture,
        out_dir=out,
        on_log=lines.append,
        batch_size=size,
        dtype=setting.dtype,
        checkpoint_minutes=0,
        **settings,
    )
    speed = statistics.median(line["samples_per_s"] for line in lines[1:])
    peak = summary["peak_memory_gib"] if setting.device != "cpu" else None
    return dataclasses.replace(empty, samples_per_s=speed, seconds=time.monotonic() - start, peak=peak)


def _empty_card(on_gpu: bool) -> None:
    gc.collect()
    if on_gpu:
        torch.cuda.empty_cache()
