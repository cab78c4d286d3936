"""Policies where nobody clicks, replay of recorded sessions, opponents, and a sloppy teacher cured."""

import importlib.util
import sys
from dataclasses import replace

import pytest
from prompt_sessions import BASE, RULES_TEACHER, SOURCE, is_true, open_at, served

from dataengine_utils import ipo, tables, teachers
from dataengine_utils.artifacts import create_run
from dataengine_utils.errors import KitError
from dataengine_utils.generation import generate
from dataengine_utils.ipo import Limits, contest, run_policy
from dataengine_utils.ipo.__main__ import main
from dataengine_utils.ipo.gepa_search import search
from dataengine_utils.ipo.history import Node, export_text, run_history, tree_text, walk
from dataengine_utils.ipo.journal import read_acts
from dataengine_utils.ipo.measures import compare, share_of
from dataengine_utils.ipo.policies import check_policy, policy_name
from dataengine_utils.profiles import load_profile, override
from dataengine_utils.prompts import RULES
from dataengine_utils.records import RuleChange, TypeWeakness
from dataengine_utils.teachers.rules.flaws import FLAWS, SloppyTeacher

PROBE, FRESH = served(36), served(450, start=20_000)
LIMITS = Limits(5, 2000, 1.0)
needs_gepa = pytest.mark.skipif(importlib.util.find_spec("gepa") is None, reason="pip install gepa==0.1.4")


def true_share(template, teacher, queries=FRESH):
    return share_of(map(is_true, generate(queries, SOURCE, teacher, template, write=lambda record: None)))


def test_keep_tries_nothing(tmp_path):
    session = open_at(tmp_path, PROBE)
    run_policy(session, "keep", LIMITS)
    decision = session.decision()
    assert (decision.template_id, decision.chosen_by) == (BASE.id, "policy keep")
    assert decision.reason == "the incumbent is kept" and session.cost().requests == len(PROBE)


def test_rules_raises_acceptance_by_the_worlds_truth(tmp_path):
    session = open_at(tmp_path, PROBE)
    run_policy(session, "rules", LIMITS)
    start, end = (true_share(template, RULES_TEACHER) for template in (BASE, session.incumbent))
    assert start.share < 0.9 and end.share >= 0.99 and start.interval[1] < end.interval[0]
    assert session.decision().chosen_by == "policy rules" and session.stopped
    for act in session.state.rounds:
        assert act.kind == "keep" or "instead of" in act.text
    kept = [rule for rule in session.incumbent.rules if rule not in BASE.rules]
    assert RULES["vary"] not in kept, "only what was tried and helped"


@pytest.mark.parametrize("seed", range(3))
def test_rules_cures_a_teacher_with_five_flaws(tmp_path, seed):
    """From its start to at least 95 % by the world's truth on fresh queries, within five rounds."""
    assert len(FLAWS) == 5
    teacher = SloppyTeacher(seed)
    session = open_at(tmp_path, served(36, start=1000 * seed), teacher)
    run_policy(session, "rules", LIMITS)
    start, end = (true_share(template, teacher) for template in (BASE, session.incumbent))
    assert start.share < 0.45 and end.share >= 0.95 and end.interval[0] >= 0.9
    assert len(session.state.rounds) <= 5
    assert {RULES[FLAWS[flaw]] for flaw in FLAWS} & set(session.incumbent.rules)


@pytest.mark.parametrize("flaw", FLAWS)
def test_each_flaw_lowers_the_truth_and_its_rule_cures_it(flaw):
    sound = [rule for name, rule in RULES.items() if name != FLAWS[flaw]]
    lacking = replace(BASE, rules=tuple(sound))
    spoilt, cured = SloppyTeacher(flaws=[flaw]), replace(BASE, rules=tuple(RULES.values()))
    worse, better = true_share(lacking, spoilt), true_share(cured, spoilt)
    assert better.share >= 0.99 > worse.share
    assert worse.interval[1] < better.interval[0], (flaw, worse, better)


def test_the_checks_see_the_flaws_in_the_annotations():
    made = list(generate(FRESH, SOURCE, SloppyTeacher(), BASE, write=lambda record: None))
    reasons = {one.reason for one in made if not one.accepted}
    assert reasons >= {"choice is not the short answer", "answer is not true", "more than one meaning",
                       "wrong option may be true"}  # fmt: skip
    assert sum(one.accepted and not is_true(one) for one in made) <= 0.01 * len(made)


def test_an_unknown_flaw_is_told():
    with pytest.raises(KitError, match="unknown flaw 'lazy'; known: asks about"):
        SloppyTeacher(flaws=["lazy"])


def test_a_rule_is_tried_alone_and_only_what_helps_is_promoted(tmp_path):
    session = open_at(tmp_path, PROBE)
    run_policy(session, "rules", LIMITS)
    verdicts, types = session.state.verdicts, session.state.types
    for act in (act for act in session.state.rounds if act.kind == "promote"):
        attempts = [one for one in session.state.attempts if one.round == act.round]
        chosen = next(one for one in attempts if one.template_id == act.template_id)
        singles = {one.changes[0]: one for one in attempts if len(one.changes) == 1}
        assert set(chosen.changes) <= set(singles)
        for change in chosen.changes:
            alone = compare(verdicts(chosen.parent_id), verdicts(singles[change].template_id), types)
            assert alone.raises or len(chosen.changes) == len(singles)


def test_the_requests_end_a_policy_before_they_are_passed(tmp_path):
    session = open_at(tmp_path, PROBE)
    run_policy(session, "rules", Limits(5, 100, 1.0))
    assert session.cost().requests <= 100
    assert session.decision().reason.startswith("the requests are used up; accepted")
    assert session.incumbent.id == BASE.id


def test_one_round_is_one_round(tmp_path):
    session = open_at(tmp_path, PROBE, SloppyTeacher())
    run_policy(session, "rules", Limits(1, 2000, 1.0))
    assert len(session.state.rounds) == 1 and session.decision().reason.startswith("1 rounds; accepted")


def test_what_a_person_decided_stands(tmp_path):
    session = open_at(tmp_path, PROBE)
    session.keep("I want it so")
    run_policy(session, "rules", LIMITS)
    assert session.decision().chosen_by == "person" and session.incumbent.id == BASE.id


def test_what_people_reviewed_counts_for_a_policy(tmp_path):
    session = open_at(tmp_path, PROBE)
    for one in session.to_review():
        session.review(one.template_id, one.query_id, "accept")
    run_policy(session, "rules", LIMITS)
    assert session.decision().chosen_by == "policy rules"
    assert (
        session.incumbent.id == BASE.id and "accepted 100 %, 100 % at the start" in session.decision().reason
    )


def test_a_policy_that_was_killed_begins_anew_and_ends_the_same(tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    one = open_at(whole, PROBE)
    run_policy(one, "rules", LIMITS)
    lines = (whole / "session.jsonl").read_bytes().splitlines(keepends=True)
    cut.mkdir()
    (cut / "session.jsonl").write_bytes(b"".join(lines[: len(lines) // 2]))
    other = open_at(cut, PROBE)
    run_policy(other, "rules", LIMITS)
    assert other.incumbent == one.incumbent and other.trials() == one.trials()
    assert other.decision() == one.decision()
    acts = len(read_acts(cut / "session.jsonl"))
    run_policy(open_at(cut, PROBE), "rules", LIMITS)
    assert len(read_acts(cut / "session.jsonl")) == acts, "a policy that has ended is not run again"
    run_policy(open_at(cut, PROBE), "keep", LIMITS)
    assert open_at(cut, PROBE).decision().chosen_by == "policy keep", "another one is"


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("best", "unknown prompt policy 'best'; known: critic, keep, replay:FILE, rules"),
        ("replay", "unknown prompt policy 'replay'"),
        ("replay:", "unknown prompt policy"),
        ("keep:x", "unknown prompt policy"),
        ("replay:/nowhere/session.jsonl", "no file '/nowhere/session.jsonl'"),
    ],
)
def test_policies_that_are_none(policy, message):
    with pytest.raises(KitError, match=message):
        policy_name(policy)


def test_a_profile_is_checked_before_anything_runs(monkeypatch):
    profile = load_profile("picturebook")
    check_policy(profile)
    check_policy(override(load_profile("llava15"), prompt_policy="critic"))
    with pytest.raises(KitError, match="'critic': the teacher 'rules' cannot be asked.*prompt_policy=rules"):
        check_policy(override(profile, prompt_policy="critic"))
    with pytest.raises(KitError, match="unknown opponent 'dspy'; known: gepa, none"):
        check_policy(override(profile, prompt_opponents=("none", "dspy")))
    monkeypatch.setitem(sys.modules, "gepa", None)
    with pytest.raises(KitError, match="pip install gepa==0.1.4"):
        check_policy(override(profile, prompt_opponents=("gepa",)))


def test_the_path_of_a_recording_counts_from_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    profile = load_profile("picturebook", {"prompt_policy": "replay:old/session.jsonl"})
    assert profile.prompt_policy == f"replay:{tmp_path}/old/session.jsonl"


def opened(folder, queries, policy="rules", teacher=None):
    """The session of iteration 0 of a run in a folder, as notebook 04 opens it, with its policy run."""
    run = create_run(folder, "picturebook", overrides={"probe_queries": 18, "prompt_test": 30})
    iteration, profile = run.iteration(0), override(run.profile, prompt_policy=policy)
    table = [
        TypeWeakness(name, 9, 3, 6, 0, 0.3, 0.1, 0.6, 1.0, 6) for name in {q.question_type for q in queries}
    ]
    parts = ipo.split_queries(queries, sorted(table, key=lambda row: row.question_type), 18, 30, 0)
    session = ipo.open_session(
        run, profile, iteration.path_of("session"), incumbent=BASE, probe=parts.probe, source=SOURCE
    )
    return run, iteration, session, parts


def finish(run, iteration, session, parts, policy="rules"):
    """What notebook 04 does after the panel; the bytes of all it writes."""
    run_policy(session, policy, LIMITS)
    found = contest(session, parts.fresh, ["none"])
    iteration.save("trials", session.trials())
    iteration.save("templates", ipo.gather_templates([], session.history()))
    iteration.save("decision", session.decision())
    iteration.save("template", session.incumbent)
    names = ("session", "trials", "templates", "decision", "template")
    shown = [tables.round_table(session).to_html(uuid="t"), tables.contest_table(found).to_html(uuid="t")]
    return {name: iteration.path_of(name).read_bytes() for name in names}, shown


def test_a_replay_reproduces_everything_and_asks_nobody(tmp_path, monkeypatch):
    """A person's session with a policy after it, then replayed elsewhere: the same bytes, the same tables."""
    recorded = opened(tmp_path / "recorded", served(90))
    session = recorded[2]
    for n, one in enumerate(session.to_review()[:6]):
        session.review(
            one.template_id, one.query_id, "reject" if n < 2 else "accept", ["other"] if n < 2 else ()
        )
    session.propose()
    session.take(0)
    session.try_candidate()
    session.keep("not yet")
    session.propose()
    session.take(0)
    session.try_candidate()
    session.promote("now")
    expected = finish(*recorded)

    def nobody(*arguments, **options):
        raise AssertionError("the teacher was asked")

    monkeypatch.setattr(teachers, "of_run", nobody)
    monkeypatch.setattr(type(RULES_TEACHER), "replies", nobody)
    policy = f"replay:{tmp_path / 'recorded'}"
    again = opened(tmp_path / "again", served(90), policy)
    assert again[2].incumbent == session.incumbent and again[2].samples == session.samples
    assert finish(*again, policy=policy) == expected
    file = f"replay:{tmp_path / 'recorded' / 'iter_00' / 'session.jsonl'}"
    third = opened(tmp_path / "third", served(90), file)
    assert finish(*third, policy=file) == expected
    assert finish(*third, policy=file) == expected, "once more in the same run"


def test_a_replay_that_would_have_to_ask_is_refused(tmp_path):
    session = opened(tmp_path / "recorded", served(90))[2]
    session.stop("recorded without the last comparison")
    policy = f"replay:{tmp_path / 'recorded'}"
    again = opened(tmp_path / "again", served(90), policy)
    with pytest.raises(KitError, match="lacks 30 replies that are wanted now"):
        contest(again[2], again[3].fresh, ["none"])
    with pytest.raises(KitError, match=r"was recorded on other queries \(18; here 18\)"):
        opened(tmp_path / "other", served(90, start=3000), policy)
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(KitError, match="no session begins in this journal"):
        opened(tmp_path / "none", served(90), f"replay:{tmp_path / 'empty.jsonl'}")


def test_a_recording_that_was_tampered_with_is_refused(tmp_path):
    run, iteration, session, parts = opened(tmp_path / "recorded", served(90))
    finish(run, iteration, session, parts)
    path = iteration.path_of("session")
    path.write_text(path.read_text().replace("Ask only about things", "Ask only about red things", 1))
    with pytest.raises(KitError):
        opened(tmp_path / "again", served(90), f"replay:{path}")


@needs_gepa
def test_gepa_works_with_as_many_requests_on_the_same_probe_set(tmp_path):
    class Counted(SloppyTeacher):
        asked = ()

        def replies(self, requests):
            self.asked = (*self.asked, *((request.template.id, request.query.id) for request in requests))
            return super().replies(requests)

    teacher = Counted()
    session = open_at(tmp_path, PROBE, teacher)
    run_policy(session, "rules", LIMITS)
    budget = session.cost().requests
    teacher.asked = ()
    template, cost = search(session, budget)
    assert len(teacher.asked) == len(set(teacher.asked)) == cost.requests <= budget
    assert {query for _, query in teacher.asked} == {query.id for query in PROBE}
    assert template.id != BASE.id and template.note.startswith("GEPA: + ")
    assert true_share(template, teacher).share > true_share(BASE, teacher).share + 0.2
    again, _ = search(session, budget)
    assert again == template, "the seed decides"
    few, cost = search(session, 20)
    assert few == BASE and cost.requests <= 20, "no candidate was seen on the whole probe set"


@needs_gepa
def test_the_last_comparison_is_on_fresh_queries_with_intervals(tmp_path):
    session = open_at(tmp_path, PROBE, SloppyTeacher())
    run_policy(session, "rules", LIMITS)
    before = session.cost()
    found = {one.name: one for one in contest(session, FRESH[:90], ["none", "gepa"])}
    assert list(found) == ["no optimisation", "GEPA", "this session"]
    assert {one.accepted.n for one in found.values()} == {90}
    assert found["no optimisation"].against_none is None and found["no optimisation"].search.requests == 0
    assert (
        found["this session"].against_none.low > 0.3
        and found["this session"].template_id == session.incumbent.id
    )
    assert found["GEPA"].search.requests <= found["this session"].search.requests == before.requests
    assert session.cost() == before, "tests are none of the session's cost"
    acts = len(session.state.acts)
    contest(session, FRESH[:90], ["none", "gepa"])
    assert len(session.state.acts) == acts, "nothing is tested twice"
    assert contest(session, [], ["none"]) == []
    table = tables.contest_table(found.values()).to_html()
    assert "GEPA" in table and "no fresh queries" in tables.contest_table([]).to_html()


def test_the_history_is_a_tree_and_goes_on_from_iteration_to_iteration(tmp_path):
    run, iteration, session, parts = opened(tmp_path / "run", served(90))
    finish(run, iteration, session, parts)
    first = iteration.load("templates")
    assert first[0].id == BASE.id and first[-1].id in {one.template.id for one in session.history()}
    later = run.iteration(1)
    probe = served(18, start=5000)
    second = ipo.open_session(
        run, run.profile, later.path_of("session"), incumbent=session.incumbent, probe=probe, source=SOURCE
    )
    second.propose(always("Be short."))
    second.take(0)
    second.try_candidate()
    second.promote()
    handed_on = ipo.gather_templates(first, second.history())
    assert [t.id for t in handed_on] == [*(t.id for t in first), second.incumbent.id]
    later.save("templates", handed_on)
    nodes = run_history(run)
    assert set(nodes[session.incumbent.id].tried) == {0, 1} and nodes[session.incumbent.id].chosen == (0,)
    text = tree_text(nodes, by_type=True)
    depth = {
        line.strip()[:12]: len(line) - len(line.lstrip())
        for line in text.splitlines()
        if line.strip()[:12] in nodes
    }
    assert depth[BASE.id] == 0 and depth[second.incumbent.id] == depth[session.incumbent.id] + 2
    low, high = nodes[BASE.id].tried[0].accepted.interval
    assert f"({100 * low:.0f} to {100 * high:.0f}) of 18, start" in text and "Spatial Relation: " in text
    exported = export_text(nodes)
    assert "+ Be short." in exported and exported.count("Question types\n") == len(nodes)


def always(text):
    """A reviser that proposes this rule."""

    def revise(case):
        return (RuleChange("add", "", text, "why not"),)

    revise.requests = 0
    return revise


def test_the_command_line_shows_compares_and_exports(tmp_path, capsys):
    run, iteration, session, parts = opened(tmp_path / "run", served(90))
    with pytest.raises(KitError, match="has tried no template yet"):
        run_history(create_run(tmp_path / "new", "picturebook"))
    finish(run, iteration, session, parts)
    folder, chosen = str(run.path), session.incumbent.id
    assert main(["show", folder]) == 0
    assert f"{chosen}  {session.incumbent.note}  [chosen in iteration 0]" in capsys.readouterr().out
    assert main(["diff", folder, BASE.id[:5], chosen]) == 0
    lines = capsys.readouterr().out.splitlines()
    new = [rule for rule in session.incumbent.rules if rule not in BASE.rules]
    assert [line[2:] for line in lines[3:] if line.startswith("+")] == new
    assert main(["export", folder, chosen, "--out", str(tmp_path / "text" / "t.txt")]) == 0
    text = (tmp_path / "text" / "t.txt").read_text()
    assert text.startswith(f"Template {chosen}, made from ") and all(rule in text for rule in new)
    assert main(["export", folder]) == 0 and BASE.id in capsys.readouterr().out
    for arguments, message in (
        (["diff", folder, "zz", chosen], "unknown template 'zz'"),
        (["diff", folder, "", chosen], "more than one begins so"),
        (["show", str(tmp_path / "nowhere")], "no run in"),
    ):
        assert main(arguments) == 1
        assert message in capsys.readouterr().err


def test_tables_show_the_session(tmp_path):
    session = open_at(tmp_path, PROBE)
    assert "no candidate was tried" in tables.round_table(session).to_html()
    run_policy(session, "rules", LIMITS)
    shown = tables.round_table(session).to_html()
    assert shown.count(">promoted<") == len(session.state.rounds)
    start, end = session.history()[0], session.history()[-1]
    low, high = start.accepted.interval
    share = f"{100 * start.accepted.share:.0f} ({100 * low:.0f} – {100 * high:.0f})"
    assert share in tables.type_table([start, end]).to_html()
    tree = tables.history_table(session.history()).to_html()
    assert share in tree and f"· {end.template.id}" in tree


def test_a_tree_has_no_circles():
    """The candidate is word for word what the start had been made from: each is the other's parent."""
    start = replace(BASE, id="s", parent="c")
    candidate = replace(BASE, id="c", parent="s")
    nodes = {one.id: Node(one, {}, ()) for one in (start, candidate)}
    assert [(node.template.id, depth) for node, depth in walk(nodes)] == [("s", 0), ("c", 1)]
