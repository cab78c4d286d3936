"""One small random model of every family, from its real config, processor and chat template's form.

`build(name, folder)` saves one: 64 wide, two layers, a handful of image tokens a tile. What is small is the
size alone: special tokens, picture layouts (tiles, grids, windows, deepstack) and positions are the family's.
"""

import inspect
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import PreTrainedTokenizerFast

from dataengine_utils.models.minigpt4 import MiniGPT4Config, MiniGPTv2Config
from dataengine_utils.models.minigpt4.processing import build_processor as minigpt_processor
from dataengine_utils.models.minigpt4.processing import read_tokenizer
from dataengine_utils.models.processors import NoVideos, without_videos

from .minigpt4_files import ARCHITECTURE, build_llama
from .tiny import build_config, build_processor, build_tokenizer, train_tokenizer

TEXT = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
}
VISION = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
MROPE = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0}
TURN = "{{ '<|im_start|>' + message['role'] + '\\n' }}"
CHATML = (
    "{% for message in messages %}" + TURN + "{% for item in message['content'] %}"
    "{% if item['type'] == 'image' %}{{ 'IMAGE' }}{% else %}{{ item['text'] }}{% endif %}{% endfor %}"
    "{{ '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
QWEN_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"]


def tokenizer_of(special: Sequence[str], end: str, **named: str) -> PreTrainedTokenizerFast:
    """The small tokenizer with other special tokens; `named` are those that processors look for by name."""
    bos = "<s>" if "<s>" in special else ""
    return PreTrainedTokenizerFast(
        tokenizer_object=train_tokenizer(special_tokens=["<pad>", *special], bos=bos),
        pad_token="<pad>",
        eos_token=end,
        bos_token=bos or None,
        padding_side="left",
        extra_special_tokens=named,
    )


def llava_next() -> tuple[Any, Any]:
    """LLaVA-NeXT: any-resolution tiles of 4 x 4 tokens with line ends, on a Mistral."""
    from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil

    tokenizer = tokenizer_of(["<s>", "</s>", "<image>"], "</s>", image_token="<image>")
    pinpoints = [[56, 112], [112, 56], [112, 112], [168, 56]]
    config = transformers.LlavaNextConfig(
        vision_config=transformers.CLIPVisionConfig(**VISION, image_size=56, patch_size=14),
        text_config=transformers.MistralConfig(**TEXT, **_ids(tokenizer), sliding_window=None),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=pinpoints,
    )
    square = {"height": 56, "width": 56}
    images = LlavaNextImageProcessorPil(
        size={"shortest_edge": 56}, crop_size=square, image_grid_pinpoints=pinpoints
    )
    template = (
        "{% for message in messages %}{{ '[INST] ' }}{% for item in message['content'] %}"
        "{% if item['type'] == 'image' %}{{ '<image>\\n' }}{% else %}{{ item['text'] }}{% endif %}"
        "{% endfor %}{{ ' [/INST]' }}{% endfor %}"
    )
    processor = transformers.LlavaNextProcessor(
        images,
        tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template,
    )
    return config, processor


def llava_onevision() -> tuple[Any, Any]:
    """LLaVA-OneVision: any-resolution tiles of a SigLIP tower, large pictures interpolated, on a Qwen2."""
    from transformers.models.llava_onevision.image_processing_pil_llava_onevision import (
        LlavaOnevisionImageProcessorPil,
    )

    tokenizer = tokenizer_of([*QWEN_TOKENS[:3], "<image>", "<video>"], "<|im_end|>")
    pinpoints = [[56 * rows, 56 * columns] for rows in range(1, 5) for columns in range(1, 5)]
    config = transformers.LlavaOnevisionConfig(
        vision_config=transformers.SiglipVisionConfig(
            **VISION, image_size=56, patch_size=14, vision_use_head=False
        ),
        text_config=transformers.Qwen2Config(**TEXT, **_ids(tokenizer)),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=pinpoints,
        vision_aspect_ratio="anyres_max_2",
    )
    images = LlavaOnevisionImageProcessorPil(
        size={"height": 56, "width": 56}, image_grid_pinpoints=pinpoints
    )
    processor = without_videos(transformers.LlavaOnevisionProcessor)(
        images,
        tokenizer,
        NoVideos(),
        num_image_tokens=16,
        vision_feature_select_strategy="full",
        vision_aspect_ratio="anyres_max_2",
        chat_template=CHATML.replace("IMAGE", "<image>\\n"),
    )
    return config, processor


def qwen2_5_vl() -> tuple[Any, Any]:
    """Qwen2.5-VL: pictures of any size in a grid, windowed attention, rotary positions on three axes."""
    special = [*QWEN_TOKENS, "<|image_pad|>", "<|video_pad|>"]
    tokenizer = tokenizer_of(special, "<|im_end|>")
    config = transformers.Qwen2_5_VLConfig(
        vision_config={
            "depth": 3,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_heads": 2,
            "out_hidden_size": 64,
            "patch_size": 14,
            "window_size": 56,
            "fullatt_block_indexes": [1],
        },
        text_config={**TEXT, **_ids(tokenizer), "rope_parameters": MROPE},
        **_qwen_ids(tokenizer),
    )
    return config, without_videos(transformers.Qwen2_5_VLProcessor)(
        _qwen_images(14), tokenizer, NoVideos(), chat_template=_qwen_template()
    )


def qwen3_vl() -> tuple[Any, Any]:
    """Qwen3-VL: as Qwen2.5-VL without windows, with features of the tower's middle added to first layers."""
    tokenizer = tokenizer_of([*QWEN_TOKENS, "<|image_pad|>", "<|video_pad|>"], "<|im_end|>")
    config = transformers.Qwen3VLConfig(
        vision_config={
            "depth": 3,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_heads": 2,
            "out_hidden_size": 64,
            "patch_size": 16,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0, 1],
        },
        text_config={  # a third layer, which reads what the second one was given
            **TEXT,
            **_ids(tokenizer),
            "num_hidden_layers": 3,
            "head_dim": 16,
            "rope_parameters": MROPE,
        },
        **_qwen_ids(tokenizer),
    )
    return config, without_videos(transformers.Qwen3VLProcessor)(
        _qwen_images(16), tokenizer, NoVideos(), chat_template=_qwen_template()
    )


def internvl() -> tuple[Any, Any]:
    """InternVL: up to four tiles and a thumbnail of 4 tokens each, between <img> and </img>, on a Qwen2."""
    from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

    named = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    tokenizer = tokenizer_of([*QWEN_TOKENS[:3], *named.values()], "<|im_end|>", **named)
    vision = {**VISION, "image_size": [56, 56], "patch_size": [14, 14], "use_qk_norm": False}
    config = transformers.InternVLConfig(
        vision_config=vision,
        text_config=transformers.Qwen2Config(**TEXT, **_ids(tokenizer)),
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
    )
    images = GotOcr2ImageProcessorPil(
        size={"height": 56, "width": 56}, crop_to_patches=True, max_patches=4, min_patches=1
    )
    processor = without_videos(transformers.InternVLProcessor)(
        images,
        tokenizer,
        NoVideos(),
        image_seq_length=4,
        chat_template=CHATML.replace("IMAGE", "<IMG_CONTEXT>\\n"),
    )
    return config, processor


def idefics3() -> tuple[Any, Any]:
    """Idefics3: tiles named by row and column, then the whole picture, on a Llama."""
    from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

    return _tiled("Idefics3", Idefics3ImageProcessorPil, [])


def smolvlm() -> tuple[Any, Any]:
    """SmolVLM: as Idefics3. Its processor wants num2words, which only speaks the times in videos."""
    from transformers.models.smolvlm import processing_smolvlm
    from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

    processing_smolvlm.num2words = processing_smolvlm.num2words or str
    return _tiled("SmolVLM", SmolVLMImageProcessorPil, [NoVideos()])


def llava() -> tuple[Any, Any]:
    """LLaVA-1.5 in its own words: one square picture, on a Llama."""
    tokenizer = build_tokenizer()
    return build_config(len(tokenizer), family="llava"), build_processor(tokenizer)


def minigpt_v2() -> tuple[Any, Any]:
    """MiniGPT4-v2: four neighbouring patches a token, parts of a prompt tokenised apart, on a Llama."""
    return _minigpt(MiniGPTv2Config, {})


def minigpt4() -> tuple[Any, Any]:
    """MiniGPT-4: a Q-Former's five queries; answers end in "###", which is no token."""
    parts = {"qformer_config": ARCHITECTURE["qformer_config"]}
    return _minigpt(MiniGPT4Config, {**parts, "num_query_tokens": ARCHITECTURE["num_query_tokens"]})


BUILDERS: dict[str, Callable[[], tuple[Any, Any]]] = {
    builder.__name__: builder
    for builder in (
        llava, llava_next, llava_onevision, qwen2_5_vl, qwen3_vl, internvl, idefics3, smolvlm, minigpt_v2,
        minigpt4,
    )
}  # fmt: skip

NAMES = tuple(BUILDERS)


def build(name: str, folder: Path, *, seed: int = 0) -> Path:
    """Save a random student of the family (model, processor, chat template) in `folder` and return it."""
    return save(*BUILDERS[name](), folder, seed=seed)


def save(config: Any, processor: Any, folder: Path, *, seed: int = 0) -> Path:
    """Save a random student of these parts in `folder` and return it."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = transformers.AutoModelForImageTextToText.from_config(config)
        for parameter in model.parameters():  # wider than the default, so that answers differ
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.12)
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.save_pretrained(folder)
    _save_processor(processor, folder)
    return Path(folder)


def _save_processor(processor: Any, folder: Path) -> None:
    """What `save_pretrained` writes for a processor whose part for videos is there."""
    processor.image_processor.save_pretrained(folder)
    processor.tokenizer.save_pretrained(folder)
    parts = {*processor.get_attributes(), "chat_template", "self", "kwargs"}
    names = [name for name in inspect.signature(type(processor).__init__).parameters if name not in parts]
    settings = {name: getattr(processor, name) for name in names}
    settings["processor_class"] = type(processor).__name__
    (folder / "processor_config.json").write_text(json.dumps(settings))
    (folder / "chat_template.jinja").write_text(processor.chat_template)


def _tiled(kind: str, image_processor: Any, more: list[Any]) -> tuple[Any, Any]:
    names = [f"<row_{row}_col_{column}>" for row in range(1, 4) for column in range(1, 4)]
    own = ["<fake_token_around_image>", "<global-img>", "<image>", "<end_of_utterance>", "<video>"]
    tokenizer = tokenizer_of(["<|im_start|>", "<|im_end|>", *own, *names], "<end_of_utterance>")
    vision = getattr(transformers, f"{kind}VisionConfig")(**VISION, image_size=56, patch_size=14)
    config = getattr(transformers, f"{kind}Config")(
        vision_config=vision,
        text_config=transformers.LlamaConfig(**TEXT, **_ids(tokenizer)),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=tokenizer.pad_token_id,
    )
    template = (
        "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}"
        "{{ ':' if message['content'][0]['type'] == 'image' else ': ' }}{% for item in message['content'] %}"
        "{% if item['type'] == 'image' %}{{ '<image>' }}{% else %}{{ item['text'] }}{% endif %}{% endfor %}"
        "<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
    )
    images = image_processor(size={"longest_edge": 112}, max_image_size={"longest_edge": 56})
    processor = without_videos(getattr(transformers, f"{kind}Processor"))(
        images, tokenizer, *more, image_seq_len=4, chat_template=template
    )
    return config, processor


def _minigpt(kind: type, parts: dict[str, Any]) -> tuple[Any, Any]:
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = read_tokenizer(build_llama(Path(folder)))
    config = kind(
        vision_config=ARCHITECTURE["vision_config"],
        text_config=transformers.LlamaConfig(**{**TEXT, **_ids(tokenizer), "vocab_size": len(tokenizer) - 1}),
        image_token_index=tokenizer.convert_tokens_to_ids("<ImageHere>"),
        **parts,
    )
    return config, minigpt_processor(config, tokenizer)


def _qwen_images(patch_size: int) -> Any:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    return Qwen2VLImageProcessorPil(
        patch_size=patch_size, size={"shortest_edge": 56 * 56, "longest_edge": 40 * (2 * patch_size) ** 2}
    )


def _qwen_template() -> str:
    system = "{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}"
    return system + CHATML.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>")


def _qwen_ids(tokenizer: Any) -> dict[str, int]:
    names = {"image": "image_pad", "video": "video_pad"}
    names |= {name: name for name in ("vision_start", "vision_end")}
    return {
        f"{name}_token_id": tokenizer.convert_tokens_to_ids(f"<|{token}|>") for name, token in names.items()
    }


def _ids(tokenizer: Any) -> dict[str, int]:
    return {
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": tokenizer.bos_token_id,
    }
