"""Small random checkpoints in LLaVA-1.5's own layout, built in seconds from the real classes.

`python -m tests.llava_layout FOLDER` writes them: `base` (Vicuna), `clip`, `lora`, `full`, `projector`.
Layout: haotian-liu/LLaVA, llava/train/train.py, and the file lists of liuhaotian/llava-v1.5-7b and -7b-lora.
"""

import copy
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPVisionModel,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaTokenizer,
)

from dataengine_utils.models.checkpoint import quiet

SIDE, WIDTH, TOWER_WIDTH = 28, 32, 24
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
VISION = {
    "hidden_size": TOWER_WIDTH,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "patch_size": 14,
    "image_size": SIDE,
    "projection_dim": 16,
}
CLIP_TEXT = {
    "vocab_size": 50,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
MULTIMODAL = {
    "model_type": "llava",
    "mm_projector_type": "mlp2x_gelu",
    "mm_vision_select_layer": -2,
    "mm_vision_select_feature": "patch",
    "mm_hidden_size": TOWER_WIDTH,
    "mm_use_im_start_end": False,
    "mm_use_im_patch_token": False,
    "mm_vision_tower": "openai/clip-vit-tiny",
    "image_aspect_ratio": "pad",
    "image_grid_pinpoints": None,
    "torch_dtype": "bfloat16",
    "rope_theta": 10000.0,
    "rope_scaling": None,
}
CLIP_IMAGES = {
    "size": SIDE,
    "crop_size": SIDE,
    "resample": 3,
    "feature_extractor_type": "CLIPFeatureExtractor",
}


def vicuna_tokenizer() -> LlamaTokenizer:
    """A Llama tokenizer with byte fallback and one merge, `legacy: false` as Vicuna's."""
    signs = "▁abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:?'"
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *signs, "▁A"]
    vocabulary = {piece: place for place, piece in enumerate(pieces)}
    return LlamaTokenizer(vocab=vocabulary, merges=[("▁", "A")], legacy=False, add_bos_token=True)


def build_parts(seed: int = 0, width: int = WIDTH) -> SimpleNamespace:
    """The parts of a LLaVA: tokenizer, llama, tuned (llama under a peft LoRA), clip, tower, projector."""
    tokenizer = vicuna_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=512,
        rms_norm_eps=1e-5,
    )
    lora = LoraConfig(r=4, lora_alpha=8, target_modules=list(LINEAR), task_type="CAUSAL_LM")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        llama = _widely(LlamaForCausalLM(config))
        clip = _widely(CLIPModel(CLIPConfig(vision_config=VISION, text_config=CLIP_TEXT)))
        linears = torch.nn.Linear(TOWER_WIDTH, width), torch.nn.Linear(width, width)
        projector = _widely(torch.nn.Sequential(linears[0], torch.nn.GELU(), linears[1]))
        with quiet():  # peft asks transformers by a name that has a new one
            tuned = get_peft_model(copy.deepcopy(llama), lora).eval()
        for name, value in tuned.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(value, std=0.1)
    tower = CLIPVisionModel(clip.config.vision_config).eval()
    tower.load_state_dict(clip.vision_model.state_dict())
    return SimpleNamespace(
        tokenizer=tokenizer, llama=llama, tuned=tuned, clip=clip, tower=tower, projector=projector
    )


def write_all(root: Path) -> SimpleNamespace:
    """Write the five folders below `root`; the parts, with `root`."""
    made = build_parts()
    made.root = root
    projector = {f"mm_projector.{name}": value for name, value in made.projector.state_dict().items()}
    for name in ("lora", "full", "projector"):
        write_config(made, root / name)
    write_config(made, root / "base", model_type="llama")
    base = {**made.llama.state_dict(), "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)}
    write_shards(base, root / "base", "bin")
    write_shards(llava_tensors(made, tower=False), root / "full", "bin")
    for name in ("base", "full"):
        made.tokenizer.save_pretrained(root / name)
    _write_clip(made, root / "clip")
    torch.save({f"model.{k}": v for k, v in projector.items()}, root / "projector" / "mm_projector.bin")
    others = {f"base_model.model.model.{name}": value for name, value in projector.items()}
    torch.save(others, root / "lora" / "non_lora_trainables.bin")
    _write_lora(made, root / "lora")
    return made


def llava_tensors(made: SimpleNamespace, tower: bool) -> dict[str, torch.Tensor]:
    """The whole model in LLaVA's names, with or without the tower (and the buffer that old files hold)."""
    tensors = {name: value.clone() for name, value in made.llama.state_dict().items()}
    tensors |= {f"model.mm_projector.{name}": value for name, value in made.projector.state_dict().items()}
    if tower:
        prefix = "model.vision_tower.vision_tower.vision_model."
        tensors |= {prefix + name: value for name, value in made.tower.state_dict().items()}
        tensors[prefix + "embeddings.position_ids"] = torch.arange(5)[None]
    return tensors


def write_shards(tensors: dict[str, torch.Tensor], folder: Path, form: str) -> None:
    """Weights as a "single" file, "bin" shards with their index, or "safetensors" shards without one."""
    names = sorted(tensors)
    halves = [{name: tensors[name].contiguous() for name in part} for part in (names[::2], names[1::2])]
    if form == "single":
        torch.save(tensors, folder / "pytorch_model.bin")
    elif form == "safetensors":
        for number, half in enumerate(halves, start=1):
            save_file(half, folder / f"model-0000{number}-of-00002.safetensors")
    else:
        files = [f"pytorch_model-0000{number}-of-00002.bin" for number in (1, 2)]
        for file, half in zip(files, halves, strict=True):
            torch.save(half, folder / file)
        index = {name: file for file, half in zip(files, halves, strict=True) for name in half}
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": index}))


def write_config(made: SimpleNamespace, folder: Path, **changes: object) -> None:
    """LLaVA's config.json: Llama's fields and the multimodal ones in one level."""
    folder.mkdir(parents=True, exist_ok=True)
    raw = {key: value for key, value in made.llama.config.to_dict().items() if key != "rope_parameters"}
    (folder / "config.json").write_text(json.dumps({**raw, **MULTIMODAL, **changes}))


def _write_lora(made: SimpleNamespace, folder: Path) -> None:
    """As peft writes it, in the file format of its first releases."""
    made.tuned.save_pretrained(folder)
    adapter, config = folder / "adapter_model.safetensors", folder / "adapter_config.json"
    torch.save(load_file(adapter), adapter.with_suffix(".bin"))
    adapter.unlink()
    named = {**json.loads(config.read_text()), "base_model_name_or_path": "lmsys/vicuna-7b-v1.5"}
    config.write_text(json.dumps(named))


def _write_clip(made: SimpleNamespace, folder: Path) -> None:
    made.clip.config.save_pretrained(folder)
    tensors = {**made.clip.state_dict(), "vision_model.embeddings.position_ids": torch.arange(5)[None]}
    torch.save(tensors, folder / "pytorch_model.bin")
    (folder / "preprocessor_config.json").write_text(json.dumps(CLIP_IMAGES))


def _widely(model: torch.nn.Module) -> torch.nn.Module:
    """Random weights wide enough that every part matters to the logits."""
    for value in model.parameters():
        torch.nn.init.normal_(value, std=0.15)
    return model.eval()


if __name__ == "__main__":
    print(write_all(Path(sys.argv[1])).root)
