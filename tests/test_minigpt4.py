"""MiniGPT4-v2 and MiniGPT-4: features, logits and answers by the published rules, on small random models."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from dataengine_utils import models
from dataengine_utils.models.image_text import ImageTextStudent
from dataengine_utils.models.minigpt4 import MiniGPT4Config, MiniGPTv2Config
from dataengine_utils.models.minigpt4.matching import empty_model
from dataengine_utils.models.minigpt4.official_keys import places
from dataengine_utils.records import Question
from tests.minigpt4_files import TEXT_WIDTH, convert_both
from tests.minigpt4_plain import PROMPTS, SIDE, picture, plain_features, plain_ids, plain_linear, plain_pixels


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    """The official files' tensors, and the folders converted from them: `v2` and `v1`."""
    return convert_both(tmp_path_factory.mktemp("minigpt4"), seed=3)


@pytest.fixture(scope="module", params=["v2", "v1"])
def built(request, official):
    """A model, its processor, the name of its kind, and its projector's official weights."""
    folder = official.folder / request.param
    return SimpleNamespace(
        name=request.param,
        model=AutoModelForImageTextToText.from_pretrained(folder).eval(),
        processor=AutoProcessor.from_pretrained(folder, backend="pil"),
        projector=getattr(official, request.param),
    )


# Features


def test_features_follow_the_published_steps(official, built):
    pixels = torch.stack([plain_pixels(picture(seed)) for seed in (1, 2)])
    found = built.model.get_image_features(pixels, return_dict=True)
    for number in range(2):
        wanted = plain_features(official, built.name, pixels[number])
        assert wanted.abs().max() > 0.5
        torch.testing.assert_close(found.last_hidden_state[number], wanted, atol=3e-5, rtol=1e-4)
        projected = plain_linear(built.projector, "llama_proj", wanted)
        torch.testing.assert_close(found.pooler_output[number], projected, atol=1e-4, rtol=1e-4)


def test_published_sizes():
    v2, v1 = MiniGPTv2Config(), MiniGPT4Config()
    assert (v2.image_seq_length, v2.feature_size, v2.n_patches) == (256, 5632, 1024)
    assert (v1.image_seq_length, v1.feature_size, v1.vision_config.image_size) == (32, 768, 224)
    tower = v2.vision_config
    assert (tower.num_hidden_layers, tower.hidden_size, tower.num_attention_heads) == (39, 1408, 16)
    assert (tower.intermediate_size, tower.layer_norm_eps, v2.ln_vision_eps) == (
        int(1408 * 4.3637),
        1e-6,
        1e-5,
    )
    for config in (v2, v1):
        ours = {
            key
            for key in empty_model(config).state_dict()
            if ".language_model." not in key and "lm_head" not in key
        }
        assert ours == {key.partition(":")[0] for key in places(config).values()}


def test_pictures_of_another_size_are_refused(built):
    with pytest.raises(ValueError, match=rf"need \(images, 3, {SIDE}, {SIDE}\)"):
        built.model.get_image_features(torch.zeros(1, 3, 14, 14))


# The whole model


def test_the_language_model_reads_parts_and_picture_in_order(official, built):
    model, processor = built.model, built.processor
    prompt = PROMPTS[built.name]("[vqa] which one?")
    inputs = processor(images=picture(3), text=prompt, return_tensors="pt")
    embed = model.get_input_embeddings()
    before, after = (
        embed(torch.tensor([plain_ids(processor.tokenizer, part, bos)]))
        for part, bos in zip(prompt.split("<ImageHere>"), (True, False), strict=True)
    )
    features = plain_features(official, built.name, plain_pixels(picture(3)))
    projected = plain_linear(built.projector, "llama_proj", features)
    whole = torch.cat([before, projected[None], after], dim=1)
    wanted = model.lm_head(model.model.language_model(inputs_embeds=whole).last_hidden_state)
    torch.testing.assert_close(model(**inputs).logits, wanted, atol=2e-4, rtol=1e-4)
    torch.testing.assert_close(model(inputs_embeds=whole).logits, wanted)
    images = model.get_image_features(inputs.pop("pixel_values"), return_dict=True)
    kept = model(**inputs, mm_encoder_outputs={"image": images}, logits_to_keep=1).logits
    torch.testing.assert_close(kept, wanted[:, -1:], atol=2e-4, rtol=1e-4)


def test_an_id_outside_the_vocabulary_never_reaches_the_embedding(built):
    model = built.model
    rows = model.get_input_embeddings().num_embeddings
    assert (
        model.config.image_token_id
        == rows
        == model.lm_head.out_features
        == len(built.processor.tokenizer) - 1
    )
    seen = []
    hook = model.get_input_embeddings().register_forward_pre_hook(
        lambda _, arguments: seen.append(arguments[0])
    )
    model(**built.processor(images=picture(), text=PROMPTS[built.name]("a"), return_tensors="pt"))
    hook.remove()
    assert max(int(ids.max()) for ids in seen) < rows


def test_pictures_and_image_tokens_must_match(built):
    inputs = built.processor(images=picture(), text=PROMPTS[built.name]("a"), return_tensors="pt")
    pixels = inputs["pixel_values"]
    with pytest.raises(ValueError, match="image tokens"):
        built.model(input_ids=inputs["input_ids"])
    with pytest.raises(ValueError, match="image tokens"):
        built.model(input_ids=inputs["input_ids"], pixel_values=torch.cat([pixels, pixels]))
    with pytest.raises(ValueError, match="exactly one"):
        built.model(pixel_values=pixels)
    with pytest.raises(ValueError, match="need input_ids"):
        built.model(inputs_embeds=torch.zeros(1, 3, TEXT_WIDTH), pixel_values=pixels)


def test_the_frozen_side_stays_frozen_in_training(built):
    model = copy.deepcopy(built.model).train()
    inputs = built.processor(images=picture(), text=PROMPTS[built.name]("a b c"), return_tensors="pt")
    labels = inputs["input_ids"].masked_fill(inputs["input_ids"] == model.config.image_token_id, -100)
    loss = model(**inputs, labels=labels).loss
    loss.backward()
    trained = {name for name, value in model.named_parameters() if value.grad is not None}
    assert not any(".vision_tower." in name for name in trained)
    assert "model.multi_modal_projector.weight" in trained and "lm_head.weight" in trained
    assert not any(module.training for module in model.model.vision_tower.modules())
    torch.testing.assert_close(loss, built.model(**inputs, labels=labels).loss)


def test_saving_and_reading_changes_nothing(built, tmp_path):
    built.model.save_pretrained(tmp_path)
    built.processor.save_pretrained(tmp_path)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path)
    assert type(again) is type(built.model)
    first, second = (model.config.to_dict() | {"_name_or_path": ""} for model in (again, built.model))
    assert first == second
    state = again.state_dict()
    assert (
        all(torch.equal(value, state.pop(key)) for key, value in built.model.state_dict().items())
        and not state
    )
    prompt = PROMPTS[built.name]("what?")
    processor = AutoProcessor.from_pretrained(tmp_path, backend="pil")
    first, second = (
        p(images=picture(), text=prompt, return_tensors="pt") for p in (processor, built.processor)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_answers_are_the_same_in_a_batch(built):
    questions = ["a?", "[vqa] Based on the image, what is it?", "which of these\nA. one\nB. two"]
    prompts, pictures = (
        [PROMPTS[built.name](question) for question in questions],
        [picture(n) for n in range(3)],
    )
    options = {"max_new_tokens": 12, "do_sample": False}

    def answer(some: slice, embedded: bool) -> list[list[int]]:
        inputs = built.processor(images=pictures[some], text=prompts[some], padding=True, return_tensors="pt")
        ids, n_prompt = inputs["input_ids"], inputs["input_ids"].shape[1]
        if embedded:
            images = built.model.get_image_features(inputs["pixel_values"], return_dict=True)
            embeddings = built.model.model.embed(ids, torch.cat(images.pooler_output))
            inputs, n_prompt = {"inputs_embeds": embeddings, "attention_mask": inputs["attention_mask"]}, 0
        out = built.model.generate(**inputs, **options)[:, n_prompt:]
        return built.processor.batch_decode(out, skip_special_tokens=True)

    alone = [answer(slice(n, n + 1), False)[0] for n in range(3)]
    assert len(set(alone)) == 3
    assert answer(slice(0, 3), False) == alone == answer(slice(0, 3), True)


def test_the_kits_student_ranks_options_the_same_at_every_batch_size(official):
    student = ImageTextStudent.from_checkpoint(str(official.folder / "v2"))
    questions = [
        Question(
            str(n), str(n // 2), f"{n // 2}", f"Which {'x' * n}?", ("a", "two b", "c c c"), "", "A", "Text"
        )
        for n in range(5)
    ]
    scores = [
        np.array(
            [
                choice.scores
                for choice in student.choose(questions, lambda name: picture(int(name)), batch_size=size)
            ]
        )
        for size in (1, 5)
    ]
    np.testing.assert_allclose(*scores, atol=2e-4)
    assert len({tuple(row.round(3)) for row in scores[0]}) == 5


def test_it_is_a_student_by_its_folder_and_answers_the_same_at_every_batch_size(official):
    student = models.load(str(official.folder / "v2"))
    questions = [
        Question(str(n), str(n // 2), f"{n // 2}", f"Which {'x' * n}?", (), "", "", "T") for n in range(5)
    ]
    questions.append(Question("words", "", "", "No picture?", (), "", "", "T"))
    replies = [
        student.answer(questions, lambda name: picture(int(name)), batch_size=size, max_new_tokens=5)
        for size in (1, 2, 6)
    ]
    assert replies[0] == replies[1] == replies[2] and len(set(replies[0])) > 1


def test_attention_by_hand_and_by_torch_agree(official):
    pixels = plain_pixels(picture(9))[None]
    for name in ("v2", "v1"):
        by_torch, by_hand = (
            AutoModelForImageTextToText.from_pretrained(official.folder / name, attn_implementation=kind)
            .get_image_features(pixels, return_dict=True)
            .last_hidden_state
            for kind in ("sdpa", "eager")
        )
        torch.testing.assert_close(by_torch, by_hand, atol=3e-5, rtol=1e-4)
