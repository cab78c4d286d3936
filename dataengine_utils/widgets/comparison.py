"""The comparison of incumbent and candidate, and the decision: promote, keep, another round, stop."""

from collections.abc import Callable
from functools import partial

import ipywidgets as widgets

from ..ipo import Comparison, Cost, Session
from .review import Act
from .texts import SOFT, plain, table

_HEAD = ("", "n", "incumbent → candidate", "change (95 % interval)", "p")
_SOFT = f"{SOFT}; line-height:1.4"


class Compare(widgets.VBox):
    """Both templates on the same queries with the paired test, and what to do. `on` opens the next round."""

    def __init__(self, session: Session, act: Act, on: Callable[[], None]):
        self._session, self._act = session, act
        self.result, self.standing = widgets.HTML(), widgets.HTML()
        self.why = widgets.Text(placeholder="why (kept with the decision)",
                                layout=widgets.Layout(width="auto", max_width="520px"))
        self.promote = _button("Promote the candidate", "primary", "check")
        self.keep = _button("Keep the incumbent", "", "undo")
        self.another = _button("Another round", "", "refresh")
        self.stop = _button("Stop", "", "stop")
        self.promote.on_click(lambda _: self._end(session.promote))
        self.keep.on_click(lambda _: self._end(session.keep))
        self.another.on_click(lambda _: on())
        self.stop.on_click(lambda _: self._end(session.stop))
        buttons = widgets.HBox([self.promote, self.keep, self.another, self.stop],
                               layout=widgets.Layout(flex_flow="row wrap"))
        super().__init__([self.result, self.why, buttons, self.standing])

    def show(self) -> None:
        """Show the comparison, or what is missing for one, and what stands."""
        session, found = self._session, self._session.compare()
        self.promote.disabled = self.keep.disabled = found is None
        self.another.disabled = found is not None
        self.stop.disabled = session.stopped
        missing = "<i>There is no candidate in this round yet.</i>"
        self.result.value = self._compared(found) if found else missing
        decision = session.decision()
        chosen = f"In use: <b>{plain(decision.template_id)}</b>, by {plain(decision.chosen_by)}"
        why = f": {plain(decision.reason)}" if decision.reason else ""
        end = " The session is stopped; any further act goes on with it." if session.stopped else ""
        self.standing.value = f"<div style='line-height:1.4'>{chosen}{why}.{end}</div>"

    def _end(self, work: Callable[[str], None]) -> None:
        if self._act(partial(work, self.why.value.strip())):
            self.why.value = ""
        self.show()

    def _compared(self, found: Comparison) -> str:
        assert self._session.candidate is not None
        names = (self._session.incumbent.id, self._session.candidate.id)
        rows = [_row(plain(name), one) for name, one in found.by_type.items()]
        rows.append([f"<b>{cell}</b>" for cell in _row("All queries", found)])
        told = f"<p style='margin:2px 0; line-height:1.4'>{_sentence(found)}</p>{self._looked_at(names)}"
        return told + table(_HEAD, rows, numbers=range(1, 5)) + self._spent(names)

    def _looked_at(self, names: tuple[str, str]) -> str:
        trials = [trial for trial in self._session.trials() if trial.template_id in names]
        looked, left = sum(bool(trial.verdict) for trial in trials), len(self._session.to_review())
        still = f" <b>{left} samples still need your look</b> (Review)." if left else ""
        return (f"<p style='{_SOFT}; margin:2px 0 6px'>A person's verdict counts for {looked} of "
                f"{len(trials)} samples, the checks' for the others.{still}</p>")

    def _spent(self, names: tuple[str, str]) -> str:
        acts = {act.template_id: act for act in self._session.state.acts if act.kind in ("begin", "try")}
        costs = {name: Cost(act.usd, act.requests, act.seconds) for name, act in acts.items()}
        parts = [f"{plain(name)}: {plain(costs[name])}" for name in names if name in costs]
        return (f"<p style='{_SOFT}; margin:6px 0'>Trying them took {' &nbsp;|&nbsp; '.join(parts)}; the "
                f"whole session {plain(self._session.cost())}.</p>")


def _sentence(found: Comparison) -> str:
    paired = found.paired
    side = "more" if paired.difference > 0 else "less" if paired.difference < 0 else "as"
    often = "as often as" if side == "as" else f"{side} often than"
    sure = "" if side == "as" else (
        " The test says that this is no accident (p below 0.05)." if paired.p < 0.05
        else " It may be an accident (p is not below 0.05)."
    )
    return (f"The candidate's samples are accepted <b>{often}</b> the incumbent's: {_share(found.candidate)} "
            f"against {_share(found.incumbent)} of the same {found.n} queries.{sure}")


def _row(name: str, one: Comparison) -> list[str]:
    paired = one.paired
    p = f"{paired.p:.3f}" if paired.p >= 0.001 else "&lt; 0.001"
    change = f"{100 * paired.difference:+.0f} ({100 * paired.low:+.0f} to {100 * paired.high:+.0f})"
    shares = f"{_share(one.incumbent)} → {_share(one.candidate)}"
    return [name, str(one.n), shares, change, p]


def _share(share: float) -> str:
    return f"{100 * share:.0f} %"


def _button(text: str, style: str, icon: str) -> widgets.Button:
    layout = widgets.Layout(width="auto")
    return widgets.Button(description=text, button_style=style, icon=icon, layout=layout)
