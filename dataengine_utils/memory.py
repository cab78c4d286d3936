"""What a training holds in GPU memory, predicted from the student's config alone: formulas, no weights.

Counted are the tensors that live at the fullest moments of a step, for decoder layers of Llama's form
(RMSNorm, rotary attention by PyTorch's scaled dot product, gated MLP) with LoRA by peft; other forms of layer
are close to it. `python -m tests.bench.memory` compares the formulas with what PyTorch allocates.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from . import models  # noqa: F401  (before torch: it sets what torch reads when imported)

# isort: split
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText

from .models.checkpoint import quiet
from .models.families import Structure

GIB = 2**30
NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)
"""A weight in NF4: half a byte, a byte of scale for 64 weights, and for 256 scales one of float32."""
ADAM_BYTES = 8
"""AdamW's two moments of a trained weight, in float32."""
LOGIT_BYTES = 4
"""A number for every answer token and word of the vocabulary, in float32: a logit's log-softmax."""
TOWER_COPIES = 21
"""Hidden states that a vision tower holds at once, without gradients: 12 to 21, by the tower."""
WIDE_BYTES = {2: 6, 4: 0}
"""Bytes alive for a moment of each number that the MLP's last layer reads: in bfloat16 a copy in float32."""
RESERVED_GIB = 1.0
"""CUDA's own context, and the kernels' work space."""
FRAGMENTATION = 0.08
"""Share of the activations that PyTorch's allocator cannot use."""


@dataclass(frozen=True)
class PictureLoad:
    """What a picture costs: `tokens` in the language model (its marks with it), `patches` in the tower."""

    tokens: int
    patches: int


@dataclass(frozen=True)
class Shape:
    """Of a student: its language model's sizes, and the number of weights of each kind.

    `queries` is the width of all heads together, `norms` that of all normalised inputs of a layer. `linear`
    counts the language model's linear layers, which NF4 makes small, `other` all the rest;
    `projector` the weights of all projectors, `projected` the widths that they keep of one row, of which a
    picture has `projected_rows`. `lora_ends` is the sum of input and output widths of the layers that take
    LoRA, `largest` the weights of the largest of them.
    """

    hidden: int
    intermediate: int
    queries: int
    heads: int
    norms: int
    layers: int
    vocabulary: int
    picture: PictureLoad
    tower_hidden: int
    linear: int
    other: int
    projector: int
    projected: int
    projected_rows: int
    lora_ends: int
    n_lora: int
    largest: int


@dataclass(frozen=True)
class Load:
    """What one process trains at once: `rows` sequences of `tokens` tokens with `answers` scored tokens.

    `width` is the bytes of a number the model computes with (2 for bfloat16, 4 for float32), `mask` those of
    a number's place in a dropout mask (a CPU keeps the mask as float32). With `accumulating` the gradients of
    earlier micro-batches are there from the start.
    """

    rows: int
    tokens: int
    answers: int
    lora_r: int
    dropout: bool
    width: int = 2
    mask: int = 1
    checkpointing: bool = False
    accumulating: bool = False


@dataclass(frozen=True)
class Memory:
    """Gibibytes by what they are for; `activations` are the step's fullest moment, its gradients with it."""

    weights: float
    adapter: float
    optimiser: float
    activations: float
    reserved: float

    @property
    def total(self) -> float:
        """All together."""
        return self.weights + self.adapter + self.optimiser + self.activations + self.reserved


def picture_load(processor: Any, config: Any, size: tuple[int, int]) -> PictureLoad:
    """What a picture of `size` (width, height) in pixels becomes, by the student's own processor.

    Families differ in this (one square, tiles with line ends, grids by pixels, tiles named by row and
    column); the processor knows, so a blank picture is asked for instead of a formula a family.
    """
    made = processor(
        images=[[Image.new("RGB", size)]],
        text=[processor.image_token],
        add_special_tokens=False,
        images_kwargs={"return_tensors": "pt"},
    )
    (ids,), pixels = made["input_ids"], made["pixel_values"]
    n_tokens = len(ids) - (ids[0] == processor.tokenizer.bos_token_id)  # MiniGPT's processor sets it always
    if pixels.ndim == 2:  # Qwen's processors have cut the patches out already
        return PictureLoad(n_tokens, len(pixels))
    side = config.vision_config.patch_size
    side = side if isinstance(side, int) else side[0]
    channels, height, width = pixels.shape[-3:]
    n_tiles = pixels.numel() // (channels * height * width)
    return PictureLoad(n_tokens, n_tiles * (height // side) * (width // side))


def shape_of(config: Any, structure: Structure, targets: str, picture: PictureLoad) -> Shape:
    """Count a student's weights on the meta device, where they take no memory."""
    with torch.device("meta"), quiet():
        model = AutoModelForImageTextToText.from_config(config)
    linear = list(_linear_layers(model, structure.language_model))
    wanted = targets.replace(" ", "").split(",")
    with_lora = [
        layer for name, layer in linear if targets == "all-linear" or name.rpartition(".")[2] in wanted
    ]
    text, vision = config.get_text_config(), config.vision_config
    head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    queries = head * text.num_attention_heads
    keys = head * (getattr(text, "num_key_value_heads", None) or text.num_attention_heads)
    n_linear = sum(layer.weight.numel() for _, layer in linear)
    return Shape(
        hidden=text.hidden_size,
        intermediate=text.intermediate_size,
        queries=queries,
        heads=text.num_attention_heads,
        norms=2 * text.hidden_size + (queries + keys) * _normalises_queries(model, structure.language_model),
        layers=text.num_hidden_layers,
        vocabulary=text.vocab_size,
        picture=picture,
        tower_hidden=vision.hidden_size,
        linear=n_linear,
        other=sum(value.numel() for value in model.parameters()) - n_linear,
        **_projector_sizes(model, structure, picture),
        lora_ends=sum(layer.in_features + layer.out_features for layer in with_lora),
        n_lora=len(with_lora),
        largest=max((layer.weight.numel() for _, layer in linear), default=0),
    )


def _projector_sizes(model: torch.nn.Module, structure: Structure, picture: PictureLoad) -> dict[str, int]:
    """`Shape`'s three numbers of all projectors; those in a list, as Qwen3-VL's deeper ones, count each."""
    modules = [
        module
        for path in structure.projectors
        for found in (model.get_submodule(path),)
        for module in (found if isinstance(found, torch.nn.ModuleList) else [found])
    ]
    layers = [[layer for layer in one.modules() if isinstance(layer, torch.nn.Linear)] for one in modules]
    read = layers[0][0].in_features
    return {
        "projector": sum(value.numel() for one in modules for value in one.parameters()),
        "projected": sum(map(_read_widths, layers)),
        "projected_rows": _projected_rows(picture, read, model.config.vision_config.hidden_size),
    }


def _read_widths(layers: list[torch.nn.Linear]) -> int:
    """Widths that linear layers and the functions between them read of a row; what the last gives is not."""
    return sum(layer.in_features + layer.out_features for layer in layers) - layers[-1].out_features


def _projected_rows(picture: PictureLoad, read: int, tower: int) -> int:
    """Rows that a projector reads of a picture: `read` numbers each, of one patch or several together."""
    return picture.tokens if read % tower else picture.patches * tower // read


def _linear_layers(model: torch.nn.Module, path: str) -> Iterator[tuple[str, torch.nn.Linear]]:
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and name.startswith(f"{path}."):
            yield name, module


def _normalises_queries(model: torch.nn.Module, path: str) -> bool:
    """Whether queries and keys have norms of their own, as in Qwen3."""
    return any(name.endswith(".q_norm") for name, _ in model.get_submodule(path).named_modules())


def trained_weights(shape: Shape, lora_r: int, *, projector: bool) -> int:
    """The number of weights that are trained: LoRA's two matrices a layer, and the projectors."""
    return lora_r * shape.lora_ends + shape.projector * projector


def layer_bytes(shape: Shape, load: Load) -> float:
    """What autograd keeps of one decoder layer, without checkpointing."""
    tokens, width = load.rows * load.tokens, load.width
    norms = 4 * shape.norms  # the input in float32
    attention = 4 * width * shape.queries + 4 * shape.heads  # queries, keys and values for all heads, result
    mlp = 3 * width * shape.intermediate  # gate, its silu, and what it is multiplied with
    mask = load.rows * load.tokens**2 * width
    return tokens * (norms + attention + mlp + _lora_bytes(shape, load)) + mask


def _lora_bytes(shape: Shape, load: Load) -> float:
    """What LoRA keeps a token of one layer: its inputs, the masks of their dropout, its middle."""
    n_lora = shape.n_lora / shape.layers
    share = min(1.0, n_lora / 7)
    wide = 5 * shape.hidden + shape.queries + shape.intermediate  # inputs of q, k, v, gate, up; o; down
    shared = 2 * shape.hidden + shape.intermediate  # without those that are kept or read more than once
    inputs = load.width * (wide if load.dropout or load.width == 2 else shared)
    masks = load.mask * wide * load.dropout
    return share * (inputs + masks) + n_lora * load.lora_r * load.width


def kept_bytes(shape: Shape, load: Load) -> float:
    """What autograd keeps between the forward and the backward pass."""
    tokens = load.rows * load.tokens
    layer = tokens * shape.hidden * load.width if load.checkpointing else layer_bytes(shape, load)
    images = load.rows * shape.projected_rows * shape.projected * load.width
    last_norm = 4 * tokens * shape.hidden
    return shape.layers * layer + images + last_norm + _logit_bytes(shape, load)


def _logit_bytes(shape: Shape, load: Load) -> float:
    return LOGIT_BYTES * load.rows * load.answers * shape.vocabulary


def passing_bytes(shape: Shape, load: Load) -> float:
    """What is alive for a moment around the widest linear layer, beside what autograd keeps of it.

    In bfloat16, LoRA reads its input in float32, and once more after dropout.
    """
    wide = WIDE_BYTES[load.width] + 4 * load.dropout
    return load.rows * load.tokens * (wide * shape.intermediate + 5 * load.width * shape.hidden)


def activation_bytes(shape: Shape, load: Load, n_trained: int = 0) -> float:
    """The fullest of three moments: the loss, the first layer of the backward pass, and its last layer.

    Gradients of the `n_trained` weights grow while activations go; LoRA's matrices are computed with as
    copies in the model's type, which autograd keeps.
    """
    kept, passing = kept_bytes(shape, load), passing_bytes(shape, load)
    copies = load.width * n_trained * (load.width == 2)
    gradients = 4 * n_trained
    logits = _logit_bytes(shape, load)
    again = layer_bytes(shape, load) if load.checkpointing else 0
    copies_again = copies / shape.layers if load.checkpointing else copies
    before = gradients * load.accumulating
    loss = before + kept + copies + 2 * logits  # the log-softmax, and its gradient on both sides
    first = before + kept - logits + copies_again + passing + again
    rest = 1 / shape.layers
    last = gradients * (1 - rest) + rest * (kept + copies) + passing + again
    return max(loss, first, last)


def memory_of(shape: Shape, load: Load, *, quantise: str, projector: bool, parts: int = 1) -> Memory:
    """The whole training on one GPU; `parts` is the number of GPUs that the language model is divided on."""
    base = NF4_BYTES if quantise == "nf4" else load.width
    n_trained = trained_weights(shape, load.lora_r, projector=False) / parts + shape.projector * projector
    unpacked = load.width * shape.largest * (quantise == "nf4")  # one layer at a time is made whole
    tower = load.rows * shape.picture.patches * shape.tower_hidden * load.width * TOWER_COPIES
    activations = max(activation_bytes(shape, load, n_trained) + unpacked, tower)
    return Memory(
        weights=(shape.linear * base / parts + shape.other * load.width) / GIB,
        adapter=4 * n_trained / GIB,
        optimiser=ADAM_BYTES * n_trained / GIB,
        activations=activations * (1 + FRAGMENTATION) / GIB,
        reserved=RESERVED_GIB,
    )
