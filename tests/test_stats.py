from itertools import pairwise
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize
from scipy import stats as scipy_stats

from dataengine_utils.errors import KitError
from dataengine_utils.stats import holm, mcnemar, paired_difference, tango, wilson

# Newcombe 1998, Statistics in Medicine 17:857, table I, method 3.
NEWCOMBE = [
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0, 0.1611),
    (1, 29, 0.0061, 0.1718),
]


@pytest.mark.parametrize(("right", "n", "low", "high"), NEWCOMBE)
def test_wilson_agrees_with_the_published_table(right, n, low, high):
    assert wilson(right, n) == pytest.approx((low, high), abs=5e-5)


@given(
    st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999)
)
def test_wilson_agrees_with_scipy(counts, confidence):
    right, n = counts
    theirs = scipy_stats.binomtest(right, n).proportion_ci(confidence, method="wilson")
    assert wilson(right, n, confidence) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_wilson_of_nothing_and_of_nonsense():
    assert wilson(0, 0) == (0.0, 1.0)
    with pytest.raises(KitError, match="5 right answers of 3"):
        wilson(5, 3)
    with pytest.raises(KitError, match="confidence 95"):
        wilson(1, 3, 95)


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_is_the_exact_binomial_test(gained, lost):
    expected = scipy_stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert mcnemar(gained, lost) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_and_tango_agree_with_the_published_example():
    """Cavo 2012 (59, 6, 16, 80) of Fagerland, Lydersen, Laake: Analysis of Contingency Tables, chapter 8."""
    assert tango(6, 16, 161) == pytest.approx((-0.1240, -0.0054), abs=5e-5)
    assert mcnemar(6, 16) == pytest.approx(0.052479, abs=5e-7)


def _score_by_brute_force(gained, lost, n, difference):
    """Tango's statistic with the restricted likelihood maximised numerically, not by its formula."""
    low = max(0.0, -difference) + 1e-12
    high = (1 - difference) / 2

    def unlikelihood(loss_share):
        same = max(1 - 2 * loss_share - difference, 1e-300)
        cells = [(gained, loss_share + difference), (lost, loss_share), (n - gained - lost, same)]
        return -sum(count * log(max(share, 1e-300)) for count, share in cells)

    best = optimize.minimize_scalar(
        unlikelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-11}
    ).x
    return (gained - lost - n * difference) / (n * (2 * best + difference * (1 - difference))) ** 0.5


@pytest.mark.parametrize(("gained", "lost", "n"), [(30, 12, 200), (5, 1, 40), (100, 90, 1000), (3, 8, 25)])
def test_tango_limits_are_where_the_score_test_turns(gained, lost, n):
    low, high = tango(gained, lost, n)
    assert _score_by_brute_force(gained, lost, n, low) == pytest.approx(1.959964, abs=1e-3)
    assert _score_by_brute_force(gained, lost, n, high) == pytest.approx(-1.959964, abs=1e-3)


@given(
    st.integers(1, 400).flatmap(
        lambda n: st.tuples(st.just(n), st.integers(0, n)).flatmap(
            lambda pair: st.tuples(st.just(pair[0]), st.just(pair[1]), st.integers(0, pair[0] - pair[1]))
        )
    )
)
def test_tango_holds_the_estimate_and_mirrors(counts):
    n, gained, lost = counts
    low, high = tango(gained, lost, n)
    estimate = (gained - lost) / n
    assert -1 <= low <= estimate + 1e-9
    assert estimate - 1e-9 <= high <= 1
    assert low < high
    assert tango(lost, gained, n) == pytest.approx((-high, -low), abs=1e-9)


def test_tango_without_any_change_has_the_known_closed_form():
    z2 = 1.959964**2
    assert tango(0, 0, 50) == pytest.approx((-z2 / (50 + z2), z2 / (50 + z2)), abs=1e-6)


def test_paired_difference_counts_pairs():
    before = [True] * 6 + [False] * 16 + [True] * 59 + [False] * 80
    after = [False] * 6 + [True] * 16 + [True] * 59 + [False] * 80
    change = paired_difference(before, after)
    assert change.difference == pytest.approx(10 / 161)
    assert (change.low, change.high) == pytest.approx((0.0054, 0.1240), abs=5e-5)
    assert change.p == mcnemar(16, 6)
    assert paired_difference([], []).p == 1.0
    with pytest.raises(KitError, match="2 answers before and 1 after"):
        paired_difference([True, False], [True])


@pytest.mark.parametrize(("gain", "loss"), [(0.35, 0.1), (0.02, 0.2), (0.1, 0.1)])
def test_tango_covers_the_truth_about_as_often_as_it_says(gain, loss):
    """2,000 draws of 85 pairs (SEED-Bench's smallest type): 95 % within 3 standard errors, or above."""
    rng = np.random.default_rng(7)
    draws = [(int(g), int(x)) for g, x, _ in rng.multinomial(85, [gain, loss, 1 - gain - loss], size=2000)]
    limits = {pair: tango(*pair, 85) for pair in set(draws)}
    covered = sum(limits[pair][0] <= gain - loss <= limits[pair][1] for pair in draws)
    assert covered / 2000 > 0.95 - 3 * (0.05 * 0.95 / 2000) ** 0.5


def test_holm_agrees_with_a_worked_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_order_and_never_lowers(p_values):
    adjusted = holm(p_values)
    assert all(p <= a <= 1 for p, a in zip(p_values, adjusted, strict=True))
    assert adjusted[p_values.index(min(p_values))] == pytest.approx(min(1, len(p_values) * min(p_values)))
    ranks = sorted(range(len(p_values)), key=lambda i: p_values[i])
    assert all(adjusted[a] <= adjusted[b] for a, b in pairwise(ranks))
