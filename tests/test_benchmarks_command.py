"""The command: what each benchmark needs, and a predictions file scored, or refused in one line."""

import json

import pytest

from dataengine_utils.benchmarks import OFFICIAL
from dataengine_utils.benchmarks.__main__ import main

LINES = [
    ("Is there a dog?", "yes"),
    ("Is there a cat?", "no"),
    ("Is there a car?", "yes"),
    ("Is there a cup?", "no"),
]
FILE = "coco_pope_adversarial.json"


@pytest.fixture
def folder(tmp_path):
    """POPE's adversarial file with four questions about two pictures, and LLaVA's answers, one wrong."""
    asked = [
        {"question_id": n, "image": f"COCO_val2014_{n // 2:012}.jpg", "text": text, "label": label}
        for n, (text, label) in enumerate(LINES, start=1)
    ]
    (tmp_path / FILE).write_text("\n".join(map(json.dumps, asked)), encoding="utf-8")
    told = [
        {"question_id": q["question_id"], "prompt": q["text"], "text": "No", "category": "adversarial"}
        for q in asked
    ]
    told[0]["text"] = "Yes, there is."
    (tmp_path / "answers.jsonl").write_text("\n".join(map(json.dumps, told)), encoding="utf-8")
    return tmp_path


def score(folder, *more, name="pope", predictions="answers.jsonl"):
    questions = folder / FILE if name == "pope" else folder
    paths = ["--questions", str(questions), "--predictions", str(folder / predictions)]
    return main(["score", name, *paths, *more])


def test_the_list_names_files_sources_and_licences(capsys):
    assert main(["list"]) == 0
    told = capsys.readouterr().out
    entries = told.strip().split("\n\n")
    assert [entry.partition(":")[0] for entry in entries] == list(OFFICIAL)
    assert all(f"  {part} " in entry for entry in entries for part in ("files", "from", "licence", "rules"))


def test_scores_are_printed_and_written(folder, capsys):
    assert score(folder, "--json", str(folder / "metrics.json")) == 0
    told = capsys.readouterr().out
    assert "rule: llava" in told and "questions: 4, right 3, wrong 1" in told and "4 rows of LLaVA" in told
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["overall"]["accuracy"] == 0.75
    assert metrics["official"]["category"]["adversarial"]["TP"] == 1


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("empty.jsonl", b"", "empty.jsonl"),
        ("cut.jsonl", b'{"question_id": 1, "text": "ye', "cut.jsonl:1: not JSON"),
        ("latin.jsonl", b'{"question_id": 1, "text": "caf\xe9"}', "is not UTF-8"),
        ("other.jsonl", b'{"question_id": 777, "prompt": "What is it?", "text": "A"}', "777"),
        ("gone.jsonl", None, "gone.jsonl"),
    ],
)
def test_unusable_predictions_are_one_clear_line_and_nothing_is_written(folder, capsys, name, content, told):
    if content is not None:
        (folder / name).write_bytes(content)
    assert score(folder, "--json", str(folder / "metrics.json"), predictions=name) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1 and told in err
    assert not (folder / "metrics.json").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--rule", "mine"], "unknown rule of pope 'mine'; known: "),
        (["--variant", "x"], "unknown variant of pope"),
    ],
)
def test_unknown_choices_are_one_clear_line(folder, capsys, arguments, told):
    assert score(folder, *arguments) == 1
    assert told in capsys.readouterr().err


def test_missing_questions_say_how_to_get_them(folder, capsys):
    assert score(folder, name="mmbench") == 1
    assert "https://github.com/open-compass/MMBench" in capsys.readouterr().err
    assert score(folder, name="parrot") == 1
    assert "unknown benchmark 'parrot'; known: aokvqa" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "questions", "predictions", "expected"),
    [
        ("pope", "pope/coco_2910", "pope/answers/llava-v1.5-13b.jsonl", {"F1": 85.95}),
        ("mme", "mme", "MME/answers/llava-v1.5-13b.jsonl", {"Perception": 1531.3, "Cognition": 295.4}),
        ("mmbench", "llava_eval/mmbench/answers_upload/mmbench_dev_20230712/llava-v1.5-13b.xlsx",
         "mmbench/answers_upload/mmbench_dev_20230712/llava-v1.5-13b.xlsx", {"circular": 67.69}),
    ],
)
def test_llava_13b_has_its_published_scores(shared_data, tmp_path, name, questions, predictions, expected):
    paths = ["--questions", str(shared_data / questions),
             "--predictions", str(shared_data / "llava_eval" / predictions)]
    assert main(["score", name, *paths, "--json", str(tmp_path / "metrics.json")]) == 0
    summary = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))["official"]["summary"]
    for score_name, value in expected.items():
        assert round(summary[score_name], 2 if value < 100 else 1) == value
