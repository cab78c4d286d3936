"""The converted model: its shapes, rows for the new tokens, one precision, and the module that is saved."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from transformers import LlavaConfig, LlavaForConditionalGeneration

from ...errors import KitError
from ..checkpoint import quiet
from .layout import LANGUAGE, Account
from .lora import Lora
from .parts import IMAGE, VOCABULARY_STEP

SHARD = "5GB"
EMBEDDINGS = (f"{LANGUAGE}embed_tokens.weight", "lm_head.weight")


def shapes_of(config: LlavaConfig) -> dict[str, torch.Size]:
    """The name and shape of every tensor of the model."""
    with torch.device("meta"), quiet():
        model = LlavaForConditionalGeneration(config)
    return {name: value.shape for name, value in model.state_dict().items()}


def add_rows(tensors: dict[str, torch.Tensor], config: LlavaConfig, tokenizer: Any) -> dict[str, Any]:
    """Embedding rows for the new tokens, and up to a multiple of 64; changes `config` to match.

    New rows are the mean of the others: a mean logit is never above the largest, so no greedy answer changes.
    """
    rows = tensors[EMBEDDINGS[0]].shape[0]
    new = [tokenizer.convert_tokens_to_ids(IMAGE), tokenizer.pad_token_id]
    known = len(tokenizer) - sum(token >= rows for token in new)
    if known > rows:
        raise KitError(
            f"the tokenizer has {known} tokens, the model {rows} embedding rows; give the tokenizer the "
            "model was trained with, in the checkpoint's or the base's folder"
        )
    wanted = math.ceil(max(rows, len(tokenizer)) / VOCABULARY_STEP) * VOCABULARY_STEP
    for name in EMBEDDINGS:
        old = tensors[name]
        mean = old.float().mean(dim=0, keepdim=True).to(old.dtype)
        tensors[name] = torch.cat([old, mean.expand(wanted - rows, -1)])
    config.image_token_index, config.pad_token_id = new
    config.text_config.vocab_size, config.text_config.pad_token_id = wanted, new[1]
    return {"tokens": dict(zip((IMAGE, tokenizer.pad_token), new, strict=True)), "rows_added": wanted - rows}


def cast(account: Account, kind: torch.dtype) -> None:
    """All tensors in one precision; `KitError` for a value that is not finite in it."""
    for name, value in account.tensors.items():
        account.tensors[name] = value.to(kind)
        if not torch.isfinite(account.tensors[name]).all():
            raise KitError(
                f"{account.origin[name]}: {name} holds NaN or values beyond {str(kind)[6:]}; choose another "
                "--dtype (bfloat16 has float32's range), or download the checkpoint again"
            )


def n_bytes(tensors: Mapping[str, torch.Tensor], kind: torch.dtype, lora: Lora | None) -> int:
    """The size of what will be written: the model in `kind`, and a LoRA that is kept in float32."""
    pairs = [value for pair in lora.pairs.values() for value in pair] if lora else []
    model = sum(value.numel() for value in tensors.values())
    return kind.itemsize * model + 4 * sum(value.numel() for value in pairs)


def build(config: LlavaConfig, tensors: dict[str, torch.Tensor]) -> LlavaForConditionalGeneration:
    """The model around the tensors; buffers that are computed anyway are not in it."""
    config.dtype = tensors[EMBEDDINGS[0]].dtype
    with torch.device("meta"):
        model = LlavaForConditionalGeneration(config)
    model.load_state_dict(tensors, strict=True, assign=True)
    return model
