"""A sample's way through a run, near ids for a wrong one, and what the samples of each type brought."""

from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataengine_utils.artifacts import LEDGER_FILE
from dataengine_utils.errors import KitError
from dataengine_utils.lineage import Tracer, find_run, find_sample, gains
from dataengine_utils.lineage.__main__ import main
from dataengine_utils.lineage.telling import lineage_text
from dataengine_utils.teachers.ledger import Ledger
from dataengine_utils.weakness import changes
from dataengine_utils.withdrawal import withdraw
from tests.toy_run import BASE, PRICE_USD, make_run

STEPS = ("question", "bad cases", "template", "image", "request", "verdicts", "trainings", "change of")


@pytest.fixture(scope="module")
def free(tmp_path_factory):
    """A run whose teacher sends no requests."""
    return make_run(tmp_path_factory.mktemp("free") / "run")


@pytest.fixture(scope="module")
def paid(tmp_path_factory):
    """A run with a ledger."""
    return make_run(tmp_path_factory.mktemp("paid") / "run", is_paid=True)


@pytest.mark.parametrize("kind", ["free", "paid"])
def test_every_sample_of_a_run_can_be_traced(kind, request):
    tracer = Tracer(request.getfixturevalue(kind))
    ids = [sample.id for of_round in tracer.samples.values() for sample in of_round]
    assert len(ids) == 80
    for number, of_round in tracer.samples.items():
        for sample in of_round:
            one = tracer(sample.id)
            assert (one.iteration, one.sample) == (number, sample)
            text = lineage_text(one)
            heads = [line.partition(". ")[2] for line in text.splitlines() if line[:1].isdigit()]
            assert len(heads) == 8 and all(h.startswith(s) for h, s in zip(heads, STEPS, strict=True))
            assert sample.instruction in text and sample.image in text


def test_the_teachers_bad_cases_stand_with_what_the_student_said(free):
    tracer = Tracer(free)
    queries = {query.id: query for query in free.iteration(0).load("queries")}
    sample = next(s for s in tracer.samples[0] if queries[s.query_id].bad_cases)
    one = tracer(sample.id)
    assert one.bad_cases == queries[sample.query_id].bad_cases
    assert tuple(case.question_id for case in one.bad_cases) == sample.bad_cases
    text = " ".join(lineage_text(one).split())
    for case in one.bad_cases:
        assert f"{case.question_id}: {case.question} Right: {case.answer}. The student:" in text


def test_the_request_is_told_from_the_ledger(paid):
    one = Tracer(paid)(paid.iteration(1).load("samples")[0].id)
    text = lineage_text(one)
    assert one.answer is not None and one.answer.key == one.sample.request
    assert "model some-model" in text and one.sample.request in text
    assert "800 tokens in, 120 out, 0.002000 USD, live, 2023-11-14T22:13:20+00:00" in text
    assert "facts shown: 7 objects, 1 texts" in text and "cut to fit the prompt: 2 objects" in text


def test_without_a_ledger_the_teacher_is_named(free):
    text = lineage_text(Tracer(free)(free.iteration(0).load("samples")[0].id))
    assert "none: the teacher 'rules' sends no requests" in text


def test_a_ledger_that_is_gone_leaves_the_price_of_the_record(tmp_path):
    run = make_run(tmp_path / "run", is_paid=True, gains=(0.0, 0.2))
    for file in run.path.glob(f"{LEDGER_FILE}*"):
        file.unlink()
    one = Tracer(run)(run.iteration(0).load("samples")[0].id)
    assert one.answer is None and "it cost 0.0020 USD" in lineage_text(one)


def test_trainings_are_those_that_had_the_sample(free):
    tracer = Tracer(free)
    first, second = (tracer(tracer.samples[number][0].id) for number in (0, 1))
    assert [one.iteration for one in first.trainings] == [0, 1]
    assert [one.iteration for one in second.trainings] == [1]
    assert [one.samples for one in first.trainings] == [40, 80]
    kind = first.sample.question_type
    assert first.trainings[0].of_type == sum(s.question_type == kind for s in tracer.samples[0])


def test_the_effect_is_the_change_on_sealed_questions(free):
    tracer = Tracer(free)
    one = tracer(tracer.samples[0][0].id)
    assert [(effect.split, effect.first, effect.last) for effect in one.effects] == [
        ("sealed", 0, 1), ("sealed", 1, 2)]  # fmt: skip
    before, after = (free.iteration(n).load("predictions_sealed") for n in (0, 1))
    assert one.effects[0].change == changes(before, after)[one.sample.question_type]
    scores = free.iteration(1).load("metrics")["sealed"]["types"][one.sample.question_type]
    assert one.effects[0].after == (scores["accuracy"], scores["low"], scores["high"])


def test_a_run_that_is_not_finished_says_what_comes_next(tmp_path):
    run = make_run(tmp_path / "run", gains=(0.0, 0.2))
    sample = run.iteration(0).load("samples")[0]
    for name in ("metrics", "predictions_sealed", "predictions_diagnose"):
        run.iteration(1).path_of(name).unlink()
    assert "not measured yet: run notebook 01_evaluate with ITERATION one higher" in told(run, sample)
    run.iteration(0).path_of("train_log").unlink()
    (run.iteration(0).path_of("adapter") / "weights").unlink()
    run.iteration(0).path_of("adapter").rmdir()
    assert "none yet: run notebook 06_train" in told(run, sample)
    for name in ("queries", "generated", "template", "templates", "decision"):
        run.iteration(0).path_of(name).unlink()
    one = Tracer(run)(sample.id)
    assert tuple(case.question_id for case in one.bad_cases) == sample.bad_cases, "out of the pool"
    run.iteration(0).path_of("bad_cases").unlink()
    assert Tracer(run)(sample.id).unknown_cases == sample.bad_cases
    assert sample.template_id in told(run, sample)


def told(run, sample):
    return " ".join(lineage_text(Tracer(run)(sample.id)).split())


def test_a_withdrawn_sample_says_so(tmp_path):
    run = make_run(tmp_path / "run", gains=(0.0, 0.2))
    sample = run.iteration(0).load("samples")[0]
    before = {one.question_type: one.samples for one in gains(run, 0, 1)}
    withdraw(run, sample_ids=[sample.id], apply=True)
    assert "withdrawn: it is kept out of every training from now on" in told(run, sample)
    after = {one.question_type: one.samples for one in gains(run, 0, 1)}
    assert after[sample.question_type] == before[sample.question_type] - 1


def test_an_id_may_be_cut_where_what_is_left_is_of_one_sample(free):
    samples = Tracer(free).samples
    whole = samples[0][5].id
    assert find_sample(samples, whole[:9], free.path)[1].id == whole
    alike = {0: [replace(sample, id=f"abcd{i}") for i, sample in enumerate(samples[0])]}
    with pytest.raises(KitError, match="'abcd' begins 40 sample ids: abcd0.*give more of it"):
        find_sample(alike, "abcd", free.path)
    with pytest.raises(KitError, match="no sample 'abc'"):
        find_sample({0: alike[0][:1]}, "abc", free.path)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_an_unknown_id_names_the_nearest(data, free_samples):
    sample = data.draw(st.sampled_from(free_samples[0]))
    place = data.draw(st.integers(0, len(sample.id) - 1))
    wrong = sample.id[:place] + "_" + sample.id[place + 1 :]
    with pytest.raises(KitError, match=f"near ones: .*{sample.id}.*; its 80 samples have their ids in"):
        find_sample(free_samples, wrong, "run")


@pytest.fixture(scope="module")
def free_samples(free):
    """The samples of the free run by iteration."""
    return Tracer(free).samples


def test_a_run_without_samples_says_what_makes_them():
    with pytest.raises(KitError, match="it has no samples yet: run notebook 05_generate"):
        find_sample({}, "abc", "run")


def test_the_run_is_found_among_those_of_a_folder(tmp_path, monkeypatch):
    for name, is_paid in (("one", False), ("two", True)):
        make_run(tmp_path / "outputs" / name, is_paid=is_paid, gains=(0.0, 0.2))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KitError, match="in 2 runs: .*one.*two; name one: --run FOLDER"):
        find_run("0000")
    with pytest.raises(KitError, match="is in none of 2 runs"):
        find_run("nowhere")
    (tmp_path / "outputs" / "two" / "iter_00" / "samples.json").unlink()
    assert find_run("0000").path.name == "one"
    assert find_run("0000", tmp_path / "outputs" / "one").path.name == "one"
    with pytest.raises(KitError, match="no run in"):
        find_run("0000", tmp_path / "outputs" / "one" / "iter_00")


def test_gains_are_changes_by_samples_and_by_price(paid):
    found = {one.question_type: one for one in gains(paid, 0, 2)}
    assert set(found) == {*BASE, "all"} and list(found)[-1] == "all"
    replies = [r for n in (0, 1) for r in paid.iteration(n).load("generated")]
    for name, one in found.items():
        mine = [r for r in replies if name in ("all", r.question_type)]
        assert one.samples == sum(r.accepted for r in mine)
        assert one.usd == pytest.approx(PRICE_USD * len(mine)), "rejected replies cost too"
        paired = one.change.paired
        if one.samples:
            rate = one.per_thousand
            assert rate.value == pytest.approx(100_000 * paired.difference / one.samples)
            assert rate.low <= rate.value <= rate.high
            assert one.per_usd.high == pytest.approx(100 * paired.high / one.usd)
        else:
            assert one.per_thousand is None
    assert gains(paid, 2, 3) == []


def test_replies_that_cost_nothing_have_no_gain_per_usd(free):
    assert all(one.usd == 0 and one.per_usd is None for one in gains(free, 0, 2))


def test_a_reply_out_of_another_ledger_costs_nothing(tmp_path, paid):
    """The same requests, answered by the ledger that a run reuses."""
    run = make_run(tmp_path / "run", is_paid=True, gains=(0.0, 0.2))
    for file in run.path.glob(f"{LEDGER_FILE}*"):
        file.unlink()
    with closing(Ledger(run.path / LEDGER_FILE)):
        pass
    run.profile.teacher_options["reuse"] = [str(paid.path / LEDGER_FILE)]
    [whole] = [one for one in gains(run, 0, 1) if one.question_type == "all"]
    assert whole.usd == 0


def test_the_command_line(free, capsys, tmp_path):
    name = free.iteration(0).load("samples")[0].id
    assert main([name, str(free.path)]) == 0
    by_place = capsys.readouterr().out
    assert main([name, "--run", str(free.path)]) == 0
    assert capsys.readouterr().out == by_place and by_place.startswith(f"sample {name}, run {free.path}")
    assert main(["nothing", str(free.path)]) == 1
    assert capsys.readouterr().err.startswith("error: no sample 'nothing'")
    assert main([name, str(tmp_path / "nowhere")]) == 1
    assert "no run in" in capsys.readouterr().err
