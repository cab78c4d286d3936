"""`python -m tests.bench.bad_cases`: the paper's Algorithm 1 on 50,000 bad cases of one question type.

The plain way does what the algorithm says: pick one, compare it with all that remain, drop those that are too
similar, repeat. It is quadratic, so it is measured on fewer, beside ours on the same ones, and both must keep
the same. The bad cases are made up: questions of one type that share most of their words, every fourth nearly
a copy of an earlier one. Each measurement runs in a process of its own, for its memory. Times are processor
seconds over all threads, which a busy machine does not disturb much.
"""

import argparse
import json
import random
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import Any

from dataengine_utils.bad_cases import case_text, deduplicate
from dataengine_utils.records import BadCase
from dataengine_utils.similarity import tfidf
from tests.bench.timing import timed
from tests.bench.vqa import MB, peak_bytes
from tests.bench.weakness import frequent, make_words

N_CASES, N_PLAIN, THRESHOLD = 50_000, 5_000, 0.9
WANTED_S, WANTED_MB = 60, 2_000
STARTS = (
    "How many {} are there near the {}?",
    "How many {} can be seen beside the {}?",
    "What is the number of {} in front of the {}?",
    "Count the {} behind the {}. How many are there?",
)
COUNTS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True)
class Way:
    """One way over `n` bad cases: processor seconds, peak memory of the process in bytes, what it kept."""

    name: str
    n: int
    seconds: float
    peak: float
    kept: tuple[str, ...]

    def __str__(self) -> str:
        found = f"{len(self.kept):,} kept"
        return f"{self.name:<8}{self.n:>10,}{self.seconds:>10.2f} s{self.peak / MB:>10,.0f} MB   {found}"


def bench_bad_cases(n: int = N_CASES, n_plain: int = N_PLAIN) -> list[Way]:
    """Ours on `n`, then both ways on `n_plain`; raises `ValueError` where those two keep something else."""
    ways = [measured("ours", n), measured("ours", n_plain), measured("plain", n_plain)]
    if ways[1].kept != ways[2].kept:
        raise ValueError(f"kept {len(ways[1].kept)} and {len(ways[2].kept)} of {n_plain} bad cases")
    return ways


def report(ways: list[Way]) -> str:
    """The measurements for people to read."""
    whole, ours, plain = ways
    return "\n".join(
        [
            f"Algorithm 1, threshold {THRESHOLD}, bad cases of one type (wanted of {whole.n:,}: below "
            f"{WANTED_S} s and {WANTED_MB:,} MB)",
            *map(str, ways),
            f"plain / ours on {plain.n:,}: {plain.seconds / ours.seconds:.1f}, the same kept",
        ]
    )


def measured(name: str, n: int) -> Way:
    """One of `WAYS` in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.bad_cases", "--work", name, "--cases", str(n)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return Way(name, n, told["seconds"], told["peak"], tuple(told["kept"]))


def make_cases(n: int, seed: int = 0) -> list[BadCase]:
    """Bad cases of one type; every fourth is an earlier one with a letter more."""
    rng = random.Random(seed)
    nouns = make_words(3000, rng)
    made: list[BadCase] = []
    for i in range(n):
        if i % 4 == 3:
            copied = rng.choice(made)
            question = copied.question.replace("?", rng.choice("ds") + "?", 1)
            made.append(replace(copied, question_id=f"q{i}", question=question))
        else:
            question = rng.choice(STARTS).format(frequent(nouns, rng), frequent(nouns, rng))
            made.append(BadCase(f"q{i}", "Instances Counting", f"i{i}", question, (), rng.choice(COUNTS), ""))
    return made


def ours(cases: list[BadCase]) -> list[BadCase]:
    """The kit's."""
    return deduplicate(cases, THRESHOLD, rng=random.Random(0))


def plain(cases: list[BadCase]) -> list[BadCase]:
    """Algorithm 1 as it is written, with the same vectors and the same picks."""
    vectors, order = tfidf([case_text(case) for case in cases]), random.Random(0)
    remaining, kept = order.sample(range(len(cases)), len(cases)), []
    while remaining:
        picked, *remaining = remaining
        kept.append(picked)
        if remaining:
            alike = (vectors[remaining] @ vectors[picked].T).toarray().ravel()
            remaining = [one for one, cosine in zip(remaining, alike, strict=True) if cosine <= THRESHOLD]
    return [cases[i] for i in sorted(kept)]


WAYS = {"ours": ours, "plain": plain}


def do(name: str, n: int) -> dict[str, Any]:
    """What one way took and kept, once the libraries it loads late are there."""
    WAYS[name](make_cases(20))
    cases = make_cases(n)
    seconds, kept = timed(lambda: WAYS[name](cases))
    return {"seconds": seconds, "peak": peak_bytes(), "kept": [case.question_id for case in kept]}


def main() -> None:
    """Measure and print, or do it one way and print what that took."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bad_cases", description=__doc__)
    parser.add_argument("--cases", type=int, default=N_CASES)
    parser.add_argument("--plain", type=int, default=N_PLAIN, help="bad cases that the plain way is timed on")
    parser.add_argument("--work", choices=WAYS, help="only this way over --cases, in this process")
    given = parser.parse_args()
    if given.work:
        print(json.dumps(do(given.work, given.cases)))
    else:
        print(report(bench_bad_cases(given.cases, given.plain)))


if __name__ == "__main__":
    main()
