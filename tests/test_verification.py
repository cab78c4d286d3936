import json
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine_utils import images, prompts, teachers
from dataengine_utils.facts import FORMS, View, is_clear, judge
from dataengine_utils.facts.vocabulary import FAMILIES, NEAR_ACTS, NEAR_COLOURS, OVERLAPS
from dataengine_utils.facts.words import head, is_plural, may_be_same, plural, with_article
from dataengine_utils.picturebook import truth, world
from dataengine_utils.question_types import DEFINITIONS, QUESTION_TYPES
from dataengine_utils.records import Draft, ImageObject, ImageRecord, Query, Region, Relation, TextBox
from dataengine_utils.verification import REASONS, check

SOURCE = images.load("picturebook")
FULL = prompts.make_template(prompts.ROLE, list(prompts.RULES.values()), DEFINITIONS)
DRAFT = Draft("Which animal sleeps?", "The cat sleeps.", "cat", ("dog", "cat", "cow", "bird"), "B")
OPTIONS = {
    "place": world.SETTINGS,
    "sky": world.SKIES,
    "position": world.POSITIONS,
    "colour": world.COLOURS,
    "colour_at": world.COLOURS,
    "count": truth.NUMBERS[:5],
    "count_people": truth.NUMBERS[:5],
    "direction": truth.DIRECTIONS,
    "action": world.ACTIONS,
    "need": tuple(truth.NEEDS.values()),
    "outing": tuple(truth.OUTINGS.values()),
    "sound": tuple(truth.SOUNDS.values()),
    "word": world.WORDS,
}


def scene(objects, relations=(), phrases=(), texts=()):
    """A 300 x 300 record from (name, box, attributes...) rows; relations name rows by number."""
    rows = tuple(
        ImageObject(n, name, box, tuple(attributes)) for n, (name, box, *attributes) in enumerate(objects)
    )
    return ImageRecord(
        "1",
        "1.png",
        300,
        300,
        rows,
        tuple(Relation(*r) for r in relations),
        tuple(Region(p, (0, 0, 300, 300)) for p in phrases),
        tuple(TextBox(t, (0, 0, 9, 9)) for t in texts),
    )


def draft(facts, answer, *wrong):
    return Draft("What is it?", "It is this.", answer, (answer, *wrong), "A", facts)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""),
        ({"options": ("dog", "cat", "cow")}, "not four options"),
        ({"options": ("dog", "cat", "cow", "Dog")}, "options repeat"),
        ({"choice": "A"}, "choice is not the short answer"),
        ({"choice": "E"}, "choice is not the short answer"),
        ({"choice": ""}, "choice is not the short answer"),
        ({"choice": "AB"}, "choice is not the short answer"),
        ({"short_answer": "a cat"}, ""),
        ({"short_answer": "a kitten"}, "choice is not the short answer"),
        ({"short_answer": "Cat"}, ""),
        ({"instruction": "What colour is the Cat?"}, "answer in the question"),
        ({"instruction": "Which animal is a caterpillar?"}, ""),
        ({"instruction": "What lies in the bounding box?"}, "mentions the annotations"),
        ({"answer": "By the description it is a cat."}, "mentions the annotations"),
        ({"answer": "The cat at [0.1, 0.2, 0.55, 0.7]."}, "mentions the annotations"),
        ({"instruction": "What animal sits in the box?"}, ""),
        ({"facts": {"form": "mood"}}, "unknown facts"),
        ({"facts": {"form": "position", "kind": 4}}, "unknown facts"),
        ({"facts": {"form": ["place"]}}, "unknown facts"),
        ({"facts": {"form": "kind_at", "position": "upstairs"}}, "unknown facts"),
        ({"facts": {"form": "place"}}, "another question type"),
    ],
)
def test_the_form_of_a_draft(change, reason):
    assert check(replace(DRAFT, **change), scene([]), "Instance Identity").reason == reason
    assert reason in ("", *REASONS)


CASES = [
    # two cats of different colours; the colour of one is asked
    (
        [("cat", (0, 0, 40, 40), "red"), ("cat", (200, 200, 40, 40), "blue")],
        {"form": "colour", "kind": "cat"},
        ("red", "green", "black", "white"),
        "more than one meaning",
    ),
    # the same cat annotated twice is one cat
    (
        [("cat", (0, 0, 40, 40), "red"), ("cat", (2, 1, 40, 40))],
        {"form": "colour", "kind": "cat"},
        ("red", "green", "black", "white"),
        "",
    ),
    (
        [("cat", (0, 0, 40, 40), "red")],
        {"form": "colour", "kind": "cat"},
        ("blue", "green", "black", "white"),
        "answer is not true",
    ),
    (
        [("cat", (0, 0, 40, 40), "gray")],
        {"form": "colour", "kind": "cat"},
        ("gray", "green", "silver", "red"),
        "wrong option may be true",
    ),
    (
        [("cat", (0, 0, 40, 40), "red", "white")],
        {"form": "colour", "kind": "cat"},
        ("red", "green", "white", "blue"),
        "answer is not true",
    ),
    (
        [("cat", (20, 20, 40, 40))],
        {"form": "position", "kind": "cat"},
        ("top left", "top", "left", "middle"),
        "",
    ),
    (
        [("cat", (20, 20, 40, 40))],
        {"form": "position", "kind": "cat"},
        ("top", "top left", "left", "middle"),
        "answer is not true",
    ),
    (
        [("cat", (75, 20, 50, 40))],
        {"form": "position", "kind": "cat"},
        ("top", "bottom", "left", "middle"),
        "more than one meaning",
    ),
    (
        [("cat", (0, 0, 290, 290))],
        {"form": "position", "kind": "cat"},
        ("middle", "bottom", "left", "top"),
        "more than one meaning",
    ),
    (
        [("cat", (0, 0, 40, 40)), ("dog", (200, 0, 40, 40))],
        {"form": "direction", "kind": "cat", "from_kind": "dog"},
        ("left", "right", "above", "below"),
        "",
    ),
    (
        [("cat", (0, 0, 40, 40)), ("dog", (200, 0, 40, 40))],
        {"form": "direction", "kind": "dog", "from_kind": "cat"},
        ("left", "right", "above", "below"),
        "answer is not true",
    ),
    (
        [("cat", (0, 0, 40, 40)), ("dog", (200, 190, 40, 40))],
        {"form": "direction", "kind": "cat", "from_kind": "dog"},
        ("left", "right", "above", "below"),
        "more than one meaning",
    ),
    (
        [("cat", (0, 0, 40, 40)), ("cat", (90, 0, 40, 40))],
        {"form": "count", "kind": "cat"},
        ("two", "one", "three", "four"),
        "",
    ),
    (
        [("cat", (0, 0, 40, 40)), ("cat", (90, 0, 40, 40))],
        {"form": "count", "kind": "cat"},
        ("three", "one", "two", "four"),
        "answer is not true",
    ),
    (
        [("cat", (0, 0, 40, 40)), ("cats", (90, 0, 40, 40))],
        {"form": "count", "kind": "cat"},
        ("two", "one", "three", "four"),
        "more than one meaning",
    ),
    (
        [("cat", (0, 0, 40, 40)), ("dog", (90, 0, 40, 40))],
        {"form": "present"},
        ("cat", "cow", "horse", "dog"),
        "wrong option may be true",
    ),
    ([("cat", (0, 0, 40, 40))], {"form": "present"}, ("cat", "cow", "horse", "bird"), ""),
]


@pytest.mark.parametrize(("objects", "facts", "options", "reason"), CASES)
def test_facts_are_held_against_the_boxes(objects, facts, options, reason):
    assert (
        check(draft(facts, *options), scene(objects), FORMS[facts["form"]].question_type).reason == reason
    )


def test_facts_are_held_against_relations_phrases_and_texts():
    boxes = [
        ("man", (0, 0, 90, 90)),
        ("horse", (10, 30, 90, 90)),
        ("dog", (210, 210, 40, 40)),
        ("sign", (200, 5, 50, 30)),
    ]
    record = scene(boxes, [(0, "rides", 1)], ["three dogs", "a cow far away"], ["STOP"])
    act = {"form": "action", "subject": "man", "object": "horse"}
    whom = {"form": "acted_on", "subject": "man", "action": "riding"}
    for facts, options, reason in [
        (act, ("riding", "holding", "pushing", "kicking"), ""),
        (act, ("riding", "sitting on", "pushing", "kicking"), "wrong option may be true"),
        (act, ("pushing", "riding", "holding", "kicking"), "answer is not true"),
        (whom, ("horse", "bicycle", "car", "boat"), ""),
        (whom, ("dog", "bicycle", "car", "boat"), "answer is not true"),
        (
            {"form": "actor", "action": "riding", "object": "dog"},
            ("man", "cow", "bird", "cat"),
            "more than one meaning",
        ),
        ({"form": "count", "kind": "dog"}, ("one", "two", "three", "four"), "more than one meaning"),
        ({"form": "present"}, ("dog", "cow", "cat", "bird"), "wrong option may be true"),
        ({"form": "word"}, ("STOP", "OPEN", "SALE", "TAXI"), ""),
        ({"form": "word"}, ("STOP", "TOP", "SALE", "TAXI"), "wrong option may be true"),
    ]:
        found = check(draft(facts, *options), record, FORMS[facts["form"]].question_type)
        assert found.reason == reason, (facts, options)


def test_a_picture_without_the_fact_has_no_meaning():
    for form, argument in (
        ("place", {}),
        ("sky", {}),
        ("need", {}),
        ("outing", {}),
        ("word", {}),
        ("count", {"kind": "cat"}),
        ("colour", {"kind": "cat"}),
        ("direction", {"kind": "cat", "from_kind": "dog"}),
        ("neighbour", {"from_kind": "dog", "direction": "left"}),
        ("acted_on", {"subject": "man", "action": "riding"}),
    ):
        facts = {"form": form, **argument}
        assert (
            check(draft(facts, "one", "two", "red", "left"), scene([]), FORMS[form].question_type).reason
            == "more than one meaning"
        )


def test_quoted_text_is_read_from_phrases_where_nothing_was_recognised():
    view = View(scene([], phrases=["a sign that says 'Walk'", 'the word "WALK" in white', "a dog's tail"]))
    assert view.texts == ("Walk",)
    assert not view.mentioned("walk")


def test_a_colour_of_a_person_is_not_that_of_the_clothes():
    man = ("man", (0, 0, 40, 90), "white")
    assert View(scene([man])).things[0].colours == ("white",)
    assert View(scene([man, ("shirt", (0, 20, 40, 30), "red")])).things[0].colours == ()
    assert View(scene([man], phrases=["he wears sneakers"])).things[0].colours == ()


def test_the_embedded_worlds_words_stay_exact():
    exact = {*world.KINDS, *world.COLOURS}
    for group in (*OVERLAPS, *NEAR_COLOURS):
        assert len(group & exact) <= 1, group
    kinds = [kind for family in FAMILIES for kind in family]
    assert len(kinds) == len(set(kinds))
    assert all(not (may_be_same(a, b)) for a in world.KINDS for b in world.KINDS if a != b)
    assert NEAR_ACTS


@pytest.mark.parametrize(
    ("name", "several", "one"),
    [
        ("cat", "cats", "cat"),
        ("bus", "buses", "bus"),
        ("man", "men", "man"),
        ("child", "children", "child"),
        ("traffic light", "traffic lights", "light"),
        ("bench", "benches", "bench"),
        ("berry", "berries", "berry"),
        ("shelf", "shelves", "shelf"),
        ("glass", "glasses", "glass"),
        ("pants", "pants", "pants"),
        ("box", "boxes", "box"),
    ],
)
def test_plurals(name, several, one):
    assert plural(name) == several and head(name) == one
    assert is_plural(several) and (name == several or not is_plural(name))
    assert may_be_same(name, several) or name == "glass"


def test_articles_and_names_of_one_thing():
    assert [with_article(name) for name in ("cat", "umbrella", "shoes", "hair")] == [
        "a cat",
        "an umbrella",
        "shoes",
        "hair",
    ]
    assert may_be_same("bike", "bikes") and may_be_same("man", "guy") and may_be_same("sign", "street sign")
    assert not may_be_same("office phone", "wireless phone") and not may_be_same("cat", "dog")


def good_drafts(n):
    """(record, question type, draft): what the rule teacher writes with all rules."""
    teacher, types = teachers.load("rules"), list(QUESTION_TYPES.values())
    for number, image_id in enumerate(SOURCE.ids()[:n]):
        record, kind = SOURCE.record(image_id), types[number % 9]
        if teacher.can_write(record, kind):
            reply = next(
                iter(
                    teacher.replies([teachers.Request(Query(f"q{number}", kind, image_id, ()), record, FULL)])
                )
            )
            yield record, kind, prompts.parse(reply.text)


def test_good_drafts_pass_and_their_wrong_answers_do_not():
    for record, kind, good in good_drafts(450):
        assert check(good, record, kind).reason == ""
        for letter, option in zip("ABCD", good.options, strict=True):
            if letter != good.choice:
                wrong = replace(good, answer=f"It is {option}.", choice=letter, short_answer=option)
                assert check(wrong, record, kind).reason in (
                    "answer is not true",
                    "answer in the question",
                ), (good, option)


def test_a_second_true_option_is_always_found():
    """Every option that the world's exact truth allows is refused as a wrong one."""
    rng, planted = random.Random(0), 0
    for record, kind, good in good_drafts(450):
        drawn = world.sample_scene(int(record.image_id))
        pool = OPTIONS.get(good.facts["form"], world.KINDS)
        more = [o for o in pool if o not in good.options and truth.holds(drawn, good.facts, o)]
        if more:
            options = [
                good.short_answer,
                rng.choice(more),
                *[o for o in good.options if o != good.short_answer][:2],
            ]
            planted += 1
            assert (
                check(replace(good, options=tuple(options), choice="A"), record, kind).reason
                == "wrong option may be true"
            )
    assert planted > 20


@given(st.integers(0, 5000), st.sampled_from(sorted(OPTIONS)), st.randoms(use_true_random=False))
def test_the_judge_never_contradicts_the_exact_truth(seed, form, rng):
    """On drawn scenes, whatever facts are stated: what is clear and holds is true, what is not is false."""
    seed += int(SOURCE.ids()[0])
    drawn, view = world.sample_scene(seed), View(SOURCE.record(str(seed)))
    present = [thing.kind for thing in drawn.things] or ["cat"]
    values = {
        "kind": present,
        "from_kind": present,
        "object": present,
        "subject": world.PEOPLE,
        "position": world.POSITIONS,
        "direction": truth.DIRECTIONS,
        "action": world.ACTIONS,
        "colour": world.COLOURS,
    }
    facts = {"form": form, **{name: rng.choice(values[name]) for name in FORMS[form].arguments}}
    if is_clear(view, facts):
        for option in OPTIONS[form]:
            verdict = judge(view, facts, option)
            assert verdict == "undecided" or (verdict == "holds") == truth.holds(drawn, facts, option), (
                facts,
                option,
            )


def test_drafts_survive_json():
    _, _, good = next(good_drafts(9))
    text = json.dumps(
        {
            "question": good.instruction,
            "answer": good.answer,
            "short_answer": good.short_answer,
            "options": good.options,
            "choice": good.choice,
            "facts": good.facts,
        }
    )
    assert prompts.parse(text) == good
