"""The loop runner on throw-away notebooks: it finishes, goes on after any kill, refuses what it should."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import toy_loop
from toy_loop import write_notebooks

from dataengine_utils import checks, files, fingerprints, loop
from dataengine_utils.artifacts import ARTIFACTS, open_run
from dataengine_utils.checks import check_notebook
from dataengine_utils.errors import KitError
from dataengine_utils.execution import execute
from dataengine_utils.stages import STAGES, plan
from dataengine_utils.status import progress_table, steps_table

TITLES = [*(f"iter_00 {stage.name}" for stage in STAGES), "iter_01 01_evaluate"]


@pytest.fixture(autouse=True)
def toy_world(monkeypatch):
    """Neither the profile's names and data nor the package's source are what is tested here."""
    monkeypatch.setattr(loop, "check_names", lambda profile: None)
    monkeypatch.setattr(loop, "check_data", lambda profile: None)
    monkeypatch.setattr(fingerprints, "hash_package", lambda: "code")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One undisturbed run of one iteration, to be looked at and compared with; do not write into it."""
    folder = tmp_path_factory.mktemp("finished")
    notebooks = write_notebooks(folder / "notebooks")
    toy_loop.main(str(folder / "run"), str(notebooks))
    return folder / "run", notebooks


def artifact_bytes(out: Path) -> dict[str, bytes]:
    names = {artifact.file for artifact in ARTIFACTS.values()}
    found = [path for path in out.glob("iter_*/**/*")
             if path.is_file() and path.relative_to(out).parts[1] in names]
    return {str(path.relative_to(out)): path.read_bytes() for path in found}


def run_program(out: Path, notebooks: Path, *moment: str) -> subprocess.Popen:
    command = [sys.executable, toy_loop.__file__, str(out), str(notebooks), *moment]
    path = os.pathsep.join([str(loop.PROJECT), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, stderr=subprocess.PIPE)


def run_here(out: Path, notebooks: Path, **options):
    return loop.run_loop(out, "picturebook", iterations=1, notebooks=notebooks, **options)


def test_a_whole_loop_writes_every_artifact_and_keeps_the_pages(finished):
    out = finished[0]
    written = {path.split("/")[1] for path in artifact_bytes(out)}
    assert written == {artifact.file for artifact in ARTIFACTS.values()}
    pages = {f"{path.parts[-3]} {path.stem}" for path in out.glob("iter_*/notebooks/*.ipynb")}
    assert pages == set(TITLES)
    page = json.loads((out / "iter_01/notebooks/01_evaluate.ipynb").read_text())
    tagged = [cell for cell in page["cells"] if "injected-parameters" in cell["metadata"]["tags"]]
    injected = "".join(tagged[0]["source"])
    assert "ITERATION = 1" in injected and str(out) in injected
    assert not list(out.glob("**/*.part")) and not list(out.glob("**/*.started.json"))


def test_a_second_run_says_it_is_complete_and_starts_no_kernel(finished, capsys, monkeypatch):
    out, notebooks = finished
    before = artifact_bytes(out)
    monkeypatch.setattr("dataengine_utils.execution.execute", None)
    run_here(out, notebooks)
    assert "complete: 7 of 7 notebooks were done already" in capsys.readouterr().out
    assert artifact_bytes(out) == before


def test_the_table_has_types_iterations_and_change(finished):
    table = progress_table(open_run(finished[0]))
    assert table.splitlines()[0].split()[-4:] == ["base", "after", "1", "change"]
    assert table.splitlines()[2].split() == ["Colour", "50.0", "70.0", "+20.0"]


def test_killed_in_the_middle_of_every_stage_it_ends_with_the_same_bytes(finished, tmp_path):
    notebooks = write_notebooks(tmp_path / "notebooks", kill=True)
    for _ in TITLES:
        process = run_program(tmp_path / "run", notebooks)
        process.communicate(timeout=300)
        assert process.returncode == -signal.SIGKILL
    assert run_program(tmp_path / "run", notebooks).wait(timeout=300) == 0
    assert artifact_bytes(tmp_path / "run") == artifact_bytes(finished[0])
    time.sleep(2.5)
    assert not list(notebooks.glob("*.outlived")), "a kernel went on after its loop was killed"
    asked = (notebooks / "log").read_text().split()
    assert len(asked) == len(set(asked)) == 4, "generation went on from its part and asked for nothing twice"


@pytest.mark.parametrize("moment", ["begun", "written", "marked"])
def test_killed_at_every_boundary_it_ends_with_the_same_bytes(finished, tmp_path, moment):
    notebooks = write_notebooks(tmp_path / "notebooks")
    for title in TITLES:
        process = run_program(tmp_path / "run", notebooks, moment, title)
        process.communicate(timeout=300)
        assert process.returncode == -signal.SIGKILL, title
    run_here(tmp_path / "run", notebooks)
    assert artifact_bytes(tmp_path / "run") == artifact_bytes(finished[0])


def test_two_loops_in_one_folder_are_refused(finished):
    out, notebooks = finished
    with open(out / loop.LOCK_FILE, "a+") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(KitError, match="another loop .* is at work"):
            run_here(out, notebooks)


def test_resume_reruns_what_a_change_reaches_and_nothing_else(finished, tmp_path, capsys):
    notebooks = write_notebooks(tmp_path / "notebooks")
    run_here(tmp_path / "run", notebooks)
    body = toy_loop.BODIES["04_prompt_optimization"]
    write_notebooks(notebooks, _4_prompt_optimization=f"{body}\n# a comment")
    capsys.readouterr()
    run_here(tmp_path / "run", notebooks)
    told = capsys.readouterr().out
    assert "04_prompt_optimization" in told and "(notebook changed)" in told and "6 of 7" in told
    write_notebooks(notebooks, _4_prompt_optimization=body.replace("digest(", "digest('new', "))
    run_here(tmp_path / "run", notebooks, keep_finished=True)
    assert "complete: 7 of 7" in capsys.readouterr().out
    run_here(tmp_path / "run", notebooks)
    told = capsys.readouterr().out
    assert [line.split()[1] for line in told.splitlines() if line.startswith("iter")] == [
        "04_prompt_optimization", "05_generate", "06_train", "01_evaluate"]
    assert "05_generate" in told and "(inputs changed)" in told


def test_a_missing_output_and_other_settings_are_reasons(finished, tmp_path):
    out, notebooks = finished
    run = open_run(out)
    assert steps_table(run, plan(run, 1), notebooks).count("done") == 7
    moved = run.iteration(0).path_of("samples").rename(tmp_path / "samples.json")
    assert "05_generate               samples is missing" in steps_table(run, plan(run, 1), notebooks)
    moved.rename(run.iteration(0).path_of("samples"))
    assert steps_table(run, plan(run, 2), notebooks).count("to do") == 6


def test_a_failing_notebook_is_one_clear_error_and_keeps_what_was_done(tmp_path):
    fails = "print('so far')\nraise RuntimeError('no\\nluck')"
    notebooks = write_notebooks(tmp_path / "notebooks", _2_weakness=fails)
    with pytest.raises(KitError) as told:
        run_here(tmp_path / "run", notebooks)
    page = tmp_path / "run/iter_00/notebooks/02_weakness.ipynb"
    assert "02_weakness failed in cell" in str(told.value) and "RuntimeError: no luck" in str(told.value)
    assert str(page) in str(told.value) and f"loop resume {tmp_path / 'run'}" in str(told.value)
    assert "so far" in page.read_text()
    assert open_run(tmp_path / "run").iteration(0).has("metrics")
    write_notebooks(notebooks)
    run = loop.run_loop(tmp_path / "run", iterations=0, notebooks=notebooks)
    assert run.iteration(0).has("metrics") and not run.iteration(0).has("weakness")


def test_a_notebook_that_crashes_or_saves_nothing_is_told(tmp_path):
    crash = write_notebooks(tmp_path / "crash", _1_evaluate="os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(KitError, match="was killed or crashed"):
        run_here(tmp_path / "one", crash)
    lazy = write_notebooks(tmp_path / "lazy", _1_evaluate="print('nothing')")
    with pytest.raises(KitError, match="ended without writing predictions_diagnose"):
        run_here(tmp_path / "two", lazy)


def test_unknown_parameter_missing_notebook_and_missing_cell_are_found_first(tmp_path):
    notebooks = write_notebooks(tmp_path / "notebooks")
    with pytest.raises(KitError, match="unknown parameter of notebook 03.* 'BUDGT'; known: ITERATION"):
        check_notebook(notebooks / "03_sampling.ipynb", ["RUN_DIR", "BUDGT"])
    page = json.loads((notebooks / "06_train.ipynb").read_text())
    page["cells"][0]["metadata"] = {}
    (notebooks / "06_train.ipynb").write_text(json.dumps(page))
    with pytest.raises(KitError, match="no cell tagged 'parameters'"):
        run_here(tmp_path / "run", notebooks)
    (notebooks / "06_train.ipynb").write_text("{")
    with pytest.raises(KitError, match="not JSON"):
        run_here(tmp_path / "run", notebooks)
    (notebooks / "06_train.ipynb").unlink()
    with pytest.raises(KitError, match="06_train.ipynb' is missing"):
        run_here(tmp_path / "run", notebooks)
    assert not list((tmp_path / "run").glob("iter_*")), "nothing ran before the checks were through"


def test_bad_folders_are_found_first(tmp_path, monkeypatch):
    notebooks = write_notebooks(tmp_path / "notebooks")
    with pytest.raises(KitError, match="braces"):
        run_here(tmp_path / "a{b}", notebooks)
    (tmp_path / "file").touch()
    with pytest.raises(KitError, match="cannot write .*file/run"):
        run_here(tmp_path / "file" / "run", notebooks)
    monkeypatch.setattr(files.os, "access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(KitError, match="read-only; choose a folder you can write to"):
        run_here(tmp_path / "run", notebooks)
    monkeypatch.undo()
    monkeypatch.setattr(loop, "check_names", lambda profile: None)
    monkeypatch.setattr(checks, "NEEDED_MB", 10**12)
    with pytest.raises(KitError, match="MB free"):
        run_here(tmp_path / "run", notebooks)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder_is_found_first(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(KitError, match="cannot write|read-only"):
        run_here(tmp_path / "locked" / "run", write_notebooks(tmp_path / "notebooks"))


def test_the_command_line_tells_errors_in_one_line(tmp_path, capsys):
    def fails(*arguments: str) -> str:
        assert loop.main(list(arguments)) == 1
        told = capsys.readouterr().err
        assert told.startswith("error: ") and "Traceback" not in told
        return told

    assert "no run in" in fails("resume", str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()
    assert "no run in" in fails("status", str(tmp_path / "none"))
    assert "unknown profile 'pictrebook'" in fails("show", "pictrebook")
    assert "unknown profile field 'epoch'" in fails("run", "--out", str(tmp_path / "x"), "--set", "epoch=2")
    assert "expected float" in fails("run", "--out", str(tmp_path / "x"), "--set", "epochs=many")
    assert "write FIELD=VALUE" in fails("run", "--out", str(tmp_path / "x"), "--set", "epochs")
    assert "expected 0 or more" in fails("run", "--out", str(tmp_path / "x"), "--iterations", "-1")
    with pytest.raises(SystemExit):
        loop.main(["run"])


def test_edited_run_file_and_other_settings_stop_the_loop(finished, tmp_path, capsys):
    out = tmp_path / "run"
    open_run(out, "picturebook")
    assert loop.main(["run", "--out", str(out), "--set", "epochs=9"]) == 1
    assert "epochs: 3.0 / 9.0" in capsys.readouterr().err
    text = (out / "run.json").read_text()
    (out / "run.json").write_text(text.replace('"epochs": 3.0', '"epochs": 4.0'))
    assert loop.main(["resume", str(out)]) == 1
    assert "was edited" in capsys.readouterr().err


def test_show_and_status_print_what_they_promise(finished, capsys):
    assert loop.main(["show", "picturebook", "--set", "epochs=2"]) == 0
    shown = capsys.readouterr().out
    assert any(line.split() == ["epochs", "2.0", "override"] for line in shown.splitlines())
    assert any(line.split() == ["weight_decay", "0.0", "llava15"] for line in shown.splitlines())
    loop.main(["status", str(finished[0]), "--notebooks", str(finished[1])])
    told = capsys.readouterr().out
    assert told.count(" done") == 7 and "all questions" in told


def test_a_shorter_plan_shows_only_its_own_evaluations(finished):
    run = open_run(finished[0])
    assert progress_table(run, 0).splitlines()[0].split()[-2:] == ["base", "change"]
    assert progress_table(run, 1) == progress_table(run)


@pytest.mark.parametrize("text", ["{", "{}", '{"iterations": "two"}', '{"iterations": -1}'])
def test_a_plan_that_cannot_be_read_is_one_clear_error(tmp_path, capsys, text):
    open_run(tmp_path / "run", "picturebook")
    (tmp_path / "run" / loop.PLAN_FILE).write_text(text)
    for command in ("resume", "status"):
        assert loop.main([command, str(tmp_path / "run")]) == 1
        assert "plan.json" in (told := capsys.readouterr().err) and "--iterations N" in told


def test_an_edited_profile_is_told_before_anything_runs(tmp_path, capsys):
    profile = tmp_path / "mine.yaml"
    profile.write_text("base: picturebook\nepochs: 2\n")
    open_run(tmp_path / "run", profile, {"seed": 4})
    profile.write_text("base: picturebook\nepochs: 5\n")
    assert loop.main(["resume", str(tmp_path / "run")]) == 1
    assert "epochs: 2.0 / 5.0" in capsys.readouterr().err
    assert not list((tmp_path / "run").glob("iter_*"))


def test_what_a_killed_write_left_goes_when_a_stage_begins(tmp_path):
    run = open_run(tmp_path / "run", "picturebook")
    step = plan(run, 1)[0]
    marks = step.iteration.path / ".stages"
    marks.mkdir(parents=True)
    strays = [folder / ".weakness.json.ab1_cd23.tmp" for folder in (run.path, step.iteration.path, marks)]
    for stray in strays:
        stray.touch()
    (step.iteration.path / ".mine.tmp").touch()
    fingerprints.begin(run, step, tmp_path)
    assert [stray.exists() for stray in strays] == [True, False, False]
    with pytest.raises(KitError, match="is missing"):
        loop.run_loop(run.path, notebooks=tmp_path)
    assert not strays[0].exists() and (step.iteration.path / ".mine.tmp").exists()


@pytest.mark.parametrize("command", ["run", "resume", "status", "show"])
def test_ctrl_c_is_one_line_in_every_command(monkeypatch, capsys, command):
    def interrupted(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, f"_command_{command}", interrupted)
    argument = {"run": ["--out", "here"], "show": ["picturebook"]}.get(command, ["here"])
    assert loop.main([command, *argument]) == 130
    told = capsys.readouterr().err
    assert told.startswith("stopped") and ("loop resume here" in told) == (command != "show")


def test_a_kernel_prints_nothing_into_the_terminal(tmp_path, capfd):
    speaks = "import sys; print('page', file=sys.stderr)"
    notebooks = write_notebooks(tmp_path / "notebooks", _1_evaluate=speaks)
    parameters = {"RUN_DIR": str(tmp_path / "run"), "ITERATION": 0, "PROFILE": "picturebook"}
    execute(notebooks / "01_evaluate.ipynb", tmp_path / "page.ipynb", parameters)
    assert capfd.readouterr() == ("", "")
    assert "page" in (tmp_path / "page.ipynb").read_text()
