"""Students: wording, packing, ranking, answering, 4 bits, and checkpoints that are not in order."""

import dataclasses
import hashlib
import json
import random
import shutil
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText

from dataengine_utils import models
from dataengine_utils.errors import KitError
from dataengine_utils.models.checkpoint import fingerprint
from dataengine_utils.models.packing import Insert, Row, make_batches, make_rows, pack
from dataengine_utils.models.wording import ANSWER_FORMATS, FAMILIES, Encoded, family_of, full_prompt, prompt
from dataengine_utils.records import Question
from tests.tiny import build_student

WORDS = [
    "red",
    "blue",
    "green",
    "cat",
    "dog",
    "left",
    "right",
    "above",
    "below",
    "riding",
    "one",
    "two",
    "three",
]


def open_image(reference: str) -> Image.Image:
    """A noise picture made from the reference alone."""
    return Image.frombytes("RGB", (7, 7), random.Random(reference).randbytes(147)).resize((112, 112))


def make_questions(n: int, per_image: int = 3, seed: int = 0) -> list[Question]:
    """Questions of random words with options of differing lengths, several an image."""
    rng = random.Random(seed)
    return [
        Question(
            id=str(number),
            image_id=str(number // per_image),
            image=f"noise:{number // per_image}",
            question=" ".join(rng.choices(WORDS, k=rng.randint(2, 9))) + "?",
            options=(*rng.sample(WORDS, 3), " ".join(rng.choices(WORDS, k=3)) + "s"),
            answer="",
            choice="A",
            question_type="Text",
        )
        for number in range(n)
    ]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    return build_student(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def student(checkpoint):
    return models.load(str(checkpoint))


# Wording


def test_prompts_follow_the_family():
    options = ("cat", "dog")
    assert prompt("What is {it}?", options, "short", family_of("picturebook")) == "What is {it}?"
    assert prompt("What?", options, "choice", family_of("picturebook")) == "What?\nA. cat\nB. dog"
    assert prompt("What?", options, "short", family_of("llava")).endswith("a single word or phrase.")
    assert "A. cat\nB. dog\nAnswer with" in prompt("What?", options, "choice", family_of("llava"))


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
@pytest.mark.parametrize("form", ANSWER_FORMATS)
def test_every_family_words_every_answer_format(family, form):
    text = prompt("Is {it} so?", ("cat", "dog"), form, family, hint="Look.")
    assert text.startswith("Look.\n") and text.lower().count("is {it} so?") == 1
    assert ("A. cat\nB. dog" in text) == (form in ("choice", "shuffled"))
    assert prompt("Is {it} so?", ("cat", "dog"), form, family) == text.removeprefix("Look.\n")


def test_a_missing_option_is_not_shown_and_for_llava_none_after_it():
    shown = {name: prompt("Which?", ("cat", "", "dog"), "choice", FAMILIES[name]) for name in FAMILIES}
    assert "A. cat\nC. dog\nAnswer" in shown["minigpt_v2"] and shown["picturebook"].endswith("A. cat\nC. dog")
    assert "A. cat\nAnswer" in shown["llava"]


def test_the_conversation_of_a_family_stands_around_the_text():
    words = prompt("who IS it?", (), "unanswerable", FAMILIES["llava"])
    assert words.startswith("Who is it?\nWhen the provided information is insufficient")
    whole = full_prompt(words, FAMILIES["llava"])
    assert whole.startswith("A chat between a curious user")
    assert f"USER: <image>\n{words} ASSISTANT:" in whole
    assert full_prompt(words, FAMILIES["llava"], has_image=False).endswith(f"USER: {words} ASSISTANT:")
    assert full_prompt("hm", FAMILIES["minigpt_v2"]) == "<s>[INST] <Img><ImageHere></Img> hm [/INST]"


def test_a_hint_stands_before_the_question_for_choosing_and_answering_alike(student, monkeypatch):
    plain = make_questions(1)[0]
    hinted = dataclasses.replace(plain, hint="Look left.")
    seen, render = [], student.encoder._render

    def noted(text, *rest):
        seen.append(text)
        return render(text, *rest)

    monkeypatch.setattr(student.encoder, "_render", noted)
    for by in ("text", "letter"):
        student.choose([hinted], open_image, batch_size=1, by=by)
    student.answer([hinted], open_image, batch_size=1, max_new_tokens=1)
    asked = [text for text in seen if text != "?"]
    assert len(asked) == 3 and all(text.startswith(f"Look left.\n{plain.question}") for text in asked)


def test_unknown_forms_and_families_name_the_known_ones():
    with pytest.raises(KitError, match="short"):
        prompt("What?", (), "essay", FAMILIES["llava"])
    with pytest.raises(KitError, match="picturebook"):
        family_of("parrot")


def test_encoded_ids_are_those_of_the_processor(student):
    encoded = student.encoder.encode("What colour is the cat?", (), "short", ("red", "dark blue"))
    processor = student.encoder.processor
    text = "USER: <image>\nWhat colour is the cat? ASSISTANT:"
    own = processor(images=open_image("a"), text=text, return_tensors="pt")["input_ids"][0].tolist()
    assert [*encoded.head, *[4] * 48, *encoded.tail] == own
    for answer, ids in zip(("red", "dark blue"), encoded.answers, strict=True):
        whole = processor.tokenizer(text + " " + answer)["input_ids"]
        assert [*encoded.head, *encoded.tail, *ids] == [*whole, processor.tokenizer.eos_token_id]


def test_a_question_with_an_image_token_is_refused(student):
    with pytest.raises(KitError, match="image token"):
        student.encoder.encode("What is <image>?", (), "short", ("red",))


# Packing

lengths = st.lists(
    st.tuples(st.integers(1, 4), st.lists(st.integers(1, 3), min_size=1, max_size=4)), min_size=1, max_size=4
)


@settings(max_examples=60, deadline=None)
@given(st.lists(lengths, min_size=1, max_size=3), st.integers(1, 5))
def test_each_answer_sees_exactly_its_own_past(rows_shape, image_length):
    """Read along its own branch, every answer sees the tokens and positions of a sequence of its own, and no
    other."""
    rows, expected = [], []
    number = iter(range(10, 10_000))
    for place, shape in enumerate(rows_shape):
        head = (1, 4)
        items = [
            Encoded(
                head,
                tuple(next(number) for _ in range(tail)),
                tuple(tuple(next(number) for _ in range(answer)) for answer in answers),
            )
            for tail, answers in shape
        ]
        rows.append(Row(str(place), tuple(items), tuple(range(len(items)))))
        expected += [
            [1, *[4] * image_length, *item.tail, *answer] for item in items for answer in item.answers
        ]
    batch = pack(rows, [Insert.in_line([4] * image_length)] * len(rows), pad_id=0)
    width = batch.input_ids.shape[1]
    kept = batch.keep.flatten().nonzero()[:, 0]
    for owner, sequence in enumerate(expected):
        mine = (batch.owners == owner).nonzero()[:, 0]
        assert batch.labels[mine].tolist() == sequence[-len(mine) :]
        row, place = divmod(int(kept[batch.sources[mine[-1]]]), width)
        seen = batch.attention_mask[row, 0, place].nonzero()[:, 0]
        assert batch.input_ids[row, seen].tolist() == sequence[:-1]
        assert batch.position_ids[row, seen].tolist() == list(range(len(sequence) - 1))
    assert int(batch.owners[-1]) + 1 == len(expected)
    assert batch.attention_mask.any(-1).all(), "a token that sees nothing would give NaN"


def test_rows_and_batches_keep_every_question_once():
    encoded = [Encoded((1, 4), (n,), ((2,),)) for n in range(20)]
    rows = make_rows([str(n % 3) for n in range(20)], encoded, max_questions=4)
    assert sorted(key for row in rows for key in row.keys) == list(range(20))
    assert all(len(row.keys) <= 4 for row in rows)
    batches = list(make_batches(rows, 5))
    assert [row for batch in batches for row in batch] == rows
    assert all(sum(len(row.keys) for row in batch) <= 5 for batch in batches)


# Ranking and answering


def own_score(student, question: Question, option: str) -> float:
    """The option's log-likelihood by the processor and transformers' own forward pass, alone."""
    processor = student.encoder.processor
    text = f"USER: <image>\n{question.question} ASSISTANT: {option}"
    inputs = processor(images=open_image(question.image), text=text, return_tensors="pt")
    n_answer = len(student.encoder.encode(question.question, (), "short", (option,)).answers[0])
    with torch.no_grad():
        predicted = torch.log_softmax(student.model(**inputs).logits[0].double(), dim=-1)
    labels = [*inputs["input_ids"][0].tolist()[1:], 2]
    return sum(float(predicted[place, labels[place]]) for place in range(len(labels) - n_answer, len(labels)))


def test_scores_equal_separate_passes_of_transformers_itself(student):
    questions = make_questions(6)
    for question, choice in zip(questions, student.choose(questions, open_image, batch_size=6), strict=True):
        expected = [own_score(student, question, option) for option in question.options]
        assert choice.scores == pytest.approx(expected, abs=1e-4)
        assert choice.letter == "ABCD"[expected.index(max(expected))]


@pytest.mark.parametrize("by", ["text", "letter"])
def test_batch_size_changes_no_choice(student, by):
    questions = make_questions(100)
    one = student.choose(questions, open_image, batch_size=1, by=by)
    many = student.choose(questions, open_image, batch_size=64, by=by)
    assert [choice.letter for choice in one] == [choice.letter for choice in many]
    assert torch.allclose(
        torch.tensor([c.scores for c in one]), torch.tensor([c.scores for c in many]), atol=1e-4
    )


def test_choices_depend_on_the_image_and_keep_their_order(student):
    questions = make_questions(30)
    straight = student.choose(questions, open_image, batch_size=16)
    backwards = student.choose(questions[::-1], open_image, batch_size=16)
    assert [choice.letter for choice in straight] == [choice.letter for choice in backwards[::-1]]
    fresh = models.load(student.name)
    moved = fresh.choose(questions, lambda reference: open_image("other" + reference), batch_size=16)
    assert (
        max(
            abs(a - b)
            for x, y in zip(straight, moved, strict=True)
            for a, b in zip(x.scores, y.scores, strict=True)
        )
        > 1e-3
    )


def test_each_image_is_opened_once(checkpoint):
    opened = []
    fresh = models.load(str(checkpoint))
    fresh.choose(make_questions(30), lambda name: opened.append(name) or open_image(name), batch_size=4)
    assert sorted(opened) == sorted({f"noise:{n}" for n in range(10)})


def test_answers_are_the_same_at_every_batch_size_and_as_transformers_generates(student):
    questions = make_questions(12)
    one = student.answer(questions, open_image, batch_size=1, max_new_tokens=8)
    assert student.answer(questions, open_image, batch_size=5, max_new_tokens=8) == one
    processor = student.encoder.processor
    inputs = processor(
        images=open_image(questions[0].image),
        text=f"USER: <image>\n{questions[0].question} ASSISTANT:",
        return_tensors="pt",
    )
    own = student.model.generate(**inputs, max_new_tokens=8, do_sample=False)[
        0, inputs["input_ids"].shape[1] :
    ]
    assert one[0] == processor.tokenizer.decode(own, skip_special_tokens=True).strip()


def test_ranking_needs_options(student):
    question = make_questions(1)[0]
    bare = Question(**{**vars(question), "options": ()})
    with pytest.raises(KitError, match="generate"):
        student.choose([bare], open_image, batch_size=1)
    assert len(student.answer([bare], open_image, batch_size=1, max_new_tokens=2)) == 1


# Four bits


def test_nf4_takes_the_language_models_linears_only(checkpoint):
    import bitsandbytes

    small = models.load(str(checkpoint), quantise="nf4")
    quantised = {
        name for name, module in small.model.named_modules() if isinstance(module, bitsandbytes.nn.Linear4bit)
    }
    linear = {name for name, module in small.model.named_modules() if isinstance(module, torch.nn.Linear)}
    assert quantised == {name for name in linear if name.startswith("model.language_model.")}
    assert len(quantised) == 14
    questions = make_questions(60)
    one, many = (small.choose(questions, open_image, batch_size=size) for size in (1, 64))
    assert [choice.letter for choice in one] == [choice.letter for choice in many]


# What is wrong with a checkpoint


def damaged(checkpoint, folder, file: str, content: bytes):
    shutil.copytree(checkpoint, folder)
    (folder / file).write_bytes(content)
    return str(folder)


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("model.safetensors", b"not a checkpoint", "weights"),
        ("config.json", b"{", "config"),
        ("config.json", b'{"model_type": "parrot"}', "parrot"),
        ("tokenizer.json", b"{", "processor"),
    ],
)
def test_a_damaged_checkpoint_is_one_clear_error(checkpoint, tmp_path, file, content, says):
    with pytest.raises(KitError, match=says):
        models.load(damaged(checkpoint, tmp_path / "damaged", file, content))


def test_weights_of_another_shape_are_refused(checkpoint, tmp_path):
    config = json.loads((checkpoint / "config.json").read_text())
    config["text_config"]["num_hidden_layers"] = 3
    with pytest.raises(KitError, match="do not fit the config"):
        models.load(damaged(checkpoint, tmp_path / "other", "config.json", json.dumps(config).encode()))


@pytest.mark.parametrize("name", ["./nowhere", "/no/such/student", "data/minigpt4_v2"])
def test_a_missing_checkpoint_names_the_folder_and_the_known_students(name):
    with pytest.raises(KitError, match="picturebook"):
        models.load(name)


def test_unknown_quantisation_and_missing_adapter(checkpoint, tmp_path):
    with pytest.raises(KitError, match="nf4"):
        models.load(str(checkpoint), quantise="int3")
    with pytest.raises(KitError, match="06_train"):
        models.load(str(checkpoint), adapter=tmp_path / "adapter")


def test_fingerprints_tell_trainings_apart(checkpoint, tmp_path):
    assert fingerprint(str(checkpoint)) != fingerprint(str(build_student(tmp_path / "twin", seed=1)))


@pytest.mark.parametrize(
    "part", ["projector.linear_1.bias", "model.layers.1.self_attn.q_proj.weight", "layers.0.mlp.up"]
)
def test_fingerprints_tell_apart_where_one_part_was_trained(checkpoint, tmp_path, part):
    """A projector wherever it differs (here in one number), another weight where all its rows differ."""
    folder = shutil.copytree(checkpoint, tmp_path / "other")
    weights = load_file(folder / "model.safetensors")
    (name,) = (name for name in weights if part in name)
    if "projector" in name:
        weights[name][-1] += 1e-3
    else:
        weights[name] += 1e-3
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert fingerprint(str(folder)) != fingerprint(str(checkpoint))


def test_a_fingerprint_is_of_the_weights_bytes_in_any_precision_and_any_shards(checkpoint, tmp_path):
    weights = load_file(checkpoint / "model.safetensors")
    digest = hashlib.sha256((checkpoint / "config.json").read_bytes())
    for name in sorted(weights):
        whole = "projector" in name
        row = weights[name] if whole else weights[name][len(weights[name]) // 2]
        digest.update(name.encode() + row.numpy().tobytes())
    assert fingerprint(str(checkpoint)) == digest.hexdigest()[:16]
    sharded = shutil.copytree(checkpoint, tmp_path / "sharded")
    (sharded / "model.safetensors").unlink()
    for place, part in enumerate((sorted(weights)[::2], sorted(weights)[1::2])):
        save_file({name: weights[name] for name in part}, sharded / f"model-{place}.safetensors")
    assert fingerprint(str(sharded)) == fingerprint(str(checkpoint))
    half = AutoModelForImageTextToText.from_pretrained(checkpoint, dtype=torch.bfloat16)
    half.save_pretrained(tmp_path / "half")
    of_half = fingerprint(str(tmp_path / "half"))
    assert len(of_half) == 16 and of_half != fingerprint(str(checkpoint))


def test_the_package_imports_without_torch():
    code = "import sys, dataengine_utils.models; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# The student that ships with the kit


def test_the_shipped_student_is_the_same_in_4_bits_and_at_every_batch_size():
    from dataengine_utils.images import open_image as open_reference
    from dataengine_utils.picturebook.questions import benchmark_questions

    questions = benchmark_questions("diagnose", 270)
    full = models.load("picturebook")
    many = full.choose(questions, open_reference, batch_size=64)
    assert [c.letter for c in full.choose(questions[:90], open_reference, batch_size=1)] == [
        c.letter for c in many[:90]
    ]
    small = models.load("picturebook", quantise="nf4").choose(questions, open_reference, batch_size=64)
    differing = sum(a.letter != b.letter for a, b in zip(many, small, strict=True))
    assert differing <= 0.02 * len(questions), f"{differing} of {len(questions)} answers differ in 4 bits"
