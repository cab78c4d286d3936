"""Official files, folders and settings that are not in order: one clear error, and nothing left behind."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import PreTrainedModel

from dataengine_utils.errors import KitError
from tests.minigpt4_files import (
    RANK,
    TEXT_WIDTH,
    WIDTH,
    convert_official,
    linear,
    lora_state,
    noise,
    write_official,
)


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    """The official files and their tensors."""
    return write_official(tmp_path_factory.mktemp("official"), seed=4)


def saved(path: Path, content) -> Path:
    torch.save(content, path)
    return path


def without(state: dict, *keys: str) -> dict:
    return {key: value for key, value in state.items() if key not in keys}


def lora(part: str, layer: int = 0) -> str:
    return f"llama_model.base_model.model.model.layers.{layer}.self_attn.q_proj.lora_{part}.default.weight"


WRONG_CHECKPOINTS = {
    "no projector": (lambda v2: without(v2, "llama_proj.weight"), "no matrix llama_proj.weight"),
    "no projector bias": (lambda v2: without(v2, "llama_proj.bias"), "missing: llama_proj.bias"),
    "another width": (
        lambda v2: v2 | linear("llama_proj", 40, 4 * WIDTH),
        "40 wide tokens, --llama's are 32",
    ),
    "another tower": (lambda v2: v2 | linear("llama_proj", TEXT_WIDTH, 50), "50 wide features"),
    "unexpected": (
        lambda v2: v2 | {"moe.3.gate": noise(2), "moe.4.gate": noise(2)},
        r"unexpected: moe.\{3-4\}.gate",
    ),
    "half of LoRA": (lambda v2: without(v2, lora("B")), "lora_A alone"),
    "LoRA of more layers": (lambda v2: v2 | lora_state(3), "layers.2.self_attn.q_proj: LoRA weights, but"),
    "LoRA's shapes": (lambda v2: v2 | {lora("B"): noise(8, RANK)}, r"do not fit the layer \(32, 32\)"),
    "two ranks": (lambda v2: v2 | {lora("A"): noise(2, 32), lora("B"): noise(32, 2)}, r"ranks \[2, 4\]"),
    "a foreign layer": (
        lambda v2: v2 | {"llama_model.model.wte.weight": noise(2)},
        "lacks: model.wte.weight",
    ),
    "a wrong shape": (
        lambda v2: v2 | {"ln_vision.weight": noise(3), "ln_vision.bias": noise(3)},
        r"ln_vision.weight \(3,\)",
    ),
    "half a norm": (lambda v2: v2 | {"ln_vision.weight": noise(WIDTH)}, "missing: ln_vision.bias"),
}


@pytest.mark.parametrize("case", WRONG_CHECKPOINTS)
def test_wrong_checkpoints_are_refused_and_leave_nothing(official, tmp_path, case):
    change, message = WRONG_CHECKPOINTS[case]
    path = saved(tmp_path / "c.pth", {"model": change(official.v2)})
    with pytest.raises(KitError, match=message):
        convert_official(official, tmp_path / "out", checkpoint=path)
    assert {entry.name for entry in tmp_path.iterdir()} == {"c.pth"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda eva: without(eva, "blocks.2.attn.q_bias"),
            "missing: visual_encoder.blocks.2.attn.q_bias.*--eva",
        ),
        (lambda eva: eva | {"rope.freqs": noise(2)}, "unexpected: visual_encoder.rope.freqs.*--ignore"),
        (
            lambda eva: eva | {"blocks.4.norm1.bias": noise(2)},
            "unexpected: visual_encoder.blocks.4.norm1.bias",
        ),
        (lambda eva: eva | {"pos_embed": noise(1, 13, WIDTH)}, r"\(1, 13, 24\): no \[CLS\] and square grid"),
        (lambda eva: eva | {"cls_token": noise(1, 1, 5)}, r"visual_encoder.cls_token \(1, 1, 5\) instead of"),
        (lambda eva: eva | {"cls_token": "text"}, "holds no state dict"),
        (lambda eva: {}, "holds no state dict"),
        (lambda eva: [1, 2], "holds no state dict"),
    ],
)
def test_wrong_towers_are_refused(official, tmp_path, change, message):
    with pytest.raises(KitError, match=message):
        convert_official(official, tmp_path / "out", eva=saved(tmp_path / "e.pth", change(official.eva)))
    assert not (tmp_path / "out").exists()


def test_the_published_sizes_are_expected_without_an_architecture(official, tmp_path):
    with pytest.raises(KitError, match=r"96 wide features: neither four joined patches \(5632"):
        convert_official(official, tmp_path / "out", architecture=None)


def test_more_keys_can_be_left_out_by_name(official, tmp_path):
    path = saved(tmp_path / "c.pth", {"model": official.v2 | {"moe.3.gate": noise(2)}})
    conversion = convert_official(official, tmp_path / "out", checkpoint=path, ignore=[r"moe\..*"])
    assert conversion.ignored["named by --ignore"] == "moe.3.gate"


@pytest.mark.parametrize("keep", [0, 7, 1000, 0.5, 0.99])
@pytest.mark.parametrize("zipped", [True, False])
def test_truncated_files_are_refused(official, tmp_path, keep, zipped):
    whole = tmp_path / "whole.pth"
    torch.save({"model": official.v2}, whole, _use_new_zipfile_serialization=zipped)
    content = whole.read_bytes()
    cut = tmp_path / "cut.pth"
    cut.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(KitError, match=r"cut.pth' \([\d,]+ bytes\) cannot be read as a checkpoint"):
        convert_official(official, tmp_path / "out", checkpoint=cut)
    convert_official(official, tmp_path / "out", checkpoint=whole)


def test_a_file_that_would_run_code_is_refused(official, tmp_path):
    path = saved(tmp_path / "c.pth", {"model": official.v2, "config": Path("x")})
    with pytest.raises(KitError, match="cannot be read as a checkpoint"):
        convert_official(official, tmp_path / "out", checkpoint=path)


def test_folders_that_do_not_fit(official, tmp_path):
    with pytest.raises(KitError, match="no config.json"):
        convert_official(official, tmp_path / "out", llama=tmp_path / "nowhere")
    with pytest.raises(KitError, match="no file"):
        convert_official(official, tmp_path / "out", eva=tmp_path / "nowhere.pth")
    with pytest.raises(KitError, match="does not exist"):
        convert_official(official, tmp_path / "no" / "out")
    (tmp_path / "out").mkdir()
    with pytest.raises(KitError, match="exists already"):
        convert_official(official, tmp_path / "out")
    llama = shutil.copytree(official.folder / "llama", tmp_path / "llama")
    weights = llama / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(KitError, match="weights in .* cannot be read"):
        convert_official(official, tmp_path / "new", llama=llama)
    shutil.copy(official.folder / "llama" / "model.safetensors", weights)
    (llama / "tokenizer.json").write_text("{")
    with pytest.raises(KitError, match="tokenizer .* in .* cannot be read"):
        convert_official(official, tmp_path / "new", llama=llama)
    assert {path.name for path in tmp_path.iterdir()} == {"out", "llama"}


def test_settings_that_do_not_fit(official, tmp_path):
    for options, message in (
        ({"lora": "both"}, "known: keep, merge"),
        (
            {"lora": "keep", "kind": "v1", "qformer": official.folder / "qformer.pth"},
            "no LoRA weights to keep",
        ),
        ({"kind": "v1"}, r"missing: Qformer.*query_tokens\. give BLIP-2's file .* with --qformer"),
        (
            {"qformer": official.folder / "qformer.pth"},
            "unexpected: .*Qformer.bert.embeddings.LayerNorm.weight",
        ),
        ({"image_size": 50}, "50 px do not divide"),
        ({"ignore": ["("]}, "no regular expression"),
    ):
        with pytest.raises(KitError, match=message):
            convert_official(official, tmp_path / "out", **options)
    assert not any(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing(official, tmp_path, monkeypatch):
    def full(self, folder, **_):
        (Path(folder) / "model.safetensors").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(KitError, match=r"No space left.*nothing was kept"):
        patched.setattr(PreTrainedModel, "save_pretrained", full)
        convert_official(official, tmp_path / "out")
    assert not any(tmp_path.iterdir())
    with monkeypatch.context() as patched, pytest.raises(KitError, match=r"needs 0.0 GiB, 0.0 GiB are free"):
        patched.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=100))
        convert_official(official, tmp_path / "out")
    assert not any(tmp_path.iterdir())
