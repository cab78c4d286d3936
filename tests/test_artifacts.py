"""A run's folder: whole files, strict reading, unfinished lines, and run.json that stays what it was."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine_utils import files
from dataengine_utils.artifacts import ARTIFACTS, change_run, create_run, open_run
from dataengine_utils.errors import KitError
from dataengine_utils.records import BadCase, Prediction, Sample, Template, TypeWeakness

TEXT = st.text(max_size=30)
OUTCOMES = st.sampled_from(["right", "wrong", "unparsed"])
SCORES = st.lists(st.floats(allow_nan=False, allow_infinity=False)).map(tuple)
PREDICTIONS = st.lists(st.builds(Prediction, TEXT, TEXT, TEXT, TEXT, OUTCOMES, SCORES), max_size=5)
ONE = Prediction("q1", "Colour", "a cat\n", "A", "right", (-0.5, -1.25))
TEMPLATE = Template("abc", "", "rôle", ("one",), {"Colour": "what colour"})


@pytest.fixture
def run(tmp_path):
    return create_run(tmp_path / "run", "picturebook")


@given(PREDICTIONS)
def test_lines_come_back_as_they_went_and_equal_records_are_equal_bytes(tmp_path_factory, records):
    iteration = create_run(tmp_path_factory.mktemp("run") / "a", "picturebook").iteration(0)
    path = iteration.save("predictions_sealed", records)
    assert iteration.load("predictions_sealed") == records
    written = path.read_bytes()
    assert iteration.save("predictions_sealed", tuple(records)).read_bytes() == written
    with iteration.append("predictions_sealed") as write:
        for record in records:
            write(record)
    assert path.read_bytes() == written


def test_every_form_comes_back(run, tmp_path):
    iteration = run.iteration(3)
    weak = [TypeWeakness("Colour", 10, 5, 4, 1, 0.5, 0.2, 0.8, 1.0, 4)]
    sample = Sample("?", "A.", "a", ("a", "b"), "A", "picturebook:1", 3, "Colour", "1", "s", "q", "t")
    values = {"weakness": weak, "samples": [sample], "template": TEMPLATE, "metrics": {"sealed": {"n": 1}},
              "train_log": [{"step": 1, "loss": 0.25}]}
    for name, value in values.items():
        iteration.save(name, value)
        assert iteration.load(name) == value and iteration.has(name)
    assert run.iterations() == [iteration] and iteration.path.name == "iter_03"
    assert "rôle" in iteration.path_of("template").read_text(encoding="utf-8")


def test_a_missing_artifact_names_its_notebook(run):
    for name, artifact in ARTIFACTS.items():
        with pytest.raises(KitError) as told:
            run.iteration(2).load(name)
        assert str(told.value) == (f"iter_02 has no {artifact.file}; run notebook {artifact.writer} first "
                                   "(with ITERATION = 2)")


def test_unknown_names_numbers_and_records_are_refused(run):
    iteration = run.iteration(0)
    with pytest.raises(KitError, match="unknown artifact 'predictions'; known: adapter, bad_cases"):
        iteration.load("predictions")
    with pytest.raises(KitError, match="iteration: expected a whole number from 0, got -1"):
        run.iteration(-1)
    with pytest.raises(KitError, match="expected a Prediction to write"):
        iteration.save("predictions_sealed", [TEMPLATE])
    with pytest.raises(KitError, match="is written whole"), iteration.append("samples"):
        pass
    assert not iteration.has("predictions_sealed")


@pytest.mark.parametrize("line, told", [
    ("{", "not JSON"), ("[]", "expected Prediction"), ('{"question_id": "q"}', "missing fields"),
    ('{"question_id": 1, "question_type": "", "reply": "", "choice": "", "outcome": "right"}', "str, got 1"),
    ('{"question_id": "", "question_type": "", "reply": "", "choice": "", "outcome": "good"}', "got 'good'"),
    ("", "not JSON"), ("\xff", "not JSON"),
])
def test_a_bad_line_is_told_with_its_number(run, line, told):
    path = run.iteration(0).save("predictions_sealed", [ONE])
    path.write_bytes(path.read_bytes() + line.encode("latin-1") + b"\n")
    with pytest.raises(KitError) as error:
        run.iteration(0).load("predictions_sealed")
    assert f"{path}:2" in str(error.value) and told in str(error.value)


def test_bad_documents_are_told_with_their_place(run):
    iteration = run.iteration(0)
    iteration.save("weakness", [])
    iteration.path_of("weakness").write_text('[{"n": 1}]')
    with pytest.raises(KitError, match=r"weakness.json\[0\]: .*missing fields"):
        iteration.load("weakness")
    iteration.path_of("weakness").write_text("{}")
    with pytest.raises(KitError, match="expected a list, got dict"):
        iteration.load("weakness")
    iteration.path_of("metrics").write_text("[]")
    with pytest.raises(KitError, match="expected an object, got list"):
        iteration.load("metrics")


@given(st.integers(0, 400))
def test_lines_go_on_after_a_kill_at_any_byte(tmp_path_factory, cut):
    iteration = create_run(tmp_path_factory.mktemp("run") / "a", "picturebook").iteration(0)
    records = [BadCase(f"q{n}", "Colour", "1", "?", ("a", "é"), "a", "b") for n in range(4)]
    whole = files.lines_text(records, BadCase).encode()
    part = iteration.part_of("bad_cases")
    part.parent.mkdir()
    part.write_bytes(whole[:cut])
    done = iteration.load_part("bad_cases")
    assert done == records[:len(done)] and len(done) == whole[:cut].count(b"\n")
    with iteration.append("bad_cases") as write:
        for record in records[len(done):]:
            write(record)
    assert iteration.path_of("bad_cases").read_bytes() == whole and not part.exists()


def test_a_block_that_raises_leaves_its_part_and_no_file(run):
    iteration = run.iteration(0)
    with pytest.raises(RuntimeError), iteration.append("predictions_sealed") as write:
        write(ONE)
        raise RuntimeError
    assert not iteration.has("predictions_sealed") and iteration.load_part("predictions_sealed") == [ONE]


def test_on_a_full_disk_the_lines_before_stay_whole_and_the_rest_goes_on_later(run, monkeypatch):
    def full(file, data):
        if len(data) < 30:
            raise OSError(28, "No space left on device")
        return write_some(file, data[: len(data) // 2])  # a part of it has still room

    write_some, iteration = os.write, run.iteration(0)
    told = r"cannot write .*predictions_sealed.jsonl.part.*No space left on device; free the disk"
    with pytest.raises(KitError, match=told), iteration.append("predictions_sealed") as write:
        write(ONE)
        monkeypatch.setattr(os, "write", full)
        write(ONE)
    monkeypatch.undo()
    assert iteration.part_of("predictions_sealed").read_bytes().endswith(b"\n")
    assert iteration.load_part("predictions_sealed") == [ONE] and not iteration.has("predictions_sealed")
    with iteration.append("predictions_sealed") as write:
        write(ONE)
    assert iteration.load("predictions_sealed") == [ONE, ONE]


def test_a_folder_is_moved_into_place_and_replaced(run):
    for text in ("first", "second"):
        work = run.iteration(0).part_of("adapter")
        work.mkdir(parents=True)
        (work / "weights").write_text(text)
        run.iteration(0).save("adapter", work)
        assert (run.iteration(0).load("adapter") / "weights").read_text() == text and not work.exists()
    assert sorted(path.name for path in run.iteration(0).path.iterdir()) == ["adapter"]
    with pytest.raises(KitError, match="is no folder to keep as adapter"):
        run.iteration(0).save("adapter", run.path / "nothing")


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(run, monkeypatch):
    iteration = run.iteration(0)
    iteration.save("predictions_sealed", [ONE])
    before = iteration.path_of("predictions_sealed").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KitError, match=r"cannot write .*predictions_sealed.jsonl.*No space left on device"):
        iteration.save("predictions_sealed", [])
    assert iteration.path_of("predictions_sealed").read_bytes() == before
    assert [path.name for path in iteration.path.iterdir()] == ["predictions_sealed.jsonl"]


def test_a_run_opens_with_the_settings_it_was_made_with(tmp_path):
    overrides = {"epochs": "2", "forms": "short,choice", "benchmark_options.sealed": "30"}
    made = open_run(tmp_path / "run", "picturebook", overrides)
    assert open_run(tmp_path / "run") == made == open_run(tmp_path / "run", "picturebook")
    same = {"epochs": 2, "forms": ["short", "choice"], "benchmark_options": {"diagnose": 900, "sealed": 30}}
    assert open_run(tmp_path / "run", "picturebook", same) == made
    with pytest.raises(KitError, match=r"epochs: 2.0 / 3.0\. .*choose another folder"):
        open_run(tmp_path / "run", "picturebook", {})
    with pytest.raises(KitError, match="name: 'picturebook' / 'llava15'"):
        open_run(tmp_path / "run", "llava15")
    with pytest.raises(KitError, match="exists already"):
        create_run(tmp_path / "run", "picturebook")


def test_a_run_of_a_yaml_profile_remembers_its_file(tmp_path, monkeypatch):
    (tmp_path / "mine.yaml").write_text("base: picturebook\nepochs: 2\n")
    monkeypatch.chdir(tmp_path)
    made = open_run("run", "mine.yaml")
    assert open_run(made.path, made.source) == made and Path(made.source).is_absolute()
    (tmp_path / "mine.yaml").write_text("base: picturebook\nepochs: 4\n")
    with pytest.raises(KitError, match="epochs: 2.0 / 4.0"):
        open_run("run", "mine.yaml")


@pytest.mark.parametrize("change", [
    lambda content: content["profile"].update(budget=3), lambda content: content.pop("seal"),
    lambda content: content.update(overrides={"budget": 3}), lambda content: content.pop("profile"),
])
def test_an_edited_run_file_is_refused(run, change):
    file = run.path / "run.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    with pytest.raises(KitError, match="was edited after the run began"):
        open_run(run.path)
    file.write_text("{")
    with pytest.raises(KitError, match="not JSON"):
        open_run(run.path)


def test_a_folder_without_a_run_says_how_to_start_one(tmp_path):
    with pytest.raises(KitError, match=r"no run in .*loop run --profile picturebook --out"):
        open_run(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    (tmp_path / "file").touch()
    with pytest.raises(KitError, match="cannot write"):
        create_run(tmp_path / "file" / "run", "picturebook")


def test_the_run_file_tells_versions(run):
    content = json.loads((run.path / "run.json").read_text())
    assert {"torch", "transformers", "peft", "bitsandbytes"} <= set(content["versions"]) and content["kit"]


def test_the_iteration_before_and_all_so_far(run):
    pools = [[BadCase(str(n), "Text", "1", "q", (), "a", "b")] for n in range(2)]
    for number, pool in enumerate(pools):
        run.iteration(number).save("bad_cases", pool)
    assert run.previous("bad_cases", 0, first="none yet") == "none yet"
    assert run.previous("bad_cases", 2) == pools[1]
    assert run.gather("bad_cases", range(2)) == pools[0] + pools[1]
    assert run.gather("bad_cases", range(0)) == []
    with pytest.raises(KitError, match=r"iter_02 has no bad_cases.jsonl; run notebook 02_weakness first"):
        run.previous("bad_cases", 3)


def test_a_path_is_kept_without_detours(tmp_path):
    (tmp_path / "notebooks").mkdir()
    made = create_run(tmp_path / "notebooks" / ".." / "outputs" / "run", "picturebook")
    assert made.path == tmp_path / "outputs" / "run"
    assert open_run(tmp_path / "outputs" / ".." / "outputs" / "run").path == made.path


def test_a_budget_may_change_in_a_run_that_began_and_nothing_else(tmp_path):
    run = create_run(tmp_path / "run", "picturebook", overrides={"budget_usd": 5, "seed": 3})
    changed = change_run(run.path, {"budget_usd": "20"})
    assert changed.profile.budget_usd == 20.0 and changed.profile.seed == 3
    assert open_run(run.path).profile == changed.profile
    assert open_run(run.path, "picturebook", {"budget_usd": 20, "seed": 3}).overrides == changed.overrides
    with pytest.raises(KitError, match="'seed' of a run that began cannot be changed; these can: budget_usd"):
        change_run(run.path, {"seed": 4})
    with pytest.raises(KitError, match="budget_usd"):
        change_run(run.path, {"budget_usd": -1})
    assert open_run(run.path).profile == changed.profile
