"""What is wrong with the data of a run is told before its first notebook."""

import json

import pytest

from dataengine_utils.checks import check_data
from dataengine_utils.errors import KitError
from dataengine_utils.loop import run_loop
from dataengine_utils.profiles import load_profile


def check(**overrides) -> None:
    check_data(load_profile("picturebook", overrides))


def test_the_shipped_profile_has_all_it_needs():
    check()


def test_a_missing_replay_file_is_told_unless_there_is_no_replay(tmp_path):
    missing = str(tmp_path / "replay.json")
    with pytest.raises(KitError, match="replay: no file .*--set replay=FILE"):
        check(replay=missing)
    check(replay=missing, replay_samples=0)
    (tmp_path / "replay.json").write_text("[]")
    check(replay=missing)


def test_questions_that_cannot_be_read_are_told(tmp_path):
    options = {"path": str(tmp_path / "questions.jsonl")}
    with pytest.raises(KitError, match="no file .*questions.jsonl"):
        check(benchmark="jsonl", benchmark_options=options)
    (tmp_path / "questions.jsonl").write_text("{}\n")
    with pytest.raises(KitError, match="questions.jsonl:1"):
        check(benchmark="jsonl", benchmark_options=options)


def test_a_benchmark_of_ones_own_that_fails_is_told_in_one_line(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_failing.py").write_text("class Own:\n    def questions(self, split): return {}[split]\n")
    with pytest.raises(KitError, match="its questions cannot be read .KeyError"):
        check(benchmark="own_failing:Own")


@pytest.mark.parametrize("kind, file, told", [
    ("folder", "annotations.jsonl", "annotations.jsonl"), ("visual_genome", "image_data.json", "image_data"),
])
def test_annotations_that_cannot_be_read_are_told(tmp_path, kind, file, told):
    with pytest.raises(KitError, match=told):
        check(image_source=kind, image_options={"path": str(tmp_path)})
    (tmp_path / file).write_text(json.dumps({"id": 1}))
    with pytest.raises(KitError, match=told):
        check(image_source=kind, image_options={"path": str(tmp_path)})


def test_the_loop_stops_before_its_first_notebook(tmp_path):
    with pytest.raises(KitError, match="replay: no file"):
        run_loop(tmp_path / "run", "picturebook", overrides={"replay": str(tmp_path / "replay.json")})
    assert not list((tmp_path / "run").glob("iter_*"))
