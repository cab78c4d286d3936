"""Frozen vision features on disk: computed once, whatever the number of epochs, iterations and processes."""

import dataclasses
import hashlib
import json
import os
import pickle
import shutil
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from .. import models  # noqa: F401  (before torch: it sets what torch reads when imported)

# isort: split
import torch

from ..models import OpenImage
from ..models.checkpoint import fingerprint
from ..models.image_text import ImageTextStudent
from ..models.packing import Insert
from ..models.vision import Frozen, FrozenFeatures, Picture

_OLD = 3600.0  # seconds
_FRAME = 1 << 14  # bytes a file has beside the features, and more
_UNREADABLE = (OSError, EOFError, RuntimeError, ValueError, KeyError, TypeError, pickle.UnpicklingError)


class FeatureCache:
    """Pictures by image reference in the folder of one student and preprocessing; a file each, memory-mapped.

    A file appears whole under its name or not at all, and one that cannot be read counts as not there. The
    file of a picture on disk is not used for another state of it (size, time). At most `limit` bytes lie in
    the folder and its siblings, the caches of other students: those go first; then nothing more is kept.
    """

    def __init__(self, root: Path, student: str, *, limit: int, image_root: Path | None = None):
        self._folder = root / student
        self._image_root = Path(image_root or "")
        self._folder.mkdir(parents=True, exist_ok=True)
        for stray in self._folder.glob("*.tmp"):  # of a process that was killed; others may be at work
            if stray.stat().st_mtime < time.time() - _OLD:
                stray.unlink(missing_ok=True)
        others = [path for path in root.iterdir() if path != self._folder]
        own = _size(self._folder)
        self._room = limit - own - sum(map(_size, others))
        for other in others:
            if self._room <= 0:
                self._room += _size(other)
                shutil.rmtree(other, ignore_errors=True)

    def get(self, reference: str) -> Picture | None:
        """The picture, or None where there is none that can be used."""
        path = self._path(reference)
        if not path.exists():
            return None
        try:
            found = torch.load(path, mmap=True, weights_only=True)
            insert = Insert(**found.pop("insert"))
            return Picture(insert, tuple(found["states"]), tuple(found["size"]))
        except _UNREADABLE:
            path.unlink(missing_ok=True)
            return None

    def put(self, reference: str, picture: Picture) -> None:
        """Keep a picture, if there is room."""
        if picture.n_bytes() + _FRAME > self._room:
            return
        content = {
            "insert": dataclasses.asdict(picture.insert),
            "states": list(picture.states),
            "size": tuple(picture.size),
        }
        temporary = self._folder / f"{uuid.uuid4().hex}.tmp"
        try:
            torch.save(content, temporary)
            self._room -= temporary.stat().st_size
            os.replace(temporary, self._path(reference))
        except (OSError, RuntimeError):  # the disk is full: go on without
            self._room = 0
            temporary.unlink(missing_ok=True)

    def _path(self, reference: str) -> Path:
        """The file of a picture: a hash of its reference and, of a file on disk, of its size and time."""
        file = self._image_root / reference
        state = file.stat() if file.is_file() else None
        mark = (reference, state.st_size, state.st_mtime_ns) if state else (reference,)
        return self._folder / f"{hashlib.sha256(json.dumps(mark).encode()).hexdigest()[:32]}.pt"


class CachedFeatures:
    """A student's `FrozenFeatures` with a cache behind; `failed` are references that are not to be kept."""

    def __init__(self, features: FrozenFeatures, cache: FeatureCache, failed: dict[str, str]):
        self._features, self._cache, self._failed = features, cache, failed
        self.projector = features.projector

    def get(self, references: Sequence[str], open_image: OpenImage) -> list[Picture]:
        """The pictures in order, from the disk where they are there."""
        wanted = dict.fromkeys(references)
        known = {name: found for name in wanted if name and (found := self._cache.get(name))}
        new = [name for name in wanted if name not in known]
        for name, picture in zip(new, self._features.get(new, open_image), strict=True):
            known[name] = picture
            if name and name not in self._failed:
                self._cache.put(name, picture)
        return [known[name] for name in references]

    def join(self, pictures: Sequence[Picture]) -> Frozen:
        """The features of a batch of pictures."""
        return self._features.join(pictures)


def use_cache(
    learner: ImageTextStudent, folder: Path, limit: int, image_root: Path | None, failed: dict[str, str]
) -> None:
    """Have a student keep its features in `folder`, in at most `limit` bytes."""
    cache = FeatureCache(folder, _mark_of(learner), limit=limit, image_root=image_root)
    learner.features = CachedFeatures(learner.features, cache, failed)


def _mark_of(learner: ImageTextStudent) -> str:
    """What the features depend on: the student, its tower's precision, and the preprocessing."""
    preprocessing = learner.encoder.processor.image_processor.to_dict()
    parts = [learner.name, fingerprint(learner.name), str(learner.model.dtype), preprocessing]
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _size(folder: Path) -> int:
    files = folder.iterdir() if folder.is_dir() else [folder]
    return sum(path.stat().st_size for path in files if path.is_file())
