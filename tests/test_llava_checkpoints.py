"""LLaVA's own checkpoints, made up small in their published layout, against a model assembled by hand."""

import json
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from dataengine_utils import models
from dataengine_utils.errors import KitError
from dataengine_utils.models.checkpoint import save_adapter
from dataengine_utils.models.llava_checkpoints import convert, parts
from dataengine_utils.models.llava_checkpoints.__main__ import main
from dataengine_utils.models.llava_checkpoints.weights import read_tensors, weight_files
from dataengine_utils.models.wording import FAMILIES, full_prompt
from dataengine_utils.training import attach_lora
from tests.llava_layout import (
    SIDE,
    VISION,
    build_parts,
    llava_tensors,
    write_all,
    write_config,
    write_shards,
)

QUESTION = "What is left of the cat?"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write_all(tmp_path_factory.mktemp("llava"))


def picture() -> Image.Image:
    """An oblong gradient, so that padding and cropping differ."""
    return Image.linear_gradient("L").convert("RGB").resize((40, 20))


@torch.no_grad()
def by_hand(made, language) -> torch.Tensor:
    """Logits (tokens, vocabulary) by LLaVA's own rules: padded picture, features of the layer before the last
    without [CLS], projector, embeddings of the text before and after."""
    before, after = full_prompt(QUESTION, FAMILIES["llava"]).split("<image>")
    square = Image.new("RGB", (40, 40), tuple(int(255 * mean) for mean in CLIPImageProcessorPil.image_mean))
    square.paste(picture(), (0, 10))
    images = CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    pixels = images(square, return_tensors="pt")["pixel_values"]
    states = made.tower(pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
    embed = language.get_input_embeddings()
    pieces = [made.tokenizer(before)["input_ids"], made.tokenizer(after)["input_ids"][1:]]
    first, last = (embed(torch.tensor([ids])) for ids in pieces)
    return language(inputs_embeds=torch.cat([first, made.projector(states), last], dim=1)).logits[0]


@torch.no_grad()
def logits_of(student) -> torch.Tensor:
    """Logits of a loaded student on the same question, through its own processor."""
    text = full_prompt(QUESTION, FAMILIES["llava"])
    inputs = student.encoder.processor(images=picture(), text=text, return_tensors="pt")
    return student.model(**inputs).logits[0]


def same(made, student, language) -> bool:
    expected = by_hand(made, language)
    return torch.allclose(logits_of(student)[:, : expected.shape[1]], expected, atol=2e-5)


# What comes out


def test_the_lora_form_has_the_logits_of_the_unmerged_parts(made, tmp_path):
    out = tmp_path / "new" / "out"
    report = convert(made.root / "lora", out, base=made.root / "base", clip=made.root / "clip")
    student = models.load(str(out))
    assert same(made, student, made.tuned) and not same(made, student, made.llama)
    assert report == json.loads((out / "conversion.json").read_text())
    assert report["lora"]["layers"] == 14 and report["lora"]["done"] == "merged"
    assert not (tmp_path / "new" / "out.part").exists()


def test_a_kept_lora_is_an_adapter_of_the_kit(made, tmp_path):
    out = tmp_path / "out"
    convert(made.root / "lora", out, base=made.root / "base", clip=made.root / "clip", lora="keep")
    assert same(made, models.load(str(out)), made.llama)
    adapted = models.load(str(out), adapter=out / "adapter")
    assert same(made, adapted, made.tuned)
    learner = models.load(str(out))
    start = attach_lora(learner, out / "adapter", "all-linear", True, {})
    trainable = {name for name, value in start.named_parameters() if value.requires_grad}
    assert sum("lora_" in name for name in trainable) == 28
    assert sum("multi_modal_projector" in name for name in trainable) == 4
    save_adapter(start, str(out), tmp_path / "saved")
    for file in ("adapter_model.safetensors", "base.json", "adapter_config.json"):
        mine, kits = (folder / file for folder in (out / "adapter", tmp_path / "saved"))
        assert mine.read_bytes() == kits.read_bytes() or json.loads(mine.read_text()) == json.loads(
            kits.read_text()
        )


def test_the_update_is_added_in_float32_and_rounded_once(made, tmp_path):
    folders = {"base": made.root / "base", "clip": made.root / "clip"}
    convert(made.root / "lora", tmp_path / "out", **folders, dtype="float16")
    name, weights = "self_attn.q_proj", models.load(str(tmp_path / "out"), dtype="float16").model
    layer = made.tuned.get_submodule(f"base_model.model.model.layers.1.{name}")
    update = layer.get_delta_weight("default")
    expected = (layer.base_layer.weight + update).half()
    assert torch.equal(weights.get_submodule(f"model.language_model.layers.1.{name}").weight, expected)


@pytest.mark.parametrize("form", ["single", "bin", "safetensors"])
@pytest.mark.parametrize("tower", [True, False])
def test_the_full_form_has_the_logits_of_its_parts(made, tmp_path, form, tower, monkeypatch):
    monkeypatch.setitem(parts.TOWERS, "clip-vit-tiny", VISION)
    write_config(made, tmp_path / "full")
    made.tokenizer.save_pretrained(tmp_path / "full")
    write_shards(llava_tensors(made, tower), tmp_path / "full", form)
    report = convert(tmp_path / "full", tmp_path / "out", clip=None if tower else made.root / "clip")
    assert same(made, models.load(str(tmp_path / "out")), made.llama)
    assert len(report["left_out"]) == (1 if tower else 2)


def test_a_projector_alone_is_put_on_its_base(made, tmp_path):
    convert(made.root / "projector", tmp_path / "out", base=made.root / "base", clip=made.root / "clip")
    assert same(made, models.load(str(tmp_path / "out")), made.llama)


def test_tokens_rows_and_template_are_those_of_llava(made, tmp_path):
    convert(made.root / "full", tmp_path / "out", clip=made.root / "clip", dtype="bfloat16")
    student = models.load(str(tmp_path / "out"), dtype="bfloat16")
    rows, config = len(made.tokenizer), student.model.config
    assert (config.image_token_id, config.text_config.pad_token_id) == (rows, rows + 1)
    weights = student.model.get_input_embeddings().weight
    assert weights.shape[0] == config.text_config.vocab_size == 384 and weights.dtype == torch.bfloat16
    text = full_prompt(QUESTION, FAMILIES["llava"])
    pieces = [made.tokenizer(piece)["input_ids"] for piece in text.split("<image>")]
    encoded = student.encoder.encode(QUESTION, (), "direct", ("A",))
    assert [*encoded.head, *encoded.tail] == [*pieces[0], rows, *pieces[1][1:]]
    content = [{"type": "image"}, {"type": "text", "text": QUESTION}]
    turns = [{"role": "user", "content": content}, {"role": "assistant", "content": "No."}]
    render = student.encoder.processor.apply_chat_template
    assert render(turns[:1], add_generation_prompt=True) == text
    assert (
        render([{"role": "system", "content": "Hi."}, *turns])
        == f"Hi. USER: <image>\n{QUESTION} ASSISTANT: No.</s>"
    )


def test_every_tensor_that_is_not_read_is_named(made, tmp_path, capsys):
    extra = {**llava_tensors(made, tower=False), "model.image_newline": torch.zeros(3)}
    write_config(made, tmp_path / "full")
    write_shards(extra, tmp_path / "full", "single")
    ask = ["convert", "--checkpoint", str(tmp_path / "full"), "--base", str(made.root / "base"), "--clip",
           str(made.root / "clip"), "--out", str(tmp_path / "out")]  # fmt: skip
    with pytest.raises(SystemExit, match=r"error: .*1 tensors unexpected: checkpoint: model\.image_newline"):
        main(ask)
    main([*ask, "--leave-out", "model.image_new*"])
    said = capsys.readouterr().out
    assert "model.image_newline" in said and "visual_projection.weight" in said and "position_ids" in said
    assert same(made, models.load(str(tmp_path / "out")), made.llama)


# What is refused


def changed(made, tmp_path, form: str, file: str, change) -> SimpleNamespace:
    """The published folders with one file of one of them changed: by bytes, by tensors, or taken away."""
    folders = {name: made.root / name for name in ("base", "clip", "lora", "full")}
    folders[form] = shutil.copytree(made.root / form, tmp_path / form)
    path = folders[form] / file
    if change is None:
        path.unlink()
    elif isinstance(change, bytes):
        path.write_bytes(change)
    elif isinstance(change, float):
        path.write_bytes(path.read_bytes()[: int(change * path.stat().st_size)])
    elif path.suffix == ".json":
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    else:
        torch.save(change(torch.load(path)), path)
    return SimpleNamespace(**folders)


def without(part: str):
    return lambda tensors: {name: value for name, value in tensors.items() if part not in name}


def plus(name: str):
    return lambda tensors: {**tensors, name: torch.ones(1)}


SHARD = "pytorch_model-00002-of-00002.bin"
OTHERS, LORA = "non_lora_trainables.bin", "adapter_model.bin"
WRONG = {
    "truncated": ("base", SHARD, 0.6, "not a whole weight file"),
    "empty": ("full", SHARD, b"", "not a whole weight file"),
    "a git-lfs pointer": ("lora", LORA, b"version https://git-lfs", "not a whole weight file"),
    "no dictionary": ("lora", OTHERS, lambda tensors: list(tensors.values()), "holds list"),
    "a shard is missing": ("full", SHARD, None, "1 of 2 shards are missing"),
    "an index of nothing": ("full", "pytorch_model.bin.index.json", b"{}", "weight_map"),
    "no projector": ("lora", OTHERS, without("mm_projector.2"), r"2 tensors missing: .*linear_2"),
    "an unexpected tensor": (
        "lora",
        OTHERS,
        plus("model.resampler"),
        r"unexpected: non_lora_.*bin: model\.resamp",
    ),
    "an unexpected LoRA": (
        "lora",
        LORA,
        plus("base_model.x"),
        r"unexpected: adapter_model.bin: base_model\.x",
    ),
    "half a LoRA": ("lora", LORA, without("1.mlp.up_proj.lora_B"), "without its other half: .*up_proj"),
    "a layer without LoRA": ("lora", LORA, without("q_proj"), r"2 layers missing: .*q_proj.* \(2x\)"),
    "another rank": ("lora", "adapter_config.json", {"r": 8}, "14 layers of another shape"),
    "another adapter": ("lora", "adapter_config.json", {"use_dora": True}, "use_dora is True"),
    "a missing layer": ("base", SHARD, without("layers.1."), "tensors missing: .*language_model.layers"),
    "not finite": ("full", SHARD, lambda t: {k: v * float("nan") for k, v in t.items()}, "holds NaN"),
    "another projector": ("lora", "config.json", {"mm_projector_type": "linear"}, "allowed: 'mlp2x_gelu'"),
    "LLaVA-1.6": ("full", "config.json", {"image_aspect_ratio": "anyres"}, "'anyres', allowed: 'pad'"),
    "converted before": ("full", "config.json", {"vision_config": {}}, "already"),
    "another tower": ("clip", "config.json", {"model_type": "siglip"}, "'siglip', allowed: 'clip'"),
    "no config": ("lora", "config.json", None, "no LLaVA config"),
    "a damaged config": ("lora", "config.json", b"{", "not a LLaVA config"),
    "no tokenizer": ("base", "tokenizer.json", None, "no tokenizer"),
    "a damaged tokenizer": ("base", "tokenizer.json", b"{", "cannot be read"),
    "no others": ("lora", OTHERS, None, "no file .*non_lora_trainables.bin"),
    "no CLIP": ("clip", "pytorch_model.bin", None, "--clip: no weights"),
}


@pytest.mark.parametrize(("form", "file", "change", "says"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_one_clear_error_and_nothing_is_written(made, tmp_path, form, file, change, says):
    folders = changed(made, tmp_path, form, file, change)
    checkpoint = folders.full if form == "full" else folders.lora
    with pytest.raises(KitError, match=says):
        convert(checkpoint, tmp_path / "out", base=folders.base, clip=folders.clip)
    assert {path.name for path in tmp_path.iterdir()} == {form}


def test_another_base_is_told_by_its_shapes(made, tmp_path):
    other = build_parts(width=48)
    write_config(other, tmp_path / "base", model_type="llama")
    write_shards(other.llama.state_dict(), tmp_path / "base", "safetensors")
    says = r"another shape .*base: lm_head.weight is \(328, 48\), not \(328, 32\).*lmsys/vicuna-7b-v1.5"
    with pytest.raises(KitError, match=says):
        convert(made.root / "lora", tmp_path / "out", base=tmp_path / "base", clip=made.root / "clip")


def test_a_pickle_that_would_run_code_is_not_run(made, tmp_path):
    folders = changed(made, tmp_path, "lora", "non_lora_trainables.bin", None)
    code = "import torch, os, sys; E = type('E', (), {'__reduce__': lambda self: (os.mkdir, (sys.argv[1],))})"
    ran, file = tmp_path / "ran", folders.lora / "non_lora_trainables.bin"
    save = f"{code}; torch.save({{'a': E()}}, sys.argv[2])"
    subprocess.run([sys.executable, "-c", save, str(ran), str(file)], check=True)
    with pytest.raises(KitError, match="not a whole weight file"):
        convert(folders.lora, tmp_path / "out", base=folders.base, clip=folders.clip)
    assert file.is_file() and not ran.exists()


def test_other_formats_of_weight_files(tmp_path):
    tensors = {"a": torch.arange(3.0)}
    torch.save(tensors, tmp_path / "old.bin", _use_new_zipfile_serialization=False)
    assert torch.equal(read_tensors(tmp_path / "old.bin")["a"], tensors["a"])
    save_file(tensors, tmp_path / "cut.safetensors")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "cut.safetensors").read_bytes()[:-4])
    with pytest.raises(KitError, match="not a whole weight file"):
        read_tensors(tmp_path / "cut.safetensors")
    (tmp_path / "model-00001-of-00003.safetensors").write_bytes(b"")
    with pytest.raises(KitError, match="2 of 3 shards are missing"):
        weight_files(tmp_path)


def test_folders_that_are_missing_or_in_use_are_named(made, tmp_path):
    lora, base, clip = (made.root / name for name in ("lora", "base", "clip"))
    for arguments, says in (
        ({"checkpoint": tmp_path / "none"}, "--checkpoint: no folder"),
        ({"base": None}, r"--base DIR .*vicuna"),
        ({"clip": None}, r"--clip DIR .*clip-vit-large-patch14-336"),
        ({"checkpoint": clip, "clip": None}, "is not of a LLaVA-1.5: model_type is 'clip'"),
        ({"lora": "mix"}, "keep, merge"),
        ({"dtype": "int8"}, "bfloat16"),
    ):
        with pytest.raises(KitError, match=says):
            convert(**{"checkpoint": lora, "out": tmp_path / "out", "base": base, "clip": clip, **arguments})
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("kept")
    with pytest.raises(KitError, match="not an empty folder"):
        convert(lora, tmp_path / "out", base=base, clip=clip)
    assert (tmp_path / "out" / "mine.txt").read_text() == "kept"


def test_no_room_is_seen_before_and_a_full_disk_leaves_nothing(made, tmp_path, monkeypatch):
    arguments = {"base": made.root / "base", "clip": made.root / "clip"}
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
        with pytest.raises(KitError, match="no room"):
            convert(made.root / "lora", tmp_path / "a" / "out", **arguments)
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000)); "
        "from dataengine_utils.models.llava_checkpoints.__main__ import main; main(sys.argv[1:])"
    )
    flags = [f"--{name}={made.root / name}" for name in ("base", "clip")]
    command = ["convert", f"--checkpoint={made.root / 'lora'}", *flags, f"--out={tmp_path / 'a' / 'out'}"]
    run = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=False)
    assert run.returncode == 1 and "error: cannot write" in run.stderr and "Traceback" not in run.stderr
    assert list((tmp_path / "a").iterdir()) == []
