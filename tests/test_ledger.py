"""The ledger: stored before it is sent, paid once, within the budget, nothing lost by kills or full disks."""

import json
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine_utils.errors import KitError
from dataengine_utils.teachers import store
from dataengine_utils.teachers.ledger import LOST, Answer, Batch, BudgetReached, Ledger, canonical
from dataengine_utils.teachers.secrets import scrub

BODY = {"model": "m", "messages": [{"role": "user", "content": "What is this?"}], "temperature": 1.0}
KEY = Ledger.key(BODY)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "ledger.sqlite"


def answer(key=KEY, text='{"question": "?"}', usd=0.25, **more):
    return Answer(key, text, "stop", 100, 20, usd, "live", 1.0, **more)


def reserve(ledger, key=KEY, usd=1.0, body=BODY):
    return ledger.reserve(key, body, usd=usd, way="live")


def raw(path, sql):
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def test_a_request_is_on_the_disk_before_it_is_sent_and_its_reply_when_it_arrives(path):
    with Ledger(path) as ledger:
        attempt = reserve(ledger)
        assert json.loads(raw(path, "SELECT body FROM requests")[0][0]) == BODY
        assert raw(path, "SELECT key, kind, reserved_usd FROM attempts") == [(KEY, "", 1.0)]
        assert ledger.answer(KEY) is None
        ledger.settle(attempt, answer())
        assert raw(path, "SELECT kind, text, usd FROM attempts") == [("answered", '{"question": "?"}', 0.25)]
    with Ledger(path) as ledger:
        assert ledger.answer(KEY) == answer()
        assert ledger.answer(KEY, skip=1) is None


def test_totals_are_the_same_after_reopening(path):
    with Ledger(path) as ledger:
        ledger.settle(reserve(ledger), answer())
        ledger.fail(reserve(ledger, "b"), "server error", "500", status=500)
        ledger.fail(reserve(ledger, "b"), "time-out", "no reply", status=0)
        ledger.fail(reserve(ledger, "b"), "broken", "no JSON", answer=answer("b", usd=0.5))
        open_, totals = reserve(ledger, "c", usd=2.0), ledger.totals()
        assert (totals.requests, totals.attempts, totals.answered, totals.failed) == (3, 5, 1, 3)
        assert (totals.usd, totals.lost_usd, totals.reserved_usd, totals.open) == (1.75, 1.0, 2.0, 1)
        assert (totals.prompt_tokens, totals.completion_tokens) == (200, 40)
        ledger.fail(open_, "rate limit", "429")
        totals = ledger.totals()
    with Ledger(path) as ledger:
        assert ledger.totals() == totals
    assert (totals.usd, totals.reserved_usd, totals.open) == (1.75, 0.0, 0)


def test_each_attempt_ends_once(path):
    with Ledger(path) as ledger:
        attempt = reserve(ledger)
        ledger.settle(attempt, answer())
        for end in (lambda: ledger.settle(attempt, answer()), lambda: ledger.fail(attempt, "cut", "")):
            with pytest.raises(KitError, match="attempt 1 is not open"):
                end()
        with pytest.raises(KitError, match="use settle"):
            ledger.fail(attempt, "answered", "")
        assert ledger.totals().answered == 1


def test_the_budget_counts_what_is_under_way_at_its_worst_price(path):
    with Ledger(path, budget_usd=2.0) as ledger:
        first, second = reserve(ledger, "a"), reserve(ledger, "b")
        with pytest.raises(BudgetReached, match=r"\$2.00 is reached: \$0.0000 spent, \$2.0000 held for 2"):
            reserve(ledger, "c", usd=0.01)
        assert ledger.totals().attempts == 2, "what was turned away is no attempt"
        ledger.settle(first, answer("a"))
        ledger.fail(second, "server error", "500")
        third = reserve(ledger, "c", usd=1.75)
        ledger.fail(third, "cut", "the line went dead")
        assert ledger.totals().usd == 2.0, "it may have been billed, so it counts"
    with Ledger(path, budget_usd=2.0) as ledger, pytest.raises(BudgetReached, match="allow more"):
        reserve(ledger, "d", usd=0.001)
    with Ledger(path, budget_usd=3.0) as ledger:
        reserve(ledger, "d", usd=1.0)


def test_threads_never_pass_the_budget_together():
    ledger, refused = Ledger(None, budget_usd=50.0), []

    def work(name):
        for number in range(20):
            try:
                attempt = reserve(ledger, f"{name}-{number}")
            except BudgetReached as error:
                refused.append(error)
            else:
                ledger.settle(attempt, answer(f"{name}-{number}", usd=1.0))

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.totals().usd == 50.0 and ledger.totals().answered == 50 and len(refused) == 110
    ledger.close()


_KILLED = """
import os, signal, sys
from pathlib import Path
from dataengine_utils.teachers.ledger import Answer, Ledger
ledger = Ledger(Path(sys.argv[1]))
attempts = [ledger.reserve(f"k{n}", {"n": n}, usd=0.5, way="live") for n in range(3)]
ledger.settle(attempts[0], Answer("k0", "text", "stop", 1, 1, 0.1, "live", 1.0))
ledger.reserve_soon("in batch", "{}", usd=0.5, way="batch", batch="t")[1].result()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_had_under_way_counts_as_spent(path):
    path.parent.mkdir()
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(path)], check=False)
    assert killed.returncode == -9
    with Ledger(path, budget_usd=1.7) as ledger:
        assert ledger.answer("k0").text == "text" and ledger.answer("k1") is None
        totals = ledger.totals()
        assert (totals.usd, totals.lost_usd) == (pytest.approx(1.1), 1.0)
        assert (totals.open, totals.reserved_usd) == (1, 0.5), "a batch goes on at the provider"
        assert list(ledger.open_attempts("t")) == ["in batch"]
        with pytest.raises(BudgetReached):
            reserve(ledger, "k1", usd=0.2)
    assert raw(path, f"SELECT count(*) FROM attempts WHERE kind = '{LOST}'") == [(2,)]


def test_other_ledgers_answer_for_nothing(path, tmp_path):
    with Ledger(path) as ledger:
        ledger.settle(reserve(ledger), answer())
    with Ledger(tmp_path / "new.sqlite", reuse=[path]) as ledger:
        found = ledger.answer(KEY)
        assert (found.text, found.usd) == ('{"question": "?"}', 0.0)
        assert ledger.totals().attempts == 0
    with pytest.raises(KitError, match="no ledger .*none.sqlite"):
        Ledger(tmp_path / "x.sqlite", reuse=[tmp_path / "none.sqlite"])


_OPENING = """
import sys
from pathlib import Path
from dataengine_utils.teachers.ledger import Ledger
Ledger(Path(sys.argv[1]))
"""


def test_one_process_writes_and_others_may_read(path):
    with Ledger(path) as ledger:
        ledger.settle(reserve(ledger), answer())
        opening = [sys.executable, "-c", _OPENING, str(path)]
        second = subprocess.run(opening, capture_output=True, text=True, check=False)
        assert "in use by another run" in second.stderr
        with pytest.raises(KitError, match="in use by another run"):
            Ledger(path)
        with Ledger(path, for_reading=True) as reader:
            assert reader.totals().answered == 1 and reader.answer(KEY).text
        reserve(ledger, "b")
    with Ledger(path) as ledger:
        assert ledger.totals().attempts == 2


@pytest.mark.parametrize("damage", ["text", "middle", "other", "version"])
def test_a_damaged_or_foreign_file_is_told_with_what_to_do(path, damage):
    with Ledger(path) as ledger:
        for number in range(30):
            ledger.settle(reserve(ledger, f"k{number}"), answer(f"k{number}", "x" * 5000))
    if damage == "text":
        path.write_bytes(b"no database at all" * 100)
    elif damage == "middle":
        data = bytearray(path.read_bytes())
        data[4096:] = os.urandom(len(data) - 4096)
        path.write_bytes(data)
    else:
        field = "application_id" if damage == "other" else "user_version"
        raw(path, f"PRAGMA {field} = 77")
    with pytest.raises(KitError) as error:
        Ledger(path)
    told = str(error.value)
    assert str(path) in told and "teacher_options.ledger" in told
    assert ("damaged" in told and ".recover" in told) or "expected a ledger of version 1" in told


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(KitError, match="file"):
        Ledger(tmp_path / "file" / "ledger.sqlite")
    with pytest.raises(KitError, match="cannot be used"):
        Ledger(tmp_path)


class FullDisk:
    """A connection whose commits fail for want of room, until room is made."""

    def __init__(self, connection, has_room):
        self._connection, self._has_room = connection, has_room

    def execute(self, sql, *values):
        if sql == "COMMIT" and not self._has_room():
            raise sqlite3.OperationalError("database or disk is full")
        return self._connection.execute(sql, *values)

    def __getattr__(self, name):
        return getattr(self._connection, name)


def test_on_a_full_disk_replies_under_way_are_kept_and_nothing_more_is_sent(path):
    spare = path.with_name("ledger.sqlite-spare")
    ledger = Ledger(path)
    attempts = [reserve(ledger, f"k{n}") for n in range(3)]
    assert spare.stat().st_size == store.SPARE
    ledger._store._connection = FullDisk(ledger._store._connection, lambda: not spare.exists())
    for number, attempt in enumerate(attempts):
        ledger.settle(attempt, answer(f"k{number}"))
    assert not spare.exists(), "the room that was kept was given to them"
    with pytest.raises(KitError, match="no room on the disk .* make room"):
        reserve(ledger, "more")
    ledger.close()
    with Ledger(path) as ledger:
        assert [bool(ledger.answer(f"k{n}")) for n in range(3)] == [True] * 3
        assert ledger.totals().attempts == 3


def test_a_disk_that_stays_full_is_told_and_what_was_stored_is_kept(path):
    ledger = Ledger(path)
    attempts = [reserve(ledger, f"k{n}") for n in range(20)]
    limit = ledger._store.rows("PRAGMA page_count")[0][0] + 8
    ledger._store._connection.execute(f"PRAGMA max_page_count = {limit}")
    stored = 0
    with pytest.raises(KitError, match="no room on the disk"):
        for number, attempt in enumerate(attempts):
            ledger.settle(attempt, answer(f"k{number}", "x" * 5000))
            stored += 1
    with suppress(KitError):
        ledger.close()
    with Ledger(path) as ledger:
        assert 0 < stored < 20 and ledger.totals().answered == stored
        assert ledger.totals().usd == 0.25 * stored + 1.0 * (20 - stored), "the others count at their worst"


def test_no_key_is_stored(path, monkeypatch):
    key = "my-own-secret-key-1234"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    told = f"Incorrect key {key}, Authorization: Bearer abc.def and sk-proj-abcdefgh1234"
    with Ledger(path) as ledger:
        ledger.fail(reserve(ledger), "authentication", told, status=401)
        ledger.settle(reserve(ledger, "b", body={"x": f"I am {key}"}), answer("b", f"your key is {key}"))
        ledger.keep_batch(Batch("t", 1.0, "planned", message=told))
        messages = [raw(path, "SELECT message FROM attempts")[0][0], ledger.batches()[0].message]
    for message in messages:
        assert message == "Incorrect key [key], Authorization: [key] and [key]"
    files = [file for file in path.parent.iterdir() if "spare" not in file.name]
    assert files and not any(key.encode() in file.read_bytes() for file in files)


def test_a_word_that_stands_in_for_a_key_is_left_in_texts(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    assert scrub("many bananas", sure=True) == scrub("many bananas") == "many bananas"


def test_batches_and_notes_are_kept(path):
    with Ledger(path) as ledger:
        batch = Batch("t1", 1.0, "planned")
        ledger.keep_batch(batch)
        ledger.keep_batch(Batch("t0", 2.0, "submitted", "file-1", "batch_1"))
        ledger.keep_note("form", "none")
        ledger.keep_note("form", "object")
    with Ledger(path) as ledger:
        assert [b.token for b in ledger.batches()] == ["t1", "t0"]
        ledger.keep_batch(Batch("t1", 1.0, "collected"))
        assert [b.token for b in ledger.batches()] == ["t0"]
        assert ledger.note("form") == "object" and ledger.note("other") == ""


def test_a_ledger_in_memory_does_the_same():
    with Ledger(None, budget_usd=1.5) as ledger:
        ledger.settle(reserve(ledger), answer())
        assert ledger.answer(KEY) == answer() and ledger.totals().usd == 0.25
        ledger.fail(reserve(ledger, "b"), "broken", "")
        assert ledger.failures("b", "broken") == 1
        with pytest.raises(BudgetReached):
            reserve(ledger, "c")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=8), json_values, max_size=5))
def test_a_key_is_the_content_whatever_the_order(body):
    shuffled = dict(reversed(body.items()))
    assert Ledger.key(body) == Ledger.key(shuffled) == Ledger.key(json.loads(json.dumps(body)))
    assert Ledger.key({**body, "one more": 1}) != Ledger.key(body)


def test_a_picture_counts_by_its_digest():
    def body(url):
        content = [{"type": "image_url", "image_url": {"url": url}}]
        return {**BODY, "messages": [{"role": "user", "content": content}]}

    one, other = (body(f"data:image/jpeg;base64,{letter * 1000}") for letter in "ab")
    assert Ledger.key(one) != Ledger.key(other)
    assert "base64" not in canonical(one) and len(canonical(one)) < 300
    assert "http://x/y.jpg" in canonical(body("http://x/y.jpg"))
