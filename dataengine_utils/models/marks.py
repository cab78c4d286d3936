"""A short mark of a checkpoint's content, to tell it from every other of its architecture."""

import contextlib
import hashlib
from pathlib import Path
from typing import Any

import torch

from . import checkpoint_of
from .families import FAMILIES

_PROJECTORS = {
    path.rpartition(".")[2] for family in FAMILIES.values() for path in family.structure.projectors
}


def fingerprint(name: str) -> str:
    """The hash of a local checkpoint's config, of its projectors, and of a row of every other weight.

    "" for hub names. Cheap at any size, the same however the weights are split over files, and different for
    two trainings of one architecture, also where only a projector or merged LoRA weights differ.
    """
    from safetensors import safe_open

    folder = Path(checkpoint_of(name))
    files = sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
    if not files:
        return ""
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(safe_open(file, framework="pt")) for file in files]
        holders = {key: file for file in opened for key in file.keys()}  # noqa: SIM118 it is no dict
        for key, file in sorted(holders.items()):
            digest.update(key.encode())
            digest.update(_sample(file, key).view(torch.uint8).numpy().data)  # NumPy has no bfloat16
    return digest.hexdigest()[:16]


def _sample(file: Any, key: str) -> torch.Tensor:
    """All of a projector's weight, the middle row of another."""
    rows = file.get_slice(key)
    shape = rows.get_shape()
    if not shape or _PROJECTORS.intersection(key.split(".")):
        return file.get_tensor(key).reshape(-1)
    return rows[shape[0] // 2 : shape[0] // 2 + 1].reshape(-1).contiguous()
