"""Trackers: off by default; asked for, transformers' integrations write into the run's folder."""

import importlib.util
import os

import pytest

from dataengine_utils import trackers
from dataengine_utils.errors import KitError
from dataengine_utils.profiles import load_profile
from dataengine_utils.trackers import TRACKERS, tracker_names, tracking
from dataengine_utils.training import train
from dataengine_utils.training.recipe import make_recipe
from tests.test_training import SETTINGS, make_examples, open_image
from tests.tiny import build_student


def test_nothing_is_tracked_unless_asked_for():
    assert tracker_names(load_profile("picturebook").report_to) == []
    assert tracker_names(make_recipe({"learning_rate": 1e-4}).report_to) == []


@pytest.mark.parametrize("name", ["tensorbord", "all", "none,wandb", "neptune"])
def test_an_unknown_tracker_names_the_known_ones(name):
    known = r"unknown tracker .*; known: mlflow, none, tensorboard, trackio, wandb"
    with pytest.raises(KitError, match=known):
        tracker_names(name)
    with pytest.raises(KitError, match=known):
        make_recipe({"learning_rate": 1e-4, "report_to": name})


@pytest.mark.parametrize("name", TRACKERS)
def test_a_tracker_that_is_not_installed_names_the_command(name, monkeypatch):
    monkeypatch.setattr(trackers.importlib.util, "find_spec", lambda package: None)
    with pytest.raises(KitError, match=rf"'{name}'.*pip install {TRACKERS[name].package}.*report_to=none"):
        tracker_names(name)


def test_the_names_are_those_of_transformers():
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    assert TRACKERS.keys() <= INTEGRATION_TO_CALLBACK.keys()


def test_the_environment_is_lent_and_what_it_says_already_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(trackers.importlib.util, "find_spec", lambda package: True)
    monkeypatch.setenv("WANDB_DIR", "my own")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    before = dict(os.environ)
    with tracking("wandb, mlflow", tmp_path / "trackers", "run 1"):
        assert os.environ["WANDB_DIR"] == "my own"
        assert os.environ["MLFLOW_TRACKING_URI"] == f"sqlite:///{tmp_path / 'trackers'}/mlflow.db"
        assert os.environ["WANDB_PROJECT"] == trackers.PROJECT_NAME
    assert dict(os.environ) == before
    with tracking("none", tmp_path / "nothing", ""):
        assert dict(os.environ) == before
    assert not (tmp_path / "nothing").exists()


def test_tensorboard_gets_every_step_and_the_adapter_stays_the_same(tmp_path):
    if importlib.util.find_spec("tensorboard") is None:
        message = "no tensorboard (pip install tensorboard): nothing is tracked"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    student = str(build_student(tmp_path / "tiny"))
    written = {}
    for report_to in ("none", "tensorboard"):
        lines, folder = [], tmp_path / report_to
        train(
            student, make_examples(12), open_image=open_image, out_dir=folder, on_log=lines.append,
            **{**SETTINGS, "epochs": 1, "report_to": report_to, "run_name": "demo iter_00",
               "tracker_dir": str(tmp_path / "trackers")},
        )  # fmt: skip
        written[report_to] = (folder / "adapter_model.safetensors").read_bytes()
        assert (tmp_path / "trackers").exists() == (report_to != "none")
    told = events.EventAccumulator(str(tmp_path / "trackers" / "tensorboard" / "demo iter_00")).Reload()
    losses = [(scalar.step, scalar.value) for scalar in told.Scalars("train/loss")]
    assert losses == [(line["step"], pytest.approx(line["loss"], abs=1e-5)) for line in lines]
    assert written["none"] == written["tensorboard"]
