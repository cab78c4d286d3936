"""The published rules of MiniGPT4-v2 and MiniGPT-4, written out step by step on official tensors.

Nothing here uses the package's models. Sources: eva_vit.py, Qformer.py, minigpt_v2.py, minigpt4.py,
minigpt_base.py, conversation.py and blip_processors.py of Vision-CAIR/MiniGPT-4.
"""

import math
import re

import numpy as np
import torch
from PIL import Image

from tests.minigpt4_files import ARCHITECTURE, BLOCKS, HEADS, PATCH, QUERY_HEADS, QUERY_LAYERS, WIDTH

SIDE = ARCHITECTURE["vision_config"]["image_size"]
TOKENS = 9  # a picture's, in v2
V1_SYSTEM = (
    "Give the following image: <Img>ImageContent</Img>. You will be able to see the image once I provide it "
    "to you. Please answer my questions."
)


def picture(seed: int = 0, size: tuple[int, int] = (50, 40)) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(values)


def plain_norm(state: dict[str, torch.Tensor], name: str, x: torch.Tensor, eps: float) -> torch.Tensor:
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / torch.sqrt((centred**2).mean(-1, keepdim=True) + eps)
    return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]


def plain_linear(state: dict[str, torch.Tensor], name: str, x: torch.Tensor) -> torch.Tensor:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def plain_gelu(x: torch.Tensor) -> torch.Tensor:
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def plain_attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, heads: int) -> torch.Tensor:
    """One head after the other: (tokens, width) each."""
    size = query.shape[-1] // heads
    out = []
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        scores = query[:, part] @ key[:, part].T / math.sqrt(size)
        out.append(torch.softmax(scores, dim=-1) @ value[:, part])
    return torch.cat(out, dim=-1)


def plain_cubic(old: int, new: int) -> torch.Tensor:
    """Weights (new, old) of cubic convolution (a = -0.75), corners not aligned, the border repeated."""
    weights = torch.zeros(new, old)
    for place in range(new):
        centre = (place + 0.5) * old / new - 0.5
        for neighbour in range(math.floor(centre) - 1, math.floor(centre) + 3):
            far = abs(centre - neighbour)
            near = 1.25 * far**3 - 2.25 * far**2 + 1
            weight = near if far <= 1 else -0.75 * (far**3 - 5 * far**2 + 8 * far - 4)
            weights[place, min(max(neighbour, 0), old - 1)] += weight
    return weights


def plain_positions(table: torch.Tensor, new: int) -> torch.Tensor:
    """(1, 1 + old * old, width) -> (1 + new * new, width), [CLS] as it was."""
    old = math.isqrt(table.shape[1] - 1)
    weights = plain_cubic(old, new)
    grid = table[0, 1:].reshape(old, old, -1)
    grid = torch.einsum("yi,xj,ijc->yxc", weights, weights, grid)
    return torch.cat([table[0, :1], grid.reshape(new * new, -1)])


def plain_tower(eva: dict[str, torch.Tensor], picture: torch.Tensor) -> torch.Tensor:
    """EVA-CLIP of one picture (3, side, side) -> (1 + patches, WIDTH), three blocks, no last norm."""
    side = picture.shape[-1] // PATCH
    rows = []
    for y in range(side):
        for x in range(side):
            square = picture[:, y * PATCH : (y + 1) * PATCH, x * PATCH : (x + 1) * PATCH]
            rows.append(
                (eva["patch_embed.proj.weight"] * square).sum((1, 2, 3)) + eva["patch_embed.proj.bias"]
            )
    states = torch.cat([eva["cls_token"][0], torch.stack(rows)]) + plain_positions(eva["pos_embed"], side)
    for number in range(BLOCKS):
        block = f"blocks.{number}"
        x = plain_norm(eva, f"{block}.norm1", states, 1e-6)
        to_query, to_key, to_value = eva[f"{block}.attn.qkv.weight"].split(WIDTH)
        query, value = (
            x @ to_query.T + eva[f"{block}.attn.q_bias"],
            x @ to_value.T + eva[f"{block}.attn.v_bias"],
        )
        mixed = plain_attention(query, x @ to_key.T, value, HEADS)
        states = states + plain_linear(eva, f"{block}.attn.proj", mixed)
        x = plain_gelu(plain_linear(eva, f"{block}.mlp.fc1", plain_norm(eva, f"{block}.norm2", states, 1e-6)))
        states = states + plain_linear(eva, f"{block}.mlp.fc2", x)
    return states


def plain_queries(state: dict[str, torch.Tensor], seen: torch.Tensor) -> torch.Tensor:
    """BLIP-2's Q-Former: the queries read `seen` (1 + patches, WIDTH) in every other layer."""
    states = plain_norm(state, "Qformer.bert.embeddings.LayerNorm", state["query_tokens"][0], 1e-12)
    for number in range(QUERY_LAYERS):
        layer = f"Qformer.bert.encoder.layer.{number}"
        for attention in ("attention", "crossattention")[: 2 - number % 2]:
            source = states if attention == "attention" else seen
            query, key, value = (
                plain_linear(state, f"{layer}.{attention}.self.{part}", x)
                for part, x in (("query", states), ("key", source), ("value", source))
            )
            mixed = plain_linear(
                state, f"{layer}.{attention}.output.dense", plain_attention(query, key, value, QUERY_HEADS)
            )
            states = plain_norm(state, f"{layer}.{attention}.output.LayerNorm", mixed + states, 1e-12)
        x = plain_gelu(plain_linear(state, f"{layer}.intermediate_query.dense", states))
        x = plain_linear(state, f"{layer}.output_query.dense", x)
        states = plain_norm(state, f"{layer}.output_query.LayerNorm", x + states, 1e-12)
    return states


def plain_pixels(image: Image.Image) -> torch.Tensor:
    """Blip2ImageEvalProcessor: bicubic to a square by Pillow, then CLIP's mean and deviation."""
    values = (
        np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC), dtype=np.float32)
        / 255
    )
    mean, deviation = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    return torch.from_numpy((values - np.float32(mean)) / np.float32(deviation)).permute(2, 0, 1)


def plain_features(official, name: str, pixels: torch.Tensor) -> torch.Tensor:
    """What the projector reads of one picture, from the official tensors."""
    seen = plain_tower(official.eva, pixels)
    if name == "v1":
        return plain_queries(official.qformer, plain_norm(official.qformer, "ln_vision", seen, 1e-5))
    seen = plain_norm(official.v2, "ln_vision", seen, 1e-5)
    return torch.stack(
        [torch.cat([seen[1 + 4 * token + patch] for patch in range(4)]) for token in range(TOKENS)]
    )


def plain_ids(tokenizer, text: str, bos: bool) -> list[int]:
    """One part of a prompt as old transformers' Llama tokenizer read it: "▁" before every stretch of text."""
    vocabulary = tokenizer.get_vocab()
    ids = [vocabulary["<s>"]] if bos else []
    for stretch in re.split("(<s>|</s>)", text):
        if stretch in ("<s>", "</s>"):
            ids.append(vocabulary[stretch])
        elif stretch:
            pieces = tokenizer.backend_tokenizer.model.tokenize("▁" + stretch.replace(" ", "▁"))
            ids += [piece.id for piece in pieces]
    return ids


def v2_prompt(question: str) -> str:
    return f"<s>[INST] <Img><ImageHere></Img> {question} [/INST]"


def v1_prompt(question: str) -> str:
    return f"{V1_SYSTEM}###Human: <Img><ImageHere></Img> {question}###Assistant: "


PROMPTS = {"v2": v2_prompt, "v1": v1_prompt}
