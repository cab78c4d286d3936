"""LLaVA's own checkpoints (liuhaotian/llava-v1.5-*) as folders that transformers and `models.load` read.

python -m dataengine_utils.models.llava_checkpoints convert --checkpoint DIR --base DIR --clip DIR --out DIR
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ... import files
from ...errors import KitError, unknown_name
from ..checkpoint import quiet
from ..export import free_name, new_folder
from .layout import TOWER, Account, clip_name, grouped
from .lora import CONFIG, OTHERS, Lora, read_lora, save_as_adapter
from .model import EMBEDDINGS, SHARD, add_rows, build, cast, n_bytes, shapes_of
from .parts import (
    check_tokens,
    has_tokenizer,
    llava_config,
    make_processor,
    read_llava_config,
    read_tokenizer,
    vision_config,
)
from .weights import read_tensors, read_weights, weight_files

REPORT = "conversion.json"
ADAPTER = "adapter"
PROJECTOR_FILE = "mm_projector.bin"
LORA = ("merge", "keep")
BRIEFLY = r"(?<=text_model\.).+|(?<=layers\.)\d+"
"""What is one line in the printed report: all of CLIP's text half, and a tensor of all layers."""
DTYPES = ("float16", "bfloat16", "float32")


@dataclass(frozen=True)
class Source:
    """The folders of a conversion; `form` is "lora", "full" or "projector" (a trained projector alone)."""

    form: str
    checkpoint: Path
    base: Path | None
    clip: Path | None


def convert(
    checkpoint: Path,
    out: Path,
    *,
    base: Path | None = None,
    clip: Path | None = None,
    lora: str = "merge",
    dtype: str | None = None,
    leave_out: Sequence[str] = (),
) -> dict[str, Any]:
    """Write LLaVA's `checkpoint` as a transformers folder `out`, and return the report that lies in it.

    A checkpoint is LoRA + `non_lora_trainables.bin`, or whole weights, or `mm_projector.bin` alone; the first
    and the last need the `base` (Vicuna). The CLIP tower comes from the checkpoint where it holds one, else
    from `clip`. `lora` is "merge" (in float32, rounded once) or "keep": `out` is then the base with the
    trained projector, and `out`/adapter an adapter for it. `dtype` defaults to the language model's own.
    `leave_out` are patterns of tensors' names. Raises `KitError`, and writes nothing, unless every tensor has
    its place and every place its tensor.
    """
    for name, value, known in (("way with the LoRA", lora, LORA), ("dtype", dtype or DTYPES[0], DTYPES)):
        if value not in known:
            raise unknown_name(name, value, known)
    free_name(out)
    source = _source(checkpoint, base, clip)
    raw = read_llava_config(checkpoint)
    account = Account(leave_out)
    _collect(source, account)
    config = llava_config(raw, vision_config(raw, clip), checkpoint)
    shapes = shapes_of(config)
    update = read_lora(checkpoint, account, shapes) if source.form == "lora" else None
    account.check(shapes, _advice(source, update))
    kind = getattr(torch, dtype) if dtype else account.tensors[EMBEDDINGS[0]].dtype
    report = _report(source, account, update, lora, kind)
    tokenizer = read_tokenizer(_tokenizer_folder(source))
    check_tokens(tokenizer)
    report |= add_rows(account.tensors, config, tokenizer)
    kept = update if lora == "keep" else None
    with new_folder(out, n_bytes(account.tensors, kind, kept)) as folder, quiet():
        if update is not None and kept is None:
            update.merge(account.tensors, kind)
        cast(account, kind)
        build(config, account.tensors).save_pretrained(str(folder), max_shard_size=SHARD)
        make_processor(tokenizer, config, raw, clip).save_pretrained(str(folder))
        if kept is not None:
            save_as_adapter(kept, account.tensors, folder / ADAPTER, folder, str(out))
        files.write_whole(folder / REPORT, files.document(report))
    return report


def describe(report: Mapping[str, Any], out: Path) -> str:
    """What a conversion did, for people: counts by file, everything left out or replaced, new rows."""
    lines = [f"{out}: LLaVA-1.5 in {report['dtype']} from the {report['form']} form"]
    lines += [f"  read      {n:>5} tensors from {where}" for where, n in report["read"].items()]
    if report["lora"]:
        lines.append(
            f"  LoRA      {report['lora']['layers']:>5} layers, r {report['lora']['r']}, trained on "
            f"{report['lora']['base'] or 'an unnamed base'}: {report['lora']['done']}"
        )
    for what in ("left_out", "replaced"):
        groups = report[what] if what == "left_out" else {"replaced": report[what]}
        lines += [f"  {why}: {', '.join(grouped(names, BRIEFLY))}" for why, names in groups.items() if names]
    lines.append(f"  tokens    {report['tokens']}, {report['rows_added']} embedding rows added")
    adapter = f", adapter={str(out / ADAPTER)!r}" if (report["lora"] or {}).get("done") == "kept" else ""
    return "\n".join([*lines, f"  load it: models.load({str(out)!r}{adapter})"])


def _source(checkpoint: Path, base: Path | None, clip: Path | None) -> Source:
    for flag, folder in (("--checkpoint", checkpoint), ("--base", base), ("--clip", clip)):
        if folder is not None and not folder.is_dir():
            raise KitError(
                f"{flag}: no folder {str(folder)!r}; fetch it: hf download OWNER/NAME --local-dir {folder}"
            )
    form = _form(checkpoint)
    if base is None and form != "full":
        raise KitError(
            f"{checkpoint} ({form} form) needs the language model it was trained on: --base DIR "
            "(hf download lmsys/vicuna-7b-v1.5 --local-dir DIR)"
        )
    return Source(form, checkpoint, base, clip)


def _form(checkpoint: Path) -> str:
    if (checkpoint / CONFIG).is_file():
        return "lora"
    if weight_files(checkpoint):
        return "full"
    if (checkpoint / PROJECTOR_FILE).is_file():
        return "projector"
    raise KitError(
        f"{checkpoint} holds no checkpoint of LLaVA's: expected {CONFIG} with {OTHERS}, or "
        f"pytorch_model*.bin or model*.safetensors, or {PROJECTOR_FILE}; download it again"
    )


def _collect(source: Source, account: Account) -> None:
    """All tensors but the LoRA's: the base's, the checkpoint's over them, then a tower if none was there."""
    if source.form == "full":
        account.take(read_weights(weight_files(source.checkpoint)), "checkpoint")
    else:
        account.take(_weights("--base", source.base), "base")
        extra = OTHERS if source.form == "lora" else PROJECTOR_FILE
        account.take(read_tensors(source.checkpoint / extra), extra)
    if not any(name.startswith(TOWER) for name in account.tensors):
        if source.clip is None:
            raise KitError(
                f"{source.checkpoint} holds no vision tower; give its folder: --clip DIR "
                "(hf download openai/clip-vit-large-patch14-336 --local-dir DIR)"
            )
        account.take(_weights("--clip", source.clip), "clip", rename=clip_name)


def _weights(flag: str, folder: Path) -> dict[str, torch.Tensor]:
    paths = weight_files(folder)
    if not paths:
        raise KitError(
            f"{flag}: no weights in {folder} (pytorch_model*.bin or model*.safetensors); download it again"
        )
    return read_weights(paths)


def _advice(source: Source, lora: Lora | None) -> str:
    trained_on = lora.base if lora else ""
    base = f"the base must be the one it was trained on ({trained_on or 'see its model card'})"
    return (
        f"Check the folders: {base if source.base and source.form != 'full' else 'an incomplete download?'}; "
        "tensors that are known to be of no use: --leave-out PATTERN"
    )


def _tokenizer_folder(source: Source) -> Path:
    """A whole checkpoint's own tokenizer; else the base's."""
    own = source.base is None or (source.form == "full" and has_tokenizer(source.checkpoint))
    return source.checkpoint if own else source.base


def _report(
    source: Source, account: Account, lora: Lora | None, way: str, kind: torch.dtype
) -> dict[str, Any]:
    origins = list(account.origin.values())
    folders = {name: str(value) for name, value in vars(source).items() if isinstance(value, Path)}
    done = {"merge": "merged", "keep": "kept"}[way]
    update = lora and {"layers": len(lora.pairs), "r": lora.r, "alpha": lora.alpha, "base": lora.base}
    return {
        "form": source.form,
        **folders,
        "dtype": str(kind).removeprefix("torch."),
        "read": {where: origins.count(where) for where in dict.fromkeys(origins)},
        "lora": update and {**update, "done": done},
        "left_out": account.left_out,
        "replaced": account.replaced,
    }
