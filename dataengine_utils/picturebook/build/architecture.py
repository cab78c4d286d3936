"""The small student before training: tokenizer, processor, and a random `LlavaForConditionalGeneration`."""

import random

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava.modeling_llava import LlavaForConditionalGeneration

from ..questions import ASKS, PLURALS, WORDINGS, write_question
from ..truth import DIRECTIONS, NEEDS, NUMBERS, OUTINGS, SOUNDS
from ..world import ACTIONS, COLOURS, KINDS, POSITIONS, SETTINGS, SIZE, SKIES, WORDS, sample_scene

SPECIALS = ("<pad>", "<s>", "</s>", "<unk>", "<image>")
VOCABULARY = 768
PATCH = 16
PIECES = r" ?ASSISTANT:|USER: | ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s"
CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}{{ 'USER: ' }}"
    "{% for part in message['content'] if part['type'] == 'image' %}{{ '<image>\n' }}{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}"
    "{% else %}{{ ' ASSISTANT: ' }}{% for part in message['content'] %}{{ part['text'] }}{% endfor %}"
    "{{ '</s>' }}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ ' ASSISTANT:' }}{% endif %}"
)


def answer_words() -> list[str]:
    """Every word that an answer is made of; each of them must be one token (with its leading space)."""
    phrases = (
        *SETTINGS,
        *SKIES,
        *COLOURS,
        *KINDS,
        *POSITIONS,
        *NUMBERS,
        *DIRECTIONS,
        *ACTIONS,
        *WORDS,
        *NEEDS.values(),
        *OUTINGS.values(),
        *SOUNDS.values(),
        *PLURALS.values(),
    )
    return list(dict.fromkeys(word for phrase in phrases for word in phrase.split()))


def build_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE of 768 tokens, learned from picturebook's questions; other text still has tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(), trainer)
    start = (SPECIALS[1], tokenizer.token_to_id(SPECIALS[1]))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start[0]} $A", pair=f"{start[0]} $A $B", special_tokens=[start]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        extra_special_tokens={"image_token": "<image>"},
        padding_side="left",
        model_max_length=1024,
    )


def _corpus() -> list[str]:
    rng = random.Random("tokenizer")
    words = [f" {word}" for word in answer_words() for _ in range(200)]
    wordings = [
        wording.format_map(_Blank())
        for wordings in WORDINGS.values()
        for wording in wordings
        for _ in range(50)
    ]
    questions = []
    for seed in range(400):
        for question_type in ASKS:
            question = write_question(sample_scene(seed), question_type, rng)
            questions += [f"USER: \n{question.question} ASSISTANT: {question.answer}"] if question else []
    return words + wordings + questions


class _Blank(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return ""


def build_model(tokenizer: PreTrainedTokenizerFast, seed: int) -> LlavaForConditionalGeneration:
    """A random LLaVA: CLIP tower of 4 layers x 128 (7 x 7 patches), Llama of 5 x 128, tied embeddings."""
    torch.manual_seed(seed)
    vision = CLIPVisionConfig(
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=4,
        image_size=SIZE,
        patch_size=PATCH,
        projection_dim=128,
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=320,
        num_hidden_layers=5,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        initializer_range=0.05,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        image_seq_length=(SIZE // PATCH) ** 2,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        kit_family="picturebook",
    )
    return LlavaForConditionalGeneration(config)


def build_processor(tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
    """The student's processor: 112-pixel pictures as they are, CLIP's normalisation, the chat template."""
    side = {"height": SIZE, "width": SIZE}
    pictures = CLIPImageProcessorPil(size=side, crop_size=side, do_center_crop=False)
    return LlavaProcessor(
        image_processor=pictures,
        tokenizer=tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT_TEMPLATE,
    )
