"""Every request to a paid teacher and every reply, in one SQLite file: stored before it is sent, paid once.

A request's key is the hash of its content, so an answered request is known again in any later run. Each
attempt holds its worst price from before it is sent until its outcome is stored; the budget counts both.
"""

import hashlib
import json
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ..errors import KitError
from .secrets import scrub
from .store import Store

Way = Literal["live", "batch"]
ANSWERED = "answered"
LOST = "lost"  # sent or about to be sent when the process ended; nobody knows whether it was billed
# failures that the provider may have billed although no usage was told: they count with their worst price
MAYBE_BILLED = (LOST, "time-out", "cut", "broken")

_SCHEMA = """
CREATE TABLE requests (key TEXT PRIMARY KEY, body TEXT NOT NULL, time REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, way TEXT NOT NULL, batch TEXT NOT NULL DEFAULT '',
    sent REAL NOT NULL, reserved_usd REAL NOT NULL, settled REAL, kind TEXT NOT NULL DEFAULT '',
    status INTEGER NOT NULL DEFAULT 0, message TEXT NOT NULL DEFAULT '', text TEXT NOT NULL DEFAULT '',
    finish TEXT NOT NULL DEFAULT '', prompt_tokens INTEGER NOT NULL DEFAULT 0,
    completion_tokens INTEGER NOT NULL DEFAULT 0, cached_tokens INTEGER NOT NULL DEFAULT 0,
    usd REAL NOT NULL DEFAULT 0
);
CREATE INDEX attempts_of_key ON attempts (key, kind);
CREATE INDEX open_attempts ON attempts (batch) WHERE kind = '';
CREATE TABLE batches (
    token TEXT PRIMARY KEY, created REAL NOT NULL, state TEXT NOT NULL, file_id TEXT NOT NULL DEFAULT '',
    batch_id TEXT NOT NULL DEFAULT '', message TEXT NOT NULL DEFAULT ''
);
CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL)
"""
_ANSWER = "key, text, finish, prompt_tokens, completion_tokens, usd, way, settled, cached_tokens"


class BudgetReached(KitError):
    """The next request could pass the budget."""


@dataclass(frozen=True)
class Answer:
    """A reply as it came: the raw text, why the model stopped, tokens used, price (USD), time (Unix, s)."""

    key: str
    text: str
    finish: str
    prompt_tokens: int
    completion_tokens: int
    usd: float
    way: Way
    time: float
    cached_tokens: int = 0


@dataclass(frozen=True)
class Totals:
    """Counts and sums of a ledger.

    `requests` are distinct, `attempts` all that were stored to be sent; `answered` are requests, `failed` and
    `open` attempts. `usd` is what is spent, with `lost_usd`, the worst price of attempts that may have been
    billed or not, as part of it; `reserved_usd` is held for the open ones.
    """

    requests: int = 0
    attempts: int = 0
    answered: int = 0
    failed: int = 0
    open: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0
    reserved_usd: float = 0.0
    lost_usd: float = 0.0


@dataclass(frozen=True)
class Batch:
    """A file of requests given to a batch API: `token` is our name for it, in its metadata there.

    `state`: "planned" (attempts stored), "uploaded" (file id known), "submitted" (batch id known),
    "collected" (every attempt has its outcome).
    """

    token: str
    created: float
    state: Literal["planned", "uploaded", "submitted", "collected"]
    file_id: str = ""
    batch_id: str = ""
    message: str = ""


class Ledger:
    """Requests, attempts and replies in the SQLite file `path` (None: in memory), by many threads at once.

    `budget_usd` is never passed by spent and reserved together (None: no limit). `reuse` names ledgers of
    other runs: what they have answered is not asked again and costs nothing. Only one process writes to a
    ledger; a second one gets a `KitError`. With `for_reading` the file is left as it is and may be in use.
    Attempts that a killed process left open become lost and count with their reserved price, except those of
    batches, which go on at the provider.
    """

    def __init__(self, path: Path | None, budget_usd: float | None = None, reuse: Sequence[Path] = (), *,
                 for_reading: bool = False):
        self.path, self.budget_usd = path, budget_usd
        self._others: list[Store] = []
        self._open: dict[int, tuple[float, str]] = {}  # attempts under way: worst price, batch
        self._counting = threading.Lock()
        self._store = Store(path, _SCHEMA, for_reading)
        try:
            self._others = [Store(Path(other), _SCHEMA, for_reading=True) for other in reuse]
            self._count()
            if not for_reading:
                self.lose_open()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Store what is under way and let go of the files; attempts still open are lost."""
        try:
            if self._store.writes:
                self.lose_open()
        finally:
            for store in (self._store, *self._others):
                store.close()

    @staticmethod
    def key(body: Mapping[str, Any]) -> str:
        """The sha256 (hex) of a request's content; a picture counts by the sha256 of its data URL."""
        return key_of(canonical(body))

    def answer(self, key: str, skip: int = 0) -> Answer | None:
        """The stored reply to a request; one out of another ledger (`reuse`) costs nothing.

        A request that was asked several times on purpose has several: `skip` passes over the first ones.
        """
        sql = f"SELECT {_ANSWER} FROM attempts WHERE key = ? AND kind = ? ORDER BY id LIMIT 1 OFFSET ?"
        own = (self._store,) if key in self._keys else ()
        for store in (*own, *self._others):
            for row in store.rows(sql, (key, ANSWERED, skip)):
                answer = Answer(*row)
                return answer if store is self._store else replace(answer, usd=0.0)
        return None

    def reserve(self, key: str, body: Mapping[str, Any], *, usd: float, way: Way) -> int:
        """Store a request and a new attempt at it, at the worst price `usd`; returns the attempt's number.

        When this returns, both are on the disk and the request may be sent. `BudgetReached` when spent,
        reserved and this price would pass the budget together; `KitError` when the disk is full.
        """
        attempt, stored = self.reserve_soon(key, canonical(body), usd=usd, way=way)
        stored.result()
        return attempt

    def settle(self, attempt: int, answer: Answer) -> None:
        """Store the reply to an attempt with what it used and cost; when this returns it is on the disk."""
        self.settle_soon(attempt, answer).result()

    def fail(self, attempt: int, kind: str, message: str, *, status: int = 0,
             answer: Answer | None = None) -> None:
        """Store why an attempt has no usable reply. `answer` is what came all the same, with its price.

        Without an answer, kinds in `MAYBE_BILLED` cost the price reserved and others nothing.
        """
        self.fail_soon(attempt, kind, message, status=status, answer=answer).result()

    def reserve_soon(self, key: str, text: str, *, usd: float, way: Way,
                     batch: str = "") -> tuple[int, "Future[None]"]:
        """As `reserve` of the body with this `canonical` text, without the wait: the request may be sent once
        the future is done.
        """
        text = scrub(text, sure=True)
        with self._counting:
            if self._store.full:
                raise self._store.no_room()
            held = self._totals.usd + self._totals.reserved_usd
            if self.budget_usd is not None and held + usd > self.budget_usd * (1 + 1e-9):
                raise self._reached(usd)
            self._last += 1
            attempt, now = self._last, time.time()
            self._open[attempt] = usd, batch
            self._add(requests=key not in self._keys, attempts=1, open=1, reserved_usd=usd)
            self._keys.add(key)
            return attempt, self._store.write([
                ("INSERT OR IGNORE INTO requests VALUES (?, ?, ?)", (key, text, now)),
                ("INSERT INTO attempts (id, key, way, batch, sent, reserved_usd) VALUES (?, ?, ?, ?, ?, ?)",
                 (attempt, key, way, batch, now, usd)),
            ])

    def reserved(self, attempt: int) -> float:
        """The worst price (USD) held for an attempt under way; 0 for one that has ended."""
        return self._open.get(attempt, (0.0, ""))[0]

    def settle_soon(self, attempt: int, answer: Answer) -> "Future[None]":
        """As `settle`, without the wait."""
        return self._end(attempt, ANSWERED, "", 200, answer, answer.usd)

    def fail_soon(self, attempt: int, kind: str, message: str, *, status: int = 0,
                  answer: Answer | None = None) -> "Future[None]":
        """As `fail`, without the wait."""
        if kind in ("", ANSWERED):
            raise KitError(f"an attempt cannot fail as {kind!r}; use settle for a reply")
        usd = self.reserved(attempt) if kind in MAYBE_BILLED else 0.0
        return self._end(attempt, kind, scrub(message), status, answer, answer.usd if answer else usd)

    def lose_open(self, attempts: Collection[int] | None = None) -> None:
        """Give up these attempts under way (None: all), for whoever sent them is gone; batches go on at the
        provider.
        """
        gone = [attempt for attempt, (_, batch) in self._open.items()
                if not batch and (attempts is None or attempt in attempts)]
        why = "the run or its process ended while it was under way"
        for stored in [self.fail_soon(attempt, LOST, why) for attempt in gone]:
            stored.result()

    def totals(self) -> Totals:
        """What is in the ledger now. Of a ledger opened for reading: what was there when it was opened."""
        with self._counting:
            return self._totals

    def failures(self, key: str, kind: str) -> int:
        """How many attempts at a request have failed so, in all runs of this ledger."""
        return self._store.rows("SELECT count(*) FROM attempts WHERE key = ? AND kind = ?", (key, kind))[0][0]

    def note(self, name: str) -> str:
        """A fact kept with the run, such as what the server does not know; "" for none."""
        found = self._store.rows("SELECT value FROM notes WHERE name = ?", (name,))
        return found[0][0] if found else ""

    def keep_note(self, name: str, value: str) -> None:
        """Keep a fact with the run."""
        self._store.write([("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))]).result()

    def batches(self) -> list[Batch]:
        """The batches whose attempts have no outcome yet, oldest first."""
        rows = self._store.rows(
            "SELECT token, created, state, file_id, batch_id, message FROM batches "
            "WHERE state != 'collected' ORDER BY created, token"
        )
        return [Batch(*row) for row in rows]

    def keep_batch(self, batch: Batch) -> None:
        """Store how far a batch is."""
        message = scrub(batch.message)
        values = (batch.token, batch.created, batch.state, batch.file_id, batch.batch_id, message)
        self._store.write([("INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?, ?, ?)", values)]).result()

    def open_attempts(self, batch: str) -> dict[str, int]:
        """The attempts of a batch without an outcome: their numbers by key."""
        return dict(self._store.rows("SELECT key, id FROM attempts WHERE batch = ? AND kind = ''", (batch,)))

    def _end(self, attempt: int, kind: str, message: str, status: int, answer: Answer | None,
             usd: float) -> "Future[None]":
        now = answer.time if answer else time.time()
        used = (answer.text, answer.finish, answer.prompt_tokens, answer.completion_tokens,
                answer.cached_tokens) if answer else ("", "", 0, 0, 0)
        with self._counting:
            if attempt not in self._open:
                raise KitError(f"attempt {attempt} is not open; each attempt of a ledger ends once")
            (reserved, _), answered = self._open.pop(attempt), kind == ANSWERED
            self._add(open=-1, reserved_usd=-reserved, answered=answered, failed=not answered,
                      prompt_tokens=used[2], completion_tokens=used[3], usd=usd,
                      lost_usd=0.0 if answered or used[2] else usd)
            text = scrub(used[0], sure=True)
            return self._store.write([(_END, (now, kind, status, message, text, *used[1:], usd, attempt))])

    def _add(self, **amounts: float) -> None:
        now = {name: getattr(self._totals, name) + amount for name, amount in amounts.items()}
        if not now.get("open", True):
            now["reserved_usd"] = 0.0  # and no rest of rounding
        self._totals = replace(self._totals, **now)

    def _reached(self, usd: float) -> BudgetReached:
        now = self._totals
        return BudgetReached(
            f"the budget of ${self.budget_usd:.2f} is reached: ${now.usd:.4f} spent, ${now.reserved_usd:.4f} "
            f"held for {now.open} requests under way, and the next may cost ${usd:.4f}; replies so far are "
            "kept. To go on, allow more: python -m dataengine_utils.loop resume FOLDER --set budget_usd=N"
        )

    def _count(self) -> None:
        [sums] = self._store.rows(
            "SELECT count(*), count(CASE WHEN kind NOT IN ('', ?) THEN 1 END), "
            "count(CASE WHEN kind = '' THEN 1 END), "
            "total(prompt_tokens), total(completion_tokens), total(usd), "
            "total(CASE WHEN kind = '' THEN reserved_usd END), "
            "total(CASE WHEN kind != ? AND prompt_tokens = 0 THEN usd END), max(id) FROM attempts",
            (ANSWERED, ANSWERED))
        attempts, failed, still_open, prompt, completion, usd, reserved, lost, last = sums
        distinct = "SELECT count(DISTINCT key) FROM attempts WHERE kind = ?"
        [[answered]] = self._store.rows(distinct, (ANSWERED,))
        self._keys = {key for (key,) in self._store.rows("SELECT key FROM requests")}
        under_way = self._store.rows("SELECT id, reserved_usd, batch FROM attempts WHERE kind = ''")
        self._open = {attempt: (usd, batch) for attempt, usd, batch in under_way}
        self._last = last or 0
        self._totals = Totals(len(self._keys), attempts, answered, failed, still_open, int(prompt),
                              int(completion), usd, reserved, lost)


_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))
_END = (
    "UPDATE attempts SET settled = ?, kind = ?, status = ?, message = ?, text = ?, finish = ?, "
    "prompt_tokens = ?, completion_tokens = ?, cached_tokens = ?, usd = ? WHERE id = ?"
)


def canonical(body: Mapping[str, Any]) -> str:
    """A request's content as one JSON text: keys sorted, pictures by the sha256 of their data URL."""
    text = _ENCODER.encode(body)
    return _ENCODER.encode(_without_pictures(body)) if '"data:image/' in text else text


def key_of(text: str) -> str:
    """The key of a request with this canonical text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _without_pictures(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_pictures(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_pictures(item) for item in value]
    if isinstance(value, str) and value.startswith("data:image/"):
        return f"sha256:{hashlib.sha256(value.encode()).hexdigest()}"
    return value
