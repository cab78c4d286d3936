"""A small random LLaVA-1.5 with the full number of image tokens, and made-up questions and samples for it.

It serves measurements of speed: what is small keeps the proportions of the 7B model, where the image's 576
tokens outnumber the text's, the tower costs about a twentieth of the language model and the vocabulary's
projection next to nothing.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from dataengine_utils.models.wording import FAMILIES, full_prompt, prompt
from dataengine_utils.records import LETTERS, Question, Sample
from tests.tiny import CHAT_TEMPLATE, CORPUS, build_tokenizer

PATCH = 14
FAMILY = FAMILIES["llava"]
THINGS = ("cat", "dog", "horse", "bird", "man", "sign", "beach", "street", "park", "mountain", "lake")
COLOURS = ("blue", "green", "yellow", "purple", "orange", "white", "black", "brown", "red")
ASKED = (
    "What colour is the {} next to the {} on the {} side?",
    "How many {}s stand behind the {} and the {}?",
    "What is the {} doing with the {} near the {}?",
    "Where is the {}, seen from the {} at the {}?",
)


@dataclass(frozen=True)
class Shape:
    """Sizes of a small LLaVA: width and layers of language model and tower, pixels of a picture's side."""

    width: int = 384
    layers: int = 6
    tower_width: int = 128
    tower_layers: int = 3
    pixels: int = 336

    @property
    def image_tokens(self) -> int:
        """Tokens that stand for a picture."""
        return (self.pixels // PATCH) ** 2


def build_llava(folder: Path, shape: Shape, *, seed: int = 0) -> Path:
    """Save a random LLaVA (model, processor, chat template) in `folder` and return it."""
    import torch
    from transformers import LlavaForConditionalGeneration, LlavaProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    texts = [
        full_prompt(prompt(one.question, one.options, form, FAMILY), FAMILY)
        for one in make_questions(200, per_image=1, seed=1)
        for form in ("short", "choice")
    ]
    tokenizer = build_tokenizer().train_new_from_iterator([*texts, *CORPUS], 600, show_progress=False)
    square = {"height": shape.pixels, "width": shape.pixels}
    processor = LlavaProcessor(
        CLIPImageProcessorPil(size={"shortest_edge": shape.pixels}, crop_size=square),
        tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        chat_template=CHAT_TEMPLATE,
        num_additional_image_tokens=1,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlavaForConditionalGeneration(_config(shape, len(tokenizer), tokenizer))
        for parameter in model.parameters():  # wider than the default 0.02, so that answers differ
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.05)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return Path(folder)


def _config(shape: Shape, vocab_size: int, tokenizer: object):
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig

    vision = CLIPVisionConfig(
        hidden_size=shape.tower_width,
        intermediate_size=4 * shape.tower_width,
        num_hidden_layers=shape.tower_layers,
        num_attention_heads=shape.tower_width // 32,
        image_size=shape.pixels,
        patch_size=PATCH,
        projection_dim=shape.tower_width,
    )
    text = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=shape.width,
        intermediate_size=shape.width * 43 // 16,  # 11008 for 4096
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.width // 32,
        max_position_embeddings=4096,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=shape.image_tokens,
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
        kit_family="llava",
    )


def make_questions(n: int, *, per_image: int, seed: int = 0) -> list[Question]:
    """Questions with four options of one to three words, `per_image` about each image."""
    rng = random.Random(seed)
    return [
        Question(
            id=str(number),
            image_id=str(number // per_image),
            image=f"noise:{number // per_image}",
            question=_question(rng),
            options=_options(rng),
            answer="",
            choice="A",
            question_type="Text",
        )
        for number in range(n)
    ]


def make_samples(n: int, seed: int = 0) -> list[Sample]:
    """Generated samples as training takes them, one an image."""
    rng = random.Random(f"samples-{seed}")
    return [_sample(number, rng) for number in range(n)]


def _sample(number: int, rng: random.Random) -> Sample:
    options, right = _options(rng), rng.randrange(4)
    return Sample(
        instruction=_question(rng),
        answer=f"The {rng.choice(THINGS)} next to the {rng.choice(THINGS)} is {options[right]}.",
        short_answer=options[right],
        options=options,
        choice_answer=LETTERS[right],
        image=f"noise:{number}",
        qtype=0,
        question_type="Text",
        image_id=str(number),
        id=str(number),
        query_id=str(number),
        template_id="",
    )


def _question(rng: random.Random) -> str:
    return rng.choice(ASKED).format(*rng.sample(THINGS, 3))


def _options(rng: random.Random) -> tuple[str, ...]:
    words: Sequence[str] = rng.sample(COLOURS, 4)
    return tuple(" ".join([word, *rng.sample(THINGS, rng.randrange(3))]) for word in words)


def noise_picture(reference: str, pixels: int = 336) -> Image.Image:
    """A square picture of coarse noise, made from the reference alone."""
    noise = Image.frombytes("RGB", (7, 7), random.Random(reference).randbytes(147))
    return noise.resize((pixels, pixels))
