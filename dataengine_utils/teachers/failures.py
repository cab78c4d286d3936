"""Why a request has no reply, by kind: what may pass is tried again, what will not stops the run at once."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .limiter import retry_after
from .secrets import KEY, scrub

GO_ON = "what is done so far is kept, run the notebook or command again"
LONGEST_WAIT_S = 900.0  # a provider that asks for a longer pause than this ends the run
_QUOTA = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_balance"}
# What the HTTP client (aiohttp, behind httpx2's names) raises before anything was sent.
_NEVER_SENT = ("ClientConnectorError", "ConnectionTimeoutError", "InvalidURL", "NonHttpUrlClientError",
               "PoolTimeout", "UnsupportedProtocol")
_CUT = ("ServerDisconnectedError", "ClientOSError", "ClientPayloadError")  # after it was sent
_TOLD = 300  # characters of a server's own words that are kept


@dataclass(frozen=True)
class Failure:
    """An attempt without a reply.

    `kind` is the ledger's word for it, `message` ours with the server's, `stop` is what to do where it ends
    the run (else ""), `told` the server's own words, `param` the parameter that it names.
    """

    kind: str
    message: str
    status: int = 0
    stop: str = ""
    told: str = ""
    code: str = ""
    param: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def used(self) -> int | None:
        """The tokens that the provider has counted; None where nobody knows."""
        return 0 if self.kind in ("rate limit", "connection") else None

    @property
    def passes(self) -> bool:
        """Whether the same request may have a reply another time."""
        return not self.stop and self.kind in ("rate limit", "time-out", "connection", "cut", "server error",
                                               "broken", "empty", "expired", "batch failed")


def of_exception(error: BaseException, model: str) -> Failure:
    """The failure that an exception of the client, or a time-out, stands for."""
    import openai

    if isinstance(error, openai.APITimeoutError | asyncio.TimeoutError):
        return _unanswered(error, "time-out")
    if isinstance(error, openai.APIStatusError):
        body = error.body if isinstance(error.body, Mapping) else {"message": error.body}
        return of_status(error.status_code, body, model, headers=error.response.headers,
                         name=type(error).__name__)
    if isinstance(error, openai.APIConnectionError):
        return _unanswered(error, "cut")
    return Failure("broken", type(error).__name__)


def of_status(status: int, error: Mapping[str, Any], model: str, *, name: str = "",
              headers: Mapping[str, str] | None = None) -> Failure:
    """The failure that an HTTP status stands for, with the error object of its body."""
    code, param = str(error.get("code") or ""), str(error.get("param") or "")
    told = scrub(str(error.get("message") or ""))[:_TOLD]
    kind = _kind(status, code)
    said = f"{name or kind} {status}{f' {code}' if code else ''}"
    headers = headers or {}
    stop = ""
    if kind in _TO_DO:
        stop = f"the teacher's server refuses model {model!r} ({said}): {_TO_DO[kind]}; {GO_ON}"
    elif kind == "rate limit" and (retry_after(headers) or 0.0) > LONGEST_WAIT_S:
        stop = (f"the teacher's server asks to wait {retry_after(headers):,.0f} s ({said}), as for a limit "
                f"per day; {GO_ON} then")
    return Failure(kind, f"{said}: {told}" if told else said, status, stop, told, code, param, headers)


# Kinds that no second attempt mends, and what does. The server's own words are left out: some repeat the key.
_TO_DO = {
    "authentication": f"it does not know the key; check {KEY} and base_url (in a run: teacher_options)",
    "permission": f"the key in {KEY} may not use it; check the key's project and its rights",
    "quota": f"the quota or the balance behind {KEY} is used up; raise it at the provider",
    "unknown model": "it has no such model or address; check model and base_url (in a run: teacher_options), "
                     f"and that the key in {KEY} may use the model",
}


def _kind(status: int, code: str) -> str:
    if status == 402 or code in _QUOTA:
        return "quota"
    named = {401: "authentication", 403: "permission", 404: "unknown model", 429: "rate limit"}
    if status in named:
        return named[status]
    return "server error" if status >= 500 or status in (408, 409, 425) else "refused"


def _unanswered(error: BaseException, kind: str) -> Failure:
    """A failure on the way to the server or back; "connection" where nothing was sent, and so not billed."""
    cause = _cause(error)
    names = [base.__name__ for base in type(cause).__mro__]
    if any(name in _NEVER_SENT for name in names):
        kind = "connection"
    elif any(name in _CUT for name in names):
        kind = "cut"
    return Failure(kind, " ".join([type(error).__name__, *([names[0]] if cause else [])]))


def _cause(error: BaseException) -> BaseException | None:
    """What the HTTP library itself raised: the client's own exceptions only stand for it."""
    cause = error.__cause__
    while cause is not None and not type(cause).__module__.startswith("aiohttp") and cause.__cause__:
        cause = cause.__cause__
    return cause
