import time
from collections import Counter, defaultdict

import pytest

from dataengine_utils import images, prompts, teachers
from dataengine_utils.errors import KitError
from dataengine_utils.facts.vocabulary import FAMILIES
from dataengine_utils.generation import generate
from dataengine_utils.picturebook import truth, world
from dataengine_utils.question_types import DEFINITIONS, QUESTION_TYPES
from dataengine_utils.records import ImageRecord, Query
from dataengine_utils.teachers.rules.asks import ASKS, NAMING
from dataengine_utils.teachers.rules.wordings import ANSWERS, QUESTIONS
from dataengine_utils.verification import REASONS

TYPES = tuple(QUESTION_TYPES.values())
FULL = prompts.make_template(prompts.ROLE, list(prompts.RULES.values()), DEFINITIONS)
SOURCE, TEACHER = images.load("picturebook"), teachers.load("rules")
KINDS_OF_ANSWER = {
    "place": world.SETTINGS,
    "sky": world.SKIES,
    "colour": world.COLOURS,
    "colour_at": world.COLOURS,
    "position": world.POSITIONS,
    "count": truth.NUMBERS,
    "count_people": truth.NUMBERS,
    "direction": truth.DIRECTIONS,
    "action": world.ACTIONS,
    "need": tuple(truth.NEEDS.values()),
    "outing": tuple(truth.OUTINGS.values()),
    "sound": tuple(truth.SOUNDS.values()),
    "word": world.WORDS,
    **dict.fromkeys(NAMING, world.KINDS),
}


def served(n, start=0):
    """`n` queries, the types in turn, each on the next image that can serve it."""
    queries, ids = [], iter(SOURCE.ids()[start:])
    while len(queries) < n:
        image_id, question_type = next(ids), TYPES[len(queries) % 9]
        if TEACHER.can_write(SOURCE.record(image_id), question_type):
            queries.append(Query(f"q{len(queries)}", question_type, image_id, ()))
    return queries


def write(queries, template=FULL, source=SOURCE, teacher=TEACHER):
    return generate(queries, source, teacher, template, write=lambda record: None)


@pytest.fixture(scope="module")
def records():
    return write(served(5000))


def test_five_thousand_samples_are_all_true(records):
    assert sum(r.accepted for r in records) >= 0.97 * len(records)
    for record in (r for r in records if r.accepted):
        scene, draft = world.sample_scene(int(record.image_id)), record.draft
        true = [option for option in draft.options if truth.holds(scene, draft.facts, option)]
        assert true == [draft.short_answer], (record.image_id, draft)


def test_every_type_is_served_in_many_wordings(records):
    assert set(Counter(r.question_type for r in records if r.accepted)) == set(TYPES)
    forms = {form for forms in KINDS_OF_ANSWER for form in [forms]}
    wordings = defaultdict(set)
    for record in records:
        facts = record.draft.facts
        words = record.draft.instruction
        for name, value in facts.items():
            if name != "form":
                words = words.replace(value, "*")
        wordings[facts["form"]].add(words)
    assert set(wordings) == forms
    assert all(len(found) >= 4 for found in wordings.values()), {
        form: len(found) for form, found in wordings.items()
    }


def test_options_are_four_of_one_kind_in_the_worlds_words(records):
    for draft in (r.draft for r in records):
        assert len(set(draft.options)) == 4
        assert set(draft.options) <= set(KINDS_OF_ANSWER[draft.facts["form"]]), draft


def test_letters_and_answers_are_spread(records):
    letters = Counter(r.draft.choice for r in records)
    assert min(letters.values()) > 0.22 * len(records)
    counts = Counter(r.draft.short_answer for r in records if r.draft.facts["form"] == "count")
    assert max(counts.values()) < 0.6 * sum(counts.values())


def test_answers_are_sentences(records):
    for draft in (r.draft for r in records):
        assert draft.answer[0].isupper() and draft.answer.endswith(".") and draft.short_answer in draft.answer
        assert draft.instruction.endswith("?") and "{" not in draft.instruction + draft.answer


def test_the_same_query_gives_the_same_reply():
    queries = served(27)
    assert write(queries) == write(queries[::-1])[::-1] == write(queries, teacher=teachers.load("rules"))
    assert write(queries) != write(queries, teacher=teachers.load("rules", seed=1))


def test_rules_make_a_difference_and_never_an_untrue_sample():
    queries = served(540)
    base = prompts.base_template()
    templates = [base, *prompts.candidate_templates(base), FULL]
    accepted = {t.note: [r for r in write(queries, t) if r.accepted] for t in templates}
    shares = {note: len(found) / len(queries) for note, found in accepted.items()}
    assert shares["base"] < 0.9
    assert (
        max(shares[f"+ {rule}"] for rule in ("false_options", "named_once", "clear_places"))
        > shares["base"] + 0.05
    )
    assert shares[""] >= 0.97
    for record in (r for found in accepted.values() for r in found):
        scene, draft = world.sample_scene(int(record.image_id)), record.draft
        assert [o for o in draft.options if truth.holds(scene, draft.facts, o)] == [draft.short_answer]


@pytest.mark.parametrize(
    ("left_out", "reason"),
    [
        ("four_options", "not four options"),
        ("no_sources", "mentions the annotations"),
        ("no_giveaway", "answer in the question"),
        ("named_once", "more than one meaning"),
        ("clear_places", "more than one meaning"),
        ("false_options", "wrong option may be true"),
        ("sentence", ""),
    ],
)
def test_a_rule_that_is_missing_is_not_kept(left_out, reason):
    rules = [text for name, text in prompts.RULES.items() if name != left_out]
    reasons = Counter(
        r.reason for r in write(served(180), prompts.make_template(prompts.ROLE, rules, DEFINITIONS))
    )
    assert reasons[reason] > 0 and set(reasons) <= {"", *REASONS}


def test_an_image_without_facts_is_skipped_and_another_type_is_too():
    empty = ImageRecord("1", "1.png", 10, 10)
    for question_type in (*TYPES, "Logic Reasoning"):
        assert not TEACHER.can_write(empty, question_type)
        request = teachers.Request(Query("q", question_type, "1", ()), empty, FULL)
        assert prompts.parse(next(iter(TEACHER.replies([request]))).text) == "skipped"
    with pytest.raises(KitError, match="rules"):
        teachers.load("rule")


def test_every_form_has_its_words():
    assert set(QUESTIONS) == set(ANSWERS) and set(ASKS) == set(TYPES)
    assert all(len(set(words)) >= 3 for words in QUESTIONS.values())


@pytest.mark.parametrize("version", ["v1.0.0", "v1.2.0"])
def test_real_visual_genome_images(shared_data, version):
    source = images.load("visual_genome", path=str(shared_data / "visual_genome" / version))
    queries = [
        Query(f"{i}-{kind}-{n}", kind, i, ())
        for i in source.ids()
        for kind in TYPES
        for n in range(8)
        if TEACHER.can_write(source.record(i), kind)
    ]
    records = write(queries, source=source)
    per_image = Counter(
        image_id for image_id, _ in {(r.image_id, r.question_type) for r in records if r.accepted}
    )
    assert min(per_image.values()) >= 6 and max(per_image.values()) >= 8
    assert {r.question_type for r in records if r.accepted} == set(TYPES)
    assert {r.reason for r in records} <= {"", "duplicate"}
    told = {
        (r.image_id, r.draft.facts["form"], r.draft.facts.get("kind", "")): r.draft.short_answer
        for r in records
    }
    by_hand = {
        ("1", "place", ""): "street",
        ("2", "place", ""): "street",
        ("2", "sky", ""): "cloudy",
        ("3", "place", ""): "office",
        ("4", "place", ""): "living room",
        ("5", "place", ""): "office",
        ("1", "colour", "clock"): "green",
        ("1", "colour", "parking meter"): "orange",
        ("2", "word", ""): "walk",
        ("1", "count", "shirt"): "two",
        ("5", "position", "books"): "top right",
    }
    assert len(by_hand.keys() & told.keys()) >= 7
    assert all(told[key] == by_hand[key] for key in by_hand.keys() & told.keys())
    families = [set(family) for family in FAMILIES]
    for draft in (r.draft for r in records if r.draft.facts["form"] == "present"):
        assert any(set(draft.options) <= family for family in families) or set(draft.options) <= set(
            world.KINDS
        )


@pytest.mark.slow
def test_it_writes_at_least_five_hundred_samples_a_second():
    queries = served(900)
    start = time.process_time()
    write(queries)
    assert len(queries) / (time.process_time() - start) > 500
