"""The same requests through a provider's Batch API: files of them, a lower price, replies within a day.

Whatever was sent is known to the ledger at every moment, so a run that was cut off goes on where it was: a
batch whose number was not yet stored is found again at the provider by the token in its metadata.
"""

import asyncio
import random
import time
import uuid
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from typing import Any, Generic

from ..errors import KitError
from .asking import Messages, Outcome, Settings, odd, outcome_of
from .batch_files import ENDPOINT, BatchFile, Limits, line_of, lines_of
from .completions import Completion, Form, narrower
from .failures import GO_ON, Failure, of_exception
from .ledger import MAYBE_BILLED, Answer, Batch, BudgetReached, Ledger, canonical, key_of
from .live import LONGEST_PAUSE_S, Item

TOKEN = "dataengine_batch"  # our name for a batch, in its metadata at the provider
WINDOW = "24h"
ENDED = ("completed", "failed", "expired", "cancelled")
FULL = "token_limit_exceeded"  # more is waiting at the provider than it takes of one customer
_SLOWEST_S = 600.0  # between two looks at the batches
_EARLIER_S = 3600.0  # how far the provider's clock may be from ours


class Batched(Generic[Item]):
    """Sends what `items` need in batches and hands each item's outcome to `emit`, as batches end.

    As `live.Live`. When the reader leaves, batches go on at the provider, and the next run collects them.
    """

    def __init__(self, settings: Settings, ledger: Ledger, limits: Limits, items: Sequence[Item], *,
                 messages_of: Callable[[Item], Awaitable[Messages]], emit: Callable[[Item, Outcome], None]):
        self._settings, self._ledger, self._limits = settings, ledger, limits
        self._messages_of, self._emit = messages_of, emit
        self._form = Form.from_text(ledger.note(settings.note())) or settings.form
        self._todo: deque[tuple[int, Item]] = deque(enumerate(items))
        self._waiting: defaultdict[str, list[tuple[int, Item]]] = defaultdict(list)  # by key, in a batch
        self._tries: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self._usd: Counter[int] = Counter()
        self._batches: dict[str, Batch] = {}
        self._forms: dict[str, Form] = {}  # by batch
        self._storing: list[Future[None]] = []  # outcomes on their way to the disk
        self._keys: dict[str, str] = {}  # of requests in batches: their batches' tokens
        self._full, self._n_full = False, 0  # whether the provider takes no more now, and how often in a row
        self._left = False
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self) -> None:
        """Ask for all items, and collect what an earlier run has left at the provider."""
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        async with self._settings.client() as self._client:
            await self._recover()
            pause_s = self._limits.poll_s
            while not self._left:
                reached = None if self._full else await self._submit_all()
                if self._full and not self._batches:
                    await self._wait_for_room(pause_s)
                elif not self._batches:
                    return self._end(reached)
                ended = [await self._look(batch) for batch in list(self._batches.values())]
                pause_s = self._limits.poll_s if any(ended) else min(pause_s * 1.5, _SLOWEST_S)
                if not any(ended):
                    await self._wait(pause_s)

    def leave(self) -> None:
        """End the run early."""
        self._left = True
        if self._loop and not self._loop.is_closed():
            with suppress(RuntimeError):  # it has just closed
                self._loop.call_soon_threadsafe(self._ended.set)

    async def _recover(self) -> None:
        """Take up the batches of an earlier run. One that the provider does not know was never made."""
        for batch in self._ledger.batches():
            if batch.state == "uploaded":
                batch = await self._find(batch) or await self._find(batch, self._limits.poll_s) or batch
            if batch.state == "submitted":
                self._take(batch)
            else:
                self._drop(batch, self._ledger.open_attempts(batch.token), "the batch was never made")

    async def _submit_all(self) -> BudgetReached | None:
        """Put into batches what is to be asked, as far as the budget goes; and how that ended."""
        reached = None
        while self._todo and not reached and not self._left:
            batch = Batch(uuid.uuid4().hex, time.time(), "planned")
            self._ledger.keep_batch(batch)
            with BatchFile(self._limits) as file:
                reached = await self._fill(file, batch.token)
                await asyncio.to_thread(file.wait_until_stored)
                if file.n and not self._left:
                    await self._submit(batch, file)
                else:
                    self._drop(batch, self._ledger.open_attempts(batch.token), "the run was over")
        return reached

    async def _fill(self, file: BatchFile, token: str) -> BudgetReached | None:
        """Write requests into the file until it is full; each is stored as an attempt of the batch."""
        while self._todo and not self._left:
            number, item = self._todo[0]
            try:
                messages = await self._messages_of(item)
            except KitError as error:
                self._emit(item, Outcome("", str(error), kind="not asked"))
                self._todo.popleft()
                continue
            body = self._settings.asking.body(messages, self._form, schema=self._settings.schema)
            key = key_of(text := canonical(body))
            if answer := self._ledger.answer(key):
                self._emit(item, outcome_of(answer, self._settings.asking.most, self._usd[number]))
            elif key in self._keys:
                self._waiting[key].append((number, item))
            elif file.has_room(line := line_of(key, body)):
                usd = self._settings.worst(messages, "batch")[1]
                try:
                    _, stored = self._ledger.reserve_soon(key, text, usd=usd, way="batch", batch=token)
                except BudgetReached as reached:
                    return reached
                file.add(line, stored)
                self._keys[key] = token
                self._waiting[key].append((number, item))
            elif file.n:
                return None
            else:
                told = f"a request of {len(line):,} bytes is over batch_bytes={self._limits.bytes:,}"
                self._emit(item, Outcome("", told, key, kind="too large"))
            self._todo.popleft()
        return None

    async def _submit(self, batch: Batch, file: BatchFile) -> None:
        name = f"{batch.token}.jsonl"
        made = await self._call(
            lambda: self._client.files.create(file=(name, file.rewound()), purpose="batch")
        )
        batch = replace(batch, state="uploaded", file_id=made.id)
        self._ledger.keep_batch(batch)
        self._take(await self._create(batch))

    async def _create(self, batch: Batch) -> Batch:
        """Make the batch. After a failure it may be there all the same, so it is looked for first."""
        tries = 0
        while True:
            try:
                made = await self._client.batches.create(
                    input_file_id=batch.file_id, endpoint=ENDPOINT, completion_window=WINDOW,
                    metadata={TOKEN: batch.token})
            except _errors() as error:
                failure, tries = self._failure(error), tries + 1
                if tries >= self._settings.attempts or failure.code == FULL:
                    raise KitError(f"the provider makes no batch ({failure.message}); {GO_ON}") from None
                await self._pause(tries)
                if failure.kind != "refused" and (found := await self._find(batch)):
                    return found
            else:
                return self._known(batch, made.id)

    async def _find(self, batch: Batch, after_s: float = 0.0) -> Batch | None:
        """The batch at the provider that has this one's token or file."""
        await self._wait(after_s)

        async def search() -> str:
            async for made in self._client.batches.list(limit=100):  # the newest come first
                if made.created_at < batch.created - _EARLIER_S:
                    return ""
                if (made.metadata or {}).get(TOKEN) == batch.token or made.input_file_id == batch.file_id:
                    return made.id
            return ""

        found = await self._call(search)
        return self._known(batch, found) if found else None

    def _known(self, batch: Batch, batch_id: str) -> Batch:
        batch = replace(batch, state="submitted", batch_id=batch_id)
        self._ledger.keep_batch(batch)
        return batch

    def _take(self, batch: Batch) -> None:
        """The batch is under way."""
        self._batches[batch.token], self._forms[batch.token] = batch, self._form
        self._keys.update(dict.fromkeys(self._ledger.open_attempts(batch.token), batch.token))

    async def _look(self, batch: Batch) -> bool:
        """Collect a batch if it has ended."""
        made = await self._call(lambda: self._client.batches.retrieve(batch.batch_id))
        if made.status not in ENDED:
            return False
        attempts = self._ledger.open_attempts(batch.token)
        ended: list[tuple[str, Answer | Failure, float]] = []
        for file_id in filter(None, (made.output_file_id, made.error_file_id)):
            content = await self._call(lambda file_id=file_id: self._client.files.content(file_id))
            for key, said in lines_of(content.content, self._settings.asking.model):
                if key in attempts:
                    ended.append((key, *self._settle(key, attempts.pop(key), said)))
        rest = _of_the_rest(made)
        ended += [(key, rest, 0.0) for key in attempts]
        self._drop(batch, attempts, rest.message, rest.kind)
        del self._batches[batch.token]
        self._full = rest.code == FULL
        self._n_full = self._n_full if self._full else 0
        for key, found, usd in ended:
            self._finish(key, found, usd, self._forms[batch.token])
        return True

    def _settle(self, key: str, attempt: int, said: Completion | Failure) -> tuple[Answer | Failure, float]:
        """Store what a line says; all lines are on the disk before their batch counts as collected."""
        settings, worst = self._settings, self._ledger.reserved(attempt)
        if isinstance(said, Failure):
            self._fail(attempt, said.kind, said.message, status=said.status)
            return said, worst if said.kind in MAYBE_BILLED else 0.0
        answer = settings.answer(key, said, said.cost(settings.price, "batch", worst), "batch")
        failure = odd(said, settings, lambda: self._ledger.failures(key, "broken"))
        if failure is None:
            self._storing.append(self._ledger.settle_soon(attempt, answer))
            return answer, answer.usd
        self._fail(attempt, failure.kind, failure.message, status=200, answer=answer)
        return failure, answer.usd

    def _fail(self, attempt: int, kind: str, why: str, **more: Any) -> None:
        self._storing.append(self._ledger.fail_soon(attempt, kind, why, **more))

    def _drop(self, batch: Batch, attempts: dict[str, int], why: str, kind: str = "not sent") -> None:
        """Nothing more comes of a batch: its last attempts have failed, and it is collected."""
        for key, attempt in attempts.items():
            self._fail(attempt, kind, why)
            self._keys.pop(key, None)
        for stored in self._storing:
            stored.result()
        self._storing.clear()
        self._ledger.keep_batch(replace(batch, state="collected", message=why))

    def _finish(self, key: str, found: Answer | Failure, usd: float, form: Form) -> None:
        """Hand on the outcome of a request, or put it where it is asked again."""
        self._keys.pop(key, None)
        for number, item in self._waiting.pop(key, []):
            self._usd[number] += usd
            usd = 0.0  # the same request was paid once
            if isinstance(found, Answer):
                self._emit(item, outcome_of(found, self._settings.asking.most, self._usd[number]))
            elif self._asks_again(number, found, form):
                self._todo.append((number, item))
            else:
                self._emit(item, Outcome("", found.message, key, self._usd[number], found.kind))

    def _asks_again(self, number: int, failure: Failure, form: Form) -> bool:
        if other := narrower(form, failure, proven=True):
            if self._form == form:
                self._form = other
                self._ledger.keep_note(self._settings.note(), other.to_text())
            return True
        if failure.stop:
            raise KitError(failure.stop)
        if failure.code == FULL:
            return True
        tries = self._tries[number]
        tries[failure.kind] += 1
        broken = tries["broken"] + tries["empty"]
        if not failure.passes or broken > self._settings.broken_again:
            return False
        return sum(tries.values()) - broken < self._settings.attempts

    async def _call(self, make: Callable[[], Awaitable[Any]]) -> Any:
        """What the provider answers; failures that may pass are tried again."""
        tries = 0
        while True:
            try:
                return await make()
            except _errors() as error:
                failure, tries = self._failure(error), tries + 1
                if not failure.passes or tries >= self._settings.attempts:
                    raise KitError(f"the provider's Batch API fails ({failure.message}); {GO_ON}") from None
                await self._pause(tries)

    def _failure(self, error: Exception) -> Failure:
        """The failure that an exception stands for; one that ends the run is raised."""
        failure = of_exception(error, self._settings.asking.model)
        if failure.stop:
            raise KitError(failure.stop) from None
        return failure

    async def _wait_for_room(self, pause_s: float) -> None:
        """Nothing of ours is under way and the provider takes no more: others use what it allows."""
        self._full, self._n_full = False, self._n_full + 1
        if self._n_full >= self._settings.attempts:
            raise KitError("the provider takes no batch, for too many tokens wait there already, and none of "
                           f"them is of this run; lower batch_requests (teacher_options), or wait: {GO_ON}")
        await self._wait(pause_s)

    def _end(self, reached: BudgetReached | None) -> None:
        if reached:
            raise BudgetReached(f"{reached}. Queries without a reply yet: {len(self._todo):,}")

    async def _pause(self, tries: int) -> None:
        grown = self._settings.pause_s * 2 ** (tries - 1) * random.uniform(0.75, 1.25)
        await self._wait(min(grown, LONGEST_PAUSE_S))

    async def _wait(self, seconds: float) -> None:
        """Wait, but not for a reader who has left."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._ended.wait(), seconds)


def _of_the_rest(made: Any) -> Failure:
    """Why the requests of a batch that has ended are in none of its files."""
    errors = made.errors.data if made.errors and made.errors.data else []
    if made.status == "failed":
        code, message = (errors[0].code or "", errors[0].message or "") if errors else ("", "")
        return Failure("batch failed", f"the provider refused the batch: {code} {message}".strip(), code=code)
    return Failure("expired", f"the batch ended as {made.status} before it was done")


def _errors() -> type[Exception]:
    import openai

    return openai.APIError
