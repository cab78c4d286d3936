"""Grids of pictures with words below: questions, bad cases and samples as a notebook shows them."""

from collections.abc import Callable, Iterable, Sequence

from matplotlib.figure import Figure
from PIL.Image import Image

from .images import ImageSource, open_image
from .plots import picture_grid
from .records import LETTERS, BadCase, Query, Question, Sample

OpenImage = Callable[[str], Image]


def question_grid(questions: Iterable[Question], open_image: OpenImage) -> Figure:
    """Questions with their options, the right one marked."""
    return picture_grid([(open_image(q.image), _asked(q.question, q.options, q.choice)) for q in questions])


def bad_case_grid(cases: Iterable[BadCase], questions: Iterable[Question], open_image: OpenImage) -> Figure:
    """Bad cases with the right answer and what the student replied; `questions` know their pictures."""
    image_of = {question.id: question.image for question in questions}
    return picture_grid(
        [
            (
                open_image(image_of[case.question_id]),
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


def query_grid(queries: Iterable[Query], source: ImageSource) -> Figure:
    """The images of some queries, each with the question type that it is to serve."""
    items = [(source.record(query.image_id).image, query.question_type) for query in queries]
    return picture_grid([(open_image(image, source.root), name) for image, name in items])


def one_of_each(items: Iterable, n: int) -> list:
    """The first item of each question type, then the second of each, until there are `n`."""
    seen: dict[str, int] = {}
    ranked = []
    for position, item in enumerate(items):
        turn = seen[item.question_type] = seen.get(item.question_type, -1) + 1
        ranked.append((turn, position, item))
    return [item for _, _, item in sorted(ranked, key=lambda entry: entry[:2])[:n]]


def _asked(question: str, options: Sequence[str], right: str) -> str:
    lines = [
        f"{letter} {option}{' ✓' if letter == right else ''}"
        for letter, option in zip(LETTERS, options, strict=False)
    ]
    return "\n".join([question, *lines])
