"""MiniGPT4-v2's and MiniGPT-4's processor: pixels, prompts and replies as the original has them."""

import pytest
import torch
from transformers import AutoProcessor, LlamaTokenizer

from dataengine_utils.models.minigpt4 import MiniGPTProcessor
from dataengine_utils.models.minigpt4.processing import CHAT_TEMPLATES
from dataengine_utils.models.wording import FAMILIES, full_prompt
from tests.minigpt4_files import convert_both
from tests.minigpt4_plain import PROMPTS, picture, plain_ids, plain_pixels, v2_prompt


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    """The official files' tensors, and the folders converted from them: `v2` and `v1`."""
    return convert_both(tmp_path_factory.mktemp("minigpt4"), seed=3)


@pytest.fixture(scope="module", params=["v2", "v1"])
def built(request, official):
    """The name of a kind and its processor."""
    return request.param, AutoProcessor.from_pretrained(official.folder / request.param, backend="pil")


def test_pixels_are_the_originals(built):
    processor = built[1]
    for image in (picture(5), picture(6, (200, 90)).convert("L"), picture(7).convert("RGBA")):
        pixels = processor.image_processor(image, return_tensors="pt")["pixel_values"][0]
        torch.testing.assert_close(pixels, plain_pixels(image), atol=2e-6, rtol=0)


@pytest.mark.parametrize(
    "question", ["[vqa] What is left of it?", "Which?\nA. a  cat\nB. é 漢\nAnswer.", " <s> a", "", "</s>x"]
)
def test_parts_of_a_prompt_are_tokenised_as_the_original_does(built, question):
    name, processor = built
    tokenizer, prompt = processor.tokenizer, PROMPTS[name](question)
    before, after = prompt.split("<ImageHere>")
    image = [processor.image_token_id] * processor.image_seq_length
    wanted = plain_ids(tokenizer, before, bos=True) + image + plain_ids(tokenizer, after, bos=False)
    assert processor(images=picture(), text=prompt)["input_ids"][0] == wanted
    content = [{"type": "image", "image": picture()}, {"type": "text", "text": question}]
    message = [{"role": "user", "content": content}]
    assert processor.apply_chat_template(message, add_generation_prompt=True) == prompt
    templated = processor.apply_chat_template(
        message, add_generation_prompt=True, tokenize=True, return_dict=True
    )
    assert list(templated["input_ids"][0]) == wanted


def test_v2s_evaluation_has_two_bos_and_its_training_one(official):
    processor = AutoProcessor.from_pretrained(official.folder / "v2", backend="pil")
    evaluated = processor(images=picture(), text=v2_prompt("a"))["input_ids"][0]
    trained = processor(images=picture(), text=v2_prompt("a").removeprefix("<s>"))["input_ids"][0]
    assert evaluated[:2] == [1, 1] and evaluated[1:] == trained and trained.count(1) == 1


def test_the_kits_wording_is_v2s_prompt():
    assert full_prompt("what?", FAMILIES["minigpt_v2"]) == v2_prompt("what?")
    assert set(CHAT_TEMPLATES) == {"minigpt_v2", "minigpt4"}


def test_a_tokenizer_that_joins_parts_is_refused(official):
    tokenizer = LlamaTokenizer.from_pretrained(official.folder / "llama")
    tokenizer.add_tokens(["<ImageHere>"], special_tokens=True)
    processor = AutoProcessor.from_pretrained(official.folder / "v2", backend="pil")
    with pytest.raises(ValueError, match="read_tokenizer"):
        MiniGPTProcessor(processor.image_processor, tokenizer)


def test_replies_are_cut_as_the_original_cuts_them(built):
    name, processor = built
    text = {"v2": "x[/INST] a cat </s> more", "v1": " a cat ###Human: b###Assistant: c"}[name]
    ids = processor.tokenizer(text, add_special_tokens=False)["input_ids"]
    assert processor.post_process_image_text_to_text([ids], skip_special_tokens=False) == ["a cat"]
