import json
import random
import re
import time
from collections import Counter, defaultdict

import pytest

from dataengine_utils import images, prompts, teachers
from dataengine_utils.errors import KitError
from dataengine_utils.facts import free
from dataengine_utils.facts.vocabulary import FAMILIES
from dataengine_utils.generation import generate
from dataengine_utils.picturebook import truth, world
from dataengine_utils.question_types import DEFINITIONS, QUESTION_TYPES
from dataengine_utils.records import LETTERS, ImageObject, ImageRecord, Query, Region, Relation, TextBox
from dataengine_utils.teachers.rules import MISSING, names, supported_types
from dataengine_utils.teachers.rules.asks import ASKS, NAMING, REAL_ASKS
from dataengine_utils.teachers.rules.wordings import ANSWERS, QUESTIONS, REAL_QUESTIONS
from dataengine_utils.verification import REASONS, check

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
    assert set(QUESTIONS) == set(REAL_QUESTIONS) == set(ANSWERS)
    assert set(ASKS) == set(REAL_ASKS) == set(MISSING) == set(TYPES)
    for table in (QUESTIONS, REAL_QUESTIONS):
        assert all(len(set(words)) >= 3 for words in table.values())


SLOTS = {
    "kind": "books", "kinds": "books", "is": "are", "does": "do", "colour": "red", "from_kind": "lamp",
    "position": "top", "at": "at the top", "direction_of": "left of", "side_of": "to the left of",
    "subject": "man", "subject_is": "is", "action": "riding", "object": "horse",
}  # fmt: skip
READ_AS = {"kind_of_colour": "colour_of", "count_people": "count", "use": "outing"}


@pytest.mark.parametrize("form", REAL_QUESTIONS)
def test_every_wording_for_real_pictures_is_read_as_its_form(form):
    for wording in REAL_QUESTIONS[form]:
        reading = free.read(wording.format(**SLOTS))
        assert reading and reading.form == READ_AS.get(form, form), wording


@pytest.mark.parametrize("version", ["v1.0.0", "v1.2.0"])
def test_real_visual_genome_images(shared_data, tmp_path, version):
    folder = shared_data / "visual_genome" / version
    source = images.load("visual_genome", path=str(folder), index=str(tmp_path / "index.sqlite"))
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


def written(record, question_type, n=4):
    """The drafts of `n` queries about an image."""
    requests = [teachers.Request(Query(f"{record.image_id}-{question_type}-{k}", question_type, "", ()),
                                 record, FULL) for k in range(n)]  # fmt: skip
    drafts = [prompts.parse(reply.text) for reply in TEACHER.replies(requests)]
    return [draft for draft in drafts if draft != "skipped"]


def assert_sound(record, question_type, draft):
    """It passes the checks, all of its options decided, and its English has no slip that one can look for."""
    found = check(draft, record, question_type)
    assert found.reason == "", (draft, found)
    for text in (draft.instruction, draft.answer):
        assert not re.search(r"\ba (?!one|uni|use|eu)[aeiou]|\ban (?!hour|hon)[^aeiou\"]|  |[{}]", text), text
        assert not re.search(r"\b(?:is|does) the \w+ \w+s\b(?<!ss|us)\?|in the (?:top|left|right) of", text)


def test_types_that_an_image_supports_and_why_not_others(shared_data, tmp_path):
    folder = shared_data / "visual_genome" / "v1.2.0"
    source = images.load("visual_genome", path=str(folder), index=str(tmp_path / "index.sqlite"))
    told = {image_id: supported_types(source.record(image_id)) for image_id in source.ids()}
    for image_id, reasons in told.items():
        assert list(reasons) == list(TYPES)
        for question_type, reason in reasons.items():
            record = source.record(image_id)
            assert (reason == "") == TEACHER.can_write(record, question_type)
            assert bool(written(record, question_type)) == (reason == "")
            for draft in written(record, question_type, 8):
                assert_sound(record, question_type, draft)
    for question_type in TYPES:
        assert any(reasons[question_type] == "" for reasons in told.values())
    assert told["5"]["Instance Interaction"] == MISSING["Instance Interaction"]
    assert told["2"]["Text Understanding"] == "" and told["1"]["Text Understanding"].startswith("no text")
    assert re.fullmatch(
        r"none of \d+ possible questions is free of doubt: in \d+ the name fits several things.*",
        told["2"]["Instances Counting"],
    )


def test_an_image_without_facts_supports_nothing():
    assert supported_types(ImageRecord("1", "1.png", 10, 10)) == MISSING


def picture(*things, **more):
    """A record of 300 x 300 pixels with things of a name at a place."""
    objects = tuple(ImageObject(n, name, (x, y, 30, 30), tuple(more.get("attributes", ())))
                    for n, (name, x, y) in enumerate(things))  # fmt: skip
    others = {name: tuple(more.get(name, ())) for name in ("relations", "texts", "regions")}
    return ImageRecord("1", "1.jpg", 300, 300, objects=objects, **others)


def test_each_doubt_is_told_by_its_name():
    twice = picture(("dog", 10, 10), ("dog", 240, 240))
    assert supported_types(twice)["Instance Location"] == (
        "none of 2 possible questions is free of doubt: in 2 the name fits several things"
    )
    between = picture(("dog", 85, 85))
    assert supported_types(between)["Instance Location"].endswith("in 1 the boxes leave the place open")
    lonely = picture(("gate", 10, 10), attributes=("red",))
    assert supported_types(lonely)["Instance Attributes"] == ""
    odd = picture(("gizmo", 10, 10))
    assert supported_types(odd)["Instance Identity"].endswith("in 1 too few other options are surely wrong")
    crowd = picture(("dog", 10, 10), ("dog", 240, 240), regions=[Region("three dogs", (0, 0, 300, 300))])
    assert supported_types(crowd)["Instances Counting"].endswith("the annotations do not decide the answer")


def test_nobody_asks_where_a_chin_or_the_floor_is():
    record = picture(("chin", 10, 10), ("floor", 240, 10), ("man's hand", 10, 240),
                     relations=[Relation(3, "holding", 0)])  # fmt: skip
    told = supported_types(record)
    for name in ("Instance Identity", "Instance Location", "Spatial Relation", "Instance Interaction"):
        assert told[name] == MISSING[name]
    worn = picture(("man", 10, 10), ("jacket", 20, 20), relations=[Relation(0, "wears", 1)])
    drafts = written(worn, "Instance Interaction", 12)
    assert drafts and {draft.facts["form"] for draft in drafts} == {"acted_on"}
    assert drafts[0].short_answer == "jacket" and drafts[0].answer == "The man is wearing a jacket."


def test_plurals_articles_and_places_in_sentences():
    record = picture(("books", 10, 10), ("umbrella", 240, 130), ("men", 130, 240), ("elephant", 130, 10),
                     relations=[Relation(2, "riding", 3)], attributes=("red",))  # fmt: skip
    said = {draft.answer for name in TYPES for draft in written(record, name, 30)}
    assert {
        "In the top left of the picture are books.",
        "The umbrella is on the right of the picture.",
        "The men are at the bottom of the picture.",
        "The men are riding an elephant.",
        "The picture shows an umbrella.",
        "The books are red.",
        "The elephant is to the right of the books.",
    } <= said
    asked = {draft.instruction for name in TYPES for draft in written(record, name, 30)}
    assert {"What are the men riding?", "What colour do the books have?"} <= asked


TEXTS = ("COPENHAGEN", "Main Street", "+", "12:45", "网", "Platform 9")
READ = [TextBox(text, (0, 0, 9, 9)) for text in TEXTS]


def test_one_of_several_texts_is_asked_for_by_its_options():
    record = picture(texts=READ)
    drafts = written(record, "Text Understanding", 60)
    assert {d.short_answer for d in drafts} == {"COPENHAGEN", "Main Street", "12:45", "Platform 9"}
    shown = {text.text.lower() for text in READ}
    for draft in drafts:
        assert_sound(record, "Text Understanding", draft)
        assert [o for o in draft.options if o.lower() in shown] == [draft.short_answer] and not draft.facts
        assert draft.short_answer in draft.answer and draft.short_answer not in draft.instruction
        kinds = {(any(c.isdigit() for c in o), " " in o, ":" in o, o.isupper()) for o in draft.options}
        assert len(kinds) == 1, draft.options


def test_the_only_text_is_asked_for_with_its_facts():
    record = picture(texts=READ[:1])
    for draft in written(record, "Text Understanding"):
        assert_sound(record, "Text Understanding", draft)
        assert draft.facts == {"form": "word"} and all(o.isupper() for o in draft.options)
    for unread in ("+", "a", "网", "x" * 40):
        record = picture(texts=[TextBox(unread, (0, 0, 9, 9))])
        assert supported_types(record)["Text Understanding"] == MISSING["Text Understanding"]


def test_a_sign_is_spoken_of_only_where_it_is_told_to_carry_the_text():
    said = picture(("sign", 10, 10), regions=[Region("the sign says 'walk'", (10, 10, 30, 30))])
    asked = {draft.instruction for draft in written(said, "Text Understanding", 40)}
    assert "What does the sign say?" in asked
    other = picture(("sign", 10, 10), regions=[Region("a shirt with the word 'walk'", (10, 10, 30, 30))])
    asked = [draft.instruction for draft in written(other, "Text Understanding", 40)]
    assert asked and not any("sign" in question for question in asked)


@pytest.mark.parametrize("text", ["7", "25", "100", "12:45", "9:05", "RWY34.COM", "007"])
def test_other_numbers_are_numbers_of_the_same_form(text):
    others = names.texts_like(text)
    assert len(others) >= 3 and text not in others
    for other in others:
        assert re.sub(r"\d", "0", other).replace("00:", "0:") == re.sub(r"\d", "0", text).replace("00:", "0:")
        if ":" in other:
            assert 1 <= int(other.split(":")[0]) <= 12 and int(other.split(":")[1]) < 60


def coco_records(folder):
    """Real boxes and captions of COCO, which are shares of the picture's sides."""
    for line in (folder / "caps_boxes_coco2014_val_80.jsonl").read_text().splitlines():
        entry, objects = json.loads(line), []
        for n, found in enumerate(entry["instances"]):
            x, y, right, bottom = (round(1000 * float(side)) for side in found["bbox"])
            objects.append(ImageObject(n, found["category"], (x, y, max(1, right - x), max(1, bottom - y))))
        yield ImageRecord(entry["id"], entry["image"], 1000, 1000, objects=tuple(objects),
                          captions=tuple(entry["captions"]))  # fmt: skip


def test_real_coco_images(shared_data):
    served = Counter()
    for record in coco_records(shared_data / "coco_llava"):
        for question_type, reason in supported_types(record).items():
            served[question_type] += not reason
            for draft in written(record, question_type, 2):
                assert_sound(record, question_type, draft)
    assert served["Instance Identity"] >= 60 and served["Instances Counting"] >= 30
    assert served["Spatial Relation"] >= 15 and served["Visual Reasoning"] >= 25
    assert served["Scene Understanding"] == served["Instance Interaction"] == 0  # nothing tells of them


def boxes_of_visual_genome(folder, n):
    """Real boxes, colours and relations of Visual Genome's images; the subset has no names, so some are
    given.
    """
    kinds = ("dog", "cat", "bus", "chair", "kite", "boat", "umbrella", "bear", "clock", "bench", "pizza")
    found = defaultdict(dict)
    for line in (folder / "Attributes.txt").read_text().splitlines():
        image_id, x, y, w, h, word = line.strip().split(",")
        found[image_id].setdefault((int(x), int(y), int(w), int(h)), []).append(word)
    rng = random.Random(0)
    for image_id, boxes in list(found.items())[:n]:
        width, height = (max(b[i] + b[i + 2] for b in boxes) for i in (0, 1))
        objects = tuple(ImageObject(k, rng.choice(kinds), box, tuple(words))
                        for k, (box, words) in enumerate(boxes.items()))  # fmt: skip
        yield ImageRecord(image_id, f"{image_id}.jpg", width, height, objects=objects)


def test_real_boxes_are_read_as_a_plain_reader_would(shared_data):
    """Every answer about a place, direction, number or colour is worked out again from the boxes alone."""
    seen = Counter()
    for record in boxes_of_visual_genome(shared_data / "visual_genome_vg200", 250):
        for question_type in ("Instance Location", "Spatial Relation", "Instances Counting",
                              "Instance Attributes"):  # fmt: skip
            for draft in written(record, question_type, 2):
                assert_sound(record, question_type, draft)
                seen[draft.facts["form"]] += 1
                assert_true(record, draft)
    assert all(seen[form] >= 20 for form in ("position", "direction", "neighbour", "count", "colour")), seen


def assert_true(record, draft):
    facts, right = draft.facts, draft.short_answer
    boxes = defaultdict(list)
    for o in record.objects:
        boxes[o.name].append(o)
    middle = {name: (one.box[0] + one.box[2] / 2, one.box[1] + one.box[3] / 2)
              for name, (one, *_) in boxes.items()}  # fmt: skip
    if facts["form"] == "position" and "colour" not in facts and len(boxes[facts["kind"]]) == 1:
        x, y = middle[facts["kind"]]
        column, row = int(3 * x / record.width), int(3 * y / record.height)
        words = (("top", "", "bottom")[row], ("left", "", "right")[column])
        assert right == (" ".join(filter(None, words)) or "middle")
    if facts["form"] in ("direction", "neighbour"):
        thing, way = (facts.get("kind", right), facts.get("direction", right))
        if len(boxes[thing]) == len(boxes[facts["from_kind"]]) == 1:
            (x, y), (x0, y0) = middle[thing], middle[facts["from_kind"]]
            across, along = ("left" if x < x0 else "right"), ("above" if y < y0 else "below")
            assert way == (across if abs(x - x0) > abs(y - y0) else along)
    if facts["form"] == "count":
        assert truth.NUMBERS.index(right) + 1 <= len(boxes[facts["kind"]])
    if facts["form"] == "colour":
        words = {word for o in boxes[facts["kind"]] for word in o.attributes}
        assert right in words | {"gray" if word == "grey" else word for word in words}
    assert draft.options[LETTERS.index(draft.choice)] == right


@pytest.mark.slow
def test_it_writes_at_least_five_hundred_samples_a_second():
    queries = served(900)
    start = time.process_time()
    write(queries)
    assert len(queries) / (time.process_time() - start) > 500
