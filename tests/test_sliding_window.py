"""Language models whose layers look back a few tokens only: packed passes are exact there, too."""

import dataclasses

import pytest

from dataengine_utils import models
from dataengine_utils.errors import KitError
from dataengine_utils.models.attention import check_layers
from dataengine_utils.models.learning import encode_examples
from dataengine_utils.models.packing import Row
from tests import tiny_families
from tests.test_families import examples, loss_and_gradients, own_score
from tests.test_invariance import largest_difference
from tests.tiny import make_questions, open_image

WINDOW = 24
"""Shorter than a prompt with its picture; two layers reach back to the question."""


def build(kind: str, folder) -> str:
    """A small student of which some layers, or all, see `WINDOW` tokens."""
    config, processor = tiny_families.BUILDERS[kind]()
    text = config.get_text_config()
    text.sliding_window = WINDOW
    if kind == "qwen2_5_vl":
        text.use_sliding_window, text.layer_types = True, ["sliding_attention", "full_attention"]
    if kind == "internvl":
        text.use_sliding_window, text.layer_types = True, ["sliding_attention"] * 2
    return str(tiny_families.save(config, processor, folder))


@pytest.fixture(scope="module", params=["llava_next", "qwen2_5_vl", "internvl"])
def student(request, tmp_path_factory):
    """Mistral (all layers, by its window alone), Qwen2.5-VL (one layer, positions in a grid), Qwen2."""
    return models.load(build(request.param, tmp_path_factory.mktemp(request.param)))


def test_the_window_matters(student):
    """Without it the scores are others: what follows would else test nothing."""
    questions = make_questions(8)
    near = student.choose(questions, open_image, batch_size=8)
    text = student.model.config.get_text_config()
    wide = models.load(student.name)
    wide.model.config.get_text_config().sliding_window = 10_000
    assert text.sliding_window == WINDOW
    assert largest_difference(near, wide.choose(questions, open_image, batch_size=8)) > 1e-2


@pytest.mark.parametrize(("by", "form"), [("text", "short"), ("letter", "choice")])
def test_scores_equal_transformers_own_forward_alone(student, by, form):
    questions = make_questions(12, per_image=6)
    for question, choice in zip(
        questions, student.choose(questions, open_image, batch_size=12, by=by), strict=True
    ):
        answers = question.options if by == "text" else "ABCD"
        expected = [own_score(student, question, form, answer) for answer in answers]
        assert choice.scores == pytest.approx(expected, abs=2e-4), question.id


def test_choices_and_answers_are_the_same_at_every_batch_size(student):
    questions = make_questions(24)
    bare = [dataclasses.replace(question, options=(), form="direct") for question in questions]
    alone, *others = (student.choose(questions, open_image, batch_size=size) for size in (1, 8, 24))
    for choices in others:
        assert [choice.letter for choice in choices] == [choice.letter for choice in alone]
        assert largest_difference(choices, alone) < 1e-4
    one, many = (student.answer(bare, open_image, batch_size=n, max_new_tokens=12) for n in (1, 24))
    assert one == many and len(set(one)) > 5


def test_the_packed_loss_equals_that_of_separate_sequences(student):
    rows = encode_examples(student, examples())
    alone = [
        [Row(row.image, (item,), (key,))]
        for row in rows
        for item, key in zip(row.questions, row.keys, strict=True)
    ]
    packed, _ = loss_and_gradients(student, [rows])
    separate, _ = loss_and_gradients(student, alone)
    assert len(alone) > len(rows) and packed == pytest.approx(separate, rel=1e-5)


def test_another_kind_of_layer_is_refused(student):
    config = student.model.config.get_text_config().__class__()
    config.layer_types = ["full_attention", "linear_attention"]
    with pytest.raises(KitError, match="'mine' has layers of the kind linear_attention"):
        check_layers("mine", config)
