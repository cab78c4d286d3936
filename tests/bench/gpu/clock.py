"""The time that is left: a part that would not end in it is not begun."""

import time
from dataclasses import dataclass, field


@dataclass
class Clock:
    """A budget of seconds from its making; `share` gives a part of what is left as a clock of its own."""

    seconds: float
    _start: float = field(default_factory=time.monotonic)

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    @property
    def left(self) -> float:
        """Seconds to the end."""
        return self.seconds - self.spent

    def share(self, part: float) -> "Clock":
        """A clock over that share of the rest."""
        return Clock(part * self.left)

    def refusal(self, expected: float) -> str:
        """Why something that takes so many seconds is not begun; "" when it is."""
        if expected <= self.left:
            return ""
        return f"skipped: about {expected:.0f} s needed, {max(0.0, self.left):.0f} s left"
