"""A small random LLaVA of the shipped student's structure, built in seconds from the real classes.

`python -m tests.tiny FOLDER` writes one by hand. Weights are random: it serves tests of structure and speed,
not of skill.
"""

import sys
from pathlib import Path

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


def build_tokenizer(vocab_size: int = 400):
    """A byte-level BPE tokenizer that puts <s> before every text and knows the five special tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=SPECIAL_TOKENS,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        padding_side="left",
        model_max_length=1024,
        extra_special_tokens={"image_token": "<image>"},
    )


def build_config(vocab_size: int, layers: int = 2):
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
        kit_family="picturebook",
    )


def build_student(folder: Path, *, seed: int = 0, layers: int = 2) -> Path:
    """Save a random student (model, processor, chat template) in `folder` and return it."""
    import torch
    from transformers import LlavaForConditionalGeneration, LlavaProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    tokenizer = build_tokenizer()
    images = CLIPImageProcessorPil(
        size={"height": 112, "width": 112}, crop_size={"height": 112, "width": 112}
    )
    processor = LlavaProcessor(
        images,
        tokenizer,
        patch_size=16,
        vision_feature_select_strategy="default",
        chat_template=CHAT_TEMPLATE,
        num_additional_image_tokens=1,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlavaForConditionalGeneration(build_config(len(tokenizer), layers))
        for (
            parameter
        ) in model.parameters():  # wider than the default 0.02, so that answers differ between questions
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.08)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return Path(folder)


if __name__ == "__main__":
    print(build_student(Path(sys.argv[1])))
