"""The panel of notebook 04 without a browser: what it shows, what clicks do, and that texts stay texts."""

import re

import ipywidgets
import pytest
from PIL import Image

from dataengine_utils.errors import KitError
from dataengine_utils.prompts import base_template, candidate_templates, choose_template
from dataengine_utils.records import Draft, Trial
from dataengine_utils.widgets import PromptPanel, plain

BASE = base_template()
OTHERS = candidate_templates(BASE)[:2]
TEMPLATES = [BASE, *OTHERS]


def draft(text="What colour is the cat?"):
    return Draft(text, "The cat is red.", "red", ("blue", "red", "green", "black"), "B")


def trial(template, n, accepted=True, **options):
    return Trial(
        template.id,
        f"q{n}",
        "Instance Attributes",
        accepted,
        "" if accepted else "answer is not true",
        **{"draft": draft(), **options},
    )


def trials():
    return [trial(template, n, accepted=n > i) for i, template in enumerate(TEMPLATES) for n in range(4)]


def red_square(query_id):
    return Image.new("RGB", (112, 56), "red")


def panel(given=None, open_picture=red_square, policy="keep"):
    given = trials() if given is None else given
    return PromptPanel(
        TEMPLATES,
        given,
        choose_template(given or trials(), BASE.id, policy),
        open_picture,
        now=lambda: "noon",
    )


def all_html(widget):
    own = [widget.value] if isinstance(widget, ipywidgets.HTML) else []
    return own + [text for child in getattr(widget, "children", ()) for text in all_html(child)]


def test_nobody_clicks_and_the_decision_stands():
    given = trials()
    decision = choose_template(given, BASE.id, "best")
    shown = PromptPanel(TEMPLATES, given, decision, red_square)
    assert shown.value is decision
    assert shown.trials == given and shown.verdicts == {}
    assert shown.template.value == decision.template_id


def test_a_trial_is_shown_with_picture_options_and_verdict():
    shown = panel()
    assert "<b>1 of 12</b>" in shown.place.value and BASE.id in shown.place.value
    assert "What colour is the cat?" in shown.words.value
    assert re.search(r"<li><b><bdi>red</bdi></b> ✓</li>", shown.words.value)
    assert "answer is not true" in shown.words.value
    assert bytes(shown.picture.value).startswith(b"\x89PNG")
    assert (shown.picture.width, shown.picture.height) == (
        "336",
        "168",
    )


def test_accept_and_reject_go_on_and_are_kept():
    shown = panel()
    shown.accept.click()
    shown.reason.value = " two right options "
    shown.reject.click()
    assert "<b>3 of 12</b>" in shown.place.value and shown.reason.value == ""
    assert shown.verdicts == {(BASE.id, "q0"): "accept", (BASE.id, "q1"): "reject"}
    assert shown.trials[1].verdict_reason == "two right options"
    assert "1 of 2" in shown.versions.value
    shown.back.click()
    shown.back.click()
    shown.reject.click()
    assert shown.verdicts[BASE.id, "q0"] == "reject", "a second look changes the verdict"


def test_going_stops_at_both_ends():
    shown = panel()
    assert shown.back.disabled and not shown.next.disabled
    for _ in range(20):
        shown.next.click()
    assert "<b>12 of 12</b>" in shown.place.value and shown.next.disabled
    shown.accept.click()
    assert "<b>12 of 12</b>" in shown.place.value and len(shown.verdicts) == 1


def test_trials_of_one_version():
    shown = panel()
    shown.next.click()
    shown.show.value = OTHERS[1].id
    assert "<b>1 of 4</b>" in shown.place.value
    shown.accept.click()
    assert list(shown.verdicts) == [(OTHERS[1].id, "q0")]


def test_a_person_chooses():
    shown = panel()
    shown.template.value = OTHERS[0].id
    assert shown.value.template_id == BASE.id, "choosing in the list is only looking"
    assert OTHERS[0].rules[-1] in shown.rules.value and "(new)" in shown.rules.value
    shown.why.value = "reads better"
    shown.use.click()
    assert (shown.value.template_id, shown.value.chosen_by) == (OTHERS[0].id, "person")
    assert (shown.value.reason, shown.value.time) == ("reads better", "noon")
    assert shown.value.acceptance == choose_template(trials(), BASE.id, "keep").acceptance
    assert OTHERS[0].id in shown.standing.value


def test_earlier_verdicts_are_shown():
    shown = panel([trial(BASE, 0, verdict="reject", verdict_reason="unclear")])
    assert "you rejected it" in shown.words.value and "unclear" in shown.words.value


NASTY = {
    "script": "<script>alert(1)</script>",
    "handler": "<img src=x onerror=alert(1)>",
    "link": "<a href='javascript:alert(1)'>x</a>",
    "attribute": "\"><b>bold</b> '><i>slanted</i>",
    "escaped": "&lt;b&gt;",
    "closing": "</bdi></table><h1>",
    "colours": "\x1b[31mred\x1b[0m\x00",
    "direction": "\u202eright to left",
    "long": "x" * 10_000,
    "markup": "$\\frac{1}{2}$ **bold**",
}


@pytest.mark.parametrize("nasty", NASTY.values(), ids=NASTY.keys())
def test_texts_of_teacher_and_annotations_are_never_html(nasty):
    bad = Draft(nasty, nasty, nasty, (nasty, "b", "c", "d"), "A")
    given = [Trial(BASE.id, "q", nasty, False, nasty, bad, "reject", nasty)]
    everything = "".join(all_html(panel(given)))
    tags = set(re.findall(r"</?([a-z0-9]+)", everything))
    assert tags <= {"table", "tr", "th", "td", "div", "p", "ol", "li", "b", "bdi"}
    assert not re.search(r"<[^>]*(?:onerror|href|src)[^>]*>", everything)
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", everything)
    assert everything.count("<bdi>") == everything.count("</bdi>")


def test_plain_keeps_the_text():
    assert plain("a < b & c") == "<bdi>a &lt; b &amp; c</bdi>"
    assert plain(3) == "<bdi>3</bdi>"


def test_without_trials_drafts_or_pictures_it_says_so():
    assert "No trials" in panel([]).place.value and panel([]).accept.disabled
    assert "No question could be read" in panel([trial(BASE, 0, accepted=False, draft=None)]).words.value

    def missing(query_id):
        raise KitError("no image at 'x.jpg'")

    shown = panel(open_picture=missing)
    assert "no image at" in shown.no_picture.value and shown.picture.layout.display == "none"


def test_its_text_form_is_one_line():
    assert (
        repr(panel()) == f"<PromptPanel: 3 versions, 12 trials, 0 looked at; chosen {BASE.id} by policy keep>"
    )
