"""The review: one sample at a time, accepted or rejected by mouse or keyboard."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import ipywidgets as widgets

from ..ipo import REASONS, Session, Shown
from .keys import KeyBox
from .pictures import SIDE, SMALL, Pictures
from .sample import box_words, sample_words, verdict_words
from .texts import SOFT, one_line, plain

STRIP = 9  # small pictures in the strip
_OTHER = REASONS[-1]
_KEYS = (
    "Keys, while the cursor is in the field beside Accept: a accept, 1 to 8 reject for that reason, n next, "
    "b back, u undo. On a sample that is rejected already, a number adds or removes a reason. For 8 write "
    "the reason and press Enter."
)

Act = Callable[[Callable[[], None]], bool]
_Key = tuple[str, str]


@dataclass
class Round:
    """What a reviewer goes through: `order` stays while the round and its candidate do; `todo` shrinks."""

    order: list[_Key]
    todo: list[_Key]

    @property
    def done(self) -> int:
        return len(self.order) - len(self.todo)

    def next_todo(self, position: int) -> int | None:
        """The next place behind `position` that still needs a look, else the first one, None if none does."""
        open_ = set(self.todo)
        places = [n for n, key in enumerate(self.order) if key in open_]
        return next((n for n in places if n > position), places[0] if places else None)


class Review(widgets.VBox):
    """The samples of a session's round, one at a time. `act` does an act and says whether it was possible."""

    def __init__(self, session: Session, pictures: Pictures, act: Act, say: Callable[[str], None]):
        self._session, self._pictures, self._act, self._say = session, pictures, act, say
        self._samples: dict[_Key, Shown] = {}
        self._phase: tuple[object, ...] = ()
        self.round, self.position = Round([], []), 0
        self._make_parts()
        self._connect()
        told = widgets.HTML(f"<p style='{SOFT}; line-height:1.4; margin:2px 0'>{plain(_KEYS)}</p>")
        super().__init__([self.place, self._actions(), self._sample(), self.strip, told])

    def _make_parts(self) -> None:
        self.place = widgets.HTML()
        self.words = widgets.HTML(layout=widgets.Layout(flex="1 1 250px", min_width="0"))
        self.picture = widgets.Image(format="jpeg", layout=widgets.Layout(width="100%", height="auto"))
        self.below = widgets.HTML()
        self.strip = widgets.Image(
            format="jpeg", width=SMALL * STRIP, height=SMALL, layout=widgets.Layout(max_width="100%")
        )
        self.accept = _button("A  Accept", "success", "96px")
        self.back, self.next = _button("B  Back", "", "70px"), _button("N  Next", "", "70px")
        self.undo = _button("U  Undo", "", "70px")
        self.reasons = [_button(f"✗ {n}  {reason}", "", "auto") for n, reason in enumerate(REASONS, start=1)]
        self.why = widgets.Textarea(  # Enter is a sign of its value: it comes with the words, not before them
            placeholder="in your own words; Enter rejects",
            rows=1,
            layout=widgets.Layout(width="auto", height="32px", flex="1 1 260px"),
        )
        numbers = {str(n): partial(self._reject, reason) for n, reason in enumerate(REASONS, start=1)}
        letters = {"a": self._accept, "b": self._back, "n": self._next, "u": self._undo}
        self.key_box = KeyBox(letters | numbers)
        self._field: widgets.DOMWidget = self.key_box  # where to go on after a click

    def _connect(self) -> None:
        buttons = {self.accept: self._accept, self.back: self._back, self.next: self._next,
                   self.undo: self._undo}
        for button, work in buttons.items():
            button.on_click(lambda _, work=work: self._clicked(work))
        for button, reason in zip(self.reasons, REASONS, strict=True):
            button.on_click(lambda _, reason=reason: self._clicked(partial(self._reject, reason)))
        self.why.observe(lambda change: self._written(change.new), "value")

    def _actions(self) -> widgets.Widget:
        first = [self.key_box, self.accept, self.next, self.back, self.undo]
        rows = [first, self.reasons, [self.why]]
        return widgets.VBox([widgets.HBox(row, layout=_wrapping()) for row in rows])

    def _sample(self) -> widgets.Widget:
        self.frame = widgets.VBox([self.picture, self.below])
        return widgets.HBox([self.frame, self.words], layout=widgets.Layout(grid_gap="18px"))

    @property
    def current(self) -> Shown | None:
        """The sample on the screen."""
        return self._samples[self.round.order[self.position]] if self.round.order else None

    @property
    def n_accepted(self) -> int:
        """How many of the samples looked at this reviewer accepted."""
        done = set(self.round.order) - set(self.round.todo)
        return sum(self._samples[key].verdict == "accept" for key in done)

    def take_in(self) -> None:
        """Take in what the session is now; a new phase of it starts at the first sample that needs a look."""
        session = self._session
        waiting = session.to_review()
        self._samples = {_key(one): one for one in (*session.samples, *waiting)}
        todo = [_key(one) for one in waiting]
        phase = (session.round, session.incumbent, session.candidate, session.who)
        if phase != self._phase or not set(todo) <= set(self.round.order):
            self.round = Round([*_looked_at(session.samples, todo), *todo], todo)
            self._phase, self.position = phase, self.round.next_todo(-1) or 0
        self.round.todo = todo

    def show(self) -> None:
        """Show the current sample, then the strip, which makes its neighbours ready."""
        shown, n = self.current, len(self.round.order)
        for button in (self.accept, self.next, self.back, *self.reasons):
            button.disabled = shown is None
        if shown is None:
            self.place.value, self.words.value, self.picture.layout.display = "No samples.", "", "none"
            return
        self.back.disabled, self.next.disabled = self.position == 0, self.position == n - 1
        self._mark_reasons(shown)
        self.place.value = self._place(shown, n)
        self.words.value = sample_words(shown, self._others(shown))
        self._show_picture(shown)
        self._show_strip()

    def _place(self, shown: Shown, n: int) -> str:
        left = len(self.round.todo)
        to_go = f"{left} to go" if left else "<b>all looked at</b>: go on with the next tab"
        marks = " · blinded" * bool(shown.label) + " · <b>reviewers disagree</b>" * shown.disputed
        name = plain(one_line(shown.question_type, 40))
        told = f"<b>{self.position + 1} of {n}</b> · {name}{marks} · {to_go}"
        return f"<div style='line-height:1.4'>{told}</div>"

    def _mark_reasons(self, shown: Shown) -> None:
        for button, reason in zip(self.reasons, REASONS, strict=True):
            button.button_style = "warning" if reason in shown.reasons else ""
            button.icon = "check" if reason in shown.reasons else ""
        self.accept.icon = "check" if shown.verdict == "accept" else ""
        self.why.value = shown.text

    def _others(self, shown: Shown) -> list[str]:
        """What other reviewers said of a sample: told only to who has looked at it, so as to sway nobody."""
        if not shown.verdict:
            return []
        acts = (act for act in self._session.reviews if (act.template_id, act.query_id) == _key(shown))
        return [f"{plain(act.who)}: {verdict_words(act.verdict, act.reasons, act.text)}" for act in acts
                if act.verdict and act.who != self._session.who]

    def _show_picture(self, shown: Shown) -> None:
        ready = self._pictures.ready(shown.query_id, shown.boxes, shown.width)
        self.below.value = plain(ready.missing) if ready.missing else box_words(shown)
        self.picture.layout.display = "none" if ready.missing else None
        self.frame.layout.flex = f"0 1 {ready.width or SIDE}px"
        if ready.data:
            self.picture.value = ready.data

    def _show_strip(self) -> None:
        first, order = self.position - STRIP // 2, self.round.order
        places = range(first, first + STRIP)
        around = [self._samples[order[n]] if 0 <= n < len(order) else None for n in places]
        marked = [(one.query_id, one.verdict) if one else None for one in around]
        self.strip.value = self._pictures.strip(marked, STRIP // 2)

    def _clicked(self, work: Callable[[], None]) -> None:
        """Do what a button says; the keys work again afterwards without a click into their field."""
        self._field = self.key_box
        work()
        self._field.focus()

    def _written(self, text: str) -> None:
        if text.endswith("\n") and text.strip():
            self._clicked(partial(self._reject, _OTHER))

    def _accept(self) -> None:
        self._judge("accept", ())

    def _reject(self, reason: str) -> None:
        shown = self.current
        if shown is None:
            return
        if reason == _OTHER and not self.why.value.strip():
            self._field = self.why
            self.why.focus()
            self._say("Write the reason, then press Enter.")
            return
        again = shown.verdict == "reject" and _key(shown) not in self.round.todo
        reasons = _toggled(shown.reasons, reason) if again else (reason,)
        self._judge("reject", reasons, stay=again)

    def _judge(self, verdict: str, reasons: Sequence[str], stay: bool = False) -> None:
        shown, text = self.current, " ".join(self.why.value.split())
        if shown is None:
            return
        phase = self._phase
        if self._act(partial(self._session.review, *_key(shown), verdict, reasons, text)):
            here = stay or self._phase != phase  # in a new phase, the first sample of it is the next
            following = None if here else self.round.next_todo(self.position)
            self._go(self.position if following is None else following)

    def _undo(self) -> None:
        before = self._session.reviews
        if self._act(self._session.undo):
            after = set(map(id, self._session.reviews))
            gone = [(act.template_id, act.query_id) for act in before
                    if id(act) not in after and act.who == self._session.who]
            places = [self.round.order.index(key) for key in gone if key in self.round.order]
            self._go(places[0] if places else self.position)

    def _back(self) -> None:
        self._go(self.position - 1)

    def _next(self) -> None:
        self._go(self.position + 1)

    def _go(self, position: int) -> None:
        self.position = max(0, min(position, len(self.round.order) - 1))
        self.show()


def _key(shown: Shown) -> _Key:
    return shown.template_id, shown.query_id


def _looked_at(samples: Sequence[Shown], todo: Sequence[_Key]) -> list[_Key]:
    """The samples that this reviewer is done with; one that two templates share is there once."""
    looked_at = [one for one in reversed(samples) if one.verdict]
    done = {(one.query_id, repr(one.draft or one.reply)): _key(one) for one in looked_at}
    return [key for key in reversed(done.values()) if key not in todo]


def _toggled(reasons: Sequence[str], reason: str) -> tuple[str, ...]:
    """The reasons with one more, or without it where it is among others."""
    if reason not in reasons:
        return (*reasons, reason)
    return tuple(one for one in reasons if one != reason) or (reason,)


def _button(text: str, style: str, width: str) -> widgets.Button:
    return widgets.Button(description=text, button_style=style,
                          layout=widgets.Layout(width=width, padding="0 7px", margin="1px"))


def _wrapping() -> widgets.Layout:
    return widgets.Layout(flex_flow="row wrap", align_items="center")
