"""MME: both layouts, the result files and the hub copy; labels, pairs, and the scores they add up to."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine_utils import benchmarks
from dataengine_utils.benchmarks import hub
from dataengine_utils.benchmarks.mme import (
    CATEGORIES,
    COGNITION,
    IN_FOLDERS,
    PERCEPTION,
    category_scores,
    read_reply,
    totals,
)
from dataengine_utils.benchmarks.predictions import load_predictions
from dataengine_utils.benchmarks.scoring import predict
from dataengine_utils.errors import KitError

ASK = " Please answer yes or no."


def release(folder, *, skip=()):
    """All fourteen subtasks with two pictures each, in the layout that each has in the release."""
    for category in CATEGORIES:
        if category in skip:
            continue
        texts, pictures = folder / category, folder / category
        if category in IN_FOLDERS:
            texts, pictures = texts / "questions_answers_YN", texts / "images"
        for place in (texts, pictures):
            place.mkdir(parents=True, exist_ok=True)
        for name in ("0001", "0002"):
            (pictures / f"{name}.{'png' if category in COGNITION else 'jpg'}").touch()
            lines = f"Is it {name}?{ASK}\tYes\nIs it no {name}? {ASK}\tNo\n"
            (texts / f"{name}.txt").write_text(lines, encoding="utf-8")
    return folder


def results(folder, lines):
    """The evaluation tool's layout: one file a subtask; `lines` are those of existence."""
    for category in CATEGORIES:
        pair = f"a.jpg\tIs it?{ASK}\tYes\na.jpg\tIs it not?{ASK}\tNo\n"
        (folder / f"{category}.txt").write_text(pair, encoding="utf-8")
    (folder / "existence.txt").write_text(lines, encoding="utf-8")
    return benchmarks.load("mme", path=str(folder))


def test_the_release_is_read_from_both_layouts(tmp_path):
    questions = benchmarks.load("mme", path=str(release(tmp_path))).questions("all")
    assert len(questions) == 56 and [q.question_type for q in questions[::4]] == list(CATEGORIES)
    first = questions[0]
    assert (first.id, first.image, first.answer) == ("existence/0001.jpg#1", "existence/0001.jpg", "Yes")
    assert {q.form for q in questions} == {"yes_no"} and not first.options
    assert questions[1].question == "Is it no 0001?", "the suffix goes, after two spaces as well"
    by_id = {q.id: q for q in questions}
    assert by_id["posters/0002.jpg#1"].image == "posters/images/0002.jpg"
    assert by_id["code_reasoning/0001.png#2"].image == "code_reasoning/0001.png"
    assert all((tmp_path / q.image).is_file() for q in questions)


@pytest.mark.parametrize(
    "below", ["MME_Benchmark_release_version", "MME_Benchmark_release_version/MME_Benchmark"]
)
def test_pictures_count_from_the_folder_given(tmp_path, below):
    release(tmp_path / below)
    benchmark = benchmarks.load("mme", path=str(tmp_path))
    assert all((benchmark.root / q.image).is_file() for q in benchmark.questions("all"))
    apart = benchmarks.load("mme", path=str(tmp_path), images=str(tmp_path / below))
    assert all((apart.root / q.image).is_file() for q in apart.questions("all"))


def test_coco_pictures_that_subtasks_share_are_one_picture(tmp_path):
    questions = {q.id: q for q in benchmarks.load("mme", path=str(release(tmp_path))).questions("all")}
    assert questions["existence/0001.jpg#1"].image_id == questions["count/0001.jpg#2"].image_id
    apart = ("text_translation/0001.png#1", "code_reasoning/0001.png#1")
    assert len({questions[name].image_id for name in apart}) == 2


def test_the_hub_copy_gives_the_same_questions(tmp_path, monkeypatch):
    mine = benchmarks.load("mme", path=str(release(tmp_path))).questions("all")
    rows = [
        {"question_id": q.image, "image": f"hub:x?row={n}", "question": q.question + ASK, "answer": q.answer,
         "category": q.question_type} for n, q in enumerate(mine)
    ]
    monkeypatch.setattr(hub, "rows", lambda name, config, split: iter(rows))
    theirs = benchmarks.load("mme", path="hub:").questions("all")
    assert [(q.id, q.image_id, q.question, q.answer) for q in theirs] == [
        (q.id, q.image_id, q.question, q.answer) for q in mine
    ]
    assert theirs[3].image == "hub:x?row=3"
    monkeypatch.setattr(hub, "rows", lambda name, config, split: iter(rows[:3]))
    with pytest.raises(KitError, match="1 questions about 'existence/0002.jpg'; expected two"):
        benchmarks.load("mme", path="hub:").questions("all")
    monkeypatch.setattr(hub, "rows", lambda name, config, split: iter([{"question_id": "a"}]))
    with pytest.raises(KitError, match="row 0: no question; expected question_id"):
        benchmarks.load("mme", path="hub:").questions("all")


@pytest.mark.parametrize(
    ("reply", "official", "lmms"),
    [
        ("Yes", "yes", "yes"), ("no.", "no", "no"), ("YES, it is", "yes", "yes"), ("know", "no", "no"),
        ("Not at all", "no", "no"), ("snow", "no", "no"), ("none", "no", "no"), ("The answer is yes", "", ""),
        ("", "", ""), ("  yes", "", "yes"), (" Yes", "yes", "yes"), ("y", "", "yes"), ("N.", "", "no"),
        ("yesno", "yes", "yes"), ("noyes", "no", "no"), ("..yes", "", "yes"), ("No\n", "no", "no"),
        ("x", "", ""),
    ],
)  # fmt: skip
def test_labels_of_both_rules(reply, official, lmms):
    assert read_reply(reply) == official and read_reply(reply, "lmms") == lmms


def test_an_unknown_rule_names_the_known_ones():
    with pytest.raises(KitError, match="unknown rule of mme 'x'; known: lmms, official"):
        read_reply("yes", "x")


def test_scores_by_hand(tmp_path):
    benchmark = benchmarks.load("mme", path=str(release(tmp_path)))
    asked = benchmark.questions("all")
    replies = {"existence": ["Yes", "No", "Yes", "Yes"], "code_reasoning": ["maybe"] * 4}
    given = [
        predict(q, replies.get(q.question_type, ["No", "Yes"] * 2)[n % 4], judge=benchmark.judge)
        for n, q in enumerate(asked)
    ]
    metrics = benchmark.score(asked, given)
    rows = metrics["official"]["category"]
    assert rows["existence"] == {
        "score": 125.0, "acc": 0.75, "acc_plus": 0.5, "TP": 2, "FN": 0, "TN": 1, "FP": 1, "other": 0,
        "precision": pytest.approx(2 / 3), "recall": 1.0,
    }
    assert rows["code_reasoning"]["other"] == 4 and rows["code_reasoning"]["precision"] is None
    assert rows["color"]["score"] == 0 and rows["color"]["recall"] == 0
    assert metrics["official"]["summary"] == {"Perception": 125.0, "Cognition": 0.0}
    assert metrics["rule"] == "official" and metrics["types"]["code_reasoning"]["unparsed"] == 4
    missing = benchmark.score(asked, given[:1])
    assert missing["missing"] == 55 and missing["official"]["category"]["existence"]["other"] == 3
    json.dumps(metrics)


def test_all_right_is_2000_and_800():
    table = category_scores((name, n // 2, "yes", "yes") for name in CATEGORIES for n in range(4))
    assert totals(table) == {"Perception": 2000, "Cognition": 800} and list(table) == list(CATEGORIES)
    assert totals({}) == {"Perception": 0.0, "Cognition": 0.0}


labels = st.sampled_from(["yes", "no"])


@given(st.lists(st.tuples(labels, st.sampled_from(["yes", "no", ""])), min_size=2, max_size=30).map(
    lambda rows: rows[: len(rows) // 2 * 2]))
def test_scores_against_the_definition(rows):
    row = category_scores(("OCR", n // 2, answer, read) for n, (answer, read) in enumerate(rows))["OCR"]
    right = [answer == read for answer, read in rows]
    both = [a and b for a, b in zip(right[::2], right[1::2], strict=True)]
    assert row["acc"] == pytest.approx(sum(right) / len(right))
    assert row["acc_plus"] == pytest.approx(sum(both) / len(both)) and row["acc_plus"] <= row["acc"]
    assert row["score"] == pytest.approx(100 * (row["acc"] + row["acc_plus"]))
    assert sum(row[cell] for cell in ("TP", "FN", "TN", "FP", "other")) == len(rows)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("", r"existence\.txt: 0 questions of 'existence'; expected two a picture"),
        ("a.jpg\tIs it?\tYes\n", "existence.txt:1: 1 questions of 'existence'"),
        ("a.jpg\tIs it?\tYes\nb.jpg\tIs it?\tNo\n", "existence.txt:2: a question about 'b.jpg' follows one"),
        ("a.jpg\tIs it?\tYes\na.jpg\tIs it?\tMaybe\n", "existence.txt:2: answer 'Maybe'; expected Yes or No"),
        ("a.jpg\tIs it? Yes\n", "existence.txt:1: 2 fields; expected image, tab, question"),
    ],
)
def test_broken_result_files_are_told_by_line(tmp_path, lines, said):
    with pytest.raises(KitError, match=said):
        results(tmp_path, lines).questions("all")


def test_result_files_with_replies_and_windows_line_ends_are_read(tmp_path):
    lines = f"a.jpg\tIs it?{ASK}\tYes\tno idea\r\na.jpg\tIs it\u2028so?{ASK}\tNo\tno\r\n\r\n"
    benchmark = results(tmp_path, lines)
    first, second = benchmark.questions("all")[:2]
    assert (first.answer, second.answer, second.question) == ("Yes", "No", "Is it\u2028so?")
    assert first.gold == second.gold == {"pair": "existence/0"}


def test_broken_release_files_are_told(tmp_path):
    release(tmp_path)
    file = tmp_path / "OCR" / "0002.txt"
    file.write_bytes(b"Is it \xff?\tYes\n")
    with pytest.raises(KitError, match=r"OCR/0002.txt: byte 6 is not UTF-8"):
        benchmarks.load("mme", path=str(tmp_path)).questions("all")
    file.write_text("Is it? Yes\n", encoding="utf-8")
    with pytest.raises(KitError, match=r"OCR/0002.txt:1: 1 fields; expected question, tab"):
        benchmarks.load("mme", path=str(tmp_path)).questions("all")
    for left in (tmp_path / "OCR").iterdir():
        left.unlink()
    with pytest.raises(KitError, match="OCR: no .txt file in it"):
        benchmarks.load("mme", path=str(tmp_path)).questions("all")


def test_a_missing_subtask_is_named(tmp_path):
    with pytest.raises(KitError, match="no color, OCR; all 14 subtasks are needed: MME needs"):
        benchmarks.load("mme", path=str(release(tmp_path, skip=("color", "OCR")))).questions("all")


def test_pictures_need_not_be_there(tmp_path):
    for file in release(tmp_path).rglob("*.[jp][pn]g"):
        file.unlink()
    questions = {q.id: q for q in benchmarks.load("mme", path=str(tmp_path)).questions("all")}
    assert questions["scene/0001.jpg#1"].image == "scene/images/0001.jpg"
    assert questions["numerical_calculation/0001.png#1"].image == "numerical_calculation/0001.png"


def test_real_questions(shared_data):
    questions = benchmarks.load("mme", path=str(shared_data / "mme" / "Your_Results")).questions("all")
    assert len(questions) == 2374 and len({q.gold["pair"] for q in questions}) == 1187
    assert not any("Please answer" in q.question or q.question != q.question.strip() for q in questions)


@pytest.mark.parametrize(
    ("predictions", "perception", "cognition"),
    [("llava_eval/MME/answers/llava-v1.5-13b.jsonl", 1531.32, 295.36), ("mme/LaVIN", 963.61, 249.64)],
)
def test_real_answers_have_their_published_scores(shared_data, predictions, perception, cognition):
    benchmark = benchmarks.load("mme", path=str(shared_data / "mme" / "Your_Results"))
    asked = benchmark.questions("all")
    given = load_predictions(shared_data / predictions, benchmark, asked)
    assert benchmark.score(asked, given["all"])["official"]["summary"] == {
        "Perception": pytest.approx(perception, abs=0.005), "Cognition": pytest.approx(cognition, abs=0.005),
    }
    assert given.report.missing == given.report.by_text == given.report.in_order == 0


def test_the_subtasks_are_all_there():
    assert len(PERCEPTION) == 10 and len(COGNITION) == 4 and len(set(CATEGORIES)) == 14
