"""Adapters on the wrong student, or not whole: one clear error, and the model stays as it was."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from dataengine_utils import models
from dataengine_utils.errors import KitError
from dataengine_utils.models.checkpoint import BASE_FILE, attach_adapter, save_adapter
from dataengine_utils.training import attach_lora
from tests import tiny_families
from tests.tiny import build_student

WEIGHTS = "adapter_model.safetensors"
PREFIX = "base_model.model.model"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two students of one architecture, a deeper one, and an adapter for the first."""
    root = tmp_path_factory.mktemp("adapters")
    learner = models.load(str(build_student(root / "student")))
    adapter = attach_lora(learner, None, "q_proj,v_proj", True, {"r": 2, "lora_alpha": 4})
    for value in adapter.parameters():
        if value.requires_grad:
            torch.nn.init.normal_(value, std=0.05)
    save_adapter(adapter, learner.name, root / "adapter")
    twin, deeper = build_student(root / "twin", seed=1), build_student(root / "deeper", layers=3)
    return SimpleNamespace(root=root, adapter=root / "adapter", twin=str(twin), deeper=str(deeper), **{
        "student": learner.name,
    })  # fmt: skip


def changed(adapter: Path, folder: Path, change, *, marked: bool = False) -> Path:
    """A copy of an adapter with `change` made to its tensors, with or without the mark of its base."""
    shutil.copytree(adapter, folder)
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    if not marked:
        (folder / BASE_FILE).unlink()
    return folder


def refused(student: str, adapter: Path, says: str) -> None:
    """The adapter is refused with these words, and the model is what it was."""
    model = models.load(student).model
    names, kinds = list(model.state_dict()), [type(module) for module in model.modules()]
    with pytest.raises(KitError, match=says):
        attach_adapter(model, student, adapter)
    assert names == list(model.state_dict()) and kinds == [type(module) for module in model.modules()]
    assert not hasattr(model, "peft_config")


def nothing(tensors) -> None:
    """No change."""


def without(name: str):
    return lambda tensors: tensors.pop(name)


def key_of(layer: int, part: str) -> str:
    return f"{PREFIX}.language_model.layers.{layer}.self_attn.q_proj.lora_{part}.weight"


DAMAGED = {
    "half of a pair": (without(key_of(1, "B")), rf"1 missing \({key_of(1, 'B')}"),
    "no projector": (without(f"{PREFIX}.multi_modal_projector.linear_2.bias"), "1 missing .*linear_2.bias"),
    "a foreign weight": (
        lambda tensors: tensors.update({f"{PREFIX}.wte.lora_A.weight": torch.ones(2, 3)}),
        "1 unexpected .*wte",
    ),
    "another rank": (
        lambda tensors: tensors.update({key_of(0, "A"): torch.ones(3, 128)}),
        r"1 of another shape \(.*q_proj.lora_A.weight \(3, 128\) instead of \(2, 128\)",
    ),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_an_adapter_that_is_not_whole_is_refused(made, tmp_path, case):
    change, says = DAMAGED[case]
    refused(made.student, changed(made.adapter, tmp_path / "adapter", change, marked=True), says)


def test_an_adapter_of_another_base_is_refused_by_its_mark(made):
    for other in (made.twin, made.deeper):
        refused(other, made.adapter, "trained on another base .*student'")


def test_an_unmarked_adapter_of_another_shape_is_refused_by_its_weights(made, tmp_path):
    unmarked = changed(made.adapter, tmp_path / "adapter", nothing)
    refused(made.deeper, unmarked, rf"another base \('{made.student}'\).*4 missing .*layers.2.self_attn")
    qwen = str(tiny_families.build("qwen2_5_vl", tmp_path / "qwen"))
    refused(qwen, unmarked, "cannot be put on|another base")
    attach_adapter(models.load(made.twin).model, made.twin, unmarked)  # the same shapes: nothing tells them


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        (WEIGHTS, b"cut", "cannot be put on"),
        ("adapter_config.json", b"{", "cannot be put on"),
        ("adapter_config.json", b'{"peft_type": "PARROT"}', "cannot be put on"),
        (BASE_FILE, b"{}", "base.json is damaged"),
        (WEIGHTS, None, "cannot be put on"),
    ],
)
def test_a_damaged_file_is_one_clear_error(made, tmp_path, file, content, says):
    folder = shutil.copytree(made.adapter, tmp_path / "adapter")
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_bytes(content)
    refused(made.student, folder, says)


def test_an_adapter_without_a_projector_does_not_start_a_training_of_one(made, tmp_path):
    learner = models.load(made.student)
    save_adapter(attach_lora(learner, None, "q_proj", False, {"r": 2}), made.student, tmp_path / "adapter")
    with pytest.raises(KitError, match="holds no projector.*train_projector to false"):
        attach_lora(models.load(made.student), tmp_path / "adapter", "q_proj", True, {})
    again = attach_lora(models.load(made.student), tmp_path / "adapter", "q_proj", False, {})
    assert {name.split(".")[-3] for name, value in again.named_parameters() if value.requires_grad} == {
        "lora_A", "lora_B",
    }  # fmt: skip


def test_a_whole_adapter_changes_the_student_also_in_four_bits(made):
    for quantise in ("none", "nf4"):
        model = models.load(made.student, adapter=made.adapter, quantise=quantise).model
        assert sum(".lora_A." in name for name, _ in model.named_parameters()) == 4
    trained = load_file(made.adapter / WEIGHTS)
    layer = model.get_submodule("model.language_model.layers.1.self_attn.q_proj")
    assert torch.equal(layer.lora_B["default"].weight, trained[key_of(1, "B")])
    assert json.loads((made.adapter / BASE_FILE).read_text())["student"] == made.student
