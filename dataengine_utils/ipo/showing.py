"""Samples as the panel shows them: with the checks' verdict, a reviewer's own, and the boxes to draw."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..facts import Thing, View
from ..facts.vocabulary import PERSONS
from ..facts.words import head
from ..records import LETTERS, Box, Draft, Generated, ImageRecord

_NAMED = ("kind", "from_kind", "subject", "object")  # arguments of a question that name a thing


class FactBox(NamedTuple):
    """A thing that a sample speaks of: its name, its box (x, y, width, height) in pixels of the image, and
    whether the question names it ("asked") or it is the answer ("answer").
    """

    name: str
    box: Box
    role: str


@dataclass(frozen=True)
class Shown:
    """One sample to look at.

    `label` is "A" or "B" where two templates are compared: a panel shows it in place of the template's id,
    which is for `Session.review`. `accepted` and `reason` are the checks'. `width` and `height` are the
    image's in pixels, in which the `boxes` count. `verdict`, `reasons` and `text` are this reviewer's own so
    far; `disputed` says that reviewers disagree.
    """

    template_id: str
    label: str
    query_id: str
    question_type: str
    image_id: str
    draft: Draft | None
    reply: str
    accepted: bool
    reason: str
    width: int
    height: int
    boxes: tuple[FactBox, ...]
    checks: dict[str, Any] = field(default_factory=dict)
    verdict: str = ""
    reasons: tuple[str, ...] = ()
    text: str = ""
    disputed: bool = False


def show(made: Generated, record: ImageRecord) -> Shown:
    """A sample without a label, and without a review."""
    return Shown(made.template_id, "", made.query_id, made.question_type, made.image_id, made.draft,
                 made.reply, made.accepted, made.reason, record.width, record.height,
                 fact_boxes(made, record), made.verdicts)


def fact_boxes(made: Generated, record: ImageRecord) -> tuple[FactBox, ...]:
    """The boxes of the annotations that a sample's question and right option speak of, as the checks read it.

    Empty where the checks could not read it, and for what has no box, such as the weather.
    """
    if made.draft is None or made.draft.choice not in LETTERS[: len(made.draft.options)]:
        return ()
    view, facts = View(record), made.verdicts.get("things", {})
    answer = made.draft.options[LETTERS.index(made.draft.choice)]
    found = [*_asked(view, made.verdicts.get("form", ""), facts), *_answered(view, facts, answer)]
    return tuple({one.box: one for one in reversed(found)}.values())[::-1]


def _asked(view: View, form: str, facts: dict[str, Any]) -> Iterator[FactBox]:
    for key in _NAMED:
        if name := facts.get(key):
            yield from _boxes(view.called(name, facts.get("colour", "") if key == "kind" else ""), "asked")
    if form == "count_people":
        yield from _boxes([thing for thing in view.things if head(thing.name) in PERSONS], "asked")


def _answered(view: View, facts: dict[str, Any], answer: str) -> Iterator[FactBox]:
    if answer in view.names:
        yield from _boxes(view.called(answer, facts.get("colour", "")), "answer")
    for text in view.record.texts:
        if text.text.strip().casefold() == answer.casefold():
            yield FactBox(text.text, text.box, "answer")


def _boxes(things: list[Thing], role: str) -> Iterator[FactBox]:
    return (FactBox(thing.name, thing.box, role) for thing in things)
