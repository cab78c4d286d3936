"""Several programs at once, each in a process with a place of its own: one core, or one GPU."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .. import files, kernel
from ..errors import KitError

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_POLL_S, _GRACE_S = 0.1, 10.0
Place = Mapping[str, str]


@dataclass(frozen=True)
class Task:
    """A module of the package with its arguments; what it prints goes to `log`."""

    title: str
    module: str
    arguments: tuple[str, ...]
    log: Path


def places(n: int | None = None) -> list[Place]:
    """Environments for so many processes at once; by default one a GPU, or without any one a core.

    On a CPU each has one thread whatever their number, so that results do not depend on it. On GPUs they take
    them in turn and share the cores.
    """
    gpus, cores = _gpus(), _cores()
    n = n or len(gpus) or cores
    if n < 1:
        raise KitError(f"--jobs: expected 1 or more, got {n}")
    threads = str(max(1, cores // n)) if gpus else "1"
    shared = dict.fromkeys(_THREADS, threads)
    return [{**shared, **({"CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)]} if gpus else {})} for i in range(n)]


def run_tasks(
    tasks: Sequence[Task], where: Sequence[Place], on_done: Callable[[Task], None] = lambda task: None
) -> None:
    """Run all tasks in order, one at a time in each place, and call `on_done` after each.

    The first that fails ends all, with the last words of its log in a `KitError`. They also end with this
    process, however it ends.
    """
    waiting, free = list(tasks), list(where)
    running: dict[Task, tuple[subprocess.Popen[bytes], Place]] = {}
    with _ended(running):
        while waiting or running:
            while waiting and free:
                task, place = waiting.pop(0), free.pop(0)
                running[task] = _start(task, place), place
            time.sleep(_POLL_S)
            for task, (process, place) in list(running.items()):
                if process.poll() is not None:
                    del running[task]
                    free.append(place)
                    _check(task, process.returncode)
                    on_done(task)


def _start(task: Task, place: Place) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", task.module, *task.arguments]
    files.make_folder(task.log.parent)
    with task.log.open("ab") as log:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            env={**os.environ, **kernel.environment(), **place},
        )  # fmt: skip


@contextmanager
def _ended(running: "Mapping[Task, tuple[subprocess.Popen[bytes], Place]]") -> Iterator[None]:
    """End what still runs, first politely."""
    try:
        yield
    finally:
        processes = [process for process, _ in running.values()]
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _check(task: Task, code: int) -> None:
    if code:
        lines = task.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        said = lines[-1].removeprefix("error: ") if lines else "it said nothing"
        how = f"was killed (signal {-code}; often: out of memory)" if code < 0 else f"failed: {said}"
        raise KitError(
            f"{task.title} {how}\n  its log: {task.log}\n  what is finished stays; once it is mended, give "
            "the same command again"
        )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip() not in ("", "-1")]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]
