"""The Batch API as a second way for the same queries: cut off anywhere, it goes on; nothing is paid twice."""

import json
from collections import Counter

import pytest

from dataengine_utils import images, prompts, teachers
from dataengine_utils.errors import KitError
from dataengine_utils.records import Query
from dataengine_utils.teachers import batch as batches
from dataengine_utils.teachers.batch_files import BatchFile, Limits, lines_of
from dataengine_utils.teachers.completions import Completion
from dataengine_utils.teachers.failures import Failure
from dataengine_utils.teachers.ledger import BudgetReached, Ledger
from tests.openai_server import Plan, Server

SOURCE = images.load("picturebook")
PRICE = {"input": 100.0, "output": 400.0}


@pytest.fixture(scope="module")
def running():
    with Server() as server:
        yield server


@pytest.fixture
def server(running, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-of-the-test")
    running.plan(Plan())
    return running


@pytest.fixture
def load(server, tmp_path):
    def start(**options):
        usual = {"way": "batch", "ledger": str(tmp_path / "ledger.sqlite"), "price": PRICE, "pause_s": 0.01}
        usual |= {"base_url": server.url, "batch_poll_s": 0.02, "batch_requests": 10, "attempts": 4}
        return teachers.load("openai", model="kit-1", **{**usual, **options})

    return start


def requests_for(n, first=0):
    template = prompts.base_template()
    return [teachers.Request(Query(f"q{i}", "Instance Identity", i, ()), SOURCE.record(i), template)
            for i in SOURCE.ids()[first : first + n]]  # fmt: skip


def answered(replies):
    replies = list(replies)
    assert len({reply.query_id for reply in replies}) == len(replies)
    assert all(reply.text and not reply.error for reply in replies), [reply.error for reply in replies]
    return replies


def n_batches(server):
    import openai

    client = openai.OpenAI(base_url=server.url, api_key="sk-x-for-the-test")
    return len(list(client.batches.list(limit=100)))


def test_queries_go_in_files_under_the_limits_and_come_back(server, load):
    teacher = load()
    replies = answered(teacher.replies(requests_for(25)))
    assert len(replies) == 25 and n_batches(server) == 3
    stats, totals = server.stats(), teacher.totals()
    assert (totals.answered, totals.open, totals.reserved_usd) == (25, 0, 0.0) and stats["arrived"] == 25
    full = (stats["prompt_tokens"] * 100 + stats["completion_tokens"] * 400) / 1e6
    assert totals.usd == pytest.approx(full / 2), "a batch costs half"
    assert sum(reply.usd for reply in replies) == pytest.approx(totals.usd)
    assert all(reply.shown["shown"] for reply in replies)


def test_both_ways_have_the_same_keys(server, load):
    live = answered(load(way="live").replies(requests_for(6)))
    again = answered(load(way="batch").replies(requests_for(9)))
    assert server.stats()["arrived"] == 9
    assert {reply.request for reply in live} < {reply.request for reply in again}
    assert sum(reply.usd == 0 for reply in again) == 6
    answered(load(way="live").replies(requests_for(9)))
    assert server.stats()["arrived"] == 9


def test_the_limit_of_bytes_is_kept_and_a_line_over_it_is_one_rejected_query(server, load):
    replies = list(load(batch_bytes=9000).replies(requests_for(8)))
    assert all(reply.text for reply in replies) and 2 <= n_batches(server) <= 8
    [reply] = load(batch_bytes=100, reuse=[]).replies(requests_for(1, first=20))
    assert "is over batch_bytes=100" in reply.error and not reply.text


@pytest.mark.parametrize("end", ["expired", "failed", "line_errors"])
def test_only_what_was_not_done_is_submitted_again(server, load, end):
    server.plan(Plan(batches=(end, end)))
    replies = answered(load(batch_requests=50).replies(requests_for(12)))
    assert len(replies) == 12
    served = [entry.key for entry in server.log() if entry.status == 200]
    assert Counter(served).most_common(1)[0][1] == 1, "nothing that was answered is asked again"
    lines = {"expired": 3, "failed": 3, "line_errors": 3}
    assert n_batches(server) == lines[end]


def test_what_fails_for_ever_ends_as_a_reply_with_its_error(server, load):
    server.plan(Plan(faults={"500": 1.0}))
    teacher = load(attempts=3)
    replies = list(teacher.replies(requests_for(4)))
    assert all("server error 500" in reply.error and not reply.text for reply in replies)
    assert teacher.totals().failed == 12 and teacher.totals().usd == 0.0
    server.plan(Plan(batches=("failed",) * 9))
    replies = list(load(attempts=3).replies(requests_for(2)))
    assert all("the provider refused the batch: invalid_request" in reply.error for reply in replies)
    assert n_batches(server) == 3


def test_a_reply_without_json_is_asked_again_at_most_twice(server, load):
    server.plan(Plan(faults={"truncated": 1.0}))
    replies = list(load().replies(requests_for(2)))
    assert [prompts.parse(reply.text) for reply in replies] == ["not readable"] * 2, replies
    assert server.stats()["arrived"] == 6 and n_batches(server) == 3


def test_a_format_that_is_refused_is_left_out_from_then_on(server, load):
    server.plan(Plan(refuse=("json_schema",)))
    teacher = load(batch_requests=5)
    assert len(answered(teacher.replies(requests_for(10)))) == 10
    assert teacher.totals().answered == 10
    answered(load().replies(requests_for(2, first=30)))
    assert [entry.fault for entry in server.log()][-2:] == ["", ""], "the ledger remembers it"


def test_the_budget_holds_and_replies_give_room_back(server, load):
    teacher = load(max_tokens=400)
    worst = teacher.estimate(requests_for(10))
    teacher = load(budget_usd=worst / 2, max_tokens=400)
    replies = []
    with pytest.raises(BudgetReached, match="Queries without a reply yet") as error:
        for reply in teacher.replies(requests_for(40)):
            replies.append(reply)
    totals = teacher.totals()
    assert totals.usd <= worst / 2 and len(replies) == totals.answered > 5 and n_batches(server) > 1
    assert f"yet: {40 - len(replies)}" in str(error.value)


def test_a_refused_key_stops_the_run(server, load):
    server.plan(Plan(faults={"401": 1.0}))
    with pytest.raises(KitError, match="does not know the key") as error:
        list(load().replies(requests_for(3)))
    assert "sk-secret" not in str(error.value)


class Cut(BaseException):
    """The process ends here."""


PLACES = ["before the file", "file there, not noted", "file noted", "batch there, not noted", "batch noted",
          "some outcomes stored"]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_a_run_that_is_cut_off_anywhere_goes_on(server, load, monkeypatch, place):
    """Nothing is done after that place; the next run asks nothing twice."""
    with monkeypatch.context() as patch:
        _cut(patch, place)
        with pytest.raises(Cut):
            list(load(batch_requests=50).replies(requests_for(12)))
    n_before = n_batches(server)
    assert n_before == (0 if PLACES.index(place) <= 2 else 1)
    teacher = load(batch_requests=50)
    assert len(answered(teacher.replies(requests_for(14)))) == 14
    assert server.stats()["arrived"] == 14 == server.stats()["distinct"], "nothing was asked twice"
    totals = teacher.totals()
    assert (totals.answered, totals.open, totals.reserved_usd, totals.lost_usd) == (14, 0, 0.0, 0.0)


def _cut(patch, place):
    """End the run at a place, before or after the step there."""
    keep, settle, submit = Ledger.keep_batch, batches.Batched._settle, batches.Batched._submit
    settled = []

    def keep_batch(self, batch):
        told = {"uploaded": "file", "submitted": "batch"}.get(batch.state, "")
        if place == f"{told} there, not noted":
            raise Cut
        keep(self, batch)
        if place == f"{told} noted":
            raise Cut

    def cut_before(self, batch, file):
        if place == "before the file":
            raise Cut
        return submit(self, batch, file)

    def settle_some(self, key, attempt, said):
        settled.append(key)
        if place == "some outcomes stored" and len(settled) > 5:
            raise Cut
        return settle(self, key, attempt, said)

    patch.setattr(Ledger, "keep_batch", keep_batch)
    patch.setattr(batches.Batched, "_submit", cut_before)
    patch.setattr(batches.Batched, "_settle", settle_some)


def test_a_reader_who_leaves_finds_the_batches_again(server, load):
    server.plan(Plan(batch_s=0.5))
    replies = load(batch_requests=6).replies(requests_for(12))
    next(replies)
    replies.close()
    teacher = load()
    assert len(answered(teacher.replies(requests_for(12)))) == 12
    assert server.stats()["arrived"] == 12


def test_batches_of_queries_that_nobody_wants_any_more_are_collected_all_the_same(server, load, monkeypatch):
    with monkeypatch.context() as patch:
        _cut(patch, "batch noted")
        with pytest.raises(Cut):
            list(load().replies(requests_for(5)))
    teacher = load()
    assert len(answered(teacher.replies(requests_for(3, first=40)))) == 3
    assert teacher.totals().answered == 8 and teacher.totals().open == 0
    assert [reply.usd for reply in teacher.replies(requests_for(5))] == [0.0] * 5


def test_a_provider_that_takes_no_more_tokens_is_waited_for(server, load, monkeypatch):
    """The second batch is refused until the first has ended."""
    refused, look = [], batches._of_the_rest

    def rest(made):
        failure = look(made)
        if made.status != "failed":
            return failure
        refused.append(made.id)
        return Failure("batch failed", "Enqueued token limit reached", code=batches.FULL)

    monkeypatch.setattr(batches, "_of_the_rest", rest)
    server.plan(Plan(batches=("", "failed", "failed")))
    assert len(answered(load(attempts=4).replies(requests_for(20)))) == 20
    assert len(refused) == 2
    server.plan(Plan(batches=("failed",) * 20))
    with pytest.raises(KitError, match="too many tokens wait there already.*batch_requests"):
        list(load(attempts=3).replies(requests_for(2, first=30)))


def test_a_file_keeps_both_limits():
    with BatchFile(Limits(requests=2, bytes=100)) as file:
        assert file.has_room(b"x" * 100) and not file.has_room(b"x" * 101)
        file.add(b"x" * 60 + b"\n", None)
        assert file.has_room(b"x" * 39) and not file.has_room(b"x" * 40)
        file.add(b"y\n", None)
        assert not file.has_room(b"")
        assert file.rewound().read() == b"x" * 60 + b"\ny\n"


def test_lines_of_all_kinds_are_read():
    choice = {"message": {"content": "hi"}, "finish_reason": "stop"}
    good = {"choices": [choice], "usage": {"prompt_tokens": 3}}
    limited = {"error": {"code": "rate_limit_exceeded"}}
    lines = [
        {"custom_id": "a", "response": {"status_code": 200, "body": good}, "error": None},
        {"custom_id": "b", "response": {"status_code": 429, "body": limited}},
        {"custom_id": "c", "response": None, "error": {"code": "batch_expired", "message": "x"}},
        {"custom_id": "d", "response": {"status_code": 200, "body": "<html>"}},
        {"custom_id": "e", "response": {"status_code": 400, "body": {"error": "told"}}},
        {"custom_id": "f", "response": None, "error": None},
        {"no": "key"},
        [],
    ]
    content = "".join(json.dumps(line) + "\n" for line in lines) + '{"custom_id": "cut'
    found = dict(lines_of(content.encode(), "m"))
    assert found["a"] == Completion("hi", "stop", prompt=3)
    kinds = {key: said.kind for key, said in found.items() if isinstance(said, Failure)}
    assert kinds == {"b": "rate limit", "c": "expired", "d": "broken", "e": "refused", "f": "server error"}
    assert "told" in found["e"].message
