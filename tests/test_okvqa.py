"""OK-VQA: the official files and MiniGPT-v2's, categories of knowledge, both scorers."""

import json

import pytest

from dataengine_utils.benchmarks import hub
from dataengine_utils.benchmarks.okvqa import KNOWLEDGE, OKVQA, okvqa_verdict
from dataengine_utils.benchmarks.scoring import predict
from dataengine_utils.errors import KitError

QUESTIONS = [
    {"image_id": 297147, "question": "What sport can you use this for?", "question_id": 2971475},
    {"image_id": 339761, "question": "Name the type of plant this is?", "question_id": 3397615},
]
TEXTS = {2971475: ["race"] * 4 + ["motocross"] * 4 + ["ride"] * 2, 3397615: ["vine"] * 10}


def annotations(codes=("four", "eight")):
    return {
        "question_types": KNOWLEDGE,
        "annotations": [
            {
                "image_id": id // 10,
                "answer_type": "other",
                "question_type": code,
                "question_id": id,
                "confidence": 3,
                "answers": [
                    {"answer_id": n, "raw_answer": text, "answer_confidence": "yes", "answer": text}
                    for n, text in enumerate(texts, start=1)
                ],
            }
            for code, (id, texts) in zip(codes, TEXTS.items(), strict=True)
        ],
    }


def dump(path, value):
    path.write_text(json.dumps(value), encoding="utf-8")


def write(folder, split="val2014"):
    document = {"data_type": "mscoco", "data_subtype": split, "questions": QUESTIONS}
    dump(folder / f"OpenEnded_mscoco_{split}_questions.json", document)
    dump(folder / f"mscoco_{split}_annotations.json", annotations())
    return str(folder)


def test_the_official_files(tmp_path):
    first, second = OKVQA(write(tmp_path)).questions("all")
    assert (first.id, first.image_id, first.image) == ("2971475", "297147", "COCO_val2014_000000297147.jpg")
    assert (first.answer, first.question_type, first.form) == ("race", "Sports and Recreation", "short")
    assert (first.gold["question_type"], first.gold["answers"][4]) == ("four", "motocross")
    assert second.question_type == "Plants and Animals"


def test_both_splits_may_lie_in_one_folder(tmp_path):
    write(tmp_path)
    write(tmp_path, "train2014")
    assert OKVQA(str(tmp_path)).questions("all")[0].image == "COCO_val2014_000000297147.jpg"
    train = OKVQA(str(tmp_path), variant="train2014").questions("all")
    assert train[0].image == "COCO_train2014_000000297147.jpg" and train[0].gold


@pytest.mark.parametrize("as_folder", [True, False])
def test_minigpts_list_of_questions(tmp_path, as_folder):
    dump(tmp_path / "okvqa_test_split.json", QUESTIONS)
    dump(tmp_path / "mscoco_val2014_annotations_clean.json", annotations())
    path = tmp_path if as_folder else tmp_path / "okvqa_test_split.json"
    first = OKVQA(str(path)).questions("all")[0]
    assert (first.image, first.answer) == ("COCO_val2014_000000297147.jpg", "race")
    dump(tmp_path / "OpenEnded_mscoco_val2014_questions_clean.json", {"questions": QUESTIONS})
    assert OKVQA(str(tmp_path)).questions("all")[0] == first


@pytest.mark.parametrize(
    ("reply", "answers", "minigpt4", "gt_vision_lab"),
    [
        ("Race<unk> ", ["race"] * 4 + ["ride"] * 6, 1, 1),
        ("VINE", ["vine"] * 10, 1, 1),
        ("vine", ["Vine"] * 10, 1, 0),
        ("vine.", ["vine"] * 10, 0, 0),
        ("ride", ["race"] * 8 + ["ride"] * 2, 0.6, 0.6),
    ],
)
def test_both_scorers(reply, answers, minigpt4, gt_vision_lab):
    assert okvqa_verdict(reply, answers, rule="minigpt4").credit == pytest.approx(minigpt4)
    assert okvqa_verdict(reply, answers, rule="gt_vision_lab").credit == pytest.approx(gt_vision_lab)


def test_credit_for_a_reply_of_which_nothing_is_submitted_is_not_unparsed():
    verdict = okvqa_verdict("<unk>", ("a", "the", "an", "a", "b"), rule="minigpt4")
    assert (verdict.read, verdict.credit) == ("<unk>", 1.0)


def test_tables_go_by_the_names_of_the_categories(tmp_path):
    benchmark = OKVQA(write(tmp_path))
    asked = benchmark.questions("all")
    metrics = benchmark.score(asked, [predict(q, "Race", judge=benchmark.judge) for q in asked])
    assert metrics["rule"] == "minigpt4"
    assert metrics["official"] == {
        "summary": {"accuracy": 50.0},
        "answer_type": {"other": {"accuracy": 50.0, "n": 2}},
        "question_type": {
            "Sports and Recreation": {"accuracy": 100.0, "n": 1},
            "Plants and Animals": {"accuracy": 0.0, "n": 1},
        },
    }


def test_rows_of_the_hub_have_no_image_ids_and_may_have_names(monkeypatch):
    rows = [
        {
            "question_id": id,
            "image": f"hub:{id}",
            "question": "What?",
            "answers": texts,
            "answer_type": "other",
            "question_type": code,
        }
        for (id, texts), code in zip(TEXTS.items(), ("four", "Plants and Animals"), strict=True)
    ]
    monkeypatch.setattr(hub, "rows", lambda name, config, split: iter(rows), raising=False)
    first, second = OKVQA("hub:").questions("all")
    assert (first.image_id, first.image, first.question_type) == (
        "297147",
        "hub:2971475",
        "Sports and Recreation",
    )
    assert second.question_type == "Plants and Animals"
    assert OKVQA("hub:").judge(second, "vine").credit == 1


def test_the_real_questions_are_without_answers(shared_data):
    benchmark = OKVQA(str(shared_data / "okvqa"))
    asked = benchmark.questions("all")
    assert len(asked) == 5046 and asked[0].image == "COCO_val2014_000000297147.jpg"
    assert all(int(question.id) // 10 == int(question.image_id) for question in asked)
    with pytest.raises(KitError, match=r"5046 of 5046 questions have no answers.*okvqa.allenai.org"):
        benchmark.score(asked, [])


def test_a_folder_without_questions_says_where_to_get_them(tmp_path):
    with pytest.raises(KitError, match=r"no OpenEnded_mscoco_val2014_questions.json or .*okvqa.allenai.org"):
        OKVQA(str(tmp_path)).questions("all")
