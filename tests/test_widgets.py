"""The panel of notebook 04 without a browser: what it shows, and what keys and clicks do in the session."""

import re

import ipywidgets
import pytest
from panel_session import NASTY, Proposes, nasty_session, picturebook_session, pictures_of

from dataengine_utils.errors import KitError
from dataengine_utils.files import read_lines
from dataengine_utils.ipo import REASONS
from dataengine_utils.records import Act, RuleChange
from dataengine_utils.widgets import PromptPanel, plain
from dataengine_utils.widgets.panel import COMPARE, HISTORY, REVIEW, REVISE

CHANGE = RuleChange(
    "add", "", "Never use something that is true of the picture as a wrong option.", "two were right"
)


@pytest.fixture
def opened(tmp_path):
    """A panel on a fresh session of twelve samples."""
    return panel_on(picturebook_session(tmp_path))


def panel_on(session):
    return PromptPanel(session, pictures_of(session))


def acts(folder):
    return [
        (act.kind, act.who, act.verdict, act.reasons, act.text)
        for act in read_lines(folder / "session.jsonl", Act)[1:]
    ]


def press(panel, signs):
    """What the browser sends while somebody types: the whole field, again and again."""
    panel.review.key_box.value += signs


def review_all(panel):
    while panel.review.round.todo:
        press(panel, "a")


def with_candidate(panel, change=CHANGE):
    """The panel after one proposed change was taken and tried."""
    panel.session.propose(Proposes((change,)))
    panel.tabs.selected_index = REVISE
    panel.revision.rows[0].take.click()
    panel.revision.attempt.click()
    return panel


def all_html(widget):
    own = [widget.value] if isinstance(widget, ipywidgets.HTML) else []
    return own + [text for child in getattr(widget, "children", ()) for text in all_html(child)]


def test_a_sample_is_shown_with_picture_boxes_options_and_verdicts(opened):
    review, shown = opened.review, opened.review.current
    assert "<b>1 of 12</b>" in review.place.value and shown.question_type in review.place.value
    right = shown.draft.options["ABCD".index(shown.draft.choice)]
    for text in (
        shown.draft.instruction,
        shown.draft.answer,
        f"<b>{plain(right)}</b>",
        "not true",
        "The checks accept",
    ):
        assert text in review.words.value
    assert bytes(review.picture.value).startswith(b"\xff\xd8") and bytes(review.strip.value).startswith(
        b"\xff\xd8"
    )
    assert "0 of 12" in opened.bar.numbers.value and "12 requests, 0.00 USD" in opened.bar.numbers.value


def test_verdicts_by_mouse_are_in_the_journal_at_once(opened, tmp_path):
    opened.review.accept.click()
    opened.review.reasons[1].click()
    assert acts(tmp_path) == [
        ("review", "Ann", "accept", (), ""),
        ("review", "Ann", "reject", (REASONS[1],), ""),
    ]
    assert "<b>3 of 12</b>" in opened.review.place.value and "10 to go" in opened.review.place.value
    assert "2 of 12</b> looked at, 1 accepted" in opened.bar.numbers.value and opened.bar.looked_at.value == 2


def test_verdicts_by_keyboard_also_when_keys_come_together(opened, tmp_path):
    press(opened, "a")
    press(opened, "3na2?")
    kinds = [(verdict, reasons) for _, _, verdict, reasons, _ in acts(tmp_path)]
    assert kinds == [("accept", ()), ("reject", (REASONS[2],)), ("accept", ()), ("reject", (REASONS[1],))]
    press(opened, "bbbb")
    assert "<b>2 of 12</b>" in opened.review.place.value
    press(opened, "n" * 8)
    press(opened, "n" * 8)
    assert "<b>12 of 12</b>" in opened.review.place.value and opened.review.next.disabled


def test_every_key_has_its_reason(opened, tmp_path):
    opened.review.why.value = "says nothing"
    for n in range(1, 9):
        press(opened, str(n))
        opened.review.why.value = "says nothing"
    assert [reasons for _, _, _, reasons, _ in acts(tmp_path)] == [(reason,) for reason in REASONS]
    labels = [button.description for button in opened.review.reasons]
    assert all(
        f"{n}  {reason}" in label for n, (reason, label) in enumerate(zip(REASONS, labels, strict=True), 1)
    )


def test_skipped_samples_come_up_again(opened):
    press(opened, "nna")
    for _ in range(9):
        press(opened, "a")
    assert "<b>1 of 12</b>" in opened.review.place.value and "2 to go" in opened.review.place.value
    press(opened, "aa")
    assert "all looked at" in opened.review.place.value


def test_other_wants_words_and_enter_sends_them(opened, tmp_path):
    press(opened, "8")
    assert acts(tmp_path) == [] and "press Enter" in opened.message.value
    opened.review.why.value = "the horse is a cow"
    assert acts(tmp_path) == []
    opened.review.why.value = "the horse is a cow\n"
    assert acts(tmp_path) == [("review", "Ann", "reject", ("other",), "the horse is a cow")]
    assert opened.review.why.value == "" and "<b>2 of 12</b>" in opened.review.place.value
    opened.review.why.value = "\n"
    assert len(acts(tmp_path)) == 1


def test_words_are_kept_with_any_verdict(opened, tmp_path):
    opened.review.why.value = "nice"
    press(opened, "a")
    assert acts(tmp_path)[0][2:] == ("accept", (), "nice")
    press(opened, "b")
    assert opened.review.why.value == "nice" and "nice" in opened.review.words.value


def test_a_number_on_a_rejected_sample_adds_or_takes_off_a_reason(opened):
    press(opened, "1b3")
    assert opened.review.current.reasons == (REASONS[0], REASONS[2])
    assert "<b>1 of 12</b>" in opened.review.place.value, "it stays where it is"
    press(opened, "1")
    assert opened.review.current.reasons == (REASONS[2],)
    press(opened, "3")
    assert opened.review.current.reasons == (REASONS[2],), "the last one stays"
    press(opened, "a")
    press(opened, "b")
    assert opened.review.current.verdict == "accept" and opened.review.current.reasons == ()


def test_undo_goes_back_to_the_sample(opened, tmp_path):
    press(opened, "a1nn")
    press(opened, "u")
    assert "<b>2 of 12</b>" in opened.review.place.value and opened.review.current.verdict == ""
    press(opened, "u")
    press(opened, "u")
    assert "<b>1 of 12</b>" in opened.review.place.value and "no review" in opened.message.value
    assert [kind for kind, *_ in acts(tmp_path)] == ["review", "review", "undo", "undo"]
    press(opened, "a")
    assert opened.message.value == ""


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


def test_two_reviewers_see_their_agreement_and_disagreements_first(opened, tmp_path):
    press(opened, "aa1a")
    bo = panel_on(picturebook_session(tmp_path, who="Bo"))
    first = bo.review.current
    assert first.verdict == "" and "Ann" not in bo.review.words.value, "nobody is swayed"
    press(bo, "a4")
    assert "Ann and" not in bo.bar.numbers.value
    assert "Ann</bdi> and <bdi>Bo" in bo.bar.numbers.value and "agree on 1 of 2" in bo.bar.numbers.value
    opened.tabs.selected_index = HISTORY
    opened.tabs.selected_index = REVIEW
    again = panel_on(picturebook_session(tmp_path))
    assert "reviewers disagree" in again.review.place.value
    assert (
        "Bo</bdi>: ✗ rejected" in again.review.words.value
        and "You</b>: ✓ accepted" in again.review.words.value
    )


def test_another_name_starts_a_review_of_its_own(opened, tmp_path):
    press(opened, "aa")
    opened.bar.who.value = "Bo"
    assert "<b>1 of 12</b>" in opened.review.place.value and "0 of 12" in opened.bar.numbers.value
    press(opened, "a")
    opened.bar.who.value = " "
    press(opened, "a")
    assert [who for _, who, *_ in acts(tmp_path)] == ["Ann", "Ann", "Bo", "person"]


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


@pytest.mark.parametrize("nasty", NASTY.values(), ids=NASTY.keys())
def test_texts_of_teacher_annotations_and_people_are_never_html(nasty, tmp_path):
    session = nasty_session(tmp_path, nasty)
    panel = PromptPanel(session, pictures_of(picturebook_session(tmp_path / "other", 3)))
    panel.tabs.selected_index = REVISE
    panel.revision.rows[0].drop.click()
    panel.revision.rows[1].take.click()
    panel.revision.attempt.click()
    session.review(session.incumbent.id, "q1", "reject", ("other",), nasty)
    panel._say(nasty)
    panel.review.take_in()
    everything = []
    for tab in (REVISE, COMPARE, HISTORY, REVIEW):
        panel.tabs.selected_index = tab
        panel._say(nasty)
        everything += all_html(panel)
    text = "".join(everything)
    tags = set(re.findall(r"</?([a-z0-9]+)", text))
    assert tags <= {
        "table",
        "tr",
        "th",
        "td",
        "div",
        "p",
        "ol",
        "ul",
        "li",
        "b",
        "i",
        "bdi",
        "span",
        "ins",
        "del",
        "br",
        "details",
        "summary",
    }
    assert not re.search(r"<[^>]*(?:onerror|onclick|href|src)[^>]*>", text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", text)
    assert text.count("<bdi>") == text.count("</bdi>")
    assert all(part.count("<div") == part.count("</div>") for part in everything)


def test_without_pictures_and_drafts_it_says_so(tmp_path):
    def missing(query_id):
        raise KitError("no image at <x.jpg>")

    panel = PromptPanel(picturebook_session(tmp_path, 2), missing)
    assert "no image at &lt;x.jpg&gt;" in panel.review.below.value
    assert panel.review.picture.layout.display == "none"
    press(panel, "a")
    assert "<b>2 of 2</b>" in panel.review.place.value


def test_an_unreadable_reply_is_shown_as_it_is(tmp_path):
    session = nasty_session(tmp_path, "")
    panel = PromptPanel(session, pictures_of(picturebook_session(tmp_path / "other", 3)))
    assert "No question could be read" in panel.review.words.value


def test_its_text_form_is_one_line(opened):
    press(opened, "a")
    assert (
        repr(opened)
        == f"<PromptPanel: round 1, 1 reviews, 1 templates; in use {opened.session.incumbent.id}>"
    )
