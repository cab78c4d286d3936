"""The official files' conversion: a round trip through made-up ones in the official layout."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, LlamaForCausalLM, PreTrainedModel

from dataengine_utils import models
from dataengine_utils.errors import KitError
from dataengine_utils.models.checkpoint import attach_adapter
from dataengine_utils.models.minigpt4.__main__ import main
from dataengine_utils.models.minigpt4.official_keys import interpolate_positions, join_biases, summarise
from dataengine_utils.training import attach_lora
from tests.minigpt4_files import (
    ALPHA,
    ARCHITECTURE,
    BLOCKS,
    RANK,
    TEXT_WIDTH,
    WIDTH,
    convert_official,
    eva_state,
    linear,
    lora_state,
    noise,
    norm,
    write_official,
)
from tests.minigpt4_plain import plain_positions

TOWER = "model.vision_tower.eva."


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    """The official files and their tensors."""
    return write_official(tmp_path_factory.mktemp("official"), seed=4)


def saved(path: Path, content) -> Path:
    torch.save(content, path)
    return path


def read(folder: Path) -> PreTrainedModel:
    model, report = AutoModelForImageTextToText.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"] and not report["mismatched_keys"]
    return model.eval()


def logits(model: torch.nn.Module, folder: Path) -> torch.Tensor:
    config = json.loads((folder / "config.json").read_text())
    ids = torch.tensor([[1, 40, *[config["image_token_index"]] * 9, 50, 60, 70]])
    side = config["vision_config"]["image_size"]
    with torch.no_grad():
        return model(
            input_ids=ids, pixel_values=torch.linspace(-1, 1, 3 * side**2).reshape(1, 3, side, side)
        ).logits


def test_every_official_tensor_arrives(official, tmp_path):
    conversion = convert_official(official, tmp_path / "out")
    state = read(tmp_path / "out").state_dict()
    qkv = f"{TOWER}encoder.layers.1.self_attn.qkv"
    assert torch.equal(state[f"{qkv}.weight"], official.eva["blocks.1.attn.qkv.weight"])
    assert torch.equal(state[f"{qkv}.bias"][:WIDTH], official.eva["blocks.1.attn.q_bias"])
    assert not state[f"{qkv}.bias"][WIDTH : 2 * WIDTH].any()
    assert torch.equal(state[f"{qkv}.bias"][2 * WIDTH :], official.eva["blocks.1.attn.v_bias"])
    positions = state[f"{TOWER}embeddings.position_embedding"][0]
    torch.testing.assert_close(positions, plain_positions(official.eva["pos_embed"], 6), atol=1e-5, rtol=1e-5)
    assert torch.equal(positions[0], official.eva["pos_embed"][0, 0])
    assert (state["model.vision_tower.ln_vision.weight"] == 1).all()
    assert conversion.used == {"eva.pth": 4 + 13 * BLOCKS, "v2.pth": 10}
    assert (
        conversion.lora
        == f"LoRA of rank {RANK} and alpha {ALPHA} (the checkpoint's config) merged into the language model"
    )
    assert "interpolated from 4x4 to 6x6" in conversion.filled[1] and "ones and zeros" in conversion.filled[0]
    left_out = " ".join(conversion.ignored.values())
    for key in ("visual_encoder.norm.weight", "blocks.3.mlp.fc1.weight", "layers.{0-1}.self_attn.rotary_emb"):
        assert key in left_out
    assert json.loads((tmp_path / "out" / "conversion.json").read_text())["ignored"] == conversion.ignored
    assert str(tmp_path) not in (tmp_path / "out" / "config.json").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"out"}


def test_lora_merged_and_kept_give_the_same_logits(official, tmp_path):
    merged, kept = tmp_path / "merged", tmp_path / "kept"
    convert_official(official, merged)
    convert_official(official, kept, lora="keep")
    base = read(kept)
    plain = logits(base, kept)
    adapted = attach_adapter(base, str(kept), kept / "adapter").eval()
    torch.testing.assert_close(logits(adapted, kept), logits(read(merged), merged), atol=2e-4, rtol=1e-4)
    assert (logits(adapted, kept) - plain).abs().max() > 0.1
    learner = models.load(str(kept))
    start = attach_lora(learner, kept / "adapter", "all-linear", True, {})
    trained = {name for name, value in start.named_parameters() if value.requires_grad}
    assert sum("lora_" in name for name in trained) == 8 and sum("projector" in name for name in trained) == 2
    config = json.loads((kept / "adapter" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["bias"]) == (RANK, ALPHA, "none")
    weight = "model.language_model.layers.0.self_attn.q_proj.weight"
    original = (
        LlamaForCausalLM.from_pretrained(official.folder / "llama").model.layers[0].self_attn.q_proj.weight
    )
    names = [
        f"llama_model.base_model.model.model.layers.0.self_attn.q_proj.lora_{part}.default.weight"
        for part in "AB"
    ]
    first, second = (official.v2[name] for name in names)
    torch.testing.assert_close(
        read(merged).state_dict()[weight], original.detach() + second @ first * ALPHA / RANK
    )
    convert_official(official, tmp_path / "another", lora="keep", lora_alpha=1)
    with pytest.raises(KitError, match="another base"):
        attach_adapter(read(merged), str(merged), tmp_path / "another" / "adapter")


@pytest.mark.parametrize(
    ("settings", "given", "alpha"),
    [
        ({}, None, 16),
        ({}, 32, 32),
        ({"config": {"model": {"lora_alpha": 4}}}, None, 4),
        ({"config": {"model": {"lora_alpha": 4}}}, 32, 32),
        ({"config": {"model": {"llama_lora": {"lora_alpha": 8}}}}, None, 8),
        ({"config": {"model": {"lora_alpha": "four", "llama_lora": None}}}, None, 16),
    ],
)
def test_loras_alpha_is_given_told_or_the_originals(official, tmp_path, settings, given, alpha):
    path = saved(tmp_path / "c.pth", {"model": official.v2, **settings})
    conversion = convert_official(official, tmp_path / "out", checkpoint=path, lora="keep", lora_alpha=given)
    assert f"alpha {alpha} " in conversion.lora
    config = json.loads((tmp_path / "out" / "adapter" / "adapter_config.json").read_text())
    assert config["lora_alpha"] == alpha


@pytest.mark.parametrize(("given", "side"), [(None, 4 * 14), (8 * 14, 8 * 14)])
def test_the_image_size_is_given_or_told_by_the_checkpoint(official, tmp_path, given, side):
    vision = {key: value for key, value in ARCHITECTURE["vision_config"].items() if key != "image_size"}
    path = saved(tmp_path / "c.pth", {"model": official.v2, "config": {"model": {"image_size": 4 * 14}}})
    sizes = {**ARCHITECTURE, "vision_config": vision}
    convert_official(
        official, tmp_path / "out", checkpoint=path, architecture=sizes, image_size=given
    )
    assert read(tmp_path / "out").config.vision_config.image_size == side


def test_a_checkpoint_with_everything_in_it_wins_over_the_other_files(official, tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(7)
        own = {f"visual_encoder.{key}": value for key, value in eva_state(BLOCKS, grid=6).items()}
        own |= {
            **norm("ln_vision", WIDTH),
            **linear("llama_proj", TEXT_WIDTH, 4 * WIDTH),
            **lora_state(default=""),
        }
        row = noise(TEXT_WIDTH)
    own["llama_model.base_model.model.model.norm.weight"] = row
    path = saved(tmp_path / "c.pth", {"model": own})
    conversion = convert_official(official, tmp_path / "out", checkpoint=path, eva=None)
    state = read(tmp_path / "out").state_dict()
    assert torch.equal(state[f"{TOWER}embeddings.position_embedding"], own["visual_encoder.pos_embed"])
    assert torch.equal(state["model.vision_tower.ln_vision.bias"], own["ln_vision.bias"])
    assert torch.equal(state["model.language_model.norm.weight"], row)
    assert not conversion.filled
    convert_official(official, tmp_path / "both", checkpoint=path)
    both = read(tmp_path / "both").state_dict()
    assert all(torch.equal(value, both[key]) for key, value in state.items())


def test_v1_takes_the_qformer_from_blip2s_file(official, tmp_path):
    conversion = convert_official(
        official, tmp_path / "out", kind="v1", qformer=official.folder / "qformer.pth"
    )
    assert conversion.model_type == "minigpt4" and conversion.lora == "no LoRA weights"
    state = read(tmp_path / "out").state_dict()
    assert torch.equal(state["model.vision_tower.query_tokens"], official.qformer["query_tokens"])
    assert torch.equal(state["model.vision_tower.ln_vision.bias"], official.qformer["ln_vision.bias"])
    left_out = " ".join(conversion.ignored.values())
    assert "t5_proj.weight" in left_out and "layer.{0-2}.intermediate.dense.bias" in left_out


def test_tensors_keep_the_precision_of_their_files(official, tmp_path):
    shutil.copytree(official.folder / "llama", tmp_path / "llama")
    LlamaForCausalLM.from_pretrained(tmp_path / "llama").bfloat16().save_pretrained(tmp_path / "llama")
    eva = saved(tmp_path / "e.pth", {key: value.half() for key, value in official.eva.items()})
    convert_official(official, tmp_path / "out", eva=eva, llama=tmp_path / "llama")
    tensors = load_file(tmp_path / "out" / "model.safetensors")
    kinds = {"model.language_model.layers.0.self_attn.q_proj.weight": torch.bfloat16}
    kinds |= {
        f"{TOWER}embeddings.position_embedding": torch.float32,
        f"{TOWER}embeddings.class_embedding": torch.float16,
    }
    kinds |= {"model.multi_modal_projector.weight": torch.float32}
    assert {key: tensors[key].dtype for key in kinds} == kinds


def test_keys_positions_and_biases():
    keys = [f"blocks.{number}.norm1.weight" for number in (5, 0, 1, 2)] + [
        "head.bias",
        "blocks.7.mlp.fc1.bias",
    ]
    assert summarise(keys) == "blocks.7.mlp.fc1.bias, blocks.{0-2,5}.norm1.weight, head.bias"
    table = torch.randn(1, 17, 3)
    assert interpolate_positions(table, 16) is table
    torch.testing.assert_close(
        interpolate_positions(table, 64)[0], plain_positions(table, 8), atol=1e-5, rtol=1e-5
    )
    joined = join_biases({"b:q": torch.ones(2), "b:v": torch.full((2,), 3.0), "w": torch.zeros(1)})
    assert joined["b"].tolist() == [1, 1, 0, 0, 3, 3] and set(joined) == {"b", "w"}


def test_the_command(official, tmp_path, capsys):
    sizes = tmp_path / "sizes.json"
    sizes.write_text(json.dumps(ARCHITECTURE))
    folder, out = official.folder, tmp_path / "out"
    command = ["convert", "--checkpoint", f"{folder}/v2.pth", "--llama", f"{folder}/llama", "--out", str(out)]
    command += ["--architecture", str(sizes), "--lora", "keep", "--image-size", "56"]
    assert main([*command, "--eva", f"{folder}/eva.pth"]) == 0
    printed = capsys.readouterr().out
    assert "minigpt_v2, 56 px" in printed and "kept in adapter/" in printed and f"wrote {out}" in printed
    assert read(out).config.image_seq_length == 4
    assert main([*command, "--eva", f"{folder}/eva.pth"]) == 1
    assert "error:" in capsys.readouterr().err
    sizes.write_text('{"depth": 3}')
    assert main(command) == 1
    assert "unknown part of the architecture 'depth'; known: num_query_tokens" in capsys.readouterr().err
