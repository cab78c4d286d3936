"""MiniGPT4-v2 and MiniGPT-4 as students: the original's tokens in evaluation and training, and "###"."""

import subprocess
import sys

import pytest
import torch

from dataengine_utils import models
from dataengine_utils.instruction_data import Example
from dataengine_utils.models.checkpoint import save_adapter
from dataengine_utils.models.image_text import ImageTextStudent
from dataengine_utils.models.learning import encode_examples
from dataengine_utils.models.merge import merged_model
from dataengine_utils.models.minigpt4.processing import REPLY_MARKS
from dataengine_utils.models.wording import FAMILIES, prompt
from dataengine_utils.records import Question
from dataengine_utils.training import attach_lora
from tests import tiny_families
from tests.minigpt4_plain import PROMPTS, picture, plain_ids

FORMS = ("short", "direct", "choice", "true_false")
PROMPT_END = "▁"  # of "Assistant: "
KINDS = {"minigpt_v2": "v2", "minigpt4": "v1"}


@pytest.fixture(scope="module", params=KINDS)
def student(request, tmp_path_factory):
    return models.load(str(tiny_families.build(request.param, tmp_path_factory.mktemp(request.param))))


def ask(student, n: int = 1, batch_size: int = 2, max_new_tokens: int = 24) -> list[str]:
    """The replies to `n` questions of differing lengths."""
    asked = [Question(str(k), "0", "0", "Where" + "?" * k, (), "", "", "T") for k in range(n)]
    return student.answer(
        asked, lambda _: picture(), batch_size=batch_size, max_new_tokens=max_new_tokens
    )


@pytest.mark.parametrize("form", FORMS)
def test_evaluation_and_training_have_the_originals_tokens(student, form):
    """get_context_emb (evaluation) puts <s> before the template; forward (training) before "[INST] ..."."""
    tokenizer, kind = student.encoder.processor.tokenizer, student.family.name
    options = ("a cat", "b") if form == "choice" else ()
    before, after = PROMPTS[KINDS[kind]](prompt("Is it?", options, form, student.family)).split("<ImageHere>")
    asked = student.encoder.encode("Is it?", options, form, ["a cat"])
    assert list(asked.head) == [*plain_ids(tokenizer, before, bos=True), student.encoder.image_token_id]
    assert list(asked.tail) == plain_ids(tokenizer, after, bos=False)
    end = REPLY_MARKS[kind][1]
    assert list(asked.answers[0]) == plain_ids(tokenizer, "a cat" + end, bos=False)
    (row,) = encode_examples(student, [Example("0", "Is it?", options, "a cat", form)])
    trained = plain_ids(tokenizer, before.removeprefix("<s>"), bos=True)
    assert list(row.questions[0].head) == [*trained, student.encoder.image_token_id]
    assert (row.questions[0].tail, row.questions[0].answers) == (asked.tail, asked.answers)
    assert len(asked.head) - len(row.questions[0].head) == (kind == "minigpt_v2")


def test_a_question_without_a_picture_starts_as_one_with_a_picture(student):
    encoder = student.encoder
    for in_training in (False, True):
        both = [
            encoder.encode("Is it?", (), "short", (), has_image=has_image, in_training=in_training)
            for has_image in (True, False)
        ]
        starts = [[*one.head, *one.tail].count(encoder.processor.tokenizer.bos_token_id) for one in both]
        assert starts[0] == starts[1] == (2 if student.family.starts_twice and not in_training else 1)


def test_the_table_ends_answers_as_the_processor_does(student):
    assert student.family.end in ("", student.encoder.processor.reply_end)
    assert student.encoder.end_mark == FAMILIES[student.family.name].end


def say(student, words: list[str]) -> None:
    """Make the model write these tokens in turn, over and over: each follows from the one before alone."""
    model, vocabulary = student.model, student.encoder.processor.tokenizer.get_vocab()
    with torch.no_grad():
        for layer in model.model.language_model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        torch.nn.init.normal_(model.get_input_embeddings().weight)
        model.lm_head.weight.zero_()
        for before, after in zip([PROMPT_END, *words], [*words, words[0]], strict=True):
            embedded = model.get_input_embeddings().weight[vocabulary[before]]
            model.lm_head.weight[vocabulary[after]] += embedded


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (["c", "a", "t", "##", "#", "H", "u"], "cat"),
        (["c", "a", "t", "###", "H", "u"], "cat"),
        (["##", "#", "H"], ""),
        (["###", "H"], ""),
        (["c", "##", "a", "t"], "c##at" * 6),
    ],
)
def test_a_reply_of_minigpt4_ends_at_its_mark_however_it_is_tokenised(tmp_path, monkeypatch, written, read):
    student = models.load(str(tiny_families.build("minigpt4", tmp_path)))
    say(student, written)
    lengths, generate = [], student.model.generate

    def noted(**inputs):
        out = generate(**inputs)
        lengths.append(out.shape[1] - inputs["input_ids"].shape[1])
        return out

    monkeypatch.setattr(student.model, "generate", noted)
    assert ask(student, n=3) == [read] * 3
    stop = next((n for n in range(1, 25) if "###" in "".join(written[:n])), 24)
    assert lengths == [stop, stop]


def test_merging_knows_it(student, tmp_path):
    learner = models.load(student.name)
    adapter = attach_lora(learner, None, "all-linear", True, {"r": 2, "lora_alpha": 4})
    for name, value in adapter.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(value, std=0.3)
    save_adapter(adapter, student.name, tmp_path / "adapter")
    unmerged = ask(models.load(student.name, adapter=tmp_path / "adapter"))
    model = merged_model(student.name, tmp_path / "adapter")
    merged = ImageTextStudent(student.name, model, student.encoder.processor, student.family)
    assert ask(merged) == unmerged != ask(student)


def test_a_config_is_read_before_any_student_is_loaded(tmp_path):
    """As merging and the planner do, in a process of their own."""
    folder = tiny_families.build("minigpt4", tmp_path)
    code = (
        "import sys; from dataengine_utils.models.checkpoint import read_config; "
        "print(read_config(sys.argv[1]).image_seq_length)"
    )
    command = [sys.executable, "-c", code, str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.stdout.strip() == "5", run.stderr
