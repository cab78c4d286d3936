"""What makes a stage run again: data beside the artifacts, the student's weights, the stages' own code."""

import pytest

from dataengine_utils import fingerprints, models
from dataengine_utils.artifacts import create_run
from dataengine_utils.fingerprints import begin, fingerprint, hash_package, hash_path, why_not_done
from dataengine_utils.stages import plan


def parts(tmp_path, overrides: dict) -> tuple[str, str]:
    """The marks of data and student for a new run with these settings."""
    number = len(list(tmp_path.glob("run_*")))
    run = create_run(tmp_path / f"run_{number}", "picturebook", overrides=overrides)
    now = fingerprint(run, plan(run, 1)[0], tmp_path)
    return now["data"], now["student"]


@pytest.mark.parametrize("name, overrides", [
    ("questions.jsonl", {"benchmark": "jsonl", "benchmark_options.path": "questions.jsonl"}),
    ("pictures/annotations.jsonl", {"image_source": "folder", "image_options.path": "pictures"}),
    ("pictures/notes/a.txt", {"image_source": "folder", "image_options.path": "pictures",
                              "image_options.annotations": "notes/a.txt"}),
    ("pictures/objects.json", {"image_source": "visual_genome", "image_options.path": "pictures"}),
    ("replay.json", {"replay": "replay.json"}),
    ("own_teacher.py", {"teacher": "own_teacher:Own"}),
])
def test_data_that_changes_is_noticed(tmp_path, monkeypatch, name, overrides):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    for small in (fingerprints._SMALL, 0):
        monkeypatch.setattr(fingerprints, "_SMALL", small)
        fingerprints._mark_of.cache_clear()
        (tmp_path / name).write_text("1")
        before = parts(tmp_path, overrides)
        assert before[0] and before == parts(tmp_path, overrides)
        (tmp_path / name).write_text("other")
        assert parts(tmp_path, overrides)[0] != before[0]


def test_pictures_and_a_replay_that_is_not_used_are_no_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "replay.json").write_text("[]")
    assert parts(tmp_path, {"replay": "replay.json", "replay_samples": 0})[0] == ""
    assert parts(tmp_path, {"teacher": "no_such.module:Own"})[0] == ""


def test_other_weights_are_noticed_of_a_folder_and_of_the_shipped_student(tmp_path, monkeypatch):
    folder = tmp_path / "student"
    folder.mkdir()
    (folder / "model.safetensors").write_text("1")
    (folder / "README.md").write_text("a card")
    shipped = parts(tmp_path, {})[1]
    monkeypatch.setitem(models.CHECKPOINTS, "picturebook", folder)
    one = parts(tmp_path, {})[1], parts(tmp_path, {"student": str(folder)})[1]
    assert shipped != one[0] == one[1]
    (folder / "README.md").write_text("another card")
    assert parts(tmp_path, {})[1] == one[0]
    (folder / "model.safetensors").write_text("other")
    assert parts(tmp_path, {})[1] != one[0]
    assert parts(tmp_path, {"student": "someone/on-the-hub"})[1] == ""


def test_the_code_is_the_stages_python_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(fingerprints, "PACKAGE", tmp_path)
    (tmp_path / "sampling.py").write_text("1")
    before = hash_package.__wrapped__()
    for name in ("picturebook/study.py", "picturebook/student/config.json", "picturebook/figures/a.png",
                 ".ipynb_checkpoints/sampling-checkpoint.py", "report/page.py", "loop.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("2")
        assert hash_package.__wrapped__() == before, name
    (tmp_path / "sampling.py").write_text("2")
    assert hash_package.__wrapped__() != before
    assert all((models.CHECKPOINTS["picturebook"].parents[1] / view).exists()
               or (models.CHECKPOINTS["picturebook"].parents[1] / f"{view}.py").exists()
               for view in fingerprints._VIEWS), "a view that is no longer there"


def test_a_look_into_a_folder_in_jupyterlab_changes_nothing(tmp_path):
    (tmp_path / "weights").write_text("1")
    before = hash_path(tmp_path)
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / ".ipynb_checkpoints" / "weights-checkpoint").write_text("1")
    assert hash_path(tmp_path) == before


def test_what_older_code_did_not_mark_is_kept_with_keep_finished(tmp_path, monkeypatch):
    run = create_run(tmp_path / "run", "picturebook")
    step = plan(run, 0)[0]
    begun = begin(run, step, tmp_path)
    del begun["student"]
    for name in step.stage.outputs:
        step.iteration.path_of(name).write_text("{}")
    fingerprints.finish(step, begun)
    assert why_not_done(run, step, tmp_path) == "student changed"
    assert why_not_done(run, step, tmp_path, keep_finished=True) == ""
