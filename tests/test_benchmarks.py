import json
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine_utils import benchmarks, images
from dataengine_utils.benchmarks.scoring import parse_choice, score
from dataengine_utils.benchmarks.splits import split_by_image
from dataengine_utils.errors import KitError
from dataengine_utils.inputs import read_json
from dataengine_utils.records import LETTERS, Prediction, Question
from dataengine_utils.stats import wilson

LINE = {
    "id": "q1",
    "image": "a.png",
    "question": "What is it?",
    "options": ["cat", "dog"],
    "answer": "B",
    "type": "Kind",
}


def question(number, question_type="T", image="i", choice="A"):
    return Question(str(number), image, image, "Which?", ("x", "y", "z", "w"), "x", choice, question_type)


def prediction(number, choice, question_type="T"):
    outcome = "unparsed" if not choice else "right" if choice == "A" else "wrong"
    return Prediction(str(number), question_type, choice, choice, outcome)


def jsonl(folder, *lines, **options):
    (folder / "bench.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return benchmarks.load("jsonl", path=str(folder / "bench.jsonl"), **options)


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("B", "B"),
        (" b ", "B"),
        ("B.", "B"),
        ("(B)", "B"),
        ("B)", "B"),
        ("B. a dog", "B"),
        ("(C) left", "C"),
        ("The answer is B", "B"),
        ("The answer is (B).", "B"),
        ("Answer: C", "C"),
        ("The correct option is D.", "D"),
        ("a dog", "B"),
        ("A dog.", "B"),
        ("It is a dog", "B"),
        ("top left", "D"),
        ("the top left of it", "D"),
        ("left", "C"),
        ("", ""),
        ("E", ""),
        ("none of them", ""),
        ("a cat or a dog", ""),
        ("A bird", ""),
        ("I think so", ""),
        ("The answer is A or B", ""),
        ("\u201ca dog\u201d", "B"),
    ],
)
def test_choices_are_read_from_replies(reply, letter):
    assert parse_choice(reply, ("a cat", "a dog", "left", "top left")) == letter


@given(
    st.lists(
        st.sampled_from(["red", "left", "top left", "two", "STOP", "a b c", "7"]),
        min_size=2,
        max_size=7,
        unique=True,
    ),
    st.data(),
)
def test_every_option_is_read_back_from_its_text_and_letter(options, data):
    n = data.draw(st.integers(0, len(options) - 1))
    assert parse_choice(options[n], options) == LETTERS[n]
    assert parse_choice(f"{LETTERS[n]}. {options[n]}", options) == LETTERS[n]
    assert parse_choice(f"The answer is {LETTERS[n]}.", options) == LETTERS[n]


def test_the_text_of_an_option_goes_before_its_letter():
    assert parse_choice("A", ("B", "A", "C")) == "B"


@given(st.lists(st.tuples(st.sampled_from("PQR"), st.sampled_from(["A", "B", ""])), max_size=40))
def test_scores_add_up(items):
    questions = [question(n, kind) for n, (kind, _) in enumerate(items)]
    predictions = [prediction(n, choice, kind) for n, (kind, choice) in enumerate(items)]
    random.Random(0).shuffle(predictions)
    metrics = score(questions, predictions)
    assert list(metrics["types"]) == list(dict.fromkeys(kind for kind, _ in items))
    for row in (metrics["overall"], *metrics["types"].values()):
        assert row["n"] == row["right"] + row["wrong"] + row["unparsed"]
        assert (row["low"], row["high"]) == wilson(row["right"], row["n"])
    for key in ("n", "right", "wrong", "unparsed"):
        assert metrics["overall"][key] == sum(row[key] for row in metrics["types"].values())
    assert metrics["overall"]["right"] == sum(choice == "A" for _, choice in items)


def test_missing_predictions_count_and_strange_ones_are_refused():
    metrics = score([question(1), question(2)], [prediction(1, "A")])
    assert metrics["overall"] | {"low": 0, "high": 0} == {
        "n": 2,
        "right": 1,
        "wrong": 0,
        "unparsed": 1,
        "accuracy": 0.5,
        "low": 0,
        "high": 0,
    }
    with pytest.raises(KitError, match="question id '1' is there twice"):
        score([question(1), question(1)], [])
    with pytest.raises(KitError, match="prediction id '1' is there twice"):
        score([question(1)], [prediction(1, "A"), prediction(1, "B")])
    with pytest.raises(KitError, match="answer no question.*'9'"):
        score([question(1)], [prediction(9, "A")])


def test_the_outcome_is_scored_anew_from_the_choice():
    told_wrongly = Prediction("1", "T", "B", "B", "right")
    assert score([question(1)], [told_wrongly])["overall"]["wrong"] == 1


QUESTIONS = st.lists(st.tuples(st.sampled_from("PQRS"), st.integers(0, 30)), max_size=80).map(
    lambda items: [question(n, kind, f"i{image}") for n, (kind, image) in enumerate(items)]
)


@given(QUESTIONS, st.floats(0.1, 0.9), st.integers(0, 5))
def test_splits_never_share_an_image_and_lose_nothing(questions, share, seed):
    diagnose, sealed = split_by_image(questions, share, seed)
    assert not {q.image_id for q in diagnose} & {q.image_id for q in sealed}
    assert sorted(diagnose + sealed, key=lambda q: int(q.id)) == questions
    assert [q.id for q in diagnose] == sorted((q.id for q in diagnose), key=int)
    assert split_by_image(questions, share, seed) == (diagnose, sealed)
    assert {q.id for q in split_by_image(questions[::-1], share, seed)[0]} == {q.id for q in diagnose}


@given(st.lists(st.sampled_from("PQRS"), max_size=80), st.floats(0.1, 0.9), st.integers(0, 5))
def test_splits_keep_the_share_of_every_type(types, share, seed):
    questions = [question(n, kind, f"i{n}") for n, kind in enumerate(types)]
    diagnose, _ = split_by_image(questions, share, seed)
    counts = Counter(q.question_type for q in diagnose)
    assert all(abs(counts[kind] - share * n) <= 1 for kind, n in Counter(types).items())


@pytest.mark.parametrize("share", [0, 1, -0.5, 2])
def test_a_split_needs_a_share(share):
    with pytest.raises(KitError, match="diagnose_share"):
        split_by_image([], share, 0)


def test_a_jsonl_benchmark(tmp_path):
    lines = [
        LINE,
        {
            **LINE,
            "id": 2,
            "image": "b.png",
            "options": {"A": "cat", "B": "dog"},
            "answer": "cat",
            "hint": "Look.",
        },
        {**LINE, "id": "q3", "image": "c.png", "image_id": "77", "source": "passed over"},
        {**LINE, "id": "q4", "image": "d.png", "options": None, "answer": "a tree"},
    ]
    bench = jsonl(tmp_path, *lines)
    assert bench.name == "bench" and bench.root == tmp_path
    by_id = {q.id: q for q in bench.questions("all")}
    assert by_id["q1"] == Question("q1", "a.png", "a.png", "What is it?", ("cat", "dog"), "dog", "B", "Kind")
    assert (by_id["2"].answer, by_id["2"].choice, by_id["2"].hint) == ("cat", "A", "Look.")
    assert by_id["q3"].image_id == "77"
    assert (by_id["q4"].options, by_id["q4"].answer, by_id["q4"].choice) == ((), "a tree", "")
    halves = [{q.id for q in bench.questions(split)} for split in ("diagnose", "sealed")]
    assert halves[0] | halves[1] == set(by_id) and not halves[0] & halves[1]
    with pytest.raises(KitError, match="unknown split 'test'.*diagnose"):
        bench.questions("test")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": None}, "id is None"),
        ({"question": " "}, "question is ' '"),
        ({"type": ["x"]}, "type is"),
        ({"answer": "C"}, "neither a letter nor an option"),
        ({"answer": "bird"}, "neither"),
        ({"options": ["A"]}, "1 options"),
        ({"options": "cat, dog"}, "expected a list"),
        ({"options": {"B": "cat", "A": "dog"}}, "letters"),
        ({"options": ["dog", "dog"], "answer": "dog"}, "2 options"),
        ({"options": ["B", "A"], "answer": "A"}, "one option's letter and another's text"),
    ],
)
def test_bad_lines_are_named_with_their_line(tmp_path, change, message):
    with pytest.raises(KitError, match=f"bench.jsonl:2: .*{message}"):
        jsonl(tmp_path, LINE, {**LINE, "id": "q2", **change}).questions("all")


def test_numbers_may_be_options_and_answers(tmp_path):
    bench = jsonl(tmp_path, {**LINE, "options": [1, 2.5], "answer": 2.5})
    assert [(q.options, q.answer, q.choice) for q in bench.questions("all")] == [(("1", "2.5"), "2.5", "B")]


def test_bad_files_are_named(tmp_path):
    with pytest.raises(KitError, match="bench.jsonl:2: id 'q1' is there twice"):
        jsonl(tmp_path, LINE, LINE).questions("all")
    with pytest.raises(KitError, match="no questions in it"):
        jsonl(tmp_path).questions("all")
    with pytest.raises(KitError, match="no file"):
        benchmarks.load("jsonl", path=str(tmp_path / "none.jsonl")).questions("all")
    (tmp_path / "bench.jsonl").write_text(json.dumps(LINE) + '\n{"id": "q2", "ima')
    with pytest.raises(KitError, match="bench.jsonl:2: not JSON"):
        benchmarks.load("jsonl", path=str(tmp_path / "bench.jsonl")).questions("all")


def test_picturebook_has_two_splits_of_its_own():
    bench = benchmarks.load("picturebook", diagnose=20, sealed=30)
    diagnose, sealed = bench.questions("diagnose"), bench.questions("sealed")
    assert (len(diagnose), len(sealed)) == (20, 30)
    assert bench.questions("all") == diagnose + sealed
    assert not {q.image_id for q in diagnose} & {q.image_id for q in sealed}
    right = [Prediction(q.id, q.question_type, q.choice, q.choice, "right") for q in sealed]
    assert bench.score(sealed, right)["overall"]["accuracy"] == 1
    with pytest.raises(KitError, match="unknown split"):
        bench.questions("train")
    with pytest.raises(KitError, match="benchmark_options.sealed is 0"):
        benchmarks.load("picturebook", sealed=0)


def test_real_photographs_of_mmbench(shared_data, tmp_path):
    folder = shared_data / "mmbench_samples"
    samples = json.loads((folder / "samples.json").read_text(encoding="utf-8"))
    lines = [
        {
            "id": s["index"],
            "image": s["image"],
            "type": s["category"],
            "hint": s["en"]["hint"],
            **{key: s["en"][key] for key in ("question", "options", "answer")},
        }
        for s in samples
    ]
    bench = jsonl(tmp_path, *lines, images=str(folder))
    questions = bench.questions("all")
    assert len(questions) == 20 and len({q.question_type for q in questions}) == 20
    for q in questions:
        assert min(images.open_image(q.image, bench.root).size) > 30
        assert q.options[LETTERS.index(q.choice)] == q.answer


@pytest.mark.parametrize("text", ["[" * 100_000, '{"id": ' + "9" * 5000 + "}"])
def test_json_that_python_cannot_hold_is_one_clear_error(tmp_path, text):
    (tmp_path / "bench.jsonl").write_text(text)
    with pytest.raises(KitError, match=r"bench\.jsonl.*not readable as JSON"):
        benchmarks.load("jsonl", path=str(tmp_path / "bench.jsonl")).questions("all")
    with pytest.raises(KitError, match=r"bench\.jsonl.*not readable as JSON"):
        read_json(tmp_path / "bench.jsonl", "something else")
