"""MiniGPT4-v2 and MiniGPT-4 in transformers' LLaVA form: frozen vision, a linear layer, a language model."""

from typing import Any

import torch
from torch import nn
from transformers import AutoModel, Cache, GenerationMixin, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.modeling_utils import slice_logits_to_keep
from transformers.models.llava.modeling_llava import LlavaCausalLMOutputWithPast, LlavaModelOutputWithPast
from transformers.utils.generic import can_return_tuple

from .configuration import MiniGPT4Config, MiniGPTv2Config
from .vision import VISION_SIDES, QueriedPatches


class MiniGPTPreTrainedModel(PreTrainedModel):
    """What transformers needs to know of both models."""

    config: MiniGPTv2Config | MiniGPT4Config
    base_model_prefix = "model"
    input_modalities = ("image", "text")
    supports_gradient_checkpointing = True
    _skip_keys_device_placement = ("past_key_values",)
    _keep_in_fp32_modules = ("qformer", "query_tokens")  # as transformers keeps BLIP-2's
    _supports_flash_attn = True
    _supports_sdpa = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, QueriedPatches):
            init.normal_(module.query_tokens, std=self.config.qformer_config.initializer_range)


class MiniGPTModel(MiniGPTPreTrainedModel):
    """Pictures and text to the language model's last hidden states.

    `vision_tower` is frozen as a whole (EVA-CLIP, its layer norm, in v1 the Q-Former),
    `multi_modal_projector` is the original's `llama_proj`, `language_model` is Llama without its head.
    """

    def __init__(self, config: MiniGPTv2Config | MiniGPT4Config):
        super().__init__(config)
        self.vision_tower = VISION_SIDES[config.model_type](config)
        self.multi_modal_projector = nn.Linear(config.feature_size, config.text_config.hidden_size)
        self.language_model = AutoModel.from_config(config.text_config)
        self.post_init()

    @can_return_tuple
    def get_image_features(self, pixel_values: torch.Tensor, **_: Any) -> BaseModelOutputWithPooling:
        """Pictures (images, 3, side, side) as the language model reads them.

        `last_hidden_state` is what the projector reads, (images, image tokens, feature width);
        `pooler_output` is a list of one (image tokens, text width) an image.
        """
        features = self.vision_tower(pixel_values)
        parameter = next(self.multi_modal_projector.parameters())
        projected = self.multi_modal_projector(features.to(parameter.dtype))
        return BaseModelOutputWithPooling(last_hidden_state=features, pooler_output=list(projected))

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        pixel_values: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        mm_encoder_outputs: dict[str, BaseModelOutputWithPooling] | None = None,
        **kwargs: Any,
    ) -> LlavaModelOutputWithPast:
        """`input_ids` (batch, tokens) with one image token for each token of a picture, or `inputs_embeds`.

        Pictures come as `pixel_values`, or as {"image": what `get_image_features` returned}. Raises
        `ValueError` where image tokens and pictures do not match.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("exactly one of input_ids and inputs_embeds is needed")
        if pixel_values is not None and mm_encoder_outputs:
            raise ValueError(
                "pixel_values and mm_encoder_outputs are two forms of one input: give one of them"
            )
        images = (mm_encoder_outputs or {}).get("image")
        if pixel_values is not None:
            images = self.get_image_features(pixel_values, return_dict=True)
        projected = None if images is None else torch.cat(list(images.pooler_output))
        if inputs_embeds is None:
            inputs_embeds = self.embed(input_ids, projected)
        elif projected is not None:
            raise ValueError("pictures need input_ids, where image tokens say where they belong")
        out = self.language_model(
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            **kwargs,
        )
        return LlavaModelOutputWithPast(
            last_hidden_state=out.last_hidden_state,
            past_key_values=out.past_key_values,
            hidden_states=out.hidden_states,
            attentions=out.attentions,
            image_hidden_states=projected,
        )

    def embed(self, input_ids: torch.LongTensor, projected: torch.Tensor | None) -> torch.Tensor:
        """Embeddings (batch, tokens, width) with `projected` (all image tokens, width) in their places.

        An image token's id never reaches the embedding, so it may lie outside the vocabulary.
        """
        is_image = input_ids == self.config.image_token_id
        embedded = self.get_input_embeddings()(input_ids.masked_fill(is_image, 0))
        if projected is None and input_ids.shape[1] == 1:  # one step of decoding
            return embedded
        n_tokens, n_features = int(is_image.sum()), 0 if projected is None else len(projected)
        if n_tokens != n_features:
            raise ValueError(
                f"{n_tokens} image tokens ({self.config.image_token_id}) in input_ids, but the pictures take "
                f"{n_features} ({self.config.image_seq_length} a picture)"
            )
        if projected is None:
            return embedded
        return embedded.masked_scatter(is_image[..., None], projected.to(embedded.device, embedded.dtype))


class MiniGPTForConditionalGeneration(MiniGPTPreTrainedModel, GenerationMixin):
    """The model with Llama's head: loss, logits and `generate`."""

    _tied_weights_keys = {"lm_head.weight": "model.language_model.embed_tokens.weight"}  # noqa: RUF012

    def __init__(self, config: MiniGPTv2Config | MiniGPT4Config):
        super().__init__(config)
        self.model = MiniGPTModel(config)
        self.lm_head = nn.Linear(config.text_config.hidden_size, config.text_config.vocab_size, bias=False)
        self.post_init()

    def get_output_embeddings(self) -> nn.Module:
        """Llama's head."""
        return self.lm_head

    def get_image_features(self, pixel_values: torch.Tensor, **kwargs: Any) -> BaseModelOutputWithPooling:
        """See `MiniGPTModel.get_image_features`."""
        return self.model.get_image_features(pixel_values, **kwargs)

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        pixel_values: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.LongTensor | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        mm_encoder_outputs: dict[str, BaseModelOutputWithPooling] | None = None,
        **kwargs: Any,
    ) -> LlavaCausalLMOutputWithPast:
        """Logits (batch, kept tokens, vocabulary), and the loss for `labels` (batch, tokens; -100: left out).

        Inputs as in `MiniGPTModel.forward`; `logits_to_keep` as in transformers' `slice_logits_to_keep`.
        """
        out = self.model(
            input_ids=input_ids,
            pixel_values=pixel_values,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            mm_encoder_outputs=mm_encoder_outputs,
            **kwargs,
        )
        logits = self.lm_head(slice_logits_to_keep(out.last_hidden_state, logits_to_keep))
        loss = None
        if labels is not None:
            loss = self.loss_function(
                logits=logits, labels=labels, vocab_size=self.config.text_config.vocab_size, **kwargs
            )
        return LlavaCausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            past_key_values=out.past_key_values,
            hidden_states=out.hidden_states,
            attentions=out.attentions,
            image_hidden_states=out.image_hidden_states,
        )


class MiniGPTv2ForConditionalGeneration(MiniGPTForConditionalGeneration):
    """MiniGPT4-v2."""

    config: MiniGPTv2Config


class MiniGPT4ForConditionalGeneration(MiniGPTForConditionalGeneration):
    """MiniGPT-4 (v1)."""

    config: MiniGPT4Config
