"""A study's bookkeeping and numbers, with cells that answer at once; a real one is in test_ablation_cell."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
import toy_ablation
from toy_ablation import toy_study

from dataengine_utils import PROJECT
from dataengine_utils.ablation import (
    Results,
    command,
    compare,
    make_study,
    results_text,
    run_study,
    running,
    write_results,
)
from dataengine_utils.ablation.journal import Journal, open_journal, read_journal
from dataengine_utils.ablation.results import ALL, WEAK
from dataengine_utils.ablation.tasks import Task, places, run_tasks
from dataengine_utils.artifacts import create_run
from dataengine_utils.errors import KitError
from dataengine_utils.loop import main
from dataengine_utils.records import from_json
from dataengine_utils.tables.ablation import cell_table, cost_table, difference_table, end_table, sample_table

TESTS = Path(__file__).parent


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    monkeypatch.setattr(running, "CELL", "toy_ablation")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), str(PROJECT)]))


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A study of three seeds, filled in without processes."""
    study = toy_study(tmp_path_factory.mktemp("done"))
    toy_ablation.run_cell(str(study.base_run().path), "")
    for cell in study.cells():
        toy_ablation.run_cell(str(study.run_of(cell).path), "base")
    return study


def started(study):
    file = study.path / "cells" / "started"
    return file.read_text().split() if file.exists() else []


def test_cells_come_seed_by_seed_and_differ_in_strategy_and_seed_only(tmp_path):
    study = make_study(tmp_path, strategies=["uniform", "gain"], n_seeds=2)
    assert [cell.title for cell in study.cells()] == [
        "uniform, seed 0", "gain, seed 0", "uniform, seed 1", "gain, seed 1"]  # fmt: skip
    profiles = [study.run_of(cell).profile for cell in study.cells()]
    assert [(one.strategy, one.seed) for one in profiles[1:3]] == [("gain", 0), ("uniform", 1)]
    assert {(one.budget, one.iterations, one.replay_samples) for one in profiles} == {(600, 3, 2000)}
    with pytest.raises(KitError, match="has other settings.*budget"):
        make_study(tmp_path, strategies=["uniform", "gain"], overrides={"budget": 5}).run_of(study.cells()[0])


def test_the_teachers_budget_is_divided_between_the_cells(tmp_path):
    study = make_study(tmp_path, n_seeds=5, overrides={"budget_usd": 100})
    first = study.cells()[0]
    assert study.run_of(first).profile.budget_usd == pytest.approx(5)
    more = study.with_seeds(10)
    assert more.run_of(first).profile.budget_usd == pytest.approx(5), "looking changes nothing"
    more.share_budgets()
    assert study.run_of(first).profile.budget_usd == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"strategies": ["paper", "gain"]}, "compares 'uniform' with one or more others"),
        ({"strategies": ["uniform"]}, "compares 'uniform' with one or more others"),
        ({"strategies": ["uniform", "paper", "paper"]}, "each named once"),
        ({"strategies": ["uniform", "papier"]}, "unknown strategy 'papier'; known: bins"),
        ({"strategies": ["uniform", "no_such_module:f"]}, "no module 'no_such_module'"),
        ({"n_seeds": 1}, "1 seeds"),
        ({"overrides": {"seed": 3}}, "--set seed: a study sets it itself"),
        ({"overrides": {"budgit": 3}}, "unknown profile field 'budgit'"),
        ({"profile": "picturbook"}, "unknown profile 'picturbook'"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(tmp_path, given, said):
    with pytest.raises(KitError, match=said):
        make_study(tmp_path / "study", **given)
    assert not (tmp_path / "study").exists()


def test_a_step_is_done_once_and_other_settings_or_code_begin_anew(tmp_path, monkeypatch):
    run = create_run(tmp_path / "run", "picturebook", overrides={"seed": 3})
    journal, acts = open_journal(run), []
    for _ in range(2):
        journal.step(0, "train", lambda: acts.append(1) or {"steps": 5})
    (run.path / "iter_00").mkdir()
    again = open_journal(run)
    assert acts == [1] and again.steps == journal.steps and again.steps[0]["steps"] == 5 and not again.done
    monkeypatch.setattr("dataengine_utils.fingerprints.hash_package", lambda: "other code")
    assert open_journal(run, keep_finished=True).steps == journal.steps
    assert open_journal(run).steps == [] and not (run.path / "iter_00").exists()


def test_on_cores_each_process_has_one_thread_and_on_gpus_one_gpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert [one["OMP_NUM_THREADS"] for one in places(3)] == ["1"] * 3 and len(places()) >= 1
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-5a")
    assert [one["CUDA_VISIBLE_DEVICES"] for one in places()] == ["2", "GPU-5a"]
    assert [one["CUDA_VISIBLE_DEVICES"] for one in places(3)] == ["2", "GPU-5a", "2"]
    with pytest.raises(KitError, match="--jobs: expected 1 or more, got -1"):
        places(-1)


def test_as_many_run_at_once_as_there_are_places(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "waits.py").write_text(
        "import os, sys, time, pathlib\n"
        "here = pathlib.Path(sys.argv[1])\n"
        "mine = here / sys.argv[2]; mine.touch()\n"
        "end = time.time() + 20\n"
        "while len(list(here.iterdir())) < 2 and time.time() < end: time.sleep(0.02)\n"
        "print(len(list(here.iterdir())), os.environ['PLACE'])\n"
    )
    (tmp_path / "here").mkdir()
    tasks = [Task(str(i), "waits", (str(tmp_path / "here"), str(i)), tmp_path / f"log{i}") for i in range(2)]
    ended = []
    run_tasks(tasks, [{"PLACE": "a"}, {"PLACE": "b"}], ended.append)
    assert sorted(task.log.read_text() for task in tasks) == ["2 a\n", "2 b\n"]
    assert sorted(task.title for task in ended) == ["0", "1"]


def test_a_failed_cell_ends_the_study_with_its_last_words(tmp_path):
    study = toy_study(tmp_path)
    (study.path / "cells").mkdir()
    (study.path / "cells" / "hang").touch()
    toy_ablation.run_cell(str(study.base_run().path), "")
    (study.path / "cells" / "fail").touch()
    begun = time.monotonic()
    said = r"seed 0 failed: the toy was told to fail\n  its log: .*log\.txt"
    with pytest.raises(KitError, match=said) as told:
        run_study(study, n_jobs=2)
    assert "give the same command again" in str(told.value) and time.monotonic() - begun < 120


def test_a_killed_study_leaves_no_cells_behind_and_goes_on(tmp_path):
    study = toy_study(tmp_path / "study")
    (study.path / "cells").mkdir(parents=True)
    (study.path / "cells" / "hang").touch()
    again = [sys.executable, "-m", "toy_ablation", "study", str(study.path), "3", "2"]
    loop = subprocess.Popen(again, cwd=TESTS, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        _wait_for(lambda: _rounds(study) == [1, 1])
        with pytest.raises(KitError, match=r"another loop \(process \d+\)"):
            run_study(study, n_jobs=1)
    finally:
        os.kill(loop.pid, signal.SIGKILL)
        loop.wait()
    (study.path / "cells" / "hang").unlink()
    time.sleep(0.5)
    assert not any(read_journal(study.run_of(cell)).done for cell in study.cells()), "the cells died too"
    before = len(started(study))
    run_study(study, n_jobs=2)
    assert before == 2 and len(started(study)) == 2 + 6
    run_study(study, n_jobs=2)
    assert len(started(study)) == 8, "what is done stays"
    assert len(compare(study).seeds) == 3


def _rounds(study):
    files = [cell.path / "cell.json" for cell in study.cells() if (cell.path / "cell.json").exists()]
    steps = [json.loads(file.read_text())["steps"] for file in files]
    return [one[-1]["round"] for one in steps if one and one[-1]["step"] == "train"]


def _wait_for(happened, seconds=120):
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.05)


def test_the_numbers_are_those_of_the_cells(done):
    results = compare(done)
    assert results.seeds == (0, 1, 2) and results.samples == (0, 50, 100) and results.n_questions == 120
    assert results.weak == ("Hard",) and results.versions == 1
    (everything,), (weak,) = results.of(ALL), results.of(WEAK)
    assert weak.strategy == "paper" and weak.difference == pytest.approx(0.4, abs=0.04)
    assert everything.difference == pytest.approx(weak.difference / 2)
    assert weak.verdict == everything.verdict == "higher"
    assert results.types["base"]["Hard"] == pytest.approx(0.3, abs=0.03)
    assert results.types["paper"]["Hard"] - results.types["uniform"]["Hard"] == pytest.approx(weak.difference)
    assert results.shares["paper"] == {"Easy": 0.1, "Hard": 0.9}
    cost = results.costs[1]
    assert (cost.samples, cost.queries, cost.steps, cost.usd) == (100, 120, 14, 1.0)
    needed = {one.strategy: one.samples for one in results.reached if one.questions == WEAK}
    assert needed["uniform"] == pytest.approx(90, abs=6) and needed["paper"] == pytest.approx(30, abs=5)


def test_only_whole_seeds_count(done):
    assert compare(done.with_seeds(9)).seeds == (0, 1, 2)
    with pytest.raises(KitError, match="0 whole seeds of 3, and 2 are needed"):
        compare(toy_study(done.path.parent / "nothing"))


def test_the_files_hold_the_results_and_come_out_the_same_again(done, tmp_path):
    results = compare(done)
    paths = write_results(results, tmp_path)
    assert [path.name for path in paths] == [f"ablation.{kind}" for kind in ("json", "md", "svg", "png")]
    assert from_json(Results, json.loads(paths[0].read_text())) == results
    assert paths[1].read_text() == results_text(results)
    before = [path.read_bytes() for path in paths]
    write_results(compare(done), tmp_path)
    assert [path.read_bytes() for path in paths] == before and len(list(tmp_path.iterdir())) == 4
    assert b"<svg" in before[2] and before[3].startswith(b"\x89PNG")


def test_the_text_says_what_was_found(done):
    text = results_text(compare(done))
    assert "2 strategies x 3 seeds, each 100 samples in 2 rounds; 120 sealed questions" in text
    command = re.search("Made by `(.+)`", text)[1]
    assert command == (
        "python -m dataengine_utils.loop ablation --profile picturebook --strategies uniform,paper --seeds 3 "
        "--set iterations=2 --set budget=50 --out outputs/ablation"
    )
    row = next(line for line in text.splitlines() if line.startswith("| paper"))
    assert "higher" in row and "3 of 3" in row and "+20." in row
    assert "(under 55% of the base's diagnose questions: Hard)" in text


def test_the_tables_show_the_same(done):
    results = compare(done)
    shown = [difference_table(results, part).to_html() for part in (ALL, WEAK)]
    assert "+20." in shown[0] and "weak types: Hard" in shown[1]
    for table in (sample_table(results), cost_table(results), end_table(results)):
        assert "uniform" in table.to_html() and "paper" in table.to_html()
    states = cell_table(done.with_seeds(4)).to_html()
    assert states.count("to do") == 2 and states.count("0 s") >= 6


def test_the_notebook_shows_the_study(done, tmp_path, capsys):
    study = tmp_path / "study"
    shutil.copytree(done.path, study)
    cells = nbformat.read(PROJECT / "notebooks" / "07_ablation.ipynb", as_version=4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    names: dict = {}
    exec(code[0], names)
    names.update(RUN_DIR=str(study), STRATEGIES="uniform,paper", SEEDS=3, RUN_CELLS=True, JOBS=1)
    exec("\n".join(code[1:]), names)
    said = capsys.readouterr().out
    assert "6 of 6 cells were done already" in said and "3 seeds, 100 samples, 120 questions" in said
    assert (study / "ablation.md").read_text() == results_text(compare(done))


def test_the_command_runs_prints_and_writes(tmp_path, capsys):
    out = tmp_path / "study"
    settings = [f"--set={name}={value}" for name, value in toy_ablation.SETTINGS.items()]
    words = ["ablation", "--out", str(out), "--strategies", "uniform,paper", "--seeds", "2", *settings]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "[  4/4] paper, seed 1" in said and "min left" in said and "**Weak types**" in said
    assert "seeds are" in said and (out / "ablation.svg").exists()
    assert main(words) == 0 and "4 of 4 cells were done already" in capsys.readouterr().out
    assert main(words[:-2]) == 0 and "4 of 4 cells" in capsys.readouterr().out, "it keeps its settings"
    assert main([*words, "--set", "budget=51"]) == 1
    assert "has other settings" in capsys.readouterr().err


def test_as_many_seeds_as_the_pilot_asks_for(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "PILOT", 2)
    asked = []
    needed = "dataengine_utils.ablation.differences.needed"
    monkeypatch.setattr(needed, lambda found, effect: asked.append(effect) or 3)
    settings = [f"--set={name}={value}" for name, value in toy_ablation.SETTINGS.items()]
    words = ["ablation", "--out", str(tmp_path / "s"), "--strategies", "uniform,paper", "--effect", "1.5"]
    assert main([*words, "--seeds", "auto", *settings]) == 0
    said = capsys.readouterr().out
    assert "pilot of 2 seeds: to find 1.5 points takes 3 seeds" in said and "2 strategies x 3 seeds" in said
    assert asked[0] == pytest.approx(0.015)
    assert main([*words, "--seeds", "many"]) == 1
    assert "--seeds: expected a number of seeds or 'auto', got 'many'" in capsys.readouterr().err


def test_a_journal_of_another_run_is_not_mixed_up(tmp_path):
    runs = [create_run(tmp_path / name, "picturebook") for name in ("a", "b")]
    open_journal(runs[0]).step(0, "train", dict)
    assert isinstance(read_journal(runs[1]), Journal) and read_journal(runs[1]).steps == []


def test_ctrl_c_says_how_to_go_on(tmp_path, capsys, monkeypatch):
    def stopped(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "run_ablation", stopped)
    assert main(["ablation", "--out", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "stopped; what is finished stays. Go on: the same command again\n"
