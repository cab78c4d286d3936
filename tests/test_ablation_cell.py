"""One cell on the real student, at a toy's size: the budget is exact, and a cell that was cut off goes on."""

import json
import shutil

import pytest

from dataengine_utils.ablation import make_study
from dataengine_utils.ablation.cell import run_cell
from dataengine_utils.ablation.journal import FILE, read_journal

TINY = {
    "iterations": 2, "budget": 24, "replay_samples": 40, "epochs": 1, "benchmark_options.diagnose": 36,
    "benchmark_options.sealed": 36, "quantise": "none", "checkpoint_minutes": 0,
}  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The base and the cell of `gain`, seed 0."""
    study = make_study(tmp_path_factory.mktemp("study"), strategies=["uniform", "gain"], overrides=TINY)
    run_cell(study.base_run(), None)
    run_cell(_run(study), study.base_run())
    return study


def _run(study):
    return study.run_of(study.cells()[1])


def _steps(study, name):
    return [step for step in read_journal(_run(study)).steps if step["step"] == name]


def test_samples_and_steps_are_exactly_those_of_the_budget(study):
    run = _run(study)
    assert [len(run.iteration(number).load("samples")) for number in range(2)] == [24, 24]
    assert [step["samples"] for step in _steps(study, "data")] == [24, 24]
    assert [step["examples"] for step in _steps(study, "train")] == [64, 88]
    assert [step["steps"] for step in _steps(study, "train")] == [2, 3], "examples / 32, rounded"
    assert [len(run.iteration(number).load("train_log")) for number in range(2)] == [2, 3]
    images = [query.image_id for number in range(2) for query in run.iteration(number).load("queries")]
    assert len(set(images)) == len(images), "no picture serves twice"


def test_every_round_is_measured_and_the_base_only_once(study):
    run, base = _run(study), study.base_run()
    assert run.iteration(0).load("predictions_sealed") == base.iteration(0).load("predictions_sealed")
    assert [len(run.iteration(number).load("predictions_sealed")) for number in range(3)] == [36] * 3
    assert [run.iteration(number).has("predictions_diagnose") for number in range(3)] == [True, True, False]
    answers = [run.iteration(number).load("predictions_sealed") for number in range(3)]
    assert answers[0] != answers[1] != answers[2], "the adapters were worn"


def test_weights_are_the_strategys_and_adapters_go_when_the_cell_is_done(study):
    run = _run(study)
    weights = {row.question_type: row.weight for row in run.iteration(1).load("weakness")}
    assert _steps(study, "data")[1]["weights"] == weights and len(set(weights.values())) > 1
    assert read_journal(run).done and not list(run.path.glob("iter_*/adapter*"))


def test_a_cell_that_was_cut_off_ends_with_the_same_answers(study):
    run = _run(study)
    whole = run.iteration(2).path_of("predictions_sealed").read_bytes()
    file = run.path / FILE
    content = json.loads(file.read_text())
    content.update(done=False, steps=[step for step in content["steps"] if step["round"] == 0])
    content["steps"].pop()  # killed in the first training: samples there, no adapter
    file.write_text(json.dumps(content))
    shutil.rmtree(run.path / "iter_01")
    shutil.rmtree(run.path / "iter_02")
    made = (run.path / "iter_00" / "samples.json").stat().st_mtime_ns
    run_cell(run, study.base_run())
    assert run.iteration(2).path_of("predictions_sealed").read_bytes() == whole
    assert (run.path / "iter_00" / "samples.json").stat().st_mtime_ns == made
