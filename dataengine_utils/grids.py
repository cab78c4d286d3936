"""Grids of pictures with words below: questions, bad cases and samples as a notebook shows them."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from matplotlib.figure import Figure
from PIL.Image import Image
from PIL.Image import new as new_image
from PIL.ImageDraw import ImageDraw

from .errors import KitError
from .images import ImageSource, open_image
from .plots import picture_grid
from .records import LETTERS, BadCase, Query, Question, Sample, Trial

OpenImage = Callable[[str], Image]
Item = TypeVar("Item", Question, BadCase, Query, Sample)


def shown(open_picture: OpenImage, reference: str) -> Image:
    """The picture, or a field that says so where a question has none or its file is not there."""
    try:
        return open_picture(reference) if reference else _blank()
    except KitError:
        return _blank()


def _blank() -> Image:
    field = new_image("RGB", (240, 240), "#F0F0F0")
    ImageDraw(field).text((120, 120), "no picture", fill="#707070", anchor="mm", font_size=20)
    return field


def question_grid(questions: Iterable[Question], open_image: OpenImage) -> Figure:
    """Questions with their options, the right one marked."""
    return picture_grid(
        [(shown(open_image, q.image), _asked(q.question, q.options, q.choice)) for q in questions]
    )


def bad_case_grid(cases: Iterable[BadCase], questions: Iterable[Question], open_image: OpenImage) -> Figure:
    """Bad cases with the right answer and what the student replied; `questions` know their pictures."""
    image_of = {question.id: question.image for question in questions}
    return picture_grid(
        [
            (
                shown(open_image, image_of[case.question_id]),
                f"{case.question}\nright: {case.answer}\nreplied: {case.reply or '(nothing)'}",
            )
            for case in cases
        ]
    )


def sample_grid(samples: Iterable[Sample], open_image: OpenImage, columns: int = 3) -> Figure:
    """Generated samples: type, question, options with the right one marked, and the full answer."""
    return picture_grid(
        [
            (
                open_image(s.image),
                f"[{s.question_type}]\n{_asked(s.instruction, s.options, s.choice_answer)}\n{s.answer}",
            )
            for s in samples
        ],
        columns,
    )


def trial_grid(trials: Iterable[Trial], open_picture: OpenImage) -> Figure:
    """Drafts of some trials with the verdict of the checks; `open_picture(query_id)` gives the picture."""
    drafts = [(trial, trial.draft) for trial in trials if trial.draft is not None]
    return picture_grid([
        (open_picture(trial.query_id),
         f"{_asked(draft.instruction, draft.options, draft.choice)}\n→ {trial.reason or 'accepted'}")
        for trial, draft in drafts])


def query_grid(queries: Iterable[Query], source: ImageSource) -> Figure:
    """The images of some queries, each with the question type that it is to serve."""
    items = [(source.record(query.image_id).image, query.question_type) for query in queries]
    return picture_grid([(open_image(image, source.root), name) for image, name in items])


def one_of_each(items: Iterable[Item], n: int) -> list[Item]:
    """The first item of each question type, then the second of each, `n` in all; new images first."""
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(item.question_type, []).append(item)
    picked: list[Item] = []
    while len(picked) < n and any(groups.values()):
        for group in groups.values():
            if group and len(picked) < n:
                seen = {item.image_id for item in picked}
                new = (i for i, item in enumerate(group) if item.image_id not in seen)
                picked.append(group.pop(next(new, 0)))
    return picked


def _asked(question: str, options: Sequence[str], right: str) -> str:
    lines = [
        f"{letter} {option}{' ✓' if letter == right else ''}"
        for letter, option in zip(LETTERS, options, strict=False)
    ]
    return "\n".join([question, *lines])
