"""A paid run that is killed with -9 again and again: nothing answered is asked twice, and all books agree.

What agrees, and how, is said by the functions `check_...`. An attempt that a kill cut off is "lost" in the
ledger: the request may have reached the server or not, and its reply may have been billed or not.
"""

import json
import random
import sqlite3
import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from dataengine_utils import files, prompts
from dataengine_utils.prompts import render
from dataengine_utils.records import Generated, Sample
from tests.killed_teacher import IN_FLIGHT, KEY, LEDGER, PRICE, SOURCE, TWINS, queries, starter
from tests.openai_server import PASSING, Plan, Server, answered
from tests.openai_server.model import key_of

READY = 6
"""Requests that the teacher may have stored to be sent next, beside those in flight."""
MAYBE_BILLED = ("lost", "cut", "broken", "time-out")
FAULTS = {
    **{name: 0.2 / len(PASSING) for name in PASSING},
    **{name: 0.02 for name in ("empty_choices", "truncated", "wrong_schema", "language", "skip")},
}
"""30 % of all attempts: two thirds bring no reply, one third an odd one."""


@pytest.fixture(scope="module")
def server():
    with Server() as running:
        yield running


class Ledger:
    """A ledger's rows as they lie in the file, read without the kit."""

    def __init__(self, path: Path):
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
        connection.row_factory = sqlite3.Row
        self.attempts = connection.execute("SELECT * FROM attempts ORDER BY id").fetchall()
        bodies = connection.execute("SELECT key, body FROM requests").fetchall()
        connection.close()
        self.bodies = {row["key"]: json.loads(row["body"]) for row in bodies}
        self.server_key = {key: key_of(body) for key, body in self.bodies.items()}

    def of_kind(self, kind: str) -> list[sqlite3.Row]:
        return [row for row in self.attempts if row["kind"] == kind]

    def answered(self) -> set[str]:
        """The answered requests, by the server's name for them."""
        return {self.server_key[row["key"]] for row in self.of_kind("answered")}


def kill_often(server, arguments, targets):
    """Start the run and kill it once so many requests of any kind have come, for every target; then let it
    end. Returned are, for every kill, how many had arrived and which of them had an answer stored."""
    start, rng, states = starter(), random.Random(0), []
    ledger_file = Path(arguments[0]) / LEDGER
    for target in targets:
        process = start(*arguments)
        wanted = target(server.calls())
        while server.calls() < wanted and process.is_alive():
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.02))
        process.kill()
        process.join()
        if process.exitcode == 0:
            break
        assert process.exitcode == -9
        stored = Ledger(ledger_file).answered() if ledger_file.exists() else set()
        states.append((len(server.log()), stored))
    process = start(*arguments)
    process.join()
    assert process.exitcode == 0
    return states


def check_outcomes(folder, n, ledger):
    """Every query has one record; its reply is what the ledger has for the request, whose body is the query's
    rendered prompt; the samples are the accepted records."""
    records = files.read_lines(folder / "generated.jsonl", Generated)
    assert sorted(r.query_id for r in records) == sorted(query.id for query in queries(n))
    asked = {query.id: query for query in queries(n)}
    texts = {row["key"]: row["text"] for row in ledger.of_kind("answered")}
    for record in records:
        query = asked[record.query_id]
        messages = render(prompts.base_template(), query, SOURCE.record(query.image_id)).messages
        assert ledger.bodies[record.request]["messages"] == messages
        if record.reason != "no reply":
            assert record.reply == texts[record.request]
    samples = files.read_list(folder / "samples.json", Sample)
    accepted = {record.query_id for record in records if record.accepted}
    assert {sample.query_id for sample in samples} == accepted and len(samples) == len(accepted) > n / 4
    return records


def check_nothing_answered_is_sent_again(server, states, ledger):
    """At every kill: what had an answer stored does not arrive any more. At the end: one answer a request."""
    log = server.log()
    for arrived, stored in states:
        assert not stored & {served.key for served in log[arrived:]}
    assert max(Counter(row["key"] for row in ledger.of_kind("answered")).values()) == 1


def check_books(server, ledger):
    """Every request that arrived was stored before. By request: attempts stored = arrivals + those lost
    before they arrived + those of batches that the provider never came to; whole replies of the server =
    answers and odd replies stored + those lost on their way, with the same tokens. Where nothing was lost,
    both are equal."""
    arrivals, attempts = defaultdict(list), defaultdict(list)
    for served in server.log():
        arrivals[served.key].append(served)
    for row in ledger.attempts:
        attempts[ledger.server_key[row["key"]]].append(row)
    assert set(arrivals) <= set(attempts)
    for key, rows in attempts.items():
        lost = sum(row["kind"] == "lost" for row in rows)
        arrived = arrivals.get(key, [])
        unsent = sum(row["kind"] in ("not sent", "expired", "batch failed") for row in rows)
        assert len(rows) - lost - unsent <= len(arrived) <= len(rows) - unsent
        whole = [served.usage for served in arrived if answered(served)]
        stored = [(r["prompt_tokens"], r["completion_tokens"]) for r in rows if r["prompt_tokens"]]
        assert not Counter(stored) - Counter(whole) and len(whole) - len(stored) <= lost
    assert not ledger.of_kind("")


def check_money(records, ledger, share=1.0):
    """What the ledger has spent is the price of all tokens that replies told of, and the reserved price of
    attempts that may have been billed. What was answered is what the records are from; a record carries the
    price of its request's attempts since the last kill: 0 for a reply that was stored before it."""
    spent = defaultdict(list)
    for row in ledger.attempts:
        told = row["prompt_tokens"] * PRICE["input"] + row["completion_tokens"] * PRICE["output"]
        unknown = row["kind"] in MAYBE_BILLED and not row["prompt_tokens"]
        expected = row["reserved_usd"] if unknown else share * told / 1e6
        assert row["usd"] == pytest.approx(expected, abs=1e-12)
        assert row["usd"] <= row["reserved_usd"]
        spent[row["key"]].append(row["usd"])
    replied = {record.request for record in records if record.reason != "no reply"}
    assert {row["key"] for row in ledger.of_kind("answered")} == replied
    carried = defaultdict(float)
    for record in records:
        carried[record.request] += record.usd
    for key, usd in carried.items():
        since = [sum(spent[key][start:]) for start in range(len(spent[key]) + 1)]
        assert any(usd == pytest.approx(one, abs=1e-12) for one in since)


def check_no_key(folder):
    """The key stands in no file of the run."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    assert len(found) >= 3 and [path.name for path in found if KEY.encode() in path.read_bytes()] == []


@pytest.mark.parametrize(("n", "kills"), [(300, 5), pytest.param(2000, 50, marks=pytest.mark.slow)])
def test_a_run_killed_again_and_again_ends_as_if_it_had_not_been(server, tmp_path, n, kills):
    folder = tmp_path / "iter_00"
    server.plan(Plan(faults=FAULTS, seed=n, latency_s=0.02, retry_after_s=0.01))
    points = sorted(random.Random(kills).sample(range(1, n - TWINS), kills))
    states = kill_often(server, (str(folder), server.url, n), [lambda _, at=at: at for at in points])
    assert len(states) == kills
    ledger = Ledger(folder / LEDGER)
    assert 0 < len(ledger.of_kind("lost")) <= kills * (IN_FLIGHT + READY)
    records = check_outcomes(folder, n, ledger)
    check_nothing_answered_is_sent_again(server, states, ledger)
    check_books(server, ledger)
    check_money(records, ledger)
    check_no_key(folder)


def test_batches_survive_kills_and_nothing_is_lost(server, tmp_path):
    """What was given to the provider goes on there: no reply is lost, whatever the moment of the kill."""
    folder, n, rng = tmp_path / "iter_00", 240, random.Random(1)
    faults = dict.fromkeys(("429", "500", "truncated", "empty_choices", "skip"), 0.03)
    ends = ("", "expired", "failed", "line_errors", "", "expired")
    server.plan(Plan(faults=faults, batch_s=0.6, batches=ends))
    targets = [lambda calls: calls + rng.randint(1, 25)] * 12
    states = kill_often(server, (str(folder), server.url, n, "batch"), targets)
    assert len(states) >= 5
    ledger = Ledger(folder / LEDGER)
    assert not ledger.of_kind("lost") and {row["way"] for row in ledger.attempts} == {"batch"}
    records = check_outcomes(folder, n, ledger)
    check_nothing_answered_is_sent_again(server, states, ledger)
    check_books(server, ledger)
    check_money(records, ledger, share=0.5)
    check_no_key(folder)
