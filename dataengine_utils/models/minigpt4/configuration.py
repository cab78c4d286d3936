"""The shapes of MiniGPT4-v2 and MiniGPT-4; the defaults are the published models' (7B)."""

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, Blip2QFormerConfig, Blip2VisionConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec

IMAGE_PLACEHOLDER = "<ImageHere>"
"""What stands for a picture in a prompt; the tokenizer knows it, the language model has no row for it."""


@strict
class MiniGPTv2Config(PreTrainedConfig):
    """MiniGPT4-v2: 448 px, 1024 patches, four neighbours joined to one token, one linear layer to Llama-2.

    `vision_config` is EVA-CLIP ViT-g/14 as BLIP-2 uses it: 39 blocks, 1408 wide, 16 heads, layer norms with
    eps 1e-6, biases for queries and values only. `image_token_index` may lie outside the language model's
    vocabulary: it is never embedded. Source: minigpt4/models/minigpt_v2.py, create_eva_vit_g in eva_vit.py.
    """

    model_type = "minigpt_v2"
    attribute_map = {"image_token_id": "image_token_index"}  # noqa: RUF012 transformers' own form
    sub_configs_defaults = {  # noqa: RUF012
        "vision_config": SubConfigSpec(config_class=Blip2VisionConfig, init_kwargs={"image_size": 448}),
        "text_config": SubConfigSpec(config_class=AutoConfig, model_type="llama"),
    }

    vision_config: dict | PreTrainedConfig | None = None
    text_config: dict | PreTrainedConfig | None = None
    image_token_index: int = 32000
    patches_per_token: int = 4
    ln_vision_eps: float = 1e-5
    tie_word_embeddings: bool = False

    @property
    def n_patches(self) -> int:
        """Patches of a picture, without [CLS]."""
        return (self.vision_config.image_size // self.vision_config.patch_size) ** 2

    @property
    def image_seq_length(self) -> int:
        """Tokens that a picture takes in the language model."""
        return self.n_patches // self.patches_per_token

    @property
    def feature_size(self) -> int:
        """Width of what the projector reads."""
        return self.vision_config.hidden_size * self.patches_per_token


@strict
class MiniGPT4Config(PreTrainedConfig):
    """MiniGPT-4 (v1): 224 px, BLIP-2's Q-Former with 32 queries, one linear layer to Vicuna.

    Source: minigpt4/models/minigpt4.py (init_Qformer, encode_img).
    """

    model_type = "minigpt4"
    attribute_map = {"image_token_id": "image_token_index"}  # noqa: RUF012
    sub_configs_defaults = {  # noqa: RUF012
        "vision_config": Blip2VisionConfig,
        "qformer_config": Blip2QFormerConfig,
        "text_config": SubConfigSpec(config_class=AutoConfig, model_type="llama"),
    }

    vision_config: dict | PreTrainedConfig | None = None
    qformer_config: dict | PreTrainedConfig | None = None
    text_config: dict | PreTrainedConfig | None = None
    image_token_index: int = 32000
    num_query_tokens: int = 32
    ln_vision_eps: float = 1e-5
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs):
        super().__post_init__(**kwargs)
        self.qformer_config.encoder_hidden_size = self.vision_config.hidden_size

    @property
    def n_patches(self) -> int:
        """Patches of a picture, without [CLS]."""
        return (self.vision_config.image_size // self.vision_config.patch_size) ** 2

    @property
    def image_seq_length(self) -> int:
        """Tokens that a picture takes in the language model."""
        return self.num_query_tokens

    @property
    def feature_size(self) -> int:
        """Width of what the projector reads."""
        return self.qformer_config.hidden_size
