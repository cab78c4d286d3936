"""Prompts and pictures as the original prepares them."""

from pathlib import Path
from typing import Any

from tokenizers import normalizers
from transformers import AddedToken, BatchFeature, LlamaTokenizer, PreTrainedTokenizerFast, ProcessorMixin
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from .configuration import IMAGE_PLACEHOLDER, MiniGPT4Config, MiniGPTv2Config

_CONTENT = (
    "{%- if message['content'] is string -%}{{- message['content'] -}}{%- else -%}"
    "{%- for part in message['content'] -%}"
    "{%- if part['type'] == 'image' -%}{{- '<Img>" + IMAGE_PLACEHOLDER + "</Img> ' -}}"
    "{%- else -%}{{- part['text'] -}}{%- endif -%}"
    "{%- endfor -%}{%- endif -%}"
)


def _template(before_all: str, user: str, assistant: str, after: str) -> str:
    """A chat template: roles alternate, each message stands between its role and `after`."""
    return (
        f"{{{{- '{before_all}' -}}}}"
        "{%- for message in messages -%}"
        f"{{{{- '{user}' if message['role'] == 'user' else '{assistant}' -}}}}{_CONTENT}{{{{- '{after}' -}}}}"
        "{%- endfor -%}"
        f"{{%- if add_generation_prompt -%}}{{{{- '{assistant}' -}}}}{{%- endif -%}}"
    )


CHAT_TEMPLATES = {
    MiniGPTv2Config.model_type: _template("", "<s>[INST] ", " [/INST]", ""),
    MiniGPT4Config.model_type: _template(
        "Give the following image: <Img>ImageContent</Img>. You will be able to see the image once I provide "
        "it to you. Please answer my questions.###",
        "Human: ",
        "Assistant: ",
        "###",
    ),
}
"""The conversations of minigpt4/conversation/conversation.py: CONV_VISION_minigptv2 and _Vicuna0."""

REPLY_MARKS = {
    MiniGPTv2Config.model_type: ("[/INST]", "</s>"),
    MiniGPT4Config.model_type: ("Assistant:", "###"),
}
"""What stands before a reply and after it."""


class MiniGPTProcessor(ProcessorMixin):
    """A tokenizer and an image processor; `<ImageHere>` in a text becomes a picture's tokens.

    The text is cut at each picture and every part is tokenised for itself, each with Llama's leading "▁";
    the first part gets <s> in front, also where the text begins with <s> (so "<s>[INST] ..." has two of
    them, as in the original's evaluation, and "[INST] ..." has one, as in its training). Source:
    get_context_emb and prompt_wrap in minigpt4/models/minigpt_base.py.
    """

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        chat_template: str | None = None,
        image_token: str = IMAGE_PLACEHOLDER,
        image_seq_length: int = 256,
        reply_start: str = "[/INST]",
        reply_end: str = "</s>",
    ):
        self.image_token = image_token
        self.image_token_id = tokenizer.convert_tokens_to_ids(image_token)
        self.image_seq_length = image_seq_length
        self.reply_start, self.reply_end = reply_start, reply_end
        _check_parts(tokenizer, image_token)
        super().__init__(image_processor, tokenizer, chat_template=chat_template)

    def __call__(self, images: Any = None, text: Any = None, **kwargs: Any) -> BatchFeature:
        """input_ids and attention_mask (batch, tokens), pixel_values (images, 3, side, side)."""
        return super().__call__(images=images, text=text, **{**kwargs, "add_special_tokens": True})

    def replace_image_token(self, image_inputs: dict, image_idx: int, **kwargs: Any) -> str:
        """One image token for each token of a picture."""
        return self.image_token * self.image_seq_length

    def post_process_image_text_to_text(
        self, generated_outputs: Any, skip_special_tokens: bool = True, **kwargs: Any
    ) -> list[str]:
        """The replies in generated ids (without their prompts), cut where the original cuts them."""
        texts = self.tokenizer.batch_decode(
            generated_outputs, skip_special_tokens=skip_special_tokens, **kwargs
        )
        return [self._reply(text) for text in texts]

    def _reply(self, text: str) -> str:
        return text.partition(self.reply_end)[0].rpartition(self.reply_start)[2].strip()


def read_tokenizer(folder: Path | str) -> PreTrainedTokenizerFast:
    """Llama's tokenizer as transformers 4.28 to 4.30 ran it, with `<ImageHere>` as an added token.

    Those versions put SentencePiece's "▁" in front of every part of a text, also after a special token and
    before a space. `LlamaTokenizer` has since learnt a newer way, which the models were not trained with, and
    forgets its `legacy` setting when it is saved; the plain class keeps what is set here.
    """
    llama = LlamaTokenizer.from_pretrained(str(folder), add_bos_token=True, add_eos_token=False)
    backend = llama.backend_tokenizer
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.pre_tokenizer = None
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token=llama.unk_token,
        bos_token=llama.bos_token,
        eos_token=llama.eos_token,
        pad_token=llama.pad_token or llama.unk_token,  # masked everywhere; a new token would need a row
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    placeholder = AddedToken(IMAGE_PLACEHOLDER, lstrip=False, rstrip=False, normalized=False, special=True)
    tokenizer.add_tokens([placeholder], special_tokens=True)
    return tokenizer


def build_processor(config: MiniGPTv2Config | MiniGPT4Config, tokenizer: Any) -> MiniGPTProcessor:
    """The processor of a model: a square bicubic resize without a crop, CLIP's mean and deviation.

    Source: Blip2ImageEvalProcessor in minigpt4/processors/blip_processors.py.
    """
    side = {"height": config.vision_config.image_size, "width": config.vision_config.image_size}
    start, end = REPLY_MARKS[config.model_type]
    return MiniGPTProcessor(
        CLIPImageProcessorPil(size=side, do_center_crop=False),
        tokenizer,
        chat_template=CHAT_TEMPLATES[config.model_type],
        image_seq_length=config.image_seq_length,
        reply_start=start,
        reply_end=end,
    )


def _check_parts(tokenizer: Any, image_token: str) -> None:
    """Refuse a tokenizer that reads the part after a picture otherwise than for itself."""
    alone = tokenizer("</Img> a", add_special_tokens=False)["input_ids"]
    behind = tokenizer(f"{image_token}</Img> a", add_special_tokens=False)["input_ids"]
    if behind[1:] != alone:
        raise ValueError(
            f"the tokenizer does not read the text after {image_token!r} as a part of its own; load it with "
            "dataengine_utils.models.minigpt4.processing.read_tokenizer"
        )
