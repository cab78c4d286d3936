"""The panel of notebook 04: review, revision, comparison and history of a prompt session.

Views only: what is right, what is decided when nobody clicks and what is written is the session's, and the
panel opens where the session is. It uses nothing but ipywidgets.
"""

from collections.abc import Callable

import ipywidgets as widgets

from ..errors import KitError
from ..ipo import PERSON, Session
from .bar import Bar
from .comparison import Compare
from .history import History
from .pictures import OpenPicture, Pictures
from .review import Review
from .revision import Revision
from .texts import plain

TABS = ("1 Review", "2 Revise", "3 Compare", "History")
REVIEW, REVISE, COMPARE, HISTORY = range(4)


class PromptPanel(widgets.VBox):
    """A prompt session to click through. `open_picture(query_id)` gives the picture of a probe query."""

    def __init__(self, session: Session, open_picture: OpenPicture):
        self.session = session
        if session.who == PERSON:
            session.who = _last_reviewer(session)
        self.message = widgets.HTML()
        self.bar = Bar(session, self._named)
        self.review = Review(session, Pictures(open_picture), self._act, self._say)
        self.revision = Revision(session, self._act, self._say, self._tried)
        self.comparison = Compare(session, self._decide, lambda: self._open(REVIEW))
        self.history = History(session)
        self.tabs = widgets.Tab([self.review, self.revision, self.comparison, self.history], titles=TABS)
        self._take_in()
        self.tabs.selected_index = self._where()
        self._show()
        self.tabs.observe(lambda _: self._turned(), "selected_index")
        super().__init__([self.bar, self.message, self.tabs], layout=widgets.Layout(max_width="1040px"))

    def __repr__(self) -> str:
        session = self.session
        return (f"<PromptPanel: round {session.round}, {len(session.reviews)} reviews, "
                f"{len(session.history())} templates; in use {session.incumbent.id}>")

    def _where(self) -> int:
        """The tab that the session's last acts lead to."""
        session = self.session
        if session.stopped:
            return HISTORY
        if self.review.round.todo:
            return REVIEW
        return COMPARE if session.candidate else REVISE

    def _act(self, work: Callable[[], None]) -> bool:
        """Do an act; where it is not possible the panel says why."""
        problem = ""
        try:
            work()
        except KitError as error:
            problem = str(error)
        self._take_in()
        self._say(problem)
        return not problem

    def _decide(self, work: Callable[[], None]) -> bool:
        before = self.session.round
        done = self._act(work)
        if done and self.session.round > before:
            self._say(f"Round {before} is decided. Go on with another round, or stop.")
        return done

    def _take_in(self) -> None:
        self.review.take_in()
        self.bar.show(self.review.round.done, len(self.review.round.order), self.review.n_accepted)

    def _say(self, text: str) -> None:
        style = "border-left:3px solid #B34E00; padding-left:8px; line-height:1.4"
        self.message.value = f"<div style='{style}'>{plain(text)}</div>" if text else ""

    def _named(self, who: str) -> None:
        self.session.who = self.bar.who.value = who.strip() or PERSON
        self._take_in()
        self._show()

    def _tried(self) -> None:
        self._open(REVIEW if self.review.round.todo else COMPARE)
        self.review.key_box.focus()

    def _open(self, tab: int) -> None:
        if tab == self.tabs.selected_index:
            self._show()
        self.tabs.selected_index = tab

    def _turned(self) -> None:
        """Another tab is open: others may have written to the journal meanwhile."""
        self._act(self.session.refresh)
        self._show()

    def _show(self) -> None:
        self.tabs.children[self.tabs.selected_index].show()


def _last_reviewer(session: Session) -> str:
    """Who reviewed last, for a session opened without a name: after a restart the panel is theirs again."""
    people = [act.who for act in session.reviews if not act.who.startswith("policy ")]
    return people[-1] if people else session.who
