"""The measurements of the weakness analysis at toy size: they run, and both ways of Algorithm 1 agree."""

import pytest

from tests.bench import bad_cases, weakness


def test_every_part_of_the_analysis_is_measured():
    parts = weakness.bench_weakness(2000)
    assert {part.name: part.found > 0 for part in parts} == dict.fromkeys(weakness.PARTS, True)
    assert all(part.seconds > 0 and part.peak > 10**6 for part in parts)
    told = weakness.report(parts, 2000)
    bound = sum(part.seconds for part in parts if part.name != "clusters")
    assert "2,000 answers" in told and f"table and changes: {bound:.2f} s" in told


def test_frequent_words_are_the_first_ones():
    rng = weakness.random.Random(0)
    words = weakness.make_words(100, rng)
    drawn = [weakness.frequent(words, rng) for _ in range(3000)]
    assert drawn.count(words[0]) > 5 * drawn.count(words[20]) > 0
    assert set(drawn) <= set(words)


def test_the_plain_way_keeps_what_ours_keeps():
    cases = bad_cases.make_cases(600)
    ours, plain = (way(cases) for way in bad_cases.WAYS.values())
    assert ours == plain and 300 < len(ours) < 600
    assert len({case.question_id for case in cases}) == 600


def test_ways_that_keep_something_else_are_an_error(monkeypatch):
    def measured(name, n):
        return bad_cases.Way(name, n, 1.0, 1.0, ("q1",) if name == "ours" else ("q2",))

    monkeypatch.setattr(bad_cases, "measured", measured)
    with pytest.raises(ValueError, match="kept 1 and 1 of 5 bad cases"):
        bad_cases.bench_bad_cases(10, 5)
