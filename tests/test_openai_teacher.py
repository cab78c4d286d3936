"""The OpenAI teacher against a real HTTP server on this machine, with the real client."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dataengine_utils import images, prompts, teachers
from dataengine_utils.errors import KitError
from dataengine_utils.generation import generate
from dataengine_utils.records import Query

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
    """Answers each request by what `behave(prompt, attempt)` gives: (status, text), or None to hang up."""

    def __init__(self, behave):
        self.attempts, self.bodies, self.keys, self.lock = {}, [], set(), threading.Lock()
        self.in_flight = self.most = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                user = body["messages"][-1]["content"]
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

            def _send(self, status, text):
                message = {"role": "assistant", "content": text}
                answer = {
                    "id": "x",
                    "object": "chat.completion",
                    "created": 0,
                    "model": "m",
                    "choices": [{"index": 0, "message": message, "finish_reason": "stop"}] if text else [],
                }
                value = (
                    answer if status == 200 else {"error": {"message": f"told {KEY}", "code": text or None}}
                )
                data = json.dumps(value).encode()
                self.send_response(status)
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
        teacher = teachers.load("openai", model="m", base_url=servers[-1].url, pause_s=0.01, **options)
        return servers[-1], teacher

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


def test_replies_are_kept_raw_and_become_samples(serve):
    server, teacher = serve(lambda user, attempt: (200, GOOD))
    records = run(teacher)
    assert all(r.accepted and r.reply == GOOD for r in records)
    body = server.bodies[0]
    assert body["model"] == "m" and body["response_format"] == {"type": "json_object"}
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


@pytest.mark.parametrize("status", [401, 403, 404])
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
    gate = threading.Semaphore(0)

    def slowly(user, attempt):
        gate.acquire(timeout=0.05)
        return 200, GOOD

    server, teacher = serve(slowly, concurrency=3)
    run(teacher, 12)
    assert server.most == 3


def test_a_reader_who_leaves_early_stops_the_work(serve):
    server, teacher = serve(lambda user, attempt: (200, GOOD), concurrency=1)
    source = images.load("picturebook")
    requests = [
        teachers.Request(
            Query(f"q{i}", "Instance Identity", i, ()), source.record(i), prompts.base_template()
        )
        for i in source.ids()[:50]
    ]
    replies = teacher.replies(requests)
    next(replies)
    replies.close()
    assert len(server.bodies) < 50


def test_without_a_key_there_is_a_clear_error(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(KitError, match="OPENAI_API_KEY"):
        teachers.load("openai", model="m")


def test_the_key_is_not_kept_in_the_teacher(serve):
    _, teacher = serve(lambda user, attempt: (200, GOOD))
    assert KEY not in repr(vars(teacher))
