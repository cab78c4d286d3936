"""What a training holds in GPU memory, predicted from the student's config alone: formulas, no weights.

Counted are the tensors that autograd keeps for a decoder layer of Llama's form (RMSNorm, rotary attention by
PyTorch's scaled dot product, gated MLP) with LoRA by peft; other forms of layer are close to it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from . import models  # noqa: F401  (before torch: it sets what torch reads when imported)

# isort: split
import torch
from transformers import AutoModelForImageTextToText

from .models.checkpoint import quiet

GIB = 2**30
NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)
"""A weight in NF4: half a byte, a byte of scale for 64 weights, and for 256 scales one of float32."""
ADAM_BYTES = 8
"""AdamW's two moments of a trained weight, in float32."""
LOGIT_BYTES = 12
"""A logit of an answer token beside its log-softmax: as computed, in float32, and its gradients."""
TOWER_COPIES = 16
"""Hidden states that a vision tower's layer holds at once, without gradients: the MLP's are four wide."""
RESERVED_GIB = 1.0
"""CUDA's own context, and the kernels' work space."""
FRAGMENTATION = 0.08
"""Share of the activations that PyTorch's allocator cannot use."""


@dataclass(frozen=True)
class Shape:
    """Of a student: its language model's sizes, and the number of weights of each kind.

    `linear` counts the language model's linear layers, which NF4 makes small, `other` all the rest;
    `lora_ends` is the sum of input and output widths of the layers that take LoRA, `largest` the weights of
    the largest of them.
    """

    hidden: int
    intermediate: int
    keys: int
    heads: int
    layers: int
    vocabulary: int
    image_tokens: int
    tower_hidden: int
    linear: int
    other: int
    projector: int
    lora_ends: int
    n_lora: int
    largest: int


@dataclass(frozen=True)
class Load:
    """What one process trains at once: `rows` sequences of `tokens` tokens with `answers` scored tokens.

    `width` is the bytes of a number the model computes with (2 for bfloat16, 4 for float32), `mask` those of
    a number's place in a dropout mask (a CPU keeps the mask as float32).
    """

    rows: int
    tokens: int
    answers: int
    lora_r: int
    dropout: bool
    width: int = 2
    mask: int = 1
    checkpointing: bool = False


@dataclass(frozen=True)
class Memory:
    """Gibibytes by what they are for."""

    weights: float
    adapter: float
    optimiser: float
    activations: float
    reserved: float

    @property
    def total(self) -> float:
        """All together."""
        return self.weights + self.adapter + self.optimiser + self.activations + self.reserved


def shape_of(
    config: Any, language_model: str, projector: str, targets: str, image_tokens: int | None = None
) -> Shape:
    """Count a student's weights on the meta device, where they take no memory."""
    with torch.device("meta"), quiet():
        model = AutoModelForImageTextToText.from_config(config)
    linear = list(_linear_layers(model, language_model))
    wanted = targets.replace(" ", "").split(",")
    with_lora = [
        layer for name, layer in linear if targets == "all-linear" or name.rpartition(".")[2] in wanted
    ]
    text, vision = config.get_text_config(), getattr(config, "vision_config", None)
    head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    n_linear = sum(layer.weight.numel() for _, layer in linear)
    return Shape(
        hidden=text.hidden_size,
        intermediate=text.intermediate_size,
        keys=head * (getattr(text, "num_key_value_heads", None) or text.num_attention_heads),
        heads=text.num_attention_heads,
        layers=text.num_hidden_layers,
        vocabulary=text.vocab_size,
        image_tokens=image_tokens or getattr(config, "image_seq_length", None) or 1024,
        tower_hidden=getattr(vision, "hidden_size", text.hidden_size),
        linear=n_linear,
        other=sum(value.numel() for value in model.parameters()) - n_linear,
        projector=sum(value.numel() for value in model.get_submodule(projector).parameters()),
        lora_ends=sum(layer.in_features + layer.out_features for layer in with_lora),
        n_lora=len(with_lora),
        largest=max((layer.weight.numel() for _, layer in linear), default=0),
    )


def _linear_layers(model: torch.nn.Module, path: str) -> Iterator[tuple[str, torch.nn.Linear]]:
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and name.startswith(f"{path}."):
            yield name, module


def trained_weights(shape: Shape, lora_r: int, *, projector: bool) -> int:
    """The number of weights that are trained: LoRA's two matrices a layer, and the projector."""
    return lora_r * shape.lora_ends + shape.projector * projector


def layer_bytes(shape: Shape, load: Load) -> float:
    """What autograd keeps of one decoder layer, without checkpointing."""
    tokens, width = load.rows * load.tokens, load.width
    norms = 2 * 4 * shape.hidden  # the input in float32
    attention = width * (2 * shape.hidden + 2 * shape.keys)  # queries, keys, values, result
    mlp = 3 * width * shape.intermediate  # gate, its silu, and what it is multiplied with
    mask = load.rows * load.tokens**2 * width
    return tokens * (norms + attention + mlp + _lora_bytes(shape, load)) + mask


def _lora_bytes(shape: Shape, load: Load) -> float:
    """What LoRA keeps a token of one layer: its inputs, the masks of their dropout, its middle."""
    n_lora = shape.n_lora / shape.layers
    share = min(1.0, n_lora / 7)
    wide = 6 * shape.hidden + shape.intermediate  # inputs of q, k, v, o, gate, up and down
    shared = 3 * shape.hidden + shape.intermediate  # those that are not one tensor used twice
    inputs = load.width * (wide if load.dropout or load.width == 2 else shared)
    masks = load.mask * wide * load.dropout
    return share * (inputs + masks) + n_lora * load.lora_r * load.width


def kept_bytes(shape: Shape, load: Load) -> float:
    """What autograd keeps between the forward and the backward pass."""
    tokens = load.rows * load.tokens
    layer = tokens * shape.hidden * load.width if load.checkpointing else layer_bytes(shape, load)
    images = 3 * load.rows * shape.image_tokens * shape.hidden * load.width  # in the projector
    last_norm = 4 * tokens * shape.hidden
    logits = 4 * load.rows * load.answers * shape.vocabulary
    return shape.layers * layer + images + last_norm + logits


def activation_bytes(shape: Shape, load: Load) -> float:
    """What is kept, and on top at the peak: logits, the gradients on their way, a recomputed layer."""
    tokens = load.rows * load.tokens
    passing = tokens * load.width * (3 * shape.intermediate + 4 * shape.hidden)
    again = layer_bytes(shape, load) if load.checkpointing else 0
    logits = load.rows * load.answers * shape.vocabulary * LOGIT_BYTES
    return kept_bytes(shape, load) + max(passing + again, logits)


def memory_of(shape: Shape, load: Load, *, quantise: str, projector: bool, parts: int = 1) -> Memory:
    """The whole training on one GPU; `parts` is the number of GPUs that the language model is divided on."""
    base = NF4_BYTES if quantise == "nf4" else load.width
    n_trained = trained_weights(shape, load.lora_r, projector=False) / parts + shape.projector * projector
    unpacked = 2 * load.width * shape.largest * (quantise == "nf4")  # one layer at a time is made whole
    tower = load.rows * shape.image_tokens * shape.tower_hidden * load.width * TOWER_COPIES
    activations = max(activation_bytes(shape, load), tower) + unpacked
    return Memory(
        weights=(shape.linear * base / parts + shape.other * load.width) / GIB,
        adapter=2 * 4 * n_trained / GIB,  # with its gradients
        optimiser=ADAM_BYTES * n_trained / GIB,
        activations=activations * (1 + FRAGMENTATION) / GIB,
        reserved=RESERVED_GIB,
    )
