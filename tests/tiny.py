"""A small random LLaVA of the shipped student's structure, built in seconds from the real classes.

`python -m tests.tiny FOLDER` writes one by hand. Weights are random: it serves tests of structure and speed,
not of skill.
"""

import random
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from dataengine_utils.records import Question

SPECIAL_TOKENS = ["<pad>", "<s>", "</s>", "<unk>", "<image>"]
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'].upper() + ': ' }}"
    "{% for item in message['content'] if item['type'] == 'image' %}{{ '<image>\\n' }}{% endfor %}"
    "{% for item in message['content'] if item['type'] == 'text' %}{{ item['text'] + ' ' }}{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
CORPUS = [
    "USER: What colour is the cat? ASSISTANT: red",
    "Where is the dog, seen from the horse? left right above below",
    "How many birds are there? one two three four five six",
    "What is the man doing with the horse? riding holding",
    "What does the sign say? open stop farm shop",
    "A. B. C. D. beach street kitchen park mountain desert lake",
    "blue green yellow purple orange white black brown",
    "top left top right bottom left bottom right middle",
]

SIZES = ((112, 112), (150, 70), (60, 200), (230, 240), (90, 100))
WORDS = ("red", "blue", "green", "cat", "dog", "left", "right", "above", "below", "riding", "one", "two")


def open_image(reference: str) -> Image.Image:
    """A noise picture of one of several sizes and shapes, made from the reference alone."""
    noise = Image.frombytes("RGB", (7, 7), random.Random(reference).randbytes(147))
    return noise.resize(SIZES[sum(map(ord, reference)) % len(SIZES)])


def make_questions(n: int, per_image: int = 3, seed: int = 0) -> list[Question]:
    """Questions of differing lengths, several an image, every fifth one without a picture."""
    rng = random.Random(seed)
    return [
        Question(
            id=str(number),
            image_id=str(number // per_image),
            image="" if number % 5 == 4 else f"noise:{number // per_image}",
            question=" ".join(rng.choices(WORDS, k=rng.randint(2, 14))) + "?",
            options=(*rng.sample(WORDS, 3), " ".join(rng.choices(WORDS, k=3)) + "s"),
            answer="",
            choice="A",
            question_type="Text",
        )
        for number in range(n)
    ]


def train_tokenizer(vocab_size: int = 400, special_tokens: Sequence[str] = SPECIAL_TOKENS, bos: str = "<s>"):
    """A byte-level BPE tokenizer that puts `bos` (if any) before every text and knows the special tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(special_tokens),
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    if bos:
        start = (bos, special_tokens.index(bos))
        tokenizer.post_processor = processors.TemplateProcessing(single=f"{bos} $A", special_tokens=[start])
    return tokenizer


def build_tokenizer(vocab_size: int = 400):
    """The small LLaVA's tokenizer."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=train_tokenizer(vocab_size),
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        padding_side="left",
        model_max_length=1024,
        extra_special_tokens={"image_token": "<image>"},
    )


def build_config(vocab_size: int, layers: int = 2, family: str = "picturebook"):
    """The shipped student's shape (128 wide, 112 pixels, 49 image tokens) with `layers` layers in tower and
    model."""
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig

    vision = CLIPVisionConfig(
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=layers,
        num_attention_heads=4,
        image_size=112,
        patch_size=16,
        projection_dim=128,
    )
    text = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=128,
        intermediate_size=352,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    return LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=4,
        image_seq_length=49,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        tie_word_embeddings=True,
        kit_family=family,
    )


def build_processor(tokenizer):
    """The small LLaVA's processor."""
    from transformers import LlavaProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    images = CLIPImageProcessorPil(
        size={"height": 112, "width": 112}, crop_size={"height": 112, "width": 112}
    )
    return LlavaProcessor(
        images,
        tokenizer,
        patch_size=16,
        vision_feature_select_strategy="default",
        chat_template=CHAT_TEMPLATE,
        num_additional_image_tokens=1,
    )


def build_student(folder: Path, *, seed: int = 0, layers: int = 2) -> Path:
    """Save a random student (model, processor, chat template) in `folder` and return it."""
    import torch
    from transformers import LlavaForConditionalGeneration

    tokenizer = build_tokenizer()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlavaForConditionalGeneration(build_config(len(tokenizer), layers))
        for parameter in model.parameters():  # wider than the default 0.02, so that answers differ
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.08)
    model.save_pretrained(folder)
    build_processor(tokenizer).save_pretrained(folder)
    return Path(folder)


if __name__ == "__main__":
    print(build_student(Path(sys.argv[1])))
