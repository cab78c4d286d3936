"""The OpenAI teacher against a real HTTP server on this machine, with the real client."""

import base64
import io
import json
import re
import socket
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from dataengine_utils import images, prompts, teachers
from dataengine_utils.errors import KitError
from dataengine_utils.generation import generate
from dataengine_utils.records import ImageRecord, Query, Region
from dataengine_utils.teachers.ledger import BudgetReached, Ledger
from dataengine_utils.teachers.openai import OpenAITeacher

KEY = "sk-secret-of-the-test"
GOOD = json.dumps(
    {
        "question": "What animal is asleep?",
        "answer": "The cat is asleep.",
        "short_answer": "cat",
        "options": ["cat", "dog", "cow", "bird"],
        "choice": "A",
    }
)


class Server:
    """Answers each request by what `behave(prompt, attempt)` gives: (status, text), or None to hang up.

    A dict in place of the text is the whole body; a third part are headers.
    """

    def __init__(self, behave):
        self.attempts, self.bodies, self.keys, self.lock = {}, [], set(), threading.Lock()
        self.in_flight = self.most = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                user = body["messages"][-1]["content"]
                user = user if isinstance(user, str) else user[0]["text"]
                with server.lock:
                    server.attempts[user] = server.attempts.get(user, 0) + 1
                    server.bodies.append(body)
                    server.keys.add(self.headers["Authorization"])
                    server.in_flight += 1
                    server.most = max(server.most, server.in_flight)
                result = behave(user, server.attempts[user])
                with server.lock:
                    server.in_flight -= 1
                if result is None:
                    self.close_connection = True
                    return
                self._send(*result)

            def _send(self, status, text, headers=()):
                message = {"role": "assistant", "content": text}
                answer = {
                    "id": "x",
                    "object": "chat.completion",
                    "created": 0,
                    "model": "m",
                    "choices": [{"index": 0, "message": message, "finish_reason": "stop"}] if text else [],
                    "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
                }
                value = (
                    answer if status == 200 else {"error": {"message": f"told {KEY}", "code": text or None}}
                )
                data = json.dumps(text if isinstance(text, dict) else value).encode()
                self.send_response(status)
                for name, content in dict(headers).items():
                    self.send_header(name, content)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"


@pytest.fixture
def serve(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    servers = []

    def start(behave, **options):
        servers.append(Server(behave))
        options = {"model": "m", "base_url": servers[-1].url, "pause_s": 0.01, **options}
        return servers[-1], teachers.load("openai", **options)

    yield start
    for server in servers:
        server.http.shutdown()
        server.http.server_close()


def run(teacher, n=6):
    source = images.load("picturebook")
    queries = [
        Query(f"q{i}", "Instance Identity", image_id, ()) for i, image_id in enumerate(source.ids()[:n])
    ]
    written = []
    records = generate(queries, source, teacher, prompts.base_template(), write=written.append)
    assert sorted(r.query_id for r in written) == sorted(q.id for q in queries)
    return records


def requests_for(n, template=None, first=0):
    source = images.load("picturebook")
    return [
        teachers.Request(
            Query(f"q{i}", "Instance Identity", i, ()), source.record(i), template or prompts.base_template()
        )
        for i in source.ids()[first : first + n]
    ]


def good(user, attempt):
    return 200, GOOD


PRICE = {"input": 1000.0, "output": 10_000.0}  # USD per million: 1.00 in and 1.00 out for each reply here


def test_replies_are_kept_raw_and_become_samples(serve):
    server, teacher = serve(lambda user, attempt: (200, GOOD))
    records = run(teacher)
    assert all(r.accepted and r.reply == GOOD for r in records)
    body = server.bodies[0]
    assert body["model"] == "m" and body["response_format"]["json_schema"]["schema"] == prompts.SCHEMA
    assert body["response_format"]["json_schema"]["strict"] is True
    assert server.keys == {f"Bearer {KEY}"}


@pytest.mark.parametrize("fault", [(429, ""), (500, ""), (503, ""), None])
def test_passing_faults_are_tried_again(serve, fault):
    server, teacher = serve(lambda user, attempt: (200, GOOD) if attempt == 3 else fault)
    assert all(r.accepted for r in run(teacher, 3))
    assert set(server.attempts.values()) == {3}


def test_lasting_faults_end_after_the_attempts_allowed(serve):
    server, teacher = serve(lambda user, attempt: (500, ""), attempts=2)
    records = run(teacher, 2)
    assert {(r.reason, r.accepted) for r in records} == {("no reply", False)}
    assert "InternalServerError 500" in records[0].reply
    assert set(server.attempts.values()) == {2}


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_a_refusal_stops_the_run_at_once_and_tells_no_key(serve, status):
    server, teacher = serve(lambda user, attempt: (status, ""), concurrency=2)
    with pytest.raises(KitError) as error:
        run(teacher, 40)
    assert "OPENAI_API_KEY" in str(error.value) and KEY not in str(error.value)
    assert error.value.__cause__ is None
    assert len(server.bodies) <= 4


def test_a_used_up_quota_is_not_tried_again(serve):
    server, teacher = serve(lambda user, attempt: (429, "insufficient_quota"), concurrency=1)
    with pytest.raises(KitError, match="quota"):
        run(teacher, 5)
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no reply"),
        ("I would rather not.", "not readable"),
        ('{"question": "What', "not readable"),
        ('{"question": "What?"}', "incomplete"),
        ('{"skip": "too little"}', "skipped"),
    ],
)
def test_odd_replies_are_rejected_with_their_reason(serve, text, reason):
    _, teacher = serve(lambda user, attempt: (200, text))
    assert {r.reason for r in run(teacher, 2)} == {reason}


def test_no_more_requests_are_in_flight_than_allowed(serve):
    full = threading.Event()

    def slowly(user, attempt):
        if server.most >= 3:
            full.set()
        full.wait(10)
        time.sleep(0.05)
        return 200, GOOD

    server, teacher = serve(slowly, concurrency=3)
    run(teacher, 12)
    assert server.most == 3


def test_a_reader_who_leaves_early_stops_the_work(serve, tmp_path):
    left = threading.Event()

    def slowly(user, attempt):
        left.wait(0.2)
        return 200, GOOD

    server, teacher = serve(slowly, concurrency=4, ledger=str(tmp_path / "l"), price=PRICE)
    replies = teacher.replies(requests_for(50))
    next(replies)
    replies.close()
    left.set()
    totals = teacher.totals()
    assert len(server.bodies) == totals.answered < 50, "what was under way is stored"
    assert (totals.open, totals.usd) == (0, pytest.approx(2.0 * totals.answered))
    list(teacher.replies(requests_for(50)))
    assert len(server.bodies) == 50, "and not asked again"


def test_without_a_key_there_is_a_clear_error(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(KitError, match="OPENAI_API_KEY"):
        teachers.load("openai", model="m")


def test_the_key_is_not_kept_in_the_teacher(serve):
    _, teacher = serve(lambda user, attempt: (200, GOOD))
    assert KEY not in repr(vars(teacher))


def test_what_the_ledger_has_is_not_sent_again(serve, tmp_path):
    path = tmp_path / "ledger.sqlite"
    server, teacher = serve(good, ledger=str(path), price=PRICE)
    first = list(teacher.replies(requests_for(8)))
    assert sum(reply.usd for reply in first) == pytest.approx(teacher.totals().usd) == pytest.approx(16.0)
    assert all(reply.request and reply.shown["shown"]["objects"] for reply in first)
    again = list(teacher.replies(requests_for(10)))
    assert len(server.bodies) == 10
    paid = {reply.query_id: reply.usd for reply in again}
    assert sum(usd == 0 for usd in paid.values()) == 8 and {r.query_id for r in first} < set(paid)
    assert {reply.request for reply in first} < {reply.request for reply in again}
    other_server, other = serve(good, ledger=str(tmp_path / "other"), reuse=[str(path)], price=PRICE)
    assert [reply.text for reply in other.replies(requests_for(10))] == [GOOD] * 10
    assert not other_server.bodies and other.totals().usd == 0.0


def test_editing_a_rule_asks_only_what_it_touches(serve, tmp_path):
    server, teacher = serve(good, ledger=str(tmp_path / "l"), price=PRICE)
    base = prompts.base_template()
    list(teacher.replies(requests_for(6)))
    edited = prompts.make_template(base.role, [*base.rules, "Be brief."], base.definitions)
    mixed = [*requests_for(3), *requests_for(3, edited, first=3)]
    list(teacher.replies(mixed))
    assert len(server.bodies) == 9
    record = ImageRecord("x", "", 10, 10, regions=(Region("a cat", (0, 0, 5, 5)),))
    definitions = {**base.definitions, "Scene Understanding": "New."}
    changed = prompts.make_template(base.role, base.rules, definitions)
    for template in (base, changed):
        query = Query("q", "Instance Identity", "x", ())
        list(teacher.replies([teachers.Request(query, record, template)]))
    assert len(server.bodies) == 10, "the other type's definition is in no prompt of this type"


def test_the_same_request_twice_in_a_run_is_paid_once(serve):
    server, teacher = serve(good, concurrency=8, price=PRICE)
    twice = [
        teachers.Request(Query(f"{r.query.id}-{n}", r.query.question_type, r.query.image_id, ()), r.record,
                         r.template)
        for r in requests_for(5) for n in range(3)
    ]  # fmt: skip
    replies = list(teacher.replies(twice))
    assert len(replies) == 15 and len(server.bodies) == 5
    assert sum(reply.usd for reply in replies) == pytest.approx(teacher.totals().usd) == pytest.approx(10.0)


def test_the_budget_stops_the_run_and_what_was_under_way_is_kept(serve, tmp_path):
    options = {"ledger": str(tmp_path / "l"), "price": PRICE, "max_tokens": 100, "concurrency": 4}
    server, teacher = serve(good, budget_usd=9.0, **options)
    replies = []
    with pytest.raises(BudgetReached) as error:
        for reply in teacher.replies(requests_for(20)):
            replies.append(reply)
    told = str(error.value)
    n = len(server.bodies)
    assert len(replies) == n == teacher.totals().answered and teacher.totals().usd == 2.0 * n <= 9.0
    assert f"${2.0 * n:.4f} spent" in told and f"without a reply yet: {20 - n}" in told
    assert "budget_usd" in told
    assert n >= 3, "room that came back was used"
    _, richer = serve(good, **options, budget_usd=1000.0)
    assert len(list(richer.replies(requests_for(20)))) == 20
    assert richer.totals().answered == 20 and richer.totals().usd == 40.0


def test_the_estimate_is_the_worst_and_leaves_out_what_the_ledger_has(serve, tmp_path):
    _, teacher = serve(good, ledger=str(tmp_path / "l"), price=PRICE, max_tokens=200)
    before = teacher.estimate(requests_for(10))
    list(teacher.replies(requests_for(5)))
    assert before > 10 * 2.0 + 0.5 and 0.3 * before < teacher.estimate(requests_for(10)) < 0.7 * before
    list(teacher.replies(requests_for(10)))
    assert teacher.estimate(requests_for(10)) == 0.0


def test_a_model_without_a_price_is_told_as_soon_as_money_is_counted(serve, tmp_path):
    for option in ({"ledger": str(tmp_path / "l")}, {"budget_usd": 1.0}):
        with pytest.raises(KitError, match="no price for model 'm' .*prices.yaml.*teacher_options.price"):
            serve(good, **option)
    _, teacher = serve(good)
    assert len(list(teacher.replies(requests_for(2)))) == 2
    with pytest.raises(KitError, match="no price for model 'm'"):
        teacher.estimate(requests_for(1))


@pytest.mark.parametrize(
    ("refused", "told", "sent"),
    [
        (("json_schema",), "This response_format type is unavailable now", {"type": "json_object"}),
        (("json_schema", "json_object"), "response_format is not known", None),
        (("json_schema", "json_object"), "bad request", None),
        (("json_object",), "unused", "json_schema"),
    ],
)
def test_a_format_that_a_server_does_not_take_is_left_out_from_then_on(serve, tmp_path, refused, told, sent):
    def picky(user, attempt):
        form = server.bodies[-1].get("response_format", {}).get("type")
        return (400, {"error": {"message": told, "code": None}}) if form in refused else (200, GOOD)

    options = {"ledger": str(tmp_path / "l"), "price": PRICE, "concurrency": 1}
    server, teacher = serve(picky, **options)
    assert all(r.accepted or r.reason == "duplicate" for r in run(teacher, 5))
    last = server.bodies[-1].get("response_format")
    assert (last and last["type"]) == (sent if isinstance(sent, str | None) else sent["type"])
    n_refused = len(server.bodies) - 5
    assert n_refused <= 2 * len(refused), "by the first request and the one made ready with it"
    assert (n_refused == 0) == (sent == "json_schema")
    server.bodies.clear()
    _, again = serve(good, **options, base_url=server.url)
    list(again.replies(requests_for(2, first=10)))
    assert len(server.bodies) == 2, "and once in all runs of a ledger"


def test_a_request_that_is_refused_for_itself_changes_nothing_for_others(serve):
    first = requests_for(1)[0]
    bad = prompts.render(first.template, first.query, first.record).messages[-1]["content"]

    def behave(user, attempt):
        if user == bad and len(server.bodies) > 2:
            return 400, {"error": {"message": f"too long {KEY}", "code": "context_length_exceeded"}}
        return 200, GOOD

    server, teacher = serve(behave, concurrency=1)
    replies = {reply.query_id: reply for reply in teacher.replies([*requests_for(4, first=1), first])}
    failed = replies[first.query.id]
    assert "BadRequestError 400 context_length_exceeded: too long [key]" in failed.error and not failed.text
    assert len(server.bodies) == 5 and all(body["response_format"]["type"] == "json_schema"
                                           for body in server.bodies)  # fmt: skip


@pytest.mark.parametrize(
    ("model", "refuse", "has"),
    [("m", "max_tokens", "max_completion_tokens"), ("gpt-5-mini", "max_completion_tokens", "max_tokens"),
     ("m", "temperature", "max_tokens")],
)  # fmt: skip
def test_parameters_that_a_model_does_not_take_are_replaced(serve, model, refuse, has):
    def picky(user, attempt):
        if refuse in server.bodies[-1]:
            error = {"message": f"Unsupported parameter: '{refuse}' is not supported with this model.",
                     "code": "unsupported_parameter", "param": refuse}  # fmt: skip
            return 400, {"error": error}
        return 200, GOOD

    server, teacher = serve(picky, model=model, concurrency=1)
    assert all(reply.text for reply in teacher.replies(requests_for(3)))
    assert 4 <= len(server.bodies) <= 5 and has in server.bodies[-1] and refuse not in server.bodies[-1]


def test_parameters_of_ones_own_go_as_they_are(serve):
    params = {"max_completion_tokens": 50, "reasoning_effort": "low", "temperature": None, "seed": 3}
    server, teacher = serve(good, params=params, price=PRICE)
    list(teacher.replies(requests_for(1)))
    body = server.bodies[0]
    assert {name: body.get(name) for name in params} == params and "max_tokens" not in body
    server, teacher = serve(good, model="gpt-5-mini")
    list(teacher.replies(requests_for(1)))
    assert server.bodies[0]["max_completion_tokens"] == 1024 and "temperature" not in server.bodies[0]


@pytest.mark.parametrize("text", ["I would rather not.", '{"question": "What'])
def test_broken_replies_are_asked_again_at_most_twice_in_all_runs(serve, tmp_path, text):
    options = {"ledger": str(tmp_path / "l"), "price": PRICE}
    server, teacher = serve(lambda user, attempt: (200, text), **options)
    replies = list(teacher.replies(requests_for(3)))
    assert [reply.text for reply in replies] == [text] * 3 and len(server.bodies) == 9
    assert [reply.usd for reply in replies] == [6.0] * 3 and teacher.totals().usd == 18.0
    assert [reply.usd for reply in teacher.replies(requests_for(3))] == [0.0] * 3
    assert len(server.bodies) == 9


def test_a_broken_reply_and_then_a_good_one(serve):
    _, teacher = serve(lambda user, attempt: (200, "{" if attempt == 1 else GOOD), price=PRICE)
    assert all(reply.text == GOOD and reply.usd == 4.0 for reply in teacher.replies(requests_for(3)))


def test_a_refusal_by_the_model_is_its_last_word(serve, tmp_path):
    message = {"role": "assistant", "content": None, "refusal": "I cannot help with that."}
    body = {"choices": [{"message": message, "finish_reason": "stop"}], "usage": {"prompt_tokens": 5}}
    server, teacher = serve(lambda user, attempt: (200, body), ledger=str(tmp_path / "l"), price=PRICE)
    for _ in range(2):
        replies = list(teacher.replies(requests_for(2)))
        told = "the model refuses: I cannot help with that."
        assert {(reply.text, reply.error) for reply in replies} == {("", told)}
    assert len(server.bodies) == 2


@pytest.mark.parametrize("finish", ["length", "content_filter", "stop"])
def test_replies_without_text_say_why(serve, finish):
    body = {"choices": [{"message": {"content": None}, "finish_reason": finish}]}
    _, teacher = serve(lambda user, attempt: (200, body))
    [reply] = teacher.replies(requests_for(1))
    word = {"length": "max_tokens", "content_filter": "filter", "stop": "no text"}[finish]
    assert not reply.text and word in reply.error


def test_pictures_are_attached_small_and_stored_as_digests(serve, tmp_path):
    Image.new("RGB", (1600, 800), "red").save(tmp_path / "a.png")
    record = ImageRecord("a", "a.png", 1600, 800, regions=(Region("a red wall", (0, 0, 5, 5)),))
    path = tmp_path / "l.sqlite"
    server, teacher = serve(good, attach_images=True, image_side=512, ledger=str(path), price=PRICE)

    def ask(record):
        query, template = Query("q", "Instance Identity", "a", ()), prompts.base_template()
        return next(iter(teacher.replies([teachers.Request(query, record, template, tmp_path)])))

    assert ask(record).text == GOOD
    text, picture = server.bodies[0]["messages"][-1]["content"]
    kind, _, data = picture["image_url"]["url"].partition(",")
    assert kind == "data:image/jpeg;base64" and text["type"] == "text"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (512, 256)
    assert data.encode()[:60] not in path.read_bytes()
    ask(record)
    assert len(server.bodies) == 1
    Image.new("RGB", (1600, 800), "blue").save(tmp_path / "a.png")
    ask(record)
    assert len(server.bodies) == 2, "another picture is another request"
    (tmp_path / "a.png").unlink()
    missing = ask(record)
    assert "no image at" in missing.error and not missing.text and len(server.bodies) == 2


def test_limits_are_learned_from_headers_and_told_in_the_progress(serve):
    headers = {"x-ratelimit-limit-requests": "300", "x-ratelimit-remaining-requests": "299",
               "x-ratelimit-reset-requests": "200ms"}  # fmt: skip
    _, teacher = serve(lambda user, attempt: (200, GOOD, headers), concurrency=2)
    assert len(list(teacher.replies(requests_for(16)))) == 16
    progress = teacher.progress()
    assert (progress.done, progress.left, progress.totals.answered) == (16, 0, 16)
    assert teacher._limiter.limits == (300, None)
    assert progress.waited_s > 0 and progress.per_s > 0 and progress.rate_limited == 0


def test_a_wait_of_hours_ends_the_run(serve):
    _, teacher = serve(lambda user, attempt: (429, "rate_limit_exceeded", {"retry-after": "7200"}))
    with pytest.raises(KitError, match="asks to wait 7,200 s"):
        list(teacher.replies(requests_for(3)))


def test_a_request_over_the_tokens_of_a_minute_is_one_rejected_query(serve):
    server, teacher = serve(good, tokens_per_minute=100)
    [reply] = teacher.replies(requests_for(1))
    assert "is over the 100 that may be sent at once" in reply.error and not server.bodies


def test_the_ledger_tells_every_attempt(serve, tmp_path):
    def faulty(user, attempt):
        return {1: (500, ""), 2: None, 3: (429, ""), 4: (200, "no JSON")}.get(attempt, (200, GOOD))

    path = tmp_path / "l"
    server, teacher = serve(faulty, ledger=str(path), price=PRICE)
    list(teacher.replies(requests_for(4)))
    totals = teacher.totals()
    assert (totals.requests, totals.attempts, totals.answered, totals.failed) == (4, 20, 4, 16)
    assert totals.attempts == len(server.bodies)
    with Ledger(path, for_reading=True) as ledger:
        rows = ledger._store.rows("SELECT kind, status, message FROM attempts")
        assert Counter(kind for kind, _, _ in rows) == {
            kind: 4 for kind in ("server error", "cut", "rate limit", "broken", "answered")
        }
        messages = " ".join(message for _, _, message in rows)
        assert "told [key]" in messages and KEY not in messages


def test_ask_gives_another_reply_to_the_same_question(serve, tmp_path):
    server, teacher = serve(lambda user, attempt: (200, f'{{"n": {attempt}}}'))
    assert [teacher.ask("How many?") for _ in range(3)] == ['{"n": 1}', '{"n": 2}', '{"n": 3}']
    assert server.bodies[0]["response_format"] == {"type": "json_object"}
    server, teacher = serve(lambda user, attempt: (500, ""), attempts=2)
    with pytest.raises(KitError, match="InternalServerError 500.*, 2 times"):
        teacher.ask("How many?")
    _, teacher = serve(lambda user, attempt: (200, ""))
    assert teacher.ask("How many?") == ""


def test_many_prompts_are_asked_at_once_in_their_order_and_paid_once(serve, tmp_path):
    server, teacher = serve(lambda user, attempt: (200, json.dumps({"to": user})))
    prompts = [f"Number {n}?" for n in (3, 1, 2, 3)]
    assert [json.loads(text)["to"] for text in teacher.ask_all(prompts)] == prompts
    assert teacher.ask_all(prompts[:2]) == [json.dumps({"to": text}) for text in prompts[:2]]
    assert len(server.bodies) == 3 and teacher.ask_all([]) == []


@pytest.mark.parametrize(
    ("option", "value"),
    [("way", "post"), ("response_format", "xml"), ("concurrency", 0), ("attempts", 0), ("timeout_s", 0),
     ("max_fact_tokens", 0), ("max_tokens", 0),
     ("budget_usd", -1.0), ("budget_usd", float("nan")), ("requests_per_minute", 0), ("image_side", 0)],
)  # fmt: skip
def test_options_that_mean_nothing_are_refused(serve, option, value):
    with pytest.raises(KitError, match=option):
        serve(good, **{option: value, "price": PRICE})


def test_a_server_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    teacher = OpenAITeacher("m", base_url=address, attempts=2, pause_s=0.01, price=PRICE)
    with pytest.raises(KitError, match=re.escape(f"{address} cannot be reached; check base_url")):
        teacher.ask("How many?")
    assert teacher.totals().usd == 0, "nothing was sent, so nothing can be billed"
