"""The study's statistics, on scores whose truth is known, and the cutting to one budget."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine_utils.ablation.differences import (
    comparisons,
    needed,
    reach,
    samples_needed,
    smallest_found,
    spread,
)
from dataengine_utils.ablation.matched import epochs_for, gather_accepted
from dataengine_utils.ablation.results import weak_types
from dataengine_utils.errors import KitError
from dataengine_utils.models.learning import plan_batches
from dataengine_utils.models.packing import make_rows
from dataengine_utils.models.wording import Encoded
from dataengine_utils.records import Generated, Prediction, Query
from dataengine_utils.stats import seeds_needed

EVERY = np.full(400, True)


def made_up(rates, n_seeds=8, n_questions=400, seed=0, between=0.0):
    """Scores of strategies: the base at 0.5, a round at the mean, then the rate; questions differ."""
    rng = np.random.default_rng(seed)
    hard = rng.random(n_questions)
    scores = {}
    for name, rate in rates.items():
        ends = rate + rng.normal(0, between, (n_seeds, 1))
        noise = 0.1 * rng.normal(size=(3, n_seeds, n_questions))
        levels = (np.full((n_seeds, 1), 0.5), (0.5 + ends) / 2, ends)
        rounds = [(hard + n < level).astype(float) for level, n in zip(levels, noise, strict=True)]
        rounds[0] = np.repeat(rounds[0][:1], n_seeds, 0)
        scores[name] = np.stack(rounds, 1)
    first = next(iter(scores.values()))[:, 0]
    for table in scores.values():
        table[:, 0] = first
    return scores


def test_a_real_difference_is_found_and_none_is_made_up():
    scores = made_up({"uniform": 0.6, "same": 0.6, "better": 0.7, "worse": 0.5})
    found = {one.strategy: one for one in comparisons(scores, EVERY, "all")}
    assert set(found) == {"same", "better", "worse"}
    assert found["better"].verdict == "higher" and found["worse"].verdict == "lower"
    assert found["same"].verdict == "" and found["same"].low < 0 < found["same"].high
    for one in found.values():
        assert one.low <= one.difference <= one.high and one.p <= one.adjusted <= 1
        assert one.difference == pytest.approx(np.mean(one.by_seed))
        assert one.difference == pytest.approx(one.mean - scores["uniform"][:, -1].mean())


def test_p_is_adjusted_over_the_strategies_and_only_the_questions_asked_for_count():
    one = comparisons(made_up({"uniform": 0.6, "better": 0.65}), EVERY, "all")[0]
    assert one.p == one.adjusted
    scores = made_up({"uniform": 0.6, "a": 0.62, "b": 0.63, "c": 0.61})
    for one in comparisons(scores, EVERY, "all"):
        assert one.adjusted >= one.p
    half = EVERY.copy()
    half[200:] = False
    cut = {name: table[:, :, :200] for name, table in scores.items()}
    assert comparisons(scores, half, "x") == comparisons(cut, EVERY[:200], "x")


def test_equal_cells_are_no_difference():
    scores = made_up({"uniform": 0.6})
    (one,) = comparisons({**scores, "twin": scores["uniform"]}, EVERY, "all")
    assert (one.difference, one.p, one.verdict, one.found) == (0, 1, "", 0.001)


def test_without_a_difference_few_studies_find_one():
    """60 made-up studies of 5 seeds, which the hierarchical bootstrap judges on the safe side."""
    rates = {"uniform": 0.6, "same": 0.6}
    studies = (made_up(rates, 5, 200, seed, between=0.02) for seed in range(60))
    found = [comparisons(scores, EVERY[:200], "all", seed=i)[0].verdict for i, scores in enumerate(studies)]
    assert sum(map(bool, found)) <= 6


def test_the_power_is_that_of_the_width_of_the_interval():
    assert spread(-0.0196, 0.0196, 4) == pytest.approx(0.02, abs=1e-4)
    smallest = smallest_found(0.02, 8, 3)
    assert seeds_needed(smallest, 0.02, level=0.05 / 3) <= 8
    assert seeds_needed(smallest - 0.001, 0.02, level=0.05 / 3) > 8
    assert smallest_found(0.02, 2, 3) == 1.0, "two seeds find nothing"
    found = comparisons(made_up({"uniform": 0.6, "a": 0.6, "b": 0.7}), EVERY, "all")
    widest = max(spread(one.low, one.high, 8) for one in found)
    assert needed(found, 0.01) == seeds_needed(0.01, widest, level=0.025) > needed(found, 0.05)


def test_samples_to_a_score_are_read_off_the_mean_curves():
    flat, steep = np.zeros((4, 3, 100)), np.zeros((4, 3, 100))
    for table, shares in ((flat, (0.5, 0.55, 0.6)), (steep, (0.5, 0.7, 0.8))):
        for number, share in enumerate(shares):
            table[:, number, : int(100 * share)] = 1
    found = samples_needed({"uniform": flat, "steep": steep}, EVERY[:100], "all", (0, 50, 100))
    slow, fast = found
    assert slow.score == fast.score == pytest.approx(0.59)
    assert slow.samples == pytest.approx(90) and fast.samples == pytest.approx(22.5)
    assert slow.low == slow.high == pytest.approx(90), "seeds that are alike leave no doubt"


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6), st.floats(0, 1))
def test_a_score_is_reached_where_the_curve_first_is_that_high(curve, score):
    samples = [10 * n for n in range(len(curve))]
    found = reach(curve, samples, score)
    if found is None:
        assert max(curve) < score
    else:
        there = max(score, curve[0]) if found == 0 else score
        assert np.interp(found, samples, curve) == pytest.approx(there, abs=1e-6)
        assert all(value < score for at, value in zip(samples, curve, strict=True) if at < found)


def test_weak_types_are_those_of_the_base_and_never_none():
    def told(right):
        return [Prediction(f"{name}{n}", name, "", "A", "right" if n < share else "wrong")
                for name, share in right.items() for n in range(20)]  # fmt: skip

    assert weak_types(told({"A": 10, "B": 11, "C": 3})) == ["A", "C"]
    assert weak_types(told({"A": 18, "B": 17})) == ["B"]


def reply(number, accepted):
    return Generated(str(number), "T", str(number), "t", "x", "", accepted, "" if accepted else "no", None)


@given(st.integers(1, 60), st.floats(0.2, 1), st.integers(0, 99))
def test_exactly_so_many_are_kept_the_first_in_order(n, rate, seed):
    rng, told = random.Random(seed), {}

    def draw(k, queries):
        assert k >= 1
        return [Query(str(len(queries) + i), "T", "", ()) for i in range(k)]

    def judge(queries):
        return [reply(query.id, told.setdefault(query.id, rng.random() < rate)) for query in queries]

    queries, replies, kept = gather_accepted(n, draw, judge)
    accepted = [one for one in replies if one.accepted]
    assert kept == accepted[:n] and len(kept) == n and len(queries) == len(replies)


def test_a_teacher_that_writes_nothing_usable_is_given_up():
    with pytest.raises(KitError, match=r"queries gave 0 of 5 samples; .*--set budget=N"):
        gather_accepted(
            5,
            lambda k, queries: [Query(str(len(queries) + i), "T", "", ()) for i in range(k)],
            lambda queries: [reply(query.id, False) for query in queries],
        )


@given(st.lists(st.integers(1, 9), min_size=1, max_size=40), st.integers(1, 8), st.integers(1, 60))
def test_any_number_of_steps_can_be_had(per_image, batch_size, steps):
    images = [f"i{i}" for i, n in enumerate(per_image) for _ in range(n)]
    encoded = [Encoded((1, 2), (3,) * (1 + i % 5), ((4,),)) for i in range(len(images))]
    rows = make_rows(images, encoded, max_questions=8)
    epochs = epochs_for(rows, steps=steps, batch_size=batch_size, seed=7)
    assert len(plan_batches(rows, batch_size=batch_size, epochs=epochs, seed=7)) == steps
