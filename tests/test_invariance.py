"""What stands beside a question in its batch changes nothing: neither its answer nor its scores."""

import dataclasses

import pytest

from dataengine_utils import models
from tests import tiny_families
from tests.tiny import make_questions, open_image

BATCHES = (1, 2, 8, 32)


@pytest.fixture(scope="module", params=tiny_families.NAMES)
def student(request, tmp_path_factory):
    return models.load(str(tiny_families.build(request.param, tmp_path_factory.mktemp(request.param))))


def largest_difference(one, other) -> float:
    """Between two lists of choices, over all options, in nats."""
    pairs = zip(one, other, strict=True)
    return max(abs(a - b) for x, y in pairs for a, b in zip(x.scores, y.scores, strict=True))


@pytest.mark.parametrize("by", ["text", "letter"])
def test_choices_and_scores_are_the_same_at_every_batch_size(student, by):
    questions = make_questions(48)
    alone, *others = (
        models.load(student.name).choose(questions, open_image, batch_size=size, by=by) for size in BATCHES
    )
    for size, choices in zip(BATCHES[1:], others, strict=True):
        assert [choice.letter for choice in choices] == [choice.letter for choice in alone], size
        assert largest_difference(choices, alone) < 1e-4, size


def test_greedy_answers_are_the_same_at_every_batch_size(student):
    questions = [dataclasses.replace(question, options=()) for question in make_questions(48)]
    alone, *others = (
        models.load(student.name).answer(questions, open_image, batch_size=size, max_new_tokens=6)
        for size in BATCHES
    )
    for size, answers in zip(BATCHES[1:], others, strict=True):
        assert answers == alone, size
    assert len(set(alone)) > 10


def test_questions_that_share_an_image_score_as_alone(student):
    """Many questions an image: packed behind it once, against each in a sequence of its own."""
    questions = make_questions(31, per_image=31)
    shared = student.choose(questions, open_image, batch_size=31)
    separate = [student.choose([question], open_image, batch_size=1)[0] for question in questions]
    assert [choice.letter for choice in shared] == [choice.letter for choice in separate]
    assert largest_difference(shared, separate) < 1e-4


def test_order_changes_nothing(student):
    questions = make_questions(30)
    straight = student.choose(questions, open_image, batch_size=8)
    backwards = student.choose(questions[::-1], open_image, batch_size=8)[::-1]
    assert largest_difference(straight, backwards) < 1e-4
    assert [choice.letter for choice in straight] == [choice.letter for choice in backwards]
