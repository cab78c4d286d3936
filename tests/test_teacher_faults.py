"""The OpenAI teacher and its ledger against a server with every fault there is: real HTTP, real client."""

import logging
import threading
from pathlib import Path

import pytest

from dataengine_utils import files, images, prompts, teachers
from dataengine_utils.errors import KitError
from dataengine_utils.generation import generate
from dataengine_utils.question_types import QUESTION_TYPES
from dataengine_utils.records import Generated, Query
from dataengine_utils.teachers.ledger import BudgetReached, Ledger
from tests.openai_server import PASSING, Plan, Server

KEY = "sk-secret-of-the-faults-test"
SOURCE = images.load("picturebook")
TYPES = tuple(QUESTION_TYPES.values())
PRICE = {"input": 2.5, "output": 10.0}
ATTEMPTS = 4


@pytest.fixture(scope="module")
def server():
    with Server() as running:
        yield running


@pytest.fixture
def world(server, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return World(server, tmp_path)


class World:
    """A server with a plan, and runs against it in a folder of their own."""

    def __init__(self, server, folder: Path):
        self.server, self.folder, self.ledger = server, folder, folder / "ledger.sqlite"

    def teacher(self, **options):
        usual = {"attempts": ATTEMPTS, "pause_s": 0.005, "timeout_s": 5.0, "price": PRICE, "concurrency": 8}
        usual |= {"ledger": self.ledger, "base_url": self.server.url}
        return teachers.load("openai", model="kit-1", **usual | options)

    def run(self, plan: Plan, n: int = 5, queries=None, **options) -> list[Generated]:
        """The records of `n` queries, also on the disk."""
        self.server.plan(plan)
        path = self.folder / "generated.jsonl"
        path.unlink(missing_ok=True)
        with files.append_lines(path, Generated) as write:
            return generate(
                queries or some(n), SOURCE, self.teacher(**options), prompts.base_template(), write=write
            )

    def totals(self):
        with Ledger(self.ledger, for_reading=True) as ledger:
            return ledger.totals()


def some(n: int) -> list[Query]:
    """Queries of all types but the two that few images allow."""
    types = [name for name in TYPES if name not in ("Text Understanding", "Instance Interaction")]
    return [Query(f"q{k}", types[k % 7], SOURCE.ids()[k], ()) for k in range(n)]


def is_read(record: Generated) -> bool:
    """Whether the reply came and was understood, whatever the checks then say about its question."""
    return record.draft is not None or record.reason == "skipped"


# Faults that pass

TRIED_AGAIN = (*PASSING, "slow", "empty_choices", "truncated")
ALLOWED = {"429": 20, "429_retry_after": 20, "broken_body": 3, "empty_choices": 3, "truncated": 3}
"""Attempts of a request that fails so for ever, where they are not those of the option `attempts`."""


@pytest.mark.parametrize("fault", TRIED_AGAIN)
def test_what_may_pass_is_tried_again_and_every_attempt_is_in_the_ledger(world, fault):
    records = world.run(Plan(script=(fault,), slow_s=2.0, retry_after_s=0.01), timeout_s=0.5)
    assert all(map(is_read, records))
    assert [served.fault for served in world.server.log()].count("") == 5
    totals = world.totals()
    assert (totals.requests, totals.attempts, totals.answered, totals.failed, totals.open) == (5, 10, 5, 5, 0)


@pytest.mark.parametrize("fault", [fault for fault in TRIED_AGAIN if fault != "429"])
def test_what_does_not_pass_ends_after_a_bounded_number_of_attempts(world, fault):
    records = world.run(
        Plan(faults={fault: 1.0}, slow_s=1.0, retry_after_s=0.002), 3, timeout_s=0.15, concurrency=2
    )
    assert {served.attempt + 1 for served in world.server.log()} == set(
        range(1, ALLOWED.get(fault, ATTEMPTS) + 1)
    )
    assert {r.reason for r in records} == ({"not readable"} if fault == "truncated" else {"no reply"})
    assert not any(record.accepted for record in records) and world.totals().open == 0


def test_a_429_makes_all_wait_as_long_as_it_says(world):
    """Those in flight are refused, and those two that had been let go already; then nothing comes before the
    time told is over."""
    world.run(Plan(script=("429_retry_after",), retry_after_s=0.5, latency_s=0.02), 6, concurrency=2)
    times = [served.time for served in world.server.log()]
    assert len([time for time in times if time < times[0] + 0.5]) <= 2 + 2 and len(times) == 12


# Faults that stop


@pytest.mark.parametrize("fault", ["401", "403", "404", "429_quota"])
def test_what_never_passes_stops_the_run_at_once_with_what_to_do(world, fault):
    with pytest.raises(KitError, match="refuses model 'kit-1'") as error:
        world.run(Plan(faults={fault: 1.0}, latency_s=0.01), 40, concurrency=4)
    assert KEY not in str(error.value) and "OPENAI_API_KEY" in str(error.value)
    assert max(served.attempt for served in world.server.log()) == 0 and len(world.server.log()) <= 4
    totals = world.totals()
    assert totals.answered == totals.open == 0 and totals.usd == 0


def test_a_stopped_run_goes_on_when_it_is_mended(world):
    with pytest.raises(KitError):
        world.run(Plan(faults={"429_quota": 0.2}, seed=1), 30, concurrency=2)
    answered = world.totals().answered
    records = world.run(Plan(), 30, concurrency=2)
    assert 0 < answered < 30 == len(records) and world.server.stats()["arrived"] == 30 - answered


def test_a_bad_request_is_an_outcome_and_no_reason_to_stop(world):
    records = world.run(Plan(faults={"400": 0.5}, seed=2), 12)
    refused = [record for record in records if record.reason == "no reply"]
    assert 0 < len(refused) < 12 and all("400" in record.reply for record in refused)
    assert world.server.stats()["arrived"] == 12


# Odd replies


@pytest.mark.parametrize(
    ("fault", "reasons"),
    [
        ("refusal", {"no reply"}), ("filtered", {"no reply"}), ("wrong_schema", {"incomplete"}),
        ("skip", {"skipped"}), ("three_options", {"not four options"}),
    ],
)  # fmt: skip
def test_odd_replies_are_outcomes_paid_once(world, fault, reasons):
    records = world.run(Plan(faults={fault: 1.0}))
    found = {record.reason for record in records}
    assert reasons <= found <= {*reasons, "skipped"}
    assert world.server.stats()["arrived"] == world.totals().answered == 5
    again = world.run(Plan())
    assert world.server.stats()["arrived"] == 0
    assert [(r.reason, r.reply) for r in again] == [(r.reason, r.reply) for r in records]
    assert all(record.usd == 0 for record in again) and all(record.usd > 0 for record in records)


def test_another_language_is_an_outcome(world):
    records = world.run(Plan(faults={"language": 1.0}))
    assert len(records) == 5 == world.server.stats()["arrived"]


def test_words_around_the_json_do_not_matter(world):
    assert all(map(is_read, world.run(Plan(faults={"prose": 1.0}))))


@pytest.mark.parametrize(
    "refuse", [("json_schema",), ("json_schema", "json_object"), ("max_tokens",), ("temperature",)]
)
def test_what_the_server_does_not_take_is_left_out_from_then_on(world, refuse):
    records = world.run(Plan(refuse=refuse), 12, concurrency=1)
    assert all(map(is_read, records))
    assert world.server.stats()["arrived"] <= 12 + 3 * len(refuse), "the first replies have taught nothing"
    world.run(Plan(refuse=refuse), queries=some(24)[12:], concurrency=1)
    assert world.server.stats()["arrived"] == 12, "the next run has forgotten"


# The same request


def test_the_same_request_is_paid_once_in_a_run_and_in_the_next(world):
    one = some(1)[0]
    twins = [Query(f"t{n}", one.question_type, one.image_id, ()) for n in range(6)]
    records = world.run(Plan(latency_s=0.05), queries=twins)
    assert world.server.stats()["arrived"] == 1 and len({r.request for r in records}) == 1
    assert sum(r.usd > 0 for r in records) == 1
    records = world.run(Plan(), queries=twins)
    assert world.server.stats()["arrived"] == 0 and sum(record.usd for record in records) == 0


def test_another_runs_ledger_is_reused_for_nothing(world):
    world.run(Plan())
    other = World(world.server, world.folder / "other")
    other.folder.mkdir()
    records = other.run(Plan(), 8, reuse=[world.ledger])
    assert other.server.stats()["arrived"] == 3 == sum(record.usd > 0 for record in records)


def test_an_edited_rule_asks_anew(world):
    world.run(Plan())
    template = prompts.candidate_templates(prompts.base_template())[0]
    world.server.plan(Plan())
    generate(some(5), SOURCE, world.teacher(), template, write=lambda record: None)
    assert world.server.stats()["arrived"] == 5


# Money


@pytest.mark.parametrize("concurrency", [1, 8, 64])
def test_the_budget_is_never_passed(world, concurrency):
    """What is under way is counted before it is sent: spent and held are within the budget at any time."""
    whole = World(world.server, world.folder / "whole")
    whole.folder.mkdir()
    whole.run(Plan(), 60)
    budget = whole.totals().usd / 2
    with pytest.raises(BudgetReached, match="budget_usd"):
        plan = Plan(latency_s=0.02, faults={"cut": 0.1, "500": 0.1})
        world.run(plan, 60, concurrency=concurrency, budget_usd=budget)
    totals = world.totals()
    assert totals.usd <= budget and totals.open == 0 and totals.answered > 5
    billed = world.server.stats()
    cost = (billed["prompt_tokens"] * PRICE["input"] + billed["completion_tokens"] * PRICE["output"]) / 1e6
    assert cost <= budget, "the provider bills more than the budget"
    assert cost <= totals.usd + 1e-9, "the ledger tells less than the provider bills"


def test_a_larger_budget_goes_on_where_the_smaller_ended(world):
    with pytest.raises(BudgetReached):
        world.run(Plan(), 30, budget_usd=0.02)
    answered = world.totals().answered
    world.run(Plan(), 30, budget_usd=10.0)
    assert 0 < answered < 30 and world.server.stats()["arrived"] == 30 - answered


# Speed, order and the key


def test_no_more_than_allowed_are_in_flight(world):
    world.run(Plan(latency_s=0.05), 40, concurrency=8)
    assert world.server.stats()["most_in_flight"] == 8


@pytest.mark.parametrize("given", [True, False])
def test_limits_of_the_provider_are_kept(world, given):
    """120 requests in windows of one second, given by the user or learned from the headers; hardly a 429."""
    options = {"requests_per_minute": 120 * 60} if given else {}
    world.run(
        Plan(latency_s=0.02, window_s=1.0, requests_per_minute=120 * 60), 300,
        concurrency=16, limit_window_s=1.0, **options,
    )  # fmt: skip
    stats = world.server.stats()
    assert stats["peak_requests"] <= 120 and stats["faults"].get("limit", 0) <= (0 if given else 8)


def test_the_key_is_in_no_file_log_error_or_record(world, capfd, caplog):
    """Every fault at once, and all that is logged: the server repeats the key in each of its errors."""
    caplog.set_level(logging.DEBUG)
    plan = Plan(faults=dict.fromkeys((*TRIED_AGAIN, "400"), 0.08), slow_s=0.3, retry_after_s=0.002)
    records = world.run(plan, 40, timeout_s=0.2)
    for fault in ("401", "429_quota"):
        with pytest.raises(KitError) as error:
            world.run(Plan(faults={fault: 1.0}), queries=some(45)[40:])
        assert KEY not in str(error.getrepr(style="long", showlocals=False))
    assert world.server.stats()["callers"] == [f"Bearer {KEY}"]
    told = [caplog.text, *capfd.readouterr(), *map(repr, records)]
    assert len(caplog.text) > 1000 and not [text for text in told if KEY in text]
    stored = {path.name: path.read_bytes() for path in world.folder.rglob("*") if path.is_file()}
    assert len(stored) >= 2 and not [name for name, data in stored.items() if KEY.encode() in data]


def test_a_reader_who_leaves_early_stops_the_work_and_loses_no_reply(world):
    world.server.plan(Plan(latency_s=0.05))
    template = prompts.base_template()
    asked = [teachers.Request(query, SOURCE.record(query.image_id), template) for query in some(50)]
    replies = world.teacher(concurrency=4).replies(asked)
    next(replies)
    replies.close()
    arrived = world.server.stats()["arrived"]
    assert arrived < 50 and world.totals().answered == arrived
    assert not [thread for thread in threading.enumerate() if thread.name == "ledger"]
