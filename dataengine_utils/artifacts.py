"""What lies in a run's folder: the one place that knows file names, record types and who writes what."""

import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from . import PROJECT, __version__, files
from .errors import KitError, unknown_name
from .profiles import MAY_CHANGE, PROFILES, Profile, differences, load_profile
from .records import (
    Act,
    BadCase,
    Cluster,
    Decided,
    Decision,
    Generated,
    Prediction,
    Query,
    Sample,
    Template,
    Trial,
    TypeWeakness,
    from_json,
    to_json,
)

RUN_FILE = "run.json"
LEDGER_FILE = "ledger.sqlite"  # every request to the teacher and its reply
JUDGE_LEDGER_FILE = "judge_ledger.sqlite"  # those to the second teacher
HASHES_FILE = "picture_hashes.sqlite"  # of the pictures that samples may not repeat
_VERSIONED = ("accelerate", "bitsandbytes", "numpy", "papermill", "peft", "pillow", "torch", "transformers")


@dataclass(frozen=True)
class Artifact:
    """An artifact: its file, its record (`dict` for a free table), its form and its notebook."""

    file: str
    record: type
    form: Literal["lines", "list", "object", "folder"]
    writer: str


ARTIFACTS: dict[str, Artifact] = {
    "predictions_diagnose": Artifact("predictions_diagnose.jsonl", Prediction, "lines", "01_evaluate"),
    "predictions_sealed": Artifact("predictions_sealed.jsonl", Prediction, "lines", "01_evaluate"),
    "metrics": Artifact("metrics.json", dict, "object", "01_evaluate"),
    "weakness": Artifact("weakness.json", TypeWeakness, "list", "02_weakness"),
    "clusters": Artifact("clusters.json", Cluster, "list", "02_weakness"),
    "bad_cases": Artifact("bad_cases.jsonl", BadCase, "lines", "02_weakness"),
    "queries": Artifact("queries.jsonl", Query, "lines", "03_sampling"),
    "session": Artifact("session.jsonl", Act, "lines", "04_prompt_optimization"),
    "templates": Artifact("templates.json", Template, "list", "04_prompt_optimization"),
    "trials": Artifact("trials.jsonl", Trial, "lines", "04_prompt_optimization"),
    "template": Artifact("template.json", Template, "object", "04_prompt_optimization"),
    "decision": Artifact("decision.json", Decision, "object", "04_prompt_optimization"),
    "generated": Artifact("generated.jsonl", Generated, "lines", "05_generate"),
    "samples": Artifact("samples.json", Sample, "list", "05_generate"),
    "train_log": Artifact("train_log.jsonl", dict, "lines", "06_train"),
    "adapter": Artifact("adapter", Path, "folder", "06_train"),
    "predictions_candidate": Artifact("predictions_candidate.jsonl", Prediction, "lines", "06_train"),
    "gate": Artifact("gate.json", Decided, "object", "06_train"),
}

_TEXT: dict[str, Callable[[Any, type], str]] = {
    "lines": files.lines_text, "list": files.list_text, "object": files.object_text,
}
_READ: dict[str, Callable[[Path, type], Any]] = {
    "lines": files.read_lines, "list": files.read_list, "object": files.read_object,
    "folder": lambda path, kind: path,
}


@dataclass(frozen=True)
class Iteration:
    """One turn of the loop: the folder iter_NN and its artifacts. Iteration 0 measures the base student."""

    number: int
    path: Path

    def path_of(self, name: str) -> Path:
        """Where the artifact lies, whether it exists or not."""
        return self.path / _artifact(name).file

    def part_of(self, name: str) -> Path:
        """Where the artifact lies in the making: a folder to train into, or `append`'s lines so far."""
        return files.part_of(self.path_of(name))

    def has(self, name: str) -> bool:
        """Whether the artifact is there, which means: complete."""
        return self.path_of(name).exists()

    def load(self, name: str) -> Any:
        """The artifact's records (a list), its one record, its table (dict), or its folder (`Path`).

        Raises `KitError` with the notebook to run when it is missing, with file and line when unreadable.
        """
        artifact, path = _artifact(name), self.path_of(name)
        if not path.exists():
            raise KitError(f"{self.path.name} has no {artifact.file}; run notebook {artifact.writer} first "
                           f"(with ITERATION = {self.number})")
        return _READ[artifact.form](path, artifact.record)

    def save(self, name: str, value: Any) -> Path:
        """Write the artifact whole and return its path; for a folder, `value` is the finished one."""
        artifact, path = _artifact(name), self.path_of(name)
        files.make_folder(self.path)
        if artifact.form == "folder":
            files.move_folder(Path(value), path)
        else:
            files.write_whole(path, _TEXT[artifact.form](value, artifact.record))
        return path

    @contextmanager
    def append(self, name: str) -> Iterator[Callable[[Any], None]]:
        """Write an artifact of lines by the record: yields `write(record)`; it appears at the end.

        Each record goes to a `.part` file at once, so that a killed run goes on after `load_part(name)`.
        """
        artifact = _line_artifact(name)
        files.make_folder(self.path)
        with files.append_lines(self.path_of(name), artifact.record) as write:
            yield write

    def load_part(self, name: str) -> list[Any]:
        """The records that an unfinished `append` has written so far; empty when there are none."""
        return files.read_part(self.path_of(name), _line_artifact(name).record)


@dataclass(frozen=True)
class Run:
    """One experiment's folder: run.json with its settings, and a folder for each iteration.

    `source` names the profile (a built-in name or the path of its YAML file), `overrides` was laid over.
    """

    path: Path
    profile: Profile
    source: str
    overrides: dict[str, Any]

    def iteration(self, number: int) -> Iteration:
        """The iteration with this number, 0 or more; nothing is created before something is saved."""
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            raise KitError(f"iteration: expected a whole number from 0, got {number!r}")
        return Iteration(number, self.path / f"iter_{number:02d}")

    def previous(self, name: str, number: int, first: Any = None) -> Any:
        """The artifact of the iteration before `number`; `first` in iteration 0, which has none before it."""
        return self.iteration(number - 1).load(name) if number > 0 else first

    def gather(self, name: str, numbers: Iterable[int]) -> list[Any]:
        """The records of one artifact over several iterations; `KitError` when one is missing."""
        return [record for number in numbers for record in self.iteration(number).load(name)]

    def iterations(self) -> list[Iteration]:
        """The iterations that have a folder, in order."""
        numbers = sorted(int(path.name[5:]) for path in self.path.glob("iter_*") if path.name[5:].isdigit())
        return [self.iteration(number) for number in numbers]


def create_run(path: str | Path, profile: str | Path, *, overrides: Mapping[str, Any] | None = None) -> Run:
    """Make the folder and its run.json; `KitError` when it is there already or cannot be written."""
    path = Path(os.path.abspath(Path(path).expanduser()))
    settings = load_profile(profile, overrides)
    if (path / RUN_FILE).exists():
        raise KitError(f"run {str(path)!r} exists already; resume it, or choose another folder")
    files.make_folder(path)
    source = str(profile) if str(profile) in PROFILES else str(Path(profile).expanduser().resolve())
    changed = {key.partition(".")[0] for key in overrides or {}}
    understood = {key: value for key, value in to_json(settings).items() if key in changed}
    run = Run(path, settings, source, json.loads(json.dumps(understood)))
    files.write_whole(path / RUN_FILE, _run_file(run))
    return run


def open_run(path: str | Path, profile: str | Path | None = None,
             overrides: Mapping[str, Any] | None = None) -> Run:
    """Open the run in a folder, or make it when there is none and `profile` says of which kind.

    A `profile` or `overrides` other than those in run.json, and a run.json that was edited, raise `KitError`.
    """
    path = Path(os.path.abspath(Path(path).expanduser()))
    if not (path / RUN_FILE).exists():
        if profile is None:
            raise KitError(f"no run in {str(path)!r} (no {RUN_FILE}); start one: python -m "
                           f"dataengine_utils.loop run --profile picturebook --out {path}")
        return create_run(path, profile, overrides=overrides)
    run = _read_run_file(path)
    if profile is not None or overrides is not None:
        wanted = load_profile(profile or run.source, run.overrides if overrides is None else overrides)
        _check_same(run, wanted)
    return run


def change_run(path: str | Path, overrides: Mapping[str, Any]) -> Run:
    """Change settings of a run that began and return it; only `profiles.MAY_CHANGE`, others raise `KitError`.
    """
    run = open_run(path)
    fixed = [name for name in overrides if name not in MAY_CHANGE]
    if fixed:
        raise KitError(f"{fixed[0]!r} of a run that began cannot be changed; these can: "
                       f"{', '.join(MAY_CHANGE)}. For other settings start a new run in another folder")
    settings = load_profile(run.source, {**run.overrides, **overrides})
    understood = {name: getattr(settings, name) for name in overrides}
    changed = Run(run.path, settings, run.source, {**run.overrides, **understood})
    files.write_whole(run.path / RUN_FILE, _run_file(changed))
    return changed


def _check_same(run: Run, wanted: Profile) -> None:
    changed = differences(run.profile, wanted)
    if changed:
        shown = "; ".join(changed[:4]) + (f"; and {len(changed) - 4} more" if len(changed) > 4 else "")
        raise KitError(f"run {str(run.path)!r} has other settings (run / given): {shown}. "
                       "Give the same ones, or choose another folder for a new run")


def _run_file(run: Run) -> str:
    """The text of run.json. Its seal is a hash of the settings: a run is one experiment, not two."""
    content = {"profile": to_json(run.profile), "source": run.source, "overrides": run.overrides}
    return files.document({**content, "seal": _seal(content), "kit": __version__, "git_commit": _git_commit(),
                           "python": platform.python_version(), "versions": _versions()})


def _read_run_file(path: Path) -> Run:
    file = path / RUN_FILE
    content = files.read_object(file, dict)
    sealed = {key: content.get(key) for key in ("profile", "source", "overrides")}
    if content.get("seal") != _seal(sealed) or not isinstance(sealed["overrides"], dict):
        raise KitError(f"{file} was edited after the run began; put it back as it was, or start a new run in "
                       "another folder with the settings you want (--set FIELD=VALUE)")
    known = {field.name for field in fields(Profile)}
    if not set(sealed["profile"]) <= known:
        raise KitError(f"{file} was made by kit {content.get('kit')}, this is {__version__}; start a new run")
    return Run(path, from_json(Profile, sealed["profile"]), sealed["source"], sealed["overrides"])


def _seal(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in _VERSIONED if _installed(name)}


def _installed(name: str) -> bool:
    return any(True for _ in importlib.metadata.distributions(name=name))


def _git_commit() -> str:
    """The commit of the checkout the package lies in, "" when it lies in none."""
    if not (PROJECT / ".git").exists():
        return ""
    command = ["git", "rev-parse", "HEAD"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _artifact(name: str) -> Artifact:
    if name not in ARTIFACTS:
        raise unknown_name("artifact", name, list(ARTIFACTS))
    return ARTIFACTS[name]


def _line_artifact(name: str) -> Artifact:
    artifact = _artifact(name)
    if artifact.form != "lines":
        lines = ", ".join(key for key, value in ARTIFACTS.items() if value.form == "lines")
        raise KitError(f"artifact {name!r} is written whole, not line by line; line by line: {lines}")
    return artifact
