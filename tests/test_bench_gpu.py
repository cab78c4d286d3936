"""The bench for a GPU, without one: its parts on tiny students, its FLOPs against hand counts, its page."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from dataengine_utils import PROJECT, models
from dataengine_utils.errors import KitError
from dataengine_utils.instruction_data import FORMS
from dataengine_utils.memory import PictureLoad, picture_load, shape_of
from dataengine_utils.models.families import LLAVA
from dataengine_utils.models.learning import encode_examples
from dataengine_utils.training.adapter import trained
from tests.bench.gpu import __main__ as command
from tests.bench.gpu import parts, report, run, students
from tests.bench.gpu.clock import Clock
from tests.bench.gpu.flops import Costs, Work, WorkCounter, costs_of, peak_tflops
from tests.bench.gpu.parts import Bench, Measured
from tests.bench.gpu.run import Result, Setting
from tests.bench.small_llava import make_questions, noise_picture

CPU = Setting(device="cpu", dtype="float32", micro_batches=(4,))
NEW = 5


def empty_result(budget_s: float = 1000) -> Result:
    return Result("NVIDIA H100 80GB HBM3", 989.0, "torch", budget_s)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """Both tiny students through every part."""
    patch = pytest.MonkeyPatch()
    patch.setattr(parts, "STEPS", 1)
    patch.setattr(run, "TRAIN_STEPS", 2)
    seen: list[int] = []
    setting = dataclasses.replace(CPU, scratch=tmp_path_factory.mktemp("scratch"))
    done = run.run(
        students.TINY, empty_result(), setting, on_change=lambda now: seen.append(len(now.measured))
    )
    patch.undo()
    assert seen == sorted(seen) and list(setting.scratch.iterdir()) == []
    return done


def test_every_part_is_measured_for_both_students(result):
    assert [one.name for one in result.students] == [recipe.name for recipe in students.TINY]
    wanted = {("choose", 4, 1, False), ("choose", 4, 4, False)}
    wanted |= {("answer", *rest) for _, *rest in wanted}
    wanted |= {("train", *rest, again) for _, *rest, _ in wanted for again in (False, True)}
    wanted |= {("train()", 16, 2, True), ("train()", 6, 3, True)}
    measured = {(one.part, one.micro_batch, one.per_picture, one.recomputing) for one in result.measured}
    assert measured == wanted and len(result.measured) == 2 * (len(wanted) - 1)
    for one in result.measured:
        assert one.note == "" and one.samples_per_s > 0 and one.peak is None and one.taken is None
        assert (one.flops is None) == (one.part == "train()")
        assert (one.predicted is None) == (one.part != "train")


def test_sharing_a_picture_saves_work_but_not_samples(result):
    """In FLOPs for a sample, which do not depend on the clock."""
    for part in ("choose", "train"):
        alone, shared = (
            one.flops / one.samples_per_s
            for one in result.measured
            if (one.student, one.part, one.recomputing) == (students.TINY[0].name, part, False)
        )
        assert shared < 0.75 * alone


def test_the_page_holds_every_line(result, tmp_path):
    report.write(result, tmp_path)
    page = (tmp_path / report.PAGE_FILE).read_text()
    assert all(f"## {recipe.name}" in page for recipe in students.TINY)
    assert page.count("| choose |") == page.count("| answer |") == 4 and page.count("| train |") == 8
    read = json.loads((tmp_path / report.JSON_FILE).read_text())
    assert read["card"] in page and read["measured"][3]["flops"] == result.measured[3].flops


# Students


def test_full_size_is_the_published_models():
    """Numbers of weights as the checkpoints have them; nothing is built."""
    sizes = {}
    for recipe in students.FULL:
        config, processor = recipe.parts(recipe.text, recipe.vision)
        with torch.device("meta"):
            model = students.AutoModelForImageTextToText.from_config(config)
        sizes[recipe.name] = sum(value.numel() for value in model.parameters())
        load = picture_load(processor, config, (640, 480))
        wanted = {"llava": (576, 576, 32064), "minigpt_v2": (256, 1024, 32000)}[config.model_type]
        assert (load.tokens, load.patches, config.text_config.vocab_size) == wanted
    assert sizes["LLaVA-1.5-7B"] == 7_063_427_072
    llama, tower, projector = 6_738_415_616, 985_952_256 - 1408 * 257 + 1408 * 1025, 5632 * 4096 + 4096
    assert sizes["MiniGPT4-v2 (7B)"] == pytest.approx(llama + tower + projector, rel=1e-3)


def test_words_are_about_a_token_each(bench):
    """As with the real tokenizers; signs alone would make the text outweigh the picture."""
    for row in encode_examples(bench.student, parts._examples(bench, 8, 1)):
        assert row.n_tokens() < 110


# Model FLOPs


def test_the_costs_of_the_7b_student_by_hand():
    config, _ = students.FULL[0].parts({}, {})
    shape = shape_of(config, LLAVA, "all-linear", PictureLoad(576, 576))
    with torch.device("meta"):
        model = students.AutoModelForImageTextToText.from_config(config)
    costs = costs_of(model, LLAVA, shape, 128)
    linear = 32 * (4 * 4096 * 4096 + 3 * 4096 * 11008)
    lora = 32 * 128 * (4 * (4096 + 4096) + 3 * (4096 + 11008))
    tower = 24 * (4 * 1024 * 1024 + 2 * 1024 * 4096) + 3 * 14 * 14 * 1024
    projector = 1024 * 4096 + 4096 + 4096 * 4096 + 4096
    assert costs == Costs(
        token=2 * linear,
        lora_token=2 * lora,
        pair=4 * 4096 * 32,
        logit=2 * 4096 * 32064,
        picture=2 * tower * 576 + 4 * 1024 * 24 * 576**2,
        projected=2 * projector * 576,
    )


def test_forward_and_training_by_hand():
    costs = Costs(token=100, lora_token=10, pair=1, logit=1000, picture=5000, projected=300)
    work = Work(tokens=7, pairs=28, logits=2, pictures=1)
    assert work.forward_flops(costs) == 7 * 110 + 28 + 2000 + 5300
    assert work.training_flops(costs) == 2 * (700 + 2000) + 3 * (70 + 28 + 300) + 5000


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A tiny LLaVA of 64 patches in float32, as the parts see it."""
    recipe = students.TINY[0]
    recipe = dataclasses.replace(recipe, vision={**recipe.vision, "image_size": 112})
    folder = tmp_path_factory.mktemp("student") / "llava"
    assert students.build(recipe, folder, device="cpu", dtype="float32") > 0
    student = models.load(str(folder))
    config, structure = student.model.config, student.family.structure
    shape = shape_of(config, structure, "all-linear", picture_load(student.encoder.processor, config, (9, 9)))
    profile = run.load_profile(recipe.profile)
    return Bench(recipe.name, student, profile, shape, lambda r: costs_of(student.model, structure, shape, r))


def test_the_formula_agrees_with_pytorchs_own_counter(bench):
    """Which counts every product that is computed, so with all pairs of tokens where the formula has some."""
    student = bench.student
    asked = [dataclasses.replace(question, options=("a", "b")) for question in make_questions(2, per_image=1)]
    rows = [
        models.image_text.Row(question.image, (student._encode_options(question, "letter"),), (number,))
        for number, question in enumerate(asked)
    ]
    with FlopCounterMode(display=False) as tower, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        frozen, packed = student.prepare(rows, noise_picture)
    counter = WorkCounter(student.model, student.pad_id)
    with FlopCounterMode(display=False) as language, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        student.logits(packed, frozen)
    work, costs = counter.close(), bench.costs(0)
    n_tokens, n_pairs = packed.input_ids.numel(), packed.attention_mask.numel()
    computed = dataclasses.replace(work, tokens=n_tokens, pairs=n_pairs, pictures=0).forward_flops(costs)
    biases = 2 * sum(layer.bias.numel() for layer in student.model.model.multi_modal_projector.children()
                     if isinstance(layer, torch.nn.Linear)) * 64  # fmt: skip
    assert language.get_total_flops() == computed + 2 * (costs.projected - biases)
    with_projector = 2 * (costs.picture + costs.projected)
    assert tower.get_total_flops() == pytest.approx(with_projector, rel=0.04)  # [CLS] is a patch more


def test_a_shared_row_is_counted_as_it_may_attend(bench):
    """Two questions about one picture: both read its tokens, neither reads the other."""
    counter = WorkCounter(bench.student.model, bench.student.pad_id)
    asked = make_questions(2, per_image=2)
    bench.student.choose(asked, noise_picture, batch_size=2)
    work = counter.close()
    items = [bench.student._encode_options(question, "text") for question in asked]
    head = len(items[0].head) - 1 + 64
    tokens, pairs = head, head * (head + 1) // 2
    for item in items:
        prompt = head + len(item.tail)
        tokens += len(item.tail)
        pairs += sum(range(head + 1, prompt + 1))
        for answer in item.answers:
            tokens += len(answer) - 1
            pairs += sum(range(prompt + 1, prompt + len(answer)))
    assert (work.tokens, work.pairs) == (tokens, pairs)


@pytest.mark.parametrize("batch_size", [1, 2])
def test_answering_is_counted_token_by_token(bench, batch_size):
    counter = WorkCounter(bench.student.model, bench.student.pad_id)
    asked = make_questions(2, per_image=1)
    bench.student.answer(asked, noise_picture, batch_size=batch_size, max_new_tokens=NEW)
    work = counter.close()
    lengths = [
        len(item.head) - 1 + 64 + len(item.tail) for item in map(bench.student._encode_open, asked)
    ]
    assert work.tokens == sum(lengths) + 2 * (NEW - 1)
    assert work.pairs == sum(sum(range(1, length + NEW)) for length in lengths)
    assert work.logits == 2 * NEW


@pytest.mark.parametrize("card, peak", [
    ("NVIDIA H100 80GB HBM3", 989), ("NVIDIA H100 PCIe", 756), ("NVIDIA A100-SXM4-80GB", 312),
    ("NVIDIA H200", 989), ("NVIDIA L40S", 362), ("NVIDIA L4", 121), ("NVIDIA A10G", 70), ("Somebody's", None),
])  # fmt: skip
def test_peaks_of_cards(card, peak):
    assert peak_tflops(card) == peak


# Time and memory that run out


def test_what_does_not_fit_the_clock_is_skipped_and_said():
    assert Clock(100).refusal(99) == "" and Clock(100).share(0.5).left == pytest.approx(50, abs=0.1)
    assert Clock(10).refusal(11).startswith("skipped: about 11 s needed, 10 s left")
    done = run.run(students.TINY, empty_result(budget_s=0), CPU)
    assert done.students == [] and [one.part for one in done.measured] == ["all", "all"]
    assert all(one.note.startswith("skipped") and one.note in report.page(done) for one in done.measured)


def test_a_slow_part_keeps_larger_ones_from_beginning(bench, monkeypatch):
    made = [Measured("one", "train", size, 1) for size in (1, 2, 4)]
    monkeypatch.setattr(run, "measure", lambda bench, empty: dataclasses.replace(empty, seconds=10.0))
    found = list(run._series(bench, iter(made), Clock(25)))
    assert [one.note for one in found[:2]] == ["", ""]
    found = list(run._series(bench, iter(made), Clock(21)))
    assert [bool(one.note) for one in found] == [False, True, True]
    assert found[1].note == found[2].note == "skipped: about 22 s needed, 21 s left"


@pytest.mark.parametrize("error, note", [
    (torch.OutOfMemoryError("CUDA"), "out of memory"),
    (KitError("a batch of 2 is too large"), "a batch of 2"),
])  # fmt: skip
def test_a_full_card_is_a_note_and_larger_batches_are_left_out(bench, monkeypatch, error, note):
    def full(bench: Bench, empty: Measured) -> Measured:
        if empty.micro_batch > 1 and not empty.recomputing:
            raise error
        return dataclasses.replace(empty, samples_per_s=1.0)

    monkeypatch.setitem(parts.PARTS, "train", full)
    made = [Measured("one", "train", size, 1, again) for size in (1, 2, 4, 8) for again in (True, False)]
    found = {(one.micro_batch, one.recomputing): one for one in run._series(bench, iter(made), Clock(1000))}
    assert all(found[size, True].samples_per_s == 1.0 for size in (1, 2, 4, 8))
    assert found[1, False].note == "" and found[2, False].note.startswith(note)
    assert found[4, False].note == found[8, False].note
    assert found[8, False].note.startswith("skipped: " + note)


def test_gradients_of_one_part_do_not_weigh_on_the_next(bench, monkeypatch):
    monkeypatch.setitem(parts.PARTS, "train", lambda bench, empty: empty)
    for value in bench.student.model.parameters():
        value.grad = torch.zeros_like(value)
    parts.measure(bench, Measured("one", "train", 1, 1))
    assert all(value.grad is None for value in bench.student.model.parameters())
    assert sum(1 for _ in trained(bench.student.model)) > 0


# The page and the command


def test_numbers_stand_in_their_columns():
    line = Measured("A", "train", 4, 1, True, 12.345, 3.0, 250e12, 20.0, 22.0, 21.0)
    row = report._row(line, 1000.0)
    assert row[:4] == ["train", "4", "1", "yes"] and row[4:] == [
        "12.35", "250.0", "25.0%", "20.00", "21.00", "+5.0%", "22.00", "",
    ]  # fmt: skip
    unknown = report._row(dataclasses.replace(line, note="out of memory", peak=None), None)
    assert unknown[6] == unknown[7] == unknown[9] == "" and unknown[-1] == "out of memory"
    page = report.page(dataclasses.replace(empty_result(), peak_tflops=None, measured=[line]))
    assert "there is no MFU" in page and "| train | 4 | 1 | yes | 12.35 |" in page


def test_the_page_in_the_docs_says_that_there_is_no_table():
    """Until somebody runs the bench on a card; then the page has a card's name and numbers."""
    page = (PROJECT / "docs" / "gpu.md").read_text(encoding="utf-8")
    if "Measured on **" not in page:
        assert page == report.page(None) and "**No table is here yet" in page and "| ---" not in page


def test_without_a_gpu_it_says_so_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    out: Path = tmp_path / "out"
    assert command.main(["--out", str(out)]) == 0
    assert "no CUDA GPU here: nothing was measured" in capsys.readouterr().out and not out.exists()


def test_with_a_gpu_both_files_are_there_after_every_line(tmp_path, monkeypatch, capsys):
    """The card and the run are stood in for; what is written, and when, is the command's own."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA A100-SXM4-80GB")
    sizes: list[int] = []

    def measure(recipes, result, setting, *, on_change):
        assert recipes == students.FULL and setting.scratch is None and result.budget_s == 60
        for size in (1, 2):
            result.measured.append(Measured("LLaVA-1.5-7B", "choose", size, 1, samples_per_s=1.0))
            on_change(result)
            sizes.append((tmp_path / report.PAGE_FILE).read_text().count("| choose |"))

    monkeypatch.setattr(command, "run", measure)
    assert command.main(["--out", str(tmp_path), "--seconds", "60"]) == 0
    assert sizes == [1, 2] and "2 lines" in capsys.readouterr().out
    assert "312 TFLOP/s" in (tmp_path / report.PAGE_FILE).read_text()


def test_a_disk_that_is_too_small_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "card")

    def full(*_, **__):
        raise KitError("needs 13.2 GiB")

    monkeypatch.setattr(command, "run", full)
    assert command.main(["--out", str(tmp_path)]) == 1
    assert "error: needs 13.2 GiB" in capsys.readouterr().err


def test_all_forms_of_training_are_in_the_examples(bench):
    made, again = (parts._examples(bench, 8, 4) for _ in range(2))
    assert {example.form for example in made} == set(FORMS)
    pictures, others = ({example.image for example in examples} for examples in (made, again))
    assert len(pictures) == 2 and not pictures & others
