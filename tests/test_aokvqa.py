"""A-OKVQA: the files, multiple choice and direct answers, and how free replies become choices."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine_utils import benchmarks
from dataengine_utils.benchmarks import hub
from dataengine_utils.benchmarks.aokvqa import (
    choice_text,
    direct_answer_credit,
    direct_text,
    multiple_choice_credit,
    strictness,
)
from dataengine_utils.errors import KitError
from dataengine_utils.records import Prediction


def item(name, choices, right, answers=("cat",) * 10, **fields):
    return {
        "split": "val",
        "image_id": 461751,
        "question_id": name,
        "question": "What is it?",
        "choices": list(choices),
        "correct_choice_idx": right,
        "direct_answers": list(answers),
        "difficult_direct_answer": False,
        "rationales": ["a", "b", "c"],
        **fields,
    }


PLAIN = ("toothpick", "food", "popsicle stick", "cigarette")
ITEMS = [
    item("a", PLAIN, 3, ["cigarette"] * 9 + ["cigar"]),
    item("b", ("air", "water", "road", "road"), 2, ["road"] * 2 + ["street"] * 8),
    item("c", ("l", "z", "j", "c"), 2, ["j"] * 10, difficult_direct_answer=True, image_id=7),
]


def load(folder, items=ITEMS, name="aokvqa_v1p0_val.json", **options):
    (folder / name).write_text(json.dumps(items), encoding="utf-8")
    return benchmarks.load("aokvqa", path=str(folder), **options)


def score(benchmark, **replies):
    questions = benchmark.questions("all")
    return benchmark.score(
        questions, [Prediction(name, "", reply, "", "wrong") for name, reply in replies.items()]
    )


def test_multiple_choice_is_read(tmp_path):
    benchmark = load(tmp_path)
    question = benchmark.questions("all")[0]
    assert (question.id, question.image_id, question.image) == ("a", "461751", "val2017/000000461751.jpg")
    assert (question.options, question.choice, question.answer, question.form) == (
        PLAIN,
        "D",
        "cigarette",
        "choice",
    )
    assert question.question_type == "A-OKVQA" and benchmark.rule == "mapped"
    assert benchmark.variant == "multiple_choice"


def test_direct_answers_are_read(tmp_path):
    question = load(tmp_path, variant="direct_answer").questions("all")[0]
    assert (question.options, question.choice, question.answer, question.form) == (
        (),
        "",
        "cigarette",
        "short",
    )
    assert question.gold["answers"] == ["cigarette"] * 9 + ["cigar"]


@pytest.mark.parametrize(
    ("reply", "choices", "text"),
    [
        ("cigarette", PLAIN, "cigarette"),
        ("D", PLAIN, "cigarette"),
        ("D.", PLAIN, "cigarette"),
        ("(A)", PLAIN, "toothpick"),
        (" B ", PLAIN, "food"),
        ("The answer is B", PLAIN, "food"),
        ("Food.", PLAIN, "food"),
        ("E", PLAIN, None),
        ("It is a popsicle stick", PLAIN, "popsicle stick"),
        ("", PLAIN, None),
        ("food or cigarette", PLAIN, None),
        # the text of an option goes before its letter, but a capital letter is no lower-case text
        ("c", ITEMS[2]["choices"], "c"),
        ("C", ITEMS[2]["choices"], "j"),
        ("z", ITEMS[2]["choices"], "z"),
        ("A", ["B", "A", "D", "C"], "A"),
        # two options with the same text
        ("road", ITEMS[1]["choices"], "road"),
        ("Road.", ITEMS[1]["choices"], "road"),
        ("D", ITEMS[1]["choices"], "road"),
        ("none", ["four", "none", "none", "six"], "none"),
        ("NA", ["NA", "None", "one", "two"], "NA"),
        ("B", ["s", "", "b", "f"], ""),
        ("", ["s", "", "b", "f"], ""),
    ],
)
def test_a_free_reply_becomes_a_choice(reply, choices, text):
    assert choice_text(reply, choices, "mapped") == text
    assert choice_text(reply, choices, "official") == (reply if reply in choices else None)


def test_multiple_choice_is_scored_by_both_rules(tmp_path):
    replies = {"a": "D", "b": "road", "c": "The answer is C."}
    mapped = score(load(tmp_path), **replies)
    assert mapped["official"]["summary"] == {"multiple_choice": 100.0, "missing": 0, "not_a_choice": 0}
    official = score(load(tmp_path, rule="official"), **replies)
    assert official["official"]["summary"]["multiple_choice"] == pytest.approx(100 / 3)
    assert official["official"]["summary"]["not_a_choice"] == 2
    assert (official["overall"]["unparsed"], official["rule"]) == (2, "official")


def test_a_choice_with_the_right_ones_text_is_right_by_its_letter_too(tmp_path):
    metrics = score(load(tmp_path), b="D", a="A")
    assert metrics["official"]["summary"] == {
        "multiple_choice": pytest.approx(100 / 3),
        "missing": 1,
        "not_a_choice": 0,
    }


def test_ranked_options_count_by_their_letter(tmp_path):
    benchmark = load(tmp_path)
    questions = benchmark.questions("all")
    ranked = [Prediction(q.id, q.question_type, "", q.choice, "right", (0.0,) * 4) for q in questions]
    assert benchmark.score(questions, ranked)["official"]["summary"]["multiple_choice"] == 100.0


def test_difficult_questions_do_not_count_as_direct_answers(tmp_path):
    metrics = score(load(tmp_path, variant="direct_answer"), a="Cigar.", b="road")
    assert metrics["official"]["summary"] == {
        "direct_answer": pytest.approx(100 * (1 / 3 + 2 / 3) / 2),
        "missing": 0,
    }
    assert metrics["overall"]["n"] == 2 and metrics["overall"]["accuracy"] == pytest.approx(0.5)
    exact = score(load(tmp_path, variant="direct_answer", rule="official"), a="Cigar.", b="road")
    assert exact["official"]["summary"]["direct_answer"] == pytest.approx(100 * (2 / 3) / 2)


@given(
    st.lists(st.sampled_from(["a", "b", "A"]), min_size=10, max_size=10),
    st.sampled_from(["a", "b", "A", "x"]),
)
def test_direct_credit_is_a_third_for_each_person(answers, text):
    assert direct_answer_credit(text, answers) == min(1, answers.count(text) / 3)
    assert multiple_choice_credit(text, answers[0]) == (text == answers[0])


def test_what_a_strict_run_refuses_is_counted():
    assert strictness(["x", None, "z", ""], [["x"], ["y"], ["y"], [""]]) == {"missing": 1, "not_a_choice": 1}
    assert direct_text(" Two dogs. ") == "two dogs" and direct_text("U.S.") == "u.s"


def test_the_test_split_is_read_but_not_scored(tmp_path):
    bare = [
        {
            key: value
            for key, value in item("a", PLAIN, 0, split="test").items()
            if key not in ("correct_choice_idx", "direct_answers", "difficult_direct_answer", "rationales")
        }
    ]
    for variant in ("multiple_choice", "direct_answer"):
        benchmark = load(tmp_path, bare, "aokvqa_v1p0_test.json", variant=variant)
        assert benchmark.questions("all")[0].image == "test2017/000000461751.jpg"
        with pytest.raises(KitError, match="leaderboard"):
            score(benchmark, a="D")


@pytest.mark.parametrize("answers", [["road"] * 10, str(["road"] * 10)])
def test_the_hub_copy_is_read(monkeypatch, answers):
    row = {**item("a", PLAIN, 1, answers), "image": "hub:picture"}
    del row["image_id"], row["split"], row["direct_answers"]

    def rows(name, config, split):
        assert (name, config, split) == ("HuggingFaceM4/A-OKVQA", None, "validation")
        return iter([{**row, "direct_answers": answers}])

    monkeypatch.setattr(hub, "rows", rows, raising=False)
    question = benchmarks.load("aokvqa", path="hub:", variant="direct_answer").questions("all")[0]
    assert (question.image, question.image_id, question.answer) == ("hub:picture", "hub:picture", "road")


def test_ids_that_are_there_twice_are_told_apart(tmp_path):
    assert [q.id for q in load(tmp_path, [ITEMS[0], ITEMS[0]]).questions("all")] == ["a", "a#2"]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({}, "got dict"),
        ([], "no questions in it"),
        ([3], r"\[0\]: got 3"),
        ([{"question_id": "a"}], "missing fields"),
        ([item("a", ["one"], 0)], "1 choices; expected 2 to 10"),
        ([item("a", PLAIN, 4)], "correct_choice_idx is 4"),
        ([item("a", PLAIN, "0")], "correct_choice_idx: expected int"),
        ([item("a", PLAIN, 0, split="")], "name no picture"),
        ([item("a", PLAIN, 0, image_id="x")], "name no picture"),
        ([item("a", [1, 2], 0)], "expected str, got 1"),
        ([item("a", PLAIN, 0, image_id=[1])], "image_id is"),
        ([{**item("a", PLAIN, 0), "direct_answers": 3}], "list of texts"),
    ],
)
def test_bad_files_are_told_clearly(tmp_path, value, told):
    with pytest.raises(KitError, match=told) as error:
        load(tmp_path, value).questions("all")
    assert str(tmp_path) in str(error.value)


def test_the_real_val_file_is_read(shared_data):
    benchmark = benchmarks.load("aokvqa", path=str(shared_data / "aokvqa"))
    questions = benchmark.questions("all")
    assert len(questions) == 1145 and all(q.answer == q.options["ABCD".index(q.choice)] for q in questions)
    direct = benchmarks.load("aokvqa", path=str(shared_data / "aokvqa"), variant="direct_answer")
    assert direct.score(direct.questions("all"), [])["overall"]["n"] == 1075


def test_every_choice_of_the_real_questions_is_understood(shared_data):
    for question in benchmarks.load("aokvqa", path=str(shared_data / "aokvqa")).questions("all"):
        for letter, option in zip("ABCD", question.options, strict=True):
            assert choice_text(option, question.options, "mapped") == option
            assert choice_text(letter, question.options, "mapped") == option
            assert choice_text(f"{letter}. {option}", question.options, "mapped") == option
