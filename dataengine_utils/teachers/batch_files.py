"""The files of the Batch API: requests going in, a line each, and what the lines that come back say."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, BinaryIO

from .completions import Completion, completion_of
from .failures import Failure, of_status

ENDPOINT = "/v1/chat/completions"


@dataclass(frozen=True)
class Limits:
    """What a file may hold, and how soon (seconds) the batches are looked at again."""

    requests: int = 50_000
    bytes: int = 200_000_000
    poll_s: float = 15.0


class BatchFile:
    """A file of requests in the making, gone from the disk with the end of its with-block."""

    def __init__(self, limits: Limits):
        self._limits, self.n, self._bytes = limits, 0, 0
        self.stored: list[Future[None]] = []  # of the attempts of its lines

    def __enter__(self) -> "BatchFile":
        self._file = tempfile.TemporaryFile()
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def has_room(self, line: bytes) -> bool:
        """Whether a line fits under the provider's limits."""
        return self.n < self._limits.requests and self._bytes + len(line) <= self._limits.bytes

    def add(self, line: bytes, stored: "Future[None]") -> None:
        """Add a line, whose attempt is `stored` in the ledger in a moment."""
        self._file.write(line)
        self.stored.append(stored)
        self.n, self._bytes = self.n + 1, self._bytes + len(line)

    def wait_until_stored(self) -> None:
        """Wait until the attempts of all lines are on the disk; `KitError` where one cannot be stored."""
        for stored in self.stored:
            stored.result()

    def rewound(self) -> BinaryIO:
        """The file, to be read from its start."""
        self._file.seek(0)
        return self._file


def line_of(key: str, body: Mapping[str, Any]) -> bytes:
    """A request as a line of a file; the ledger's key names it."""
    line = {"custom_id": key, "method": "POST", "url": ENDPOINT, "body": body}
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"


def lines_of(content: bytes, model: str) -> Iterator[tuple[str, Completion | Failure]]:
    """What the lines of an output or an error file say, by key; lines without a key are passed over."""
    for text in content.splitlines():
        try:
            line = json.loads(text)
        except ValueError:  # cut off; its request counts as not done
            continue
        if isinstance(line, dict) and isinstance(line.get("custom_id"), str):
            yield line["custom_id"], _said(line, model)


def _said(line: Mapping[str, Any], model: str) -> Completion | Failure:
    response, error = line.get("response"), line.get("error")
    if isinstance(response, dict):
        status, body = response.get("status_code"), response.get("body")
        if status == 200:
            return completion_of(body) if isinstance(body, dict) else Failure("broken", "no JSON", 200)
        error = body.get("error") if isinstance(body, dict) else None
        error = error if isinstance(error, dict) else {"message": error}
        return of_status(status if isinstance(status, int) else 500, error, model)
    code = str(error.get("code") or "") if isinstance(error, dict) else ""
    kind = "expired" if "expired" in code or "cancelled" in code else "server error"
    return Failure(kind, f"the batch left it undone ({code})", code=code)
