"""What fits on a GPU: a training's memory predicted from the student's config, and the settings that fit.

    python -m dataengine_utils.planner --profile llava15 --gpu-memory 24
    python -m dataengine_utils.planner --profile llava15 --gpu-memory 24 --set student=FOLDER --set lora_r=64
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from .errors import KitError
from .memory import Load, Memory, Shape, memory_of, picture_load, shape_of
from .profiles import Profile, load_profile, parse_overrides

TEXT_TOKENS = 128
"""Tokens of a question and its answer; no row is counted on to be shared by two questions."""
ANSWER_TOKENS = 32
PICTURE = (640, 480)
"""Width and height in pixels of the picture that is planned for; COCO's and Visual Genome's most are so."""
ENOUGH_ROWS = 4
"""With so many sequences at once a GPU is busy: fewer are not worth being spared the recomputing."""


@dataclass(frozen=True)
class Plan:
    """Settings of a training, and the memory they take on each GPU in GiB; `fits` says whether that is there.

    `train_batch_size` (over all processes) times `gradient_accumulation` is the profile's.
    """

    train_batch_size: int
    gradient_accumulation: int
    gradient_checkpointing: bool
    memory: Memory
    gpu_memory_gib: float

    @property
    def fits(self) -> bool:
        """Whether the memory is enough."""
        return self.memory.total <= self.gpu_memory_gib

    @property
    def settings(self) -> str:
        """The settings as the loop's command line takes them."""
        return (
            f"--set train_batch_size={self.train_batch_size} "
            f"--set gradient_accumulation={self.gradient_accumulation} "
            f"--set gradient_checkpointing={str(self.gradient_checkpointing).lower()}"
        )


def plan(profile: Profile, gpu_memory_gib: float, *, shape: Shape | None = None) -> Plan:
    """The settings to train the profile's student with on GPUs of that size, at the profile's global batch.

    The largest micro-batch without recomputing activations, if it has at least four sequences; else the
    largest with. When nothing fits, the smallest is returned, whose `fits` is False. `shape` is read from the
    student's config when it is not given (`student_shape`); no weights are read.
    """
    shape = shape or student_shape(profile)
    plans = [_plan(profile, gpu_memory_gib, shape, *choice) for choice in _choices(profile)]
    return next((made for made in plans if made.fits), min(plans, key=lambda made: made.memory.total))


def profile_plan(profile: Profile, gpu_memory_gib: float, *, shape: Shape | None = None) -> Plan:
    """The profile's own settings, and what they take."""
    return _plan(profile, gpu_memory_gib, shape or student_shape(profile), *_own(profile))


def _own(profile: Profile) -> tuple[int, int, bool]:
    return profile.train_batch_size, profile.gradient_accumulation, profile.gradient_checkpointing


def student_shape(profile: Profile, picture: tuple[int, int] = PICTURE) -> Shape:
    """The sizes of the profile's student, and what a picture of that width and height (pixels) is to it.

    Read from its config and processor.
    """
    from .models.checkpoint import family_of_checkpoint, read_config, read_processor

    config = read_config(profile.student)
    structure = family_of_checkpoint(profile.student, config).structure
    load = picture_load(read_processor(profile.student), config, picture)
    return shape_of(config, structure, profile.lora_targets, load)


def suggestion(profile: Profile, gpu_memory_gib: float) -> str:
    """What to change after a GPU of that size was full with the profile's settings."""
    size, accumulation, again = _own(profile)
    made = plan(profile, gpu_memory_gib)
    if made.fits and (made.train_batch_size < size or (made.gradient_checkpointing and not again)):
        return made.settings
    if not again:
        return f"--set train_batch_size={size} --set gradient_checkpointing=true"
    if size > 1:
        return f"--set train_batch_size={-(-size // 2)} --set gradient_accumulation={2 * accumulation}"
    return "--set quantise=nf4, a smaller lora_r, a smaller student, or a larger GPU"


def _choices(profile: Profile) -> Iterator[tuple[int, int, bool]]:
    """Batch size, accumulation, checkpointing: the best first."""
    whole, n = profile.train_batch_size * profile.gradient_accumulation, profile.num_processes
    sizes = [size for size in range(whole, 0, -1) if whole % size == 0 and size % n == 0]
    sizes = sizes or [profile.train_batch_size]
    busy = [size for size in sizes if size >= min(ENOUGH_ROWS * n, whole)]
    for size in busy:
        yield size, whole // size, False
    for size in sizes:
        yield size, max(1, whole // size), True


def _plan(
    profile: Profile, gpu_memory_gib: float, shape: Shape, batch_size: int, accumulation: int, again: bool
) -> Plan:
    load = Load(
        rows=-(-batch_size // profile.num_processes),
        tokens=shape.picture.tokens + TEXT_TOKENS,
        answers=ANSWER_TOKENS,
        lora_r=profile.lora_r,
        dropout=profile.lora_dropout > 0,
        checkpointing=again,
        accumulating=accumulation > 1,
    )
    parts = profile.num_processes if profile.shard else 1
    memory = memory_of(
        shape, load, quantise=profile.quantise, projector=profile.train_projector, parts=parts
    )
    return Plan(batch_size, accumulation, again, memory, gpu_memory_gib)


def describe(made: Plan) -> str:
    """A plan in words and numbers."""
    parts = "\n".join(f"  {name:<12}{value:8.2f} GiB" for name, value in vars(made.memory).items())
    total = f"  {'together':<12}{made.memory.total:8.2f} GiB of {made.gpu_memory_gib:.2f}"
    if made.fits:
        return f"{made.settings}\n{parts}\n{total}"
    return (
        f"nothing fits: even one example at a time, with activations recomputed, needs more\n"
        f"{parts}\n{total}\n"
        "try: --set quantise=nf4, a smaller lora_r, a smaller student, or a larger GPU"
    )


def _pixels(text: str) -> tuple[int, int]:
    """"640x480" as numbers; `ValueError` for anything else."""
    width, height = map(int, text.lower().split("x"))
    if width < 1 or height < 1:
        raise ValueError(text)
    return width, height


def _gib(text: str) -> float:
    """A GPU's memory; `ValueError` for what no GPU has."""
    memory = float(text)
    if not 0 < memory < float("inf"):
        raise ValueError(text)
    return memory


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    what = __doc__.partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m dataengine_utils.planner", description=what)
    parser.add_argument("--profile", default="llava15", help="a profile's name or a YAML file")
    parser.add_argument("--gpu-memory", type=_gib, required=True, metavar="GIB", help="memory of one GPU")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="change one field")
    parser.add_argument(
        "--picture",
        type=_pixels,
        default=PICTURE,
        metavar="WIDTHxHEIGHT",
        help="pixels of a picture, where tokens depend on it (default: 640x480)",
    )
    options = parser.parse_args(arguments)
    try:
        profile = load_profile(options.profile, parse_overrides(options.set))
        shape = student_shape(profile, options.picture)
        own, made = (act(profile, options.gpu_memory, shape=shape) for act in (profile_plan, plan))
    except KitError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"a picture of {options.picture[0]}x{options.picture[1]} pixels is {shape.picture.tokens} tokens")
    print(f"the profile's own settings take {own.memory.total:.2f} GiB: {own.settings}")
    print(f"for {options.gpu_memory:g} GiB: {describe(made)}")
    return 0 if made.fits else 2


if __name__ == "__main__":
    sys.exit(main())
