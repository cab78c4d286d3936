"""The measurements of sharing at toy size: they run, and what they compare is the same work."""

import dataclasses
import sys

import pytest

from dataengine_utils.errors import KitError
from tests.bench import sharing, sharing_training
from tests.bench.plain_llava import PlainLlava
from tests.bench.small_llava import Shape, build_llava, make_questions, noise_picture
from tests.bench.timing import Line, table

TOY = sharing.Size(
    shape=Shape(width=64, layers=2, tower_width=32, tower_layers=2, pixels=56),
    n_questions=6,
    per_image=(1, 3),
    replies=(1, 2),
    shared=10,
    n_shared_images=2,
    rounds=1,
    training=sharing_training.TrainingSize(n_samples=4, batch_size=6, pixels=56, rounds=1),
)


@pytest.fixture(scope="module")
def llava(tmp_path_factory):
    return build_llava(tmp_path_factory.mktemp("llava") / "toy", TOY.shape)


def test_options_ranked_in_one_pass_are_those_of_a_pass_an_option(llava):
    lines, agreements = sharing.bench_options(llava, TOY)
    assert len(lines) == len(TOY.per_image) * (len(TOY.replies) + 2)
    assert [one.differing for one in agreements] == [0] * 4
    assert max(one.largest for one in agreements) < 1e-3
    assert all(line.ours > 0 and line.plain > 0 and line.bound > 0 for line in lines)


def test_shared_questions_get_the_answers_of_unshared_ones(llava):
    lines, (chosen, answered) = sharing.bench_questions(llava, TOY)
    assert (chosen.differing, answered.differing) == (0, 0)
    assert chosen.n == answered.n == 20
    assert chosen.largest < 1e-3
    assert len(lines) == 2


def test_without_sharing_a_sequence_holds_one_question(llava, monkeypatch):
    student = sharing.models.load(str(llava))
    sizes = []
    scored = type(student)._scores

    def count(self, rows, *rest):
        sizes.append([len(row.questions) for row in rows])
        return scored(self, rows, *rest)

    monkeypatch.setattr(type(student), "_scores", count)
    asked = sharing.Asked(llava, make_questions(4, per_image=4), TOY)
    asked.choose()
    with sharing.unshared():
        asked.choose()
    shared, separate = sizes
    assert max(shared) > 1
    assert separate == [1, 1, 1, 1]


def test_training_shared_and_separate_has_the_same_losses_in_every_step(llava):
    examples = sharing_training.make_examples(TOY.training)
    pictures = sharing_training._pictures(TOY.training)
    shared = sharing_training.run_kit(llava, examples, pictures, TOY.training)
    with sharing_training.separate_sequences():
        separate = sharing_training.run_kit(llava, examples, pictures, TOY.training)
    assert len(shared.losses) == 2
    assert shared.losses == pytest.approx(separate.losses, abs=2e-5)
    assert shared.losses[0] != pytest.approx(shared.losses[1], abs=1e-4)


def test_sft_trainer_trains_on_the_same_tokens(llava):
    pytest.importorskip("trl")
    examples = sharing_training.make_examples(TOY.training)
    pictures = sharing_training._pictures(TOY.training)
    ours = sharing_training.run_kit(llava, examples, pictures, TOY.training)
    theirs = sharing_training.run_trl(llava, examples, pictures, TOY.training)
    assert ours.losses == pytest.approx(theirs.losses, abs=2e-5)


def test_without_trl_a_note_says_so_and_the_rest_is_measured(llava, monkeypatch):
    monkeypatch.setitem(sys.modules, "trl", None)
    with pytest.raises(KitError, match="pip install trl"):
        sharing_training.check_trl()
    lines, notes = sharing_training.bench_training(llava, TOY.training)
    assert [line.what for line in lines] == [
        "train(), 3 forms an image, shared against separate sequences"
    ]
    assert notes[-1].startswith("trl is not installed")


def test_the_report_names_every_comparison_and_agreement(monkeypatch):
    monkeypatch.setitem(sys.modules, "trl", None)
    small = dataclasses.replace(TOY, per_image=(3,), n_questions=3, replies=(2,), shared=3)
    heading, lines, replies, notes, losses = sharing.bench_sharing(small).split("\n\n")
    assert "16 image tokens" in heading
    assert len(lines.splitlines()) == 1 + 3 + 2 + 1
    assert replies.count("generate of") == len(sharing.REPLIES)
    assert notes.count(" 0 of ") == len(notes.splitlines()) == 4
    assert "pip install trl" in losses


def test_generate_makes_as_many_tokens_as_asked(llava):
    plain = PlainLlava.read(llava)
    question = make_questions(1, per_image=1)[0]
    made = []
    decode = plain.processor.tokenizer.batch_decode
    plain.processor.tokenizer.batch_decode = lambda ids, **more: (
        made.append(ids.shape[1]), decode(ids, **more)
    )[1]
    plain.generate(question, noise_picture("a", 56), form="choice", new_tokens=3)
    assert made == [3]


def test_the_table_shows_the_bound_where_there_is_one():
    with_bound = Line("one", 2.0, 6.0, 3.0, "at least 3", 1.0)
    text = table([with_bound, Line("two", 1.0, 1.0, 1.0, "-")])
    heading, first, second = text.splitlines()
    assert heading.split() == ["comparison", "kit", "plain", "ratio", "wanted", "bound", "kit/bound"]
    assert first.split() == ["one", "2.00s", "6.00s", "3.00", "at", "least", "3", "1.00s", "2.00"]
    assert second.split() == ["two", "1.00s", "1.00s", "1.00", "-"]
    assert "bound" not in table([Line("two", 1.0, 1.0, 1.0, "-")])
