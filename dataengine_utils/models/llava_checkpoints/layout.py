"""Which tensor of LLaVA's layout is which of transformers', and a strict account of all of them.

Sources: haotian-liu/LLaVA, llava/model/builder.py (prefixes of `non_lora_trainables.bin`), llava_arch.py and
multimodal_projector/builder.py (names); transformers, models/llava/modeling_llava.py (names).
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import torch

from ...errors import KitError

TOWER = "model.vision_tower."
PROJECTOR = "model.multi_modal_projector."
LANGUAGE = "model.language_model."

_PEFT_PREFIX = re.compile(r"^(base_model\.model\.|model\.(?=model\.|lm_head\.))")
_LLAVA = (
    (re.compile(r"model\.mm_projector\.0\.(weight|bias)"), rf"{PROJECTOR}linear_1.\1"),
    (re.compile(r"model\.mm_projector\.2\.(weight|bias)"), rf"{PROJECTOR}linear_2.\1"),
    (re.compile(r"model\.vision_tower\.(?:vision_tower\.)?(?:vision_model\.)?(.+)"), rf"{TOWER}\1"),
    (re.compile(r"model\.((?:embed_tokens|layers|norm)\..+)"), rf"{LANGUAGE}\1"),
    (re.compile(r"(lm_head\.weight)"), r"\1"),
)
_CLIP_TOWER = re.compile(r"(?:vision_model\.)?((?:embeddings|encoder|pre_layrnorm|post_layernorm)\..+)")
_CLIP_TEXT = re.compile(r"text_model\..+|(?:text|visual)_projection\.weight|logit_scale")
_COMPUTED = re.compile(r".*(?:rotary_emb\.inv_freq|embeddings\.position_ids)")

COMPUTED = "computed from the config, not read"
CLIP_TEXT = "CLIP's text half, not needed"
ASKED = "left out as asked (--leave-out)"


def llava_name(name: str) -> str | None:
    """The transformers name of a tensor in LLaVA's layout, with or without peft's prefix; None if unknown."""
    name = _PEFT_PREFIX.sub("", name)
    for pattern, target in _LLAVA:
        if pattern.fullmatch(name):
            return pattern.sub(target, name)
    return None


def clip_name(name: str) -> str | None:
    """The transformers name, inside LLaVA, of a tensor of a CLIP checkpoint's vision half."""
    found = _CLIP_TOWER.fullmatch(name)
    return TOWER + found[1] if found else None


@dataclass
class Account:
    """Tensors by their transformers name, where each came from, and what was not taken and why."""

    leave_out: Sequence[str] = ()
    tensors: dict[str, torch.Tensor] = field(default_factory=dict)
    origin: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    unexpected: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)

    def take(
        self,
        weights: Mapping[str, torch.Tensor],
        where: str,
        rename: Callable[[str], str | None] = llava_name,
    ) -> None:
        """Sort all tensors of one source in; a later source replaces tensors of an earlier one."""
        for name, value in weights.items():
            reason, target = self._reason(name, rename is clip_name), rename(name)
            if reason:
                self.left_out.setdefault(reason, []).append(f"{where}: {name}")
            elif target is None or self.origin.get(target) == where:
                self.unexpected.append(f"{where}: {name}")
            else:
                if target in self.tensors:
                    self.replaced.append(f"{target}: {self.origin[target]} by {where}")
                self.tensors[target], self.origin[target] = value, where

    def check(self, shapes: Mapping[str, torch.Size], advice: str) -> None:
        """`KitError` unless the tensors are exactly those of the model, in its shapes."""
        strange = [f"{self.origin[name]}: {name}" for name in self.tensors if name not in shapes]
        missing = [name for name in shapes if name not in self.tensors]
        wrong = [
            f"{self.origin[name]}: {name} is {tuple(value.shape)}, not {tuple(shapes[name])}"
            for name, value in self.tensors.items()
            if name in shapes and value.shape != shapes[name]
        ]
        problems = [
            _list("of another shape than the checkpoint's config.json says", wrong),
            _list("missing", missing),
            _list("unexpected", [*self.unexpected, *strange]),
        ]
        if any(problems):
            raise KitError(
                f"the checkpoint does not make a whole LLaVA-1.5: {'; '.join(filter(None, problems))}. "
                f"{advice}"
            )

    def _reason(self, name: str, of_clip: bool) -> str:
        if _COMPUTED.fullmatch(name):
            return COMPUTED
        if of_clip and _CLIP_TEXT.fullmatch(name):
            return CLIP_TEXT
        return ASKED if any(fnmatchcase(name, pattern) for pattern in self.leave_out) else ""


def grouped(names: Iterable[str], layer: str = r"(?<=layers\.)\d+") -> list[str]:
    """All names, those that differ by the layer only (by what `layer` finds) as one, with their number."""
    count = Counter(re.sub(layer, "*", name) for name in names)
    return [f"{name} ({n}x)" if n > 1 else name for name, n in count.items()]


def _list(what: str, names: Sequence[str]) -> str:
    return f"{len(names)} tensors {what}: {', '.join(grouped(names))}" if names else ""
