"""VQAv2: reading the official layout and its relatives, LLaVA's rule and the raw one, tables, bad files."""

import json
from collections import Counter

import pytest

from dataengine_utils.benchmarks import hub
from dataengine_utils.benchmarks.scoring import predict
from dataengine_utils.benchmarks.vqa_files import annotations_of, gold_of
from dataengine_utils.benchmarks.vqav2 import VQAv2
from dataengine_utils.errors import KitError
from dataengine_utils.records import Question, from_json, to_json
from tests.bench.vqa import bench_vqa, official_loop

QUESTIONS, ANNOTATIONS = "v2_OpenEnded_mscoco_val2014_questions.json", "v2_mscoco_val2014_annotations.json"
TEN = {
    262148000: ("what is the", "other", ["down"] * 6 + ["at table", "skateboard", "table", "Down."]),
    262148001: ("is this", "yes/no", ["yes"] * 10),
    393225000: ("how many", "number", ["two"] * 3 + ["2"] * 4 + ["3"] * 3),
}


def answers(texts):
    return [
        {"answer": text, "answer_confidence": "yes", "answer_id": number}
        for number, text in enumerate(texts, start=1)
    ]


def annotation(id):
    question_type, answer_type, texts = TEN[id]
    return {
        "question_type": question_type,
        "multiple_choice_answer": texts[0],
        "answers": answers(texts),
        "image_id": id // 1000,
        "answer_type": answer_type,
        "question_id": id,
    }


def entries(ids=TEN):
    return [{"image_id": id // 1000, "question": f"Question {id}?", "question_id": id} for id in ids]


def dump(path, value):
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def write(folder, subtype="val2014", questions=QUESTIONS, annotations=ANNOTATIONS):
    document = {"info": {}, "task_type": "Open-Ended", "data_type": "mscoco", "license": {}}
    dump(folder / questions, {**document, "data_subtype": subtype, "questions": entries()})
    if annotations:
        dump(folder / annotations, {**document, "annotations": [annotation(id) for id in TEN]})
    return folder


def test_the_official_layout(tmp_path):
    first, second, third = VQAv2(str(write(tmp_path))).questions("all")
    assert first == Question(
        "262148000",
        "262148",
        "COCO_val2014_000000262148.jpg",
        "Question 262148000?",
        (),
        "down",
        "",
        "other",
        form="short",
        gold={"answers": tuple(TEN[262148000][2]), "answer_type": "other", "question_type": "what is the"},
    )
    assert (second.image_id, second.image, second.question_type) == (first.image_id, first.image, "yes/no")
    assert (third.answer, third.question_type) == ("2", "number")


def test_a_question_file_can_be_the_path_and_pictures_lie_elsewhere(tmp_path):
    path = write(tmp_path) / QUESTIONS
    assert len(VQAv2(str(path)).questions("all")) == 3
    assert VQAv2(str(path)).root == tmp_path and str(VQAv2(str(path), images="coco").root) == "coco"


def test_version_1_and_clean_copies_have_their_annotations_beside_them(tmp_path):
    for questions, annotations in (
        ("OpenEnded_mscoco_val2014_questions.json", "mscoco_val2014_annotations.json"),
        ("OpenEnded_mscoco_val2014_questions_clean.json", "mscoco_val2014_annotations_clean.json"),
        ("val_questions_vqa_format.json", "val_annotations_vqa_format.json"),
    ):
        assert annotations_of(tmp_path / questions) is None
        write(tmp_path, questions=questions, annotations=annotations)
        assert annotations_of(tmp_path / questions) == tmp_path / annotations
        assert VQAv2(str(tmp_path / questions)).questions("all")[1].answer == "yes"


def test_several_splits_in_a_folder_need_a_choice(tmp_path):
    write(tmp_path)
    write(tmp_path, "test-dev2015", "v2_OpenEnded_mscoco_test-dev2015_questions.json", "")
    write(tmp_path, "test2015", "v2_OpenEnded_mscoco_test2015_questions.json", "")
    with pytest.raises(
        KitError, match=r"3 question files in .*test-dev2015_questions.json.*variant: val2014"
    ):
        VQAv2(str(tmp_path)).questions("all")
    assert VQAv2(str(tmp_path), variant="val2014").questions("all")[0].gold
    for variant in ("test-dev2015", "test2015"):
        asked = VQAv2(str(tmp_path), variant=variant).questions("all")
        assert asked[0].image == "COCO_test2015_000000262148.jpg" and not asked[0].gold
        assert (asked[0].answer, asked[0].question_type) == ("", "unlabelled")
    with pytest.raises(KitError, match=r"no v2_OpenEnded_mscoco_train2014_questions.json in .*visualqa.org"):
        VQAv2(str(tmp_path), variant="train2014").questions("all")


def test_test_splits_can_be_answered_but_not_scored(tmp_path):
    benchmark = VQAv2(str(write(tmp_path, annotations="")))
    asked = benchmark.questions("all")
    given = [predict(question, "red", judge=benchmark.judge) for question in asked]
    assert {prediction.outcome for prediction in given} == {"wrong"}
    with pytest.raises(KitError, match=r"3 of 3 questions have no answers.*submit .*eval.ai.*val2014"):
        benchmark.score(asked, given)


@pytest.mark.parametrize(("rule", "credits"), [("vqa_llava", (1, 1, 0.9)), ("vqa", (1, 0, 0.9))])
def test_rules_and_tables(tmp_path, rule, credits):
    benchmark = VQAv2(str(write(tmp_path)), rule=rule)
    asked = benchmark.questions("all")
    replies = ("Down?", "Yes.", "3")
    metrics = benchmark.score(
        asked, [predict(q, reply, judge=benchmark.judge) for q, reply in zip(asked, replies, strict=True)]
    )
    official = metrics["official"]
    assert metrics["rule"] == rule and metrics["missing"] == 0
    assert official["summary"]["accuracy"] == pytest.approx(100 * sum(credits) / 3)
    assert official["answer_type"]["number"] == {"accuracy": pytest.approx(90), "n": 1}
    assert official["question_type"]["is this"]["accuracy"] == 100 * credits[1]
    assert metrics["types"]["number"]["accuracy"] == pytest.approx(0.9)


def test_the_default_rule_is_the_one_behind_the_papers_table(tmp_path):
    assert VQAv2(str(tmp_path)).rule == "vqa_llava"


def test_missing_predictions_count_as_nothing_said(tmp_path):
    benchmark = VQAv2(str(write(tmp_path)))
    asked = benchmark.questions("all")
    metrics = benchmark.score(asked, [predict(asked[1], "yes", judge=benchmark.judge)])
    assert metrics["missing"] == 2 and metrics["overall"]["unparsed"] == 2
    assert metrics["official"]["summary"]["accuracy"] == pytest.approx(100 / 3)
    assert metrics["official"]["answer_type"]["number"]["accuracy"] == 0


@pytest.mark.parametrize("reply", ["A", "The"])
def test_a_right_reply_of_which_the_upload_leaves_nothing_is_right(tmp_path, reply):
    record = {"question_id": 1, "image_id": "x", "question": "Which letter?", "answers": ["a"] * 9 + ["b"]}
    benchmark = VQAv2(str(dump(tmp_path / "TextVQA_0.5.1_val.json", {"data": [record]})))
    [asked] = benchmark.questions("all")
    given = predict(asked, reply, judge=benchmark.judge)
    metrics = benchmark.score([asked], [given])
    assert given.outcome == "right" and metrics["official"]["summary"] == {"accuracy": 100.0}
    assert metrics["overall"]["accuracy"] == 1.0


def test_ids_that_are_there_twice_stay_apart(tmp_path):
    write(tmp_path)
    dump(tmp_path / QUESTIONS, {"data_subtype": "val2014", "questions": entries([262148000, 262148000])})
    assert [question.id for question in VQAv2(str(tmp_path)).questions("all")] == ["262148000", "262148000#2"]


def test_a_question_survives_json(tmp_path):
    benchmark = VQAv2(str(write(tmp_path)))
    for question in benchmark.questions("all"):
        again = from_json(Question, json.loads(json.dumps(to_json(question))))
        assert benchmark.judge(again, "two") == benchmark.judge(question, "two")


def test_records_without_answer_ids_are_told_apart_by_what_they_have():
    records = [{"answer": "red", "answer_confidence": sure} for sure in ("yes", "yes", "maybe")]
    assert gold_of({"answers": records}) == {"answers": ("red",) * 3, "marks": (0, 0, 2)}
    assert "marks" not in gold_of({"answers": ["red", "red"]})
    assert "marks" not in gold_of({"answers": records[1:]})


def test_rows_of_the_hub(monkeypatch):
    rows = [{**annotation(id), "question_id": id, "question": "What?", "image": f"hub:{id}"} for id in TEN]
    asked_for = []
    monkeypatch.setattr(hub, "rows", lambda *names: asked_for.append(names) or iter(rows), raising=False)
    first = VQAv2("hub:").questions("all")[0]
    assert asked_for == [("lmms-lab/VQAv2", None, "validation")]
    assert (first.image, first.image_id, first.answer) == ("hub:262148000", "262148", "down")
    rows[:] = [{"question_id": 1, "question": "What?", "image": "hub:1", "image_id": 1, "answers": None}]
    assert VQAv2("hub:me/copy", variant="test-dev2015").questions("all")[0].gold == {}
    assert asked_for[1] == ("me/copy", None, "testdev")


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        (QUESTIONS, "", r"questions.json:1: not JSON .*expected VQAv2 needs"),
        (QUESTIONS, '{"questions": [{"question', r"not JSON .*character 17"),
        (QUESTIONS, b"\xff\xfe", r"byte 0 is not UTF-8"),
        (QUESTIONS, '{"annotations": []}', r'expected {"questions": \[...\]}'),
        (QUESTIONS, "3", r'expected {"questions": \[...\]}, got 3'),
        (
            QUESTIONS,
            '{"questions": [{"question_id": 1}]}',
            r"number 1 of questions is .*expected an object with",
        ),
        (QUESTIONS, '{"questions": [{"question_id": 1, "image_id": true, "question": "?"}]}', r"number 1 of"),
        (QUESTIONS, '{"questions": []}', r"no questions in it"),
        (ANNOTATIONS, "[1]", r"annotations.json: number 1 of annotations is 1"),
        (ANNOTATIONS, '{"annotations": []}', r"annotations.json: no annotation of question '262148000' of"),
        (
            ANNOTATIONS,
            '{"annotations": [{"question_id": 7, "answers": []}]}',
            r"question 7: answers are \[\]",
        ),
        (
            ANNOTATIONS,
            '{"annotations": [{"question_id": 7, "answers": [{"a": 1}]}]}',
            r"question 7: an answer is",
        ),
        (
            ANNOTATIONS,
            '{"annotations": [{"question_id": 7, "answers": ["no", 3]}]}',
            r"question 7: an answer is 3",
        ),
    ],
)
def test_files_that_cannot_be_used(tmp_path, name, text, told):
    path = write(tmp_path) / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(KitError, match=told) as error:
        VQAv2(str(tmp_path)).questions("all")
    assert tmp_path.name in str(error.value)


def test_a_folder_without_questions_says_where_to_get_them(tmp_path):
    for path in (tmp_path, tmp_path / "none.json"):
        with pytest.raises(KitError, match=r"no .*visualqa.org/download.html.*CC BY 4.0"):
            VQAv2(str(path)).questions("all")


def test_the_copy_of_textvqa(shared_data):
    benchmark = VQAv2(str(shared_data / "textvqa"))
    asked = benchmark.questions("all")
    assert len(asked) == 5000 and asked[0].image == "003a8ae2ef43b901.jpg"
    assert asked[0].answer == "dakota" and asked[0].question_type == "none of the above"
    parts = [
        {question.image_id for question in benchmark.questions(split)} for split in ("diagnose", "sealed")
    ]
    assert parts[0] and parts[1] and not parts[0] & parts[1]


def test_textvqas_own_files(shared_data):
    path = shared_data / "textvqa/hf_dummy/TextVQA_0.5.1_val.json"
    asked = VQAv2(str(path)).questions("all")
    assert (len(asked), asked[0].image, asked[0].answer) == (5, "003a8ae2ef43b901.jpg", "dakota")
    assert {len(question.gold["answers"]) for question in asked} == {10}
    tests = VQAv2(str(path.with_name("TextVQA_0.5.1_test.json"))).questions("all")
    assert tests and not any(question.gold for question in tests)


@pytest.mark.parametrize("text", ["[" * 100_000, '[{"question_id": ' + "1" * 5000 + "}]"])
def test_json_that_python_gives_up_on_is_one_error(tmp_path, text):
    (tmp_path / QUESTIONS).write_text(text, encoding="utf-8")
    with pytest.raises(KitError, match=rf"{QUESTIONS}: not readable as JSON"):
        VQAv2(str(tmp_path)).questions("all")


def test_the_copy_of_vizwiz_has_no_answer_ids(shared_data):
    benchmark = VQAv2(str(shared_data / "vizwiz" / "val_questions_vqa_format.json"), rule="vqa")
    asked = benchmark.questions("all")
    assert Counter(question.question_type for question in asked) == {
        "other": 2691,
        "unanswerable": 1385,
        "yes/no": 195,
        "number": 48,
    }
    replies = json.loads((shared_data / "vizwiz" / "predictions_val_clip.json").read_text(encoding="utf-8"))
    by_image = {item["image"]: item["answer"] for item in replies}
    given = {question.id: by_image[question.image] for question in asked}
    file = shared_data / "vizwiz" / "val_annotations_vqa_format.json"
    records = json.loads(file.read_text(encoding="utf-8"))["annotations"]
    loop = official_loop(records, {int(id): reply for id, reply in given.items()})
    ours = [benchmark.judge(question, given[question.id]).credit for question in asked]
    assert ours == [loop["items"][int(question.id)] for question in asked]
    metrics = benchmark.score(asked, [predict(q, given[q.id], judge=benchmark.judge) for q in asked])
    assert metrics["official"]["summary"]["accuracy"] == loop["overall"]


def test_the_benchmark_of_speed_runs_small():
    measured = bench_vqa(300, 200, rounds=1)
    assert measured.listed == 200 and measured.ratio > 0 and "300 VQAv2 questions scored" in str(measured)
