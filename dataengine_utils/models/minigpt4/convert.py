"""The official MiniGPT4-v2 or MiniGPT-4 files to one folder for `from_pretrained`, whole or not at all."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig

from ... import files
from ...errors import KitError, unknown_name
from ..checkpoint import quiet
from ..export import new_folder
from .configuration import IMAGE_PLACEHOLDER
from .lora import DEFAULT_ALPHA, LoraWeights, collect
from .matching import (
    Config,
    check_shapes,
    choose_config,
    count,
    empty_model,
    language_weights,
    match,
    vision_weights,
)
from .official_files import Official, gather, read_llama, read_llama_config
from .official_keys import PROJECTOR, our_language_key, summarise
from .processing import REPLY_MARKS, build_processor

LORA_FORMS = ("merge", "keep")
ADAPTER_DIR = "adapter"
REPORT_FILE = "conversion.json"


@dataclass(frozen=True)
class Conversion:
    """What was made of which files: tensors used by file, keys left out by reason, and what was filled in."""

    model_type: str
    image_size: int
    used: dict[str, int]
    ignored: dict[str, str]
    filled: list[str]
    lora: str

    def lines(self) -> list[str]:
        """The report for people."""
        return [
            f"{self.model_type}, {self.image_size} px",
            *(f"used {number} tensors of {name}" for name, number in self.used.items()),
            *(f"left out {keys}: {reason}" for reason, keys in self.ignored.items()),
            *self.filled,
            self.lora,
        ]


def convert(
    checkpoint: Path,
    llama: Path,
    eva: Path | None,
    out: Path,
    *,
    qformer: Path | None = None,
    lora: str = "merge",
    lora_alpha: float | None = None,
    image_size: int | None = None,
    architecture: Mapping[str, Any] | None = None,
    ignore: Iterable[str] = (),
) -> Conversion:
    """Write the model, its processor and `conversion.json` into the new folder `out`.

    `checkpoint` has the projector and, in v2, LoRA weights; `llama` is the language model's folder; `eva`
    is eva_vit_g.pth (None where the checkpoint has the tower too); `qformer` is BLIP-2's file for MiniGPT-4
    (v1). `lora` is "merge", or "keep" for a peft folder `out`/adapter, with the projector in it. `lora_alpha`
    is the checkpoint's own setting if it tells, else 16; so is `image_size`, else 448 (v2) or 224 (v1).
    `architecture` (vision_config, qformer_config, num_query_tokens) is for other sizes than the published
    ones. Every missing key, every unexpected one that is neither documented in `official_keys` nor matched by
    `ignore` (regular expressions), and every wrong shape raises `KitError`; so do unreadable files and a full
    disk.
    """
    if lora not in LORA_FORMS:
        raise unknown_name("treatment of LoRA weights", lora, LORA_FORMS)
    patterns = [_pattern(text) for text in ignore]
    _check_new(out)
    text_config = read_llama_config(llama)
    official = gather(checkpoint, eva, qformer)
    projector = official.tensors.get("llama_proj.weight")
    sizes = architecture or {}
    side = image_size or sizes.get("vision_config", {}).get("image_size") or _told(official, "image_size")
    config = choose_config(projector, text_config, side, sizes)
    matched = match(official.tensors, config, patterns)
    base = read_llama(llama, text_config)
    config.image_token_index = base.tokenizer.convert_tokens_to_ids(IMAGE_PLACEHOLDER)
    language = language_weights(base.weights, matched.tensors)
    alpha, told_by = _alpha(official, lora_alpha)
    adapter = collect(matched.tensors, language, alpha)
    if adapter is None and lora == "keep":
        raise KitError(f"{checkpoint.name} holds no LoRA weights to keep; run again with --lora merge")
    if adapter is not None and lora == "merge":
        language = adapter.merge_into(language)
    weights = vision_weights(matched.tensors, config)
    weights |= {our_language_key(key): value for key, value in language.items()}
    check_shapes(weights, config)
    conversion = Conversion(
        model_type=config.model_type,
        image_size=config.vision_config.image_size,
        used=count(official.files[key] for key in matched.tensors if key in official.files),
        ignored={reason: summarise(keys) for reason, keys in matched.ignored.items()},
        filled=matched.filled,
        lora=_lora_note(adapter, lora, told_by),
    )
    kept = adapter if lora == "keep" else None
    _write(out, config, weights, tokenizer=base.tokenizer, kept=kept, conversion=conversion)
    return conversion


def read_architecture(path: Path | None) -> dict[str, Any]:
    """The architecture from a JSON file, {} (the published one) without a file."""
    if path is None:
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise KitError(f"the architecture {str(path)!r} cannot be read: {error}") from error
    known = ("vision_config", "qformer_config", "num_query_tokens")
    for name in content:
        if name not in known:
            raise unknown_name("part of the architecture", name, known)
    return content


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise KitError(f"--ignore {text!r} is no regular expression: {error}") from error


def _alpha(official: Official, given: float | None) -> tuple[float, str]:
    """LoRA's alpha and who tells it."""
    told = _told(official, "lora_alpha") or _told(official, "llama_lora", "lora_alpha")
    if given is not None:
        return float(given), "--lora-alpha"
    if told:
        return float(told), "the checkpoint's config"
    return DEFAULT_ALPHA, "the original's default"


def _told(official: Official, *path: str) -> int | float | None:
    """A number among the settings of the model that the trainer wrote beside the weights, None without it."""
    found: Any = official.settings.get("model")
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None


def _lora_note(adapter: LoraWeights | None, form: str, told_by: str) -> str:
    if adapter is None:
        return "no LoRA weights"
    what = "merged into the language model" if form == "merge" else f"kept in {ADAPTER_DIR}/"
    return f"LoRA of rank {adapter.rank} and alpha {adapter.alpha:g} ({told_by}) {what}"


def _write(
    out: Path,
    config: Config,
    weights: Mapping[str, torch.Tensor],
    *,
    tokenizer: Any,
    kept: LoraWeights | None,
    conversion: Conversion,
) -> None:
    """The whole folder, or nothing."""
    projector = {key: value for key, value in weights.items() if key.startswith(PROJECTOR)}
    beside = [*projector.values(), *(value for pair in kept.pairs.values() for value in pair)] if kept else []
    n_bytes = sum(value.numel() * value.element_size() for value in [*weights.values(), *beside])
    with new_folder(out, n_bytes) as part:
        _write_model(part, config, weights, tokenizer)
        if kept:
            kept.save(part / ADAPTER_DIR, projector, part, str(out))
        (part / REPORT_FILE).write_text(files.document(asdict(conversion)), encoding="utf-8")


def _write_model(part: Path, config: Config, weights: Mapping[str, torch.Tensor], tokenizer: Any) -> None:
    """Weights in the precision of their files, configs, tokenizer and chat template."""
    model = empty_model(config)
    model.load_state_dict({key: value.contiguous() for key, value in weights.items()}, assign=True)
    ends = [tokenizer.eos_token_id]
    mark = tokenizer(REPLY_MARKS[config.model_type][1], add_special_tokens=False)["input_ids"]
    ends += mark if len(mark) == 1 and mark[0] not in ends else []
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=ends, pad_token_id=tokenizer.pad_token_id
    )
    with quiet():
        model.save_pretrained(part)
        build_processor(config, tokenizer).save_pretrained(part)


def _check_new(out: Path) -> None:
    if out.exists():
        raise KitError(f"{str(out)!r} exists already; choose another --out, or remove it first")
    if not out.absolute().parent.is_dir():
        raise KitError(f"the folder {str(out.absolute().parent)!r} for --out does not exist; create it first")
