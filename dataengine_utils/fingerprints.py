"""When is a stage done? Its mark holds a fingerprint of all that went into it: settings, code, inputs."""

import hashlib
import importlib.util
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from . import files, models
from .artifacts import Run
from .errors import KitError
from .profiles import MAY_CHANGE, Profile
from .records import to_json
from .stages import Step

PACKAGE = Path(__file__).resolve().parent
# What only shows, orders the work, or built the shipped student once: changing it changes no artifact.
_VIEWS = {
    "ablation", "benchmarks/__main__", "checks", "commands", "contamination/__main__", "execution",
    "exports", "fingerprints", "gate/__main__", "gate/same_students", "grids", "images/__main__",
    "ipo/__main__", "kernel", "launching", "lineage", "live", "loop", "picturebook/build",
    "picturebook/study", "planner", "plots", "report", "stages", "status", "tables", "trackers", "warm",
    "widgets",
}
_TABLES = (".json", ".jsonl", ".tsv", ".csv", ".xlsx", ".txt")
_SMALL = 16 * 2**20  # bytes: of a data file over this, name, size and time are its mark, not the content
_NOT_SETTINGS = {"name", "iterations", *MAY_CHANGE}
Fingerprint = dict[str, Any]


@dataclass(frozen=True)
class Marks:
    """The two marks of a step: `started` while it is at work or was cut off, `done` written last of all."""

    step: Step

    @property
    def done(self) -> Path:
        return self.step.iteration.path / ".stages" / f"{self.step.stage.name}.json"

    @property
    def started(self) -> Path:
        return self.step.iteration.path / ".stages" / f"{self.step.stage.name}.started.json"


def fingerprint(run: Run, step: Step, notebooks: Path) -> Fingerprint:
    """Settings, data, student, code, notebook and inputs of a step, each as a short hash."""
    profile = {key: value for key, value in to_json(run.profile).items() if key not in _NOT_SETTINGS}
    return {
        "settings": _hash_json(profile),
        "data": _hash_data(data_files(run.profile)),
        "student": _hash_data(student_files(run.profile)),
        "code": hash_package(),
        "notebook": hash_notebook(notebooks / step.stage.notebook),
        "inputs": _hash_inputs(run, step),
    }


def why_not_done(run: Run, step: Step, notebooks: Path, *, keep_finished: bool = False) -> str:
    """Why the step has to run, in a few words; "" when it is done.

    With `keep_finished`, changed code and notebooks are no reason: what was made with the older code stays,
    also when that code did not mark all that this one does.
    """
    mark = _read_mark(Marks(step).done)
    if mark is None:
        return "cut off" if Marks(step).started.exists() else "to do"
    missing = [name for name in step.stage.outputs if not step.iteration.has(name)]
    if missing:
        return f"{missing[0]} is missing"
    now = fingerprint(run, step, notebooks)
    ignored = {"code", "notebook", *(now.keys() - mark.keys())} if keep_finished else set()
    changed = [part for part in now if part not in ignored and mark.get(part) != now[part]]
    return f"{' and '.join(changed)} changed" if changed else ""


def begin(run: Run, step: Step, notebooks: Path) -> Fingerprint:
    """Mark the step as started. Unfinished parts stay only if they were begun from the same fingerprint."""
    marks, now = Marks(step), fingerprint(run, step, notebooks)
    files.make_folder(marks.done.parent)
    for folder in (step.iteration.path, marks.done.parent):
        files.remove_strays(folder)
    if _read_mark(marks.started) != now:
        for name in step.stage.outputs:
            files.remove(step.iteration.part_of(name))
        files.write_whole(marks.started, files.document(now))
    files.remove(marks.done)
    return now


def finish(step: Step, begun: Fingerprint) -> None:
    """Mark the step as done: the last thing written, after all outputs are there."""
    missing = [name for name in step.stage.outputs if not step.iteration.has(name)]
    if missing:
        raise KitError(f"{step.title} ended without writing {', '.join(missing)}; the notebook must save it")
    files.write_whole(Marks(step).done, files.document(begun))
    files.remove(Marks(step).started)


@lru_cache(maxsize=1)
def hash_package() -> str:
    """The package's Python source, views left aside; read once a process."""
    sources = [path for path in _files_below(PACKAGE) if path.suffix == ".py"]
    return _hash_files(PACKAGE, [path for path in sources if not _is_view(path.relative_to(PACKAGE))])


def _is_view(path: Path) -> bool:
    name = path.with_suffix("").as_posix()
    return any(name == view or name.startswith(f"{view}/") for view in _VIEWS)


def hash_notebook(path: Path) -> str:
    """The cells' sources, kinds and tags: opening a page in JupyterLab or running it changes nothing here."""
    if not path.exists():
        return "missing"
    cells = files.read_object(path, dict).get("cells", [])
    return _hash_json([[cell["cell_type"], "".join(cell["source"]), cell["metadata"].get("tags", [])]
                       for cell in cells])


def hash_path(path: Path) -> str:
    """A file's or a folder's content; "missing" when there is none."""
    if path.is_dir():
        return _hash_files(path, _files_below(path))
    return _hash_files(path.parent, [path]) if path.is_file() else "missing"


def _hash_inputs(run: Run, step: Step) -> dict[str, str]:
    read = [(run.iteration(number), source.artifact) for source in step.stage.inputs
            for number in source.numbers(step.iteration.number)]
    return {f"{iteration.path.name}/{name}": hash_path(iteration.path_of(name)) for iteration, name in read}


def data_files(profile: Profile) -> list[Path]:
    """The user's own files that a run reads: questions, annotations, replay, the source of own classes."""
    images, annotations = profile.image_options.get("path"), profile.image_options.get("annotations")
    replay = profile.replay if profile.replay_samples else None
    named = [profile.benchmark_options.get("path"), profile.benchmark_options.get("types"), images, replay]
    if isinstance(images, str) and isinstance(annotations, str):
        named.append(str(Path(images, annotations)))
    own = [profile.student, profile.benchmark, profile.image_source, profile.teacher]
    found = [file for name in named if isinstance(name, str) for file in _tables(Path(name))]
    return list(dict.fromkeys([*found, *(file for name in own for file in _source_of(name))]))


def student_files(profile: Profile) -> list[Path]:
    """The files of a student that lies in a local folder, the shipped one too; none for a hub's."""
    folder = models.CHECKPOINTS.get(profile.student, Path(profile.student).expanduser())
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_file() and path.suffix != ".md")


def _tables(path: Path) -> list[Path]:
    """The file itself, or the tables that lie in the folder (pictures below it are not looked at)."""
    if path.is_dir():
        tables = [file for file in path.iterdir() if file.suffix in _TABLES]
        return sorted(file for file in tables if file.is_file())
    return [path] if path.is_file() else []


def _source_of(name: str) -> list[Path]:
    """The file of the module that "package.module:Class" names."""
    module, colon, _ = name.partition(":")
    try:
        spec = importlib.util.find_spec(module) if colon else None
    except (ImportError, ValueError):
        return []
    return [Path(spec.origin)] if spec and spec.origin and Path(spec.origin).is_file() else []


def _hash_data(paths: list[Path]) -> str:
    states = [(path, path.stat()) for path in paths]
    marks = [_mark_of(path, state.st_size, state.st_mtime_ns) for path, state in states]
    return _hash_json(marks) if marks else ""


@lru_cache(maxsize=1024)
def _mark_of(path: Path, size: int, time_ns: int) -> str:
    return _hash_files(path.parent, [path]) if size <= _SMALL else f"{path.name} {size} {time_ns}"


def _files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and ".ipynb_checkpoints" not in path.parts]


def _hash_files(folder: Path, paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:16]


def _hash_json(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _read_mark(path: Path) -> Fingerprint | None:
    return files.read_object(path, dict) if path.exists() else None
