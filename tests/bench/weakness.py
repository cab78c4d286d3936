"""`python -m tests.bench.weakness`: the weakness analysis of as many answers as VQAv2 val has questions.

What notebook 02 does with them, part by part: the table with its shrunk rates, the changes since the base,
and, without a bound, the clusters inside the types. The answers are made up: two evaluations of the same
questions. Each part
is measured in a process of its own, for its memory. Times are processor seconds over all threads, which a
busy machine does not disturb much.
"""

import argparse
import json
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dataengine_utils.clusters import find_clusters
from dataengine_utils.question_types import QUESTION_TYPES
from dataengine_utils.records import Prediction, Question
from dataengine_utils.weakness import changes, type_table
from tests.bench.timing import timed
from tests.bench.vqa import MB, VAL, peak_bytes

WANTED_S = 5.0
STARTS = ("How many {} are there?", "What colour is the {}?", "Where is the {}?", "What is behind the {}?")
N_NOUNS, N_ANSWERS = 3000, 3000  # the first ones are the most frequent, as words are


@dataclass(frozen=True)
class Part:
    """One part of the analysis: processor seconds, the peak memory of its process in bytes (with the answers
    themselves), and how much it found.
    """

    name: str
    seconds: float
    peak: float
    found: int

    def __str__(self) -> str:
        return f"{self.name:<28}{self.seconds:>8.2f} s{self.peak / MB:>10,.0f} MB{self.found:>12,} found"


def bench_weakness(n: int = VAL) -> list[Part]:
    """Measure every part on `n` answers."""
    return [measured(name, n) for name in PARTS]


def report(parts: list[Part], n: int) -> str:
    """The parts for people to read, and the sum that has a bound."""
    bound = sum(part.seconds for part in parts if part.name != "clusters")
    lines = [f"{n:,} answers: processor seconds, peak memory with the answers", *map(str, parts)]
    return "\n".join([*lines, f"table and changes: {bound:.2f} s (wanted: below {WANTED_S:.0f} s)"])


def measured(name: str, n: int) -> Part:
    """One of `PARTS` in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.weakness", "--work", name, "--answers", str(n)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return Part(name, told["seconds"], told["peak"], told["found"])


def make_questions(n: int, seed: int = 0) -> list[Question]:
    """Questions of nine types, worded as short questions about pictures are."""
    rng, names = random.Random(seed), list(QUESTION_TYPES.values())
    nouns, answers = make_words(N_NOUNS, rng), make_words(N_ANSWERS, rng)
    return [
        Question(f"q{i}", f"i{i // 5}", "", rng.choice(STARTS).format(f"{frequent(nouns, rng)} near the "
                 f"{frequent(nouns, rng)}"), (), frequent(answers, rng), "", rng.choice(names))
        for i in range(n)
    ]  # fmt: skip


def make_words(n: int, rng: random.Random) -> list[str]:
    """Words of three to nine letters."""
    return ["".join(rng.choices("abcdefghijklmnoprstuvw", k=rng.randint(3, 9))) for _ in range(n)]


def frequent(words: Sequence[str], rng: random.Random) -> str:
    """One of the words, the n-th about as often as 1 / n."""
    return words[int(len(words) ** rng.random()) - 1]


def make_answers(questions: list[Question], share: float, seed: int) -> list[Prediction]:
    """An evaluation with about this share of right answers, less for the later types."""
    rng = random.Random(seed)
    wrong = make_words(N_ANSWERS, rng)
    harder = {name: 0.04 * place for place, name in enumerate(QUESTION_TYPES.values())}
    made = []
    for question in questions:
        is_right = rng.random() < share - harder[question.question_type]
        reply = question.answer if is_right else frequent(wrong, rng)
        made.append(
            Prediction(question.id, question.question_type, reply, "", "right" if is_right else "wrong")
        )
    return made


def table_of(questions: list[Question], answers: list[Prediction], earlier: list[Prediction]) -> list[Any]:
    """The weakness table, by the strategy that shrinks."""
    return type_table(answers, "shrunk")


def changes_of(questions: list[Question], answers: list[Prediction], earlier: list[Prediction]) -> list[Any]:
    """What changed: intervals, tests and their adjustment, all types and all questions."""
    return list(changes(earlier, answers).values())


def clusters_of(questions: list[Question], answers: list[Prediction], earlier: list[Prediction]) -> list[Any]:
    """The clusters inside all types."""
    return list(find_clusters(questions, answers))


PARTS = {"table": table_of, "changes since the base": changes_of, "clusters": clusters_of}


def do(name: str, n: int) -> dict[str, float]:
    """Seconds of one part, once the libraries it loads late are there."""
    for size in (min(n, 2000), n):
        questions = make_questions(size)
        earlier, answers = make_answers(questions, 0.7, 1), make_answers(questions, 0.72, 2)
        seconds, found = timed(lambda given=(questions, answers, earlier): PARTS[name](*given))
    return {"seconds": seconds, "peak": peak_bytes(), "found": len(found)}


def main() -> None:
    """Measure and print, or do one part and print what it took."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.weakness", description=__doc__)
    parser.add_argument("--answers", type=int, default=VAL)
    parser.add_argument("--work", choices=PARTS, help="only this part, in this process")
    given = parser.parse_args()
    if given.work:
        print(json.dumps(do(given.work, given.answers)))
    else:
        print(report(bench_weakness(given.answers), given.answers))


if __name__ == "__main__":
    main()
