"""A training that is interrupted: killed, without disk, without memory, with bad images."""

import errno
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dataengine_utils import training
from dataengine_utils.artifacts import create_run
from dataengine_utils.errors import KitError
from dataengine_utils.fingerprints import begin
from dataengine_utils.loop import NOTEBOOKS
from dataengine_utils.stages import STAGES, Step
from dataengine_utils.training import train
from dataengine_utils.training.checkpoints import Checkpoints
from tests.killed_training import settings
from tests.test_training import SETTINGS, make_examples, open_image
from tests.tiny import build_student

KEPT = ("step", "epoch", "loss", "lr")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return str(build_student(tmp_path_factory.mktemp("resume") / "tiny"))


@pytest.fixture(scope="module")
def killed(checkpoint, tmp_path_factory):
    """The folder of a training that was killed at its ninth step, and is never touched: copy it."""
    out = tmp_path_factory.mktemp("killed") / "adapter"
    command = [sys.executable, "-m", "tests.killed_training", checkpoint, str(out), "9"]
    done = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, check=False)
    assert done.returncode == -9, done.stderr.decode()
    return out


@pytest.fixture
def unfinished(killed, tmp_path):
    out = tmp_path / "adapter"
    shutil.copytree(killed, out)
    return out


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_killed_training_goes_on_to_the_same_log_and_the_same_bytes(checkpoint, unfinished, tmp_path):
    whole = settings(checkpoint, tmp_path / "whole")
    train(**whole)
    summary = train(**{**settings(checkpoint, unfinished), "log_path": tmp_path / "resumed.jsonl"})
    assert summary["resumed_at_step"] == 8 and summary["steps"] == 12
    one, other = lines_of(tmp_path / "whole.jsonl"), lines_of(tmp_path / "resumed.jsonl")
    assert [[line[key] for key in KEPT] for line in one] == [[line[key] for key in KEPT] for line in other]
    assert [line["step"] for line in other] == list(range(1, 13))
    assert all(line["samples_per_s"] > 0 and line["tokens_per_s"] > 0 for line in other)
    names = sorted(path.name for path in whole["out_dir"].iterdir())
    assert names == sorted(path.name for path in unfinished.iterdir())
    for name in names:
        assert (whole["out_dir"] / name).read_bytes() == (unfinished / name).read_bytes(), name


def test_two_checkpoints_are_kept_and_a_cut_off_one_is_not_used(checkpoint, unfinished, tmp_path):
    folder = unfinished / "checkpoints"
    assert sorted(path.name for path in folder.glob("checkpoint-*")) == ["checkpoint-7", "checkpoint-8"]
    (folder / "checkpoint-8" / "whole.json").unlink()
    summary = train(**settings(checkpoint, unfinished))
    assert summary["resumed_at_step"] == 7


@pytest.mark.parametrize("other", [{"learning_rate": 1e-3}, {"seed": 4}, {"examples": make_examples(23)}])
def test_another_trainings_checkpoints_are_not_used(checkpoint, unfinished, other):
    summary = train(**{**settings(checkpoint, unfinished), **other})
    assert "resumed_at_step" not in summary


def test_settings_of_speed_alone_may_change(checkpoint, unfinished):
    faster = {"dataloader_workers": 1, "gradient_checkpointing": True, "checkpoint_minutes": 0}
    assert train(**{**settings(checkpoint, unfinished), **faster})["resumed_at_step"] == 8


def test_a_short_training_writes_no_checkpoint(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(Checkpoints, "seal", lambda *_: pytest.fail("a checkpoint within a minute"))
    train(**settings(checkpoint, tmp_path / "adapter"))


# No disk, no memory


def full_disk(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_too_little_disk_is_told_before_training(checkpoint, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(KitError, match=r"0\.0 GiB free.*checkpoint_minutes"):
        train(**settings(checkpoint, tmp_path / "adapter"))


def test_a_disk_that_fills_up_leaves_the_last_checkpoint(checkpoint, unfinished, monkeypatch):
    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(KitError, match=r"checkpoint of step 9 .*No space left.*goes on"):
        train(**settings(checkpoint, unfinished), checkpoint_minutes=1e-9)
    names = sorted(path.name for path in (unfinished / "checkpoints").glob("checkpoint-*"))
    assert names == ["checkpoint-7", "checkpoint-8"]
    monkeypatch.undo()
    assert train(**settings(checkpoint, unfinished))["resumed_at_step"] == 8


def test_an_adapter_that_cannot_be_written_is_not_half_there(checkpoint, unfinished, monkeypatch):
    monkeypatch.setattr(training, "save_adapter", full_disk)
    with pytest.raises(KitError, match="adapter cannot be written.*free the disk"):
        train(**settings(checkpoint, unfinished))
    assert [path.name for path in unfinished.parent.iterdir() if "part" in path.name] == []
    assert (unfinished / "checkpoints" / "checkpoint-8").is_dir()


def test_a_full_gpu_names_what_the_planner_suggests(checkpoint, tmp_path, monkeypatch):
    def full_gpu(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(training.KitTrainer, "training_step", full_gpu)
    with pytest.raises(KitError, match=r"full in step 1.*planner suggests: --set train_batch_size=8 "):
        train(**settings(checkpoint, tmp_path / "adapter"))


# Images


def with_bad(bad: set[str]):
    def open_or_fail(reference: str):
        if reference in bad:
            raise KitError(f"{reference!r} is not a whole image")
        return open_image(reference)

    return open_or_fail


@pytest.mark.parametrize("workers", [0, 1])
def test_a_bad_image_is_left_out_and_counted(checkpoint, tmp_path, workers):
    """The others are trained as if it were not there: with every step's batch full, only its loss differs."""
    examples = make_examples(40, ("short",))
    bad = {examples[5].image, examples[17].image}
    lines = []
    summary = train(
        checkpoint,
        examples,
        open_image=with_bad(bad),
        out_dir=tmp_path / "adapter",
        on_log=lines.append,
        dataloader_workers=workers,
        **SETTINGS,
    )
    assert summary["unreadable_images"] == 2 and "is not a whole image" in summary["reasons"]
    assert lines[-1]["loss"] < lines[0]["loss"]


def test_a_step_of_bad_images_alone_changes_nothing(checkpoint, tmp_path):
    lines = []
    examples = make_examples(40, ("short",))
    train(
        checkpoint,
        examples,
        open_image=with_bad({examples[0].image}),
        out_dir=tmp_path / "adapter",
        on_log=lines.append,
        **{**SETTINGS, "batch_size": 1, "epochs": 1},
    )
    assert sum(line["loss"] == 0 for line in lines) == 1 and len(lines) == 40


def test_too_many_bad_images_stop_the_training(checkpoint, tmp_path):
    examples = make_examples(40, ("short",))
    with pytest.raises(KitError, match=r"3 of the first \d+ images cannot be read \(more than 5%"):
        train(
            checkpoint,
            examples,
            open_image=with_bad({example.image for example in examples[:3]}),
            out_dir=tmp_path / "adapter",
            **SETTINGS,
        )


# In the loop


def test_the_loop_keeps_an_unfinished_trainings_checkpoints_while_nothing_has_changed(tmp_path, monkeypatch):
    run = create_run(tmp_path / "run", "picturebook")
    step = Step(STAGES[-1], run.iteration(0))
    begin(run, step, NOTEBOOKS)
    left = run.iteration(0).part_of("adapter") / "checkpoints" / "checkpoint-8"
    left.mkdir(parents=True)
    begin(run, step, NOTEBOOKS)
    assert left.exists()
    monkeypatch.setattr("dataengine_utils.fingerprints.hash_package", lambda: "other code")
    begin(run, step, NOTEBOOKS)
    assert not left.exists()
