"""The study's table: paired by id, over the iterations asked, with what fell before and after adjusting."""

import pytest

from dataengine_utils.artifacts import create_run
from dataengine_utils.errors import KitError
from dataengine_utils.picturebook.study import study_table
from dataengine_utils.records import Prediction

TYPES = [f"Type {letter}" for letter in "ABCDEFGH"]


def answers(right):
    """Twenty answers a type, of which the first so many are right."""
    return [Prediction(f"{name} {n}", name, "", "A", "right" if n < right.get(name, 10) else "wrong")
            for name in TYPES for n in range(20)]


@pytest.fixture
def run(tmp_path):
    run = create_run(tmp_path / "run", "picturebook", overrides={"seed": 3})
    run.iteration(0).save("predictions_sealed", answers({"Type A": 20, "Type B": 20}))
    run.iteration(1).save("predictions_sealed", answers({"Type A": 13, "Type B": 5})[::-1])
    run.iteration(2).save("predictions_sealed", answers({}))
    return run


def row(run, iterations):
    head, _, values = study_table([run], iterations).splitlines()[:3]
    return dict(zip(head.strip("| ").split(" | "), values.strip("| ").split(" | "), strict=True))


def test_answers_are_paired_by_id_and_small_falls_are_counted(run):
    found = row(run, 1)
    assert (found["seed"], found["base"], found["after"]) == ("3", "62.5%", "48.8%")
    assert found["fell"] == "Type B" and found["lower, p < 0.05 unadjusted"] == "2"
    assert found["lowest change"] == "Type B -75.0 (p = 0.00)"
    assert found["weak types"].startswith("+0.0")


def test_the_iterations_asked_are_compared(run):
    assert row(run, 2)["after"] == "50.0%"
    with pytest.raises(KitError, match="iter_03 has no predictions_sealed"):
        study_table([run], 3)
