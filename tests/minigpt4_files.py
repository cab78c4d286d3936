"""Small random files in the layout of MiniGPT-4's official ones."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM, LlamaTokenizer

from dataengine_utils.models.minigpt4.convert import Conversion, convert

WIDTH, HEADS, MLP, BLOCKS, PATCH = 24, 2, 40, 3, 14
QUERY_WIDTH, QUERY_HEADS, QUERY_MLP, QUERY_LAYERS, QUERIES = 16, 2, 32, 3, 5
TEXT_WIDTH, RANK, ALPHA = 32, 4, 8
ARCHITECTURE = {
    "vision_config": {
        "hidden_size": WIDTH,
        "num_attention_heads": HEADS,
        "intermediate_size": MLP,
        "num_hidden_layers": BLOCKS,
        "image_size": 6 * PATCH,
    },
    "qformer_config": {
        "hidden_size": QUERY_WIDTH,
        "num_attention_heads": QUERY_HEADS,
        "intermediate_size": QUERY_MLP,
        "num_hidden_layers": QUERY_LAYERS,
    },
    "num_query_tokens": QUERIES,
}


def noise(*shape: int, scale: float = 0.3) -> torch.Tensor:
    return torch.randn(*shape) * scale


def linear(name: str, width_out: int, width_in: int) -> dict[str, torch.Tensor]:
    return {f"{name}.weight": noise(width_out, width_in), f"{name}.bias": noise(width_out)}


def norm(name: str, width: int) -> dict[str, torch.Tensor]:
    return {f"{name}.weight": 1 + noise(width), f"{name}.bias": noise(width)}


def eva_state(n_blocks: int = BLOCKS + 1, grid: int = 4) -> dict[str, torch.Tensor]:
    """The tower's file: a block more than is kept, the last norm and head, a small grid of positions."""
    state = {"cls_token": noise(1, 1, WIDTH), "pos_embed": noise(1, 1 + grid**2, WIDTH)}
    state |= {"patch_embed.proj.weight": noise(WIDTH, 3, PATCH, PATCH, scale=0.05)}
    state |= {"patch_embed.proj.bias": noise(WIDTH), **norm("norm", WIDTH), **linear("head", 8, WIDTH)}
    for number in range(n_blocks):
        block = f"blocks.{number}"
        state |= {f"{block}.attn.q_bias": noise(WIDTH), f"{block}.attn.v_bias": noise(WIDTH)}
        state |= {f"{block}.attn.qkv.weight": noise(3 * WIDTH, WIDTH)}
        state |= linear(f"{block}.attn.proj", WIDTH, WIDTH) | linear(f"{block}.mlp.fc1", MLP, WIDTH)
        state |= linear(f"{block}.mlp.fc2", WIDTH, MLP)
        state |= norm(f"{block}.norm1", WIDTH) | norm(f"{block}.norm2", WIDTH)
    return state


def qformer_state() -> dict[str, torch.Tensor]:
    """BLIP-2's file: the Q-Former with its unused text side, the queries, the layer norm, T5's projection."""
    bert = "Qformer.bert"
    state = {
        "query_tokens": noise(1, QUERIES, QUERY_WIDTH),
        **norm("ln_vision", WIDTH),
        **linear("t5_proj", 8, 8),
    }
    state |= norm(f"{bert}.embeddings.LayerNorm", QUERY_WIDTH)
    state |= {f"{bert}.embeddings.position_ids": torch.arange(8)[None]}
    state |= {
        f"{bert}.embeddings.word_embeddings.weight": noise(9, QUERY_WIDTH),
        "Qformer.cls.predictions.bias": noise(9),
    }
    for number in range(QUERY_LAYERS):
        layer = f"{bert}.encoder.layer.{number}"
        for attention in ("attention", "crossattention")[: 2 - number % 2]:
            source = QUERY_WIDTH if attention == "attention" else WIDTH
            state |= linear(f"{layer}.{attention}.self.query", QUERY_WIDTH, QUERY_WIDTH)
            state |= linear(f"{layer}.{attention}.self.key", QUERY_WIDTH, source)
            state |= linear(f"{layer}.{attention}.self.value", QUERY_WIDTH, source)
            state |= linear(f"{layer}.{attention}.output.dense", QUERY_WIDTH, QUERY_WIDTH)
            state |= norm(f"{layer}.{attention}.output.LayerNorm", QUERY_WIDTH)
        for side in ("", "_query"):
            state |= linear(f"{layer}.intermediate{side}.dense", QUERY_MLP, QUERY_WIDTH)
            state |= linear(f"{layer}.output{side}.dense", QUERY_WIDTH, QUERY_MLP)
            state |= norm(f"{layer}.output{side}.LayerNorm", QUERY_WIDTH)
    return state


def lora_state(layers: int = 2, default: str = ".default") -> dict[str, torch.Tensor]:
    """LoRA weights as peft names them in the original's model, and a buffer that old transformers saved."""
    state = {}
    for number in range(layers):
        attention = f"llama_model.base_model.model.model.layers.{number}.self_attn"
        for name in ("q_proj", "v_proj"):
            state[f"{attention}.{name}.lora_A{default}.weight"] = noise(RANK, TEXT_WIDTH)
            state[f"{attention}.{name}.lora_B{default}.weight"] = noise(TEXT_WIDTH, RANK)
        state[f"{attention}.rotary_emb.inv_freq"] = noise(4)
    return state


def build_llama(folder: Path) -> Path:
    """A folder with a random Llama and a tokenizer of Llama's kind: single signs, some words, all bytes."""
    signs = ["▁", *(chr(code) for code in range(33, 127)), "\n"]
    merges = [
        ("▁", "["),
        ("I", "N"),
        ("S", "T"),
        ("IN", "ST"),
        ("▁", "<"),
        ("#", "#"),
        ("##", "#"),
        ("▁", "a"),
    ]
    pieces = [
        "<unk>",
        "<s>",
        "</s>",
        *(f"<0x{code:02X}>" for code in range(256)),
        *signs,
        *map("".join, merges),
    ]
    tokenizer = LlamaTokenizer({piece: number for number, piece in enumerate(pieces)}, merges, legacy=False)
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(pieces),
        hidden_size=TEXT_WIDTH,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        initializer_range=0.3,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def write_official(folder: Path, seed: int) -> SimpleNamespace:
    """All files in `folder`, a trainer's settings beside v2's weights; the tensors by file."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        build_llama(folder / "llama")
        eva, qformer = eva_state(), qformer_state()
        v2 = {**linear("llama_proj", TEXT_WIDTH, 4 * WIDTH), **lora_state()}
        v1 = linear("llama_proj", TEXT_WIDTH, QUERY_WIDTH)
    settings = {"arch": "minigpt_v2", "lora_alpha": ALPHA}
    torch.save(eva, folder / "eva.pth")
    torch.save({"model": qformer}, folder / "qformer.pth")
    torch.save({"model": v1}, folder / "v1.pth")
    torch.save(
        {"model": v2, "config": {"model": settings}, "optimizer": {"state": {}}, "epoch": 3},
        folder / "v2.pth",
    )
    return SimpleNamespace(folder=folder, eva=eva, qformer=qformer, v2=v2, v1=v1)


def convert_official(official: SimpleNamespace, out: Path, kind: str = "v2", **options: Any) -> Conversion:
    """`convert` on the files, any of its arguments replaced by `options`."""
    folder = official.folder
    inputs = {"llama": folder / "llama", "eva": folder / "eva.pth", "architecture": ARCHITECTURE, **options}
    return convert(inputs.pop("checkpoint", folder / f"{kind}.pth"), out=out, **inputs)


def convert_both(folder: Path, seed: int) -> SimpleNamespace:
    """The official files, v2's with a layer norm of its own, and what becomes of them: `v2`, `v1`."""
    official = write_official(folder, seed)
    official.v2 |= norm("ln_vision", WIDTH)
    torch.save({"model": official.v2}, folder / "v2.pth")
    convert_official(official, folder / "v2")
    convert_official(official, folder / "v1", "v1", qformer=folder / "qformer.pth")
    return official
