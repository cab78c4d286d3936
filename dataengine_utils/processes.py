"""More than one process: training and evaluation under `accelerate launch`, started from a notebook.

The notebook's process writes an order into a temporary folder and starts the workers, which are this module
run as a program (`python -m dataengine_utils.processes FOLDER`). One failed worker ends all, and its error is
raised here.
"""

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tqdm import tqdm

from . import PROJECT, files, kernel, models
from .errors import KitError
from .launching import command
from .models import Choice, OpenImage, seeded
from .records import Question

if TYPE_CHECKING:
    from .instruction_data import Example

BATCHES_A_REPORT = 32
"""A worker of an evaluation says how far it is after so many batches."""
_ORDER, _LOG, _PROGRESS = "order.pickle", "output.txt", "progress_{rank}.jsonl"
_LAST_WORDS = re.compile(r"^(?:\[rank\d+\]: )?([\w.]*(?:Error|Exception|Interrupt)\b.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Order:
    """What the workers are to do: the name of an act and its arguments."""

    act: Literal["train", "ask"]
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ParallelStudent:
    """A student in several processes, each with its own copy of the model; see `models.Student`.

    The questions are split by image, so that those of one image stay together; the answers come back in the
    questions' order. Every call starts the processes anew.
    """

    name: str
    n_processes: int
    options: Mapping[str, Any]

    def choose(
        self,
        questions: Sequence[Question],
        open_image: OpenImage,
        *,
        batch_size: int,
        by: Literal["text", "letter"] = "text",
    ) -> list[Choice]:
        """Rank each question's options; order kept."""
        return self._ask("choose", questions, open_image, batch_size=batch_size, by=by)

    def answer(
        self,
        questions: Sequence[Question],
        open_image: OpenImage,
        *,
        batch_size: int,
        max_new_tokens: int = 64,
        seed: int | None = None,
    ) -> list[str]:
        """Answer each question by greedy text, or with a `seed` by text drawn by chance; order kept."""
        options = {"batch_size": batch_size, "max_new_tokens": max_new_tokens}
        return self._ask("answer", questions, open_image, **options, **seeded(seed))

    def _ask(
        self, how: str, questions: Sequence[Question], open_image: OpenImage, **options: Any
    ) -> list[Any]:
        parts = split_by_image(questions, self.n_processes)
        order = Order("ask", {
            "student": self.name, "load": dict(self.options), "how": how, "options": options,
            "open_image": open_image, "parts": [[questions[place] for place in part] for part in parts],
        })  # fmt: skip
        with tqdm(total=len(questions), unit=" questions", leave=False, disable=None) as bar:
            results = run_order(order, self.n_processes, lambda line: bar.update(line["done"]))
        replies = {}
        for part, (made, unread) in zip(parts, results, strict=True):
            replies.update(zip(part, made, strict=True))
            if unread:  # an `open_image` that notes what it cannot read learns of the workers' notes
                open_image.failed.update(unread)
        return [replies[place] for place in range(len(questions))]


def split_by_image(questions: Sequence[Question], n: int) -> list[list[int]]:
    """The places of the questions in `n` parts of like size; questions of one image stay in one part."""
    groups: dict[str, list[int]] = {}
    for place, question in enumerate(questions):
        groups.setdefault(question.image or f"question {place}", []).append(place)
    parts: list[list[int]] = [[] for _ in range(n)]
    for group in sorted(groups.values(), key=len, reverse=True):
        min(parts, key=len).extend(group)
    return [sorted(part) for part in parts]


def train_in_processes(
    n_processes: int,
    student: str,
    examples: Sequence["Example"],
    *,
    on_log: Callable[[dict[str, Any]], None] | None,
    settings: Mapping[str, Any],
    **arguments: Any,
) -> dict[str, Any]:
    """`training.train` in `n_processes`, each with its share of every batch; returns its summary."""
    order = Order("train", {"student": student, "examples": list(examples), **arguments, **settings})
    return run_order(order, n_processes, on_log or (lambda line: None))[0]


def run_order(order: Order, n_processes: int, listener: Callable[[dict[str, Any]], None]) -> list[Any]:
    """What each worker returned, in their order; `listener` gets the lines of progress as they come.

    Raises `KitError` with the first worker's error when one fails.
    """
    with tempfile.TemporaryDirectory(prefix="dataengine_") as name:
        folder = Path(name)
        _write_order(order, folder)
        with open(folder / _LOG, "wb") as log:
            process = subprocess.Popen(
                command(__name__, folder, n_processes), stdout=log, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, start_new_session=True, env=_environment(folder),
            )  # fmt: skip
            try:
                _follow(process, folder, n_processes, listener)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        if process.returncode != 0:
            words = _first_error(folder, n_processes)
            raise KitError(f"{order.act} in {n_processes} processes failed: {words}")
        return [pickle.loads(_result(folder, rank).read_bytes()) for rank in range(n_processes)]


def _environment(folder: Path) -> dict[str, str]:
    """This process's environment; its modules, the user's own too, can be imported by the workers."""
    modules = os.pathsep.join([str(PROJECT), *filter(None, sys.path)])
    return {**os.environ, "PYTHONPATH": modules, "TMPDIR": str(folder)}


def _write_order(order: Order, folder: Path) -> None:
    try:
        (folder / _ORDER).write_bytes(pickle.dumps(order))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise KitError(
            f"several processes need what they call in importable modules ({error}); give open_image as a "
            "function of a module (or functools.partial of one), or set num_processes to 1"
        ) from error


def _follow(
    process: subprocess.Popen[bytes], folder: Path, n: int, listener: Callable[[dict[str, Any]], None]
) -> None:
    """Pass on each whole line of progress until the workers are done."""
    read = [0] * n
    running = True
    while running:
        running = process.poll() is None
        for rank in range(n):
            file = folder / _PROGRESS.format(rank=rank)
            lines = file.read_text(encoding="utf-8").split("\n")[read[rank] : -1] if file.exists() else []
            read[rank] += len(lines)
            for line in lines:
                listener(json.loads(line))
        if running:
            time.sleep(0.1)


def _first_error(folder: Path, n: int) -> str:
    """The first worker's own words, or the last error in what all have written."""
    told = [folder / f"error_{rank}.txt" for rank in range(n)]
    for file in sorted((file for file in told if file.exists()), key=lambda file: file.stat().st_mtime_ns):
        return file.read_text(encoding="utf-8")
    output = (folder / _LOG).read_text(encoding="utf-8", errors="replace")
    errors = [words for words in _LAST_WORDS.findall(output) if "ChildFailedError" not in words]
    if errors:
        return errors[0]
    signals = re.findall(r"\((SIG(?!TERM)[A-Z]+)\)", output)
    if signals:
        return f"a process was killed ({signals[0]}; often: out of memory); use fewer, or smaller batches"
    return output.strip()[-500:] or "it ended without a word"


def _result(folder: Path, rank: int) -> Path:
    return folder / f"result_{rank}.pickle"


def work(folder: Path, rank: int) -> None:
    """One worker: do the order in the folder, and leave the result or the error there."""
    order: Order = pickle.loads((folder / _ORDER).read_bytes())
    progress = folder / _PROGRESS.format(rank=rank)

    def report(line: dict[str, Any]) -> None:
        with progress.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    try:
        value = {"train": _train, "ask": _ask}[order.act](rank, report, **order.arguments)
    except KitError as error:
        files.write_whole(folder / f"error_{rank}.txt", str(error))
        sys.exit(1)
    _result(folder, rank).write_bytes(pickle.dumps(value))
    _leave()


def _leave() -> None:
    """End a worker that is done: together with the others, and without waiting for libraries' threads."""
    if "torch" in sys.modules:
        from torch import distributed

        if distributed.is_initialized():
            distributed.barrier()
            distributed.destroy_process_group()
    sys.stdout.flush()
    os._exit(0)  # gloo's threads may otherwise abort the interpreter on its way out


def _train(rank: int, report: Callable[[dict[str, Any]], None], **arguments: Any) -> dict[str, Any]:
    from .training import train

    return train(**arguments, on_log=None if rank else report)


def _ask(
    rank: int,
    report: Callable[[dict[str, Any]], None],
    *,
    student: str,
    load: dict[str, Any],
    how: str,
    options: dict[str, Any],
    open_image: OpenImage,
    parts: Sequence[Sequence[Question]],
) -> tuple[list[Any], dict[str, str]]:
    """The replies to one part of the questions, some batches at a time, and the images not read."""
    questions, step = parts[rank], BATCHES_A_REPORT * options["batch_size"]
    if not questions:
        return [], {}
    import torch

    device = f"cuda:{os.environ['LOCAL_RANK']}" if torch.cuda.is_available() else "cpu"
    ask = getattr(models.load(student, **load, device=device), how)
    replies: list[Any] = []
    for start in range(0, len(questions), step):
        replies += ask(questions[start : start + step], open_image, **options)
        report({"done": len(replies) - start})
    return replies, dict(getattr(open_image, "failed", {}))


if __name__ == "__main__":
    kernel.die_with(os.getppid())
    kernel.hush()
    from dataengine_utils.processes import work as work_importable  # not __main__'s: orders name this module

    work_importable(Path(sys.argv[1]), int(os.environ["RANK"]))
