"""The parts of a converted LLaVA beside its weights: config, image processor, tokenizer, chat template.

Sources: haotian-liu/LLaVA, llava/model/multimodal_encoder/clip_encoder.py (features), llava/mm_utils.py
(padding of images, tokens around an image), llava/conversation.py (`vicuna_v1`); transformers,
models/llava/convert_llava_weights_to_hf.py and the config of llava-hf/llava-1.5-7b-hf.
"""

from pathlib import Path
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from transformers import (
    AddedToken,
    CLIPVisionConfig,
    LlamaConfig,
    LlamaTokenizer,
    LlavaConfig,
    LlavaProcessor,
)
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.utils import is_protobuf_available, is_sentencepiece_available

from ...errors import KitError
from ..checkpoint import quiet
from ..wording import FAMILIES
from .weights import read_json

IMAGE, PAD = "<image>", "<pad>"
VOCABULARY_STEP = 64
"""Embedding rows are padded to a multiple of this, as in the llava-hf repositories (32000 + 2 -> 32064)."""

TOWERS: dict[str, dict[str, Any]] = {
    name: {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "patch_size": 14,
        "image_size": size,
        "projection_dim": 768,
    }
    for name, size in (("clip-vit-large-patch14-336", 336), ("clip-vit-large-patch14", 224))
}
"""CLIP towers whose config is known without their folder, by the last part of `mm_vision_tower`."""

ALLOWED: dict[str, tuple[Any, ...]] = {
    "model_type": ("llava", "llava_llama"),
    "mm_projector_type": ("mlp2x_gelu",),
    "mm_vision_select_feature": ("patch", "cls_patch", None),
    "mm_use_im_start_end": (False, None),
    "mm_patch_merge_type": ("flat", None),
    "image_aspect_ratio": ("pad", "square", None),
    "s2": (False, None),
}
"""What LLaVA-1.5 has in its config.json; anything else is another architecture."""

_SYSTEM, _, _ = FAMILIES["llava"].conversation.partition("USER: ")
CHAT_TEMPLATE = (
    "{% macro words(content) %}{% if content is string %}{{ content }}{% else %}"
    "{% for item in content if item['type'] == 'image' %}{{ '<image>\n' }}{% endfor %}"
    "{% for item in content if item['type'] == 'text' %}{{ item['text'] }}{% endfor %}"
    "{% endif %}{% endmacro %}"
    "{% if messages[0]['role'] == 'system' %}{{ words(messages[0]['content']) + ' ' }}"
    '{% else %}{{ "' + _SYSTEM + '" }}{% endif %}'
    "{% for message in messages if message['role'] != 'system' %}"
    "{{ message['role'].upper() + ': ' + words(message['content']) }}"
    "{{ ' ' if message['role'] == 'user' else eos_token }}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
"""The conversation of the family "llava" for users of transformers; later turns are joined as LLaVA does."""


def read_llava_config(folder: Path) -> dict[str, Any]:
    """LLaVA's config.json; `KitError` when it is of another form or architecture."""
    raw = read_json(folder / "config.json", "LLaVA config")
    if raw.get("model_type") == "llava" and "vision_config" in raw:
        raise KitError(
            f"{folder} is in transformers' form already: use it as a student's name, without converting"
        )
    wrong = [
        f"{key} is {raw.get(key)!r}, allowed: {', '.join(map(repr, allowed))}"
        for key, allowed in ALLOWED.items()
        if raw.get(key) not in allowed
    ]
    if wrong or not isinstance(raw.get("mm_vision_select_layer"), int):
        wrong = wrong or [
            f"mm_vision_select_layer is {raw.get('mm_vision_select_layer')!r}, a number is needed"
        ]
        raise KitError(
            f"{folder / 'config.json'} is not of a LLaVA-1.5: {'; '.join(wrong)}. Give a checkpoint such "
            "as liuhaotian/llava-v1.5-7b or liuhaotian/llava-v1.5-7b-lora"
        )
    return raw


def vision_config(raw: dict[str, Any], clip: Path | None) -> CLIPVisionConfig:
    """The tower's config from the CLIP folder, or, without one, from the table of known towers."""
    name = str(raw.get("mm_vision_tower") or "")
    if clip is None:
        known = TOWERS.get(name.rstrip("/").rpartition("/")[2])
        if known is None:
            raise KitError(
                f"the tower {name!r} is not known by its name ({', '.join(TOWERS)}); give its folder: "
                "--clip DIR"
            )
        return CLIPVisionConfig(**known)
    found = read_json(clip / "config.json", "CLIP config")
    part = found.get("vision_config") if found.get("model_type") == "clip" else found
    if found.get("model_type") not in ("clip", "clip_vision_model") or not isinstance(part, dict):
        raise KitError(
            f"{clip / 'config.json'} has model_type {found.get('model_type')!r}, allowed: 'clip', "
            f"'clip_vision_model'; the checkpoint wants {name!r}: hf download {name} --local-dir DIR"
        )
    return _config(CLIPVisionConfig, part, clip)


def llava_config(raw: dict[str, Any], vision: CLIPVisionConfig, where: Path) -> LlavaConfig:
    """The whole model's config, still with the checkpoint's own vocabulary."""
    if raw.get("mm_hidden_size") not in (None, vision.hidden_size):
        raise KitError(
            f"{where / 'config.json'}: mm_hidden_size is {raw['mm_hidden_size']}, the tower's width is "
            f"{vision.hidden_size}; give the checkpoint's own tower {raw.get('mm_vision_tower')!r}: --clip"
        )
    full = raw.get("mm_vision_select_feature") == "cls_patch"
    return LlavaConfig(
        vision_config=vision,
        text_config=_config(LlamaConfig, raw, where),
        image_seq_length=(vision.image_size // vision.patch_size) ** 2 + int(full),
        projector_hidden_act="gelu",
        vision_feature_layer=raw["mm_vision_select_layer"],
        vision_feature_select_strategy="full" if full else "default",
    )


def has_tokenizer(folder: Path) -> bool:
    """Whether a folder holds a tokenizer of the Llama family."""
    return any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model"))


def read_tokenizer(folder: Path) -> Any:
    """Vicuna's tokenizer with <image> and <pad> added, and LLaVA's way around an image.

    LLaVA tokenises the text before and after an image as strings of their own, so that each begins with the
    word sign (29871 before the line break after the image); transformers does so with `legacy` only.
    """
    if not has_tokenizer(folder):
        raise KitError(
            f"no tokenizer in {folder} (tokenizer.json or tokenizer.model); give the Vicuna folder: --base"
        )
    able = is_sentencepiece_available() and is_protobuf_available()
    if not (folder / "tokenizer.json").is_file() and not able:
        raise KitError(
            f"{folder / 'tokenizer.model'} is read with sentencepiece and protobuf, which are not "
            "installed: pip install sentencepiece protobuf"
        )
    try:
        with quiet():
            tokenizer = LlamaTokenizer.from_pretrained(str(folder), legacy=True, add_bos_token=True)
            tokenizer.init_kwargs["legacy"] = True  # else it is not saved, and lost when read again
            tokenizer.add_tokens(AddedToken(IMAGE, special=True, normalized=False), special_tokens=True)
            tokenizer.add_special_tokens({"pad_token": PAD})
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError) as error:
        raise KitError(
            f"the tokenizer in {folder} cannot be read ({' '.join(str(error).split())[:160]}); download the "
            "folder again"
        ) from error
    tokenizer.padding_side = "left"
    return tokenizer


def check_tokens(tokenizer: Any) -> None:
    """`KitError` unless it is Vicuna's tokenizer, and the text after an image a string of its own."""
    before, after = "USER: ", "\nWhat is it? ASSISTANT:"
    parts = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in (before, after)]
    whole = tokenizer(before + IMAGE + after)["input_ids"]
    expected = [tokenizer.bos_token_id, *parts[0], tokenizer.convert_tokens_to_ids(IMAGE), *parts[1]]
    if not {"▁", "<0x0A>"} <= tokenizer.get_vocab().keys() or whole != expected:
        raise KitError(
            f"{tokenizer.name_or_path} has another tokenizer than Vicuna's (around an image: {whole}, "
            f"LLaVA's: {expected}); give the files of the base model: tokenizer.model, tokenizer_config.json"
        )


def make_processor(
    tokenizer: Any, config: LlavaConfig, raw: dict[str, Any], clip: Path | None
) -> LlavaProcessor:
    """CLIP's preprocessing, with LLaVA's padding to a square (mean colour) where the checkpoint says so."""
    side = config.vision_config.image_size
    own = clip / "preprocessor_config.json" if clip else None
    kept = (
        "do_resize",
        "size",
        "resample",
        "do_center_crop",
        "crop_size",
        "do_rescale",
        "rescale_factor",
        "do_normalize",
        "image_mean",
        "image_std",
        "do_convert_rgb",
    )
    found = read_json(own, "CLIP preprocessor config") if own and own.is_file() else {}
    images = LlavaImageProcessorPil(
        **{
            "size": {"shortest_edge": side},
            "crop_size": {"height": side, "width": side},
            **{key: found[key] for key in kept if found.get(key) is not None},
        },
        do_pad=raw.get("image_aspect_ratio") == "pad",
    )
    return LlavaProcessor(
        images,
        tokenizer,
        patch_size=config.vision_config.patch_size,
        chat_template=CHAT_TEMPLATE,
        vision_feature_select_strategy=config.vision_feature_select_strategy,
        num_additional_image_tokens=1,
    )


def _config(kind: type, raw: dict[str, Any], where: Path) -> Any:
    """A config of transformers from the fields it knows."""
    known = {*kind.__annotations__, "rope_theta", "rope_scaling"}
    try:
        return kind(**{key: value for key, value in raw.items() if key in known})
    except (StrictDataclassError, ValueError, TypeError, KeyError) as error:
        raise KitError(
            f"{where / 'config.json'} is not of a {kind.__name__[:-6]} model "
            f"({' '.join(str(error).split())[:160]}); download it again"
        ) from error
