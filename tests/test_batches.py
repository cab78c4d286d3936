"""Evaluation when something is amiss: no memory for a batch, pictures that cannot be read."""

import itertools
import random

import pytest
import torch
from PIL import Image

from dataengine_utils import models
from dataengine_utils.errors import KitError
from dataengine_utils.models.batches import run_batches
from dataengine_utils.models.learning import plan_batches
from dataengine_utils.models.packing import Insert, Row, halves, make_batches
from dataengine_utils.models.pictures import Pictures
from dataengine_utils.models.vision import Picture
from dataengine_utils.models.wording import Encoded
from tests.tiny import build_student, make_questions, open_image

ITEM = Encoded((1, 4), (5,), ((2,),))


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    return models.load(str(build_student(tmp_path_factory.mktemp("batches") / "tiny")))


def rows_of(*sizes: int) -> list[Row]:
    """Rows with so many questions each, keys in a row."""
    keys = iter(range(sum(sizes)))
    return [
        Row(str(n), (ITEM,) * size, tuple(itertools.islice(keys, size))) for n, size in enumerate(sizes)
    ]


def with_memory_for(limit: int, seen: list[int]):
    """Work that runs out of memory with more than `limit` questions, and notes what it was asked."""

    def work(batch: list[Row], pictures: list[Picture]) -> list[int]:
        keys = [key for row in batch for key in row.keys]
        seen.append(len(keys))
        if len(keys) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return [key * 10 for key in keys]

    return work


def look(batch: list[Row]) -> list[Picture]:
    """Pictures of three tokens."""
    return [Picture(Insert.in_line([4] * 3)) for _ in batch]


def test_a_batch_that_does_not_fit_is_tried_once_in_halves_with_a_note():
    seen: list[int] = []
    with pytest.warns(UserWarning, match="does not hold a batch of 8 questions; trying 4 at a time"):
        done = run_batches(rows_of(3, 1, 2, 2), 8, with_memory_for(4, seen), look)
    assert done == [key * 10 for key in range(8)] and seen == [8, 4, 4]


def test_a_half_that_does_not_fit_either_says_what_to_change():
    seen: list[int] = []
    with pytest.warns(UserWarning), pytest.raises(KitError, match="lower eval_batch_size below 4"):
        run_batches(rows_of(3, 1, 2, 2), 8, with_memory_for(3, seen), look)
    assert seen[:2] == [8, 4]
    with pytest.raises(KitError, match="nf4"):
        run_batches(rows_of(1), 8, with_memory_for(0, seen), look)


def test_halves_keep_every_question_once():
    for sizes in ((1, 1), (8,), (3, 1, 2), (2,)):
        rows = rows_of(*sizes)
        parts = halves(rows)
        assert [key for part in parts for row in part for key in row.keys] == list(range(sum(sizes)))
        assert len(parts) == 2
    assert halves(rows_of(1)) == [rows_of(1)]


def rows_with(*lengths: tuple[str, int]) -> list[Row]:
    """One question a row: its image ("" for none) and the length of its text."""
    return [
        Row(image, (Encoded((1, 4) if image else (), (5,) * n, ((2,),)),), (key,))
        for key, (image, n) in enumerate(lengths)
    ]


def test_rows_of_like_length_are_batched_with_their_pictures_counted():
    rng = random.Random(0)
    tokens = {"": 0} | {f"picture {n}": rng.choice((16, 64, 400)) for n in range(60)}
    rows = rows_with(*((image, rng.randint(3, 12)) for image in [*tokens, *[""] * 30]))
    batches: list[list[int]] = []

    def work(batch: list[Row], pictures: list[Picture]) -> list[int]:
        assert [picture.n_tokens() for picture in pictures] == [tokens[row.image] for row in batch]
        batches.append([row.n_tokens() + tokens[row.image] for row in batch])
        return [row.keys[0] for row in batch]

    def look(batch: list[Row]) -> list[Picture]:
        return [Picture(Insert.in_line([4] * tokens[row.image])) for row in batch]

    def padded(lengths: list[list[int]]) -> int:
        return sum(len(batch) * max(batch) for batch in lengths)

    assert run_batches(rows, 8, work, look) == list(range(len(rows)))
    by_text = [
        [row.n_tokens() + tokens[row.image] for row in batch]
        for batch in make_batches(sorted(rows, key=lambda row: -row.n_tokens()), 8)
    ]
    needed = sum(map(sum, batches))
    assert padded(batches) < 1.15 * needed < padded(by_text) / 1.5


def test_training_batches_keep_text_only_rows_apart():
    rows = rows_with(*(("" if n % 3 else f"{n}", 3 + n % 9) for n in range(90)))
    batches = plan_batches(rows, batch_size=6, epochs=1, seed=0)
    assert sorted(row.keys[0] for batch in batches for row in batch) == list(range(90))
    assert sum(len({bool(row.image) for row in batch}) == 2 for batch in batches) <= 1


def test_choices_and_answers_are_the_same_after_a_second_try(student, monkeypatch):
    questions = make_questions(12)
    choices = student.choose(questions, open_image, batch_size=12)
    answers = student.answer(questions, open_image, batch_size=12, max_new_tokens=3)
    for name in ("_scores", "_generate"):
        work = getattr(student, name)

        def limited(rows, *rest, work=work, **options):
            if sum(len(row.keys) for row in rows) > 6:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return work(rows, *rest, **options)

        monkeypatch.setattr(student, name, limited)
    with pytest.warns(UserWarning, match="eval_batch_size"):
        again = student.choose(questions, open_image, batch_size=12)
    with pytest.warns(UserWarning, match="eval_batch_size"):
        assert student.answer(questions, open_image, batch_size=12, max_new_tokens=3) == answers
    assert [choice.letter for choice in again] == [choice.letter for choice in choices]


# Pictures


def open_some(reference: str) -> Image.Image:
    """Pictures of which one is missing."""
    if reference == "noise:1":
        raise KitError("no image at 'noise:1'")
    return open_image(reference)


def test_an_unreadable_picture_is_noted_and_changes_no_other_answer(student):
    questions = make_questions(60)
    n_images = len({question.image for question in questions} - {""})
    pictures = Pictures(open_some, n_images)
    choices = models.load(student.name).choose(questions, pictures, batch_size=16)
    whole = models.load(student.name).choose(questions, open_image, batch_size=16)
    assert pictures.failed == {"noise:1": "no image at 'noise:1'"}
    assert pictures.note().startswith(f"1 of {n_images} images could not be read")
    for question, one, two in zip(questions, choices, whole, strict=True):
        if question.image not in pictures.failed:
            assert one.scores == pytest.approx(two.scores, abs=1e-4)


def test_too_many_unreadable_pictures_stop_the_run():
    pictures = Pictures(open_some, 10)
    with pytest.raises(KitError, match="1 of the first 1 images cannot be read .more than 5% of 10.*noise:1"):
        pictures("noise:1")
    assert Pictures(open_image, 10).note() == ""


def test_without_it_an_unreadable_picture_is_an_error(student):
    with pytest.raises(KitError, match="no image at"):
        models.load(student.name).choose(make_questions(6), open_some, batch_size=2)
