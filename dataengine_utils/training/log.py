"""A training's log: one line a step for people, files and plots."""

import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

GIB = 2**30
LogLine = dict[str, Any]


class StepLog(TrainerCallback):
    """Turns Trainer's log events into lines, one a step, and keeps them for the summary.

    `seen[n]` is the number of examples trained on after n steps. A line holds step, epoch, loss (nats an
    answer token), lr (of the LoRA weights), and as measured samples_per_s, tokens_per_s (image tokens
    counted, padding not; this process's, times the processes) and peak_memory_gib (allocated on the GPU; on a
    CPU the process's).
    """

    def __init__(
        self,
        seen: Sequence[int],
        n_examples: int,
        paths: Sequence[Path] = (),
        listener: Callable[[LogLine], None] | None = None,
    ):
        self.lines: list[LogLine] = []
        self._seen, self._n_examples, self._paths, self._listener = seen, n_examples, paths, listener
        self._n_tokens = 0
        self._resumed_at = 0
        self._start = self._last = time.perf_counter()

    def restore(self, lines: Sequence[LogLine]) -> None:
        """Go on after the lines of an earlier, interrupted run; without any, begin."""
        self._resumed_at = lines[-1]["step"] if lines else 0
        for path in self._paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("", encoding="utf-8")
        for line in lines:
            self._write(line)

    def count(self, n_tokens: int) -> None:
        """Add the tokens of a batch to the current step's."""
        self._n_tokens += n_tokens

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock."""
        self._start = self._last = time.perf_counter()

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        """Write one line."""
        if not logs or "loss" not in logs:
            return
        now, step = time.perf_counter(), state.global_step
        seconds = max(now - self._last, 1e-9)
        line = {
            "step": step,
            "epoch": round(self._seen[step] / self._n_examples, 4),
            "loss": round(float(logs["loss"]), 6),
            "lr": float(logs["learning_rate"]),
            "samples_per_s": round((self._seen[step] - self._seen[step - 1]) / seconds, 1),
            "tokens_per_s": round(self._n_tokens * args.world_size / seconds, 1),
            "peak_memory_gib": round(peak_memory_gib(), 3),
        }
        self._last, self._n_tokens = now, 0
        self._write(line)

    def summary(self) -> dict[str, Any]:
        """What a notebook shows of a finished training; `seconds` counts the steps of this run alone."""
        seconds = time.perf_counter() - self._start
        samples = self._seen[-1] - self._seen[self._resumed_at]
        resumed = {"resumed_at_step": self._resumed_at} if self._resumed_at else {}
        return {
            "examples": self._n_examples,
            "steps": len(self._seen) - 1,
            **resumed,
            "first_loss": self.lines[0]["loss"],
            "last_loss": self.lines[-1]["loss"],
            "seconds": round(seconds, 1),
            "samples_per_s": round(samples / seconds, 1),
            "peak_memory_gib": round(peak_memory_gib(), 3),
        }

    def _write(self, line: LogLine) -> None:
        self.lines.append(line)
        for path in self._paths:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        if self._listener is not None:
            self._listener(line)


def peak_memory_gib() -> float:
    """The most memory so far: allocated on the GPU, or else of the whole process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / GIB
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / GIB if sys.platform == "darwin" else peak * 1024 / GIB
