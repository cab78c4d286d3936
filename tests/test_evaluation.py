from dataclasses import dataclass

import pytest
from PIL import Image

from dataengine_utils.errors import KitError
from dataengine_utils.evaluation import evaluate
from dataengine_utils.records import Prediction, Question

QUESTIONS = [
    Question("1", "a", "a", "Which?", ("cat", "dog"), "dog", "B", "Kind"),
    Question("2", "b", "b", "Where?", (), "on the mat", "", "Place"),
    Question("3", "c", "c", "Which?", ("cat", "dog"), "cat", "A", "Kind"),
]


@dataclass
class Choice:
    letter: str
    scores: tuple[float, ...]


class Student:
    """Chooses B always; writes what it was given to say."""

    def __init__(self, *replies):
        self.said, self.calls = list(replies), []

    def choose(self, questions, open_image, *, batch_size, by):
        self.calls.append((by, batch_size, [q.id for q in questions]))
        return [Choice("B", (-2.0, -1.0)) for _ in questions]

    def answer(self, questions, open_image, *, batch_size, max_new_tokens):
        self.calls.append(("answer", max_new_tokens, [q.id for q in questions]))
        return [self.said.pop(0) for _ in questions]


def run(student, mode, questions=QUESTIONS):
    return evaluate(student, questions, lambda reference: None, mode=mode, batch_size=2)


@pytest.mark.parametrize(("mode", "reply"), [("text", "dog"), ("letter", "B")])
def test_options_are_ranked_and_open_questions_written(mode, reply):
    student = Student("On the mat.")
    assert run(student, mode) == [
        Prediction("1", "Kind", reply, "B", "right", (-2.0, -1.0)),
        Prediction("2", "Place", "On the mat.", "", "right"),
        Prediction("3", "Kind", reply, "B", "wrong", (-2.0, -1.0)),
    ]
    assert student.calls == [(mode, 2, ["1", "3"]), ("answer", 64, ["2"])]


def test_free_replies_are_kept_raw_and_read():
    assert [
        (p.reply, p.choice, p.outcome) for p in run(Student("The answer is (B).", "", "no idea"), "generate")
    ] == [("The answer is (B).", "B", "right"), ("", "", "unparsed"), ("no idea", "", "unparsed")]


def test_nothing_asked_and_unknown_modes():
    assert run(Student(), "text", []) == []
    with pytest.raises(KitError, match="unknown answer mode 'rank'.*generate"):
        run(Student(), "rank")


def test_questions_about_unreadable_pictures_are_unanswered_and_told():
    asked = [Question(str(n), f"i{n}", f"{n}.jpg", "Where?", (), "here", "", "Place") for n in range(40)]

    class Looks(Student):
        def answer(self, questions, open_image, *, batch_size, max_new_tokens):
            assert all(open_image(question.image) for question in questions)
            return ["here"] * len(questions)

    def open_image(reference):
        if reference in broken:
            raise KitError(f"{reference} is not a whole image")
        return Image.new("RGB", (2, 2))

    broken = {"7.jpg", "31.jpg"}
    with pytest.warns(UserWarning, match=r"2 of 40 images could not be read.*7\.jpg is not a whole image"):
        predictions = evaluate(Looks(), asked, open_image, mode="text", batch_size=2)
    assert [p.outcome for p in predictions].count("right") == 38
    assert (predictions[7].reply, predictions[7].outcome) == ("", "unparsed")
    broken.add("9.jpg")
    with pytest.raises(KitError, match="images cannot be read .more than 5% of 40"):
        evaluate(Looks(), asked, open_image, mode="text", batch_size=2)
