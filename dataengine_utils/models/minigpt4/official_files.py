"""Reading the official files: .pth checkpoints by torch's restricted reader, and a folder of Llama."""

import pickle
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig

from ...errors import KitError
from ..checkpoint import quiet
from .processing import read_tokenizer

_UNREADABLE = (
    OSError, RuntimeError, ValueError, EOFError, LookupError, TypeError, AttributeError, struct.error,
    pickle.UnpicklingError,
)  # fmt: skip
"""What torch raises for a file that is cut off, damaged, or no checkpoint at all."""
_TOKENIZER = "tokenizer (tokenizer.json, or tokenizer.model with `pip install sentencepiece protobuf`)"


@dataclass(frozen=True)
class Official:
    """The official tensors by the names of the original's state dict, the file each is from, and settings.

    `settings` is what the original's trainer wrote beside the weights (its "config"), {} without it.
    """

    tensors: dict[str, torch.Tensor]
    files: dict[str, str]
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Llama:
    """A language model's config, its weights by the names of LlamaForCausalLM, and its tokenizer."""

    config: PreTrainedConfig
    weights: dict[str, torch.Tensor]
    tokenizer: Any


def gather(checkpoint: Path, eva: Path | None, qformer: Path | None) -> Official:
    """All files' tensors; where two files have one, the original's order of loading decides.

    The tower's file comes first, then BLIP-2's (v1), then the checkpoint; later ones win.
    """
    tensors: dict[str, torch.Tensor] = {}
    files: dict[str, str] = {}
    settings: Mapping[str, Any] = {}
    for path, prefix in ((eva, "visual_encoder."), (qformer, ""), (checkpoint, "")):
        if path is not None:
            found, settings = read_pth(path)
            tensors |= {prefix + key: value for key, value in found.items()}
            files |= {prefix + key: path.name for key in found}
    return Official(tensors, files, settings)


def read_pth(path: Path) -> tuple[dict[str, torch.Tensor], Mapping[str, Any]]:
    """The tensors of a .pth file ("model" inside it, or the file itself) and the "config" beside them."""
    if not path.is_file():
        raise KitError(f"no file {str(path)!r}; name one of the original's .pth files")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except _UNREADABLE as error:
        raise KitError(
            f"{str(path)!r} ({path.stat().st_size:,} bytes) cannot be read as a checkpoint "
            f"({type(error).__name__}: {next(iter(str(error).splitlines()), '')[:160]}); it is cut off or no "
            ".pth file of tensors and plain values: download it again"
        ) from error
    outer = content if isinstance(content, Mapping) else {}
    tensors = outer.get("model", outer)
    if not isinstance(tensors, Mapping) or not tensors or not all(map(torch.is_tensor, tensors.values())):
        raise KitError(
            f"{str(path)!r} holds no state dict (tensors by name, or such under 'model'); "
            "name the official .pth file"
        )
    settings = outer.get("config")
    return dict(tensors), settings if isinstance(settings, Mapping) else {}


def read_llama_config(folder: Path) -> PreTrainedConfig:
    """The config of the language model in a folder; `KitError` for another kind of folder."""
    if not (folder / "config.json").is_file():
        raise KitError(
            f"no config.json in {str(folder)!r}; --llama names a folder with Llama's (or Vicuna's) weights "
            "and tokenizer in the Hugging Face form"
        )
    config = _read(folder, "config", lambda: AutoConfig.from_pretrained(folder, local_files_only=True))
    if not hasattr(config, "vocab_size") or not hasattr(config, "hidden_size"):
        raise KitError(
            f"{str(folder)!r} holds a {config.model_type!r}, no language model; name Llama's folder"
        )
    config._name_or_path = ""  # a path of this machine does not belong in the result
    return config


def read_llama(folder: Path, config: PreTrainedConfig) -> Llama:
    """Weights (in their own precision) and tokenizer; `KitError` where something is missing or left over."""
    model, report = _read(
        folder,
        "weights",
        lambda: AutoModelForCausalLM.from_pretrained(
            folder, config=config, dtype="auto", local_files_only=True, output_loading_info=True
        ),
    )
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if report.get(kind):
            raise KitError(
                f"{str(folder)!r}: {kind.replace('_', ' ')} in the language model's weights: "
                f"{', '.join(sorted(map(str, report[kind])))[:400]}; download the folder again"
            )
    return Llama(config, model.state_dict(), _read(folder, _TOKENIZER, lambda: read_tokenizer(folder)))


def _read(folder: Path, what: str, read: Any) -> Any:
    from safetensors import SafetensorError

    with quiet():
        try:
            return read()
        except (*_UNREADABLE, ImportError, SafetensorError) as error:
            raise KitError(
                f"the language model's {what} in {str(folder)!r} cannot be read ({type(error).__name__}: "
                f"{next(iter(str(error).splitlines()), '')[:160]}); download the folder again"
            ) from error
