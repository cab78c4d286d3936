"""`python -m tests.openai_server --port 8123 --latency-ms 200`: a teacher to try the notebooks with, free of
charge: teacher "openai" with the options {"model": "kit-1", "base_url": "http://127.0.0.1:8123/v1", "price":
{"input": 0, "output": 0}} and OPENAI_API_KEY set to anything. It answers from the facts in the prompt.
"""

import argparse
import asyncio
import dataclasses
import json
import os
import sys
import threading

from .app import App
from .http import listen
from .model import Model
from .plan import FAULTS, Plan, plan_of


async def serve(plan: Plan, host: str, port: int) -> None:
    """Print the address and answer until the process ends."""
    server = await listen(App(Model(plan)).handle, host, port)
    print(f"http://{host}:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


def plan_from(options: argparse.Namespace) -> Plan:
    """The plan that the command line describes."""
    faults = dict(pair.split("=", 1) for pair in options.fault)
    return dataclasses.replace(
        plan_of(json.loads(options.plan)),
        **{"latency_s": options.latency_ms / 1000} if options.latency_ms is not None else {},
        **{"faults": {name: float(share) for name, share in faults.items()}} if faults else {},
    )


def _end_with_stdin() -> None:
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.openai_server", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8123, help="0: any free one")
    parser.add_argument("--latency-ms", type=float, help="how long each reply takes")
    parser.add_argument("--fault", action="append", default=[], metavar="NAME=SHARE",
                        help=f"a share (0..1) of the replies has it: {', '.join(FAULTS)}")  # fmt: skip
    parser.add_argument("--plan", default="{}", help="a whole plan as JSON, see tests/openai_server/plan.py")
    parser.add_argument("--while-stdin-is-open", action="store_true", help="end with its starter")
    options = parser.parse_args()
    if options.while_stdin_is_open:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        asyncio.run(serve(plan_from(options), options.host, options.port))
    except KeyboardInterrupt:
        print("stopped")


if __name__ == "__main__":
    main()
