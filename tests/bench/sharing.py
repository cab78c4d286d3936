"""`python -m tests.bench --only sharing`: what it saves to compute an image's tokens once, and all options of
a question in one pass.

Measured on a small random LLaVA with as many image tokens as LLaVA-1.5, against the ways of common harnesses
and against the bare pass over the tokens that must be processed. All numbers of a table are from one run.
"""

import contextlib
import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest import mock

from dataengine_utils import models

# isort: split
import torch
from PIL.Image import Image

from dataengine_utils.models import Choice, image_text
from dataengine_utils.models.checkpoint import quiet
from dataengine_utils.models.packing import make_rows
from dataengine_utils.records import Question
from tests.bench.plain_llava import PlainLlava, bare_forward, pixels_of
from tests.bench.sharing_training import TrainingSize, bench_training
from tests.bench.small_llava import Shape, build_llava, make_questions, noise_picture
from tests.bench.timing import Line, quickest, table, timed

REPLIES = {
    2: "a letter and the end, as a trained model replies",
    16: "lmms-eval's limit where letters are asked for",
    128: "LLaVA's loader's limit",
}
"""Numbers of tokens that `generate` makes; how many it is depends on the model, and this one is random."""

OPEN = ("?",)
"""Stands for the answer of an open question where the tokens before it are counted: one token and the end."""


@dataclass(frozen=True)
class Size:
    """How much is measured: the model, the questions, `per_image` of them an image, and the best of `rounds`.

    `shared` counts GQA's questions an image, asked about `n_shared_images` images; `new_tokens` are those of
    an open answer.
    """

    shape: Shape = field(default_factory=Shape)
    n_questions: int = 10
    per_image: tuple[int, ...] = (1, 5)
    replies: tuple[int, ...] = tuple(REPLIES)
    shared: int = 31
    n_shared_images: int = 2
    new_tokens: int = 4
    batch_size: int = 64
    rounds: int = 2
    training: TrainingSize = field(default_factory=TrainingSize)


@dataclass(frozen=True)
class Agreement:
    """How far two ways of the same work agree: answers that differ out of n, and scores at most (nats)."""

    what: str
    differing: int
    n: int
    largest: float | None = None

    @classmethod
    def of(cls, what: str, choices: Sequence[Choice], scores: Sequence[Sequence[float]]) -> "Agreement":
        """Choices against another way's scores of the same options."""
        letters = ["ABCD"[max(range(len(row)), key=lambda n: row[n])] for row in scores]
        differing = sum(choice.letter != letter for choice, letter in zip(choices, letters, strict=True))
        largest = max(
            abs(one - other)
            for choice, row in zip(choices, scores, strict=True)
            for one, other in zip(choice.scores, row, strict=True)
        )
        return cls(what, differing, len(choices), largest)

    def __str__(self) -> str:
        scores = "" if self.largest is None else f", scores by at most {self.largest:.1e} nats"
        return f"{self.what}: {self.differing} of {self.n} answers differ{scores}"


@dataclass(frozen=True)
class Asked:
    """Questions to the student in a folder. Every measurement loads it anew: no picture features are kept."""

    folder: Path
    questions: Sequence[Question]
    size: Size

    @cached_property
    def pictures(self) -> dict[str, Image]:
        """The questions' pictures, opened."""
        return {one.image: noise_picture(one.image, self.size.shape.pixels) for one in self.questions}

    def choose(self) -> tuple[float, list[Choice]]:
        """Seconds of ranking the options by their text, and the choices."""
        return self._kit(
            lambda student: student.choose(
                self.questions, self.pictures.__getitem__, batch_size=self.size.batch_size, by="text"
            )
        )

    def answer(self) -> tuple[float, list[str]]:
        """Seconds of replying to the questions without options, and the replies."""
        questions = [dataclasses.replace(question, options=()) for question in self.questions]
        return self._kit(
            lambda student: student.answer(
                questions,
                self.pictures.__getitem__,
                batch_size=self.size.batch_size,
                max_new_tokens=self.size.new_tokens,
            )
        )

    def each(self, work: Callable[[Question, Image], Any]) -> tuple[float, list[Any]]:
        """Seconds and results of one call a question."""

        def calls() -> list[Any]:
            return [work(question, self.pictures[question.image]) for question in self.questions]

        return quickest(lambda: timed(calls), self.size.rounds)

    def bare_seconds(self, answers: Sequence[str] | None = None) -> float:
        """Seconds of a bare pass an image, over the image once, the questions about it and their answers.

        The answers are the options, or else the same for every question. Pictures and tensors are ready.
        """
        student = models.load(str(self.folder))
        encoded = [
            student.encoder.encode(one.question, one.options, "short", answers or one.options)
            for one in self.questions
        ]
        rows = make_rows([one.image for one in self.questions], encoded, max_questions=len(encoded))
        inputs = [self._ready(student, [row]) for row in rows]

        @torch.inference_mode()
        def passes() -> None:
            for packed, pixels in inputs:
                bare_forward(student.model, packed, pixels)

        return quickest(lambda: timed(passes), self.size.rounds)[0]

    def _ready(self, student: Any, rows: list[Any]) -> tuple[Any, torch.Tensor]:
        pictures = [self.pictures[row.image] for row in rows]
        _, packed = student.prepare(rows, self.pictures.__getitem__)
        return packed, pixels_of(student.encoder.processor, pictures)

    def _kit(self, work: Callable[[Any], Any]) -> tuple[float, Any]:
        def measure() -> tuple[float, Any]:
            student = models.load(str(self.folder))
            return timed(lambda: work(student))

        return quickest(measure, self.size.rounds)


def bench_sharing(size: Size | None = None) -> str:
    """All comparisons as text: a table, then how far the results of both ways agree."""
    size = size or Size()
    with tempfile.TemporaryDirectory() as name, quiet():
        folder = build_llava(Path(name) / "llava", size.shape)
        parts = [bench_options(folder, size), bench_questions(folder, size)]
        lines, losses = bench_training(folder, size.training)
    lines = [*(line for part, _ in parts for line in part), *lines]
    replies = [f"generate of {n} tokens: {why}" for n, why in REPLIES.items()]
    notes = [str(agreement) for _, agreements in parts for agreement in agreements]
    texts = ("\n".join(part) for part in (replies, notes, losses))
    return "\n\n".join([_heading(size), table(lines), *texts])


def _heading(size: Size) -> str:
    shape = size.shape
    return (
        f"A random LLaVA in float32: {shape.layers} layers, {shape.width} wide, {shape.image_tokens} image "
        f"tokens. {size.n_questions} questions of four options, or {size.shared} about each of "
        f"{size.n_shared_images} images; {size.training.n_samples} images to train on.\n"
        f"Processor seconds over all threads, best of {size.rounds}. The bound is a bare causal pass (forward"
        " and backward in training) over each image's\ntokens and all texts about it, once; pictures and "
        "tensors are ready, and no token is generated."
    )


def bench_options(folder: Path, size: Size) -> tuple[list[Line], list[Agreement]]:
    """`choose()` by the options' whole text, against generating a reply and against a pass an option."""
    plain = PlainLlava.read(folder)
    alone = Asked(folder, make_questions(size.n_questions, per_image=1), size)
    replies = {n: alone.each(_generate(plain, n))[0] for n in size.replies}
    lines, agreements = [], []
    for per_image in size.per_image:
        asked = Asked(folder, make_questions(size.n_questions, per_image=per_image), size)
        (ours, choices), bound = asked.choose(), asked.bare_seconds()
        for n, spent in replies.items():
            what = f"choose(), {per_image} an image, against generate of {n} tokens"
            lines.append(Line(what, ours, spent, spent / ours, "at least 5", bound))
        for at_once, wanted in ((1, "at least 2"), (4, "-")):
            spent, scores = asked.each(_score(plain, at_once))
            what = f"choose(), {per_image} an image, against a pass an option, batch {at_once}"
            lines.append(Line(what, ours, spent, spent / ours, wanted, bound))
            agreements.append(Agreement.of(what, choices, scores))
    return lines, agreements


def bench_questions(folder: Path, size: Size) -> tuple[list[Line], list[Agreement]]:
    """Many questions an image, shared against unshared: `choose()`, and `answer()` of some tokens."""
    asked = Asked(folder, make_questions(size.shared * size.n_shared_images, per_image=size.shared), size)
    (choosing, choices), (answering, replies) = asked.choose(), asked.answer()
    with unshared():
        (choosing_alone, choices_alone), (answering_alone, replies_alone) = asked.choose(), asked.answer()
    chosen, answered = (
        f"{name}, {size.shared} an image, shared against unshared" for name in ("choose()", "answer()")
    )
    ratios = choosing_alone / choosing, answering_alone / answering
    lines = [
        Line(chosen, choosing, choosing_alone, ratios[0], "at least 3", asked.bare_seconds()),
        Line(answered, answering, answering_alone, ratios[1], "at least 3", asked.bare_seconds(OPEN)),
    ]
    differing = sum(one != other for one, other in zip(replies, replies_alone, strict=True))
    return lines, [
        Agreement.of(chosen, choices, [choice.scores for choice in choices_alone]),
        Agreement(answered, differing, len(replies)),
    ]


@contextlib.contextmanager
def unshared() -> Iterator[None]:
    """The kit with one question a row: the image's tokens are computed for each, the tower runs once."""

    def rows_of_one(images: Any, encoded: Any, **_: Any) -> Any:
        return make_rows(images, encoded, max_questions=1)

    with mock.patch.object(image_text, "make_rows", rows_of_one):
        yield


def _generate(plain: PlainLlava, n: int) -> Callable[[Question, Image], str]:
    return lambda question, picture: plain.generate(question, picture, form="choice", new_tokens=n)


def _score(plain: PlainLlava, at_once: int) -> Callable[[Question, Image], list[float]]:
    return lambda question, picture: plain.option_scores(question, picture, at_once=at_once)
