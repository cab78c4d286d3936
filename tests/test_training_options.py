"""Ways to train faster or in less memory: what comes out stays what it was."""

import pytest
import torch

from dataengine_utils import models
from dataengine_utils.errors import KitError
from dataengine_utils.models.learning import AnswerLoss, Collator, encode_examples
from dataengine_utils.training import attach_lora, train
from tests.test_training import SETTINGS, make_examples, open_image
from tests.tiny import build_student

SHORT = {**SETTINGS, "epochs": 1, "lora_dropout": 0.1}
KEPT = ("step", "epoch", "loss", "lr")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return str(build_student(tmp_path_factory.mktemp("options") / "tiny"))


@pytest.fixture(scope="module")
def plain(checkpoint, tmp_path_factory):
    """The training that the others are compared with: its folder and its log."""
    return trained(checkpoint, tmp_path_factory.mktemp("plain") / "adapter")


def trained(checkpoint, folder, **settings):
    lines = []
    given = {**SHORT, **settings}
    train(checkpoint, make_examples(24), open_image=open_image, out_dir=folder, on_log=lines.append, **given)
    return folder, [{key: line[key] for key in KEPT} for line in lines]


@pytest.mark.parametrize("settings", [
    {"dataloader_workers": 2}, {"gradient_checkpointing": True}, {"checkpoint_minutes": 1e-9},
], ids=lambda settings: next(iter(settings)))  # fmt: skip
def test_the_adapter_is_the_same_to_the_byte(checkpoint, plain, tmp_path, settings, recwarn, capfd):
    folder, lines = trained(checkpoint, tmp_path / "adapter", **settings)
    assert lines == plain[1]
    for file in plain[0].iterdir():
        assert file.read_bytes() == (folder / file.name).read_bytes(), file.name
    assert capfd.readouterr() == ("", "") and [str(warning.message) for warning in recwarn] == []


@pytest.mark.parametrize("quantise", ["none", "nf4"])
def test_gradients_with_recomputed_activations_are_the_same(checkpoint, quantise):
    gradients = []
    for again in (False, True):
        learner = models.load(checkpoint, quantise=quantise)
        torch.manual_seed(0)
        attach_lora(learner, None, "all-linear", True, {"r": 8, "lora_alpha": 16, "lora_dropout": 0.0})
        if again:
            learner.model.activation_checkpointing_enable({"use_reentrant": False})
        loss_of = AnswerLoss(learner.model, learner.features.projector).train()
        batch = Collator(learner, open_image)([encode_examples(learner, make_examples(3))])
        loss_of(**batch)["loss"].backward()
        gradients.append([value.grad for value in loss_of.parameters() if value.requires_grad])
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))


@pytest.mark.parametrize("quantise", ["none", "nf4"])
def test_bfloat16_trains_like_float32(checkpoint, plain, tmp_path, quantise):
    """The base computes in bfloat16, the trained weights stay float32, and the loss is the same to 2 %."""
    folder, lines = trained(checkpoint, tmp_path / "adapter", dtype="bfloat16", quantise=quantise)
    for one, other in zip(lines, plain[1], strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=0.02 if quantise == "nf4" else 0.2)
    assert lines[-1]["loss"] < lines[0]["loss"]
    student = models.load(checkpoint, adapter=folder, quantise=quantise)
    assert student.name == checkpoint


def test_an_unknown_setting_names_the_known_ones(checkpoint, tmp_path):
    with pytest.raises(KitError, match="unknown training setting 'lora_rank'.*lora_r"):
        trained(checkpoint, tmp_path / "adapter", lora_rank=8)
