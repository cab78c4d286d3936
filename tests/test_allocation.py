import random
from itertools import pairwise
from math import exp, sqrt
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine_utils.allocation import STRATEGIES, Evidence, Round, allocate
from dataengine_utils.errors import KitError

counts = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)).filter(any), min_size=1, max_size=9)


def evidence(pairs):
    return {str(i): Evidence(right, right + wrong) for i, (right, wrong) in enumerate(pairs)}


@given(counts, st.sampled_from(sorted(STRATEGIES)))
def test_shares_sum_to_one_and_no_worse_type_gets_less(pairs, strategy):
    types = evidence(pairs)
    shares = allocate(types, strategy, 1000)
    assert sum(shares.values()) == pytest.approx(1) and list(shares) == list(types)
    if strategy not in ("shrunk", "confidence", "gain"):  # there the number of questions counts as well
        by_error = sorted(types, key=lambda name: -types[name].accuracy)
        assert all(shares[a] <= shares[b] + 1e-12 for a, b in pairwise(by_error))


@given(counts, st.sampled_from(["paper", "error_rate"]))
def test_the_papers_strategies_are_strict(pairs, strategy):
    types = evidence(pairs)
    shares = allocate(types, strategy, 1000)
    worst, best = (pick(one.accuracy for one in types.values()) for pick in (min, max))
    if best < 1 and worst < best:
        assert max(shares.values()) > min(shares.values())
        raw = {"paper": sqrt, "error_rate": lambda x: x}[strategy]
        for a in types:
            for b in types:
                assert shares[a] * raw(1 - types[b].accuracy) == pytest.approx(
                    shares[b] * raw(1 - types[a].accuracy)
                )


def test_fixed_levels():
    types = {str(a): Evidence(a, 100) for a in (0, 19, 20, 40, 60, 79, 80, 100)}
    shares = allocate(types, "bins", 10)
    assert [round(22 * share) for share in shares.values()] == [5, 5, 4, 3, 2, 2, 1, 0] or [
        round(share / shares["100"]) for share in shares.values()
    ] == [5, 5, 4, 3, 2, 2, 1, 1]


def test_few_questions_cannot_claim_the_budget():
    types = {"few": Evidence(1, 6), **{str(i): Evidence(60 + i, 100) for i in range(8)}}
    paper, shrunk, careful = (allocate(types, name, 100)["few"] for name in ("paper", "shrunk", "confidence"))
    assert shrunk < paper and careful < paper
    many = {**types, "few": Evidence(1000, 6000)}
    assert allocate(many, "shrunk", 100)["few"] == pytest.approx(
        allocate(many, "paper", 100)["few"], rel=0.01
    )


def test_types_that_cannot_be_told_from_the_whole_share_alike():
    shares = allocate({"a": Evidence(5, 10), "b": Evidence(6, 10), "c": Evidence(900, 1000)}, "confidence", 9)
    assert shares["a"] > shares["c"] and shares["b"] > shares["c"]
    equal = allocate({"a": Evidence(5, 10), "b": Evidence(6, 10)}, "confidence", 9)
    assert equal["a"] == pytest.approx(equal["b"])


def test_gain_follows_what_rounds_have_shown():
    helped, idle = Round(500, 0.3, 0.5, 500), Round(500, 0.3, 0.3, 500)
    types = {
        "helped": Evidence(250, 500, (helped,)),
        "idle": Evidence(250, 500, (idle,)),
        **{str(i): Evidence(250, 500, (Round(500, 0.4, 0.5, 500),)) for i in range(4)},
    }
    shares = allocate(types, "gain", 1000)
    assert shares["helped"] > shares["0"] > shares["idle"] >= 0.25 / 6 * 0.99
    unmeasured = {name: Evidence(one.right, one.n) for name, one in types.items()}
    assert allocate(unmeasured, "gain", 1000) == allocate(unmeasured, "shrunk", 1000)
    untried = {**types, "new": Evidence(250, 500)}
    assert allocate(untried, "gain", 1000)["new"] > allocate(untried, "gain", 1000)["idle"]


def own_strategy(types, budget):
    return {name: float(budget if name == "a" else 1) for name in types}


def test_a_strategy_of_your_own_and_nonsense():
    types = {"a": Evidence(1, 2), "b": Evidence(1, 2), "never asked": Evidence(0, 0)}
    assert allocate(types, "test_allocation:own_strategy", 9) == {"a": 0.9, "b": 0.1}
    with pytest.raises(KitError, match="unknown strategy 'best'; known: bins, confidence, error_rate, gain"):
        allocate(types, "best", 9)
    with pytest.raises(KitError, match="gave 'b' the weight None; expected a number from 0"):
        allocate(types, "test_allocation:half_a_strategy", 9)
    assert allocate({}, "paper", 9) == {}
    assert allocate({"a": Evidence(3, 3), "b": Evidence(9, 9)}, "paper", 9) == {"a": 0.5, "b": 0.5}


def half_a_strategy(types, budget):
    return {"a": 1.0}


# Loops with known response curves: a type's accuracy a becomes c - (c - a) exp(-rate n) after n samples.


def simulate(strategy, accuracies, rates, ceilings, *, n_questions, seed, budget=1500, rounds=6):
    """The mean accuracy after each round."""
    rng, names = random.Random(seed), [str(i) for i in range(len(accuracies))]
    true, earlier, path = dict(zip(names, accuracies, strict=True)), {name: () for name in names}, []

    def measure():
        return {name: sum(rng.random() < true[name] for _ in range(n_questions)) for name in names}

    measured = measure()
    for _ in range(rounds):
        types = {name: Evidence(measured[name], n_questions, earlier[name]) for name in names}
        shares, before = allocate(types, strategy, budget), measured
        for name, rate, ceiling in zip(names, rates, ceilings, strict=True):
            true[name] = ceiling - (ceiling - true[name]) * exp(-rate * shares[name] * budget)
        measured = measure()
        for name in names:
            earlier[name] += (
                Round(
                    round(shares[name] * budget),
                    before[name] / n_questions,
                    measured[name] / n_questions,
                    n_questions,
                ),
            )
        path.append(fmean(true.values()))
    return path


def spend_to(path, start, target, budget=1500):
    """Samples until the mean accuracy reaches the target, between rounds by the straight line."""
    scores = [start, *path]
    for i, (a, b) in enumerate(pairwise(scores)):
        if b >= target:
            return budget * (i + (target - a) / (b - a))
    return budget * len(path)


CURVES = {
    "weak types learn fast": (
        [0.3, 0.35, 0.4, 0.7, 0.75, 0.8, 0.85, 0.85, 0.9],
        [1e-3] * 3 + [3e-4] * 6,
        [0.95] * 9,
    ),
    "weak types cannot learn": (
        [0.3, 0.3, 0.5, 0.5, 0.6, 0.6, 0.7, 0.7, 0.7],
        [1e-3] * 9,
        [0.35] * 2 + [0.9] * 7,
    ),
    "weak types learn slowly": ([0.3] * 3 + [0.6] * 3 + [0.7] * 3, [1e-4] * 3 + [1e-3] * 6, [0.95] * 9),
    "all alike": ([0.5] * 9, [5e-4] * 9, [0.9] * 9),
}


def mean_spend(curve, strategy, n_questions=400, repetitions=30):
    accuracies, rates, ceilings = CURVES[curve]
    reached = fmean(
        simulate("uniform", accuracies, rates, ceilings, n_questions=n_questions, seed=s)[3] for s in range(3)
    )
    return fmean(
        spend_to(
            simulate(strategy, accuracies, rates, ceilings, n_questions=n_questions, seed=s),
            fmean(accuracies),
            reached,
        )
        for s in range(repetitions)
    )


def test_gain_spends_less_where_the_truth_favours_it():
    fast = {name: mean_spend("weak types learn fast", name) for name in ("gain", "paper", "uniform")}
    assert fast["gain"] < 0.92 * fast["paper"] < 0.92 * fast["uniform"]
    capped = {name: mean_spend("weak types cannot learn", name) for name in ("gain", "paper", "uniform")}
    assert capped["gain"] < 0.95 * capped["uniform"] < capped["paper"]


@pytest.mark.parametrize("curve", ["all alike", "weak types learn slowly"])
def test_gain_spends_at_most_five_per_cent_more_where_it_does_not(curve):
    spent = {name: mean_spend(curve, name) for name in ("gain", "paper", "uniform")}
    assert spent["gain"] < 1.05 * min(spent["paper"], spent["uniform"])


def test_shrunk_spends_less_than_paper_where_types_are_alike_and_questions_few():
    """Weights from 12 questions a type are noise, which `paper` follows and `shrunk` does not."""
    few = {
        name: mean_spend("all alike", name, n_questions=12, repetitions=40)
        for name in ("shrunk", "paper", "uniform")
    }
    assert few["shrunk"] < few["paper"]
    assert few["shrunk"] < 1.01 * few["uniform"]
    for curve in CURVES:
        assert mean_spend(curve, "shrunk", repetitions=8) < 1.01 * mean_spend(curve, "paper", repetitions=8)


def test_shrunk_spends_less_than_uniform_where_weak_types_learn_fast():
    """A fifth less there, and at most a tenth more where weak types learn slowly or not at all."""
    spent = {
        curve: mean_spend(curve, "shrunk", repetitions=12) / mean_spend(curve, "uniform", repetitions=12)
        for curve in CURVES
    }
    assert spent["weak types learn fast"] < 0.85
    assert max(spent.values()) < 1.1
