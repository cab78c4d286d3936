"""`python -m tests.killed_teacher FOLDER URL N`: a generation run of N queries by the OpenAI teacher, made to
be killed: started again in the same folder it goes on.

`starter()` starts it in processes that are forked off one with everything imported: fifty kills in seconds.
"""

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable
from functools import lru_cache
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import openai  # noqa: F401  the teacher imports it when it works: here it is there before the fork
from tqdm import tqdm

from dataengine_utils import images, prompts
from dataengine_utils.artifacts import Iteration
from dataengine_utils.generation import generate, resume
from dataengine_utils.question_types import QUESTION_TYPES
from dataengine_utils.records import ImageRecord, Query
from dataengine_utils.samples import make_samples
from dataengine_utils.teachers.openai import OpenAITeacher

KEY = "sk-secret-of-the-killed-run"
LEDGER = "ledger.sqlite"
PRICE = {"input": 2.5, "output": 10.0}
"""USD per million tokens."""
SEED, IN_FLIGHT = 5, 16
TWINS = 40
"""So many of the last queries have the image and type of one before: the same request."""


class Records:
    """The first images of picturebook, each drawn up once."""

    root = None

    def __init__(self) -> None:
        self._source = images.load("picturebook")
        self.record: Callable[[str], ImageRecord] = lru_cache(maxsize=None)(self._source.record)

    def ids(self) -> Any:
        return self._source.ids()


SOURCE = Records()


def queries(n: int) -> list[Query]:
    """Every type of every image in turn, then the first queries once more under other names."""
    ids, types = SOURCE.ids(), tuple(QUESTION_TYPES.values())
    places = [*range(n - TWINS), *range(TWINS)]
    return [Query(f"q{n}", types[at % 9], ids[at // 9], ()) for n, at in enumerate(places)]


def run(folder: str, url: str, n: int, way: str = "live") -> None:
    """Ask for all that is not there yet, and publish the samples."""
    os.environ["OPENAI_API_KEY"] = KEY
    tqdm.set_lock(threading.RLock())  # its own is a semaphore of the system, which outlives a kill
    iteration, template, asked = Iteration(0, Path(folder)), prompts.base_template(), queries(n)
    teacher = OpenAITeacher("kit-1", base_url=url, concurrency=IN_FLIGHT, pause_s=0.005, timeout_s=10.0,
                            ledger=f"{folder}/{LEDGER}", price=PRICE, way=way, batch_requests=40,
                            batch_poll_s=0.02)  # fmt: skip
    done = resume(iteration, asked, template)
    with iteration.append("generated") as write:
        records = generate(asked, SOURCE, teacher, template, write=write, done=done)
    iteration.save("samples", make_samples(records, SOURCE, SEED))


def starter() -> Callable[..., BaseProcess]:
    """A function that starts `run` with its arguments in a process of its own and returns that."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])

    def start(*arguments: Any) -> BaseProcess:
        process = context.Process(target=run, args=arguments)
        process.start()
        return process

    return start


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2], int(sys.argv[3]))
