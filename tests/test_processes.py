"""Two processes: the same scores and order as one, the same loss curve, and one clear error."""

import json
import os
import signal

import pytest
from safetensors.torch import load_file

from dataengine_utils import models, processes
from dataengine_utils.errors import KitError
from dataengine_utils.processes import ParallelStudent, split_by_image
from dataengine_utils.training import train
from tests.test_training import QUESTIONS, SETTINGS, make_examples, open_image
from tests.tiny import build_student

WEIGHTS = "adapter_model.safetensors"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return str(build_student(tmp_path_factory.mktemp("processes") / "tiny"))


def broken_image(reference: str):
    raise KitError(f"no image {reference!r}")


def killed_image(reference: str):
    os.kill(os.getpid(), signal.SIGKILL)


def test_questions_of_one_image_stay_together_and_parts_are_of_like_size():
    questions = [question for question in QUESTIONS for _ in range(3)]
    parts = split_by_image(questions, 2)
    assert sorted(place for part in parts for place in part) == list(range(60))
    assert [len(part) for part in parts] == [30, 30]
    images = [{questions[place].image for place in part} for part in parts]
    assert not images[0] & images[1]


def test_two_processes_rank_and_write_as_one(checkpoint, monkeypatch):
    monkeypatch.setattr(processes, "BATCHES_A_REPORT", 1)
    alone, both = models.load(checkpoint), ParallelStudent(checkpoint, 2, {"quantise": "none"})
    one = alone.choose(QUESTIONS, open_image, batch_size=4)
    two = both.choose(QUESTIONS, open_image, batch_size=4)
    assert [choice.letter for choice in one] == [choice.letter for choice in two]
    for a, b in zip(one, two, strict=True):
        assert a.scores == pytest.approx(b.scores, abs=1e-4)
    few = QUESTIONS[:3]
    assert alone.answer(few, open_image, batch_size=2, max_new_tokens=6) == both.answer(
        few, open_image, batch_size=2, max_new_tokens=6
    )


def trained(checkpoint, folder, n, on_log, **settings):
    given = {**SETTINGS, "epochs": 2, "gradient_accumulation": 2, **settings}
    return train(
        checkpoint, make_examples(20), open_image=open_image, out_dir=folder / f"adapter{n}", n_processes=n,
        on_log=on_log, log_path=folder / f"log{n}.jsonl", **given,
    )  # fmt: skip


def check_the_same(one, two):
    for a, b in zip(one, two, strict=True):
        assert [a[key] for key in ("step", "epoch", "lr")] == [b[key] for key in ("step", "epoch", "lr")]
        assert a["loss"] == pytest.approx(b["loss"], rel=2e-3)


@pytest.fixture(scope="module")
def alone(checkpoint, tmp_path_factory):
    """One process's adapter and log."""
    folder, lines = tmp_path_factory.mktemp("alone"), []
    trained(checkpoint, folder, 1, lines.append)
    return folder / "adapter1", lines


def test_two_processes_train_as_one(checkpoint, alone, tmp_path):
    lines = []
    summary = trained(checkpoint, tmp_path, 2, lines.append)
    assert summary["examples"] == 60 and summary["steps"] == len(lines)
    check_the_same(lines, alone[1])
    assert [json.loads(line) for line in (tmp_path / "log2.jsonl").read_text().splitlines()] == lines
    check_adapters(checkpoint, alone[0], tmp_path / "adapter2")


def check_adapters(checkpoint, one, two):
    assert load_file(one / WEIGHTS).keys() == load_file(two / WEIGHTS).keys()
    students = [models.load(checkpoint, adapter=adapter, quantise="nf4") for adapter in (one, two)]
    first, second = (student.choose(QUESTIONS, open_image, batch_size=8) for student in students)
    assert [choice.letter for choice in first] == [choice.letter for choice in second]


def test_a_divided_model_trains_as_a_whole_one_also_when_it_is_interrupted(checkpoint, alone, tmp_path):
    """FSDP over 4-bit layers; the notebook is interrupted at the fifth step, and run again."""

    def interrupt(line):
        if line["step"] == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(checkpoint, tmp_path, 2, interrupt, shard=True, checkpoint_minutes=1e-9)
    lines = []
    summary = trained(checkpoint, tmp_path, 2, lines.append, shard=True)
    assert 4 <= summary["resumed_at_step"] < summary["steps"]
    check_the_same(lines, alone[1])
    check_adapters(checkpoint, alone[0], tmp_path / "adapter2")


@pytest.mark.parametrize("bad, says", [
    (broken_image, "no image"), (killed_image, "killed"),
    (lambda reference: None, "importable"),
])  # fmt: skip
def test_a_workers_error_is_the_notebooks(checkpoint, bad, says):
    with pytest.raises(KitError, match=says):
        ParallelStudent(checkpoint, 2, {}).choose(QUESTIONS[:4], bad, batch_size=4)


def test_the_last_words_of_a_worker_are_found_in_its_output(tmp_path):
    text = "Traceback:\n[rank1]: NameError: name 'x' is not defined\ntorch...ChildFailedError: \n"
    (tmp_path / "output.txt").write_text(text)
    assert processes._first_error(tmp_path, 2) == "NameError: name 'x' is not defined"


def test_more_processes_than_gpus_is_an_error_at_once(monkeypatch, tmp_path):
    monkeypatch.setattr("dataengine_utils.launching._gpus", lambda: 1)
    with pytest.raises(KitError, match="num_processes is 2, but there are 1 GPUs"):
        processes.command("any", tmp_path, 2)
