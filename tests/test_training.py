"""Training: the packed loss and its gradients, the plan of batches, the adapter and its errors."""

import json
import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dataengine_utils import files, models
from dataengine_utils.errors import KitError
from dataengine_utils.instruction_data import Example
from dataengine_utils.models.checkpoint import save_adapter
from dataengine_utils.models.learning import AnswerLoss, Collator, encode_examples, plan_batches
from dataengine_utils.models.packing import Row
from dataengine_utils.models.wording import Encoded
from dataengine_utils.records import Question
from dataengine_utils.training import attach_lora, train
from dataengine_utils.training.checkpoints import Checkpoints, prepare_folder
from dataengine_utils.training.shares import examples_seen
from tests.tiny import build_student

COLOURS = {"red": (220, 20, 30), "blue": (20, 40, 220), "green": (20, 200, 40), "yellow": (230, 220, 40)}
SETTINGS = {
    "learning_rate": 5e-3,
    "projector_learning_rate": 1e-3,
    "lora_r": 8,
    "lora_alpha": 16,
    "lora_dropout": 0.0,
    "epochs": 4,
    "batch_size": 8,
    "quantise": "nf4",
}


def open_image(reference: str) -> Image.Image:
    """A picture of one colour, named before the colon, with a little noise."""
    colour, _, number = reference.partition(":")
    noise = Image.frombytes("RGB", (7, 7), random.Random(number).randbytes(147)).resize((112, 112))
    return Image.blend(Image.new("RGB", (112, 112), COLOURS[colour]), noise, 0.2)


def make_examples(n_images: int, forms: tuple[str, ...] = ("short", "direct", "choice")) -> list[Example]:
    """Per image one example of each form about its colour."""
    names = tuple(COLOURS)
    pictures = [(f"{names[n % 4]}:{n}", names[n % 4]) for n in range(n_images)]
    answers = {
        "short": lambda name: name,
        "direct": lambda name: f"The colour is {name}.",
        "choice": lambda name: "ABCD"[names.index(name)],
    }
    return [
        Example(image, "What colour is it?", names if form == "choice" else (), answers[form](name), form)
        for image, name in pictures
        for form in forms
    ]


QUESTIONS = [
    Question(
        id=str(n),
        image_id=str(n),
        image=f"{name}:{100 + n}",
        question="What colour is it?",
        options=tuple(COLOURS),
        answer=name,
        choice="ABCD"[n % 4],
        question_type="Instance Attributes",
    )
    for n, name in enumerate(list(COLOURS) * 5)
]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    return build_student(tmp_path_factory.mktemp("training") / "tiny")


@pytest.fixture(scope="module")
def trained(checkpoint, tmp_path_factory):
    """One short training, looked at by several tests: (folder, summary, log lines, images opened)."""
    folder = tmp_path_factory.mktemp("trained")
    opened: list[str] = []
    summary = train(
        str(checkpoint),
        make_examples(40, ("short",)),
        out_dir=folder / "adapter",
        seed=3,
        open_image=lambda name: opened.append(name) or open_image(name),
        log_path=folder / "log.jsonl",
        **SETTINGS,
    )
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return folder / "adapter", summary, lines, opened


def letters(student) -> list[str]:
    return [choice.letter for choice in student.choose(QUESTIONS, open_image, batch_size=8)]


# Loss


def loss_and_gradients(learner, batches: list[list[Row]]):
    """The summed loss of several batches over all their answer tokens, and the gradient of every trainable
    weight."""
    loss_of = AnswerLoss(learner.model, learner.features.projector)
    loss_of.zero_grad()
    inputs = [Collator(learner, open_image)([batch]) for batch in batches]
    n_tokens = sum(len(one["labels"]) for one in inputs)
    losses = [loss_of(**one, num_items_in_batch=n_tokens)["loss"] for one in inputs]
    sum(losses).backward()
    return sum(losses).item(), {
        name: value.grad.clone() for name, value in loss_of.named_parameters() if value.requires_grad
    }


def new_learner(checkpoint, quantise: str):
    learner = models.load(str(checkpoint), quantise=quantise)
    torch.manual_seed(0)
    attach_lora(learner, None, "all-linear", True, {"r": 8, "lora_alpha": 16, "lora_dropout": 0.0})
    for name, value in learner.model.named_parameters():
        if "lora_B" in name:  # zero at the start: lora_A would have no gradient to compare
            torch.nn.init.normal_(value, std=0.02)
    return learner


@pytest.mark.parametrize("quantise", ["none", "nf4"])
def test_packed_loss_and_gradients_equal_separate_sequences(checkpoint, quantise):
    learner = new_learner(checkpoint, quantise)
    rows = encode_examples(learner, make_examples(3))
    assert [len(row.keys) for row in rows] == [3, 3, 3]
    alone = [
        [Row(row.image, (item,), (key,))]
        for row in rows
        for item, key in zip(row.questions, row.keys, strict=True)
    ]
    packed_loss, packed = loss_and_gradients(learner, [rows])
    separate_loss, separate = loss_and_gradients(learner, alone)
    assert packed_loss == pytest.approx(separate_loss, rel=1e-5)
    assert len(packed) == 2 * 14 + 4
    for name, gradient in packed.items():
        assert gradient.abs().max() > 0, name
        assert torch.allclose(
            gradient, separate[name], atol=2e-5 * float(separate[name].abs().max()) + 1e-7
        ), name


def test_the_loss_is_that_of_transformers_on_answers_only(checkpoint):
    learner = models.load(str(checkpoint))
    example = make_examples(1, ("direct",))
    inputs = Collator(learner, open_image)([encode_examples(learner, example)])
    processor = learner.encoder.processor
    own = processor(
        images=open_image(example[0].image),
        return_tensors="pt",
        text=f"USER: <image>\n{example[0].question} ASSISTANT: {example[0].answer}</s>",
    )
    answer_tokens = len(inputs["labels"])
    labels = own["input_ids"].clone()
    labels[:, :-answer_tokens] = -100
    with torch.no_grad():
        ours = AnswerLoss(learner.model, learner.features.projector)(**inputs)["loss"]
        assert float(ours) == pytest.approx(float(learner.model(**own, labels=labels).loss), rel=1e-5)


# Plan


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=60), st.integers(1, 9), st.sampled_from([0.5, 1, 2, 2.5])
)
def test_every_epoch_takes_every_row_once(sizes, batch_size, epochs):
    item = Encoded((1, 4), (5,), ((2,),))
    rows = [Row(str(n), (item,) * size, tuple(range(size))) for n, size in enumerate(sizes)]
    plan = plan_batches(rows, batch_size=batch_size, epochs=epochs, seed=1)
    assert plan == plan_batches(rows, batch_size=batch_size, epochs=epochs, seed=1)
    counts = {row.image: 0 for row in rows}
    for row in (row for batch in plan for row in batch):
        counts[row.image] += 1
    assert all(int(epochs) <= count <= -(-epochs // 1) for count in counts.values())
    assert all(batch and sum(len(row.keys) for row in batch[:-1]) < batch_size for batch in plan)


# Training


def test_training_lowers_the_loss_and_raises_the_score(checkpoint, trained):
    folder, summary, lines, _ = trained
    assert lines[-1]["loss"] < 0.6 * lines[0]["loss"]
    assert summary["steps"] == lines[-1]["step"] == 20 and summary["examples"] == 40
    assert lines[-1]["epoch"] == 4.0 and lines[-1]["lr"] < 1e-3
    before = models.load(str(checkpoint), quantise="nf4")
    after = models.load(str(checkpoint), adapter=folder, quantise="nf4")
    right = [
        sum(letter == q.choice for letter, q in zip(letters(s), QUESTIONS, strict=True))
        for s in (before, after)
    ]
    assert right[1] > right[0]


def test_each_image_is_opened_once_in_all_epochs(trained):
    assert len(trained[3]) == len(set(trained[3])) == 40


def test_the_same_seed_gives_the_same_adapter(checkpoint, trained, tmp_path):
    train(
        str(checkpoint),
        make_examples(40, ("short",)),
        open_image=open_image,
        out_dir=tmp_path / "again",
        seed=3,
        **SETTINGS,
    )
    assert sorted(p.name for p in trained[0].iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "base.json",
    ]
    for file in trained[0].iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes(), file.name


@pytest.mark.parametrize("quantise", ["none", "nf4"])
def test_an_adapter_reloads_to_the_same_scores(checkpoint, tmp_path, quantise):
    learner = models.load(str(checkpoint), quantise=quantise)
    adapter = attach_lora(learner, None, "all-linear", True, {"r": 8, "lora_alpha": 16, "lora_dropout": 0.0})
    torch.manual_seed(1)
    for value in adapter.parameters():
        if value.requires_grad:
            torch.nn.init.normal_(value, std=0.1)
    learner.model.eval()
    save_adapter(adapter, learner.name, tmp_path / "adapter")
    again = models.load(str(checkpoint), adapter=tmp_path / "adapter", quantise=quantise)
    assert learner.choose(QUESTIONS, open_image, batch_size=8) == again.choose(
        QUESTIONS, open_image, batch_size=8
    )
    base = models.load(str(checkpoint), quantise=quantise)
    assert base.choose(QUESTIONS, open_image, batch_size=8) != again.choose(
        QUESTIONS, open_image, batch_size=8
    )


def test_training_goes_on_from_an_adapter(checkpoint, trained, tmp_path):
    logged: list[dict] = []
    summary = train(
        str(checkpoint),
        make_examples(16, ("short",)),
        open_image=open_image,
        out_dir=tmp_path / "more",
        start_adapter=trained[0],
        on_log=logged.append,
        gradient_accumulation=2,
        **SETTINGS,
    )
    assert summary["first_loss"] < 0.6 * trained[2][0]["loss"]
    assert summary["steps"] == 4 and logged[-1]["epoch"] == 4.0


def test_chosen_layers_and_a_frozen_projector(checkpoint):
    learner = models.load(str(checkpoint))
    attach_lora(learner, None, "q_proj, v_proj", False, {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0})
    moving = {name for name, value in learner.model.named_parameters() if value.requires_grad}
    assert len(moving) == 2 * 2 * 2
    assert all(
        "language_model" in name and ("q_proj.lora" in name or "v_proj.lora" in name) for name in moving
    )


def test_training_is_silent(checkpoint, tmp_path, capfd, recwarn):
    train(
        str(checkpoint),
        make_examples(4, ("short",)),
        open_image=open_image,
        out_dir=tmp_path / "quiet",
        **SETTINGS,
    )
    assert capfd.readouterr() == ("", "")
    assert [str(warning.message) for warning in recwarn] == []


def test_the_count_of_seen_examples_at_every_step():
    item = Encoded((1, 4), (5,), ((2,),))
    batches = [[Row("image", (item,) * size, tuple(range(size)))] for size in (3, 1, 4, 1, 5)]
    counts = {n: examples_seen(batches, n) for n in (1, 2, 5, 6)}
    assert counts == {1: [0, 3, 4, 8, 9, 14], 2: [0, 4, 9, 14], 5: [0, 14], 6: [0, 14]}


def test_a_kill_while_an_older_adapter_is_replaced_is_got_over(tmp_path, monkeypatch):
    out, part = tmp_path / "adapter", tmp_path / "adapter.part"
    for folder in (out, part):
        folder.mkdir()
        (folder / "adapter_config.json").write_text(folder.name)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(files.shutil, "move", killed)
        files.move_folder(part, out)
    prepare_folder(out, Checkpoints.of(out, "mark"))
    assert list(tmp_path.rglob("*")) == [out, out / "checkpoints"]


# What can be wrong


def test_no_examples(checkpoint, tmp_path):
    with pytest.raises(KitError, match="05_generate"):
        train(str(checkpoint), [], open_image=open_image, out_dir=tmp_path / "a", **SETTINGS)


def test_unknown_layers_name_the_known_ones(checkpoint, tmp_path):
    with pytest.raises(KitError, match="gate_proj"):
        train(
            str(checkpoint),
            make_examples(1),
            open_image=open_image,
            out_dir=tmp_path / "a",
            lora_targets="w_pack",
            **SETTINGS,
        )


def test_a_folder_that_holds_something_else_is_left_alone(checkpoint, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(KitError, match="no adapter"):
        train(str(checkpoint), make_examples(1), open_image=open_image, out_dir=tmp_path, **SETTINGS)
    with pytest.raises(KitError, match="does not exist"):
        train(
            str(checkpoint),
            make_examples(1),
            open_image=open_image,
            out_dir=tmp_path / "no" / "a",
            **SETTINGS,
        )
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_an_adapter_of_another_base_and_a_damaged_one_are_refused(checkpoint, trained, tmp_path):
    twin = build_student(tmp_path / "twin", seed=5)
    with pytest.raises(KitError, match="another base"):
        models.load(str(twin), adapter=trained[0])
    for file, says in (
        ("adapter_model.safetensors", "06_train"),
        ("adapter_config.json", "06_train"),
        ("base.json", "damaged"),
    ):
        broken = tmp_path / f"broken_{file}"
        broken.mkdir()
        for part in trained[0].iterdir():
            (broken / part.name).write_bytes(b"{" if part.name == file else part.read_bytes())
        with pytest.raises(KitError, match=says):
            models.load(str(checkpoint), adapter=broken)
