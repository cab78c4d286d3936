import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine_utils.errors import KitError
from dataengine_utils.instruction_data import Example, examples_from_samples, load_replay
from dataengine_utils.records import LETTERS, Sample

SAMPLE = Sample(
    "Which?",
    "It is the cat.",
    "cat",
    ("dog", "cat", "cow", "bird"),
    "B",
    "a.png",
    2,
    "Instance Identity",
    "a",
    "s1",
    "q1",
    "t1",
)


def test_the_forms_of_a_sample():
    short, direct, choice = examples_from_samples([SAMPLE], ("short", "direct", "choice"), seed=0)
    assert short == Example("a.png", "Which?", (), "cat", "short")
    assert direct == Example("a.png", "Which?", (), "It is the cat.", "direct")
    assert choice == Example("a.png", "Which?", SAMPLE.options, "B", "choice")
    with pytest.raises(KitError, match="unknown training form 'letter'.*shuffled"):
        examples_from_samples([SAMPLE], ("letter",), seed=0)


@given(st.integers(0, 1000), st.sampled_from(LETTERS[:4]))
def test_shuffled_options_keep_their_answer(seed, letter):
    sample = replace(SAMPLE, choice_answer=letter)
    samples = [sample, replace(sample, id="s2")]
    examples = examples_from_samples(samples, ("shuffled",), seed)
    assert examples == examples_from_samples(samples, ("shuffled",), seed)
    for example in examples:
        assert sorted(example.options) == sorted(sample.options)
        assert example.options[LETTERS.index(example.answer)] == sample.options[LETTERS.index(letter)]


def test_picturebook_replay_is_seeded():
    examples = load_replay("picturebook", 30, seed=1)
    assert len(examples) == 30 and {e.form for e in examples} == {"short"}
    assert examples == load_replay("picturebook", 30, seed=1) != load_replay("picturebook", 30, seed=2)
    assert load_replay("picturebook", 0, seed=1) == []


def conversation(number, **change):
    turns = [
        {"from": "human", "value": f"<image>\nWhat is {number}?"},
        {"from": "gpt", "value": f"It is {number}."},
    ]
    return {"id": str(number), "image": f"{number}.jpg", "conversations": turns, **change}


def test_llava_conversations(tmp_path):
    items = [conversation(n) for n in range(10)] + [{"id": "text", "conversations": []}]
    path = tmp_path / "mix.json"
    path.write_text(json.dumps(items))
    examples = load_replay(str(path), 4, seed=0)
    assert len(set(examples)) == 4 and len(load_replay(str(path), 99, seed=0)) == 10
    number = examples[0].answer.split()[-1].strip(".")
    assert examples[0] == Example(
        str(tmp_path / f"{number}.jpg"), f"What is {number}?", (), f"It is {number}.", "direct"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "no item with an image"),
        ("{}", "expected LLaVA"),
        ("[{", "not JSON"),
        (json.dumps([conversation(5, conversations=[])]), r"mix.json \[5\]"),
        (
            json.dumps([conversation(5, conversations=[{"from": "gpt"}, {"from": "human"}])]),
            "not human and gpt",
        ),
    ],
)
def test_bad_replay_files_are_named(tmp_path, content, message):
    (tmp_path / "mix.json").write_text(content)
    with pytest.raises(KitError, match=message):
        load_replay(str(tmp_path / "mix.json"), 3, seed=0)
    with pytest.raises(KitError, match="no file"):
        load_replay(str(tmp_path / "none.json"), 3, seed=0)
