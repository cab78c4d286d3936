"""The two students at full size with random weights, from their real configs, and tiny ones for tests."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dataengine_utils import models  # noqa: F401  (before torch: it sets what torch reads when imported)

# isort: split
import torch
from transformers import (
    AutoModelForImageTextToText,
    CLIPVisionConfig,
    LlamaConfig,
    LlamaTokenizer,
    LlavaConfig,
    LlavaProcessor,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from dataengine_utils.models.checkpoint import quiet
from dataengine_utils.models.export import new_folder
from dataengine_utils.models.minigpt4 import MiniGPTv2Config
from dataengine_utils.models.minigpt4.processing import build_processor, read_tokenizer
from dataengine_utils.models.wording import FAMILIES, full_prompt, prompt
from tests.bench.small_llava import make_questions
from tests.minigpt4_files import build_llama
from tests.tiny import CHAT_TEMPLATE, CORPUS, build_tokenizer

Sizes = dict[str, Any]
VOCABULARY = 1000
"""Of the tokenizers, which are trained on the bench's own texts, so that a word is about a token as in the
real ones; the models keep their own."""
SHARD = "4GB"


@dataclass(frozen=True)
class Recipe:
    """How to build a student: its profile (LoRA, micro-batch), its parts, and sizes other than the real ones.

    `text` and `vision` are laid over the published sizes of language model and tower.
    """

    name: str
    profile: str
    parts: Callable[[Sizes, Sizes], tuple[Any, Any]]
    text: Sizes = field(default_factory=dict)
    vision: Sizes = field(default_factory=dict)


def llava15(text: Sizes, vision: Sizes) -> tuple[Any, Any]:
    """Config and processor of llava-hf/llava-1.5-7b-hf, but for its tokenizer."""
    tokenizer = build_tokenizer().train_new_from_iterator(texts("llava"), VOCABULARY, show_progress=False)
    tower = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
             "num_attention_heads": 16, "image_size": 336, "patch_size": 14, "projection_dim": 768,
             **vision}  # fmt: skip
    llama = {"vocab_size": 32064, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
             "num_attention_heads": 32, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
             "pad_token_id": tokenizer.pad_token_id, "bos_token_id": tokenizer.bos_token_id,
             "eos_token_id": tokenizer.eos_token_id, **text}  # fmt: skip
    side, patch = tower["image_size"], tower["patch_size"]
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**tower),
        text_config=LlamaConfig(**llama),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=(side // patch) ** 2,
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
    )
    processor = LlavaProcessor(
        CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side}),
        tokenizer,
        patch_size=patch,
        vision_feature_select_strategy="default",
        chat_template=CHAT_TEMPLATE,
        num_additional_image_tokens=1,
    )
    return config, processor


def minigpt4_v2(text: Sizes, vision: Sizes) -> tuple[Any, Any]:
    """Config and processor of MiniGPT4-v2 on Llama-2-chat 7B, but for its tokenizer."""
    with TemporaryDirectory() as folder:
        small = LlamaTokenizer.from_pretrained(build_llama(Path(folder)))
        trained = small.train_new_from_iterator(texts("minigpt_v2"), VOCABULARY, show_progress=False)
        trained.save_pretrained(folder)
        tokenizer = read_tokenizer(folder)
    published = MiniGPTv2Config()
    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    config = MiniGPTv2Config(
        vision_config=published.vision_config.to_dict() | vision,
        text_config=published.text_config.to_dict() | ids | text,
        image_token_index=len(tokenizer) - 1,
    )
    return config, build_processor(config, tokenizer)


FULL = (Recipe("LLaVA-1.5-7B", "llava15", llava15), Recipe("MiniGPT4-v2 (7B)", "minigpt4_v2", minigpt4_v2))

_NARROW = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
_TINY = {"vocab_size": 1100, "intermediate_size": 172, "num_key_value_heads": 4}
TINY = (
    Recipe("tiny LLaVA-1.5", "llava15", llava15, _NARROW | _TINY,
           {**_NARROW, "intermediate_size": 128, "image_size": 56}),
    Recipe("tiny MiniGPT4-v2", "minigpt4_v2", minigpt4_v2, _NARROW | _TINY,
           {**_NARROW, "intermediate_size": 128, "image_size": 56}),
)  # fmt: skip
"""The same two with small language models and towers: for tests without a GPU."""


def texts(family: str) -> Sequence[str]:
    """What the family's tokenizer has to know: the bench's prompts and answers."""
    asked = make_questions(200, per_image=1, seed=1)
    wording = FAMILIES[family]
    prompts = [
        full_prompt(prompt(one.question, one.options, form, wording), wording)
        for one in asked
        for form in ("short", "direct", "choice")
    ]
    return [*prompts, *(option for one in asked for option in one.options), *CORPUS]


def build(recipe: Recipe, folder: Path, *, device: str, dtype: str) -> int:
    """Save a random student in the new `folder`, its weights made on `device`; returns their bytes.

    The kit's own loading then reads it, as it reads any checkpoint. Raises `KitError` where the disk has too
    little room.
    """
    config, processor = recipe.parts(recipe.text, recipe.vision)
    with torch.device(device), quiet():
        model = AutoModelForImageTextToText.from_config(config, dtype=getattr(torch, dtype))
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    n_bytes = sum(value.nbytes for value in model.parameters())
    with new_folder(folder, n_bytes) as part, quiet():
        model.save_pretrained(part, max_shard_size=SHARD)
        processor.save_pretrained(part)
    return n_bytes
