"""The templates tried as a tree, and the difference between any two of them."""

from collections.abc import Iterator, Sequence
from itertools import groupby

import ipywidgets as widgets

from ..ipo import Difference, Session, Tried, differences
from .texts import SOFT, difference, one_line, plain, table

_FATES = {"start": "the start", "promoted": "✓ promoted", "kept out": "✗ not promoted",
          "open": "… not decided"}
_LONGEST = 70  # characters of an entry in the lists


class History(widgets.VBox):
    """Every template of the session under its parent, and two of them side by side."""

    def __init__(self, session: Session):
        self._session = session
        self._known: tuple[str, ...] = ()
        self.tree, self.compared = widgets.HTML(), widgets.HTML()
        self.one, self.other = (
            widgets.Dropdown(description=name, layout=widgets.Layout(width="auto", max_width="620px"))
            for name in ("from", "to")
        )
        for side in (self.one, self.other):
            side.observe(lambda _: self._compare(), "value")
        heading = widgets.HTML("<b>What differs between two templates</b>")
        super().__init__([self.tree, heading, self.one, self.other, self.compared])

    def show(self) -> None:
        """Show the tree as it is now; the two templates chosen stay chosen until there is a new one."""
        tried = self._session.history()
        rows = [self._row(line, one) for line, one in _tree(tried)]
        self.tree.value = table(["template", "accepted", "what is new"], rows, short=(0, 1))
        known = tuple(one.template.id for one in tried)
        if known != self._known:
            names = [(one_line(f"{one.template.id}  {one.template.note}", _LONGEST), one.template.id)
                     for one in tried]
            for side, chosen in ((self.one, tried[-1].template.parent), (self.other, known[-1])):
                side.options = names
                side.value = chosen if chosen in known else known[0]
            self._known = known
        self._compare()

    def _row(self, line: str, one: Tried) -> list[str]:
        used = "<br><b>the incumbent</b>" if one.template.id == self._session.incumbent.id else ""
        new = one.template.note if one.template.parent else "–"
        name = f"<span style='white-space:pre; font-family:monospace'>{line}{plain(one.template.id)}</span>"
        fate = f"<br><span style='{SOFT}'>{_FATES[one.fate]}, round {one.round}{used}</span>"
        return [name + fate, plain(one.accepted), plain(new or "–")]

    def _compare(self) -> None:
        tried = {one.template.id: one for one in self._session.history()}
        if self.one.value not in tried or self.other.value not in tried:
            return
        one, other = tried[self.one.value], tried[self.other.value]
        lines = [line for line in differences(one.template, other.template) if line.sign != " "]
        told = "".join(_told(part, list(group)) for part, group in groupby(lines, key=lambda line: line.part))
        self.compared.value = (told or f"<p style='{SOFT}'>They do not differ.</p>") + _by_type(one, other)


def _tree(tried: Sequence[Tried]) -> Iterator[tuple[str, Tried]]:
    """The start, and every later template behind its parent, each with the lines of the tree that lead to it.

    A candidate may be what the start was once made from: the start is the root all the same.
    """
    start, *later = tried

    def below(parent: str, lead: str) -> Iterator[tuple[str, Tried]]:
        children = [one for one in later if one.template.parent == parent]
        for n, one in enumerate(children, start=1):
            last = n == len(children)
            yield f"{lead}{'└─ ' if last else '├─ '}", one
            yield from below(one.template.id, f"{lead}{'   ' if last else '│  '}")

    yield "", start
    yield from below(start.template.id, "")


def _told(part: str, lines: Sequence[Difference]) -> str:
    """The difference of one part: what went and what came in its place, word by word."""
    went, came = ([line.text for line in lines if line.sign == sign] for sign in "-+")
    n = max(len(went), len(came))
    pairs = zip(went + [""] * (n - len(went)), came + [""] * (n - len(came)), strict=True)
    shown = "".join(f"<li>{difference(*pair)}</li>" for pair in pairs)
    return f"<div style='line-height:1.45'>{plain(part)}<ul style='margin:2px 0 6px'>{shown}</ul></div>"


def _by_type(one: Tried, other: Tried) -> str:
    head = ["accepted, with the 95 % interval", one.template.id, other.template.id]
    types = dict.fromkeys((*one.by_type, *other.by_type))
    rows = [[plain(name), *(plain(side.by_type.get(name, "–")) for side in (one, other))] for name in types]
    rows.append(["<b>All queries</b>", plain(one.accepted), plain(other.accepted)])
    return table(head, rows, short=(1, 2))
