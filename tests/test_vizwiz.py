"""VizWiz: its own files and the copy in the VQA format, MiniGPT-v2's rule and the API's two copies."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine_utils.benchmarks import hub
from dataengine_utils.benchmarks.scoring import predict
from dataengine_utils.benchmarks.vizwiz import VizWiz, vizwiz_verdict
from dataengine_utils.errors import KitError

TEXTS = ["unanswerable"] * 5 + ["blue"] * 2 + ["Blue", "navy", "navy_blue"]


def record(number, **fields):
    return {
        "image": f"VizWiz_val_{number:08}.jpg",
        "question": "What color is this?",
        "answer_type": "other",
        "answers": [{"answer": text, "answer_confidence": "maybe"} for text in TEXTS],
        "answerable": 1,
        **fields,
    }


def write(path, value):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def test_the_official_files(tmp_path):
    for where in (tmp_path, tmp_path / "Annotations"):
        write(where / "val.json", [record(0), record(1, answer_type="unanswerable")])
        first, second = VizWiz(str(tmp_path)).questions("all")
        assert first.id == first.image == first.image_id == "VizWiz_val_00000000.jpg"
        assert (first.question, first.answer, first.form) == (
            "What color is this?",
            "unanswerable",
            "unanswerable",
        )
        assert first.gold == {"answers": tuple(TEXTS), "answer_type": "other"}
        assert second.question_type == "unanswerable"
        (where / "val.json").unlink()


def test_test_questions_can_be_answered_but_not_scored(tmp_path):
    path = write(tmp_path / "test.json", [{"image": "VizWiz_test_00000000.jpg", "question": "What is this?"}])
    for benchmark in (VizWiz(str(path)), VizWiz(str(tmp_path), variant="test")):
        asked = benchmark.questions("all")
        assert asked[0].gold == {} and benchmark.judge(asked[0], "red").credit == 0
        with pytest.raises(KitError, match=r"1 of 1 questions have no answers.*eval.ai"):
            benchmark.score(asked, [])


@pytest.mark.parametrize(
    ("reply", "minigpt4", "api_loo", "api_no_loo"),
    [
        ("Unanswerable", 1, 1, 1),
        ("blue", 1, 0.6, 2 / 3),
        ("navy", 2 / 3, 0.3, 1 / 3),
        ("blue.", 0, 0.6, 2 / 3),
        (" blue", 0, 0.6, 2 / 3),
        ("a navy_blue", 0, 0, 0),
    ],
)
def test_the_three_rules(reply, minigpt4, api_loo, api_no_loo):
    wanted = {"minigpt4": minigpt4, "api_loo": api_loo, "api_no_loo": api_no_loo}
    assert {rule: vizwiz_verdict(reply, TEXTS, rule=rule).credit for rule in wanted} == pytest.approx(wanted)


def test_answers_are_taken_as_they_are():
    assert vizwiz_verdict("Two", ["two"] * 10, rule="api_loo").credit == 0
    assert vizwiz_verdict("Two", ["2"] * 10, rule="api_loo").credit == 1
    assert vizwiz_verdict("dont", ["don't"] * 10, rule="api_loo").credit == 0
    assert vizwiz_verdict("dont", ["don\u2019t"] * 10, rule="api_loo").credit == 1


@given(st.text(max_size=8), st.lists(st.text("ab_", max_size=3), min_size=1, max_size=10))
def test_leaving_out_never_helps(reply, answers):
    loo, no_loo = (vizwiz_verdict(reply, answers, rule=rule).credit for rule in ("api_loo", "api_no_loo"))
    assert 0 <= loo <= no_loo + 1e-12 <= 1 + 1e-12


def test_tables_and_aliases(tmp_path):
    write(tmp_path / "val.json", [record(7), record(31, answer_type="number")])
    benchmark = VizWiz(str(tmp_path), rule="api_loo")
    asked = benchmark.questions("all")
    given = [predict(asked[0], "blue", judge=benchmark.judge)]
    metrics = benchmark.score(asked, given)
    assert metrics["official"] == {
        "summary": {"accuracy": pytest.approx(30)},
        "answer_type": {
            "other": {"accuracy": pytest.approx(60), "n": 1},
            "number": {"accuracy": 0.0, "n": 1},
        },
    }
    assert list(benchmark.aliases(asked[1])) == ["VizWiz_val_00000031.jpg", "VizWiz_val_00000031", "31"]


def test_rows_of_the_hub(monkeypatch):
    row = {
        "question_id": "VizWiz_val_00000000.jpg",
        "image": "hub:0",
        "question": "What?",
        "category": "other",
    }
    rows = [{**row, "answers": TEXTS}, {**row, "question_id": "VizWiz_val_00000001.jpg", "answers": None}]
    monkeypatch.setattr(hub, "rows", lambda name, config, split: iter(rows), raising=False)
    first, second = VizWiz("hub:").questions("all")
    assert (first.id, first.image, first.question_type) == ("VizWiz_val_00000000.jpg", "hub:0", "other")
    assert second.gold == {} and second.question_type == "unlabelled"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([{"question": "What?"}], r"val.json: number 1: .*missing fields \['image'\]"),
        ([record(0), record(1, question=None)], r"number 2: .*question: expected str"),
        (
            [record(0, answers=[{"answer": 3}])],
            r"number 1 \(VizWiz_val_00000000.jpg\): an answer is .*expected",
        ),
        ([record(0, answers="red")], r"number 1 .*answers are 'red'"),
        ([], r"no questions in it"),
        ({"info": []}, r'expected {"questions": \[...\]}'),
    ],
)
def test_files_that_cannot_be_used(tmp_path, value, told):
    write(tmp_path / "val.json", value)
    with pytest.raises(KitError, match=told):
        VizWiz(str(tmp_path)).questions("all")


def test_the_copy_in_the_vqa_format(shared_data):
    benchmark = VizWiz(str(shared_data / "vizwiz"))
    asked = benchmark.questions("all")
    assert len(asked) == 4319 and asked[1].id == asked[1].image == "VizWiz_val_00000001.jpg"
    assert Counter(question.question_type for question in asked)["unanswerable"] == 1385
    assert all(len(question.gold["answers"]) == 10 and question.form == "unanswerable" for question in asked)


def test_real_predictions_lose_about_a_point_by_leaving_people_out(shared_data):
    folder = shared_data / "vizwiz"
    replies = json.loads((folder / "predictions_val_clip.json").read_text(encoding="utf-8"))
    scores = {}
    for rule in VizWiz.rules:
        benchmark = VizWiz(str(folder), rule=rule)
        asked = benchmark.questions("all")
        by_id = {item["image"]: item["answer"] for item in replies}
        given = [predict(question, by_id[question.id], judge=benchmark.judge) for question in asked]
        scores[rule] = benchmark.score(asked, given)["official"]["summary"]["accuracy"]
    assert scores["api_no_loo"] - scores["api_loo"] == pytest.approx(1.3, abs=0.4)
    assert scores["minigpt4"] - scores["api_loo"] == pytest.approx(1.3, abs=0.4)


def test_the_real_test_questions(shared_data):
    asked = VizWiz(str(shared_data / "vizwiz"), variant="test").questions("all")
    assert len(asked) == 8000 and asked[0].question == "What is this? And what color is it?"
