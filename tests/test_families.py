"""Every family of students on a small random model: the same numbers as transformers' own forward pass."""

import dataclasses

import pytest
import torch

from dataengine_utils import models
from dataengine_utils.instruction_data import Example
from dataengine_utils.models.learning import AnswerLoss, Collator, encode_examples
from dataengine_utils.models.packing import Row
from dataengine_utils.models.wording import full_prompt, prompt
from dataengine_utils.records import Question
from dataengine_utils.training import attach_lora
from tests import tiny_families
from tests.tiny import make_questions, open_image


@pytest.fixture(scope="module", params=tiny_families.NAMES)
def student(request, tmp_path_factory):
    return models.load(str(tiny_families.build(request.param, tmp_path_factory.mktemp(request.param))))


def own_inputs(student, question: Question, form: str, answer: str = ""):
    """A question as transformers' processor prepares it alone, with the answer (if any) behind the prompt."""
    processor, has_image = student.encoder.processor, bool(question.image)
    words = prompt(question.question, question.options, form, student.family, question.hint)
    content = [{"type": "image"}] * has_image + [{"type": "text", "text": words}]
    text = (
        full_prompt(words, student.family, has_image=has_image)
        if student.family.conversation
        else processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    )
    pictures = {"images": [open_image(question.image)]} if has_image else {}
    apart = student.family.separator is None  # then the answer is a text of its own
    if answer and not apart:
        text += student.family.separator + answer
    inputs = processor(text=[text], return_tensors="pt", **pictures)
    if answer and apart:
        ids = processor.tokenizer(answer, add_special_tokens=False, return_tensors="pt")["input_ids"]
        inputs["input_ids"] = torch.cat([inputs["input_ids"], ids], dim=1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    return inputs


@torch.no_grad()
def own_score(student, question: Question, form: str, answer: str) -> float:
    """An answer's log-likelihood by transformers' own forward pass over the question alone."""
    n_prompt = own_inputs(student, question, form)["input_ids"].shape[1]
    end = student.family.end or student.encoder.processor.tokenizer.eos_token
    inputs = own_inputs(student, question, form, answer + end)
    predicted = torch.log_softmax(student.model(**inputs).logits[0].double(), dim=-1)
    labels = inputs["input_ids"][0].tolist()
    return sum(float(predicted[place - 1, labels[place]]) for place in range(n_prompt, len(labels)))


@pytest.mark.parametrize(("by", "form"), [("text", "short"), ("letter", "choice")])
def test_scores_equal_transformers_own_forward_alone(student, by, form):
    questions = make_questions(10)
    choices = student.choose(questions, open_image, batch_size=10, by=by)
    for question, choice in zip(questions, choices, strict=True):
        answers = question.options if by == "text" else "ABCD"
        expected = [own_score(student, question, form, answer) for answer in answers]
        assert choice.scores == pytest.approx(expected, abs=2e-4), question.image
        assert choice.letter == "ABCD"[expected.index(max(expected))]


def test_answers_equal_transformers_own_generate_alone(student):
    questions = [dataclasses.replace(question, options=()) for question in make_questions(6)]
    replies = student.answer(questions, open_image, batch_size=6, max_new_tokens=8)
    for question, reply in zip(questions, replies, strict=True):
        inputs = own_inputs(student, question, "short")
        out = student.model.generate(**inputs, max_new_tokens=8, do_sample=False)
        assert reply == student.encoder.decode(out[0, inputs["input_ids"].shape[1] :].tolist()), question.id
    assert len(set(replies)) > 1


def test_the_picture_matters_and_is_opened_once(student):
    questions, opened = make_questions(12), []
    fresh = models.load(student.name)
    first = fresh.choose(questions, lambda name: opened.append(name) or open_image(name), batch_size=4)
    fresh.answer(questions, opened.append, batch_size=4, max_new_tokens=1)
    assert sorted(opened) == sorted({question.image for question in questions} - {""})
    other = models.load(student.name).choose(questions, lambda name: open_image("b" + name), batch_size=4)
    for question, one, two in zip(questions, first, other, strict=True):
        assert (one.scores == pytest.approx(two.scores, abs=1e-6)) == (question.image == "")


# Training


def examples() -> list[Example]:
    """Forms of one image together, one example without a picture."""
    questions = make_questions(5)
    return [
        Example(q.image, q.question, q.options if form == "choice" else (), answer, form)
        for q in questions
        for form, answer in (("short", q.options[0]), ("choice", "B"))
    ]


@pytest.fixture
def learner(student):
    """The family's model with LoRA that is not zero, and a trainable projector."""
    fresh = models.load(student.name)
    torch.manual_seed(0)
    attach_lora(fresh, None, "all-linear", True, {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0})
    for name, value in fresh.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(value, std=0.02)
    return fresh


def loss_and_gradients(learner, batches: list[list[Row]]):
    loss_of = AnswerLoss(learner.model, learner.features.projector)
    loss_of.zero_grad()
    inputs = [Collator(learner, open_image)([batch]) for batch in batches]
    n_tokens = sum(len(one["labels"]) for one in inputs)
    losses = [loss_of(**one, num_items_in_batch=n_tokens)["loss"] for one in inputs]
    sum(losses).backward()
    moving = {name: value.grad for name, value in loss_of.named_parameters() if value.requires_grad}
    return sum(losses).item(), {name: None if grad is None else grad.clone() for name, grad in moving.items()}


def test_the_packed_loss_and_gradients_equal_separate_sequences(learner):
    rows = encode_examples(learner, examples())
    alone = [
        [Row(row.image, (item,), (key,))]
        for row in rows
        for item, key in zip(row.questions, row.keys, strict=True)
    ]
    assert len(alone) > len(rows)
    packed_loss, packed = loss_and_gradients(learner, [rows])
    separate_loss, separate = loss_and_gradients(learner, alone)
    assert packed_loss == pytest.approx(separate_loss, rel=1e-5)
    for name, gradient in packed.items():
        assert gradient is not None and gradient.abs().max() > 0, name
        atol = 5e-5 * float(separate[name].abs().max()) + 1e-6
        assert torch.allclose(gradient, separate[name], atol=atol), name


def test_a_batch_without_pictures_trains_too(learner):
    rows = [row for row in encode_examples(learner, examples()) if not row.image]
    loss, gradients = loss_and_gradients(learner, [rows])
    assert rows and loss > 0 and all(gradient is not None for gradient in gradients.values())


def test_lora_is_on_all_linear_layers_of_the_language_model_and_nothing_else_trains(learner):
    language_model = f"{learner.family.structure.language_model}."
    linear = {
        name.removesuffix(".base_layer")
        for name, module in learner.model.named_modules()
        if isinstance(module, torch.nn.Linear) and ".lora_" not in name
    }
    moving = {name for name, value in learner.model.named_parameters() if value.requires_grad}
    lora = {name for name in moving if ".lora_" in name}
    adapted = {name.partition(".lora_")[0] for name in lora}
    assert adapted and adapted == {name for name in linear if name.startswith(language_model)}
    projector = {id(value) for value in learner.features.projector.parameters()}
    assert projector and {id(learner.model.get_parameter(name)) for name in moving - lora} <= projector


# Four bits


def test_nf4_takes_the_language_models_linear_layers_only(student):
    import bitsandbytes

    small = models.load(student.name, quantise="nf4")
    path = f"{small.family.structure.language_model}."
    linear = {name for name, module in small.model.named_modules() if isinstance(module, torch.nn.Linear)}
    quantised = {
        name for name, module in small.model.named_modules() if isinstance(module, bitsandbytes.nn.Linear4bit)
    }
    assert quantised and quantised == {name for name in linear if name.startswith(path)}
    assert all(
        small.model.get_submodule(name).weight.quant_state.nested for name in quantised
    ), "double quantisation"
    questions = make_questions(10)
    one, many = (small.choose(questions, open_image, batch_size=size) for size in (1, 8))
    assert [choice.letter for choice in one] == [choice.letter for choice in many]
