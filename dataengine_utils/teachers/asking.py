"""What both ways of asking share: the settings, how a request ends, and what makes a reply worth another try.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import time
from typing import Any

from ..prompts import SCHEMA
from .completions import REFUSED, Asking, Completion, Form, is_broken
from .failures import Failure
from .ledger import Answer, Way
from .prices import Price

Messages = list[dict[str, Any]]


@dataclass(frozen=True)
class Settings:
    """How requests are sent: what all have in common, their price, and how often and how many at a time."""

    asking: Asking
    price: Price
    count: Callable[[Messages], int]
    base_url: str | None
    concurrency: int
    attempts: int
    timeout_s: float
    pause_s: float
    form: Form
    schema: Mapping[str, Any] | None = field(default_factory=lambda: SCHEMA)  # None: any JSON object
    broken_again: int = 2  # times that a request is asked again for a reply without readable JSON or text

    def client(self) -> Any:
        """A client of the provider, over aiohttp: a fifth less work a request than over httpx. It retries
        nothing by itself.
        """
        from openai import AsyncOpenAI, DefaultAioHttpClient

        return AsyncOpenAI(base_url=self.base_url, max_retries=0, timeout=self.timeout_s,
                           http_client=DefaultAioHttpClient())

    def note(self) -> str:
        """The name under which a ledger keeps what this server takes."""
        return f"form {'schema' if self.schema else 'object'} {self.asking.model} {self.base_url or ''}"

    def worst(self, messages: Messages, way: Way) -> tuple[int, float]:
        """The most tokens and the highest price (USD) of a request."""
        prompt = self.count(messages)
        return prompt + self.asking.most, self.price.worst(prompt, self.asking.most, way=way)

    def answer(self, key: str, said: Completion, usd: float, way: Way) -> Answer:
        """A completion as the ledger keeps it."""
        finish = f"{REFUSED}{said.refusal[:300]}" if said.refusal and not said.text else said.finish
        return Answer(key, said.text, finish, said.prompt, said.completion, usd, way, time(), said.cached)


@dataclass(frozen=True)
class Outcome:
    """How a request ended: its text or why there is none, its key, and what it cost now (USD).

    `kind` is the last failure's; "" where the model has had its say, be it a refusal.
    """

    text: str
    error: str
    key: str = ""
    usd: float = 0.0
    kind: str = ""


def outcome_of(answer: Answer, most: int, usd: float = 0.0) -> Outcome:
    """The outcome that a stored reply stands for."""
    said = Completion(answer.text, answer.finish)
    return Outcome(answer.text, said.error(most), answer.key, usd)


def odd(said: Completion, settings: Settings, broken_before: Callable[[], int]) -> Failure | None:
    """What is wrong with a reply that came whole, if it may be better another time.

    `broken_before` tells how often the request had a broken reply, in all runs: a last one is an answer.
    """
    if not said.is_final:
        return Failure("empty", said.error(settings.asking.most), 200)
    if said.text and is_broken(said.text, settings.schema) and broken_before() < settings.broken_again:
        return Failure("broken", "no JSON in the reply", 200)
    return None
