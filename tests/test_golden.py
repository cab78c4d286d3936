"""Our scorers against official scores: made-up inputs here, real ones from ../shared where it is there."""

import json
from pathlib import Path

import pytest

from tests.check_golden import MODULES, check_file, main, same

MADE_UP = sorted((Path(__file__).parent / "golden" / "data").glob("*.json"))


@pytest.mark.parametrize("path", MADE_UP, ids=lambda path: path.stem)
def test_made_up_inputs_score_as_officially(path):
    n, mismatches = check_file(path)
    assert n > 0 and mismatches == []


def test_every_benchmark_with_made_up_inputs_has_them_here():
    made_up = {json.loads(path.read_text(encoding="utf-8"))["benchmark"] for path in MADE_UP}
    assert made_up == {"aokvqa", "mmbench", "mme", "scienceqa", "seed_bench", "vizwiz", "vqa",
                       "vqav2_submission_processor"}


@pytest.mark.parametrize("folder", sorted({*MODULES} - {"vqa", "vqav2_submission_processor"}))
def test_all_shared_inputs_score_as_officially(shared_golden, folder, capsys):
    paths = sorted((shared_golden / folder).glob("*.json"))
    assert paths
    assert main([str(path) for path in paths]) == 0, capsys.readouterr().out
    assert capsys.readouterr().out.count(" 0 mismatches") == len(paths)


@pytest.mark.parametrize("path", MADE_UP[:3], ids=lambda path: path.stem)
def test_a_wrong_score_is_found_and_told(path, tmp_path, capsys):
    document = json.loads(path.read_text(encoding="utf-8"))
    _spoil(document["expected"])
    spoiled = tmp_path / "spoiled.json"
    spoiled.write_text(json.dumps(document), encoding="utf-8")
    assert main([str(spoiled)]) == 1
    told = capsys.readouterr().out
    assert "compared, " in told and " 0 mismatches" not in told and "expected" in told


def _spoil(value):
    """Change the first number below a value."""
    for key in value if isinstance(value, dict) else range(len(value)):
        if isinstance(value[key], (int, float)):
            value[key] += 1e-4
            return True
        if isinstance(value[key], (dict, list)) and _spoil(value[key]):
            return True
    return False


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "[" * 100_000, '{"schema": "golden-v2"}', '{"schema": "golden-v1", "benchmark": "?"}'],
)
def test_other_files_are_refused_in_one_line(text, tmp_path, capsys):
    path = tmp_path / "file.json"
    path.write_text(text, encoding="utf-8")
    assert main([str(path)]) == 1
    assert capsys.readouterr().out.count("\n") == 1


MMBENCH = {"index": 1, "answer": "A", "split": "dev"}


@pytest.mark.parametrize(
    ("options", "prediction", "letter"),
    [
        ({"A": "cat", "C": "dog"}, "A", "A"),
        ({"A": "cat", "B": None, "C": "NA"}, "cat", "A"),
        ({"A": "None", "B": float("nan")}, "A", None),
        ({"A": "cat", "B": "dog"}, None, None),
    ],
)
def test_options_and_predictions_that_are_missing_are_compared(tmp_path, options, prediction, letter):
    hit = {"1": int(letter == "A")}
    report = {"dev": {"Overall": float(letter == "A")}}
    expected = {"rows_inferred_head_2024": [[letter, letter]],
                **{f"group_hit_{rule}": hit for rule in ("head", "2024_05")},
                **{f"report_{rule}": report for rule in ("head", "2024_05")}}
    rows = [{**MMBENCH, "options": options, "prediction": prediction}]
    n, mismatches = check_file(_file(tmp_path, "mmbench", {"rows": rows}, expected))
    assert n > 8 and mismatches == []


def test_prompts_keep_the_letters_of_options_with_a_gap(tmp_path):
    ask = "Answer with the option's letter from the given choices directly."
    minigpt = f"<s>[INST] <Img><ImageHere></Img> [vqa] Which?\nA. one\nC. three\n{ask} [/INST]"
    record = {"index": 1, "question": "Which?", "hint": None, "A": "one", "B": None, "C": "three"}
    expected = {"llava_text": "Which?\nA. one", "minigpt4_prompt": minigpt,
                "minigpt4_option_char": ["A", "C"]}
    path = _file(tmp_path, "prompts", {"mmbench": [record]}, {"mmbench": [expected]})
    assert check_file(path) == (3, [])


def test_the_order_of_mmes_categories_does_not_matter(tmp_path):
    items = [{"category": category, "image": "1.jpg", "question": "?", "answer": answer, "prediction": None}
             for category in ("OCR", "existence") for answer in ("Yes", "No")]
    scores = {"score": 0.0, "acc": 0.0, "acc_plus": 0.0, "other_num": 2}
    expected = {"items_label_correct": [["other", 0]] * 4, "categories": {"OCR": scores, "existence": scores},
                "totals": {"Perception": 0.0, "Cognition": 0}}
    assert check_file(_file(tmp_path, "mme", {"items": items}, expected))[1] == []


def test_a_mean_of_nothing_is_0_to_gqas_script(tmp_path):
    item = {"question_id": "1", "question": "Is it?", "answer": "yes", "is_balanced": True, "groups": None,
            "types": {"structural": "verify", "semantic": "obj"}, "prediction": "Yes."}
    expected = {"items": {"1": {"llava_processed": "yes", "correct": 1, "minigpt4_correct": 0}},
                "val": {"binary": 100.0, "open": 0, "consistency": 0, "accuracy": 100.0,
                        "printed": ["Binary: 100.00%", "Open: 0.00%", "Accuracy: 100.00%",
                        "Consistency: 0.00%",
                                    "  verify: 100.00% (1 questions)", "  obj: 100.00% (1 questions)",
                                    "  0: 100.00% (1 questions)", "  2: 100.00% (1 questions)"]}}
    assert check_file(_file(tmp_path, "gqa", {"items": [item]}, expected))[1] == []


def _file(folder, benchmark, inputs, expected):
    path = folder / f"{benchmark}.json"
    document = {"schema": "golden-v1", "benchmark": benchmark, "inputs": inputs, "expected": expected}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_numbers_are_compared_at_a_millionth():
    assert same({"a": [1, 0.5]}, {"a": (1.0, 0.5000004)}) and not same(0.5, 0.500002)
    assert not same(1, True) and not same("1", 1) and not same(None, 0.0) and not same({"a": 1}, {})
