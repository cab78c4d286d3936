"""`python -m tests.killed_training CHECKPOINT OUT STEP`: a training that kills itself with -9 at a step.

It keeps a checkpoint after every step; `settings()` are those of the same training uninterrupted.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from dataengine_utils.training import train
from tests.test_training import SETTINGS, make_examples, open_image


def settings(student: str, out_dir: Path) -> dict[str, Any]:
    """What `train` is called with, killed or not; dropout makes the random state matter."""
    return {
        "student": student, "examples": make_examples(24, ("short", "choice")), "open_image": open_image,
        "out_dir": out_dir, "seed": 3, "log_path": out_dir.with_suffix(".jsonl"),
        **SETTINGS, "lora_dropout": 0.1, "gradient_accumulation": 2,
    }  # fmt: skip


def main(student: str, out_dir: str, step: str) -> None:
    """Train until the step's line is logged."""

    def kill(line: dict[str, Any]) -> None:
        if line["step"] == int(step):
            os.kill(os.getpid(), signal.SIGKILL)

    train(**settings(student, Path(out_dir)), on_log=kill, checkpoint_minutes=1e-9)


if __name__ == "__main__":
    main(*sys.argv[1:])
