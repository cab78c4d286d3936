"""The limiter on a clock of its own: never over a limit in any minute, hardly under it, patient when refused.
"""

import asyncio
import heapq
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataengine_utils.errors import KitError
from dataengine_utils.teachers.limiter import Closed, Gate, Limiter, TooLarge, retry_after, seconds


class Clock:
    """Time that passes only when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class World:
    """Requests go out as soon as the limiter lets them, and end after a latency with the tokens they used."""

    def __init__(self, limiter, clock, latency=lambda: 0.2, used=lambda: 600, estimate=1500, concurrency=64):
        self.limiter, self.clock, self.concurrency = limiter, clock, concurrency
        self.latency, self.used, self.estimate = latency, used, estimate
        self.out, self.sent, self.n = [], [], 0  # under way, and (time, tokens used) of all

    def run(self, n, respond=lambda world, permit, used: None, until=math.inf):
        while self.n < n and self.clock.now < until:
            wait = self.limiter.delay(self.estimate) if len(self.out) < self.concurrency else math.inf
            if wait > 0 and self.out and self.out[0][0] <= self.clock.now + wait:
                self._end(respond)
            elif wait > 0:
                assert wait < math.inf, "nothing is under way, so something must be allowed some time"
                self.clock.now += wait
            else:
                self._send()
        while self.out:
            self._end(respond)

    def _send(self):
        permit, used = self.limiter.admit(self.estimate), self.used()
        self.limiter.sent(permit)
        self.n += 1
        self.sent.append((self.clock.now, used))
        heapq.heappush(self.out, (self.clock.now + self.latency(), self.n, permit, used))

    def _end(self, respond):
        at, _, permit, used = heapq.heappop(self.out)
        self.clock.now = max(self.clock.now, at)
        if respond(self, permit, used) is not False:
            self.limiter.leave(permit, used)
            self.limiter.succeeded()

    def most(self, amount=lambda used: 1, span=60.0):
        """The most in any minute: counted from every sending on."""
        sums, first, most = 0, 0, 0
        for time, used in self.sent:
            sums += amount(used)
            while self.sent[first][0] <= time - span:
                sums -= amount(self.sent[first][1])
                first += 1
            most = max(most, sums)
        return most

    def per_minute(self, amount=lambda used: 1):
        """The rate from the first sending to the last."""
        times = [time for time, _ in self.sent]
        return sum(amount(used) for _, used in self.sent[:-1]) / (times[-1] - times[0]) * 60


def world(requests=None, tokens=None, window_s=60.0, **options):
    clock = Clock()
    limiter = Limiter(requests, tokens, concurrency=64, window_s=window_s, clock=clock)
    return World(limiter, clock, **options)


@pytest.mark.parametrize("limit", [3, 60, 600, 5000])
def test_requests_per_minute_are_reached_and_never_passed(limit):
    w = world(requests=limit)
    w.run(limit * 4)
    assert w.most() <= limit
    assert w.per_minute() >= 0.95 * limit


@pytest.mark.parametrize("limit", [60_000, 150_000, 1_000_000])
def test_tokens_per_minute_are_reached_and_never_passed(limit):
    rng = random.Random(0)
    w = world(tokens=limit, used=lambda: rng.randint(500, 700), latency=lambda: rng.uniform(0.1, 0.3))
    w.run(limit * 6 // 600)
    assert w.most(lambda used: used) <= limit
    assert w.per_minute(lambda used: used) >= 0.95 * limit


@settings(max_examples=60, deadline=None)
@given(requests=st.none() | st.integers(1, 400), tokens=st.none() | st.integers(2000, 300_000),
       latency=st.floats(0.0, 30.0), seed=st.integers(0, 99))
def test_no_minute_has_more_than_either_limit(requests, tokens, latency, seed):
    rng = random.Random(seed)
    w = world(requests, tokens, latency=lambda: rng.uniform(0, latency), used=lambda: rng.randint(1, 1500))
    w.run(400)
    assert w.n == 400
    assert requests is None or w.most() <= requests
    assert tokens is None or w.most(lambda used: used) <= tokens


def test_the_pace_is_even_for_providers_that_count_seconds():
    w = world(requests=600)
    w.run(600)
    assert w.most(span=1.0) <= 21, "ten a second, and one second's worth that was saved up"


class Provider:
    """Counts over a sliding minute as OpenAI's headers tell it, and refuses what is too much."""

    def __init__(self, requests, tokens, told=True, retry_after=True):
        self.limits, self.told, self.retry_after = (requests, tokens), told, retry_after
        self.taken, self.refused = [], []

    def __call__(self, world, permit, used):
        now = permit.sent
        self.taken = [(time, tokens) for time, tokens in self.taken if time > now - 60]
        sums = len(self.taken) + 1, sum(tokens for _, tokens in self.taken) + used
        over = any(total > limit for total, limit in zip(sums, self.limits, strict=True))
        if not over:
            self.taken.append((now, used))
        if self.told and not over:
            world.limiter.learn(self.headers())
        if over:
            self.refused.append(now)
            wait = self.taken[0][0] + 60 - now
            headers = {"retry-after": f"{wait:.3f}"} if self.retry_after else {}
            world.limiter.refused(permit, headers | (self.headers() if self.told else {}))
            world.limiter.leave(permit, 0)
            return False
        return None

    def headers(self):
        left = self.limits[0] - len(self.taken), self.limits[1] - sum(tokens for _, tokens in self.taken)
        told = {}
        for name, limit, amount in zip(("requests", "tokens"), self.limits, left, strict=True):
            told[f"x-ratelimit-limit-{name}"] = str(limit)
            told[f"x-ratelimit-remaining-{name}"] = str(amount)
            told[f"x-ratelimit-reset-{name}"] = "1m0s"
        return told


def test_limits_are_learned_from_headers():
    w, provider = world(latency=lambda: 1.0), Provider(600, 10**7)
    w.run(2400, provider)
    assert w.limiter.limits == (600, 10**7)
    assert not provider.refused
    assert len(w.sent) / (w.sent[-1][0] - w.sent[0][0]) * 60 >= 0.95 * 600


def test_a_limit_given_by_the_user_stays_the_upper_one():
    w = world(requests=300)
    w.run(900, Provider(600, 10**7))
    assert w.limiter.limits[0] == 300 and w.most() <= 300


def test_what_others_use_of_the_same_limit_is_seen_in_the_headers():
    w = world(requests=600)
    w.run(10)
    told = {"x-ratelimit-limit-requests": "600", "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": "45s"}
    w.limiter.learn(told)
    assert w.limiter.delay(1) == pytest.approx(0.1), "one is free again after a tenth of a second"
    w.limiter.learn({**told, "x-ratelimit-reset-requests": "50ms"})
    assert w.limiter.delay(1) <= 0.1


@pytest.mark.parametrize("retry_after", [True, False])
def test_refusals_without_limits_told_are_waited_out(retry_after):
    w = world(latency=lambda: 0.5)
    provider = Provider(60, 10**7, told=False, retry_after=retry_after)
    w.run(200, provider, until=w.clock.now + 3600)
    served = w.n - len(provider.refused)
    assert len(provider.refused) < 0.75 * w.n and served >= 40
    late = [time for time in provider.refused if time > 1060]
    assert len(late) < len(provider.refused) / 2, "fewer are under way at a time after refusals"


def test_a_refusal_makes_all_wait_as_long_as_it_says():
    w = world()
    for name, value, wait in (("retry-after-ms", "1500", 1.5), ("retry-after", "20", 20.0)):
        permit = w.limiter.admit(10)
        w.limiter.sent(permit)
        assert w.limiter.refused(permit, {name: value}) == wait
        w.limiter.leave(permit, 0)
        assert w.limiter.delay(10) == pytest.approx(wait)
        w.clock.now += wait
        assert w.limiter.delay(10) == 0


def test_pauses_grow_with_refusals_and_shrink_with_the_first_reply():
    w, waits = world(), []
    for _ in range(12):
        permit = w.limiter.admit(10)
        w.clock.now += 0.01
        w.limiter.sent(permit)
        waits.append(w.limiter.refused(permit, {}))
        w.limiter.leave(permit, 0)
        w.clock.now += waits[-1]
    assert 0.75 <= waits[0] <= 1.25 and waits[3] >= 6 and max(waits) <= 60
    w.limiter.succeeded()
    permit = w.limiter.admit(10)
    w.limiter.sent(permit)
    assert w.limiter.refused(permit, {}) <= 1.25


def test_one_refusal_of_many_under_way_halves_how_many_may_be():
    w = world()
    permits = [w.limiter.admit(10) for _ in range(64)]
    for permit in permits:
        w.limiter.sent(permit)
    w.clock.now += 0.2
    for permit in permits:
        w.limiter.refused(permit, {"retry-after": "0"})
    for permit in permits:
        w.limiter.leave(permit, 0)
    allowed = 0
    while allowed < 64 and w.limiter.delay(10) == 0:
        w.limiter.sent(w.limiter.admit(10))
        allowed += 1
    assert allowed == 32
    assert w.limiter.delay(10) == math.inf
    for _ in range(64 * 64):
        w.limiter.succeeded()
    assert w.limiter.delay(10) == 0, "replies give it back"


def test_a_request_over_the_limit_of_a_minute_is_told():
    w = world(tokens=1000)
    with pytest.raises(TooLarge, match="1,500 tokens is over the 1,000"):
        w.limiter.delay(1500)
    assert w.limiter.delay(1000) == 0


def test_a_permit_that_is_never_used_gives_its_tokens_back():
    w = world(tokens=2000)
    permit = w.limiter.admit(1500)
    assert w.limiter.delay(1500) == math.inf
    w.limiter.leave(permit)
    assert w.limiter.delay(1500) < 60


def test_windows_other_than_a_minute_have_their_share_of_the_limits():
    w = world(requests=600, window_s=6.0)
    assert w.limiter.limits[0] == 60
    w.run(600)
    assert w.most(span=6.0) <= 60 and w.per_minute() >= 0.95 * 600


@pytest.mark.parametrize(
    ("text", "value"),
    [("6m0s", 360), ("12ms", 0.012), ("1.5s", 1.5), ("1h2m3s", 3723), ("7", 7), ("0", 0), ("1d", 86400),
     ("", None), ("soon", None), ("6m0", None), ("-1", None), (None, None), ("nan", None)],
)  # fmt: skip
def test_durations_of_headers(text, value):
    assert seconds(text) == value


def test_odd_headers_teach_nothing():
    limiter = Limiter()
    for value in ("-1", "0", "unlimited", "nan", "inf"):
        limiter.learn({"x-ratelimit-limit-requests": value, "x-ratelimit-remaining-requests": "0"})
    assert limiter.limits == (None, None) and limiter.delay(10**9) == 0
    assert retry_after({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}) is None


@pytest.mark.parametrize("options", [{"requests_per_minute": 0}, {"tokens_per_minute": -1}, {"window_s": 0}])
def test_limits_that_allow_nothing_are_refused(options):
    with pytest.raises(KitError, match="expected a number over 0"):
        Limiter(**options)


def test_the_gate_lets_through_in_order_and_turns_away_once_closed():
    async def enter_all():
        limiter = Limiter(requests_per_minute=6000)
        gate, order = Gate(limiter), []

        async def enter(number):
            permit = await gate.enter(10)
            limiter.sent(permit)
            order.append(number)

        await asyncio.gather(*(enter(number) for number in range(120)))
        assert limiter.waited_s > 0
        slow = Gate(Limiter(requests_per_minute=1))
        await slow.enter(1)
        waiting = asyncio.create_task(slow.enter(1))
        await asyncio.sleep(0.01)
        slow.close()
        with pytest.raises(Closed):
            await waiting
        return order

    assert asyncio.run(enter_all()) == list(range(120))
