"""An OpenAI-compatible server on this machine, for tests and for trying the kit without a key.

It speaks real HTTP from a process of its own, answers from the facts in the prompt, has the faults and keeps
the limits that it is told (see `Plan`), and counts what it served. By hand: `python -m tests.openai_server`.
"""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from .model import Served, answered
from .plan import FAULTS, PASSING, Plan, plan_json

__all__ = ["FAULTS", "PASSING", "Plan", "Served", "Server", "answered"]

PROJECT = Path(__file__).resolve().parents[2]


class Server:
    """The server in a process of its own, which ends with `close` or the with-block."""

    def __init__(self, plan: Plan | None = None):
        command = [sys.executable, "-m", "tests.openai_server", "--port", "0", "--while-stdin-is-open"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen(command, cwd=PROJECT, **pipes)
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            raise RuntimeError(f"{' '.join(command)} ended with code {self._process.wait()}")
        self.plan(plan or Plan())

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def plan(self, plan: Plan) -> None:
        """Behave like this from now on, and forget all that was served."""
        self._control("plan", json.dumps(plan_json(plan)).encode())

    def log(self, start: int = 0) -> list[Served]:
        """What arrived, in order, from that number on."""
        return [Served(*rest, usage=tuple(usage)) for *rest, usage in self._control(f"log?from={start}")]

    def calls(self) -> int:
        """How many requests of any kind came, those for models, files and batches too."""
        return self._control("calls")

    def stats(self) -> dict[str, Any]:
        """Everything that was counted, in numbers (see `Model.stats`)."""
        return self._control("stats")

    def close(self) -> None:
        """End the process."""
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _control(self, what: str, body: bytes | None = None) -> Any:
        address = f"{self.url.removesuffix('/v1')}/control/{what}"
        with urllib.request.urlopen(urllib.request.Request(address, body), timeout=30) as reply:
            return json.load(reply)
