"""What must not be misread: questions that ask for something else than they seem to, options that agree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine_utils.facts import View, free
from dataengine_utils.facts.free.reading import _NEEDS
from dataengine_utils.facts.free.wordings import PATTERNS
from dataengine_utils.picturebook.annotations import image_record
from dataengine_utils.question_types import QUESTION_TYPES
from dataengine_utils.records import Draft, ImageObject, ImageRecord, Relation, TextBox
from dataengine_utils.verification import REASONS, check

VIEW = View(image_record(20000001))
PIECES = """
    what which who where how many colour direction side word material of in to on at the a is are can
    does do be seen found visible riding holding facing looking by with from relative left right top
    middle dog car man woman sign it its that something one these following picture weather place , . ?
    ; 's doing not red look count if you between and other thing name see would
"""


def scene(objects, relations=(), texts=()):
    """A 300 x 300 record from (name, box, attributes...) rows; relations name rows by number."""
    rows = tuple(ImageObject(n, name, box, tuple(attributes))
                 for n, (name, box, *attributes) in enumerate(objects))
    return ImageRecord("1", "1.png", 300, 300, rows, tuple(Relation(*r) for r in relations), (),
                       tuple(TextBox(*t) for t in texts))  # fmt: skip


PARK = scene([("man", (0, 0, 90, 200)), ("horse", (10, 60, 120, 120), "brown"),
              ("dog", (230, 230, 50, 50), "gray"),
              ("umbrella", (60, 0, 60, 60), "red"), ("sign", (200, 5, 60, 40), "white"),
              ("car", (150, 100, 60, 40), "blue")],
             [(0, "holding", 3)], [("STOP", (205, 10, 40, 20))])  # fmt: skip


def reason(question, options, choice="A", record=PARK, question_type=""):
    answer = options["ABCD".index(choice)]
    draft = Draft(question, f"It is {answer}.", answer, tuple(options), choice)
    return check(draft, record, question_type).reason


def test_every_pattern_tells_a_form_that_can_be_judged():
    known = {*free.JUDGES, *free.ASSERTIONS, "position", "says", "open_word"}
    assert {form for form, _ in PATTERNS} <= known
    assert {*_NEEDS} <= known, "what no pattern tells needs nothing"


@given(st.lists(st.sampled_from(PIECES.split()), max_size=14).map(" ".join) | st.text(max_size=80),
       st.sampled_from(list(QUESTION_TYPES.values())))  # fmt: skip
def test_no_words_whatever_break_the_checks(question, question_type):
    reading = free.read(question)
    if reading:
        free.types_of(reading, (question, "a dog"))
        assert len(free.judge_options(VIEW, reading, (question, "left", "a red dog", "Riding it"))) == 4
    draft = Draft(question, question, "left", ("left", "a dog", question, "2"), "A")
    assert check(draft, VIEW.record, question_type).reason in ("", *REASONS)


@pytest.mark.parametrize(
    "question",
    [
        "In which direction is the car facing?",
        "Which direction is the dog facing?",
        "In what direction is the man riding?",
        "Where is the dog looking?",
        "Where is the car heading?",
        "What color is the umbrella the woman is holding?",
        "What color is the horse the man is riding?",
        "What color is the dog that is sleeping?",
        "What colour is her umbrella?",
        "What color is the man's car's door?",
        "How many other dogs are there?",
        "How many more people are there?",
        "How many of the dogs are brown?",
        "How many dogs and cats are there?",
        "What does the woman's expression show?",
        "What does the clock show?",
        "What does the traffic light show?",
        "What does the clock say?",
        "Which of the following colors is visible in the image?",
        "Which of the following activities is visible in the image?",
        "Which sport is shown in the image?",
        "From the driver's point of view, where is the dog?",
        "What could the man do with the horse?",
        "What is the man about to do with the horse?",
        "Imagine the image were mirrored. What is on the left?",
        "Ignore the red car. How many cars are there?",
        "Consider only the animals. How many are there?",
        "What is in the picture on the wall?",
        "What is shown on the screen?",
        "What is between the dog and the cat?",
        "Which car is closest to the camera?",
        "Look at the dog and the cat. What colour is it?",
    ],
)
def test_what_is_not_surely_understood_is_not_read(question):
    assert free.read(question) is None, free.read(question)


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("What color is the dog next to the woman's umbrella?", "dog"),
        ("Where is the dog near the woman's umbrella?", "dog"),
        ("What colour is the big dog on the left?", "dog"),
        ("What color are the man's shoes?", "shoes"),
        ("How many adult people are there?", "adult people"),
    ],
)
def test_a_thing_that_is_told_apart_is_named_but_not_decided(question, name):
    reading = free.read(question)
    assert reading.things["x"].name == name
    found = free.judge_options(View(PARK), reading, ("gray", "green", "bottom right", "top left", "7"))
    assert set(found) == {"undecided"}


@pytest.mark.parametrize(
    ("question", "form", "things"),
    [
        ("Which of the following words is visible in the image?", "word", {}),
        ("Where can the car be found in relation to the dog?", "direction", {"x": "car", "y": "dog"}),
        ("What kind of weather is depicted here?", "sky", {}),
        ("What is the color of whatever appears in the top left section of the scene?", "colour_at", {}),
        ("The car visible in the image is of which colour?", "colour", {"x": "car"}),
        ("How many individual cars appear?", "count", {"x": "cars"}),
        ("How many human figures are there?", "count", {"x": "people"}),
        ("Out of which material was the car crafted?", "material", {"x": "car"}),
        ("Which individual is riding the horse?", "actor", {"y": "horse"}),
        ("Which kind of vehicle is shown?", "present", {}),
        ("Where is the man sitting?", "position", {"x": "man"}),
        ("Count the cars in the image. How many are there?", "count", {"x": "cars"}),
        ("If you look to the left of the dog, what will you find?", "neighbour", {"y": "dog"}),
        ("The car has something to its left. What is it?", "neighbour", {"y": "car"}),
        ("Look at the dog. What colour is it?", "colour", {"x": "dog"}),
        ("Take the car. Where is it relative to the dog?", "direction", {"x": "car", "y": "dog"}),
        ("Taking the dog as a reference point, where would you find the car?", "direction",
         {"x": "car", "y": "dog"}),
        ("What color is the trash can?", "colour", {"x": "trash can"}),
        ("What should one wear in this weather?", "need", {}),
        ("Which leisure activity would suit this place?", "outing", {}),
        ("What noise might reach your ears here?", "sound", {}),
        ("What is in front of the computer case?", "beside", {"y": "computer case"}),
    ],
)  # fmt: skip
def test_questions_of_many_builds(question, form, things):
    reading = free.read(question)
    assert reading and reading.form == form, reading
    assert {key: phrase.name for key, phrase in reading.things.items()} == things


@pytest.mark.parametrize(
    ("question", "options", "question_type"),
    [
        ("What color is the sky?", ("blue", "gray", "black", "pink"), "Scene Understanding"),
        ("What is the man wearing?", ("a hat", "a tie", "a mask", "a cap"), "Instance Attributes"),
        ("What are the people doing?", ("skiing", "eating", "running", "dancing"), "Scene Understanding"),
        ("Where are the people?", ("in a bar", "in a bus", "on a ship", "at home"), "Scene Understanding"),
        ("Where is the man sitting?", ("on a bench", "on a rock", "on a log", "on a bed"),
         "Instance Interaction"),
        ("Which of the following signs is visible?", ("STOP", "YIELD", "EXIT", "SLOW"), "Text Understanding"),
        ("Which of the following texts is visible?", ("STOP", "YIELD", "EXIT", "SLOW"), "Text Understanding"),
        ("Which of the following words is visible?", ("STOP", "YIELD", "EXIT", "SLOW"), "Text Understanding"),
        ("Which of the following actions is visible?", ("a jump", "a kick", "a fall", "a dive"),
         "Instance Interaction"),
        ("Which of these is visible?", ("a red kite", "a blue kite", "a green kite", "a black kite"),
         "Instance Attributes"),
        ("What is on the sign?", ("An arrow", "A bird", "A cup", "A bus"), "Instance Identity"),
    ],
)  # fmt: skip
def test_plain_questions_are_of_their_type(question, options, question_type):
    assert reason(question, options, question_type=question_type) == ""


@pytest.mark.parametrize(
    ("question", "options"),
    [
        ("Who is holding the umbrella?", ("A man", "A person", "A boat", "A kite")),
        ("What is in the left part of the picture?", ("A horse", "An animal", "A boat", "A kite")),
        ("Which of these is visible?", ("A car", "A vehicle", "A boat", "A kite")),
        ("What color is the umbrella?", ("Red", "Crimson", "Green", "White")),
        ("What word is on the sign?", ("STOP", 'The word "stop"', "OPEN", "SALE")),
    ],
)
def test_two_right_options_in_other_words(question, options):
    assert reason(question, options) in ("wrong option may be true", "options repeat")


def test_a_kind_and_a_thing_of_it_agree_even_where_nothing_is_decided():
    options = ("A cat", "An animal", "A boat", "A kite")
    assert reason("What is on the table?", options) == "wrong option may be true"
    assert reason("What is on the table?", options, choice="B") == "", "an animal need not be a cat"
    assert reason("How many dogs are there?", ("Two", "A pair", "Five", "Six")) == "options repeat"


@pytest.mark.parametrize(
    ("attributes", "question", "options"),
    [
        (("night",), "What is the sky like?", ("Clear", "Red", "Pink", "Green")),
        (("rainy",), "What is the weather like?", ("Cloudy", "Red", "Pink", "Green")),
        (("snowy",), "What is the weather like?", ("Overcast", "Red", "Pink", "Green")),
        (("sunny",), "What would be a good plan for a day here?",
         ("go fishing", "sleep", "walk", "run")),
    ],
)  # fmt: skip
def test_what_goes_together_is_not_contradicted(attributes, question, options):
    record = scene([("beach", (0, 0, 300, 300), *attributes)])
    assert reason(question, options, record=record) == ""


def test_a_place_or_an_act_that_may_be_meant_is_not_contradicted():
    desert, kitchen = (scene([(place, (0, 0, 300, 300), "sunny")]) for place in ("desert", "kitchen"))
    assert reason("Where was this picture taken?", ("On sand dunes", "x", "y", "z"), record=desert) == ""
    assert reason("Where was this picture taken?", ("On a street", "x", "y", "z"), record=desert)
    assert reason("Where was this picture taken?", ("In a restaurant", "x", "y", "z"), record=kitchen) == ""
    asked = "What is the man doing with the umbrella?"
    assert reason(asked, ("Walking with it", "x", "y", "z")) == ""
    assert reason(asked, ("Kicking it", "x", "y", "z")) == "answer is not true"
