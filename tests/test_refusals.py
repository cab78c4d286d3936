"""Checkpoints and adapters that are not a student's, each refused with one clear error; options that miss."""

import dataclasses
import shutil

import pytest
import transformers
from transformers.models.smolvlm import processing_smolvlm

from dataengine_utils import models
from dataengine_utils.errors import KitError
from dataengine_utils.models.checkpoint import save_adapter
from dataengine_utils.models.image_text import NOT_SHOWN
from dataengine_utils.training import attach_lora
from tests import tiny_families
from tests.tiny import make_questions, open_image

LORA = {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny_families.build("qwen2_5_vl", tmp_path_factory.mktemp("refusals") / "qwen2_5_vl")


def test_a_model_that_takes_no_images_is_refused_by_name(tmp_path):
    transformers.LlamaConfig(**tiny_families.TEXT).save_pretrained(tmp_path)
    with pytest.raises(KitError, match="'llama' model, which takes no images.*known types: llava"):
        models.load(str(tmp_path))


def test_a_truncated_checkpoint_is_refused(checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint, tmp_path / "short")
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(KitError, match="weights cannot be read.*download the checkpoint again"):
        models.load(str(folder))


def test_a_checkpoint_without_one_of_its_shards_is_refused(checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint, tmp_path / "shards")
    (folder / "model.safetensors").unlink()
    transformers.AutoModelForImageTextToText.from_pretrained(checkpoint).save_pretrained(
        folder, max_shard_size="100KB"
    )
    first, *others = sorted(folder.glob("model-*.safetensors"))
    assert others and models.load(str(folder))
    first.unlink()
    with pytest.raises(KitError, match=r"weights cannot be read.*model-00001.*download the checkpoint again"):
        models.load(str(folder))


def test_a_checkpoint_without_its_processor_is_refused(checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint, tmp_path / "bare")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(KitError, match="processor cannot be read"):
        models.load(str(folder))


def test_an_adapter_of_another_base_is_refused(checkpoint, tmp_path):
    learner = models.load(str(checkpoint))
    adapter = attach_lora(learner, None, "all-linear", True, LORA)
    save_adapter(adapter, learner.name, tmp_path / "adapter")
    again = models.load(str(checkpoint), adapter=tmp_path / "adapter")
    questions = make_questions(4)
    assert [c.letter for c in again.choose(questions, open_image, batch_size=4)] == [
        c.letter for c in learner.choose(questions, open_image, batch_size=4)
    ]
    twin = tiny_families.build("qwen2_5_vl", tmp_path / "twin", seed=1)
    with pytest.raises(KitError, match="another base"):
        models.load(str(twin), adapter=tmp_path / "adapter")
    (tmp_path / "adapter" / "base.json").unlink()  # not made by the kit: peft finds no such layers
    other = tiny_families.build("smolvlm", tmp_path / "smolvlm")
    with pytest.raises(KitError, match="cannot be put on"):
        models.load(str(other), adapter=tmp_path / "adapter")


def test_a_package_that_a_processor_misses_is_named(tmp_path, monkeypatch):
    folder = tiny_families.build("smolvlm", tmp_path / "smolvlm")
    monkeypatch.setattr(processing_smolvlm, "num2words", None)
    with pytest.raises(KitError, match="pip install num2words"):
        models.load(str(folder))


@pytest.mark.parametrize("by", ["text", "letter"])
def test_a_missing_option_is_neither_offered_nor_chosen(checkpoint, by):
    student, questions = models.load(str(checkpoint)), make_questions(12)
    gapped = [
        dataclasses.replace(question, options=(question.options[0], "", *question.options[2:]))
        for question in questions
    ]
    choices = student.choose(gapped, open_image, batch_size=8, by=by)
    assert all(choice.letter != "B" and choice.scores[1] == NOT_SHOWN for choice in choices)
    if by == "text":
        for choice, whole in zip(choices, student.choose(questions, open_image, batch_size=8), strict=True):
            kept = [whole.scores[number] for number in (0, 2, 3)]
            assert [choice.scores[number] for number in (0, 2, 3)] == pytest.approx(kept, abs=1e-4)
    alone = dataclasses.replace(questions[0], options=("red", "", ""))
    with pytest.raises(KitError, match="1 options, ranking needs two"):
        student.choose([alone], open_image, batch_size=1)
