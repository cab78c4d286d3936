"""`python -m tests.bench.ipo`: what the policy `rules` and GEPA make of a teacher with five flaws.

Acceptance is measured by the world's truth on fresh queries, never by the checks that the optimisers see.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from dataengine_utils.errors import KitError
from dataengine_utils.generation import generate
from dataengine_utils.ipo import Limits, Session, run_policy
from dataengine_utils.ipo.gepa_search import search
from dataengine_utils.ipo.measures import Cost, Share, share_of
from dataengine_utils.records import Template
from dataengine_utils.stats import paired_difference
from dataengine_utils.teachers import Teacher, load
from dataengine_utils.teachers.rules.flaws import SloppyTeacher
from tests.prompt_sessions import BASE, SOURCE, is_true, open_at, served

ROUNDS = 5
PER_SEED = 1000  # pictures between the probe sets of two seeds
fresh_queries = cache(lambda n: served(n, start=1_000_000))


def truths(template: Template, teacher: Teacher, n: int) -> list[bool]:
    """Which samples by a template are right in the world, on `n` fresh queries."""
    made = generate(fresh_queries(n), SOURCE, teacher, template, write=lambda record: None)
    return [is_true(one) for one in made]


def bench_flaws(seeds: Sequence[int], probe: int, fresh: int) -> str:
    """Start, policy `rules` and GEPA with as many requests, over several seeds of probe set and teacher."""
    teachers: dict[str, Callable[[int], Teacher]] = {
        "five flaws": SloppyTeacher, "as it is": lambda seed: load("rules", seed=seed)}  # fmt: skip
    head = ("rule teacher", "seed", "by", f"true, % of {fresh} fresh queries", "change, points", "rules",
            "rounds", "requests")  # fmt: skip
    lines = [_line(head), _line(["---"] * len(head))]
    for name, make in teachers.items():
        for seed in seeds:
            lines += _lines(name, seed, make(seed), probe, fresh)
    return "\n".join(lines)


def _lines(name: str, seed: int, teacher: Teacher, probe: int, fresh: int) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        session = open_at(Path(folder), served(probe, start=PER_SEED * seed), teacher, seed=seed)
        run_policy(session, "rules", Limits(ROUNDS, 10**6, 1.0))
        found: dict[str, tuple[Template, Cost, int]] = {
            "start": (BASE, Cost(), 0),
            "rules": (session.incumbent, session.cost(), len(session.state.rounds)),
            **_gepa(session),
        }
    start = truths(BASE, teacher, fresh)
    rows = []
    for by, (template, cost, rounds) in found.items():
        after = truths(template, teacher, fresh)
        n_rules, n_rounds = str(len(template.rules)), str(rounds or "–")
        rows.append([name, str(seed), by, _share(share_of(after)), _change(start, after), n_rules, n_rounds,
                     f"{cost.requests:,}"])  # fmt: skip
    return [_line(row) for row in rows]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _gepa(session: Session) -> dict[str, tuple[Template, Cost, int]]:
    try:
        template, cost = search(session, session.cost().requests)
    except KitError as error:
        print(f"GEPA is left out: {error}", file=sys.stderr)
        return {}
    return {"GEPA": (template, cost, 0)}


def bench_speed(n: int) -> str:
    """How long it takes to begin, to open again and to review a probe set of `n` samples."""
    with tempfile.TemporaryDirectory() as folder:
        probe = served(n)
        begun, session = _timed(lambda: open_at(Path(folder), probe))
        opened, session = _timed(lambda: open_at(Path(folder), probe))
        shown, todo = _timed(session.to_review)
        reviewed, _ = _timed(
            lambda: [session.review(one.template_id, one.query_id, "accept") for one in todo])
        size = (Path(folder) / "session.jsonl").stat().st_size
    return (f"{n} probe queries, rule teacher: begun in {begun:.2f} s, opened again in {opened:.2f} s, the "
            f"list to review in {1000 * shown:.0f} ms, {1000 * reviewed / n:.1f} ms a review; journal "
            f"{size / 1e6:.2f} MB")


def _timed(work: Callable[[], object]) -> tuple[float, object]:
    start = time.perf_counter()
    done = work()
    return time.perf_counter() - start, done


def _share(share: Share) -> str:
    low, high = share.interval
    return f"{100 * share.share:.1f} ({100 * low:.1f} – {100 * high:.1f})"


def _change(before: list[bool], after: list[bool]) -> str:
    found = paired_difference(before, after)
    if before == after:
        return "–"
    return f"{100 * found.difference:+.1f} ({100 * found.low:+.1f} – {100 * found.high:+.1f})"


def bench_ipo(seeds: int = 5, probe: int = 36, fresh: int = 900) -> str:
    """Both tables as text."""
    return f"{bench_flaws(range(seeds), probe, fresh)}\n\n{bench_speed(200)}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ipo", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="probe sets and teachers")
    parser.add_argument("--probe", type=int, default=36, help="queries of the probe set")
    parser.add_argument("--fresh", type=int, default=900, help="fresh queries")
    options = parser.parse_args()
    print(bench_ipo(options.seeds, options.probe, options.fresh))


if __name__ == "__main__":
    main()
