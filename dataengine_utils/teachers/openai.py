"""A language model behind any OpenAI-compatible address, asked for many samples: each paid once, none lost.

The key is read from the environment and goes nowhere but to the client. The client itself retries nothing:
every attempt is made here and stored in the ledger before it is sent (see `ledger`, `live` and `batch`).
"""

import asyncio
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import KitError, unknown_name
from ..prompts import Prompt, render
from ..records import ImageRecord
from . import Reply, Request
from .asking import Messages, Outcome, Settings
from .batch import Batched
from .batch_files import Limits
from .completions import FORMATS, Asking, Form
from .failures import GO_ON
from .ledger import Ledger, Totals
from .limiter import Limiter
from .live import Live
from .pictures import Pictures
from .prices import Price, count_prompt, price_of, token_counter
from .secrets import need_key

WAYS = ("live", "batch")


@dataclass(frozen=True)
class Progress:
    """How far `replies` is: the ledger's totals, queries done and left, and what holds it up.

    `per_s` is replies a second since it began, `waited_s` how long the next request had to wait for limits,
    `rate_limited` how many requests the server turned away for them.
    """

    totals: Totals
    done: int
    left: int
    per_s: float
    waited_s: float
    rate_limited: int


class OpenAITeacher:
    """Sends each request's rendered prompt to `model` and hands back the raw text of the reply.

    `base_url` is the address of any compatible server (None: OpenAI's, or the environment's OPENAI_BASE_URL).
    `way` is "live" (at most `concurrency` requests under way) or "batch" (files through the Batch API: about
    half the price, within a day). Time-outs (after `timeout_s`), server and connection errors are tried
    `attempts` times in all, with growing pauses from `pause_s`; what still fails becomes an empty reply with
    its error. A refused key, a missing permission, a used-up quota or an unknown model stops the run with a
    `KitError`.

    `ledger` names the SQLite file of every request and reply (none: in memory): an answered request is not
    sent again, in this run or a later one, nor is one that a ledger of `reuse` has answered. `budget_usd` is
    never passed by what all runs of the ledger have spent and the worst price of what is under way; the price
    comes from `price` (USD per million tokens, "input" and "output"), the table `prices` or the kit's own.
    Limits per minute are learned from headers where `requests_per_minute` and `tokens_per_minute` do not give
    them; for a provider that counts over another span, `limit_window_s` says so.

    `params` are passed to the server as they are, such as {"reasoning_effort": "low"}; one that is None is
    left out. `response_format` is what is asked for first: "schema", "object" (any JSON) or "none"; what a
    server does not take is left out from then on. `attach_images` sends the picture, at most `image_side`
    pixels long.
    """

    name = "openai"

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        concurrency: int = 16,
        attempts: int = 5,
        timeout_s: float = 120.0,
        pause_s: float = 1.0,
        temperature: float | None = 1.0,
        max_tokens: int = 1024,
        *,
        params: Mapping[str, Any] | None = None,
        way: str = "live",
        ledger: str | Path | None = None,
        reuse: Sequence[str | Path] = (),
        budget_usd: float | None = None,
        price: Mapping[str, float] | None = None,
        prices: str | Path | None = None,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        limit_window_s: float = 60.0,
        response_format: str = "schema",
        max_fact_tokens: int = 1500,
        attach_images: bool = False,
        image_side: int = 768,
        batch_requests: int = 50_000,
        batch_bytes: int = 200_000_000,
        batch_poll_s: float = 15.0,
    ):
        need_key()
        for name, value in (("concurrency", concurrency), ("attempts", attempts), ("max_tokens", max_tokens),
                            ("image_side", image_side), ("batch_requests", batch_requests),
                            ("batch_bytes", batch_bytes), ("max_fact_tokens", max_fact_tokens)):
            if value < 1:
                raise KitError(f"{name} is {value!r}: expected at least 1")
        if not timeout_s > 0:
            raise KitError(f"timeout_s is {timeout_s!r}: expected seconds over 0")
        for name, given, known in (("way", way, WAYS), ("response_format", response_format, FORMATS)):
            if given not in known:
                raise unknown_name(name, given, known)
        if budget_usd is not None and not budget_usd >= 0:
            raise KitError(f"budget_usd is {budget_usd!r}: expected US dollars, or none for no limit")
        self._way, self._budget_usd = way, budget_usd
        self._path, self._reuse = Path(ledger) if ledger else None, [Path(other) for other in reuse]
        self._unpriced: KitError | None = None
        try:
            cost = price_of(model, Path(prices) if prices else None, price)
        except KitError as error:
            if ledger or budget_usd is not None or price is not None or prices:
                raise
            cost, self._unpriced = Price(0.0, 0.0), error  # nobody keeps count of USD, only of tokens
        count_text, self._max_fact_tokens = token_counter(model), max_fact_tokens
        self._settings = Settings(
            Asking(model, temperature, max_tokens, dict(params or {})),
            cost,
            lambda messages: count_prompt(messages, cost, count_text),
            base_url,
            concurrency,
            attempts,
            timeout_s,
            pause_s,
            Form.of(model, response_format),
        )
        self._limiter = Limiter(requests_per_minute, tokens_per_minute, concurrency=concurrency,
                                pause_s=pause_s, window_s=limit_window_s)
        self._pictures = Pictures(image_side) if attach_images else None
        self._limits = Limits(batch_requests, batch_bytes, batch_poll_s)
        self._opening, self._ledger, self._users = threading.Lock(), None, 0
        self._totals, self._asked = Totals(), Counter[str]()
        self._shown: dict[str, dict[str, Any]] = {}  # by query, until its reply comes
        self._began, self._done, self._n = time.monotonic(), 0, 0

    def can_write(self, record: ImageRecord, question_type: str) -> bool:
        """Whether there are any facts to write from; what they allow is for the model to see, which may skip.
        """
        return bool(record.objects or record.regions or record.captions or record.texts)

    def replies(self, requests: Sequence[Request]) -> Iterator[Reply]:
        """One reply a request, as they come. The work goes on in a thread of its own, so that it runs in a
        notebook too.

        When it is left early, nothing more is sent and what is under way is stored in the ledger. When the
        budget is reached, what is under way is handed on before `BudgetReached` is raised.
        """
        arrived: queue.Queue[Reply | None] = queue.Queue()
        self._began, self._done, self._n = time.monotonic(), 0, len(requests)
        with self._open_ledger() as ledger, ThreadPoolExecutor(max_workers=1) as thread:
            run = self._run(ledger, requests, lambda *ended: arrived.put(self._reply(*ended)))
            work = thread.submit(_work, run, arrived)
            try:
                while (reply := arrived.get()) is not None:
                    self._done += 1
                    yield reply
            finally:
                run.leave()
            work.result()

    def ask(self, prompt: str, schema: Mapping[str, Any] | None = None) -> str:
        """The text of the reply to one prompt for a JSON object (of a `schema`), "" where it has none.

        Asked for the same again, the model gives another reply. `KitError` when every attempt failed.
        """
        [text] = self._ask([prompt], self._asked[prompt], schema)
        self._asked[prompt] += 1
        return text

    def ask_all(self, prompts: Sequence[str]) -> list[str]:
        """The texts of the replies to prompts for JSON objects, in their order, "" where there is none.

        The same prompt gets the same reply: what the ledger has is not asked again. `KitError` when every
        attempt at one of them failed; the others' replies are in the ledger then.
        """
        return self._ask(prompts, 0, None)

    def _ask(self, prompts: Sequence[str], skip: int, schema: Mapping[str, Any] | None) -> list[str]:
        settings = replace(self._settings, schema=schema, broken_again=0)
        outcomes: dict[str, Outcome] = {}
        with self._open_ledger() as ledger, ThreadPoolExecutor(max_workers=1) as thread:
            run = Live(settings, ledger, self._limiter, list(dict.fromkeys(prompts)), messages_of=_alone,
                       emit=outcomes.__setitem__, skip=skip)
            thread.submit(asyncio.run, run.run()).result()
        for outcome in outcomes.values():
            if outcome.kind not in ("", "empty"):
                raise KitError(f"the teacher gave no reply ({outcome.error}){self._hint(outcome)}; {GO_ON}")
        return [outcomes[prompt].text for prompt in prompts]

    def _hint(self, outcome: Outcome) -> str:
        """What to look at where no request reached a server."""
        address = self._settings.base_url or "the model's own address"
        said = f": {address} cannot be reached; check base_url (teacher_options) and the network"
        return said if outcome.kind == "connection" else ""

    def estimate(self, requests: Sequence[Request]) -> float:
        """The most (USD) that the replies to these requests can cost, without those that the ledger has.

        Replies are counted at their longest (`max_tokens`), and every request as asked once.
        """
        if self._unpriced:
            raise self._unpriced
        stored = [path for path in (self._path, *self._reuse) if path and path.exists()]
        ledgers = [Ledger(path, for_reading=True) for path in stored]
        try:
            return sum(self._worst(request, ledgers) for request in requests)
        finally:
            for ledger in ledgers:
                ledger.close()

    def totals(self) -> Totals:
        """What is in the ledger, as it stands: counts, tokens, USD."""
        with self._opening:
            return self._ledger.totals() if self._ledger else self._totals

    def progress(self) -> Progress:
        """How far `replies` is; may be read while it runs."""
        seconds = max(time.monotonic() - self._began, 1e-9)
        return Progress(self.totals(), self._done, self._n - self._done, self._done / seconds,
                        self._limiter.waited_s, self._limiter.refused_n)

    def _run(self, ledger: Ledger, requests: Sequence[Request],
             emit: Callable[[Request, Outcome], None]) -> "Live[Request] | Batched[Request]":
        if self._way == "batch":
            return Batched(self._settings, ledger, self._limits, requests, messages_of=self._messages,
                           emit=emit)
        return Live(self._settings, ledger, self._limiter, requests, messages_of=self._messages, emit=emit)

    @contextmanager
    def _open_ledger(self) -> Iterator[Ledger]:
        """The ledger while it is used: its file is open only then; one in memory lives with the teacher."""
        with self._opening:
            self._ledger = self._ledger or Ledger(self._path, self._budget_usd, self._reuse)
            ledger, self._users = self._ledger, self._users + 1
        try:
            yield ledger
        finally:
            with self._opening:
                self._users -= 1
                self._totals = ledger.totals()
                if not self._users and self._path:
                    self._ledger = None
                    ledger.close()
                    self._totals = ledger.totals()

    def _prompt(self, request: Request) -> Prompt:
        return render(request.template, request.query, request.record, max_fact_tokens=self._max_fact_tokens)

    async def _messages(self, request: Request) -> Messages:
        prompt = self._prompt(request)
        self._shown[request.query.id] = {"shown": prompt.shown, "cut": prompt.cut}
        if self._pictures is None:
            return prompt.messages
        attach = self._pictures.attach
        return await asyncio.to_thread(attach, prompt.messages, request.record.image, request.root)

    def _reply(self, request: Request, outcome: Outcome) -> Reply:
        shown = self._shown.pop(request.query.id, {})
        return Reply(request.query.id, outcome.text, outcome.error, outcome.key, outcome.usd, shown)

    def _worst(self, request: Request, ledgers: Sequence[Ledger]) -> float:
        messages: Messages = self._prompt(request).messages
        if self._pictures:
            messages = self._pictures.attach(messages, request.record.image, request.root)
        for ledger in ledgers:
            noted = Form.from_text(ledger.note(self._settings.note())) or self._settings.form
            if ledger.answer(Ledger.key(self._settings.asking.body(messages, noted))):
                return 0.0
        return self._settings.worst(messages, self._way)[1]


async def _alone(prompt: str) -> Messages:
    return [{"role": "user", "content": prompt}]


def _work(run: "Live[Request] | Batched[Request]", arrived: "queue.Queue[Reply | None]") -> None:
    """The thread's work; None tells the reader that it is over, whether well or not."""
    try:
        asyncio.run(run.run())
    finally:
        arrived.put(None)
