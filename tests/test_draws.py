"""Replies drawn at temperature 1: from the softmax, each by its own seed whatever the batch."""

from dataclasses import replace

import pytest
import torch
from scipy.stats import chisquare

from dataengine_utils import models
from dataengine_utils.models.draws import DrawnTokens, own_seed
from dataengine_utils.processes import ParallelStudent
from tests.test_models import make_questions, open_image
from tests.tiny import build_student

QUESTIONS = make_questions(12)


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    return models.load(str(build_student(tmp_path_factory.mktemp("draws") / "tiny")))


def written(student, questions=QUESTIONS, batch_size=12, seed=3):
    return student.answer(questions, open_image, batch_size=batch_size, max_new_tokens=6, seed=seed)


def test_tokens_are_drawn_from_the_softmax():
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0, -8.0]])
    n = 4000
    drawn = DrawnTokens([own_seed(0, str(number)) for number in range(n)])
    tokens = drawn(torch.zeros(n, 1), logits.expand(n, -1)).argmax(1)
    counts = torch.bincount(tokens, minlength=5)[:4].double()
    expected = torch.softmax(logits[0, :4].double(), 0) * counts.sum()
    assert chisquare(counts.numpy(), expected.numpy()).pvalue > 0.001


def test_each_step_has_numbers_of_its_own():
    drawn = DrawnTokens([own_seed(0, "a"), own_seed(0, "a"), own_seed(1, "a")])
    first, second = drawn(None, torch.zeros(3, 50)), drawn(None, torch.zeros(3, 50))
    assert torch.equal(first[0], first[1]) and not torch.equal(first[0], second[0])
    assert not torch.equal(first[0], first[2]) and bool(torch.isfinite(first).all())


def test_a_reply_depends_on_its_question_and_the_seed_only(student):
    whole = written(student)
    assert written(student) == whole != written(student, seed=4)
    for size in (1, 5):
        assert written(student, batch_size=size) == whole
    assert written(student, QUESTIONS[::-1])[::-1] == whole
    assert [written(student, [question])[0] for question in QUESTIONS[:3]] == whole[:3]


def test_another_id_is_another_draw_and_no_seed_is_the_likeliest(student):
    renamed = [replace(question, id=f"other {question.id}") for question in QUESTIONS]
    assert written(student, renamed) != written(student)
    assert written(student, renamed, seed=None) == written(student, seed=None)
    greedy = student.answer(QUESTIONS, open_image, batch_size=12, max_new_tokens=6)
    assert greedy == written(student, seed=None) != written(student)


def test_several_processes_are_given_the_seed(monkeypatch):
    given = []
    monkeypatch.setattr(ParallelStudent, "_ask", lambda self, how, *args, **options: given.append(options))
    parallel = ParallelStudent("student", 2, {})
    parallel.answer(QUESTIONS, open_image, batch_size=2, seed=5)
    parallel.answer(QUESTIONS, open_image, batch_size=2)
    assert [one.get("seed", "none") for one in given] == [5, "none"]
