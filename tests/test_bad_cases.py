import random
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine_utils.bad_cases import case_text, collect_bad_cases, deduplicate
from dataengine_utils.errors import KitError
from dataengine_utils.records import BadCase, Prediction, Question
from dataengine_utils.similarity import tfidf

WORDS = ["how", "many", "cats", "dogs", "are", "there", "in", "the", "picture", "left", "of"]
texts_strategy = st.lists(st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join), max_size=25)


def case(text, question_type="Counting", answer="two", number=0):
    return BadCase(f"{question_type}-{text}-{number}", question_type, "7", text, (), answer, "")


def cosines(texts):
    vectors = tfidf(texts)
    vectors = vectors.toarray() if hasattr(vectors, "toarray") else vectors
    return np.minimum(vectors @ vectors.T, 1)


@given(texts_strategy, st.integers(0, 5), st.sampled_from([0.0, 0.3, 0.6, 0.8, 0.9, 1.0]))
def test_algorithm_1(texts, seed, threshold):
    cases = [case(text, "ab"[i % 2], number=i) for i, text in enumerate(texts)]
    kept = deduplicate(cases, threshold, rng=random.Random(seed))
    assert kept == [c for c in cases if c in kept]
    for question_type in "ab":
        same = [c for c in cases if c.question_type == question_type]
        alike = cosines([case_text(c) for c in same])
        chosen = [i for i, c in enumerate(same) if c in kept]
        assert all(alike[i, j] <= threshold + 1e-9 for i in chosen for j in chosen if i != j)
        dropped = [i for i in range(len(same)) if i not in chosen]
        assert all(max(alike[i, j] for j in chosen) > threshold - 1e-9 for i in dropped)


@given(texts_strategy, st.integers(0, 3))
def test_sparse_and_dense_vectors_give_the_verdicts_of_comparing_all_pairs(texts, seed):
    cases = [case(text, number=i) for i, text in enumerate(texts)]
    alike = cosines([case_text(c) for c in cases])
    kept = []
    for i in random.Random(seed).sample(range(len(cases)), len(cases)):
        if not any(alike[i, j] > 0.7 for j in kept):
            kept.append(i)
    expected = [cases[i] for i in sorted(kept)]
    assert deduplicate(cases, 0.7, rng=random.Random(seed)) == expected
    dense = deduplicate(
        cases,
        0.7,
        rng=random.Random(seed),
        vectors=lambda given: (
            np.asarray(tfidf(given).todense()) if given and hasattr(tfidf(given), "todense") else tfidf(given)
        ),
    )
    assert dense == expected


def test_bad_cases_are_the_answers_not_right_with_the_raw_reply():
    question = Question("q1", "7", "picturebook:7", "How many cats?", ("one", "two"), "two", "B", "Counting")
    others = [replace(question, id=i) for i in ("q2", "q3")]
    predictions = [
        Prediction("q3", "Counting", " hm", "", "unparsed"),
        Prediction("q1", "Counting", "A", "A", "wrong"),
        Prediction("q2", "Counting", "B", "B", "right"),
    ]
    cases = collect_bad_cases([question, *others], predictions)
    assert [(c.question_id, c.reply) for c in cases] == [("q3", " hm"), ("q1", "A")]
    assert cases[1] == BadCase("q1", "Counting", "7", "How many cats?", ("one", "two"), "two", "A")
    with pytest.raises(KitError, match="question 'q3', which the benchmark does not have"):
        collect_bad_cases([question], predictions[:1])


def test_near_copies_go_and_other_answers_stay():
    cases = [
        case("How many people are there in this picture?"),
        case("How many people are there in this picture"),
        case("How many people are there in this picture?", answer="seventeen"),
        case("What is this?"),
    ]
    kept = deduplicate(cases, 0.9, rng=random.Random(0))
    assert len(kept) == 3
    assert {c.answer for c in kept} == {"two", "seventeen"}
    assert deduplicate(cases, 0.9, rng=random.Random(0)) == kept


def test_a_threshold_outside_0_to_1_is_refused():
    with pytest.raises(KitError, match="similarity threshold 90"):
        deduplicate([], 90, rng=random.Random(0))


def test_two_thousand_bad_cases_take_seconds():
    rng = random.Random(1)
    vocabulary = ["".join(rng.choices("abcdefghijklmnoprstuvw", k=rng.randint(2, 8))) for _ in range(600)]
    cases = [case(" ".join(rng.choices(vocabulary, k=12)), number=i) for i in range(2000)]
    start = time.process_time()
    assert len(deduplicate(cases, rng=random.Random(0))) == 2000
    assert time.process_time() - start < 10


def test_blocks_know_of_each_other():
    """More texts than one block holds, each twice: one of each pair stays, wherever it is."""
    cases = [
        case(f"what is number {i // 2} {'abcdefghij'[i // 2 % 10] * 9} there?", number=i) for i in range(1600)
    ]
    kept = deduplicate(cases, 0.999, rng=random.Random(0))
    assert len(kept) == 800
    assert {c.question for c in kept} == {c.question for c in cases}
