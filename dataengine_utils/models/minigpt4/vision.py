"""The frozen side: what EVA-CLIP (and, in v1, the Q-Former) says about a picture, before the projector."""

import torch
from torch import nn
from transformers import Blip2QFormerModel, Blip2VisionConfig
from transformers.models.blip_2.modeling_blip_2 import (
    Blip2Encoder,
    Blip2PreTrainedModel,
    Blip2VisionEmbeddings,
)

from .configuration import MiniGPT4Config, MiniGPTv2Config


class EvaVisionModel(Blip2PreTrainedModel):
    """EVA-CLIP ViT-g/14 up to its 39th block, without a last norm; built of transformers' BLIP-2 parts.

    The original has one matrix for queries, keys and values, and biases for queries and values only; here
    the three biases are one vector whose middle third is zero. Source: minigpt4/models/eva_vit.py.
    """

    config: Blip2VisionConfig
    main_input_name = "pixel_values"
    input_modalities = ("image",)

    def __init__(self, config: Blip2VisionConfig):
        super().__init__(config)
        self.embeddings = Blip2VisionEmbeddings(config)
        self.encoder = Blip2Encoder(config)
        self.post_init()

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """(images, 3, side, side) -> (images, 1 + patches, width); [CLS] is first, patches go by rows."""
        side = self.config.image_size
        if tuple(pixel_values.shape[1:]) != (3, side, side):
            raise ValueError(
                f"pixel_values have the shape {tuple(pixel_values.shape)}; need (images, 3, {side}, {side})"
            )
        return self.encoder(self.embeddings(pixel_values)).last_hidden_state


class FrozenVision(nn.Module):
    """EVA-CLIP and its separate layer norm; always in evaluation mode, and no gradient goes through it."""

    def __init__(self, config: MiniGPTv2Config | MiniGPT4Config):
        super().__init__()
        self.eva = EvaVisionModel._from_config(config.vision_config)
        self.ln_vision = nn.LayerNorm(config.vision_config.hidden_size, eps=config.ln_vision_eps)

    def train(self, mode: bool = True) -> "FrozenVision":
        """Stay in evaluation mode, as the original does: the Q-Former would drop out otherwise."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """(images, 3, side, side) -> (images, image tokens, feature width)."""
        return self.gather(self.ln_vision(self.eva(pixel_values)))

    def gather(self, states: torch.Tensor) -> torch.Tensor:
        """(images, 1 + patches, width) -> (images, image tokens, feature width)."""
        raise NotImplementedError


class NeighbouringPatches(FrozenVision):
    """MiniGPT4-v2: [CLS] is dropped, and four patches that follow each other become one token."""

    def __init__(self, config: MiniGPTv2Config):
        super().__init__(config)
        self.patches_per_token = config.patches_per_token

    def gather(self, states: torch.Tensor) -> torch.Tensor:
        """(images, 1 + patches, width) -> (images, patches / 4, 4 * width); minigpt_v2.py: encode_img."""
        images, tokens, width = states.shape
        return states[:, 1:].reshape(
            images, (tokens - 1) // self.patches_per_token, width * self.patches_per_token
        )


class QueriedPatches(FrozenVision):
    """MiniGPT-4: 32 learnt queries read [CLS] and all patches through BLIP-2's Q-Former."""

    def __init__(self, config: MiniGPT4Config):
        super().__init__(config)
        self.query_tokens = nn.Parameter(
            torch.zeros(1, config.num_query_tokens, config.qformer_config.hidden_size)
        )
        self.qformer = Blip2QFormerModel._from_config(config.qformer_config)

    def gather(self, states: torch.Tensor) -> torch.Tensor:
        """(images, 1 + patches, width) -> (images, queries, Q-Former width); minigpt4.py: encode_img."""
        queries = self.query_tokens.expand(states.shape[0], -1, -1)
        out = self.qformer(query_embeds=queries, encoder_hidden_states=states)
        return out.last_hidden_state.to(states.dtype)


VISION_SIDES: dict[str, type[FrozenVision]] = {
    MiniGPTv2Config.model_type: NeighbouringPatches,
    MiniGPT4Config.model_type: QueriedPatches,
}
"""What stands before the projector, by model type."""
