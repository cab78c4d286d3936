import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from dataengine_utils.errors import KitError
from dataengine_utils.records import BadCase, TypeWeakness
from dataengine_utils.sampling import MAX_TRIES, sample_queries, shares
from dataengine_utils.stats import wilson

IMAGES = [str(30_000_000 + i) for i in range(4000)]


def row(name, weight):
    return TypeWeakness(name, 100, 50, 50, 0, 0.5, *wilson(50, 100), weight, 50)


def cases(name, n):
    return [BadCase(f"{name}{i}", name, str(i), f"question {i}?", ("a", "b"), "a", "B") for i in range(n)]


TABLE = [row("Counting", 0.5), row("Spatial Relation", 0.3), row("Text", 0.2)]
POOL = cases("Counting", 9) + cases("Spatial Relation", 1)


def draw(seed=0, budget=100, images=IMAGES, **options):
    return sample_queries(
        TABLE, POOL, images, budget=budget, in_context=2, rng=random.Random(seed), **options
    )


def test_exact_for_a_seed_and_other_for_another():
    assert draw(3) == draw(3)
    assert draw(3) != draw(4)


@given(st.integers(0, 1000), st.integers(1, 60), st.integers(0, 5), st.integers(0, 30))
def test_images_serve_once_and_cases_are_of_the_type(seed, budget, in_context, n_used):
    used = set(IMAGES[:n_used])
    queries = sample_queries(
        TABLE, POOL, IMAGES[:100], budget=budget, in_context=in_context, rng=random.Random(seed), used=used
    )
    images = [query.image_id for query in queries]
    assert len(set(images)) == len(images) == budget
    assert not used & set(images) and set(images) <= set(IMAGES[:100])
    assert len({query.id for query in queries}) == budget
    n_cases = {"Counting": 9, "Spatial Relation": 1, "Text": 0}
    for query in queries:
        assert {case.question_type for case in query.bad_cases} <= {query.question_type}
        assert len({case.question_id for case in query.bad_cases}) == len(query.bad_cases)
        assert len(query.bad_cases) == min(in_context, n_cases[query.question_type])


@pytest.mark.parametrize("seed", range(5))
def test_shares_follow_the_weights_within_sampling_error(seed):
    rows = shares(TABLE, draw(seed, budget=3000))
    drawn = [3000 * r["drawn"] for r in rows]
    assert chisquare(drawn, [3000 * r["planned"] for r in rows]).pvalue > 0.001
    assert all(r["low"] <= r["drawn"] <= r["high"] for r in rows)
    assert sum(r["drawn"] for r in rows) == pytest.approx(1)


def test_many_seeds_together_are_uniform_in_the_p_value():
    """A chi-square test a seed at 5 %: of 200 seeds, rejections within four standard errors of 10."""
    table = [row(name, weight) for name, weight in zip("abc", (0.5, 0.3, 0.2), strict=True)]
    rejected = 0
    for seed in range(200):
        rows = shares(
            table, sample_queries(table, [], IMAGES[:400], budget=400, in_context=0, rng=random.Random(seed))
        )
        rejected += (
            chisquare([400 * r["drawn"] for r in rows], [400 * r["planned"] for r in rows]).pvalue < 0.05
        )
    assert rejected <= 10 + 4 * (200 * 0.05 * 0.95) ** 0.5


def test_every_image_is_as_likely():
    images = IMAGES[:20]
    firsts = [draw(seed, budget=1, images=images)[0].image_id for seed in range(2000)]
    assert chisquare([firsts.count(image) for image in images]).pvalue > 0.001


def test_images_that_fit_are_looked_for_and_others_stay_for_other_types():
    signs = set(IMAGES[:400:4])
    queries = draw(budget=200, images=IMAGES[:400], fits=lambda image, name: name != "Text" or image in signs)
    assert {query.image_id for query in queries if query.question_type == "Text"} <= signs
    assert any(query.image_id not in signs for query in queries)


def test_a_type_that_no_image_fits_still_gets_one_after_a_bounded_search():
    asked = []
    queries = draw(budget=10, fits=lambda image, name: asked.append(image) and False)
    assert len(queries) == 10
    assert len(asked) == 10 * MAX_TRIES


def test_ids_are_content_and_the_same_in_every_process():
    queries = sample_queries(
        [row("Text", 1.0)], cases("Text", 1), ["7"], budget=1, in_context=3, rng=random.Random(0)
    )
    assert queries[0].id == "2440f21adebb508e"


def test_too_few_images_and_nothing_to_draw_say_what_to_do():
    with pytest.raises(
        KitError, match="10 queries need 10 unused images, the image source has 5; lower budget"
    ):
        draw(budget=10, images=IMAGES[:8], used=IMAGES[:3])
    with pytest.raises(KitError, match="no question type has a weight above 0"):
        sample_queries([], POOL, IMAGES, budget=1, in_context=1, rng=random.Random(0))
    with pytest.raises(KitError, match="budget 0"):
        draw(budget=0)


def test_shares_without_queries():
    assert shares(TABLE, [])[0] == {
        "question_type": "Counting",
        "planned": 0.5,
        "drawn": 0.0,
        "low": 0.0,
        "high": 1.0,
    }
