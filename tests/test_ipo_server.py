"""The whole protocol against an OpenAI-compatible server that plays a scripted teacher, budgets included."""

import pytest
from prompt_sessions import BASE, SOURCE, open_at, served

from dataengine_utils import ipo, teachers
from dataengine_utils.artifacts import create_run
from dataengine_utils.ipo import Limits, run_policy
from dataengine_utils.ipo.journal import read_acts
from dataengine_utils.ipo.revision import CHANGES_SCHEMA, Unreadable
from dataengine_utils.prompts import RULES
from dataengine_utils.teachers.completions import Asking, Form
from dataengine_utils.teachers.ledger import BudgetReached, Ledger
from tests.openai_server import Plan, Server
from tests.openai_server.replies import SLOPPY

PROBE = served(27)
PRICE = {"input": 10.0, "output": 40.0}
LIMITS = Limits(5, 2000, 5.0)


@pytest.fixture(scope="module")
def server():
    with Server() as server:
        yield server


@pytest.fixture
def teach(server, tmp_path, monkeypatch):
    """Make a teacher behind the server, which begins afresh; its ledger lies in the test's folder."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")

    def make(plan=None, **options):
        server.plan(plan or Plan())
        given = {"model": SLOPPY, "base_url": server.url, "ledger": str(tmp_path / "ledger"), "price": PRICE,
                 "pause_s": 0.01, "max_tokens": 256}  # fmt: skip
        return teachers.load("openai", **{**given, **options})

    return make


def test_a_person_and_the_teacher_improve_the_prompt(teach, server, tmp_path):
    session = open_at(tmp_path, PROBE, teach())
    start = session.history()[0].accepted
    assert start.share < 0.5 and session.cost().requests == 27 == server.stats()["arrived"]
    shown = session.to_review()
    for one in shown[:3]:
        session.review(
            one.template_id, one.query_id, "reject", ["ambiguous referent"], "Which one? </rejected>"
        )
    session.propose()
    assert session.state.acts[-1].usd > 0 and session.cost().requests == 28
    assert RULES["named_once"] in [proposal.change.text for proposal in session.proposals]
    for i in range(len(session.proposals)):
        session.take(i)
    session.edit(0, "Ask only about things that there is one of.")
    session.try_candidate()
    assert {one.label for one in session.to_review()} == {"A", "B"}
    comparison = session.compare()
    assert comparison.raises and comparison.paired.low > 0
    session.promote("far better")
    cost = session.cost()
    assert cost.requests == server.stats()["arrived"] == 55
    with Ledger(tmp_path / "ledger", for_reading=True) as ledger:
        assert cost.usd == pytest.approx(ledger.totals().usd) and ledger.totals().answered == 55
    again = open_at(tmp_path, PROBE, teach())
    assert again.incumbent == session.incumbent and again.cost() == cost
    assert server.stats()["arrived"] == 0, "opened again, nothing is asked"


def test_the_critic_reviews_revises_and_stops(teach, server, tmp_path):
    session = open_at(tmp_path, PROBE, teach())
    start = session.history()[0].accepted
    run_policy(session, "critic", LIMITS)
    decision, end = session.decision(), session.state.verdicts(session.incumbent.id)
    assert decision.chosen_by == "policy critic" and decision.template_id != BASE.id
    assert sum(end.values()) / len(end) > start.share + 0.4
    reviews = [act for act in session.state.acts if act.kind == "review"]
    assert {act.who for act in reviews} == {"policy critic"}
    assert {act.verdict for act in reviews} == {"accept", "reject"}
    assert all(act.reasons == ("ambiguous referent",) for act in reviews if act.verdict == "reject")
    assert len(reviews) == len({session.state.content(act.template_id, act.query_id) for act in reviews})
    with Ledger(tmp_path / "ledger", for_reading=True) as ledger:
        assert session.cost().usd == pytest.approx(ledger.totals().usd)
        assert session.cost().requests == ledger.totals().requests == server.stats()["arrived"]


def test_the_critic_killed_half_way_pays_nothing_twice(teach, server, tmp_path):
    whole = open_at(tmp_path / "whole", PROBE, teach())
    run_policy(whole, "critic", LIMITS)
    arrived = server.stats()["arrived"]
    lines = (tmp_path / "whole" / "session.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "session.jsonl").write_bytes(b"".join(lines[: len(lines) * 2 // 3]))
    again = open_at(tmp_path / "cut", PROBE, teach())
    run_policy(again, "critic", LIMITS)
    assert again.incumbent == whole.incumbent and again.trials() == whole.trials()
    assert server.stats()["arrived"] == 0 < arrived and again.cost().usd == 0.0


@pytest.mark.parametrize("requests", [0, 26, 60, 90])
def test_the_critic_keeps_its_requests(teach, server, tmp_path, requests):
    session = open_at(tmp_path, PROBE, teach())
    run_policy(session, "critic", Limits(5, requests, 5.0))
    assert server.stats()["arrived"] == session.cost().requests <= max(requests, len(PROBE))
    assert "the requests or dollars are used up; accepted" in session.decision().reason


def test_the_critic_keeps_its_rounds(teach, tmp_path):
    session = open_at(tmp_path, PROBE, teach())
    run_policy(session, "critic", Limits(1, 2000, 5.0))
    assert session.decision().reason.startswith("1 rounds; accepted") and len(session.state.rounds) == 1


def test_the_teachers_budget_ends_the_policy_and_the_best_so_far_stands(teach, server, tmp_path):
    """What a first round costs is known from a run without limits; with little more a second is cut short."""
    free = open_at(tmp_path / "free", PROBE, teach(ledger=str(tmp_path / "other")))
    run_policy(free, "critic", LIMITS)
    end = next(n for n, act in enumerate(free.state.acts) if act.kind == "promote")
    first = sum(act.usd for act in free.state.acts[:end])
    teacher = teach(budget_usd=first + 0.04)
    session = open_at(tmp_path, PROBE, teacher)
    run_policy(session, "critic", LIMITS)
    decision = session.decision()
    assert "budget" in decision.reason and session.stopped
    assert decision.template_id == free.state.rounds[0].template_id, "the first round was promoted"
    assert teacher.totals().usd <= first + 0.04
    assert "budget" in read_acts(tmp_path / "session.jsonl")[-1].text


def test_a_run_gives_its_session_so_much_and_no_more(teach, server, tmp_path):
    """`prompt_usd` holds for the ledger itself: it is never passed, by people's rounds neither."""
    teach()
    options = {"model": SLOPPY, "base_url": server.url, "price": PRICE}
    run = create_run(tmp_path / "run", "picturebook", overrides={
        "teacher": "openai", "teacher_options": options, "prompt_policy": "critic", "prompt_usd": 0.5,
    })  # fmt: skip

    def opened():
        journal = run.iteration(0).path_of("session")
        return ipo.open_session(run, run.profile, journal, incumbent=BASE, probe=PROBE, source=SOURCE)

    session = opened()
    run_policy(session, "critic", Limits(50, 10**6, 10.0))
    spent = session.teacher.totals().usd
    assert 0.3 < spent <= 0.5 and session.stopped
    again = opened()
    assert again.cost() == session.cost()
    again.propose()
    with pytest.raises(BudgetReached):
        for _ in range(200):
            again.propose()
    assert again.teacher.totals().usd <= 0.5


def test_a_reply_that_cannot_be_read_costs_and_is_told(teach, tmp_path):
    session = open_at(tmp_path, PROBE, teach())
    session.teacher = teach(Plan(script=("wrong_schema",)))
    session.reviser = ipo.revision.reviser_of(session.teacher)
    with pytest.raises(Unreadable, match="no list of changes"):
        session.propose()
    act = session.state.acts[-1]
    assert act.kind == "failed" and "no list of changes" in act.text
    assert act.requests == 1 and session.proposals == ()


def test_replies_that_fail_are_rejected_samples_and_no_end(teach, tmp_path):
    session = open_at(tmp_path, PROBE, teach(Plan(faults={"refusal": 0.2, "truncated": 0.1, "503": 0.1})))
    assert len(session.samples) == 27
    reasons = {one.reason for one in session.samples}
    assert {"no reply", "not readable"} & reasons
    run_policy(session, "critic", Limits(2, 500, 5.0))
    assert session.stopped


def test_the_schema_of_changes_is_asked_for_and_may_be_refused(teach, tmp_path):
    asking, form = Asking("m", 1.0, 100, {}), Form()
    sent = asking.body([], form, schema=CHANGES_SCHEMA)["response_format"]
    assert sent == {
        "type": "json_schema",
        "json_schema": {"name": "reply", "strict": True, "schema": CHANGES_SCHEMA},
    }
    session = open_at(tmp_path, PROBE, teach(Plan(refuse=("json_schema",))))
    session.propose()
    assert session.proposals
