"""POPE: the three files and the hub copy; LLaVA's and lmms-eval's rules, and the rates per category."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine_utils import benchmarks
from dataengine_utils.benchmarks import hub
from dataengine_utils.benchmarks.pope import CATEGORIES, category_scores, read_reply
from dataengine_utils.benchmarks.predictions import load_predictions
from dataengine_utils.benchmarks.scoring import predict
from dataengine_utils.errors import KitError


def line(number, category, label="yes"):
    return {"question_id": number, "image": f"COCO_val2014_{number:012}.jpg",
            "text": f"Is there a {category} {number} in the image?", "label": label}


def written(folder, n=4, **changed):
    """The three files with `n` questions each, yes and no in turn; `changed` are lines by category."""
    folder.mkdir(parents=True, exist_ok=True)
    for category in CATEGORIES:
        lines = [line(number + 1, category, "no" if number % 2 else "yes") for number in range(n)]
        text = "".join(json.dumps(item) + "\n" for item in changed.get(category, lines))
        (folder / f"coco_pope_{category}.json").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("below", ["", "coco", "output/coco"])
def test_the_three_files_are_read_where_they_lie(tmp_path, below):
    written(tmp_path / below)
    questions = benchmarks.load("pope", path=str(tmp_path)).questions("all")
    assert [q.id for q in questions[3:6]] == ["adversarial/4", "popular/1", "popular/2"]
    first = questions[0]
    assert (first.image, first.image_id) == ("COCO_val2014_000000000001.jpg", "COCO_val2014_000000000001")
    assert first.question == "Is there a adversarial 1 in the image?" and first.form == "yes_no"
    assert [q.answer for q in questions[:2]] == ["yes", "no"]
    assert {q.question_type for q in questions} == set(CATEGORIES)


def test_one_file_is_one_category(tmp_path):
    path = written(tmp_path) / "coco_pope_random.json"
    assert {q.question_type for q in benchmarks.load("pope", path=str(path)).questions("all")} == {"random"}
    path.rename(tmp_path / "mine.json")
    with pytest.raises(KitError, match="category of POPE in the file name 'mine.json'; known: adversarial"):
        benchmarks.load("pope", path=str(tmp_path / "mine.json")).questions("all")


def test_categories_share_their_pictures_so_splits_do_not(tmp_path):
    benchmark = benchmarks.load("pope", path=str(written(tmp_path, 40)))
    sides = [{q.image_id for q in benchmark.questions(split)} for split in ("diagnose", "sealed")]
    assert not sides[0] & sides[1] and len(sides[0] | sides[1]) == 40


def test_the_hub_copy_gives_the_same_questions(tmp_path, monkeypatch):
    mine = benchmarks.load("pope", path=str(written(tmp_path))).questions("all")
    rows = [
        {"id": str(n), "question_id": q.id.partition("/")[2], "question": q.question, "answer": q.answer,
         "image_source": q.image_id, "image": f"hub:x?row={n}", "category": q.question_type}
        for n, q in enumerate(mine)
    ]
    monkeypatch.setattr(hub, "rows", lambda name, config, split: iter(rows))
    theirs = benchmarks.load("pope", path="hub:").questions("all")
    assert [(q.id, q.image_id, q.question, q.answer) for q in theirs] == [
        (q.id, q.image_id, q.question, q.answer) for q in mine
    ]
    assert theirs[1].image == "hub:x?row=1"
    rows[0]["category"] = "strange"
    with pytest.raises(KitError, match="unknown category of hub:, row 0 'strange'"):
        benchmarks.load("pope", path="hub:").questions("all")


@pytest.mark.parametrize(
    ("reply", "llava", "lmms"),
    [
        ("Yes", "yes", "yes"), ("No", "no", "no"), ("no", "no", "no"), ("NO", "yes", "no"), ("", "yes", ""),
        ("There is not.", "no", ""), ("Well, no, there is none", "no", ""), ("Yes. But no", "yes", ""),
        ("No.", "no", ""), ("yes ", "yes", "yes"), ("none", "yes", ""), ("Not", "yes", ""),
        ("it is\nno", "yes", ""), ("no\n", "yes", "no"), (".no", "yes", ""),
    ],
)  # fmt: skip
def test_labels_of_both_rules(reply, llava, lmms):
    assert read_reply(reply) == llava and read_reply(reply, "lmms") == lmms


def test_an_unknown_rule_names_the_known_ones():
    with pytest.raises(KitError, match="unknown rule of pope 'pope'; known: llava, lmms"):
        read_reply("yes", "pope")


def test_scores_by_hand(tmp_path):
    path = str(written(tmp_path))
    replies = ["Yes", "Yes", "No", "No."] + ["Yes", "No"] * 4
    for rule, adversarial, summary in (
        ("llava", {"TP": 1, "FP": 1, "TN": 1, "FN": 1, "other": 0, "Accuracy": 0.5, "F1 score": 0.5,
                   "Yes ratio": 0.5}, {"F1": 250 / 3, "Accuracy": 250 / 3}),
        ("lmms", {"TP": 1, "FP": 1, "TN": 0, "FN": 1, "other": 1, "Accuracy": 0.25, "F1 score": 0.5,
                  "Yes ratio": 0.5}, {"F1": 100 * 10 / 12, "Accuracy": 75.0}),
    ):  # fmt: skip
        benchmark = benchmarks.load("pope", path=path, rule=rule)
        asked = benchmark.questions("all")
        given = [predict(q, reply, judge=benchmark.judge) for q, reply in zip(asked, replies, strict=True)]
        official = benchmark.score(asked, given)["official"]
        assert list(official["category"]) == [*CATEGORIES, "all"]
        assert adversarial.items() <= official["category"]["adversarial"].items()
        assert official["category"]["popular"]["F1 score"] == 1.0
        assert official["summary"] == pytest.approx(summary)


def test_a_missing_prediction_is_a_wrong_one_and_moves_no_other(tmp_path):
    benchmark = benchmarks.load("pope", path=str(written(tmp_path)))
    asked = benchmark.questions("all")
    given = [predict(q, q.answer, judge=benchmark.judge) for q in asked]
    metrics = benchmark.score(asked, given[1:])
    row = metrics["official"]["category"]["adversarial"]
    assert metrics["missing"] == 1 and (row["TP"], row["FN"], row["TN"], row["FP"]) == (1, 1, 2, 0)
    nothing = benchmark.score(asked, [])["official"]
    assert nothing["summary"] == {"F1": 0.0, "Accuracy": 0.0}
    lmms = benchmarks.load("pope", path=benchmark.path, rule="lmms")
    assert lmms.score(asked, [])["official"]["summary"] == {"F1": None, "Accuracy": 0.0}


labels = st.sampled_from(["yes", "no"])


@given(st.lists(st.tuples(labels, st.sampled_from(["yes", "no", ""])), min_size=1, max_size=40))
def test_rates_against_the_definition(rows):
    row = category_scores(("random", *item) for item in rows)["random"]
    n, said_yes = len(rows), sum(read == "yes" for _, read in rows)
    assert row["Accuracy"] == sum(label == read for label, read in rows) / n
    assert row["Yes ratio"] == said_yes / n
    assert row["TP"] + row["FP"] + row["TN"] + row["FN"] + row["other"] == n
    if row["Precision"] and row["Recall"]:
        assert row["F1 score"] == pytest.approx(2 / (1 / row["Precision"] + 1 / row["Recall"]))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([line(1, "x"), line(1, "x")], "popular.json:2: question_id 1 is there twice"),
        ([{**line(1, "x"), "label": "maybe"}], "popular.json:1: label 'maybe'; expected yes or no"),
        ([{"question_id": 1, "image": "a.jpg", "text": "Is it?"}], "popular.json:1: no label; expected one"),
        ([], "popular.json: no questions in it"),
    ],
)
def test_broken_files_are_told_by_line(tmp_path, lines, said):
    with pytest.raises(KitError, match=said):
        benchmarks.load("pope", path=str(written(tmp_path, popular=lines))).questions("all")


def test_cut_off_and_missing_files(tmp_path):
    file = written(tmp_path) / "coco_pope_random.json"
    file.write_text(file.read_text(encoding="utf-8")[:-9], encoding="utf-8")
    with pytest.raises(KitError, match="random.json:4: not JSON"):
        benchmarks.load("pope", path=str(tmp_path)).questions("all")
    file.unlink()
    with pytest.raises(KitError, match="no coco_pope_random.json in .*POPE needs"):
        benchmarks.load("pope", path=str(tmp_path)).questions("all")


def test_real_answers_have_their_published_score(shared_data):
    benchmark = benchmarks.load("pope", path=str(shared_data / "pope" / "coco_2910"))
    asked = benchmark.questions("all")
    given = load_predictions(shared_data / "llava_eval/pope/answers/llava-v1.5-13b.jsonl", benchmark, asked)
    official = benchmark.score(asked, given["all"])["official"]
    assert len(asked) == 8910 and given.report.missing == given.report.repeated == 0
    assert official["summary"]["F1"] == pytest.approx(85.95, abs=0.005)
