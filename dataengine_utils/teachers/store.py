"""One SQLite file written by one process: every write is on the disk before its future is done."""

import contextlib
import os
import queue
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from .. import files
from ..errors import KitError

APPLICATION = 0x6465_6C67  # "delg" in the file's header: this database is a ledger
VERSION = 1
SPARE = 4 * 2**20  # bytes kept free beside the file, so that replies in flight fit when the disk is full
_MOST = 1000  # statements in one commit
Statement = tuple[str, Sequence[Any]]
Job = tuple[list[Statement], "Future[None]"]


class Store:
    """An SQLite database (None: in memory) with a thread that writes what is handed to it, many at a commit.

    `write` returns at once; its future is done when the statements are on the disk, in the order given.
    Opened `for_reading`, it takes no writes and may be open beside a writer. Another writer, a damaged file
    and a full disk raise `KitError`.
    """

    def __init__(self, path: Path | None, schema: str, for_reading: bool = False):
        self.path, self.full = path, False
        self._name = str(path) if path else ":memory:"
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._lock = self._spare = self._thread = None
        self._writes = False
        self._reads = threading.Lock()
        with self._clear():
            if for_reading:
                self._read = _reader(path)
                self._check()
                return
            try:
                self._open(path, schema)
            except BaseException:
                self.close()
                raise

    @property
    def writes(self) -> bool:
        """Whether it is open for writing."""
        return self._writes

    def write(self, statements: list[Statement]) -> "Future[None]":
        """Hand statements over for one commit; the future has a `KitError` where they could not be stored."""
        done: Future[None] = Future()
        if self._thread:
            self._jobs.put((statements, done))
        else:
            self._commit([(statements, done)])
        return done

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query over what is stored so far."""
        with self._reads, self._clear():
            return self._read.execute(sql, values).fetchall()

    def close(self) -> None:
        """Write what is handed over, then let go of the file."""
        self._writes = False
        if self._thread:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None
        for connection in {getattr(self, "_read", None), getattr(self, "_connection", None), self._lock}:
            if connection is not None:
                with contextlib.suppress(sqlite3.Error):  # all that was promised is committed before
                    connection.close()
        self._lock = None
        self._give_spare()

    def _open(self, path: Path | None, schema: str) -> None:
        if path is not None:
            files.make_folder(path.parent)
            self._lock = _lock(path)
            self._spare = _keep_spare(path)
        self._connection = _connect(self._name)
        self._read = self._connection if path is None else _connect(self._name)
        if self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            self._check()
        else:
            marks = f"PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}"
            self._connection.executescript(f"BEGIN; {schema}; {marks}; COMMIT")
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._writes = True
        if path is not None:  # in memory nothing takes long enough for a thread
            self._thread = threading.Thread(target=self._work, name="ledger", daemon=True)
            self._thread.start()

    def _check(self) -> None:
        [application] = self._read.execute("PRAGMA application_id").fetchone()
        [version] = self._read.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION or version != VERSION:
            found = f"a ledger of version {version}" if application == APPLICATION else "another kind of file"
            raise KitError(f"{self._name!r} is {found}; expected a ledger of version {VERSION}: name another "
                           "file in teacher_options.ledger")

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            jobs = [job]
            while len(jobs) < _MOST and not self._jobs.empty():
                if (job := self._jobs.get()) is None:
                    self._jobs.put(None)
                    break
                jobs.append(job)
            self._commit(jobs)

    def _commit(self, jobs: list[Job]) -> None:
        waited_for = [done for _, done in jobs if done.set_running_or_notify_cancel()]
        try:
            self._run(jobs)
        except KitError as error:
            for done in waited_for:
                done.set_exception(error)
        else:
            for done in waited_for:
                done.set_result(None)

    def _run(self, jobs: list[Job]) -> None:
        statements = [statement for some, _ in jobs for statement in some]
        try:
            self._transact(statements)
        except sqlite3.Error as error:
            if not _is_full(error):
                raise self._told(error) from error
            self.full = True
            if not self._give_spare():
                raise self._told(error) from error
            with self._clear():
                self._transact(statements)

    def _transact(self, statements: list[Statement]) -> None:
        lock = self._reads if self.path is None else contextlib.nullcontext()
        with lock:
            try:
                self._connection.execute("BEGIN")
                for sql, values in statements:
                    self._connection.execute(sql, values)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _give_spare(self) -> bool:
        """Give the spare room back to the disk; whether there was any left to give."""
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.unlink(missing_ok=True)
        return spare is not None

    @contextlib.contextmanager
    def _clear(self) -> Iterator[None]:
        """SQLite's errors, told with what to do."""
        try:
            yield
        except sqlite3.ProgrammingError:
            raise  # used wrongly, by us
        except sqlite3.Error as error:
            raise self._told(error) from error

    def _told(self, error: sqlite3.Error) -> KitError:
        if "full" in str(error):
            return self.no_room()
        if isinstance(error, sqlite3.OperationalError) and "malformed" not in str(error):
            return KitError(f"the ledger {self._name!r} cannot be used ({error}); check the folder, its disk "
                            "and its rights, or name another file in teacher_options.ledger, then run again")
        return KitError(
            f"the ledger {self._name!r} is damaged ({error}); move it away, rescue its replies with: sqlite3 "
            f"{self._name} .recover | sqlite3 rescued.sqlite, and run again with "
            "teacher_options.ledger=rescued.sqlite"
        )

    def no_room(self) -> KitError:
        """The error for a full disk."""
        return KitError(f"no room on the disk for the ledger {self._name!r}; replies stored so far are kept: "
                        "make room, then run again")


def _connect(name: str) -> sqlite3.Connection:
    return sqlite3.connect(name, isolation_level=None, check_same_thread=False, timeout=30.0)


def _reader(path: Path | None) -> sqlite3.Connection:
    if path is None or not path.is_file():
        raise KitError(f"no ledger {str(path)!r}; the first run of a teacher with this file in "
                       "teacher_options.ledger writes it")
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None,
                           check_same_thread=False, timeout=30.0)


def _lock(path: Path) -> sqlite3.Connection:
    """Hold the one right to write; the system takes it back however this process ends."""
    lock = sqlite3.connect(f"{path}-lock", isolation_level=None, check_same_thread=False, timeout=0.0)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        lock.close()
        if "locked" not in str(error):
            raise
        raise KitError(f"the ledger {str(path)!r} is in use by another run; wait for its end, stop it, or "
                       "name another file in teacher_options.ledger") from error
    return lock


def _keep_spare(path: Path) -> Path | None:
    """Room on the disk held for a full one; None where there is none even now."""
    spare = path.with_name(f"{path.name}-spare")
    try:
        spare.write_bytes(os.urandom(SPARE))  # noise: a file system that packs zeros would hold nothing
    except OSError:
        spare.unlink(missing_ok=True)
        return None
    return spare


def _is_full(error: sqlite3.Error) -> bool:
    """A used-up quota is told as an input/output error."""
    return "full" in str(error) or "disk I/O error" in str(error)
