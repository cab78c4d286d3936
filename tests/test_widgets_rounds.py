"""The rounds in the panel of notebook 04, without a browser: revision, comparison, history, coming back."""

import re

import ipywidgets
import pytest
from panel_session import (
    CHANGE,
    Proposes,
    acts,
    all_html,
    panel_on,
    picturebook_session,
    press,
    review_all,
    with_candidate,
)

from dataengine_utils.errors import KitError
from dataengine_utils.ipo import apply_changes
from dataengine_utils.prompts import base_template
from dataengine_utils.records import RuleChange
from dataengine_utils.widgets import plain
from dataengine_utils.widgets.panel import COMPARE, HISTORY, REVIEW, REVISE


@pytest.fixture
def opened(tmp_path):
    """A panel on a fresh session of twelve samples."""
    return panel_on(picturebook_session(tmp_path))


def test_a_panel_opens_where_the_journal_is(opened, tmp_path):
    press(opened, "a1a")
    again = panel_on(picturebook_session(tmp_path))
    assert again.tabs.selected_index == REVIEW and "<b>4 of 12</b>" in again.review.place.value
    press(again, "b")
    assert again.review.current.verdict == "accept"
    review_all(again)
    assert panel_on(picturebook_session(tmp_path)).tabs.selected_index == REVISE
    with_candidate(again)
    assert panel_on(picturebook_session(tmp_path)).tabs.selected_index == REVIEW
    review_all(again)
    assert panel_on(picturebook_session(tmp_path)).tabs.selected_index == COMPARE
    again.session.stop()
    stopped = panel_on(picturebook_session(tmp_path))
    assert stopped.tabs.selected_index == HISTORY and "stopped" in stopped.bar.numbers.value


def test_the_teacher_is_asked_and_its_changes_are_taken_edited_or_dropped(opened):
    for _ in range(6):
        opened.review.reasons[1].click()
    for _ in range(3):
        opened.review.reasons[2].click()
    opened.tabs.selected_index = REVISE
    assert opened.revision.attempt.disabled
    opened.revision.ask.click()
    proposals = opened.session.proposals
    assert len(proposals) > 2 and len(opened.revision.rows) == len(proposals)
    row = opened.revision.rows[0]
    assert (
        proposals[0].change.reason in row.told.value and "<ins" in row.told.value and "[+" in row.told.value
    )
    row.take.click()
    opened.revision.rows[1].text.value = "Ask about one thing only."
    assert opened.revision.rows[1].take.description == "Take as edited"
    opened.revision.rows[1].take.click()
    opened.revision.rows[2].drop.click()
    statuses = [one.status for one in opened.session.proposals[:3]]
    assert statuses == ["taken", "taken", "dropped"]
    assert opened.session.proposals[1].change.text == "Ask about one thing only."
    assert "dropped" in opened.revision.rows[2].told.value and not opened.revision.attempt.disabled


def test_words_that_are_being_edited_stay(opened):
    opened.session.propose(Proposes((CHANGE,)))
    opened.tabs.selected_index = REVISE
    opened.revision.rows[0].text.value = "half a"
    opened.tabs.selected_index = REVIEW
    opened.tabs.selected_index = REVISE
    assert opened.revision.rows[0].text.value == "half a"


def test_a_second_press_does_not_ask_twice(opened, tmp_path):
    opened.review.reasons[1].click()
    opened.tabs.selected_index = REVISE
    opened.revision.ask.click()
    opened.revision.ask.click()
    assert [kind for kind, *_ in acts(tmp_path)].count(
        "propose"
    ) == 1 and "take, edit or drop" in opened.message.value


def test_a_removed_rule_has_no_words_to_edit(opened):
    rule = opened.session.incumbent.rules[0]
    opened.session.propose(Proposes((RuleChange("remove", rule, "", "of no use"),)))
    opened.tabs.selected_index = REVISE
    row = opened.revision.rows[0]
    assert "<del" in row.told.value and not any(
        isinstance(one, ipywidgets.Textarea) for one in row.children[1].children
    )
    row.take.click()
    assert opened.session.proposals[0].status == "taken"


def test_a_teacher_that_fails_says_so_and_the_panel_goes_on(opened):
    def fails(case):
        raise KitError("the budget is reached")

    fails.requests = 1
    opened.session.reviser = fails
    opened.tabs.selected_index = REVISE
    opened.revision.ask.click()
    assert "the budget is reached" in opened.message.value and not opened.revision.ask.disabled


def test_the_candidate_is_reviewed_blinded(opened):
    press(opened, "aaaa")
    with_candidate(opened)
    assert opened.tabs.selected_index == REVIEW
    assert "blinded" in opened.review.place.value and "blinded" in opened.bar.numbers.value
    ids = (opened.session.incumbent.id, opened.session.candidate.id)
    while opened.review.round.todo:
        assert not any(
            name in text for name in ids for text in [*all_html(opened.review), *all_html(opened.bar)]
        )
        press(opened, "a")
    seen = {(one.query_id, repr(one.draft)) for one in opened.session.samples}
    assert len(opened.review.round.order) == len(seen), "what is the same under both comes once"


def test_the_comparison_and_promotion(opened, tmp_path):
    review_all(opened)
    with_candidate(opened)
    review_all(opened)
    opened.tabs.selected_index = COMPARE
    found, shown = opened.session.compare(), opened.comparison.result.value
    for text in (
        "95 % interval",
        f"{found.paired.p:.3f}",
        *found.by_type,
        "12 requests, 0.00 USD",
        f"{found.n} queries",
    ):
        assert text in shown
    candidate = opened.session.candidate.id
    opened.comparison.why.value = "reads better"
    opened.comparison.promote.click()
    assert opened.session.incumbent.id == candidate and opened.session.round == 2
    assert acts(tmp_path)[-1] == ("promote", "Ann", "", (), "reads better")
    assert (
        candidate in opened.comparison.standing.value and "reads better" in opened.comparison.standing.value
    )
    assert "Round 1 is decided" in opened.message.value and opened.comparison.promote.disabled
    opened.comparison.another.click()
    assert opened.tabs.selected_index == REVIEW and "Round 2" in opened.bar.numbers.value


def test_keeping_and_stopping(opened):
    incumbent = opened.session.incumbent.id
    with_candidate(opened)
    opened.tabs.selected_index = COMPARE
    assert "still need your look" in opened.comparison.result.value
    opened.comparison.keep.click()
    assert opened.session.incumbent.id == incumbent and "no candidate" in opened.comparison.result.value
    opened.comparison.stop.click()
    assert opened.session.stopped and opened.comparison.stop.disabled
    assert "stopped" in opened.comparison.standing.value


def test_history_is_a_tree_with_the_difference_of_any_two(opened):
    review_all(opened)
    base = opened.session.incumbent.id
    with_candidate(opened)
    child = opened.session.candidate.id
    opened.session.keep()
    opened.session.propose(
        Proposes((RuleChange("remove", opened.session.incumbent.rules[0], "", "of no use"),))
    )
    opened.session.take(0)
    opened.session.try_candidate()
    opened.tabs.selected_index = HISTORY
    history, other = opened.history, opened.session.candidate.id
    lines = re.findall(r"white-space:pre[^>]*>([^<]*)<bdi>(\w+)</bdi>", history.tree.value)
    assert lines == [("", base), ("├─ ", child), ("└─ ", other)]
    assert "✗ not promoted, round 1" in history.tree.value and "the incumbent" in history.tree.value
    history.one.value, history.other.value = child, other
    assert plain(CHANGE.text) in history.compared.value and "<del" in history.compared.value
    history.other.value = child
    assert "do not differ" in history.compared.value


def test_a_candidate_may_be_what_the_start_was_made_from(tmp_path):
    base = base_template()
    start = apply_changes(base, (CHANGE,))
    session = picturebook_session(tmp_path, incumbent=start)
    panel = with_candidate(panel_on(session), RuleChange("remove", CHANGE.text, "", "of no use"))
    assert session.candidate.id == base.id
    panel.tabs.selected_index = HISTORY
    assert re.findall(r"<bdi>(\w{12})</bdi></span>", panel.history.tree.value) == [start.id, base.id]


def test_a_panel_keeps_up_with_what_others_did(opened, tmp_path):
    other = picturebook_session(tmp_path, who="Bo")
    other.propose(Proposes((CHANGE,)))
    other.take(0)
    other.try_candidate()
    other.promote("quickly")
    seen = opened.review.current
    press(opened, "a")
    assert (
        acts(tmp_path)[-1][:3] == ("review", "Ann", "accept")
        and opened.session.reviews[-1].query_id == seen.query_id
    )
    assert "Round 2" in opened.bar.numbers.value and other.incumbent.id in opened.bar.numbers.value
    assert opened.review.current.template_id == other.incumbent.id and opened.review.current.verdict == ""
