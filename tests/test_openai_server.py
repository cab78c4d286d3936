"""The local OpenAI-compatible server that other tests rely on, asked by the real client."""

import json
import time
from collections import Counter

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine_utils import images, prompts
from dataengine_utils.question_types import QUESTION_TYPES
from dataengine_utils.records import Draft, Query
from tests.openai_server import FAULTS, PASSING, Plan, Server
from tests.openai_server.limits import Window, duration, peak
from tests.openai_server.plan import CONTENT

KEY = "sk-key-of-the-server-test"
SOURCE = images.load("picturebook")
MESSAGES = [
    prompts.render(
        prompts.base_template(), Query(str(n), QUESTION_TYPES[n % 9 + 1], id, ()), SOURCE.record(id)
    ).messages
    for n, id in enumerate(SOURCE.ids()[:18])
]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "q", "strict": True, "schema": prompts.SCHEMA}}
ASKED = {"model": "kit-1", "messages": MESSAGES[0], "response_format": SCHEMA}


@pytest.fixture(scope="module")
def server():
    with Server() as running:
        yield running


@pytest.fixture
def client(server):
    with openai.OpenAI(base_url=server.url, api_key=KEY, max_retries=0, timeout=5.0) as one:
        yield one


def test_it_answers_from_the_facts_and_always_the_same(server, client):
    server.plan(Plan())
    drafts = []
    for messages in MESSAGES:
        texts = {
            client.chat.completions.create(**{**ASKED, "messages": messages}).choices[0].message.content
            for _ in range(2)
        }
        assert len(texts) == 1 and set(json.loads(*texts)) == set(prompts.SCHEMA["properties"])
        drafts.append(prompts.parse(*texts))
    assert sum(isinstance(draft, Draft) for draft in drafts) >= 12  # the others are skipped: no facts for it
    assert {draft for draft in drafts if isinstance(draft, str)} <= {"skipped"}
    stats = server.stats()
    assert (stats["arrived"], stats["distinct"], stats["answered"]) == (36, 18, 36)
    assert stats["callers"] == [f"Bearer {KEY}"] and stats["most_in_flight"] == 1


@pytest.mark.parametrize("form", [None, {"type": "json_object"}, SCHEMA])
def test_the_response_format_is_kept(server, client, form):
    server.plan(Plan())
    text = client.chat.completions.create(
        model="kit-1", messages=MESSAGES[0], **({"response_format": form} if form else {})
    ).choices[0].message.content  # fmt: skip
    assert isinstance(prompts.parse(text), Draft)
    assert text.startswith("{") == bool(form)


ERRORS = {
    **dict.fromkeys(("429", "429_retry_after", "429_quota"), openai.RateLimitError),
    "400": openai.BadRequestError, "401": openai.AuthenticationError, "403": openai.PermissionDeniedError,
    "404": openai.NotFoundError, "500": openai.InternalServerError, "503": openai.InternalServerError,
    "cut_before": openai.APIConnectionError, "cut": openai.APIConnectionError, "slow": openai.APITimeoutError,
    "broken_body": json.JSONDecodeError,
}  # fmt: skip


@pytest.mark.parametrize("fault", ERRORS)
def test_faults_reach_the_client_and_the_next_attempt_is_good(server, client, fault):
    server.plan(Plan(script=(fault,), slow_s=2.0))
    impatient = client.with_options(timeout=0.3) if fault == "slow" else client
    with pytest.raises(ERRORS[fault]):
        impatient.chat.completions.create(**ASKED)
    assert client.chat.completions.create(**ASKED).choices
    assert [(one.fault, one.attempt) for one in server.log()] == [(fault, 0), ("", 1)]


def test_every_fault_is_an_error_or_a_content():
    assert set(ERRORS) | set(CONTENT) == set(FAULTS) and set(PASSING) < set(ERRORS)


@pytest.mark.parametrize("fault", sorted(set(CONTENT) - {"slow"}))
def test_odd_contents_are_billed_replies(server, client, fault):
    server.plan(Plan(faults={fault: 1.0}))
    reply = client.chat.completions.create(**ASKED)
    text = (reply.choices[0].message.content or "") if reply.choices else ""
    good = isinstance(prompts.parse(text), Draft)
    assert good == (fault in ("prose", "language", "three_options"))
    [served] = server.log()
    assert served.whole and served.usage == (reply.usage.prompt_tokens, reply.usage.completion_tokens)


def test_shares_of_faults_are_drawn_from_content_and_attempt():
    plan = Plan(faults={"429": 0.2, "cut": 0.1}, seed=3)
    drawn = [plan.fault(f"k{n}", attempt) for n in range(2000) for attempt in range(2)]
    share = {name: count / 4000 for name, count in Counter(drawn).items()}
    assert share["429"] == pytest.approx(0.2, abs=0.03) and share["cut"] == pytest.approx(0.1, abs=0.02)
    assert drawn == [plan.fault(f"k{n}", attempt) for n in range(2000) for attempt in range(2)]
    with pytest.raises(ValueError, match="429_soon"):
        Plan(faults={"429_soon": 0.1})


def test_limits_refuse_what_is_too_much_and_say_when_to_come_back(server, client):
    server.plan(Plan(requests_per_minute=120, tokens_per_minute=10**6, window_s=2.0))
    replies = [client.chat.completions.with_raw_response.create(**ASKED) for _ in range(4)]
    assert [reply.headers["x-ratelimit-remaining-requests"] for reply in replies] == ["3", "2", "1", "0"]
    with pytest.raises(openai.RateLimitError) as refused:
        client.chat.completions.create(**ASKED)
    assert 0 < int(refused.value.response.headers["retry-after-ms"]) <= 2000
    stats = server.stats()
    assert stats["peak_requests"] == 4 and stats["peak_arrived"] == 5 and stats["faults"]["limit"] == 1
    server.plan(Plan(tokens_per_minute=30 * sum(server.log()[0].usage), window_s=2.0))
    client.chat.completions.create(**ASKED)
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(**ASKED)


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(1, 5)), max_size=60), st.integers(5, 12))
def test_a_window_never_lets_in_more_than_its_limit(steps, limit):
    window, now, let_in = Window(limit, 2.0), 0.0, []
    for pause, amount in steps:
        now += pause
        wait = window.wait(amount, now)
        if wait:
            assert 0 < wait < 2.001 and not window.wait(amount, now + wait + 1e-9)
            now += wait + 1e-9
        window.take(amount, now)
        let_in.append((now, amount))
    assert peak([time for time, _ in let_in], [amount for _, amount in let_in], 2.0) <= limit


@pytest.mark.parametrize(("seconds", "text"), [(0.12, "120ms"), (1.5, "1.5s"), (360, "6m0s"), (0, "0ms")])
def test_durations_are_written_as_the_provider_writes_them(seconds, text):
    assert duration(seconds) == text


def test_refused_parameters_are_a_bad_request(server, client):
    server.plan(Plan(refuse=("json_schema", "top_p")))
    for more, name in ((ASKED, "response_format"), ({**ASKED, "response_format": {"type": "json_object"},
                                                    "top_p": 0.5}, "top_p")):  # fmt: skip
        with pytest.raises(openai.BadRequestError) as refused:
            client.chat.completions.create(**more)
        assert refused.value.param == name
    assert client.chat.completions.create(model="kit-1", messages=MESSAGES[0]).choices


def test_models_are_listed(client):
    assert {model.id for model in client.models.list()} == {"kit-1", "kit-1-mini"}
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-0")


# Batches


def submit(client, n=6, endpoint="/v1/chat/completions"):
    lines = [
        {"custom_id": f"c{n}", "method": "POST", "url": "/v1/chat/completions",
         "body": {**ASKED, "messages": MESSAGES[n]}}
        for n in range(n)
    ]  # fmt: skip
    text = "".join(json.dumps(line) + "\n" for line in lines).encode()
    file = client.files.create(file=("in.jsonl", text), purpose="batch")
    assert client.files.retrieve(file.id).bytes == len(text) and client.files.content(file.id).read() == text
    return client.batches.create(
        input_file_id=file.id, endpoint=endpoint, completion_window="24h", metadata={"run": "r"}
    )


def results(client, id):
    return [json.loads(line) for line in client.files.content(id).text.splitlines()] if id else []


def test_a_batch_takes_its_time_and_has_a_reply_for_every_line(server, client):
    server.plan(Plan(batch_s=1.0))
    batch = submit(client)
    looks = [batch := client.batches.retrieve(batch.id)]
    end = time.monotonic() + 30
    while batch.status == "in_progress" and time.monotonic() < end:
        time.sleep(0.1)
        looks.append(batch := client.batches.retrieve(batch.id))
    assert len(looks) > 1 and batch.status == "completed"
    assert batch.metadata == {"run": "r"} and batch.error_file_id is None
    lines = results(client, batch.output_file_id)
    assert {line["custom_id"] for line in lines} == {f"c{n}" for n in range(6)}
    assert all(line["response"]["body"]["usage"]["completion_tokens"] > 0 for line in lines)
    assert [one.way for one in server.log()] == ["batch"] * 6
    submit(client)
    assert len(list(client.batches.list(limit=1))) == 2


@pytest.mark.parametrize(
    ("end", "status", "done"),
    [("expired", "expired", 3), ("failed", "failed", 0), ("line_errors", "completed", 4)],
)
def test_batches_that_go_wrong_have_partial_results(server, client, end, status, done):
    server.plan(Plan(batches=(end,)))
    batch = client.batches.retrieve(submit(client).id)
    assert batch.status == status and batch.request_counts.completed == done
    assert len(results(client, batch.output_file_id)) == done
    errors = results(client, batch.error_file_id)
    assert len(errors) == (0 if status == "failed" else 6 - done) and bool(batch.errors) == (end == "failed")
    assert len(server.log()) == (6 if end == "line_errors" else done)
    assert client.batches.retrieve(submit(client).id).status == "completed"


def test_a_batch_is_cancelled_and_one_that_is_too_large_fails(server, client):
    server.plan(Plan(batch_s=30, batch_requests=4))
    batch = submit(client, 4)
    assert client.batches.cancel(batch.id).status == "cancelling"
    batch = client.batches.retrieve(batch.id)
    assert batch.status == "cancelled" and batch.request_counts.completed == 2
    server.plan(Plan(batch_requests=4))
    assert client.batches.retrieve(submit(client, 5).id).errors.data[0].message.startswith("5 requests")
    assert client.batches.retrieve(submit(client, 4, "/v1/embeddings").id).status == "failed"
