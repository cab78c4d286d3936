"""What changes while a reader looks on: a line that is written over, figures drawn again, the loop's bar.

Of each, its last state is all that an executed page keeps.
"""

import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from statistics import linear_regression
from typing import Any, TextIO

from tqdm import tqdm

_WIDTH = 30  # of "iter_00 04_prompt_optimization"
Place = tuple[str, int]
"""A notebook of the loop: its name, and the number of its iteration."""


class LiveLine:
    """A text file for tqdm: in a notebook one output that changes in place, elsewhere the terminal.

    A bar on stderr leaves a red block with a line for every time it was drawn on a page that papermill ran.
    """

    encoding = "utf-8"

    def __init__(self) -> None:
        self._handle: Any = None
        self._in_notebook = in_notebook()

    def write(self, text: str) -> int:
        """Show the text in place of what was there; the carriage returns and colours of a terminal go."""
        if not self._in_notebook:
            return sys.stderr.write(text)
        line = text.replace("\r", "").replace("\x1b[A", "").strip()
        if line:
            self._show(line)
        return len(text)

    def flush(self) -> None:
        """Nothing waits to be shown in a notebook."""
        if not self._in_notebook:
            sys.stderr.flush()

    def isatty(self) -> bool:
        """Whether somebody may be looking: always in a notebook."""
        return self._in_notebook or sys.stderr.isatty()

    def _show(self, line: str) -> None:
        from IPython.display import display

        shown = {"text/plain": line}
        if self._handle is None:
            self._handle = display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)


class Redrawn:
    """Figures and tables that are drawn again in their place: who looks at the notebook sees them change.

    Each of `draws` makes, of what the object is called with, something that a notebook shows. The first call
    shows all of them, one below the other; every later call replaces them.
    """

    def __init__(self, *draws: Callable[..., Any]) -> None:
        self._draws = draws
        self._handles: list[Any] = []

    def __call__(self, *given: Any, **more: Any) -> None:
        from IPython.display import display

        shown = [draw(*given, **more) for draw in self._draws]
        if not self._handles:
            self._handles = [display(one, display_id=True) for one in shown]
            return
        for handle, one in zip(self._handles, shown, strict=True):
            handle.update(one)


class Pace:
    """How long notebooks take, told from those of the same name in earlier iterations."""

    def __init__(self) -> None:
        self._seconds: dict[str, dict[int, float]] = defaultdict(dict)

    def note(self, place: Place, seconds: float) -> None:
        """What a notebook took."""
        name, number = place
        self._seconds[name][number] = seconds

    def expected(self, place: Place) -> float | None:
        """The seconds to expect of a notebook; None where none of its name is known.

        From two earlier iterations on, a straight line through them: a training that takes the samples of
        all rounds grows with each. Never less than the shortest so far.
        """
        name, number = place
        known = self._seconds.get(name)
        if not known:
            return None
        if len(known) == 1:
            return next(iter(known.values()))
        slope, start = linear_regression(list(known), list(known.values()))
        return max(start + slope * number, min(known.values()))

    def left(self, places: Sequence[Place], begun_s: float = 0.0) -> float | None:
        """The seconds that these notebooks will take, of which the first began `begun_s` seconds ago; None
        while one of them is unknown.
        """
        each = [self.expected(place) for place in places]
        known = [seconds for seconds in each if seconds is not None]
        if len(known) < len(each):
            return None
        return sum(known) - min(begun_s, known[0]) if known else 0.0


class LoopBar:
    """One bar over all notebooks of a loop: which one is at work, how many are done, the time left.

    It moves every second, in a notebook or in a terminal; where nobody looks (a log file) it is not drawn.
    """

    def __init__(self, places: Sequence[Place]) -> None:
        self._left, self._pace, self._began = list(places), Pace(), time.monotonic()
        bar = "{bar:30}" if in_notebook() else "{bar}"  # a terminal gives it the room that is left
        self._bar = tqdm(
            total=len(places),
            desc="what is done already",
            file=live_line(),
            disable=None,
            leave=False,
            bar_format=f"{{desc}} |{bar}| {{n_fmt}} of {{total_fmt}} notebooks, {{elapsed}}{{postfix}}",
        )
        self._ended = threading.Event()
        self._ticking = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> "LoopBar":
        if not self._bar.disable:
            self._ticking.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._ended.set()
        if not self._bar.disable:
            self._ticking.join()
        if kind is None:
            self._bar.set_description_str(f"{'done':<{_WIDTH}}", refresh=False)
        self._bar.set_postfix_str("stopped" if kind else "", refresh=True)
        self._bar.close()

    def begin(self, title: str) -> None:
        """The next notebook is at work now."""
        self._began = time.monotonic()
        self._bar.set_description_str(f"{title:<{_WIDTH}}", refresh=False)
        self._draw()

    def end(self, seconds: float | None) -> None:
        """The next notebook is done, now or since an earlier run, and took that long (None: not known)."""
        place = self._left.pop(0)
        if seconds is not None:
            self._pace.note(place, seconds)
        self._bar.update()

    def write(self, line: str) -> None:
        """A line on stdout, beside the bar."""
        tqdm.write(line, file=sys.stdout)

    def _tick(self) -> None:
        while not self._ended.wait(1.0):
            self._draw()

    def _draw(self) -> None:
        left = self._pace.left(self._left, time.monotonic() - self._began)
        known = left is not None and self._left
        told = f"about {tqdm.format_interval(round(left))} left" if known else ""
        self._bar.set_postfix_str(told, refresh=True)


def live_line() -> LiveLine | TextIO:
    """Where a bar is drawn: a line of the page, or the terminal."""
    return LiveLine() if in_notebook() else sys.stderr


def in_notebook() -> bool:
    """Whether this process is a notebook's kernel."""
    module = sys.modules.get("ipykernel.kernelapp")
    return module is not None and module.IPKernelApp.initialized()
