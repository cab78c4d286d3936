"""The gate in the real notebooks: a training that makes the student worse is refused, and what follows."""

import json

import pytest

from dataengine_utils import images, models
from dataengine_utils.evaluation import evaluate
from dataengine_utils.execution import execute
from dataengine_utils.loop import NOTEBOOKS, run_loop
from dataengine_utils.picturebook.questions import benchmark_questions
from dataengine_utils.report import build_report
from dataengine_utils.stages import STAGES

SMALL = {
    "benchmark_options": {"diagnose": 90, "sealed": 90}, "budget": 60, "probe_queries": 9, "prompt_test": 0,
    "epochs": 1.0, "replay_samples": 60,
}  # fmt: skip
WORSE = {"learning_rate": 1.0, "projector_learning_rate": 1.0, "fallback_budget": 1}


def page(run, number, name):
    """The text that an executed page printed, and its markdown left aside."""
    cells = json.loads((run.iteration(number).path / "notebooks" / name).read_text())["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert not any(output.get("name") == "stderr" for output in outputs), f"{name} says something on stderr"
    return "".join("".join(output.get("text", [])) for output in outputs)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A run whose rates are absurd: every attempt is worse."""
    out = tmp_path_factory.mktemp("gate") / "kept"
    return run_loop(out, "picturebook", overrides={**SMALL, **WORSE}, iterations=1)


def test_a_worse_student_is_not_promoted_and_a_fallback_is_tried(kept):
    decided = kept.iteration(0).load("gate")
    assert decided.promoted == "" and decided.standing is None and decided.digest == ""
    assert [one.name for one in decided.attempts] == ["first", "more_replay"]
    assert decided.attempts[1].changed == {"replay_samples": 120}
    assert decided.attempts[1].examples == decided.attempts[0].examples + 60
    assert decided.attempts[0].difference < -0.1 and "the sealed score falls" in decided.attempts[0].reason
    assert "kept: the base model stays, none of 2 attempts passed" in page(kept, 0, "06_train.ipynb")


def test_nothing_is_left_of_the_attempts_but_the_first_adapter(kept):
    iteration = kept.iteration(0)
    assert iteration.has("adapter") and not iteration.part_of("adapter").exists()
    assert len(iteration.load("predictions_candidate")) == 90
    student = models.load("picturebook", adapter=iteration.load("adapter"), quantise="nf4")
    again = evaluate(
        student, benchmark_questions("sealed", 90), images.open_image, mode="text", batch_size=64
    )
    assert again == iteration.load("predictions_candidate"), "those of the first attempt, not of the last"
    logs = sorted(path.name for path in (iteration.path / "notebooks").glob("*.jsonl"))
    assert logs == ["06_train.jsonl", "06_train_more_replay.jsonl"]


def test_the_next_evaluation_is_the_one_before_and_loads_no_model(kept):
    first, second = kept.iteration(0), kept.iteration(1)
    for name in ("predictions_diagnose", "predictions_sealed", "metrics"):
        assert first.path_of(name).read_bytes() == second.path_of(name).read_bytes()
    assert "iteration 0 kept the base model" in page(kept, 1, "01_evaluate.ipynb")
    report = build_report(kept).read_text(encoding="utf-8")
    assert "iteration 1 (kept)" in report and "more_replay" in report


@pytest.fixture(scope="module")
def promoted(tmp_path_factory):
    """A run that promotes whatever does not fall far: what the gate asked is known afterwards."""
    out = tmp_path_factory.mktemp("gate") / "off"
    gentle = {"learning_rate": 1e-7, "projector_learning_rate": 1e-7, "gate": "no_fall", "seed": 1}
    return run_loop(out, "picturebook", overrides={**SMALL, **gentle}, iterations=1)


def test_what_the_gate_asked_is_what_asking_again_gives(promoted):
    assert promoted.iteration(0).load("gate").promoted == "first"
    candidate = promoted.iteration(0).path_of("predictions_candidate")
    assert promoted.iteration(1).path_of("predictions_sealed").read_bytes() == candidate.read_bytes()
    assert "asked the sealed questions: not asked again" in page(promoted, 1, "01_evaluate.ipynb")
    adapter = promoted.iteration(0).path_of("adapter")
    student = models.load("picturebook", adapter=adapter, quantise=promoted.profile.quantise)
    questions = benchmark_questions("sealed", 90)
    again = evaluate(student, questions, images.open_image, mode="text", batch_size=64)
    assert again == promoted.iteration(0).load("predictions_candidate")


def test_with_another_setting_all_is_asked(promoted, tmp_path):
    parameters = {"RUN_DIR": str(promoted.path), "ITERATION": 1, "PROFILE": "picturebook", "BATCH_SIZE": 32}
    before = promoted.iteration(1).path_of("predictions_sealed").read_bytes()
    execute(NOTEBOOKS / STAGES[0].notebook, tmp_path / "01.ipynb", parameters)
    told = (tmp_path / "01.ipynb").read_text()
    assert "all questions are asked now" in told
    promoted.iteration(1).path_of("predictions_sealed").write_bytes(before)
