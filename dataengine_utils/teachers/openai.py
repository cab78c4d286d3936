"""A language model behind any OpenAI-compatible address, asked for many samples at once.

The key is read from the environment and goes nowhere but to the client. The client itself retries nothing:
every attempt is made here, by kind of error, a bounded number of times.
"""

import asyncio
import os
import queue
import random
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..errors import KitError
from ..prompts import render
from ..records import ImageRecord
from . import Reply, Request

KEY = "OPENAI_API_KEY"
_GO_ON = "what is done so far is kept, run the notebook or command again"


class OpenAITeacher:
    """Sends each request's rendered prompt to `model` and hands back the raw text of the reply.

    `base_url` is the address of any compatible server (None: OpenAI's, or the environment's OPENAI_BASE_URL).
    At most `concurrency` requests are in flight. Rate limits, time-outs, server and connection errors are
    tried `attempts` times in all, with growing pauses from `pause_s`; what still fails becomes an empty reply
    with its error. A refused key, a missing permission or an unknown model stops the run with a `KitError`.
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
        temperature: float = 1.0,
        max_tokens: int = 1024,
    ):
        if not os.environ.get(KEY):
            raise KitError(f"teacher 'openai' needs a key: set {KEY} in the environment (any value for a "
                           "server without keys)")
        if concurrency < 1 or attempts < 1:
            raise KitError(
                f"concurrency is {concurrency!r} and attempts is {attempts!r}: expected at least 1"
            )
        self._model, self._base_url, self._timeout_s = model, base_url, timeout_s
        self._concurrency, self._attempts, self._pause_s = concurrency, attempts, pause_s
        self._sampling = {"temperature": temperature, "max_tokens": max_tokens}

    def can_write(self, record: ImageRecord, question_type: str) -> bool:
        """Whether there are any facts to write from; what they allow is for the model to see, which may skip.
        """
        return bool(record.objects or record.regions or record.captions or record.texts)

    def replies(self, requests: Sequence[Request]) -> Iterator[Reply]:
        """One reply a request, as they come. The work goes on in a thread of its own, so that it runs in a
        notebook too.
        """
        arrived: queue.Queue[Reply | None] = queue.Queue()
        stop = threading.Event()
        with ThreadPoolExecutor(max_workers=1) as thread:
            work = thread.submit(self._work, requests, arrived, stop)
            try:
                while (reply := arrived.get()) is not None:
                    yield reply
            finally:
                stop.set()
            work.result()

    def ask(self, prompt: str) -> str:
        """The text of the reply to one prompt for a JSON object, "" where it has none.

        `KitError` when every attempt failed.
        """
        with ThreadPoolExecutor(max_workers=1) as thread:
            text, error = thread.submit(asyncio.run, self._ask_alone(prompt)).result()
        if error:
            raise KitError(f"the teacher gave no reply ({error}); {_GO_ON}")
        return text

    def _work(
        self, requests: Sequence[Request], arrived: "queue.Queue[Reply | None]", stop: threading.Event
    ) -> None:
        """The thread's work; None tells the reader that it is over, whether well or not."""
        try:
            asyncio.run(self._ask_all(requests, arrived, stop))
        finally:
            arrived.put(None)

    async def _ask_all(self, requests: Sequence[Request], arrived: "queue.Queue[Reply | None]",
                       stop: threading.Event) -> None:
        async with self._client() as client:
            waiting = iter(requests)

            async def serve() -> None:
                for request in waiting:
                    if stop.is_set():
                        return
                    arrived.put(await self._ask(client, request))

            tasks = [asyncio.create_task(serve()) for _ in range(min(self._concurrency, len(requests)))]
            try:
                await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def _client(self) -> Any:
        from openai import AsyncOpenAI

        return AsyncOpenAI(base_url=self._base_url, max_retries=0, timeout=self._timeout_s)

    async def _ask_alone(self, prompt: str) -> tuple[str, str]:
        async with self._client() as client:
            return await self._complete(client, [{"role": "user", "content": prompt}])

    async def _ask(self, client: Any, request: Request) -> Reply:
        messages = render(request.template, request.query, request.record)
        text, error = await self._complete(client, messages)
        return Reply(request.query.id, text, error if text or error else "the reply has no text")

    async def _complete(self, client: Any, messages: list[dict[str, str]]) -> tuple[str, str]:
        """The text of the reply, and why there is none."""
        import openai

        error = ""
        for attempt in range(self._attempts):
            if attempt:
                await asyncio.sleep(self._pause_s * 2 ** (attempt - 1) * random.uniform(0.75, 1.25))
            try:
                answer = await client.chat.completions.create(
                    model=self._model,
                    messages=messages,
                    response_format={"type": "json_object"},
                    **self._sampling,
                )
            except (
                openai.AuthenticationError,
                openai.PermissionDeniedError,
                openai.NotFoundError,
            ) as failure:
                raise KitError(_refused(self._model, failure)) from None
            except openai.RateLimitError as failure:
                if failure.code == "insufficient_quota":
                    raise KitError(_refused(self._model, failure)) from None
                error = _told(failure)
            except (openai.APIConnectionError, openai.InternalServerError, openai.ConflictError) as failure:
                error = _told(failure)
            except (openai.APIStatusError, openai.APIResponseValidationError) as failure:
                return "", _told(failure)
            else:
                return _text(answer), ""
        return "", f"{error}, {self._attempts} times"


def _text(answer: Any) -> str:
    """The text of the first choice; a server may send none, or a refusal in its place."""
    choices = getattr(answer, "choices", None)
    return (choices[0].message.content if choices and choices[0].message else None) or ""


def _told(failure: Any) -> str:
    status = getattr(failure, "status_code", None)
    return f"{type(failure).__name__}{f' {status}' if status else ''}"


def _refused(model: str, failure: Any) -> str:
    """What to do about a refusal. The server's own words are left out: some repeat the key."""
    return (
        f"the teacher's server refuses model {model!r} ({_told(failure)}): check {KEY}, its quota, and "
        f"the model's name and base_url (in a run: teacher_options); {_GO_ON}"
    )
