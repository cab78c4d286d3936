"""What a cell has done so far, and by which settings and code: a killed cell goes on from here."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import files
from ..artifacts import Run
from ..fingerprints import fingerprint, hash_path
from ..stages import Stage, Step

FILE = "cell.json"
_CODE = ("code", "cell")
_OWN = ("cell", "journal", "rounds", "matched")  # the modules here that decide what comes out of a cell
Facts = dict[str, Any]


@dataclass
class Journal:
    """The file cell.json of a run: a fingerprint, and the steps that are done with their seconds and facts.

    Only a step that is written here counts as done; files that it left before it was killed are written
    again.
    """

    run: Run
    fingerprint: dict[str, Any]
    steps: list[Facts]
    done: bool = False

    def step(self, number: int, name: str, act: Callable[[], Facts]) -> None:
        """Do a step of round `number`, unless it is done, and write down its seconds and facts."""
        if any((one["round"], one["step"]) == (number, name) for one in self.steps):
            return
        start = time.monotonic()
        facts = act()
        self.steps.append(
            {"round": number, "step": name, "seconds": round(time.monotonic() - start, 1), **facts}
        )
        self._write()

    def finish(self) -> None:
        """Call the cell done: the last thing written."""
        self.done = True
        self._write()

    @property
    def seconds(self) -> float:
        """The seconds of all steps so far."""
        return sum(one["seconds"] for one in self.steps)

    def _write(self) -> None:
        content = {"done": self.done, "fingerprint": self.fingerprint, "steps": self.steps}
        files.write_whole(self.run.path / FILE, files.document(content))


def read_journal(run: Run) -> Journal:
    """What is written of a run's cell; no steps where nothing is."""
    file = run.path / FILE
    if not file.exists():
        return Journal(run, {}, [])
    found = files.read_object(file, dict)
    return Journal(run, found["fingerprint"], found["steps"], found["done"])


def open_journal(run: Run, *, keep_finished: bool = False) -> Journal:
    """The journal to go on with; what other settings or code have made is removed first.

    With `keep_finished` changed code is no reason.
    """
    journal = read_journal(run)
    if not why_not_current(run, journal, keep_finished=keep_finished):
        return journal
    for path in (run.path / FILE, *run.path.glob("iter_*")):
        files.remove(path)
    return Journal(run, mark_of(run), [])


def why_not_current(run: Run, journal: Journal, *, keep_finished: bool = False) -> str:
    """Which parts of the fingerprint changed since the journal was begun; "" when none that counts did."""
    if not journal.fingerprint:
        return "to do"
    now, ignored = mark_of(run), _CODE if keep_finished else ()
    changed = [name for name in now if name not in ignored and journal.fingerprint.get(name) != now[name]]
    return f"{' and '.join(changed)} changed" if changed else ""


def mark_of(run: Run) -> dict[str, Any]:
    """Settings, data, student and code that decide what comes out of a cell, each as a short hash."""
    here = Path(__file__).parent
    found = fingerprint(run, Step(Stage("cell", ()), run.iteration(0)), here)
    own = {name: hash_path(here / f"{name}.py") for name in _OWN}
    return {**{name: found[name] for name in ("settings", "data", "student", "code")}, "cell": own}
