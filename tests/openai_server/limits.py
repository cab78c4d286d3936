"""Requests and tokens per minute as a provider counts them: over a sliding window, refused beyond it."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Window:
    """At most `limit` in any `window_s` seconds; None: no limit."""

    limit: int | None
    window_s: float
    taken: deque[tuple[float, int]] = field(default_factory=deque)
    total: int = 0

    def wait(self, amount: int, now: float) -> float:
        """Seconds until `amount` more fits; 0: it fits now. Nothing is taken yet."""
        while self.taken and self.taken[0][0] <= now - self.window_s:
            self.total -= self.taken.popleft()[1]
        if self.limit is None or self.total + amount <= self.limit:
            return 0.0
        over = self.total + amount - self.limit
        for time, part in self.taken:
            over -= part
            if over <= 0:
                return time + self.window_s - now
        return self.window_s

    def take(self, amount: int, now: float) -> None:
        """Count `amount` from now on."""
        self.taken.append((now, amount))
        self.total += amount

    def left(self) -> int:
        """How much fits at the moment."""
        return max(0, (self.limit or 0) - self.total)

    def reset_s(self, now: float) -> float:
        """Seconds until all that was taken is forgotten."""
        return max(0.0, self.taken[-1][0] + self.window_s - now) if self.taken else 0.0


def headers(requests: Window, tokens: Window, now: float) -> dict[str, str]:
    """What OpenAI calls its rate limit headers, for the limits that there are."""
    made = {}
    for name, window in (("requests", requests), ("tokens", tokens)):
        if window.limit is not None:
            made[f"x-ratelimit-limit-{name}"] = str(window.limit)
            made[f"x-ratelimit-remaining-{name}"] = str(window.left())
            made[f"x-ratelimit-reset-{name}"] = duration(window.reset_s(now))
    return made


def duration(seconds: float) -> str:
    """As in "6m0s", "1.5s" and "120ms"."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}m{round(rest, 3):g}s" if minutes else f"{round(rest, 3):g}s"


def peak(times: Sequence[float], amounts: Sequence[int], window_s: float) -> int:
    """The most that fell into any window of so many seconds; `times` are in order."""
    most = inside = first = 0
    for time, amount in zip(times, amounts, strict=True):
        inside += amount
        while times[first] <= time - window_s:
            inside -= amounts[first]
            first += 1
        most = max(most, inside)
    return most
