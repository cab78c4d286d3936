"""`python -m tests.bench.teacher`: how fast the OpenAI teacher is against a local server that takes 200 ms,
how close it comes to rate limits, and what a request costs in processor time, beside plain ways and a peer.

Limits hold per window of two seconds here (a thirtieth of the limit per minute), so that a run of twelve
seconds is six windows long; `--real-minutes 3` measures three true minutes of each.

The server runs in a process of its own and says when requests came: rates are its. `--peer PYTHON` names the
Python of an environment with bespokelabs-curator, which is then asked for the same.
"""

import argparse
import asyncio
import gc
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from dataengine_utils import images, prompts
from dataengine_utils.generation import generate
from dataengine_utils.question_types import QUESTION_TYPES
from dataengine_utils.records import Query
from dataengine_utils.teachers import Request
from dataengine_utils.teachers.openai import OpenAITeacher
from tests.openai_server import Plan, Server

LATENCY_S, IN_FLIGHT = 0.2, 64
LONG = 4  # times as many requests for the rate: at first all replies come at once, which evens out
PEER = Path(__file__).with_name("teacher_peer.py")
PRICE = {"input": 2.5, "output": 10.0}
MODEL = "kit-1"


@dataclass(frozen=True)
class Row:
    """One measurement: what, its value with its unit, what is wanted, and what stands beside it."""

    what: str
    value: str
    wanted: str = "-"
    note: str = ""

    def __str__(self) -> str:
        return f"{self.what:<64}{self.value:>12}  {self.wanted:<26}{self.note}"


@dataclass(frozen=True)
class Run:
    """What the server saw of a run: when the requests came that it answered (seconds) and what each used
    (tokens), the most in flight and in one window, how many it refused. `cpu_s`: the client's processor
    seconds over all threads."""

    times: list[float]
    tokens: list[int]
    most: int
    peak: dict[str, int]
    refused: int
    cpu_s: float

    @property
    def answered(self) -> int:
        return len(self.times)

    @property
    def rate(self) -> float:
        """Requests a second; as many as were in flight came at once and only start the clock."""
        return (self.answered - self.most) / (self.times[-1] - self.times[0])

    @property
    def cpu_ms(self) -> float:
        """Processor time a request (ms)."""
        return 1000 * self.cpu_s / self.answered

    def rate_at_limit(self, kind: str, window_s: float) -> float:
        """Requests or tokens a minute once the first window, with the burst in it, is over."""
        start = self.times[0] + window_s
        amounts = self.tokens if kind == "tokens" else [1] * self.answered
        late = [amount for time, amount in zip(self.times, amounts, strict=True) if time > start]
        return 60 * sum(late) / (self.times[-1] - start)


def bench_teacher(n: int = 2560, peer: str | None = None, real_minutes: float = 0.0) -> list[Row]:
    """All measurements, with `n` requests where the speed is free. `real_minutes` of running at limits per
    true minute are added where that is more than 1."""
    os.environ.setdefault("OPENAI_API_KEY", "sk-of-the-bench")
    with Server() as server:
        rows = [*throughput(server, LONG * n, peer), *cpu(server, n)]
        for window_s, seconds in ((2.0, 12.0), *([(60.0, 60 * real_minutes)] if real_minutes > 1 else [])):
            rows += limits(server, window_s, seconds)
        return rows


def throughput(server: Server, n: int, peer: str | None) -> list[Row]:
    """Requests a second with so many in flight, as a share of what latency allows."""
    ideal = IN_FLIGHT / LATENCY_S
    plan = Plan(latency_s=LATENCY_S)
    bodies(n)
    ours = seen(server, plan, lambda: ask_kit(server, n, concurrency=IN_FLIGHT))
    gathered = seen(server, plan, lambda: asyncio.run(ask_gathered(server.url, bodies(n))))
    alone = seen(server, plan, lambda: asyncio.run(ask_in_turn(server.url, bodies(10), 0.0)))
    reference = seen(server, plan, lambda: asyncio.run(ask_in_turn(server.url, bodies(3), 5.0)))
    runs = {
        "the kit's teacher": ours,
        "asyncio.gather and a semaphore": gathered,
        "one at a time": alone,
        "one at a time, 5 s of sleep between": reference,
    }
    if peer:
        runs["bespokelabs-curator"] = seen(server, plan, lambda: ask_peer(peer, server.url, n))
    return [
        Row(f"{run.answered} requests at 200 ms, {what}", f"{run.rate:.1f}/s",
            f"at least {0.95 * ideal:.0f}/s" if run is ours else "-",
            f"{run.rate / ideal:.1%} of {ideal:.0f}/s, at most {run.most} in flight")
        for what, run in runs.items()
    ]  # fmt: skip


def cpu(server: Server, n: int) -> list[Row]:
    """Processor time a request without any latency, above what the bare client takes for the same bodies."""
    bodies(n)
    kit = seen(server, Plan(), lambda: ask_kit(server, n, concurrency=IN_FLIGHT))
    whole = seen(server, Plan(), lambda: generate_all(server, n))
    bare = seen(server, Plan(), lambda: asyncio.run(ask_gathered(server.url, bodies(n))))
    return [
        Row(f"CPU a request: bare AsyncOpenAI, {n} requests", f"{bare.cpu_ms:.2f} ms"),
        Row("CPU a request: teacher with limiter and ledger", f"{kit.cpu_ms:.2f} ms", "under 3 ms above bare",
            f"{kit.cpu_ms - bare.cpu_ms:+.2f} ms"),
        Row("CPU a request: generate(), records drawn, replies checked", f"{whole.cpu_ms:.2f} ms", "-",
            f"{whole.cpu_ms - bare.cpu_ms:+.2f} ms"),
    ]  # fmt: skip


def limits(server: Server, window_s: float, seconds: float) -> list[Row]:
    """The rate at a limit of requests and of tokens, given or learned from headers, and what was refused."""
    per_minute = 6000
    probe = seen(server, Plan(), lambda: ask_kit(server, 200, concurrency=8))
    tokens_each = sum(probe.tokens) / probe.answered
    rows = []
    for kind in ("requests", "tokens"):
        limit = per_minute if kind == "requests" else round(per_minute * tokens_each)
        plan = Plan(latency_s=LATENCY_S, window_s=window_s, **{f"{kind}_per_minute": limit})
        n = round(per_minute / 60 * seconds)
        for how, options in (("given", {f"{kind}_per_minute": limit}), ("learned from headers", {})):
            options |= {"limit_window_s": window_s, "concurrency": IN_FLIGHT}
            requests(n)
            run = seen(server, plan, lambda options=options, n=n: ask_kit(server, n, **options))
            rows.append(_limit_row(run, plan, kind, limit, how))
    return rows


def _limit_row(run: Run, plan: Plan, kind: str, limit: int, how: str) -> Row:
    wanted = "at least 95 %" + (", 0 refused" if how == "given" else "")
    seconds = run.times[-1] - run.times[0]
    return Row(f"{limit:,} {kind}/min in windows of {plan.window_s:g} s, {how}",
               f"{run.rate_at_limit(kind, plan.window_s) / limit:.1%}", wanted,
               f"{run.refused} refused, most in a window {run.peak[kind]:,} of {plan.limit(limit):,}, "
               f"{seconds:.1f} s")  # fmt: skip


def seen(server: Server, plan: Plan, work: Callable[[], Any]) -> Run:
    """What the server counted while `work` was done."""
    server.plan(plan)
    gc.collect()
    start = time.process_time()
    work()
    cpu_s = time.process_time() - start
    stats, log = server.stats(), server.log()
    let_in = [served for served in log if served.status == 200]
    return Run([served.time for served in let_in], [sum(served.usage) for served in let_in],
               most=stats["most_in_flight"], refused=sum(served.status == 429 for served in log), cpu_s=cpu_s,
               peak={"requests": stats["peak_requests"], "tokens": stats["peak_tokens"]})  # fmt: skip


# The ways to ask


@lru_cache(maxsize=4)
def requests(n: int) -> list[Request]:
    """Every type of every image of picturebook in turn; made once, that no measurement counts it."""
    source, template = images.load("picturebook"), prompts.base_template()
    types = list(QUESTION_TYPES.values())
    records = [source.record(id) for id in source.ids()[: -(-n // 9)]]
    return [Request(Query(f"q{k}", types[k % 9], records[k // 9].image_id, ()), records[k // 9], template)
            for k in range(n)]  # fmt: skip


def ask_kit(server: Server, n: int, **options: Any) -> None:
    """The teacher alone, with its ledger in a file."""
    with tempfile.TemporaryDirectory() as folder:
        replies = list(teacher(server, folder, **options).replies(requests(n)))
    failed = [reply.error for reply in replies if reply.error]
    if len(replies) != n or failed:
        raise RuntimeError(f"{n} requests, {len(replies)} replies, {len(failed)} errors: {failed[:1]}")


def generate_all(server: Server, n: int) -> None:
    """The teacher within the pipeline: every reply is read and checked."""
    queries = [request.query for request in requests(n)]
    source = images.load("picturebook")
    with tempfile.TemporaryDirectory() as folder:
        generate(queries, source, teacher(server, folder, concurrency=IN_FLIGHT),
                 prompts.base_template(), write=lambda record: None)  # fmt: skip


def teacher(server: Server, folder: str, **options: Any) -> OpenAITeacher:
    """A teacher of the server's model."""
    ledger = Path(folder) / "ledger.sqlite"
    return OpenAITeacher(MODEL, base_url=server.url, ledger=ledger, price=PRICE, **options)


@lru_cache(maxsize=4)
def bodies(n: int) -> list[dict[str, Any]]:
    """The same prompts ready to be sent, for the plain ways: what rendering takes is not the client's."""
    return [
        {
            "model": MODEL,
            "messages": prompts.render(r.template, r.query, r.record).messages,
            "max_tokens": 1024,
            "response_format": {"type": "json_object"},
        }
        for r in requests(n)
    ]


async def ask_gathered(url: str, asked: Sequence[dict[str, Any]]) -> None:
    """What most scripts do: all at once behind a semaphore."""
    semaphore = asyncio.Semaphore(IN_FLIGHT)

    async def one(create: Callable[..., Awaitable[Any]], body: dict[str, Any]) -> None:
        async with semaphore:
            await create(**body)

    async with _client(url) as client:
        await asyncio.gather(*(one(client.chat.completions.create, body) for body in asked))


async def ask_in_turn(url: str, asked: Sequence[dict[str, Any]], sleep_s: float) -> None:
    """One request after the other, with a sleep after each but the last."""
    async with _client(url) as client:
        for number, body in enumerate(asked):
            if number:
                await asyncio.sleep(sleep_s)
            await client.chat.completions.create(**body)


def ask_peer(python: str, url: str, n: int) -> None:
    """The peer in its own environment; its processor time is not counted here."""
    command = [python, str(PEER), url, str(n), str(IN_FLIGHT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}")


def _client(url: str) -> Any:
    from openai import AsyncOpenAI

    return AsyncOpenAI(base_url=url, max_retries=0, timeout=30.0)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.teacher", description=__doc__)
    parser.add_argument("--requests", type=int, default=2560)
    parser.add_argument("--peer", metavar="PYTHON", help="of an environment with bespokelabs-curator")
    parser.add_argument("--real-minutes", type=float, default=0.0, metavar="M",
                        help="also run M (over 1) minutes at limits per true minute, four times")  # fmt: skip
    options = parser.parse_args()
    for row in bench_teacher(options.requests, options.peer, options.real_minutes):
        print(row, flush=True)


if __name__ == "__main__":
    sys.exit(main())
