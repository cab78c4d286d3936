import random
import time
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from dataengine_utils.errors import KitError
from dataengine_utils.records import BadCase, Prediction, Question
from dataengine_utils.weakness import (
    STRATEGIES,
    case_text,
    change,
    collect_bad_cases,
    cosine,
    deduplicate,
    tfidf,
    type_table,
)

# arXiv 2308.13566, LLaVA-1.5 before the first round on SEED-Bench: (type, accuracy in %, questions).
PAPER = [
    ("Scene Understanding", 74.89, 3158),
    ("Instance Identity", 68.32, 1831),
    ("Instance Attributes", 66.87, 4649),
    ("Instance Location", 60.94, 978),
    ("Instances Counting", 57.42, 2447),
    ("Spatial Relation", 49.92, 657),
    ("Instance Interaction", 73.20, 97),
    ("Visual Reasoning", 76.13, 331),
    ("Text Understanding", 27.06, 85),
]


def outcomes(question_type, right=0, wrong=0, unparsed=0):
    return [
        Prediction(f"{question_type}-{outcome}-{i}", question_type, "", "", outcome)
        for outcome, n in (("right", right), ("wrong", wrong), ("unparsed", unparsed))
        for i in range(n)
    ]


def case(text, question_type="Counting", answer="two", number=0):
    return BadCase(f"{question_type}-{text}-{number}", question_type, "7", text, (), answer, "")


def test_the_papers_counts_give_the_papers_weights():
    predictions = []
    for name, percent, n in PAPER:
        right = round(percent / 100 * n)
        predictions += outcomes(name, right, n - right)
    table = type_table(predictions)
    assert [row.question_type for row in table] == [name for name, _, _ in PAPER]
    assert [round(100 * row.accuracy, 2) for row in table] == [percent for _, percent, _ in PAPER]
    assert [round(100 * row.weight, 1) for row in table] == [
        9.1,
        10.3,
        10.5,
        11.4,
        11.9,
        12.9,
        9.4,
        8.9,
        15.6,
    ]
    text = table[-1]
    assert (text.right, text.n, text.bad_cases) == (23, 85, 62)


def test_three_outcomes_are_counted_and_unparsed_is_not_right():
    rows = type_table(outcomes("a", 2, 1, 1) + outcomes("b", 0, 0, 3))
    assert [(row.n, row.right, row.wrong, row.unparsed, row.accuracy) for row in rows] == [
        (4, 2, 1, 1, 0.5),
        (3, 0, 0, 3, 0.0),
    ]
    assert rows[0].low < 0.5 < rows[0].high


def test_types_fix_the_order_and_a_type_never_asked_weighs_nothing():
    rows = type_table(outcomes("a", 1, 1), types=["b", "a"])
    first = rows[0]
    assert (first.question_type, first.n, first.weight, first.low, first.high) == ("b", 0, 0.0, 0.0, 1.0)
    assert rows[1].weight == 1
    with pytest.raises(KitError, match="unknown question type 'a'; known: b"):
        type_table(outcomes("a", 1), types=["b"])


def test_a_perfect_student_gets_equal_weights():
    assert [row.weight for row in type_table(outcomes("a", 3) + outcomes("b", 9))] == [0.5, 0.5]
    assert type_table([]) == []


def test_unknown_strategy_names_the_known_ones():
    with pytest.raises(KitError, match="unknown strategy 'gain'; known: error_rate, paper, uniform"):
        type_table(outcomes("a", 1), "gain")


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)).filter(any), min_size=1, max_size=9),
    st.sampled_from(sorted(STRATEGIES)),
)
def test_weights_sum_to_one_and_rise_with_the_error(counts, strategy):
    rows = type_table(
        [p for i, (right, wrong) in enumerate(counts) for p in outcomes(str(i), right, wrong)], strategy
    )
    assert sum(row.weight for row in rows) == pytest.approx(1)
    by_error = sorted(rows, key=lambda row: -row.accuracy)
    assert all(a.weight <= b.weight + 1e-12 for a, b in pairwise(by_error))
    strict = strategy != "uniform" and rows and max(row.accuracy for row in rows) < 1
    if strict:
        assert all(a.weight < b.weight for a, b in pairwise(by_error) if a.accuracy > b.accuracy)


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


def test_a_change_pairs_answers_by_question():
    def answers(**outcome_of):
        return [Prediction(name, name[0], "", "", outcome) for name, outcome in outcome_of.items()]

    before = answers(a1="wrong", a2="wrong", a3="right", b1="unparsed")
    after = answers(b1="right", a3="wrong", a2="right", a1="right")
    assert change(before, after).difference == 0.5
    assert change(before, after, "a").difference == pytest.approx(1 / 3)
    assert change(before, after, "a").p == 1.0
    with pytest.raises(KitError, match="1 questions are in only one of the two evaluations, such as 'b1'"):
        change(before[:3], after)


def test_the_pool_is_counted_when_given():
    rows = type_table(outcomes("Counting", 1, 5), bad_cases=[case("x"), case("y")])
    assert rows[0].bad_cases == 2


def test_tfidf_is_scikit_learns():
    texts = [
        "how many cats are there?",
        "how many dogs are there?",
        "what does the sign say?",
        "what is left of it?",
    ]
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(3, 3))
    theirs = vectorizer.fit_transform([f" {text} " for text in texts])
    theirs = (theirs @ theirs.T).toarray()
    ours = tfidf(texts)
    assert [[cosine(a, b) for b in ours] for a in ours] == [pytest.approx(list(row)) for row in theirs]


WORDS = ["how", "many", "cats", "dogs", "are", "there", "in", "the", "picture", "left", "of"]
texts_strategy = st.lists(st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join), max_size=25)


@given(texts_strategy, st.integers(0, 5), st.sampled_from([0.0, 0.3, 0.6, 0.8, 0.9, 1.0]))
def test_algorithm_1(texts, seed, threshold):
    cases = [case(text, "ab"[i % 2], number=i) for i, text in enumerate(texts)]
    kept = deduplicate(cases, threshold, rng=random.Random(seed))
    assert kept == [c for c in cases if c in kept]
    for question_type in "ab":
        same = [c for c in cases if c.question_type == question_type]
        vectors = dict(zip([c.question_id for c in same], tfidf([case_text(c) for c in same]), strict=True))
        chosen = [c for c in kept if c.question_type == question_type]
        alike = {
            (a.question_id, b.question_id): cosine(vectors[a.question_id], vectors[b.question_id])
            for a in same
            for b in chosen
        }
        assert all(alike[a.question_id, b.question_id] <= threshold for a in chosen for b in chosen if a != b)
        assert all(
            max(alike[c.question_id, b.question_id] for b in chosen) > threshold
            for c in same
            if c not in chosen
        )


@given(texts_strategy, st.integers(0, 3))
def test_the_index_gives_the_verdicts_of_comparing_all_pairs(texts, seed):
    cases = [case(text, number=i) for i, text in enumerate(texts)]
    compared = [case_text(c) for c in cases]
    vectors = dict(zip(compared, tfidf(compared), strict=True))
    by_pairs = deduplicate(
        cases, 0.7, rng=random.Random(seed), similarity=lambda a, b: cosine(vectors[a], vectors[b])
    )
    assert deduplicate(cases, 0.7, rng=random.Random(seed)) == by_pairs


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
    start = time.perf_counter()
    assert len(deduplicate(cases, rng=random.Random(0))) == 2000
    assert time.perf_counter() - start < 10
