"""Run the loop: check everything, run the notebooks one after another, go on where a run was cut off.

    python -m dataengine_utils.loop run --profile picturebook --iterations 2 --out outputs/NAME --set epochs=2
    python -m dataengine_utils.loop resume outputs/NAME
    python -m dataengine_utils.loop status outputs/NAME
    python -m dataengine_utils.loop show PROFILE
    python -m dataengine_utils.loop ablation --strategies uniform,paper --seeds 8 --out outputs/ablation
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import PROJECT, files
from .ablation.command import add_ablation
from .artifacts import Run, change_run, open_run
from .checks import check_data, check_folder, check_names, check_notebooks
from .commands import exit_code
from .errors import KitError
from .fingerprints import begin, finish, why_not_done
from .live import LoopBar, Place
from .profiles import MAY_CHANGE, PROFILES, origins, parse_overrides
from .stages import STAGES, Stage, Step, plan
from .standing import is_kept
from .status import progress_table, steps_table
from .warm import KernelServer

NOTEBOOKS = PROJECT / "notebooks"
PLAN_FILE = "plan.json"
LOCK_FILE = ".lock"
Measured = Callable[..., object]


def run_loop(out: str | Path, profile: str | None = None, *, overrides: Mapping[str, Any] | None = None,
             iterations: int | None = None, notebooks: Path = NOTEBOOKS, stages: tuple[Stage, ...] = STAGES,
             keep_finished: bool = False, measured: Measured | None = None) -> Run:
    """Run all iterations in folder `out` and return the run; what is done already stays as it is.

    `iterations` defaults to the run's plan, then to the profile's; 0 measures the base only. `measured` is
    called after every evaluation as `measured(metrics, kept=...)`: those of all iterations so far, and the
    numbers of iterations before which the gate promoted nothing. Raises `KitError` when a check fails, a
    notebook fails, or another loop is at work in the folder.
    """
    out = Path(out).expanduser().absolute()
    if profile is None:
        profile = open_run(out).source  # nothing is made in a folder without a run
    files.make_folder(out)
    with only_one(out):
        files.remove_strays(out)
        run = open_run(out, profile, overrides)
        steps = plan(run, _planned(run, iterations), stages)
        check_folder(out)
        check_notebooks(notebooks, stages)
        check_names(run.profile)
        check_data(run.profile)
        _run_steps(run, steps, notebooks, keep_finished, _Curve(run, measured))
    return run


def _run_steps(run: Run, steps: list[Step], notebooks: Path, keep_finished: bool, curve: "_Curve") -> None:
    """Run the steps that are not done: one line each, one bar for all (when a person is looking)."""
    kept = 0
    with LoopBar([_place(step) for step in steps]) as bar, KernelServer() as server:
        for step in steps:
            reason = why_not_done(run, step, notebooks, keep_finished=keep_finished)
            if reason:
                curve.draw()
                bar.begin(step.title)
                seconds = _run_step(run, step, notebooks, server)
            else:
                seconds = _earlier_seconds(step)
            bar.end(seconds)
            curve.passed(step)
            if reason:
                curve.draw()
                note = "" if reason == "to do" else f"  ({reason})"
                bar.write(f"{step.title:<33}{seconds:8.1f} s{note}")
            kept += not reason
        curve.draw()
    if kept:
        complete = "complete: " if kept == len(steps) else ""
        print(f"{complete}{kept} of {len(steps)} notebooks were done already")


def _run_step(run: Run, step: Step, notebooks: Path, server: KernelServer) -> float:
    """Run one notebook and set its mark last of all; returns the seconds it took."""
    start = time.monotonic()
    begun = begin(run, step, notebooks)
    _execute(run, step, notebooks, server)
    finish(step, begun)
    return time.monotonic() - start


def _execute(run: Run, step: Step, notebooks: Path, server: KernelServer) -> None:
    from .execution import execute

    parameters = {"RUN_DIR": str(run.path), "ITERATION": step.iteration.number, "PROFILE": run.source}
    execute(notebooks / step.stage.notebook, _page(step), parameters,
            retry=f"once it is mended: python -m dataengine_utils.loop resume {run.path}", server=server)


def _page(step: Step) -> Path:
    """Where the executed notebook lies."""
    return step.iteration.path / "notebooks" / step.stage.notebook


def _place(step: Step) -> Place:
    return step.stage.name, step.iteration.number


def _earlier_seconds(step: Step) -> float | None:
    """What a step took that was done before, as papermill wrote on its page; None where it did not."""
    try:
        page = files.read_object(_page(step), dict)
    except (OSError, KitError):
        return None
    seconds = page.get("metadata", {}).get("papermill", {}).get("duration")
    return seconds if isinstance(seconds, (int, float)) else None


class _Curve:
    """The metrics of the evaluations that the loop has passed, shown when there are new ones."""

    def __init__(self, run: Run, show: Measured | None) -> None:
        self._run, self._show, self._is_new = run, show, False
        self._metrics: list[dict[str, Any]] = []

    def passed(self, step: Step) -> None:
        if "metrics" in step.stage.outputs:
            self._metrics.append(step.iteration.load("metrics"))
            self._is_new = True

    def draw(self) -> None:
        if self._show and self._is_new:
            kept = {n for n in range(1, len(self._metrics)) if is_kept(self._run, n - 1)}
            self._show(list(self._metrics), kept=kept)
        self._is_new = False


def _planned(run: Run, iterations: int | None) -> int:
    """How many iterations the run is for: what is asked (kept as its plan), its plan, or its profile's."""
    file = run.path / PLAN_FILE
    if iterations is None:
        return _read_plan(file) if file.exists() else run.profile.iterations
    if iterations < 0:
        raise KitError(f"--iterations: expected 0 or more, got {iterations}")
    files.write_whole(file, files.document({"iterations": iterations}))
    return iterations


def _read_plan(file: Path) -> int:
    try:
        iterations = files.read_object(file, dict).get("iterations")
    except (OSError, KitError) as error:
        raise KitError(f"{file} cannot be read; delete it, or say again: --iterations N") from error
    if not isinstance(iterations, int) or isinstance(iterations, bool) or iterations < 0:
        raise KitError(f"{file}: expected \"iterations\", 0 or more, got {iterations!r}; "
                       "delete it, or say again: --iterations N")
    return iterations


@contextmanager
def only_one(out: Path) -> Iterator[None]:
    """Hold the folder's lock, which the system frees when a loop is killed; `KitError` when it is taken."""
    import fcntl

    with open(out / LOCK_FILE, "a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise KitError(f"another loop (process {lock.read().strip() or 'unknown'}) is at work in "
                           f"{str(out)!r}; wait for it, or choose another folder (--out)") from error
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield
        lock.truncate(0)


def _command_run(options: argparse.Namespace) -> None:
    _loop_and_report(options, options.profile, parse_overrides(options.set))


def _command_resume(options: argparse.Namespace) -> None:
    if options.set:
        change_run(options.out, parse_overrides(options.set))
    _loop_and_report(options, None, None)


def _loop_and_report(options: argparse.Namespace, profile: str | None,
                     overrides: dict[str, str] | None) -> None:
    from .report import build_report

    run = run_loop(options.out, profile, overrides=overrides, iterations=options.iterations,
                   notebooks=options.notebooks, keep_finished=options.keep_finished)
    print(f"\n{progress_table(run, _planned(run, None))}\n\nreport: {build_report(run)}")


def _command_status(options: argparse.Namespace) -> None:
    run = open_run(options.out)
    planned = _planned(run, None)
    steps = steps_table(run, plan(run, planned), options.notebooks)
    print(f"run {run.path} (profile {run.profile.name})\n{steps}\n\n{progress_table(run, planned)}")


def _command_show(options: argparse.Namespace) -> None:
    for field, value, origin in origins(options.profile, parse_overrides(options.set)):
        print(f"{field:<25}{value!s:<50}  {origin}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dataengine_utils.loop", description="Run the loop.")
    commands = parser.add_subparsers(required=True, metavar="run | resume | status | show | ablation")
    run = commands.add_parser("run", help="start a run, or go on with it")
    run.add_argument("--profile", default="picturebook", help=f"{', '.join(PROFILES)} or a YAML file")
    run.add_argument("--out", required=True, help="the run's folder, such as outputs/picturebook")
    run.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="change one field")
    resume = commands.add_parser("resume", help="go on with a run that was cut off or changed")
    resume.add_argument("out", help="the run's folder")
    resume.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE",
                        help=f"allow more or less: {', '.join(MAY_CHANGE)}")
    for command, function in ((run, _command_run), (resume, _command_resume)):
        command.set_defaults(function=function)
        command.add_argument("--iterations", type=int, metavar="N", help="turns of the loop (the profile's)")
        command.add_argument("--keep-finished", action="store_true",
                             help="keep what was made with an older version of the code")
    status = commands.add_parser("status", help="what is done, what is not and why, and the scores so far")
    status.add_argument("out", help="the run's folder")
    status.set_defaults(function=_command_status)
    for command in (run, resume, status):
        command.add_argument("--notebooks", type=Path, default=NOTEBOOKS, metavar="FOLDER")
    show = commands.add_parser("show", help="a profile's fields and where each value comes from")
    show.add_argument("profile", help=f"{', '.join(PROFILES)} or a YAML file")
    show.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
    show.set_defaults(function=_command_show)
    add_ablation(commands)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    return exit_code(lambda: _do(options))


def _do(options: argparse.Namespace) -> int | None:
    try:
        options.function(options)
    except KeyboardInterrupt:
        folder = getattr(options, "out", "")
        again = getattr(options, "again", f"python -m dataengine_utils.loop resume {folder}")
        go_on = f"; what is finished stays. Go on: {again}"
        print(f"stopped{go_on if folder else ''}", file=sys.stderr)
        return 130
    return None


if __name__ == "__main__":
    sys.exit(main())
