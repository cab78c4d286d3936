"""What the report advises: each rule speaks when its numbers say so, and is silent when they do not."""

from math import sqrt
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine_utils import benchmarks
from dataengine_utils.artifacts import create_run
from dataengine_utils.records import Cluster, Generated, Prediction, Sample
from dataengine_utils.report.advice import MOST, RULES, WORTH_SEEING, advise, questions_needed, section
from dataengine_utils.report.story import Story
from dataengine_utils.stats import detectable_change
from dataengine_utils.verification import EASY, HARD
from dataengine_utils.weakness import type_table
from tests.toy_run import DRAFT

TYPES = ("Counting", "Reading")


def predictions(right, n=400, *, unparsed=0, shift=0):
    """`right` of `n` answers a type right, by type; the first of the wrong ones cannot be read.

    Another `shift` has others right: so many flip each way.
    """
    made = []
    for name in TYPES:
        for i in range(n):
            place = (i - shift) % n
            is_read = place >= right[name] + unparsed
            outcome = "right" if place < right[name] else "wrong" if is_read else "unparsed"
            made.append(Prediction(f"{name}{i}", name, "A", "A", outcome))
    return made


def sample(i, name):
    return Sample("?", "a", "a", ("a", "b"), "A", "1.jpg", 0, name, "1", f"id{i}{name}", f"q{i}", "t")


def run_of(tmp_path, *evaluations, samples=(), unparsed=0, n=400):
    """A run of these evaluations (right answers by type), with so many samples of each type in each round."""
    run = create_run(tmp_path / "run", "picturebook")
    for number, right in enumerate(evaluations):
        iteration = run.iteration(number)
        given = predictions(right, n, unparsed=unparsed, shift=20 * number)
        for split in ("diagnose", "sealed"):
            iteration.save(f"predictions_{split}", given)
        scores = benchmarks.scoring.tally(given)
        iteration.save("metrics", {"diagnose": scores, "sealed": scores})
        if number + 1 < len(evaluations):
            of_round = [sample(i, name) for name, k in zip(TYPES, samples, strict=False) for i in range(k)]
            iteration.save("samples", of_round)
            iteration.save("train_log", [{"step": 1, "loss": 1.0}])
    return run


def titles(run):
    return [one.title for one in advise(Story(run))]


def test_a_run_without_an_evaluation_is_told_to_measure(tmp_path):
    run = create_run(tmp_path / "run", "picturebook")
    [one] = advise(Story(run))
    assert one.title == "Measure the base student first" and one.act.endswith("loop resume outputs/run")


def test_a_run_after_its_base_and_one_after_a_training_are_told_to_go_on(tmp_path):
    run = run_of(tmp_path, {"Counting": 200, "Reading": 200})
    assert titles(run)[0] == "No round is finished yet"
    run.iteration(0).save("train_log", [{"step": 1, "loss": 1.0}])
    assert titles(run)[0] == "The last round is not measured yet"


def test_a_type_that_fell_comes_first_and_one_that_rose_is_left_alone(tmp_path):
    before, after = {"Counting": 300, "Reading": 100}, {"Counting": 240, "Reading": 180}
    run = run_of(tmp_path, before, after, samples=(50, 50))
    assert titles(run)[0] == "Counting fell"
    assert not any(title.startswith("Reading") for title in titles(run))


@pytest.mark.parametrize("n, result, act", [
    (10, "whether it gained is not certain", "may hide"), (-10, "it shows no gain", "strategy=gain"),
])  # fmt: skip
def test_most_data_and_no_gain_is_said_with_what_the_interval_allows(tmp_path, n, result, act):
    after = {"Counting": 200 + n, "Reading": 260}
    run = run_of(tmp_path, {"Counting": 200, "Reading": 200}, after, samples=(90, 30))
    [one] = [one for one in advise(Story(run)) if "of the samples" in one.title]
    assert one.title == f"Counting got 75.0 % of the samples; {result}"
    assert "90 samples" in one.grounds
    assert (Story(run).changed["Counting"].paired.high >= WORTH_SEEING) == (n > 0)
    assert act in one.act


def test_an_equal_share_without_gain_is_nothing_to_say(tmp_path):
    same = {"Counting": 200, "Reading": 200}
    run = run_of(tmp_path, same, same, samples=(30, 30))
    assert not any("of the samples" in title for title in titles(run))


def reply(i, name, reason):
    return Generated(f"q{i}", name, "1", "t", "rules", "", not reason, reason, DRAFT)


@pytest.mark.parametrize("n_rejected, is_low", [(9, False), (11, True)])
def test_low_acceptance_names_the_reason_that_cost_most(tmp_path, n_rejected, is_low):
    run = run_of(tmp_path, {"Counting": 200, "Reading": 200})
    reasons = ["not true"] * (n_rejected - 3) + ["duplicate"] * 3 + [""] * (40 - n_rejected)
    made = [reply(i, "Reading", reason) for i, reason in enumerate(reasons)]
    run.iteration(0).save("generated", [*made, *(reply(i, "Counting", "") for i in range(40))])
    found = [one for one in advise(Story(run)) if "accepted" in one.title]
    assert bool(found) == is_low
    if found:
        assert "Reading" in found[0].title and found[0].title.endswith("mostly because: not true")
        assert "8 of 11 rejects" in found[0].grounds


@pytest.mark.parametrize("reason", [EASY, HARD])
def test_what_difficulty_filtered_is_no_fault_of_the_prompt(tmp_path, reason):
    run = run_of(tmp_path, {"Counting": 200, "Reading": 200})
    run.iteration(0).save("generated", [reply(i, "Reading", reason if i < 20 else "") for i in range(40)])
    assert not any("accepted" in title for title in titles(run))


def test_few_replies_say_nothing_about_acceptance(tmp_path):
    run = run_of(tmp_path, {"Counting": 200, "Reading": 200})
    run.iteration(0).save("generated", [reply(i, "Reading", "not true") for i in range(19)])
    assert not any("accepted" in title for title in titles(run))


@pytest.mark.parametrize("unparsed, is_said", [(8, False), (9, True)])
def test_replies_that_cannot_be_read_are_said_above_two_per_cent(tmp_path, unparsed, is_said):
    run = run_of(tmp_path, {"Counting": 200, "Reading": 200}, unparsed=unparsed)
    assert any("cannot be read" in title for title in titles(run)) == is_said


@pytest.mark.parametrize("high, is_said", [(0.45, True), (0.55, False)])
def test_a_cluster_is_named_where_it_is_clearly_below_its_type(tmp_path, high, is_said):
    run = run_of(tmp_path, {"Counting": 200, "Reading": 200})
    iteration = run.iteration(0)
    iteration.save("weakness", type_table(iteration.load("predictions_diagnose")))
    iteration.save("clusters", [Cluster("Counting", "above four", 20, 6, 0.3, 0.15, high, (), ())])
    said = [title for title in titles(run) if "above four" in title]
    assert said == (["Inside Counting, the weak part is: above four"] if is_said else [])


@pytest.mark.parametrize("fall, is_said", [(0.99, True), (0.999, False)])
def test_a_loss_that_still_falls_asks_for_more_epochs(tmp_path, fall, is_said):
    run = run_of(tmp_path, {"Counting": 200, "Reading": 200})
    run.iteration(0).save("train_log", [{"step": i, "loss": 2 * fall**i} for i in range(1, 101)])
    assert ("The training ends before it is done" in titles(run)) == is_said


def test_another_round_depends_on_what_the_last_one_did(tmp_path):
    start, better = {"Counting": 200, "Reading": 200}, {"Counting": 260, "Reading": 260}
    assert titles(run_of(tmp_path / "a", start, better))[-1] == "Another round is likely to help"
    stopped = run_of(tmp_path / "b", start, better, better)
    assert titles(stopped)[-1] == "The last round brought nothing that shows"


def test_too_few_questions_are_said_of_types_whose_change_is_unknown(tmp_path):
    run = run_of(tmp_path, {"Counting": 50, "Reading": 20}, {"Counting": 55, "Reading": 80}, n=100)
    story = Story(run)
    [one] = [one for one in advise(story) if "go unseen" in one.title]
    flipped = story.changed["Counting"].flipped
    assert story.changed["Reading"].verdict == "higher"
    assert f"Counting has 100 and needs {questions_needed(WORTH_SEEING, flipped):,}" in one.grounds
    assert "Reading" not in one.grounds


@given(st.floats(0.01, 0.5), st.floats(0.0, 1.0))
def test_the_questions_needed_are_the_fewest_that_show_the_change(change, flipped):
    n = questions_needed(change, flipped)
    share = max(flipped, change)
    assert detectable_change(n, share) <= change
    assert n == 1 or detectable_change(n - 1, share) > change


@given(st.floats(0.02, 0.3), st.floats(0.0, 0.7))
def test_the_questions_needed_are_those_of_the_published_formula(change, more):
    """Connor 1987, Biometrics 43:207."""
    flipped, normal = change + more, NormalDist()
    bound = normal.inv_cdf(0.975) * sqrt(flipped) + normal.inv_cdf(0.8) * sqrt(flipped - change**2)
    assert questions_needed(change, flipped) == pytest.approx((bound / change) ** 2, abs=1.001)


def test_the_page_has_no_more_advice_than_one_reads(tmp_path):
    run = run_of(tmp_path, {"Counting": 200, "Reading": 200})
    made = Story(run)
    assert len(advise(made)) <= MOST + len(RULES)
    assert section(made)[1].count("<li>") == min(MOST, len(advise(made)))
