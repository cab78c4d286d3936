"""Reading the weight files of a folder: one file or shards, `.bin` or `.safetensors`, mapped from disk."""

import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from ...errors import KitError

SINGLE = ("model.safetensors", "pytorch_model.bin")
SHARDS = ("model-*-of-*.safetensors", "pytorch_model-*-of-*.bin")


def weight_files(folder: Path) -> list[Path]:
    """The model's weight files in a folder, by index, as one file, or as numbered shards; [] without any.

    Safetensors go before `.bin` where a folder holds both. Raises `KitError` when shards are missing.
    """
    for single, shards in zip(SINGLE, SHARDS, strict=True):
        index = folder / f"{single}.index.json"
        if index.is_file():
            return _indexed(index)
        if (folder / single).is_file():
            return [folder / single]
        found = sorted(folder.glob(shards))
        if found:
            return _complete(found)
    return []


def read_weights(paths: list[Path]) -> dict[str, torch.Tensor]:
    """All tensors of some files by name; a name in two files raises `KitError`."""
    tensors: dict[str, torch.Tensor] = {}
    for path in paths:
        more = read_tensors(path)
        twice = sorted(tensors.keys() & more.keys())
        if twice:
            raise KitError(
                f"{path}: {len(twice)} tensors are in another shard too ({', '.join(twice[:3])}); "
                "the folder mixes two checkpoints, download it again"
            )
        tensors |= more
    return tensors


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of one file, on the CPU; nothing but tensors is unpickled.

    They stay on the disk until used, except those of `.bin` files in torch's form before 1.6.
    """
    if not path.is_file():
        raise KitError(f"no file {path}; download the checkpoint again")
    try:
        if path.suffix == ".safetensors":
            found: Any = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (OSError, EOFError, RuntimeError, ValueError, pickle.UnpicklingError, SafetensorError) as error:
        reason = next(iter(str(error).splitlines()), "")[:160]
        raise KitError(
            f"{path} is not a whole weight file ({type(error).__name__}: {reason}); download it again, or "
            "check that it is no text file of git-lfs"
        ) from error
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise KitError(
            f"{path} holds {type(found).__name__}, not tensors by name; it is another kind of file"
        )
    return found


def read_json(path: Path, what: str) -> dict[str, Any]:
    """One JSON object; `what` says in an error what the file should have been."""
    if not path.is_file():
        raise KitError(f"no {what}: {path} is missing; check the folder, or download it again")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise KitError(f"{path} is not a {what} ({error}); download it again") from error
    if not isinstance(found, dict):
        raise KitError(f"{path} is not a {what}: a JSON object was expected, it holds {type(found).__name__}")
    return found


def _indexed(index: Path) -> list[Path]:
    shards = read_json(index, "index of shards").get("weight_map")
    if not isinstance(shards, dict) or not all(isinstance(name, str) for name in shards.values()):
        raise KitError(f"{index} has no weight_map of file names; download it again")
    return _existing([index.parent / name for name in sorted(set(shards.values()))])


def _complete(found: list[Path]) -> list[Path]:
    """Numbered shards without an index: the last number of a name says how many there should be."""
    head, number, total = found[0].stem.rsplit("-", 3)[0], *_numbers(found[0])
    names = [
        f"{head}-{place:0{len(number)}d}-of-{total}{found[0].suffix}" for place in range(1, int(total) + 1)
    ]
    return _existing([found[0].parent / name for name in names])


def _numbers(path: Path) -> tuple[str, str]:
    _, number, _, total = path.stem.rsplit("-", 3)
    if not (number.isdigit() and total.isdigit()):
        raise KitError(
            f"{path} has no shard number; expected a name such as {path.parent}/model-00001-of-00002"
        )
    return number, total


def _existing(paths: list[Path]) -> list[Path]:
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise KitError(
            f"{paths[0].parent}: {len(missing)} of {len(paths)} shards are missing "
            f"({', '.join(missing[:4])}); download the checkpoint again"
        )
    return paths
