"""GQA: the official files and MiniGPT-v2's list, the two rules, and every score of the official script."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine_utils import benchmarks
from dataengine_utils.benchmarks import hub
from dataengine_utils.benchmarks.gqa_details import distribution, gqa_answer, reasoning_steps
from dataengine_utils.errors import KitError
from dataengine_utils.records import Prediction


def entry(answer, structural="verify", semantic="obj", **fields):
    return {
        "imageId": "n1",
        "question": "Is there a red apple on the table?",
        "answer": answer,
        "fullAnswer": "No, there is not.",
        "isBalanced": True,
        "groups": {"global": None, "local": "10-x"},
        "entailed": [],
        "equivalent": ["1"],
        "types": {"structural": structural, "semantic": semantic, "detailed": "existAttr"},
        "annotations": {"question": {}, "answer": {}, "fullAnswer": {}},
        "semantic": [
            {"operation": "select", "dependencies": [], "argument": "table (1)"},
            {"operation": "exist", "dependencies": [0], "argument": "?"},
        ],
        "semanticStr": "select: table (1)->exist: ? [0]",
        **fields,
    }


COLOUR = {"global": "color", "local": "x"}
ENTRIES = {
    "1": entry("no", entailed=["2", "1"]),
    "2": entry("yes", "logical", "attr", entailed=["1"]),
    "3": entry("red", "query", "attr", groups=COLOUR, imageId="7", question="What color is it?"),
    "4": entry("red", "query", "attr", groups=COLOUR, imageId="7", question="What color is it?"),
    "5": entry("blue", "query", "attr", groups=COLOUR, imageId="8", question="Which color?"),
    "6": entry(
        "color",
        "compare",
        "attr",
        imageId="8",
        types={"structural": "compare", "semantic": "attr", "detailed": "twoCommon"},
    ),
    "7": entry("left", "choose", "rel", imageId="9", isBalanced=False),
}
REPLIES = {"1": "No", "2": "no", "3": "Red.", "4": "blue", "5": "blue..", "6": "shape", "7": "LEFT."}
CHOICES = {name: {"valid": ["no", "red", "blue"], "plausible": ["no", "red"]} for name in ENTRIES}


def write(folder, value=ENTRIES, name="testdev_balanced_questions.json"):
    (folder / name).write_text(json.dumps(value), encoding="utf-8")
    return str(folder)


def predictions(questions, replies=REPLIES):
    return [
        Prediction(q.id, q.question_type, replies[q.id], "", "wrong") for q in questions if q.id in replies
    ]


def official(folder, replies=REPLIES, rule="", **options):
    benchmark = benchmarks.load("gqa", path=str(folder), rule=rule, **options)
    questions = benchmark.questions("all")
    return benchmark.score(questions, predictions(questions, replies))


def test_the_official_file_is_read(tmp_path):
    (tmp_path / "images").mkdir()
    benchmark = benchmarks.load("gqa", path=write(tmp_path))
    first, _, third = benchmark.questions("all")[:3]
    assert (first.id, first.image_id, first.image, first.form) == ("1", "n1", "images/n1.jpg", "short")
    assert (third.question, third.answer, third.question_type) == ("What color is it?", "red", "query attr")
    assert third.options == () and third.choice == "" and third.gold["group"] == "color"
    assert benchmark.rule == "llava" and benchmark.root == tmp_path
    one_file = benchmarks.load(
        "gqa", path=str(tmp_path / "testdev_balanced_questions.json"), images="pictures"
    )
    assert str(one_file.root) == "pictures" and one_file.questions("all")[0].image == "n1.jpg"


def test_no_picture_is_on_both_sides(tmp_path):
    benchmark = benchmarks.load("gqa", path=write(tmp_path))
    diagnose, sealed = benchmark.questions("diagnose"), benchmark.questions("sealed")
    assert len(diagnose) + len(sealed) == 7 and not {q.image_id for q in diagnose} & {
        q.image_id for q in sealed
    }


@pytest.mark.parametrize(
    ("reply", "llava", "minigpt4"),
    [
        ("Yes", "yes", "yes"),
        ("Yes.", "yes", "yes."),
        ("no..", "no", "no.."),
        (" yes", " yes", " yes"),
        ("", "", ""),
        ("a. b.", "a. b", "a. b."),
        ("dog\n", "dog\n", "dog\n"),
        ("...", "", "..."),
    ],
)
def test_the_rules_change_no_more_than_they_say(reply, llava, minigpt4):
    assert (gqa_answer(reply, "llava"), gqa_answer(reply, "minigpt4")) == (llava, minigpt4)


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ("Red.", "right"),
        ("crimson", "wrong"),
        ("", "unparsed"),
        ("...", "unparsed"),
        (" red", "wrong"),
        ("  ", "unparsed"),
    ],
)
def test_three_outcomes(tmp_path, reply, outcome):
    metrics = official(write(tmp_path), {"3": reply})
    assert metrics["types"]["query attr"][outcome] >= 1 and metrics["missing"] == 6


def test_scores_are_those_computed_by_hand(tmp_path):
    metrics = official(write(tmp_path))
    summary, tables = metrics["official"]["summary"], metrics["official"]
    assert summary["accuracy"] == pytest.approx(100 * 3 / 6) and summary["binary"] == pytest.approx(100 / 3)
    assert summary["open"] == pytest.approx(100 * 2 / 3)
    assert summary["consistency"] == 0.0, "of the right ones only 1 entails another, which is wrong"
    assert summary["validity"] is None and summary["plausibility"] is None
    # color: 2 red, 1 blue are right; 1 red, 2 blue were said: (1 - 2)^2 / 2 + (2 - 1)^2 / 1
    assert summary["distribution"] == pytest.approx(1.5 / 100)
    assert tables["structural"]["query"] == {"accuracy": pytest.approx(200 / 3), "n": 3}
    assert list(tables["semantic"]) == ["attr", "obj"] and list(tables["length"]) == ["2", "4", "8"]
    assert tables["steps"] == {"1": {"accuracy": 50.0, "n": 6}}
    assert "choose" not in tables["structural"], "7 is not balanced"


def test_choices_beside_the_questions_give_validity_and_plausibility(tmp_path):
    write(tmp_path, CHOICES, "val_choices.json")
    summary = official(write(tmp_path, name="val_all_questions.json"))["official"]["summary"]
    # no, no, red, blue, blue are valid; shape is, by the list of what two things have in common
    assert summary["validity"] == 100.0 and summary["plausibility"] == pytest.approx(100 * 4 / 6)


def test_minigpt4_counts_every_question(tmp_path):
    summary = official(write(tmp_path), rule="minigpt4")["official"]["summary"]
    assert summary["accuracy"] == pytest.approx(100 / 7), "only 'No': full stops count"


def test_a_missing_prediction_is_wrong(tmp_path):
    folder = write(tmp_path)
    without = {name: reply for name, reply in REPLIES.items() if name != "3"}
    assert official(folder, without)["official"]["summary"]["accuracy"] == pytest.approx(100 * 2 / 6)
    assert official(folder, {})["official"]["summary"]["accuracy"] == 0.0


def test_consistency_needs_all_entailed_questions(tmp_path):
    entries = {**ENTRIES, "1": entry("no", entailed=["2", "99"])}
    assert official(write(tmp_path, entries))["official"]["summary"]["consistency"] is None
    right = official(write(tmp_path), {**REPLIES, "2": "Yes"})["official"]["summary"]
    assert right["consistency"] == 100.0


def test_minigpt_v2s_list_is_read(tmp_path):
    pairs = [
        {"image": "n1.jpg", "question": "Is it?", "answer": "yes"},
        {"image": "n1.jpg", "question": "What is it?", "answer": "dog"},
    ]
    metrics = official(write(tmp_path, pairs), {"0": "YES", "1": "cat"}, rule="minigpt4")
    assert metrics["official"]["summary"] == {
        "binary": None,
        "open": None,
        "accuracy": 50.0,
        "consistency": None,
        "validity": None,
        "plausibility": None,
        "distribution": None,
    }
    assert list(metrics["types"]) == ["GQA"]
    question = benchmarks.load("gqa", path=str(tmp_path)).questions("all")[1]
    assert (question.id, question.image_id, question.image) == ("1", "n1", "n1.jpg")


def test_a_split_without_answers_is_read_but_not_scored(tmp_path):
    bare = {name: {"imageId": "n1", "question": "Is it?", "isBalanced": True} for name in ("1", "2")}
    path = write(tmp_path, bare, "testdev_balanced_questions.json")
    with pytest.raises(KitError, match="GQA challenge"):
        official(path, {"1": "yes"})
    benchmark = benchmarks.load("gqa", path=path)
    assert benchmark.judge(benchmark.questions("all")[0], "").credit == 0.0


@pytest.mark.parametrize("entailed", [["2", "1"], "['2', '1']", '["2", "1"]'])
def test_the_hubs_two_parts_are_joined(tmp_path, monkeypatch, entailed):
    def rows(name, config, split):
        assert (name, split) == ("lmms-lab/GQA", "testdev")
        if config == "testdev_balanced_images":
            return iter([{"id": "n1", "image": "hub:a"}, {"id": "7", "image": None}])
        assert config == "testdev_balanced_instructions"
        return iter(
            [
                {"id": "1", **entry("no", entailed=entailed)},
                {"id": "3", **ENTRIES["3"], "entailed": None, "semantic": None},
            ]
        )

    monkeypatch.setattr(hub, "rows", rows, raising=False)
    first, second = benchmarks.load("gqa", path="hub:").questions("all")
    assert (first.id, first.image, first.image_id, first.gold["entailed"]) == ("1", "hub:a", "n1", ["2", "1"])
    assert (second.image, second.gold["steps"]) == ("", 0) and "entailed" not in second.gold


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", ":1: not JSON"),
        ('{"1": {', ":1: not JSON"),
        ("3", "got int"),
        ("{}", "no questions in it"),
        ('{"1": []}', "question '1': got"),
        ('{"1": {"question": "?"}}', "question '1': .*imageId"),
        ('{"1": {"imageId": 1, "question": "?"}}', "imageId: expected str, got 1"),
        ('{"1": {"imageId": "1", "question": "?", "answer": "a", "entailed": "(("}}', "question '1': got"),
        ('[{"image": "a.jpg", "question": "?"}]', r"\[0\]: .*missing fields \['answer'\]"),
        (b"\xff{}", "byte 0 is not UTF-8"),
    ],
)
def test_bad_files_are_told_clearly(tmp_path, content, told):
    path = tmp_path / "testdev_balanced_questions.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(KitError, match=told) as error:
        benchmarks.load("gqa", path=str(tmp_path)).questions("all")
    assert "\n" not in str(error.value) and str(tmp_path) in str(error.value)


def test_a_missing_file_and_missing_choices_are_told(tmp_path):
    with pytest.raises(KitError, match=r"testdev_balanced_questions\.json.*gqa/download\.html"):
        benchmarks.load("gqa", path=str(tmp_path)).questions("all")
    write(tmp_path, {"1": CHOICES["1"]}, "val_choices.json")
    with pytest.raises(KitError, match="choices of question '2'"):
        official(write(tmp_path, name="val_questions.json"))


def test_steps_leave_out_what_only_asks():
    steps = [
        ("select", "table"),
        ("exist", "?"),
        ("query", "name"),
        ("query", "color"),
        ("choose name", "a|b"),
        ("relate", "existing thing"),
    ]
    assert reasoning_steps({"operation": name, "argument": argument} for name, argument in steps) == 2


@given(st.lists(st.tuples(st.sampled_from("xy"), st.sampled_from("abc"), st.sampled_from("abcd"))))
def test_distribution_is_nought_only_where_counts_agree(answers):
    value = distribution(answers)
    if not answers:
        assert value is None
        return
    assert value >= 0 and distribution([(group, answer, answer) for group, answer, _ in answers]) == 0
    pairs = {(group, answer) for group, answer, _ in answers}
    agree = all(
        sum((g, p) == pair for g, _, p in answers) == sum((g, a) == pair for g, a, _ in answers)
        for pair in pairs
    )
    assert (value == 0) == agree
