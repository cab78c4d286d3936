"""What is measured of a loaded student at one micro-batch: training steps, ranking options, answering.

Every picture is new to the student, so the tower's work is in all of it. `per_picture` questions are about
one picture: 1 means that none shares its picture's tokens.
"""

import contextlib
import dataclasses
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from dataengine_utils import models  # noqa: F401  (before torch: it sets what torch reads when imported)

# isort: split
import torch

from dataengine_utils.errors import KitError
from dataengine_utils.instruction_data import FORMS, Example, examples_from_samples
from dataengine_utils.memory import FRAGMENTATION, GIB, Load, Shape, memory_of
from dataengine_utils.models.image_text import ImageTextStudent
from dataengine_utils.models.learning import AnswerLoss, Collator, encode_examples, plan_batches
from dataengine_utils.models.packing import Row
from dataengine_utils.profiles import Profile
from dataengine_utils.records import Question
from dataengine_utils.training.adapter import make_optimiser, trained
from tests.bench.gpu.flops import Costs, Work, WorkCounter
from tests.bench.small_llava import make_questions, make_samples, noise_picture

SHARED = 4
"""Questions about one picture where it is shared, or as many as the micro-batch has."""
NEW_TOKENS = 16
WARM_UP_STEPS, STEPS = 1, 3


@dataclass(frozen=True)
class Measured:
    """One measurement. Memory is in GiB, None on a CPU; `note` says why there are no numbers.

    `peak` is the most that tensors held, `taken` what PyTorch's allocator had of the card for it, `predicted`
    the planner's word for `peak`. `flops` are model FLOPs a second.
    """

    student: str
    part: str
    micro_batch: int
    per_picture: int
    recomputing: bool = False
    samples_per_s: float | None = None
    seconds: float = 0.0
    flops: float | None = None
    peak: float | None = None
    taken: float | None = None
    predicted: float | None = None
    note: str = ""

    @property
    def series(self) -> tuple[str, str, bool, bool]:
        """What differs from it in the micro-batch alone."""
        return self.student, self.part, self.per_picture > 1, self.recomputing


@dataclass
class Bench:
    """A loaded student with what the parts need of it; `n` counts the pictures made so far."""

    name: str
    student: ImageTextStudent
    profile: Profile
    shape: Shape
    costs: Callable[[int], Costs]
    n_pictures: int = 0

    @property
    def on_gpu(self) -> bool:
        """Whether there is a GPU's memory to look at."""
        return self.student.device.type == "cuda"

    def new_pictures(self, references: Sequence[str]) -> dict[str, str]:
        """A new reference for each of the references."""
        names = dict.fromkeys(references)
        first = self.n_pictures
        self.n_pictures += len(names)
        return {name: f"noise:new:{first + number}" for number, name in enumerate(names)}


def measure(bench: Bench, empty: Measured) -> Measured:
    """One part at one micro-batch; a card that is full makes a note."""
    _tidy(bench)
    start = time.monotonic()
    try:
        done = PARTS[empty.part](bench, empty)
    except torch.OutOfMemoryError:
        done = dataclasses.replace(empty, note="out of memory")
    except KitError as error:
        done = dataclasses.replace(empty, note=str(error))
    return dataclasses.replace(done, seconds=time.monotonic() - start)


def rank(bench: Bench, empty: Measured) -> Measured:
    """`choose()` on questions with four options, by the likelihood of their text."""
    return _evaluate(
        bench,
        empty,
        lambda asked: bench.student.choose(asked, noise_picture, batch_size=empty.micro_batch),
    )


def write(bench: Bench, empty: Measured) -> Measured:
    """`answer()`: greedy replies of `NEW_TOKENS` tokens."""
    return _evaluate(
        bench,
        empty,
        lambda asked: bench.student.answer(
            asked, noise_picture, batch_size=empty.micro_batch, max_new_tokens=NEW_TOKENS
        ),
    )


def _evaluate(bench: Bench, empty: Measured, work: Callable[[Sequence[Question]], object]) -> Measured:
    work(_questions(bench, empty.micro_batch, empty.per_picture))
    asked = _questions(bench, max(8, 2 * empty.micro_batch), empty.per_picture)
    with contextlib.closing(WorkCounter(bench.student.model, bench.student.pad_id)) as counter:
        counter.work.pictures = len({question.image for question in asked})
        with _watched(bench) as seen:
            work(asked)
    return _filled(empty, seen, len(asked), counter.work.forward_flops(bench.costs(0)))


def _questions(bench: Bench, n: int, per_picture: int) -> list[Question]:
    asked = make_questions(n, per_image=per_picture)
    new = bench.new_pictures([question.image for question in asked])
    return [dataclasses.replace(question, image=new[question.image]) for question in asked]


def train_steps(bench: Bench, empty: Measured) -> Measured:
    """Optimiser steps on examples in every form, by the parts that the kit's `train` is made of."""
    learner, profile = bench.student, bench.profile
    steps = WARM_UP_STEPS + STEPS
    rows = encode_examples(learner, _examples(bench, steps * empty.micro_batch, empty.per_picture))
    batches = plan_batches(rows, batch_size=empty.micro_batch, epochs=1, seed=0)[:steps]
    loss_of = AnswerLoss(learner.model, learner.features.projector).train()
    rates = (profile.learning_rate, profile.projector_learning_rate, profile.weight_decay)
    step = _Step(loss_of, make_optimiser(learner, *rates), Collator(learner, noise_picture))
    with _recomputing(learner, empty.recomputing):
        for batch in batches[:WARM_UP_STEPS]:
            step(batch)
        with contextlib.closing(WorkCounter(learner.model, learner.pad_id)) as counter:
            counter.work.pictures = sum(len(batch) for batch in batches[WARM_UP_STEPS:])
            with _watched(bench) as seen:
                for batch in batches[WARM_UP_STEPS:]:
                    step(batch)
    n = sum(len(row.keys) for batch in batches[WARM_UP_STEPS:] for row in batch)
    done = _filled(empty, seen, n, counter.work.training_flops(bench.costs(profile.lora_r)))
    return dataclasses.replace(done, predicted=predict(bench, empty, counter.shapes, counter.work))


def _examples(bench: Bench, n: int, per_picture: int) -> list[Example]:
    examples = examples_from_samples(make_samples(-(-n // len(FORMS))), tuple(FORMS), seed=0)[:n]
    groups = [str(number // per_picture) for number in range(n)]
    new = bench.new_pictures(groups)
    return [
        dataclasses.replace(example, image=new[group])
        for example, group in zip(examples, groups, strict=True)
    ]


@dataclass
class _Step:
    """One step as Trainer makes it: mixed precision in bfloat16, gradients clipped to 1."""

    loss_of: AnswerLoss
    optimiser: torch.optim.Optimizer
    collate: Collator

    def __call__(self, batch: Sequence[Row]) -> None:
        inputs = self.collate([list(batch)])
        model = self.loss_of.model
        inputs = {
            name: value.to(model.device) if torch.is_tensor(value) else value
            for name, value in inputs.items()
        }
        mixed = model.dtype == torch.bfloat16
        with torch.autocast(model.device.type, torch.bfloat16, enabled=mixed):
            loss = self.loss_of(**inputs)["loss"]
        loss.backward()
        torch.nn.utils.clip_grad_norm_([value for _, value in trained(model)], 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad()


def predict(bench: Bench, empty: Measured, shapes: Sequence[tuple[int, int]], work: Work) -> float:
    """The planner's word for the most that tensors hold, for the largest of the batches, in GiB."""
    rows, tokens = max(shapes, key=lambda shape: shape[0] * shape[1])
    load = Load(
        rows=rows,
        tokens=tokens,
        answers=-(-work.logits // sum(shape[0] for shape in shapes)),
        lora_r=bench.profile.lora_r,
        dropout=bench.profile.lora_dropout > 0,
        width=bench.student.model.dtype.itemsize,
        checkpointing=empty.recomputing,
    )
    memory = memory_of(bench.shape, load, quantise="nf4", projector=bench.profile.train_projector)
    held = memory.weights + memory.adapter + memory.optimiser
    return held + memory.activations / (1 + FRAGMENTATION)


@contextlib.contextmanager
def _recomputing(learner: ImageTextStudent, wanted: bool) -> Iterator[None]:
    if wanted:
        learner.model.activation_checkpointing_enable({"use_reentrant": False})
    try:
        yield
    finally:
        if wanted:
            learner.model.activation_checkpointing_disable()


@dataclass
class _Seen:
    """What a watched stretch took: seconds by the clock, and a GPU's memory in GiB."""

    seconds: float = 0.0
    peak: float | None = None
    taken: float | None = None


@contextlib.contextmanager
def _watched(bench: Bench) -> Iterator[_Seen]:
    seen = _Seen()
    if bench.on_gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    yield seen
    if bench.on_gpu:
        torch.cuda.synchronize()
        seen.peak = torch.cuda.max_memory_allocated() / GIB
        seen.taken = torch.cuda.max_memory_reserved() / GIB
    seen.seconds = time.perf_counter() - start


def _filled(empty: Measured, seen: _Seen, n: int, flops: float) -> Measured:
    return dataclasses.replace(
        empty, samples_per_s=n / seen.seconds, flops=flops / seen.seconds, peak=seen.peak, taken=seen.taken
    )


def _tidy(bench: Bench) -> None:
    """Leave nothing of the part before in the card's memory."""
    for value in bench.student.model.parameters():
        value.grad = None
    gc.collect()
    if bench.on_gpu:
        torch.cuda.empty_cache()


PARTS: dict[str, Callable[[Bench, Measured], Measured]] = {
    "choose": rank,
    "answer": write,
    "train": train_steps,
}
"""The parts by name: a bench and an empty measurement in, the measurement with its numbers out."""
