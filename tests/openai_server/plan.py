"""What the server is told to do: how fast it is, which faults it has, which limits it keeps."""

import dataclasses
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FAULTS = {
    "429": "too many requests, without a word about when to come back",
    "429_retry_after": "too many requests, with retry-after headers",
    "429_quota": "the quota is used up",
    "400": "a request that is refused for good",
    "401": "the key is refused",
    "403": "the key has no permission",
    "404": "no such model",
    "500": "an internal error",
    "503": "overloaded",
    "cut_before": "the line goes dead before the reply",
    "cut": "the line goes dead in the middle of the reply",
    "broken_body": "the reply's body is no JSON",
    "slow": "the reply comes after `slow_s` seconds",
    "empty_choices": "no choice in the reply",
    "refusal": "the model refuses, in the reply's own field for it",
    "filtered": "the provider's filter has cut the text away",
    "truncated": "the text stops in the middle of its JSON",
    "wrong_schema": "JSON of another shape",
    "three_options": "an option is missing",
    "language": "a text in another language",
    "skip": "the model skips the query",
    "prose": "words around the JSON",
}  # fmt: skip
"""Every fault by name, and what it is."""

PASSING = ("429", "429_retry_after", "500", "503", "cut_before", "cut", "broken_body")
"""Faults after which the same request may succeed."""

CONTENT = ("slow", "empty_choices", "refusal", "filtered", "truncated", "wrong_schema", "three_options",
           "language", "skip", "prose")  # fmt: skip
"""Faults of replies that arrive whole, if late, and are billed."""


@dataclass(frozen=True)
class Plan:
    """One behaviour of the server.

    `faults` gives the share (0..1) of attempts that each fault of `FAULTS` has, drawn with the seed from the
    request's content and how often it was asked before; `script` names the faults of every request's first,
    second, ... attempt instead ("" is none), and those after its end have none. Limits hold per `window_s`
    seconds: `limit * window_s / 60`, so that a minute can be short in tests; the headers tell these. Tokens
    are counted when a request comes, as used in the end. `refuse` lists parameters ("max_tokens") or formats
    ("json_schema") that end with a 400. A batch takes `batch_s`; `batches` are the ends of the first, second,
    ... batch: "" (completed), "failed", "expired" (half of it done), "line_errors" (a third of the lines).
    """

    latency_s: float = 0.0
    slow_s: float = 30.0
    retry_after_s: float = 0.05
    faults: Mapping[str, float] = field(default_factory=dict)
    script: tuple[str, ...] = ()
    seed: int = 0
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    window_s: float = 60.0
    refuse: tuple[str, ...] = ()
    batch_s: float = 0.0
    batches: tuple[str, ...] = ()
    batch_requests: int = 50_000
    batch_bytes: int = 200 * 10**6

    def __post_init__(self) -> None:
        unknown = sorted({*self.faults, *filter(None, self.script)} - set(FAULTS))
        if unknown or sum(self.faults.values()) > 1:
            raise ValueError(f"faults {unknown} are not known, or shares add up to more than 1; "
                             f"known: {', '.join(FAULTS)}")  # fmt: skip

    def fault(self, key: str, attempt: int) -> str:
        """The fault of the request with this content at its n-th attempt (from 0); "" for none."""
        if self.script:
            return self.script[attempt] if attempt < len(self.script) else ""
        point = random.Random(f"{self.seed}-{key}-{attempt}").random()
        for name, share in self.faults.items():
            point -= share
            if point < 0:
                return name
        return ""

    def limit(self, per_minute: int | None) -> int | None:
        """A limit per minute as one per window."""
        return None if per_minute is None else round(per_minute * self.window_s / 60)


def plan_of(values: Mapping[str, Any]) -> Plan:
    """The plan that JSON describes."""
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return Plan(**{**values, **lists})


def plan_json(plan: Plan) -> dict[str, Any]:
    """The plan as JSON values."""
    return dataclasses.asdict(plan)
