"""Chat completions: what the server knows, what a request's content earns, and what is remembered of it."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from . import limits, replies
from .http import Answer, of_json
from .plan import Plan

MODELS = ("kit-1", "kit-1-mini")

_ERRORS = {
    "429": (429, "rate_limit_exceeded", "Rate limit reached"),
    "429_retry_after": (429, "rate_limit_exceeded", "Rate limit reached"),
    "429_quota": (429, "insufficient_quota", "You exceeded your current quota"),
    "400": (400, "invalid_prompt", "The request was refused"),
    "401": (401, "invalid_api_key", "Incorrect API key provided"),
    "403": (403, "permission_denied", "You have no access"),
    "404": (404, "model_not_found", "The model does not exist"),
    "500": (500, "server_error", "The server had an error"),
    "503": (503, "overloaded", "The engine is overloaded"),
    "limit": (429, "rate_limit_exceeded", "Rate limit reached"),
    "refused": (400, "unsupported_parameter", "Unsupported parameter"),
}


@dataclass
class Served:
    """One request that arrived: when (seconds since the plan began), which, how it ended.

    `key` is the hash of its body, `attempt` how often that had come before. `fault` is one of `plan.FAULTS`,
    "" for a good reply, "limit" for one beyond the rate limits, "refused" for one with a refused parameter.
    `status` and `whole` (all of the reply was handed to the connection) are set when it is answered; `usage`
    is what a provider would bill: tokens of prompt and completion.
    """

    number: int
    time: float
    key: str
    attempt: int
    way: Literal["live", "batch"]
    fault: str = ""
    status: int = 0
    whole: bool = False
    usage: tuple[int, int] = (0, 0)

    def sent(self, whole: bool) -> None:
        """Remember how the sending went."""
        self.whole = whole


@dataclass
class Model:
    """The plan, what was served by it, and what its limits have left."""

    plan: Plan = field(default_factory=Plan)
    log: list[Served] = field(default_factory=list)
    attempts: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    most: int = 0
    callers: set[str] = field(default_factory=set)
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.requests = limits.Window(self.plan.limit(self.plan.requests_per_minute), self.plan.window_s)
        self.tokens = limits.Window(self.plan.limit(self.plan.tokens_per_minute), self.plan.window_s)

    def now(self) -> float:
        """Seconds since the plan began."""
        return time.monotonic() - self.started

    def arrive(self, body: Mapping[str, Any], way: Literal["live", "batch"]) -> Served:
        """Remember a request before anything is done about it."""
        key = key_of(body)
        served = Served(len(self.log), self.now(), key, self.attempts[key], way)
        served.fault = self.plan.fault(key, served.attempt)
        if refused_parameter(body, self.plan.refuse):
            served.fault = "refused"
        self.attempts[key] += 1
        self.log.append(served)
        return served

    def answer(self, body: Mapping[str, Any], served: Served, authorization: str) -> Answer:
        """The reply to a request that has arrived: an error, or a completion within the limits."""
        if served.fault in _ERRORS:
            waits = self.plan.retry_after_s if served.fault == "429_retry_after" else 0.0
            return self._error(body, served, authorization, waits)
        value = completion(body, served.key, served.fault, f"chatcmpl-{served.number}")
        usage = (value["usage"]["prompt_tokens"], value["usage"]["completion_tokens"])
        waits = self._over_limits(sum(usage)) if served.way == "live" else 0.0
        if waits:
            served.fault = "limit"
            return self._error(body, served, authorization, waits)
        served.status, served.usage = 200, usage
        return self._reply(value, served)

    def _over_limits(self, amount: int) -> float:
        """Seconds to wait for the limits; 0 when the request is within them, and then it is counted."""
        now = self.now()
        waits = max(self.requests.wait(1, now), self.tokens.wait(amount, now))
        if not waits:
            self.requests.take(1, now)
            self.tokens.take(amount, now)
        return waits

    def _error(self, body: Mapping[str, Any], served: Served, authorization: str, waits: float) -> Answer:
        """As with some providers, the message repeats the key."""
        served.status, code, message = _ERRORS[served.fault]
        error = {"message": f"{message} ({authorization})", "type": code, "code": code,
                 "param": refused_parameter(body, self.plan.refuse) or None}  # fmt: skip
        more = {"retry-after": f"{waits:.3f}", "retry-after-ms": f"{waits * 1000:.0f}"} if waits else {}
        return of_json({"error": error}, served.status, headers={**more, **self.limit_headers()},
                       sent=served.sent)  # fmt: skip

    def _reply(self, value: Mapping[str, Any], served: Served) -> Answer:
        text = json.dumps(value).encode()
        if served.fault == "broken_body":
            text = text[: len(text) // 2] + b"\n<html>Bad gateway</html>"
        cut = {"cut": len(text) // 2, "cut_before": 0}.get(served.fault)
        return Answer(200, text, self.limit_headers(), cut, served.sent)

    def limit_headers(self) -> dict[str, str]:
        """The rate limits as they stand."""
        return limits.headers(self.requests, self.tokens, self.now())

    def stats(self) -> dict[str, Any]:
        """What was counted, in numbers; peaks are the most in any window of `window_s` seconds."""
        live = [served for served in self.log if served.way == "live"]
        let_in, window_s = [served for served in live if served.status == 200], self.plan.window_s
        times = [served.time for served in let_in]
        return {
            "arrived": len(self.log), "distinct": len(self.attempts), "most_in_flight": self.most,
            "answered": sum(answered(served) for served in self.log),
            "faults": Counter(served.fault for served in self.log), "callers": sorted(self.callers),
            "prompt_tokens": sum(served.usage[0] for served in self.log),
            "completion_tokens": sum(served.usage[1] for served in self.log), "window_s": window_s,
            "peak_arrived": limits.peak([served.time for served in live], [1] * len(live), window_s),
            "peak_requests": limits.peak(times, [1] * len(times), window_s),
            "peak_tokens": limits.peak(times, [sum(served.usage) for served in let_in], window_s),
        }  # fmt: skip


def answered(served: Served) -> bool:
    """Whether a client that lives has got a reply with a completion in it, good or odd."""
    return served.status == 200 and served.whole and served.fault != "broken_body"


def key_of(body: Mapping[str, Any]) -> str:
    """What makes two requests the same: their bodies, whatever the order of the parameters."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def refused_parameter(body: Mapping[str, Any], refuse: tuple[str, ...]) -> str:
    """The first parameter that is refused, "response_format" for a refused type of it; "" for none."""
    form = (body.get("response_format") or {}).get("type", "")
    found = (name for name in refuse if name == form or name in body)
    return next(("response_format" if name == form else name for name in found), "")


def completion(body: Mapping[str, Any], key: str, fault: str, id: str) -> dict[str, Any]:
    """A chat completion as the API defines it, cut off at the tokens allowed."""
    text, finish = replies.content(body, key, fault), "stop"
    allowed = body.get("max_completion_tokens") or body.get("max_tokens") or 10**6
    if fault == "truncated" or replies.tokens(text) > allowed:
        text, finish = text[: 4 * allowed], "length"
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    if fault in ("refusal", "filtered"):
        finish = "content_filter" if fault == "filtered" else "stop"
        refusal = "I cannot help with that." if fault == "refusal" else None
        message = {**message, "content": None, "refusal": refusal}
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
    asked, said = replies.tokens(replies.text_of(body["messages"])), replies.tokens(text)
    usage = {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}
    return {"id": id, "object": "chat.completion", "created": int(time.time()), "model": body["model"],
            "choices": [] if fault == "empty_choices" else [choice], "usage": usage}  # fmt: skip
