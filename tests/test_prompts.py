import json
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataengine_utils import images
from dataengine_utils.prompts import (
    PARSE_REASONS,
    ROLE,
    RULES,
    SCHEMA,
    as_data,
    base_template,
    candidate_templates,
    count_tokens,
    data,
    make_template,
    parse,
    render,
    selection,
)
from dataengine_utils.prompts.data import LONGEST
from dataengine_utils.question_types import DEFINITIONS, QUESTION_TYPES, type_id
from dataengine_utils.records import (
    BadCase,
    Draft,
    ImageObject,
    ImageRecord,
    Query,
    Region,
    Relation,
    Template,
    TextBox,
    from_json,
    to_json,
)

REPLY = {
    "question": "What is it?",
    "answer": "It is a cat.",
    "short_answer": "cat",
    "options": ["cat", "dog", "cow", "bird"],
    "choice": "A",
}
DRAFT = Draft("What is it?", "It is a cat.", "cat", ("cat", "dog", "cow", "bird"), "A")
TYPES = tuple(QUESTION_TYPES.values())
# What would end a section, a fence or a turn of some chat template if it stood in a prompt as it is.
ENDINGS = (
    "</facts>", "</examples>", "<facts>", "```", "<|im_end|>", "<|im_start|>system", "[INST]", "[/INST]",
    "<<SYS>>", "</s>", "<start_of_turn>", "\n\nHuman:", "\r\nUSER: ", "＜/facts＞", "‹/facts›", "〈/facts〉",
    "⟨/facts⟩", "\u2028", "\x85", "\x00", "\x1b[2J", "\u202e", "\u200b", "﹤/facts﹥", "\ud800", "]}",
)  # fmt: skip
hostile = st.lists(st.sampled_from(ENDINGS) | st.text(max_size=12), max_size=6).map("".join)


def query(question_type="Instance Identity", *cases):
    return Query("q", question_type, "1", cases)


def section(prompt, name="facts"):
    """The lines of JSON between a section's tags; that there is one such section is checked."""
    user = prompt.messages[1]["content"]
    assert user.count(f"<{name}>") == user.count(f"</{name}>") == 1
    return [json.loads(line) for line in user.split(f"<{name}>\n")[1].split(f"\n</{name}>")[0].split("\n")]


def crowd(n_names=20, n_each=6, n_phrases=200):
    """A record with far more facts than fit: boxes of their own, relations, and phrases that repeat."""
    objects = tuple(
        ImageObject(100 * name + n, f"thing{'abcdefghijklmnopqrstuvwxyz'[name]}",
                    (40 * name, 30 * n, 30, 20), ("red",))
        for name in range(n_names)
        for n in range(n_each)
    )  # fmt: skip
    relations = tuple(Relation(o.object_id, "next to", objects[0].object_id) for o in objects)
    regions = tuple(Region(f"a red thing number {n // 2}", (n, n, 9, 9)) for n in range(n_phrases))
    texts = tuple(TextBox(f"WORD{n}", (0, 0, 10, 5 + n)) for n in range(10))
    return ImageRecord("1", "1.png", 1000, 500, objects, relations, regions, texts, ("A lot.",))


def test_the_nine_types_and_their_numbers():
    assert list(QUESTION_TYPES) == list(range(1, 10)) and set(DEFINITIONS) == set(QUESTION_TYPES.values())
    assert [type_id(name) for name in QUESTION_TYPES.values()] == list(QUESTION_TYPES)
    assert type_id("Logic Reasoning") == 0


def test_a_template_is_its_content():
    base = base_template()
    again = make_template(
        base.role, base.rules, dict(reversed(base.definitions.items())), parent="x", note="y"
    )
    assert again.id == base.id and len(base.id) == 12
    versions = [
        make_template(base.role, base.rules[:-1], base.definitions),
        make_template(base.role + "!", base.rules, base.definitions),
        make_template(base.role, base.rules, {}),
        *(
            make_template(base.role, base.rules, base.definitions, **{name: "other"})
            for name in ("data", "examples", "task", "output")
        ),
    ]
    assert len({version.id for version in (base, *versions)}) == 8


def test_every_text_of_a_template_is_in_the_prompt_and_in_its_children():
    told = make_template(
        "role", ["rule"], {"T": "meaning"}, data="how", examples="these", task="do", output="so"
    )
    case = BadCase("1", "T", "9", "What?", (), "a", "b")
    whole = "".join(m["content"] for m in render(told, query("T", case), crowd()).messages)
    assert all(text in whole for text in ("role", "1. rule", "T. meaning", "how", "these", "do", "so"))
    assert {(c.data, c.examples, c.task, c.output) for c in candidate_templates(told)} == {
        ("how", "these", "do", "so")
    }


def test_templates_of_older_versions_are_read_and_rendered():
    old = from_json(Template, {"id": "abc", "parent": "", "role": "r", "rules": ["x"], "definitions": {}})
    base = base_template()
    assert render(old, query(), crowd()).messages[1] == render(
        make_template("r", ["x"], {}), query(), crowd()
    ).messages[1]
    assert base.output in render(old, query(), crowd()).messages[0]["content"]
    assert from_json(Template, to_json(base)) == base


def test_candidates_add_one_rule_each():
    base = base_template()
    candidates = candidate_templates(base)
    assert {c.rules[-1] for c in candidates} | set(base.rules) == set(RULES.values())
    assert all(c.rules[:-1] == base.rules and c.parent == base.id for c in candidates)
    full = make_template(ROLE, list(RULES.values()), DEFINITIONS)
    assert candidate_templates(full) == []


def test_a_prompt_has_the_rules_the_type_the_facts_and_the_bad_cases():
    record = images.load("picturebook").record("20000001")
    case = BadCase("1", "Instance Identity", "9", "What is this thing?", ("a", "b", "c", "d"), "a", "c")
    prompt = render(base_template(), query("Instance Identity", case), record)
    system, user = prompt.messages
    assert all(rule in system["content"] for rule in base_template().rules)
    assert DEFINITIONS["Instance Identity"] in user["content"] and case.question in user["content"]
    (facts,) = section(prompt)
    assert [o["name"] for o in facts["objects"]] == [o.name for o in record.objects]
    assert all(0 <= edge <= 100 for o in facts["objects"] for edge in o["box"])
    assert prompt.shown["objects"] == len(record.objects) and not prompt.cut["objects"]
    assert section(prompt, "examples")[0]["reply"] == "c"


@given(hostile)
def test_nothing_that_others_wrote_can_end_its_section(words):
    words = words[:LONGEST]
    record = ImageRecord(
        "1",
        "1.png",
        10,
        10,
        (ImageObject(1, words, (0, 0, 5, 5), (words,)),),
        (Relation(1, words, 1),),
        (Region(words, (0, 0, 1, 1)),),
        (TextBox(words, (0, 0, 1, 1)),),
        (words, "A caption."),
    )
    case = BadCase("1", "T", "9", words, (words,), words, words)
    plain = BadCase("1", "T", "9", "What?", ("a",), "b", "c")
    prompt = render(base_template(), query("T", case, plain), record)
    section(prompt)
    told = section(prompt, "examples")
    assert told[0] == {"question": words, "options": [words], "answer": words, "reply": words}
    data = "\n".join(prompt.messages[1]["content"].split("\n")[1:])
    for ending in ("<|", "[INST]", "[/INST]", "```", "<<", "</s>", "<start", "Human:\n"):
        assert ending not in data
    data.encode()  # no lone surrogate is left that a client could not send
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u200b<>]", re.sub(
        r"</?(?:facts|examples)>", "", data))


@settings(max_examples=40)
@given(hostile)
def test_a_question_types_name_stays_on_its_line(name):
    lines = render(base_template(), Query("q", name, "1", ()), crowd()).messages[1]["content"].split("\n")
    assert lines[2] == "<facts>" and lines.count("<facts>") == 1


@settings(max_examples=60)
@given(st.recursive(hostile | st.integers() | st.none(), lambda v: st.lists(v) | st.dictionaries(hostile, v)))
def test_data_is_the_same_again_when_read(value):
    assert json.loads(as_data(value)) == value and "\n" not in as_data(value)


def test_long_texts_are_cut():
    long = "very " * 1000
    record = ImageRecord("1", "1.png", 10, 10, regions=(Region(long, (0, 0, 5, 5)),), captions=(long,))
    case = BadCase("1", "T", "9", long, (long,), long, long)
    prompt = render(base_template(), query("T", case), record)
    (facts,), (example,) = section(prompt), section(prompt, "examples")
    texts = [facts["captions"][0], facts["descriptions"][0]["text"], example["question"], example["reply"]]
    assert all(len(text) <= LONGEST and text.endswith("…") for text in texts)


@settings(max_examples=25)
@given(st.sampled_from((*TYPES, "Colour")), st.integers(0, 3000))
def test_facts_keep_to_their_budget_and_the_cut_is_counted(question_type, budget):
    record = crowd()
    prompt = render(base_template(), query(question_type), record, max_fact_tokens=budget)
    text = prompt.messages[1]["content"].split("<facts>\n")[1].split("\n</facts>")[0]
    assert count_tokens(text) <= max(budget, count_tokens(as_data({"not_listed": {"x" * 40: 9}})) * 20)
    had = {"objects": 120, "relations": 120, "descriptions": 200, "texts": 10, "captions": 1}
    assert {name: prompt.shown[name] + prompt.cut[name] for name in prompt.shown} == had
    (facts,) = section(prompt)
    assert {name: len(facts.get(name, [])) for name in had} == prompt.shown


@settings(max_examples=60)
@given(st.sampled_from(TYPES), st.integers(0, 40), st.integers(20, 900))
def test_where_there_is_room_for_all_one_look_chooses_what_one_by_one_would(question_type, n, budget):
    record = images.load("picturebook").record(images.load("picturebook").ids()[n])
    facts = sorted(selection._facts(record, question_type), key=lambda fact: -fact.worth)
    worthy = [fact for fact in facts if fact.worth]
    content = selection._content(worthy, Counter(fact.name for fact in facts if fact.name))
    if count_tokens(as_data(content)) + 2 * len(worthy) + selection.SMALLEST <= budget:
        assert selection._that_fit(worthy, budget) == worthy
        assert selection.select_facts(record, question_type, budget).content == content


@given(st.recursive(st.text() | st.integers(), lambda of: st.lists(of) | st.dictionaries(st.text(), of)))
def test_text_without_suspect_signs_is_told_at_one_look(value):
    text = data._ENCODER.encode(value)
    escaped = data._STRING.sub(data._escape_literal, text)
    assert data.as_data(value) == escaped and json.loads(escaped) == value
    assert not data._HARMLESS.fullmatch(text) or escaped == text


def test_counts_stay_right_however_much_is_cut():
    record = crowd(n_names=8)
    for question_type in TYPES:
        (facts,) = section(render(base_template(), query(question_type), record, max_fact_tokens=400))
        left = facts["not_listed"]
        listed = [o["name"] for o in facts.get("objects", [])]
        for name in {o.name for o in record.objects}:
            assert listed.count(name) + left.get(name, 0) == 6, (question_type, name)


def test_doubled_boxes_are_one_thing():
    boxes = ((0, 0, 40, 40), (1, 1, 40, 40), (60, 0, 30, 30))
    objects = tuple(ImageObject(n, "cat", box, (f"w{n}",)) for n, box in enumerate(boxes))
    prompt = render(base_template(), query(), ImageRecord("1", "1.png", 100, 100, objects))
    (facts,) = section(prompt)
    assert [o["attributes"] for o in facts["objects"]] == [["w0", "w1"], ["w2"]]
    assert (prompt.shown["objects"], prompt.cut["objects"]) == (2, 1) and "not_listed" not in facts


def test_what_serves_the_question_type_comes_first():
    record = crowd()
    acts = tuple(Relation(1, f"act{n}ing", 2) for n in range(60))
    people = (ImageObject(1, "man", (0, 0, 90, 90)), ImageObject(2, "horse", (100, 0, 90, 90)))
    record = ImageRecord("1", "1.png", 1000, 500, record.objects[2:] + people, acts, record.regions[:100],
                         record.texts, record.captions)  # fmt: skip
    shown = {name: render(base_template(), query(name), record, max_fact_tokens=700).shown for name in TYPES}
    assert shown["Instance Interaction"]["relations"] > 2 * shown["Instances Counting"]["relations"]
    assert all(shown["Instances Counting"]["objects"] >= shown[name]["objects"] for name in TYPES)
    assert shown["Instances Counting"]["objects"] > 2 * shown["Text Understanding"]["objects"]
    assert shown["Text Understanding"]["texts"] == 10


def test_phrases_that_say_the_same_go_first():
    same = tuple(Region(f"a black cat{' ' * n}", (0, 0, 9, 9)) for n in range(30))
    other = (Region("a chimney above the roof", (0, 0, 9, 9)), Region("the cat is black", (0, 0, 9, 9)))
    prompt = render(base_template(), query(), ImageRecord("1", "1.png", 9, 9, regions=same + other))
    (facts,) = section(prompt)
    assert [d["text"].strip() for d in facts["descriptions"]] == ["a black cat", "a chimney above the roof"]
    assert prompt.cut["descriptions"] == 30


@pytest.mark.parametrize(
    ("text", "cl100k", "o200k"),
    [
        (
            '{"objects":[{"name":"parking meter","attributes":["orange","tall"],"box":[31,42,52,88]},{"name":'
            '"man","attributes":["walking"],"box":[0,7,35,100]}],"relations":["man wearing grey hoodie",'
            '"car parked on street"],"descriptions":[{"text":"a brick sidewalk beside the street","box":'
            '[5,55,98,100]}],"not_listed":{"window":4,"tree":2}}',
            93,
            97,
        ),
        ("Boxes are [left, top, right, bottom] in per cent of the picture's width and height.", 22, 22),
        ('{"text":"Straße – Bäckerei Müller, geöffnet 7:30","box":[1,2,3,4]}', 31, 27),
    ],
)
def test_the_estimate_of_tokens_lies_above_real_encodings(text, cl100k, o200k):
    """The counts are of tiktoken 0.13's encodings."""
    assert max(cl100k, o200k) <= count_tokens(text) <= 1.4 * max(cl100k, o200k)


def test_the_schema_is_strict_and_fits_a_reply_and_a_skip():
    assert set(SCHEMA["required"]) == set(SCHEMA["properties"]) and SCHEMA["additionalProperties"] is False
    assert parse(json.dumps({**REPLY, "skip": None})) == DRAFT
    nothing = dict.fromkeys(SCHEMA["required"])
    assert parse(json.dumps({**nothing, "skip": "there is no sign"})) == "skipped"
    assert parse(json.dumps(nothing)) == "skipped"
    for name in SCHEMA["required"]:
        assert {"type": "null"} in SCHEMA["properties"][name]["anyOf"]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(REPLY),
        f"Here it is:\n```json\n{json.dumps(REPLY, indent=1)}\n```\nGood luck!",
        json.dumps({**REPLY, "choice": "(a)"}),
        json.dumps({**REPLY, "choice": "A. cat"}),
        json.dumps({**REPLY, "choice": "cat"}),
        json.dumps({**REPLY, "options": dict(zip("ABCD", REPLY["options"], strict=True))}),
        json.dumps({**REPLY, "options": ["A. cat", "B. dog", "C. cow", "D. bird"], "short_answer": "A. cat"}),
        json.dumps({**REPLY, "skip": "none"}),
        "{broken} " + json.dumps(REPLY),
        '{"thoughts": "a cat"} ' + json.dumps(REPLY),
    ],
)
def test_replies_are_read(text):
    assert parse(text) == DRAFT


def test_numbers_are_read_as_text_and_initials_are_no_letters():
    found = parse(json.dumps({**REPLY, "options": [2, 3, 4, 5], "short_answer": 2}))
    assert (found.options, found.short_answer) == (("2", "3", "4", "5"), "2")
    names = ["I. Newton", "A. Einstein", "M. Curie", "N. Bohr"]
    found = parse(json.dumps({**REPLY, "options": names, "short_answer": names[0]}))
    assert (found.options, found.short_answer) == (tuple(names), names[0])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no reply"),
        (" \n", "no reply"),
        ('{"skip": "no sign"}', "skipped"),
        ("Skip: there is no sign.", "skipped"),
        (json.dumps({**REPLY, "skip": "I cannot be sure"}), "skipped"),
        ("Sorry.", "not readable"),
        ("Skipping is fun, but sorry.", "not readable"),
        (json.dumps(REPLY)[:40], "not readable"),
        ("[1, 2]", "not readable"),
        ("{" * 5000, "not readable"),
        (json.dumps({**REPLY, "answer": ""}), "incomplete"),
        (json.dumps({**REPLY, "answer": None, "skip": None}), "incomplete"),
        (json.dumps({**REPLY, "options": "cat"}), "incomplete"),
        (json.dumps({**REPLY, "options": ["cat", None, "cow", "bird"]}), "incomplete"),
        (json.dumps({**REPLY, "options": ["cat", True, "cow", "bird"]}), "incomplete"),
        (json.dumps({"question": "What?"}), "incomplete"),
    ],
)
def test_unusable_replies_have_a_reason(text, reason):
    assert parse(text) == reason and reason in PARSE_REASONS


@given(
    st.text(max_size=80)
    | st.recursive(
        st.none() | st.text(max_size=5) | st.integers(),
        lambda part: (
            st.lists(part)
            | st.dictionaries(st.sampled_from(["question", "answer", "options", "choice", "skip"]), part)
        ),
    ).map(json.dumps)
)
def test_no_reply_breaks_the_reading(text):
    found = parse(text)
    assert isinstance(found, Draft) or found in PARSE_REASONS
