"""The form of a draft: what is refused whatever the picture shows, and what only looks like it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine_utils.records import Draft, ImageRecord
from dataengine_utils.verification import REASONS, check, gives_away
from dataengine_utils.verification.form import is_english, tokens

RECORD = ImageRecord("1", "1.png", 9, 9)
DRAFT = Draft("Which animal sleeps?", "The cat sleeps.", "cat", ("dog", "cat", "cow", "bird"), "B")


def reason(**change):
    return check(replace(DRAFT, **change), RECORD, "T").reason


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (("dog", "cat", "cow", "A dog"), "options repeat"),
        (("dog", "cat", "cow", "DOG."), "options repeat"),
        (("two", "cat", "cow", "2"), "options repeat"),
        (("the dog", "cat", "a dog", "bird"), "options repeat"),
        (("ｄｏｇ", "cat", "dog", "bird"), "options repeat"),
        (("yellow", "cat", "It is yellow", "red"), "options repeat"),
        (("middle", "cat", "In the middle", "left"), "options repeat"),
        (("upper left", "cat", "At the top-left of the image", "left"), "options repeat"),
        (("beach", "cat", "At a beach", "park"), "options repeat"),
        (("walking it", "cat", "walking", "riding"), "options repeat"),
        (("in the car", "cat", "on the car", "the car"), ""),
        (("dark red", "cat", "red", "light red"), ""),
        (("dog", "cat", "cow", "dogs"), ""),
        (("-5", "cat", "5", "0.5"), ""),
        (("$5", "cat", "€5", "10:30"), ""),
        (("A", "cat", "The", "an"), ""),
        (("dog", "cat", "cow", "All of the above"), "option about other options"),
        (("dog", "cat", "cow", "None of these."), "option about other options"),
        (("dog", "cat", "cow", "Both A and C"), "option about other options"),
        (("dog", "cat", "cow", "all of the animals"), ""),
        (("dog", "cat", "cow", "..."), "empty text"),
        (("dog", "cat", "cow", "x" * 200), "too long"),
    ],
)
def test_options(options, found):
    assert reason(options=options) == found and found in ("", *REASONS)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"short_answer": "The cat."}, ""),
        ({"short_answer": "kitten"}, "choice is not the short answer"),
        ({"choice": "E"}, "choice is not the short answer"),
        ({"choice": "AB"}, "choice is not the short answer"),
        ({"answer": "The dog sleeps."}, "answer names another option"),
        ({"answer": "The cat sleeps, the dog does not."}, ""),
        ({"answer": "It is a feline."}, ""),
        ({"instruction": "Which animal sleeps beside the dog?", "answer": "It sleeps beside the dog."}, ""),
        ({"instruction": "?!", "answer": "..."}, "empty text"),
        ({"instruction": "What is it " * 60}, "too long"),
        ({"answer": "It is the cat " * 60}, "too long"),
    ],
)
def test_answer_and_choice(change, found):
    assert reason(**change) == found


@pytest.mark.parametrize(
    "text",
    [
        "What lies in the bounding box?",
        "What is at [0.1, 0.2, 0.55, 0.7]?",
        "What is at (12, 30, 55, 71)?",
        "What is at 0.10, 0.20, 0.55, 0.70?",
        "What is at the point (0.12, 0.3)?",
        "What do the coordinates show?",
        "By the description, what is it?",
        "As described, what is it?",
        "According to the captions, what is it?",
        "According to the text, what is it?",
        "What do the annotations show?",
        "Based on the given facts, what is it?",
        "What is at pixel 40?",
        "Which thing has x1 = 4?",
        "Which of the listed facts is it?",
        "According to the scene graph, what is it?",
        "As per the provided labels, what is it?",
        "It is the cat, as its box spans from left to right",
        "What lies at x=12?",
        "It is the cat, as stated in the given information",
        "It is the cat, as the attributes given for it show",
        "Which animal is it (object ID 1203)?",
    ],
)
def test_sources_are_not_mentioned(text):
    assert reason(instruction=text) == "mentions the annotations"
    options = (text.rstrip("?"), *DRAFT.options[1:])
    assert reason(options=options) == "mentions the annotations"


@pytest.mark.parametrize(
    "text",
    [
        "What animal sits in the box?",
        "What colour is the red box (2, 3)?",
        "Which word describes the sky?",
        "Which description fits the picture best?",
        "According to the text on the sign, what is sold?",
        "What number is listed on the menu?",
        "What is mentioned on the poster?",
        "What is in the box given to the girl?",
        "Which of the given objects is visible?",
        "What is labelled as hot on the tap?",
        "What is the list on the wall about?",
        "Is the man as tall as the door?",
    ],
)
def test_what_only_sounds_like_sources(text):
    assert reason(instruction=text) == ""


@pytest.mark.parametrize(
    ("question", "answer", "found"),
    [
        ("What colour is the red car?", "red", True),
        ("What colour is the RED car?", "Red.", True),
        ("Which car is it, if not the red car?", "the red car", True),
        ("How many of the 2 cats sleep?", "two", True),
        ("What colour is the yellow cat?", "It is yellow", True),
        ("Where is the dog in the middle?", "In the middle", True),
        ("Where is the upper left dog?", "top left", True),
        ("Where is the cup relative to the table?", "on the table", False),
        ("Which animal is a caterpillar?", "cat", False),
        ("What is redder?", "red", False),
        ("What is it?", "it", True),
    ],
)
def test_the_answer_in_the_question(question, answer, found):
    assert gives_away(question, answer) == found


def test_a_choice_in_the_question_gives_nothing_away():
    either = {"instruction": "Is it a cat or a dog that sleeps?"}
    assert reason(**either) == ""
    assert reason(instruction="Is it a cat that sleeps?") == "answer in the question"
    assert reason(instruction="Is it a cat or another animal that sleeps?") == "answer in the question"


@pytest.mark.parametrize(
    "text",
    [
        "What colour is the car?",
        "Which animal sleeps?",
        "How tall is the man wearing the dark pants?",
        "Name the animal on the left.",
        "Which plate contains healthier food options?",
        "What is the name of the café?",
        "Where are the señor's shoes?",
    ],
)
def test_english(text):
    assert is_english(text)


@pytest.mark.parametrize(
    "text",
    [
        "Welche Farbe hat das Auto?",
        "Was ist auf dem Tisch und wo ist die Katze?",
        "¿De qué color es el coche?",
        "De quelle couleur est la voiture ?",
        "Qual é a cor do carro?",
        "Какого цвета машина?",
        "汽车是什么颜色的？",
        "ما لون السيارة؟",
        "Koliko ljudi vidite?",
    ],
)
def test_other_languages(text):
    assert not is_english(text)
    assert reason(instruction=text) == "not English"


def test_words_in_quotes_may_be_foreign():
    assert reason(instruction='What does the sign that says "出口" mean?') == ""
    assert reason(answer='The sign says "出口".') == ""
    assert reason(answer="这是一只猫") == "not English"


@given(st.text(min_size=1, max_size=40), st.text(max_size=40))
def test_no_text_breaks_the_form(one, other):
    drafts = [replace(DRAFT, instruction=one), replace(DRAFT, answer=one, short_answer=other),
              replace(DRAFT, options=(one, other, "cat", "dog"), choice=one)]  # fmt: skip
    assert all(check(draft, RECORD, "T").reason in ("", *REASONS) for draft in drafts)
    assert tokens(one) == tokens(f" {one} ") and (not one.strip() or gives_away(f"{one}", one))
