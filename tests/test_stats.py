from itertools import pairwise
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize
from scipy import stats as scipy_stats

from dataengine_utils.errors import KitError
from dataengine_utils.stats import (
    beta_binomial,
    detectable_change,
    hierarchical_bootstrap,
    holm,
    mcnemar,
    paired_difference,
    paired_mean,
    seeds_needed,
    tango,
    wilson,
)

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


@pytest.mark.parametrize("n", [20, 85, 400])
def test_wilson_covers_the_truth_about_as_often_as_it_says(n):
    """Not drawn but summed over all counts: 95 % on average over the rates from 5 to 95 %, and never far
    below.
    """
    limits = [wilson(right, n) for right in range(n + 1)]
    covered = []
    for truth in np.linspace(0.05, 0.95, 181):
        chances = scipy_stats.binom.pmf(np.arange(n + 1), n, truth)
        inside = [low <= truth <= high for low, high in limits]
        covered.append(float(chances[inside].sum()))
    assert np.mean(covered) == pytest.approx(0.95, abs=0.01)
    assert min(covered) > 0.90


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


@pytest.mark.parametrize("changed", [5, 12, 40, 85])
def test_mcnemars_test_finds_nothing_where_nothing_is_more_often_than_its_level(changed):
    """Summed over all outcomes with as many gains as losses expected."""
    chances = scipy_stats.binom.pmf(np.arange(changed + 1), changed, 0.5)
    for level in (0.01, 0.05, 0.1):
        found = [mcnemar(gained, changed - gained) < level for gained in range(changed + 1)]
        assert chances[found].sum() <= level


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


def test_the_change_of_credits_is_the_paired_z_test():
    rng = np.random.default_rng(3)
    before, after = rng.uniform(size=200), rng.uniform(size=200) ** 0.9
    found, differences = paired_mean(before.tolist(), after.tolist()), after - before
    error = scipy_stats.sem(differences)
    expected = scipy_stats.norm.interval(0.95, differences.mean(), error)
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-6)
    assert found.difference == pytest.approx(differences.mean())
    assert found.p == pytest.approx(2 * scipy_stats.norm.sf(abs(differences.mean()) / error))


def test_the_change_of_credits_covers_the_truth_about_as_often_as_it_says():
    """2,000 draws of 300 questions with credits 0, 0.3, 0.6, 1, as of ten people's answers."""
    rng, covered, found = np.random.default_rng(4), 0, 0
    credits = np.array([0, 0.3, 0.6, 1.0])
    for _ in range(2000):
        before, after = (rng.choice(credits, size=300, p=[0.3, 0.1, 0.1, 0.5]).tolist() for _ in range(2))
        change = paired_mean(before, after)
        covered += change.low <= 0 <= change.high
        found += change.p < 0.05
    assert covered / 2000 == pytest.approx(0.95, abs=3 * (0.05 * 0.95 / 2000) ** 0.5)
    assert covered + found == 2000, "interval and test say the same"


def test_the_change_of_credits_without_questions_or_without_a_change():
    assert paired_mean([], []).p == 1.0
    same = paired_mean([0.3, 1.0], [0.3, 1.0])
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)
    one = paired_mean([0.3], [1.0])
    assert one.p == 1.0 and one.low < 0 < one.difference <= one.high, "one question shows nothing"
    alike = paired_mean([0.9] * 5, [0.3] * 5)
    assert alike.p == mcnemar(0, 5) > 0.05 and alike.low <= alike.difference == pytest.approx(-0.6)
    with pytest.raises(KitError, match="1 credits before and 2 after"):
        paired_mean([0.5], [0.5, 1.0])


@pytest.mark.parametrize("n", [40, 200])
def test_nine_types_without_a_change_are_called_changed_at_most_as_often_as_the_level(n):
    """Two evaluations of the same students, other luck: 2,000 times nine McNemar tests of n questions."""
    rng = np.random.default_rng(n)
    drawn = rng.multinomial(n, [0.1, 0.1, 0.8], size=(2000, 9))
    known = {pair: mcnemar(*pair) for pair in {(int(g), int(x)) for g, x, _ in drawn.reshape(-1, 3)}}
    p_values = [[known[int(g), int(x)] for g, x, _ in study] for study in drawn]
    adjusted = np.mean([min(holm(values)) < 0.05 for values in p_values])
    alone = np.mean([min(values) < 0.05 for values in p_values])
    assert adjusted <= 0.05 < 0.15 < alone, "unadjusted, one of nine often looks like a change"


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


# LLaVA-1.5 before the first round and after the third (arXiv 2308.13566): accuracy in %, questions.
PUBLISHED = {
    "Scene": (74.89, 74.32, 3158),
    "Identity": (68.32, 70.51, 1831),
    "Attributes": (66.87, 72.10, 4649),
    "Location": (60.94, 62.17, 978),
    "Counting": (57.42, 58.19, 2447),
    "Spatial": (49.92, 55.10, 657),
    "Interaction": (73.20, 72.16, 97),
    "Reasoning": (76.13, 77.04, 331),
    "Text": (27.06, 60.00, 85),
}


def test_the_beta_distribution_is_the_likeliest_one():
    counts = [(before / 100 * n, n) for before, _, n in PUBLISHED.values()]

    def cost(mean, weight):
        a, b = mean * weight, (1 - mean) * weight
        return -sum(scipy_stats.betabinom.logpmf(round(right), n, a, b) for right, n in counts)

    found = beta_binomial(counts)
    best = cost(found.mean, found.weight)
    for mean, weight in ((0.02, 1), (-0.02, 1), (0, 1.3), (0, 0.75)):
        assert cost(found.mean + mean, found.weight * weight) > best
    assert found.interval(23, 85) == pytest.approx(
        scipy_stats.beta.interval(0.95, 23 + found.mean * found.weight, 62 + (1 - found.mean) * found.weight)
    )


def test_rates_that_chance_explains_are_drawn_all_the_way_to_the_mean():
    found = beta_binomial([(5, 10), (52, 100), (498, 1000)])
    assert found.rate(5, 10) == pytest.approx(0.5, abs=0.002)
    spread = beta_binomial([(10, 1000), (990, 1000), (500, 1000)])
    assert spread.rate(10, 1000) == pytest.approx(0.01, abs=0.002)


def test_shrinkage_of_one_type_of_none_and_of_perfect_ones():
    assert beta_binomial([(3, 10)]).rate(3, 10) == 0.3
    assert beta_binomial([(3, 10)]).rate(0, 0) == 0.3
    assert beta_binomial([]).rate(0, 0) == 0.5
    assert beta_binomial([(10, 10), (4, 4)]).rate(4, 4) == pytest.approx(1)


def test_shrunk_rates_are_nearer_to_the_truth():
    """Mean squared error over 200 made-up benchmarks of nine types, of which some have few questions."""
    rng = np.random.default_rng(0)
    n = np.array([20, 20, 20, 40, 40, 100, 100, 500, 500])
    raw = drawn = 0.0
    for _ in range(200):
        truth = rng.beta(6, 4, size=9)
        right = rng.binomial(n, truth)
        found = beta_binomial(list(zip(right, n, strict=True)))
        raw += float(((right / n - truth) ** 2).mean())
        drawn += float(
            ((np.array([found.rate(r, m) for r, m in zip(right, n, strict=True)]) - truth) ** 2).mean()
        )
    assert drawn < 0.85 * raw


def test_the_shrunk_rates_intervals_cover_the_truth_about_as_often_as_they_say():
    """500 made-up benchmarks of nine types of 20 to 500 questions, rates from one beta distribution."""
    rng = np.random.default_rng(5)
    n = [20, 20, 20, 40, 40, 100, 100, 500, 500]
    covered = []
    for _ in range(500):
        truth = rng.beta(6, 4, size=9)
        right = rng.binomial(n, truth)
        spread = beta_binomial(list(zip(right.tolist(), n, strict=True)))
        for rate, r, m in zip(truth, right.tolist(), n, strict=True):
            low, high = spread.interval(r, m)
            covered.append(low <= rate <= high)
    assert 0.91 <= np.mean(covered) <= 0.97


def test_what_85_questions_can_show():
    """Connor's sample size, turned round: that many pairs find the change with the power asked for."""
    change = detectable_change(85, 0.3)
    rng = np.random.default_rng(0)
    gained, lost = (0.3 + change) / 2, (0.3 - change) / 2
    drawn = rng.multinomial(85, [gained, lost, 1 - gained - lost], size=2000)
    z = (drawn[:, 0] - drawn[:, 1]) / np.sqrt(np.maximum(drawn[:, 0] + drawn[:, 1], 1))
    assert np.mean(np.abs(z) > 1.96) == pytest.approx(0.8, abs=0.03)
    assert detectable_change(5, 0.1) == 1.0
    with pytest.raises(KitError, match="0 questions of which a share of 2 flips"):
        detectable_change(0, 2)


def test_which_published_changes_are_more_than_chance():
    """Of the nine, two are (Fisher, adjusted by Holm): on 4,649 questions, and 27 to 60 % on 85."""
    p_values = []
    for before, after, n in PUBLISHED.values():
        right = [round(share / 100 * n) for share in (before, after)]
        p_values.append(scipy_stats.fisher_exact([[r, n - r] for r in right]).pvalue)
    adjusted = dict(zip(PUBLISHED, holm(p_values), strict=True))
    assert {name for name, p in adjusted.items() if p < 0.05} == {"Attributes", "Text"}


@pytest.mark.parametrize(("between_seeds", "n_seeds"), [(0.03, 8), (0.0, 8), (0.05, 4)])
def test_the_bootstrap_covers_the_truth_about_as_often_as_it_says(between_seeds, n_seeds):
    """150 made-up studies of 300 questions: hard questions are hard for every seed."""
    rng, covered = np.random.default_rng(1), 0
    for i in range(150):
        table = (
            0.03
            + rng.normal(0, between_seeds, (n_seeds, 1))
            + rng.normal(0, 0.2, (1, 300))
            + rng.choice([-1, 0, 1], p=[0.1, 0.8, 0.1], size=(n_seeds, 300))
        )
        found = hierarchical_bootstrap(table, seed=i, repetitions=500)
        covered += found.low <= 0.03 <= found.high
    assert covered / 150 >= 0.88


def test_the_bootstrap_needs_seeds_and_questions():
    with pytest.raises(KitError, match=r"shape \(0, 3\)"):
        hierarchical_bootstrap(np.zeros((0, 3)), seed=0)
    one = hierarchical_bootstrap(np.full((1, 5), 0.25), seed=0)
    assert (one.difference, one.low, one.high, one.below) == (0.25, 0.25, 0.25, 0.0)


def test_so_many_seeds_find_the_effect():
    n = seeds_needed(1.0, 1.0)
    rng = np.random.default_rng(0)
    drawn = rng.normal(1.0, 1.0, size=(4000, n))
    found = scipy_stats.ttest_1samp(drawn, 0, axis=1).pvalue < 0.05
    assert found.mean() == pytest.approx(0.8, abs=0.04)
    assert seeds_needed(10, 0.1) == 2 and seeds_needed(0.5, 1) > 3 * n
    with pytest.raises(KitError, match="effect 0"):
        seeds_needed(0, 1)
