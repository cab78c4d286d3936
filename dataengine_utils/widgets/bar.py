"""What is always in view: who reviews, how far the round is, how reviewers agree, what it has cost."""

from collections.abc import Callable

import ipywidgets as widgets

from ..ipo import Agreement, Session
from .texts import SOFT, one_line, plain

_LONGEST_NAME = 24  # characters of a reviewer's name


class Bar(widgets.VBox):
    """One line of numbers over a bar. `named` is called with another reviewer's name."""

    def __init__(self, session: Session, named: Callable[[str], None]):
        self._session = session
        self.who = widgets.Text(
            value=session.who,
            description="reviewer",
            continuous_update=False,
            style={"description_width": "initial"},
            layout=widgets.Layout(width="170px"),
        )
        self.numbers = widgets.HTML(layout=widgets.Layout(flex="1 1 300px"))
        self.looked_at = widgets.IntProgress(layout=widgets.Layout(width="auto", height="10px", margin="2px"))
        self.who.observe(lambda change: named(change.new), "value")
        line = widgets.HBox([self.who, self.numbers], layout=widgets.Layout(flex_flow="row wrap"))
        super().__init__([line, self.looked_at])

    def show(self, done: int, n: int, accepted: int) -> None:
        """Show the session as it is; this reviewer has looked at `done` of the round's `n` samples."""
        session = self._session
        self.looked_at.max, self.looked_at.value = max(n, 1), done
        template = "two templates, blinded" if session.candidate else f"template {session.incumbent.id}"
        parts = [
            f"<b>Round {session.round}</b> · {plain(template)}{' · stopped' if session.stopped else ''}",
            f"<b>{done} of {n}</b> looked at, {accepted} accepted",
            *map(_agreement, session.agreement()),
            plain(session.cost()),
        ]
        unbroken = (f"<span style='white-space:nowrap; margin-right:20px'>{part}</span> " for part in parts)
        self.numbers.value = f"<div style='line-height:1.5'>{''.join(unbroken)}</div>"


def _agreement(found: Agreement) -> str:
    """Two reviewers' agreement in a few words; κ is Cohen's kappa, from -1 to 1 (as one)."""
    kappa = "not defined" if found.kappa is None else f"{found.kappa:.2f}"
    names = " and ".join(plain(one_line(name, _LONGEST_NAME)) for name in found.reviewers)
    return f"<span style='{SOFT}'>{names} agree on {found.same} of {found.n}, κ {kappa}</span>"
