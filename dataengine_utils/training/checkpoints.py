"""The checkpoints of a training: whole or never used, at most two, for the very same training only."""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__, files
from ..errors import KitError
from .recipe import SPEED_ONLY, Recipe

if TYPE_CHECKING:
    from ..instruction_data import Example

FOLDER = "checkpoints"
"""Where they lie in the adapter's folder while it is being trained."""
KEPT = 2
LOG_FILE = "log.jsonl"
_WHOLE = "whole.json"


@dataclasses.dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of the training with the mark `mark` in `folder`, and its log while it runs."""

    folder: Path
    mark: str

    @classmethod
    def of(cls, adapter: Path, mark: str) -> "Checkpoints":
        """Those in the folder of an adapter that is being trained."""
        return cls(adapter / FOLDER, mark)

    @property
    def log(self) -> Path:
        """The lines of the log so far, to be looked at while the training runs."""
        return self.folder / LOG_FILE

    def newest(self) -> Path | None:
        """The newest whole checkpoint of this training."""
        whole = [path for path in self._all() if self._is_whole(path)]
        return max(whole, key=_step_of, default=None)

    def clear(self) -> None:
        """Remove what is of another training or was cut off."""
        for path in self._all():
            if not self._is_whole(path):
                shutil.rmtree(path)

    def seal(self, path: Path, lines: Sequence[dict[str, Any]], failed: dict[str, str]) -> None:
        """Call a written checkpoint whole: the last act, after its log and the images left out so far."""
        text = "".join(json.dumps(line) + "\n" for line in lines)
        files.write_whole(path / LOG_FILE, text)
        files.sync_folder(path)
        files.write_whole(path / _WHOLE, files.document({"mark": self.mark, "failed": failed}))

    def read(self, path: Path) -> tuple[list[dict[str, Any]], dict[str, str]]:
        """The log and the images left out, as of a whole checkpoint."""
        return files.read_lines(path / LOG_FILE, dict), files.read_object(path / _WHOLE, dict)["failed"]

    def _all(self) -> list[Path]:
        return [path for path in self.folder.glob("checkpoint-*") if path.name[11:].isdigit()]

    def _is_whole(self, path: Path) -> bool:
        try:
            return files.read_object(path / _WHOLE, dict).get("mark") == self.mark
        except (OSError, KitError):
            return False


def _step_of(path: Path) -> int:
    return int(path.name[11:])


def mark_of(
    student: str, examples: Iterable["Example"], start: Path | None, recipe: Recipe, n_processes: int
) -> str:
    """A hash of all that decides what a training gives; two trainings with one mark are the same."""
    from ..fingerprints import hash_path
    from ..models.checkpoint import fingerprint

    settings = {name: value for name, value in vars(recipe).items() if name not in SPEED_ONLY}
    begun_from = hash_path(Path(start)) if start is not None else ""
    digest = hashlib.sha256()
    for part in (__version__, student, fingerprint(student), begun_from, settings, n_processes):
        digest.update(json.dumps(part, sort_keys=True).encode() + b"\n")
    for example in examples:
        digest.update(json.dumps(dataclasses.astuple(example)).encode() + b"\n")
    return digest.hexdigest()[:16]


def prepare_folder(folder: Path, checkpoints: Checkpoints) -> None:
    """Make the folder for an adapter ready; refuse one that holds anything but an older adapter."""
    has_adapter = (folder / "adapter_config.json").is_file()
    unfinished = folder.is_dir() and {path.name for path in folder.iterdir()} <= {FOLDER}
    if folder.exists() and not has_adapter and not unfinished:
        raise KitError(f"{folder} exists and holds no adapter; choose another folder for the adapter")
    for left in (files.part_of(folder), files.old_of(folder)):  # by a training that was killed
        shutil.rmtree(left, ignore_errors=True)
    if not folder.parent.is_dir():
        raise KitError(f"the folder {folder.parent} for the adapter does not exist; create it first")
    files.make_folder(checkpoints.folder)
    checkpoints.clear()


def check_disk(folder: Path, n_trained: int, *, keeps_checkpoints: bool) -> None:
    """Refuse a training whose adapter and checkpoints (weights and AdamW's two moments) would not fit."""
    copies = 1 + 3 * (KEPT + 1) * keeps_checkpoints  # the oldest goes when the newest is written
    needed, free = 4 * n_trained * copies, shutil.disk_usage(folder).free
    if needed > free:
        without = ", or set checkpoint_minutes to 0" if keeps_checkpoints else ""
        raise KitError(
            f"{folder.parent} has {free / 2**30:.1f} GiB free, this training needs {needed / 2**30:.1f} GiB "
            f"for its adapter and checkpoints; free the disk, choose another folder{without}"
        )
