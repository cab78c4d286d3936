"""What acts take: seconds by the clock, and US dollars by the teacher's own count."""

import time
from typing import NamedTuple

from ..teachers import Teacher
from .measures import Cost


class Moment(NamedTuple):
    """A moment by the clock (s), and what the teacher had spent by then (USD)."""

    seconds: float
    usd: float


class Meter:
    """Measures what the teacher spends; one without `totals` costs nothing."""

    def __init__(self, teacher: Teacher):
        self._teacher, self._fresh = teacher, False

    def now(self) -> Moment:
        """The moment to measure from."""
        totals, ask_all = (getattr(self._teacher, name, None) for name in ("totals", "ask_all"))
        if ask_all and not self._fresh:
            ask_all([])  # it counts what is in its ledger when it is first asked
            self._fresh = True
        return Moment(time.perf_counter(), totals().usd if totals else 0.0)

    def since(self, start: Moment, requests: int = 0) -> Cost:
        """What was spent since that moment, with so many requests."""
        end = self.now()
        return Cost(max(0.0, round(end.usd - start.usd, 9)), requests, round(end.seconds - start.seconds, 3))
