"""Asking the student: every question of a split becomes one raw reply with its outcome."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, get_args

from PIL import Image

from .benchmarks import scoring
from .errors import unknown_name
from .models import seeded
from .models.pictures import Pictures
from .records import LETTERS, Prediction, Question

if TYPE_CHECKING:
    from .models import Student

Mode = Literal["text", "letter", "generate"]


def evaluate(student: "Student", questions: Sequence[Question], open_image: Callable[[str], Image.Image], *,
             mode: Mode, batch_size: int, max_new_tokens: int = 64,
             judge: scoring.Judge = scoring.judge, seed: int | None = None) -> list[Prediction]:
    """One prediction a question, in order.

    `mode` "text" ranks the options by the likelihood of their whole text (SEED-Bench's protocol), "letter" by
    that of their letters, "generate" writes freely and reads the choice from the reply. Questions without
    options, or with one that is missing (""), are always answered freely; what is written is judged by
    `judge`, the benchmark's scoring rule. `open_image` turns a question's `image` into a picture (see
    `images.open_image`). Questions whose picture cannot be read are unanswered, with a warning that says so;
    more than 5 % such pictures raise `KitError`. With a `seed` what is written is drawn at temperature 1, by
    the seed and the question's id; ranking knows no chance.
    """
    if mode not in get_args(Mode):
        raise unknown_name("answer mode", mode, get_args(Mode))
    pictures = Pictures(open_image, len({question.image for question in questions if question.image}))
    options = {"batch_size": batch_size, "max_new_tokens": max_new_tokens, **seeded(seed)}
    predictions = _ask(student, questions, pictures, mode, judge, options)
    if pictures.failed:
        warnings.warn(pictures.note(), stacklevel=2)
    return [scoring.unanswered(question) if question.image in pictures.failed else predictions[question.id]
            for question in questions]


def _ask(student: "Student", questions: Sequence[Question], open_image: Callable[[str], Image.Image],
         mode: Mode, judge: scoring.Judge, options: Mapping[str, int]) -> dict[str, Prediction]:
    ranked, written = [], []
    for question in questions:
        can_rank = question.options and all(question.options) and mode != "generate"
        (ranked if can_rank else written).append(question)
    predictions: dict[str, Prediction] = {}
    if ranked:
        choices = student.choose(ranked, open_image, batch_size=options["batch_size"], by=mode)
        for question, choice in zip(ranked, choices, strict=True):
            reply = question.options[LETTERS.index(choice.letter)] if mode == "text" else choice.letter
            predictions[question.id] = scoring.predict(question, reply, choice.letter, tuple(choice.scores))
    if written:
        replies = student.answer(written, open_image, **options)
        for question, reply in zip(written, replies, strict=True):
            predictions[question.id] = scoring.predict(question, reply, judge=judge)
    return predictions
