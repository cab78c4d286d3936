"""The review in the panel of notebook 04, without a browser: what it shows, what keys and clicks do."""

import re

import pytest
from panel_session import (
    NASTY,
    acts,
    all_html,
    nasty_session,
    panel_on,
    picturebook_session,
    pictures_of,
    press,
)

from dataengine_utils.errors import KitError
from dataengine_utils.ipo import REASONS
from dataengine_utils.widgets import PromptPanel, plain
from dataengine_utils.widgets.panel import COMPARE, HISTORY, REVIEW, REVISE


@pytest.fixture
def opened(tmp_path):
    """A panel on a fresh session of twelve samples."""
    return panel_on(picturebook_session(tmp_path))


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
    assert opened.bar.who.value == "person"


def test_without_a_name_the_panel_is_the_last_reviewers(opened, tmp_path):
    assert panel_on(picturebook_session(tmp_path, who="person")).bar.who.value == "person"
    press(opened, "a")
    again = panel_on(picturebook_session(tmp_path, who="person"))
    assert again.bar.who.value == again.session.who == "Ann"
    assert "<b>2 of 12</b>" in again.review.place.value


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
