"""The revision: the teacher's proposals one by one, to take, edit or drop, and the candidate they make."""

from collections.abc import Callable
from functools import partial

import ipywidgets as widgets

from ..ipo import Proposal, Session
from ..records import RuleChange
from .review import Act
from .texts import SOFT, difference, plain

_KINDS = {"add": "add a rule", "remove": "remove a rule", "replace": "change a rule"}
_TOLD = "line-height:1.45; max-height:220px; overflow:auto; overflow-wrap:anywhere"
_STATES = {"open": "… not decided", "taken": "✓ taken", "dropped": "✗ dropped"}


class Revision(widgets.VBox):
    """Asking the teacher, its changes, and trying the candidate. `tried` is called once it is tried."""

    def __init__(self, session: Session, act: Act, say: Callable[[str], None], tried: Callable[[], None]):
        self._session, self._act, self._say, self._tried = session, act, say, tried
        self._shown: tuple[Proposal, ...] | None = None
        self.head = widgets.HTML()
        self.ask = widgets.Button(description="Ask the teacher for changes", button_style="primary",
                                  layout=widgets.Layout(width="230px"))
        self.attempt = widgets.Button(description="Try the candidate", button_style="primary",
                                      layout=widgets.Layout(width="230px"))
        self.foot = widgets.HTML()
        self.changes = widgets.VBox()
        self.rows: list[ChangeRow] = []
        self.ask.on_click(lambda _: self._ask())
        self.attempt.on_click(lambda _: self._try())
        super().__init__([self.head, self.ask, self.changes, self.foot, self.attempt])

    def show(self) -> None:
        """Show the proposals as they are; words being edited stay while nothing else changes."""
        session = self._session
        if session.proposals != self._shown:
            self._shown = session.proposals
            self.rows = [ChangeRow(n, one, self._take, self._drop) for n, one in enumerate(self._shown)]
            self.changes.children = self.rows
        taken = sum(one.status == "taken" for one in session.proposals)
        self.head.value = self._told()
        self.attempt.disabled = taken == 0
        told = "No changes are proposed yet in this round."
        if session.proposals:
            told = (f"{taken} of {len(session.proposals)} changes taken. The candidate is the incumbent with "
                    "these; it is tried on the same queries, and what it writes anew comes up for review, "
                    "blinded.")
        self.foot.value = f"<div style='line-height:1.4'>{plain(told)}</div>"

    def _told(self) -> str:
        rejected = [one for one in self._session.samples
                    if one.template_id == self._session.incumbent.id and one.verdict == "reject"]
        rules = "".join(f"<li>{plain(rule)}</li>" for rule in self._session.incumbent.rules)
        return (
            f"<div style='line-height:1.4'>The teacher gets the rules of template "
            f"<b>{plain(self._session.incumbent.id)}</b> and the rejected samples with their reasons and the "
            f"checks' verdicts ({len(rejected)} rejected by you), and proposes changes to the rules."
            f"<details><summary>the rules now</summary><ol style='margin:2px 0'>{rules}</ol></details></div>"
        )

    def _ask(self) -> None:
        proposals = self._session.proposals
        if proposals and all(one.status == "open" for one in proposals):
            self._say("These changes are new: take, edit or drop one of them before you ask again.")
            return
        self._say("The teacher is asked …")
        if self._busy(self._session.propose) and not self._session.proposals:
            self._say("No change is proposed: nothing was rejected, or the teacher knows of none that helps.")

    def _try(self) -> None:
        self._say("The candidate is tried on the probe queries …")
        if self._busy(self._session.try_candidate):
            self._tried()

    def _busy(self, work: Callable[[], None]) -> bool:
        self.ask.disabled = self.attempt.disabled = True
        done = self._act(work)
        self.ask.disabled = False
        self.show()
        return done

    def _take(self, n: int, text: str) -> None:
        change = self._session.proposals[n].change
        edited = change.kind != "remove" and " ".join(text.split()) != change.text
        self._settle(partial(self._session.edit, n, text) if edited else partial(self._session.take, n))

    def _drop(self, n: int) -> None:
        self._settle(partial(self._session.drop, n))

    def _settle(self, work: Callable[[], None]) -> None:
        self._act(work)
        self.show()


class ChangeRow(widgets.VBox):
    """One proposed change: what it does to which rule, why, its words to edit, and what became of it."""

    def __init__(self, number: int, proposal: Proposal, take: Callable[[int, str], None],
                 drop: Callable[[int], None]):
        change = proposal.change
        self.told = widgets.HTML(_told(number, proposal))
        self.text = widgets.Textarea(change.text, rows=2,
                                     layout=widgets.Layout(width="auto", flex="1 1 300px"))
        self.take = widgets.Button(description="Take", icon="check", layout=widgets.Layout(width="130px"))
        self.drop = widgets.Button(description="Drop", icon="times", layout=widgets.Layout(width="90px"))
        self.take.on_click(lambda _: take(number, self.text.value))
        self.drop.on_click(lambda _: drop(number))
        self.text.observe(lambda _: self._edited(change), "value")
        editing = [self.text] if change.kind != "remove" else []
        acts = widgets.HBox([*editing, self.take, self.drop], layout=widgets.Layout(flex_flow="row wrap"))
        super().__init__(
            [self.told, acts],
            layout=widgets.Layout(border_left="3px solid #8C8C8C", padding="0 0 2px 10px", margin="6px 0"),
        )

    def _edited(self, change: RuleChange) -> None:
        same = " ".join(self.text.value.split()) == change.text
        self.take.description = "Take" if same else "Take as edited"


def _told(number: int, proposal: Proposal) -> str:
    change = proposal.change
    return (
        f"<div style='{_TOLD}'><b>{number + 1} · {_KINDS[change.kind]}</b>"
        f" · {_STATES[proposal.status]}<br>{difference(change.rule, change.text)}<br>"
        f"<span style='{SOFT}'>Why: {plain(change.reason)}</span></div>"
    )
