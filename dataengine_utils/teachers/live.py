"""Requests sent one by one, many at a time: limits kept, attempts stored, retries bounded by kind."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from typing import Any, Generic, NamedTuple, TypeVar

from ..errors import KitError
from .asking import Messages, Outcome, Settings, odd, outcome_of
from .completions import Completion, Form, narrower, read
from .failures import Failure, of_exception
from .ledger import MAYBE_BILLED, Answer, BudgetReached, Ledger, canonical, key_of
from .limiter import Closed, Gate, Limiter, Permit, TooLarge, retry_after

RATE_LIMITED = 20  # attempts that end with a 429, of one request; each waits as long as it is told to
LONGEST_PAUSE_S = 60.0  # between two attempts
GRACE_S = 20.0  # how long requests under way may still come in after the reader has left
Item = TypeVar("Item")


class Sent(NamedTuple):
    """A request in a form: its body, its canonical text and key, the most tokens and USD that it takes."""

    form: Form
    body: dict[str, Any]
    text: str
    key: str
    tokens: int
    worst: float


class Live(Generic[Item]):
    """Sends what `items` need and hands each item's outcome to `emit`, as they come.

    `messages_of` makes an item's messages (`KitError`: the item gets that as its error). `leave`, from any
    thread, ends the run early: nothing more is sent, and what is under way is still stored. `skip` asks for a
    further reply to requests that were answered so often before.
    """

    def __init__(self, settings: Settings, ledger: Ledger, limiter: Limiter, items: Sequence[Item], *,
                 messages_of: Callable[[Item], Awaitable[Messages]], emit: Callable[[Item, Outcome], None],
                 skip: int = 0):
        self._settings, self._ledger, self._limiter = settings, ledger, limiter
        self._items, self._messages_of, self._emit = items, messages_of, emit
        self._waiting: Iterator[Item] = iter(items)
        self._skip = skip
        self._form = Form.from_text(ledger.note(settings.note())) or settings.form
        self._proven = False
        self._under_way: dict[str, asyncio.Future[Outcome]] = {}
        self._open: set[int] = set()  # attempts that are stored and have no outcome
        self._done = 0
        self._left = False
        self._failure: KitError | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self) -> None:
        """Ask for all items. What ends the run early is raised once what is under way has come in."""
        self._loop = asyncio.get_running_loop()
        self._ended, self._settled = asyncio.Event(), asyncio.Event()
        self._gate, self._slots = Gate(self._limiter), asyncio.Semaphore(self._settings.concurrency)
        async with self._settings.client() as self._client:
            ahead = self._settings.concurrency // 4 + 1  # made ready while the others are under way
            n_workers = min(self._settings.concurrency + ahead, len(self._items))
            workers = [asyncio.create_task(self._work()) for _ in range(n_workers)]
            try:
                await self._finish(workers)
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)
                self._ledger.lose_open(self._open)
        if isinstance(self._failure, BudgetReached):
            left = len(self._items) - self._done
            raise BudgetReached(f"{self._failure}. Queries without a reply yet: {left:,}")
        if self._failure:
            raise self._failure

    def leave(self) -> None:
        """End the run early."""
        self._left = True
        if self._loop and not self._loop.is_closed():
            with suppress(RuntimeError):  # it has just closed
                self._loop.call_soon_threadsafe(self._close)

    async def _finish(self, workers: "list[asyncio.Task[None]]") -> None:
        """Wait for the workers; once the reader has left, only so long."""
        everybody = asyncio.gather(*workers)
        leaving = asyncio.create_task(self._ended.wait())
        await asyncio.wait((everybody, leaving), return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if not everybody.done():
            await asyncio.wait((everybody,), timeout=GRACE_S if self._left else None)
        if everybody.done():
            everybody.result()
        else:
            everybody.cancel()

    def _close(self) -> None:
        self._gate.close()
        self._ended.set()
        self._settled.set()

    async def _work(self) -> None:
        for item in self._waiting:
            if self._left or self._failure:
                return
            try:
                messages = await self._messages_of(item)
            except KitError as error:
                self._done += 1
                self._emit(item, Outcome("", str(error), kind="not asked"))
                continue
            try:
                self._emit(item, await self._outcome(messages))
            except Closed:
                return
            except KitError as error:
                self._stop(error)
                return
            self._done += 1

    def _stop(self, error: KitError) -> None:
        self._failure = self._failure or error
        self._close()

    async def _outcome(self, messages: Messages) -> Outcome:
        """The outcome of one request; of two that are the same, one is sent and both have its outcome."""
        sent = self._sent(messages, self._form)
        if sent.key in self._under_way:
            return replace(await asyncio.shield(self._under_way[sent.key]), usd=0.0)
        shared = self._under_way[sent.key] = asyncio.get_running_loop().create_future()
        shared.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may wait for it
        try:
            outcome = await self._ask(messages, sent)
        except (Closed, KitError) as error:
            shared.set_exception(error)
            raise
        else:
            shared.set_result(outcome)
            return outcome
        finally:
            del self._under_way[sent.key]
            shared.cancel()

    async def _ask(self, messages: Messages, sent: Sent) -> Outcome:
        """Out of the ledger, or with as many attempts as the failures allow."""
        tries: Counter[str] = Counter()
        usd = 0.0
        while True:
            if answer := self._ledger.answer(sent.key, self._skip):
                return outcome_of(answer, self._settings.asking.most, usd)
            found, cost = await self._attempt(sent)
            usd += cost
            if isinstance(found, Answer):
                self._prove(sent.form)
                return outcome_of(found, self._settings.asking.most, usd)
            if other := narrower(sent.form, found, self._proven):
                sent = self._sent(messages, other)
                continue
            if found.stop:
                raise KitError(found.stop)
            tries[found.kind] += 1
            if not found.passes or self._enough(found, tries):
                n = sum(tries.values())
                told = f"{found.message}, {n} times" if n > 1 else found.message
                return Outcome("", told, sent.key, usd, found.kind)
            await self._pause(found, tries)

    async def _attempt(self, sent: Sent) -> tuple[Answer | Failure, float]:
        """One attempt: let through by the limiter, stored, sent, its end stored. And what it cost (USD)."""
        try:
            permit = await self._gate.enter(sent.tokens)
        except TooLarge as error:
            return Failure("too large", str(error)), 0.0
        used: int | None = 0
        try:
            attempt = await self._reserve(sent)
            async with self._slots:
                while (wait := self._limiter.pause_left_s()) > 0 and not self._ended.is_set():
                    await self._wait(wait)
                if self._left or self._failure:
                    await self._end(attempt, self._ledger.fail_soon(attempt, "not sent", "the run was over"))
                    raise Closed
                used = None
                said = await self._send(sent.body, permit)
                used = said.used
        finally:
            self._limiter.leave(permit, used)
            self._gate.changed()
        return await self._settle(sent, attempt, said)

    async def _reserve(self, sent: Sent) -> int:
        """Store the attempt. Where the budget has no room, replies under way may still give some back."""
        while True:
            try:
                attempt, stored = self._ledger.reserve_soon(sent.key, sent.text, usd=sent.worst, way="live")
            except BudgetReached:
                if not self._open or self._failure:
                    raise
                self._settled.clear()
                await self._settled.wait()
            else:
                self._open.add(attempt)
                await self._store(stored)
                return attempt

    async def _send(self, body: dict[str, Any], permit: Permit) -> Completion | Failure:
        import httpx2
        import openai

        self._limiter.sent(permit)
        self._gate.changed()
        try:
            sending = self._client.post("/chat/completions", body=body, cast_to=httpx2.Response)
            response = await asyncio.wait_for(sending, self._settings.timeout_s)
        except (openai.APIError, asyncio.TimeoutError) as error:
            failure = of_exception(error, self._settings.asking.model)
            if failure.stop:
                self._stop(KitError(failure.stop))  # at once, before another one is sent
            if failure.kind == "rate limit":
                self._limiter.refused(permit, failure.headers)
            return failure
        self._limiter.learn(response.headers)
        self._limiter.succeeded()
        return read(response.content) or Failure("broken", "the reply is no JSON", response.status_code)

    async def _settle(self, sent: Sent, attempt: int,
                      said: Completion | Failure) -> tuple[Answer | Failure, float]:
        """Store how an attempt ended; a reply without what was asked for is a failure that may pass."""
        if isinstance(said, Failure):
            usd = sent.worst if said.kind in MAYBE_BILLED else 0.0
            ended = self._ledger.fail_soon(attempt, said.kind, said.message, status=said.status)
            await self._end(attempt, ended)
            return said, usd
        usd = said.cost(self._settings.price, "live", sent.worst)
        answer = self._settings.answer(sent.key, said, usd, "live")
        failure = odd(said, self._settings, lambda: self._ledger.failures(sent.key, "broken"))
        if failure is None:
            await self._end(attempt, self._ledger.settle_soon(attempt, answer))
            return answer, answer.usd
        ended = self._ledger.fail_soon(attempt, failure.kind, failure.message, status=200, answer=answer)
        await self._end(attempt, ended)
        return failure, answer.usd

    async def _end(self, attempt: int, stored: "Future[None]") -> None:
        self._open.discard(attempt)
        self._settled.set()
        await self._store(stored)

    async def _store(self, stored: "Future[None]") -> None:
        await asyncio.wrap_future(stored)

    def _sent(self, messages: Messages, form: Form) -> Sent:
        body = self._settings.asking.body(messages, form, schema=self._settings.schema)
        text = canonical(body)
        return Sent(form, body, text, key_of(text), *self._settings.worst(messages, "live"))

    def _prove(self, form: Form) -> None:
        """A reply came in this form: all begin with it from now on, in the next run too."""
        if form != self._form or not self._proven:
            self._form, self._proven = form, True
            if form != self._settings.form:
                self._ledger.keep_note(self._settings.note(), form.to_text())

    def _enough(self, failure: Failure, tries: "Counter[str]") -> bool:
        """Whether a request has been asked as often as it may be; `Closed` once the run is over."""
        if self._left or self._failure:
            raise Closed
        if failure.kind == "rate limit":
            return tries[failure.kind] >= RATE_LIMITED
        if failure.kind in ("broken", "empty"):
            return tries["broken"] + tries["empty"] > self._settings.broken_again
        others = sum(n for kind, n in tries.items() if kind not in ("rate limit", "broken", "empty"))
        return others >= self._settings.attempts

    async def _pause(self, failure: Failure, tries: "Counter[str]") -> None:
        """Wait before another attempt; after a 429 the limiter makes all wait."""
        if failure.kind in ("rate limit", "broken", "empty"):
            return
        grown = self._settings.pause_s * 2 ** (tries[failure.kind] - 1) * random.uniform(0.75, 1.25)
        wait = min(max(grown, retry_after(failure.headers) or 0.0), LONGEST_PAUSE_S)
        await self._wait(wait)

    async def _wait(self, seconds: float) -> None:
        """Wait, but not once the run is over."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._ended.wait(), seconds)
