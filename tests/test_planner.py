"""The memory planner: counted weights, activations against those autograd keeps, and what it advises.

Tolerance: activations kept, 10 % of what is measured; the peak, 5 %; numbers of weights and tokens, exact.
"""

import pytest
import torch
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from dataengine_utils import PROJECT, memory, models, planner
from dataengine_utils.memory import GIB, Load, PictureLoad, memory_of, picture_load, shape_of, trained_weights
from dataengine_utils.models.checkpoint import read_config
from dataengine_utils.models.families import LLAVA
from dataengine_utils.models.learning import AnswerLoss, Collator, encode_examples
from dataengine_utils.models.minigpt4 import MiniGPTv2Config
from dataengine_utils.models.minigpt4.processing import build_processor as minigpt_processor
from dataengine_utils.profiles import load_profile
from dataengine_utils.training import attach_lora
from dataengine_utils.training.adapter import trained
from tests import tiny_families
from tests.bench.memory import CASES, PAGE, Case, measure, page, table
from tests.bench.memory import build_student as build_grown
from tests.test_training import make_examples, open_image
from tests.tiny import build_config, build_student

SMALL = PictureLoad(49, 49)
SIZES = {"7b": (4096, 11008, 32, 32), "13b": (5120, 13824, 40, 40)}


def llava_config(size: str):
    """LLaVA-1.5's published shape."""
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig

    hidden, intermediate, layers, heads = SIZES[size]
    vision = CLIPVisionConfig(
        hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16,
        image_size=336, patch_size=14, projection_dim=768,
    )  # fmt: skip
    text = LlamaConfig(
        vocab_size=32064, hidden_size=hidden, intermediate_size=intermediate, num_hidden_layers=layers,
        num_attention_heads=heads, max_position_embeddings=4096,
    )  # fmt: skip
    return LlavaConfig(vision_config=vision, text_config=text, image_seq_length=576)


@pytest.fixture(scope="module")
def shapes():
    return {size: shape_of(llava_config(size), LLAVA, "all-linear", PictureLoad(576, 576)) for size in SIZES}


@pytest.mark.parametrize("size, total, lora, projector", [
    ("7b", 7_063_427_072, 319_815_680, 20_979_712), ("13b", 13_351_494_656, 500_695_040, 31_467_520),
])  # fmt: skip
def test_the_weights_of_the_real_students_are_counted(shapes, size, total, lora, projector):
    """Totals as the checkpoints' cards give them; r = 128 on every linear layer of the language model."""
    shape = shapes[size]
    assert shape.linear + shape.other == total
    assert trained_weights(shape, 128, projector=False) == lora
    assert trained_weights(shape, 128, projector=True) == lora + projector
    assert shape.n_lora == 7 * shape.layers and shape.projected_rows == 576


@pytest.fixture(scope="module", params=tiny_families.NAMES)
def learner(request, tmp_path_factory):
    """A small student of every family, as it is trained."""
    student = models.load(str(tiny_families.build(request.param, tmp_path_factory.mktemp(request.param))))
    attach_lora(student, None, "all-linear", True, {"r": 4, "lora_alpha": 4, "lora_dropout": 0.0})
    return student


@pytest.mark.parametrize("size", [(112, 112), (640, 480), (300, 1000)])
def test_pictures_are_counted_as_they_are_prepared(learner, size):
    """Tokens with their marks, tiles, grids and line ends; patches as the tower takes them."""
    counted = picture_load(learner.encoder.processor, learner.model.config, size)
    (picture,) = learner.features.get([str(size)], lambda _: Image.new("RGB", size))
    assert counted.tokens == len(picture.insert.ids)
    shape = shape_of(learner.model.config, learner.family.structure, "all-linear", counted)
    assert shape.projected_rows * shape_of_first(learner) == picture.states[0].numel()


def shape_of_first(learner) -> int:
    """The width that the first projector reads."""
    module = learner.features.projector.modules[0]
    return next(layer.in_features for layer in module.modules() if isinstance(layer, torch.nn.Linear))


def test_all_trained_weights_are_counted(learner):
    """Also those of Qwen3-VL's projectors for the middle of its tower."""
    structure = learner.family.structure
    shape = shape_of(read_config(learner.name), structure, "all-linear", SMALL)
    adapted = sum(value.numel() for _, value in trained(learner.model))
    assert trained_weights(shape, 4, projector=True) == adapted
    assert (shape.projector > 0) and ("deepstack" in "".join(structure.projectors)) == (
        learner.model.config.model_type == "qwen3_vl"
    )


def sized(family: str, images, **settings):
    """A family's config and processor with its published image sizes; tokens do not depend on widths."""
    config, processor = tiny_families.BUILDERS[family]()
    processor.image_processor = images
    for name, value in settings.items():
        setattr(processor, name, value)
    config.vision_config.patch_size = images.patch_size if hasattr(images, "patch_size") else 14
    return config, processor


def published():
    """(config, processor, tokens, patches) of a picture of 640 x 480 pixels, worked out by hand."""
    square = {side: {"height": side, "width": side} for side in (336, 448)}
    clip = CLIPImageProcessorPil(size={"shortest_edge": 336}, crop_size=square[336])
    yield *sized("llava", clip, patch_size=14), 24 * 24, 24 * 24
    pinpoints = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]
    tiles = LlavaNextImageProcessorPil(crop_size=square[336], image_grid_pinpoints=pinpoints)
    whole, rows, columns = 24 * 24, 36, 48  # two by two tiles, of which a quarter is padding
    yield *sized("llava_next", tiles), whole + rows * (columns + 1), 5 * whole
    yield *sized("qwen2_5_vl", Qwen2VLImageProcessorPil(patch_size=14)), 17 * 23, 4 * 17 * 23
    yield *sized("qwen3_vl", Qwen2VLImageProcessorPil(patch_size=16)), 15 * 20, 4 * 15 * 20
    tiles = GotOcr2ImageProcessorPil(size=square[448], crop_to_patches=True, max_patches=12)
    yield *sized("internvl", tiles, image_seq_length=256), 13 * 256 + 2, 13 * 1024
    config, tokenizer = MiniGPTv2Config(), tiny_families.minigpt_v2()[1].tokenizer
    yield config, minigpt_processor(config, tokenizer), 256, 1024


def test_pictures_of_the_published_models():
    for config, processor, tokens, patches in published():
        assert picture_load(processor, config, (640, 480)) == PictureLoad(tokens, patches), config.model_type


def test_four_bits_weigh_what_bitsandbytes_stores(tmp_path):
    name = str(build_student(tmp_path / "tiny"))
    learner = models.load(name, quantise="nf4")
    shape = shape_of(read_config(name), LLAVA, "all-linear", SMALL)
    stored = 0
    for module in learner.model.get_submodule(LLAVA.language_model).modules():
        if type(module).__name__ == "Linear4bit":
            state = module.weight.quant_state
            stored += module.weight.nbytes + state.absmax.nbytes + state.state2.absmax.nbytes
    assert stored == pytest.approx(shape.linear * memory.NF4_BYTES, rel=0.01)


def kept_by_autograd(name: str, *, layers_again: bool, dropout: float, dtype: str | None, quantise: str):
    """Bytes of the tensors saved for the backward pass, weights left out; and the load as the planner sees
    it."""
    learner = models.load(name, quantise=quantise, dtype=dtype)
    attach_lora(learner, None, "all-linear", True, {"r": 16, "lora_alpha": 16, "lora_dropout": dropout})
    if layers_again:
        learner.model.activation_checkpointing_enable({"use_reentrant": False})
    loss_of = AnswerLoss(learner.model, learner.features.projector).train()
    width = 2 if dtype == "bfloat16" else 4
    mixed = torch.autocast("cpu", torch.bfloat16, enabled=width == 2)
    with mixed:
        batch = Collator(learner, open_image)([encode_examples(learner, make_examples(8, ("short",)))])
    weights = {value.untyped_storage().data_ptr() for value in (*loss_of.parameters(), *loss_of.buffers())}
    saved: dict[int, torch.UntypedStorage] = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            saved[storage.data_ptr()] = storage  # held, so that no other takes its place
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor), mixed:
        loss = loss_of(**batch)["loss"]
    rows, tokens = batch["input_ids"].shape
    load = Load(rows, tokens, len(batch["labels"]) // rows, 16, dropout > 0, width, 4, layers_again)
    assert loss.requires_grad
    return sum(storage.nbytes() for storage in saved.values()), load


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planner")
    return {layers: str(build_student(folder / str(layers), layers=layers)) for layers in (2, 6)}


@pytest.mark.parametrize("layers", [2, 6])
@pytest.mark.parametrize("settings", [
    {"dropout": 0.0, "dtype": None, "quantise": "none"},
    {"dropout": 0.1, "dtype": None, "quantise": "nf4"},
    {"dropout": 0.1, "dtype": "bfloat16", "quantise": "none"},
    {"dropout": 0.0, "dtype": "bfloat16", "quantise": "nf4"},
], ids=lambda settings: "-".join(map(str, settings.values())))  # fmt: skip
@pytest.mark.parametrize("again", [False, True], ids=["kept", "recomputed"])
def test_activations_are_those_that_autograd_keeps(checkpoints, layers, settings, again):
    measured, load = kept_by_autograd(checkpoints[layers], layers_again=again, **settings)
    shape = shape_of(read_config(checkpoints[layers]), LLAVA, "all-linear", SMALL)
    assert memory.kept_bytes(shape, load) == pytest.approx(measured, rel=0.1)


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grown")
    return {family: build_grown(family, folder / family, layers=3) for family in ("llava", "qwen3_vl")}


@pytest.mark.parametrize("case", [
    Case(rows=1, checkpointing=True, answer_words=120),
    Case("qwen3_vl", rows=1, checkpointing=True, accumulation=2),
    Case("qwen3_vl", rows=1, quantise="none", dtype="float32", dropout=0.0),
], ids=["logits", "gradients", "float32"])  # fmt: skip
def test_the_peak_is_the_measured_one(grown, tmp_path, case):
    """All that PyTorch's allocator hands out in a step of the kit's own training."""
    line = measure(case, grown[case.family], tmp_path / "adapter")
    assert line.step > 2 * memory.GIB / 1024 and line.base > 2 * memory.GIB / 1024
    assert line.predicted_base == pytest.approx(line.base, rel=0.05)
    assert line.predicted_step == pytest.approx(line.step, rel=0.05)
    assert table([line]).count("|") == 3 * 13
    assert f"| {line.error:+.1%} | not measured |" in page([line])


def test_the_page_in_the_docs_is_the_benchs():
    """Its frame and its cases; the numbers are those of its last run."""
    text = (PROJECT / "docs" / "memory.md").read_text(encoding="utf-8")
    assert text.startswith(PAGE.partition("**Measured on")[0])
    rows = [line for line in text.splitlines() if line.startswith("| ") and "not measured" in line]
    assert [row.split(" | ")[0].strip("| ") for row in rows] == [case.family for case in CASES]
    assert all(abs(float(row.split(" | ")[-2].rstrip("%"))) < 5 for row in rows)


# What it advises


def test_a_larger_gpu_takes_more_at_once(shapes):
    profile = load_profile("llava15")
    made = {gib: planner.plan(profile, gib, shape=shapes["7b"]) for gib in (16, 24, 48, 80)}
    assert all(one.fits and one.train_batch_size * one.gradient_accumulation == 16 for one in made.values())
    sizes = [one.train_batch_size for one in made.values()]
    assert sizes[0] < 16 and made[16].gradient_checkpointing
    assert all(one.memory.total <= gib for gib, one in made.items())
    assert not made[80].gradient_checkpointing


def test_where_nothing_fits_it_says_so(shapes):
    made = planner.plan(load_profile("llava15", {"quantise": "none"}), 12, shape=shapes["13b"])
    assert not made.fits and made.train_batch_size == 1 and made.gradient_checkpointing
    assert "nothing fits" in planner.describe(made) and "quantise=nf4" in planner.describe(made)


def test_processes_share_the_batch_but_not_the_weights(shapes):
    one, four, divided = (
        planner.profile_plan(load_profile("llava15", settings), 80, shape=shapes["7b"])
        for settings in ({}, {"num_processes": 4}, {"num_processes": 4, "shard": True})
    )
    assert divided.memory.weights < 0.5 * four.memory.weights
    assert divided.memory.optimiser < 0.4 * four.memory.optimiser
    assert four.memory.weights == one.memory.weights
    assert four.memory.activations < one.memory.activations / 3


def test_memory_is_the_sum_of_its_parts(shapes):
    load = Load(1, 704, 32, 128, True)
    made = memory_of(shapes["7b"], load, quantise="nf4", projector=True)
    n_trained = trained_weights(shapes["7b"], 128, projector=True)
    assert made.optimiser == 8 * n_trained / GIB == 2 * made.adapter
    assert made.total == sum(vars(made).values())
    assert 3.5 < made.weights < 4.5  # the 7B student in NF4


def test_the_command(tmp_path, capsys):
    name = str(build_student(tmp_path / "tiny"))
    arguments = ["--profile", "picturebook", "--set", f"student={name}", "--gpu-memory"]
    assert planner.main([*arguments, "8"]) == 0
    shown = capsys.readouterr().out
    assert "--set train_batch_size=32" in shown and "together" in shown
    assert planner.main([*arguments, "0.5"]) == 2
    assert "640x480 pixels is 49 tokens" in shown
    with pytest.raises(SystemExit):
        planner.main([*arguments, "8", "--picture", "640"])
    assert "--picture: invalid" in capsys.readouterr().err
    for none in ("0", "-8", "nan", "inf", "much"):
        with pytest.raises(SystemExit):
            planner.main([*arguments, none])
        assert f"--gpu-memory: invalid _gib value: '{none}'" in capsys.readouterr().err
    assert planner.main(["--profile", "none", "--gpu-memory", "8"]) == 1
    assert "unknown profile" in capsys.readouterr().err


def test_after_a_full_gpu_something_smaller_is_suggested(shapes, monkeypatch):
    monkeypatch.setattr(planner, "student_shape", lambda profile: shapes["7b"])
    full = load_profile("llava15")
    assert planner.suggestion(full, 16) == planner.plan(full, 16).settings
    assert "train_batch_size=8 --set gradient_accumulation=2" in planner.suggestion(full, 30)
    kept = load_profile("llava15", {"gradient_checkpointing": False})
    assert "gradient_checkpointing=true" in planner.suggestion(kept, 900)


def test_the_embedded_students_config_is_enough():
    assert shape_of(build_config(400), LLAVA, "q_proj,v_proj", SMALL).n_lora == 4
