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


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "golden-v2"}', '{"schema": "golden-v1", "benchmark": "?"}'])
def test_other_files_are_refused_in_one_line(text, tmp_path, capsys):
    path = tmp_path / "file.json"
    path.write_text(text, encoding="utf-8")
    assert main([str(path)]) == 1
    assert capsys.readouterr().out.count("\n") == 1


def test_numbers_are_compared_at_a_millionth():
    assert same({"a": [1, 0.5]}, {"a": (1.0, 0.5000004)}) and not same(0.5, 0.500002)
    assert not same(1, True) and not same("1", 1) and not same(None, 0.0) and not same({"a": 1}, {})
