import json

import pytest
from toy_loop import BODIES, execute_here, write_notebooks

from dataengine_utils import artifacts, fingerprints
from dataengine_utils import loop as loop_module
from dataengine_utils.errors import KitError
from dataengine_utils.fingerprints import Marks
from dataengine_utils.loop import run_loop
from dataengine_utils.records import Sample
from dataengine_utils.stages import STAGES, Step
from dataengine_utils.withdrawal import Withdrawn, load_withdrawn, main, withdraw

# Notebook 05 of a loop of toys, with pictures and questions of their own, and what was withdrawn left out.
GENERATE = (
    BODIES["05_generate"].partition('now.save("samples"')[0]
    + """
from dataengine_utils.withdrawal import load_withdrawn
made = [Sample(f"{g.query_id}?", g.reply, "a", ("a", "b"), "A", "1", 0, "Colour", f"picture of {g.query_id}",
               g.query_id, g.query_id, g.template_id) for g in now.load("generated")]
now.save("samples", load_withdrawn(run).keep(made))"""
)


@pytest.fixture
def loop(tmp_path, monkeypatch):
    """Runs a loop of three iterations over notebooks that write real artifacts in no time."""
    notebooks = write_notebooks(tmp_path / "notebooks", _5_generate=GENERATE)
    monkeypatch.setattr(loop_module, "check_names", lambda profile: None)
    monkeypatch.setattr(loop_module, "check_data", lambda profile: None)
    monkeypatch.setattr(loop_module, "check_notebooks", lambda folder, stages: None)
    monkeypatch.setattr(loop_module, "_execute", execute_here)
    monkeypatch.setattr(fingerprints, "hash_package", lambda: "code")

    def run():
        return run_loop(tmp_path / "run", "picturebook", iterations=3, notebooks=notebooks)

    return run


def samples_of(run):
    return {number: run.iteration(number).load("samples") for number in range(3)}


def changed_since(run, times):
    return {name for name, time in written(run).items() if times.get(name) != time}


def written(run):
    paths = [path for path in run.path.glob("iter_*/*") if path.is_file() or path.name == "adapter"]
    return {path.relative_to(run.path).as_posix(): path.stat().st_mtime_ns for path in paths}


def test_a_withdrawn_sample_names_all_that_was_made_with_it(loop):
    run = loop()
    one = samples_of(run)[1][2]
    found = withdraw(run, sample_ids=[one.id])
    assert found.samples == {1: (one.id,)} and found.adapters == (1, 2) and found.unused == ()
    assert found.redone[:3] == ("iter_01/samples.json", "iter_01/train_log.jsonl", "iter_01/adapter")
    assert "iter_02/samples.json" in found.redone and "iter_03/metrics.json" in found.redone
    assert not any(path.startswith("iter_00/") for path in found.redone)
    assert not (run.path / "withdrawn.json").exists()  # said, not done


def test_what_is_named_is_what_the_loop_redoes(loop):
    run = loop()
    one = samples_of(run)[1][2]
    before = written(run)
    found = withdraw(run, sample_ids=[one.id], apply=True)
    loop()
    redone = changed_since(run, before) - {"iter_01/generated.jsonl"}  # asked again to no other end
    assert redone == set(found.redone) - {"report.html"}
    assert one.id not in {sample.id for samples in samples_of(run).values() for sample in samples}
    before = written(run)
    loop()
    assert changed_since(run, before) == set()


def test_a_withdrawn_picture_takes_all_its_samples(loop):
    run = loop()
    picture = samples_of(run)[0][1].image_id
    found = withdraw(run, image_ids=[picture, "nobody's"], apply=True)
    assert list(found.samples) == [0] and found.adapters == (0, 1, 2) and found.unused == ("nobody's",)
    loop()
    assert picture not in {sample.image_id for samples in samples_of(run).values() for sample in samples}
    assert load_withdrawn(run).image_ids == (picture, "nobody's")


def make(number, image_id, question):
    return Sample(question, "It is red.", "red", ("red", "blue", "green", "white"), "A", "1.jpg", 3, "Colour",
                  image_id, f"s{number}", f"q{number}", "t")  # fmt: skip


@pytest.fixture
def run(tmp_path):
    run = artifacts.create_run(tmp_path / "run", "picturebook")
    run.iteration(0).save("samples", [make(1, "5", "What color is the car?"), make(2, "6", "What is blue?")])
    run.iteration(1).save(
        "samples", [make(3, "5", "Which colour is the car?"), make(4, "7", "What is near?")]
    )
    return run


def test_samples_that_repeat_a_withdrawn_one_go_with_it(run):
    found = withdraw(run, sample_ids=["s1"], apply=True)
    assert found.samples == {0: ("s1",), 1: ("s3",)}
    assert load_withdrawn(run).sample_ids == ("s1", "s3")


def test_withdrawals_add_up_and_can_be_repeated(run):
    withdraw(run, sample_ids=["s1"], apply=True)
    found = withdraw(run, image_ids=["7"], apply=True)
    assert found.samples == {0: ("s1",), 1: ("s3", "s4")}
    assert withdraw(run, image_ids=["7"], apply=True) == found
    run.iteration(0).save("samples", load_withdrawn(run).keep(run.iteration(0).load("samples")))
    assert withdraw(run, sample_ids=["s1"]).samples == {1: ("s3", "s4")}  # s1 is out already, and known


def test_apply_has_notebook_05_done_again(run):
    stage = next(stage for stage in STAGES if stage.name == "05_generate")
    marks = [Marks(Step(stage, run.iteration(number))) for number in (0, 1)]
    for mark in marks:
        mark.done.parent.mkdir(parents=True, exist_ok=True)
        mark.done.write_text("{}")
    withdraw(run, image_ids=["7"])
    assert all(mark.done.exists() for mark in marks)
    withdraw(run, image_ids=["7"], apply=True)
    assert [mark.done.exists() for mark in marks] == [True, False]


def test_nothing_to_withdraw_and_unknown_samples_are_refused(run):
    with pytest.raises(KitError, match="nothing to withdraw"):
        withdraw(run)
    with pytest.raises(KitError, match="1 sample ids are not of run .* such as 's9'; its 4 samples"):
        withdraw(run, sample_ids=["s1", "s9"], apply=True)
    assert load_withdrawn(run) == Withdrawn()


def test_a_broken_list_is_no_empty_list(run):
    (run.path / "withdrawn.json").write_text('{"image_ids": 5}')
    with pytest.raises(KitError, match="withdrawn"):
        load_withdrawn(run)


def test_a_run_without_samples(tmp_path):
    run = artifacts.create_run(tmp_path / "run", "picturebook")
    found = withdraw(run, image_ids=["5"], apply=True)
    assert (found.samples, found.adapters, found.redone, found.unused) == ({}, (), (), ("5",))
    assert load_withdrawn(run).keep([make(1, "5", "?"), make(2, "6", "?")]) == [make(2, "6", "?")]


def test_the_command_says_first_and_does_with_apply(run, capsys):
    (run.path / "report.html").write_text("old")
    assert main([str(run.path), "--images", "7, 99", "--samples", "s2"]) == 0
    printed = capsys.readouterr().out
    assert "2 samples" in printed and "iter_00: 1 (s2)" in printed and "iter_01: 1 (s4)" in printed
    assert "no sample is about 1 of the pictures (99)" in printed and "report.html" in printed
    assert "add --apply" in printed and not (run.path / "withdrawn.json").exists()
    assert main([str(run.path), "--images", "7", "--apply"]) == 0
    assert f"python -m dataengine_utils.loop resume {run.path}" in capsys.readouterr().out
    assert json.loads((run.path / "withdrawn.json").read_text()) == {"image_ids": ["7"], "sample_ids": []}
    assert main([str(run.path)]) == 1 and "nothing to withdraw" in capsys.readouterr().err
    assert main([str(run.path / "none"), "--images", "7"]) == 1 and "no run in" in capsys.readouterr().err
