"""Where the official files' tensors belong in our models, and which of them the original leaves out too."""

import re
from collections.abc import Iterable, Iterator, Mapping

import torch

from .configuration import MiniGPT4Config, MiniGPTv2Config

TOWER = "model.vision_tower."
PROJECTOR = "model.multi_modal_projector."

IGNORABLE: dict[str, str] = {
    r"visual_encoder\.(norm|fc_norm|head)\.(weight|bias)": (
        "EVA-CLIP's last norm and head, which the original's tower lacks (eva_vit.py)"
    ),
    r"(Qformer\.bert\.embeddings\.position_ids|llama_model\..*rotary_emb\.inv_freq)": (
        "a buffer, computed from the config"
    ),
    r"Qformer\.(cls\..*|bert\.embeddings\.(word|position)_embeddings\.weight"
    r"|bert\.encoder\.layer\.\d+\.(intermediate|output)\..*)": (
        "the Q-Former's text side, which the original removes (minigpt4.py)"
    ),
    r"(t5_proj|opt_proj|vision_proj|text_proj|itm_head)\..*|temp": "BLIP-2's own heads",
}
"""Keys that may be left out, by pattern, with the reason. Everything else unknown is an error."""

_LORA = re.compile(r"(?P<module>.+)\.lora_(?P<part>[AB])(\.default)?\.weight")
_LANGUAGE = re.compile(r"llama_model\.(base_model\.model\.)?(?P<rest>.+)")
_BLOCK = re.compile(r"visual_encoder\.blocks\.(\d+)\.")


def places(config: MiniGPTv2Config | MiniGPT4Config) -> dict[str, str]:
    """Official key -> ours, for everything but the language model.

    "...qkv.bias:q" and ":v" are the outer thirds of our one bias. Sources: eva_vit.py, minigpt_v2.py,
    minigpt4.py, Qformer.py in minigpt4/models; Qformer.py keeps BERT's names, as transformers nearly does.
    """
    found = {f"llama_proj.{kind}": f"{PROJECTOR}{kind}" for kind in ("weight", "bias")}
    found |= {f"ln_vision.{kind}": f"{TOWER}ln_vision.{kind}" for kind in ("weight", "bias")}
    found |= dict(_eva(config.vision_config.num_hidden_layers))
    if isinstance(config, MiniGPT4Config):
        found |= dict(_qformer(config.qformer_config))
    return found


def ignorable(key: str, n_blocks: int) -> str:
    """Why a key may be left out; "" if it may not."""
    block = _BLOCK.match(key)
    if block and int(block[1]) == n_blocks:
        return f"EVA-CLIP's last block: the original keeps {n_blocks} (create_eva_vit_g in eva_vit.py)"
    return next((reason for pattern, reason in IGNORABLE.items() if re.fullmatch(pattern, key)), "")


def lora_place(key: str) -> tuple[str, str] | None:
    """("model.layers.0.self_attn.q_proj", "A" or "B") for a LoRA weight as peft 0.2 and later name it."""
    place = _LANGUAGE.fullmatch(key)
    lora = place and _LORA.fullmatch(place["rest"])
    return (lora["module"], lora["part"]) if lora else None


def language_place(key: str) -> str:
    """The key in LlamaForCausalLM of a language model's weight (peft's wrapping taken off); "" for others."""
    place = _LANGUAGE.fullmatch(key)
    return place["rest"].replace(".base_layer.", ".") if place else ""


def our_language_key(key: str) -> str:
    """A key of LlamaForCausalLM in our models."""
    return re.sub(r"^model\.", "model.language_model.", key)


def join_biases(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Our weights, with query and value biases (width) joined around zeros: (3 * width)."""
    joined = {key: value for key, value in weights.items() if not key.endswith((":q", ":v"))}
    for key, query in weights.items():
        if key.endswith(":q"):
            name = key.removesuffix(":q")
            joined[name] = torch.cat([query, torch.zeros_like(query), weights[f"{name}:v"].to(query.dtype)])
    return joined


def interpolate_positions(table: torch.Tensor, n_patches: int) -> torch.Tensor:
    """A table of positions (1, 1 + old patches, width) for another grid: bicubic in float32, [CLS] kept.

    Source: interpolate_pos_embed in minigpt4/models/eva_vit.py. A table that fits comes back as it is.
    """
    old, new = round((table.shape[1] - 1) ** 0.5), round(n_patches**0.5)
    if old == new:
        return table
    cls, patches = table[:, :1].float(), table[:, 1:].float()
    grid = patches.reshape(1, old, old, -1).permute(0, 3, 1, 2)
    grid = torch.nn.functional.interpolate(grid, size=(new, new), mode="bicubic", align_corners=False)
    return torch.cat([cls, grid.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)


def summarise(keys: Iterable[str]) -> str:
    """All keys in a line: "blocks.{0-37,39}.norm1.weight" for those that differ in one number."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for key in keys:
        head, number, tail = (*re.split(r"(?<=\.)(\d+)(?=\.)", key, maxsplit=1), "", "")[:3]
        groups.setdefault((head, tail), []).extend([int(number)] if number else [])
    return ", ".join(
        f"{head}{_ranges(numbers)}{tail}" if numbers else head
        for (head, tail), numbers in sorted(groups.items())
    )


def _eva(n_blocks: int) -> Iterator[tuple[str, str]]:
    theirs, ours = "visual_encoder.", f"{TOWER}eva."
    yield f"{theirs}cls_token", f"{ours}embeddings.class_embedding"
    yield f"{theirs}pos_embed", f"{ours}embeddings.position_embedding"
    for kind in ("weight", "bias"):
        yield f"{theirs}patch_embed.proj.{kind}", f"{ours}embeddings.patch_embedding.{kind}"
    for number in range(n_blocks):
        block, layer = f"{theirs}blocks.{number}.", f"{ours}encoder.layers.{number}."
        yield f"{block}attn.qkv.weight", f"{layer}self_attn.qkv.weight"
        yield f"{block}attn.q_bias", f"{layer}self_attn.qkv.bias:q"
        yield f"{block}attn.v_bias", f"{layer}self_attn.qkv.bias:v"
        for kind in ("weight", "bias"):
            yield f"{block}attn.proj.{kind}", f"{layer}self_attn.projection.{kind}"
            for part in ("1", "2"):
                yield f"{block}norm{part}.{kind}", f"{layer}layer_norm{part}.{kind}"
                yield f"{block}mlp.fc{part}.{kind}", f"{layer}mlp.fc{part}.{kind}"


def _qformer(config: object) -> Iterator[tuple[str, str]]:
    ours = f"{TOWER}qformer."
    yield "query_tokens", f"{TOWER}query_tokens"
    for kind in ("weight", "bias"):
        yield f"Qformer.bert.embeddings.LayerNorm.{kind}", f"{ours}layernorm.{kind}"
        for number in range(config.num_hidden_layers):
            their_layer, layer = f"Qformer.bert.encoder.layer.{number}.", f"{ours}encoder.layer.{number}."
            crosses = number % config.cross_attention_frequency == 0
            for attention in ("attention", "crossattention") if crosses else ("attention",):
                for part in ("query", "key", "value"):
                    yield (
                        f"{their_layer}{attention}.self.{part}.{kind}",
                        f"{layer}{attention}.attention.{part}.{kind}",
                    )
            for part in (
                "attention.output",
                *(("crossattention.output",) if crosses else ()),
                "output_query",
            ):
                for module in ("dense", "LayerNorm"):
                    yield f"{their_layer}{part}.{module}.{kind}", f"{layer}{part}.{module}.{kind}"
            yield f"{their_layer}intermediate_query.dense.{kind}", f"{layer}intermediate_query.dense.{kind}"


def _ranges(numbers: list[int]) -> str:
    """{0-2,5} for 0, 1, 2, 5; a lone number stands without braces."""
    spans: list[list[int]] = []
    for number in sorted(set(numbers)):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    text = ",".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)
    return text if len(set(numbers)) == 1 else f"{{{text}}}"
