"""Requests and tokens per minute: as fast as the provider allows, and never faster in any minute.

Three brakes hold together. What went out in the last minute stays within the limit; what goes out is spread
evenly, for providers count shorter spans too; and the provider's own word on what is left is believed. A 429
makes all wait, and fewer be under way at a time, until replies come again.
"""

import asyncio
import math
import random
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from ..errors import KitError

STRETCH = 1.025  # a minute here against the provider's: requests of one pace can arrive closer together
_UNITS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_LEARNED = 20  # replies, before the estimates of tokens are trusted to be too high


class TooLarge(KitError):
    """One request needs more tokens than a minute has."""


class Closed(Exception):
    """The run is over: nobody may go any more."""


@dataclass(eq=False)
class Permit:
    """The right to send one request; it counts from when it was given until a minute after it was used."""

    estimate: int  # tokens, as told by the caller
    tokens: float  # as counted
    sent: float | None = None
    counts: bool = True


@dataclass(eq=False)
class _Rate:
    """One limit: so many in any window. `given` by the user, `learned` from headers; the lower one holds."""

    name: str
    amount_of: Callable[[Permit], float]
    given: float | None
    window_s: float
    learned: float | None = None
    out: "deque[Permit]" = field(default_factory=deque)
    total: float = 0.0
    free_at: float = -math.inf  # when the next one may go to keep the pace
    left: float | None = None  # by the provider's word, less what was let go since
    left_at: float = 0.0
    reset_at: float = 0.0

    @property
    def limit(self) -> float | None:
        known = [limit for limit in (self.given, self.learned) if limit is not None]
        return min(known, default=None)

    @property
    def period_s(self) -> float:
        return self.window_s * STRETCH

    def delay(self, amount: float, now: float) -> float:
        """Seconds until so much more may go; inf: not before a request that is let go was sent."""
        limit = self.limit
        if limit is None:
            return 0.0
        return max(0.0, self.free_at - now, self._until_it_fits(amount - limit, now),
                   self._until_they_say(amount, limit, now))

    def admit(self, permit: Permit, now: float) -> None:
        amount = self.amount_of(permit)
        self.out.append(permit)
        self.total += amount
        if self.limit is not None:
            slack = self.window_s / 60  # what a late timer has cost may be made up for
            self.free_at = max(self.free_at, now - slack) + amount * self.period_s / self.limit
        if self.left is not None:
            self.left -= amount

    def correct(self, amount: float) -> None:
        """A reply told that it used so much more (less: negative) than was counted."""
        self.total += amount
        if self.limit is not None:
            self.free_at += amount * self.period_s / self.limit

    def told(self, limit: float, left: float | None, reset_s: float | None, now: float) -> None:
        """The provider's headers."""
        self.learned = limit
        if left is not None:
            self.left, self.left_at = left, now
            self.reset_at = now + (self.window_s if reset_s is None else reset_s)

    def forget(self, now: float) -> None:
        """Let go of what was sent longer than a minute ago."""
        while self.out and self.out[0].sent is not None and self.out[0].sent <= now - self.period_s:
            permit = self.out.popleft()
            permit.counts = False
            self.total -= self.amount_of(permit)
        if not self.out:
            self.total = 0.0

    def _until_it_fits(self, room: float, now: float) -> float:
        over = self.total + room
        if over <= 1e-9:
            return 0.0
        for permit in self.out:
            over -= self.amount_of(permit)
            if permit.sent is None:
                return math.inf
            if over <= 1e-9:
                return permit.sent + self.period_s - now
        return math.inf

    def _until_they_say(self, amount: float, limit: float, now: float) -> float:
        if self.left is None:
            return 0.0
        missing = amount - self.left - (now - self.left_at) * limit / self.window_s
        return min(missing * self.window_s / limit, self.reset_at - now)


class Limiter:
    """Counts requests and tokens per minute and learns the limits that it was not given from headers.

    `delay` says how long to wait, `admit` counts a request, `sent` stamps it, `leave` ends it with the tokens
    that it used. `concurrency` is how many are under way in good times. A provider whose limits hold for
    other spans than a minute has them in `window_s`; given limits are per minute all the same, those in
    headers per window. `clock` gives seconds.
    """

    def __init__(self, requests_per_minute: float | None = None, tokens_per_minute: float | None = None, *,
                 concurrency: int = 16, pause_s: float = 1.0, window_s: float = 60.0,
                 clock: Callable[[], float] = time.monotonic):
        for name, limit in (("requests_per_minute", requests_per_minute),
                            ("tokens_per_minute", tokens_per_minute), ("limit_window_s", window_s)):
            if limit is not None and not limit > 0:
                raise KitError(f"{name} is {limit!r}; expected a number over 0, or none: it is learned")
        self.clock, self.window_s = clock, window_s
        share = window_s / 60
        self._requests = _Rate("requests", lambda permit: 1, _times(requests_per_minute, share), window_s)
        tokens = _times(tokens_per_minute, share)
        self._tokens = _Rate("tokens", lambda permit: permit.tokens, tokens, window_s)
        self._concurrency, self._pause_s = concurrency, pause_s
        self._room, self._under_way = math.inf, 0
        self._paused_until, self._refusals, self._cut_at = -math.inf, 0, -math.inf
        self._shares: deque[float] = deque(maxlen=200)  # used over estimated, of the last replies
        self.waited_s, self.refused_n = 0.0, 0

    @property
    def limits(self) -> tuple[float | None, float | None]:
        """Requests and tokens per window, as far as they are known."""
        return self._requests.limit, self._tokens.limit

    def delay(self, tokens: int) -> float:
        """Seconds until a request of up to so many tokens may go; inf: not before another was sent or ended.

        `TooLarge` for one that no minute has room for.
        """
        now, amount = self.clock(), self._expected(tokens)
        for rate in (self._requests, self._tokens):
            rate.forget(now)
        if self._tokens.limit is not None and amount > self._tokens.limit:
            raise TooLarge(f"a request of up to {tokens:,} tokens is over the {self._tokens.limit:,.0f} that "
                           "may be sent at once; lower max_fact_tokens or max_tokens (teacher_options)")
        if self._under_way >= self._room:
            return math.inf
        waits = (self._requests.delay(1, now), self._tokens.delay(amount, now))
        return max(self.pause_left_s(), *waits)

    def pause_left_s(self) -> float:
        """How long (seconds) nothing may be sent after a refusal, not even what was let go before it."""
        return max(0.0, self._paused_until - self.clock())

    def admit(self, tokens: int) -> Permit:
        """Count a request that may go now; it has to be `sent` and to `leave`, or only to `leave`."""
        permit, now = Permit(tokens, self._expected(tokens)), self.clock()
        for rate in (self._requests, self._tokens):
            rate.admit(permit, now)
        self._under_way += 1
        return permit

    def sent(self, permit: Permit) -> None:
        """The request goes out now."""
        permit.sent = self.clock()

    def leave(self, permit: Permit, used: int | None = None) -> None:
        """The request has ended, with so many tokens used (None: nobody knows)."""
        self._under_way -= 1
        if permit.sent is None:
            permit.sent = self.clock()
            self._correct(permit, 0)
        elif used is not None:
            self._shares.append(used / max(permit.estimate, 1))
            self._correct(permit, used)

    def learn(self, headers: Mapping[str, str]) -> None:
        """Take limits and what is left of them from a reply's headers."""
        now = self.clock()
        for rate in (self._requests, self._tokens):
            limit = _number(headers.get(f"x-ratelimit-limit-{rate.name}"))
            if limit:
                left = _number(headers.get(f"x-ratelimit-remaining-{rate.name}"))
                rate.told(limit, left, seconds(headers.get(f"x-ratelimit-reset-{rate.name}")), now)

    def succeeded(self) -> None:
        """A reply came: after refusals, a little more may be under way again."""
        self._refusals = 0
        self._room += 1 / self._room
        if self._room >= self._concurrency:
            self._room = math.inf

    def refused(self, permit: Permit, headers: Mapping[str, str]) -> float:
        """A 429: all wait as long as the headers say, else longer with every refusal. Returns that (seconds).

        Of requests that were under way together, only the first one's refusal halves how many may be.
        """
        now = self.clock()
        self.learn(headers)
        self.refused_n += 1
        if permit.sent is not None and permit.sent > self._cut_at:
            self._room, self._cut_at = max(1.0, self._under_way // 2), now
            self._refusals += 1
        told = retry_after(headers)
        grown = self._pause_s * 2 ** (max(self._refusals, 1) - 1) * random.uniform(0.75, 1.25)
        wait = min(grown, self.window_s) if told is None else told
        self._paused_until = max(self._paused_until, now + wait)
        return wait

    def _expected(self, tokens: int) -> float:
        """Estimates lie above what is used; after some replies the largest share of the last ones counts."""
        if len(self._shares) < _LEARNED:
            return tokens
        return tokens * min(1.0, max(self._shares) * 1.05)

    def _correct(self, permit: Permit, used: int) -> None:
        if permit.counts:
            more, permit.tokens = used - permit.tokens, used
            self._tokens.correct(more)


class Gate:
    """A limiter's door in one event loop: requests go through in the order in which they came."""

    def __init__(self, limiter: Limiter):
        self._limiter, self._closed = limiter, False
        self._turn, self._changed = asyncio.Lock(), asyncio.Event()

    async def enter(self, tokens: int) -> Permit:
        """Wait until a request of up to so many tokens may go. `Closed` once the run is over."""
        async with self._turn:
            start = self._limiter.clock()
            while not self._closed and (wait := self._limiter.delay(tokens)) > 0:
                self._changed.clear()
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), None if math.isinf(wait) else wait)
            self._limiter.waited_s += self._limiter.clock() - start
            if self._closed:
                raise Closed
            return self._limiter.admit(tokens)

    def changed(self) -> None:
        """Something was sent, has ended or was learned: who waits may look again."""
        self._changed.set()

    def close(self) -> None:
        """Turn everybody away from now on."""
        self._closed = True
        self._changed.set()


def seconds(text: str | None) -> float | None:
    """The seconds of a header such as "6m0s", "12ms", "1.5" or "7.66s"; None for anything else."""
    if text is None:
        return None
    plain = _number(text)
    if plain is not None:
        return plain
    parts = _PART.findall(text)
    return sum(float(n) * _UNITS[unit] for n, unit in parts) if _PART.sub("", text) == "" and parts else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """How long a server asks to wait (seconds); None where it does not say."""
    milliseconds = _number(headers.get("retry-after-ms"))
    return seconds(headers.get("retry-after")) if milliseconds is None else milliseconds / 1000


def _number(text: str | None) -> float | None:
    """A header's number; some providers say -1 for one that they do not know."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < math.inf else None


def _times(limit: float | None, share: float) -> float | None:
    return None if limit is None else max(1.0, limit * share)
