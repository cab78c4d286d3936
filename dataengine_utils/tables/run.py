"""Tables about the run: its settings, its notebooks, its turns and their scores."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from pandas.io.formats.style import Styler

from ..artifacts import ARTIFACTS, Run
from ..benchmarks.splits import remark
from ..profiles import FIELDS, Profile, origins
from ..stages import Step
from .style import ALL, numbers, percent, plain, words

Metrics = Mapping[str, Any]


def settings_table(run: Run, used: Profile, names: Sequence[str]) -> Styler:
    """The settings a page uses, each with its origin: a profile, "override" (run.json), "this notebook".

    `used` is the run's profile with the notebook's own parameters laid over it.
    """
    source = {name: origin for name, _, origin in origins(run.source, run.overrides)}
    same = {name: getattr(used, name) == getattr(run.profile, name) for name in names}
    return words([{"setting": name, "value": plain(getattr(used, name)),
                    "from": source[name] if same[name] else "this notebook"}
                   for name in FIELDS if name in names])


def plan_table(steps: Iterable[Step]) -> Styler:
    """The notebooks of a loop in order, with the files each reads and writes."""
    return words([{"notebook": step.title,
                    "reads": ", ".join(_file(source.artifact, source.of) for source in step.stage.inputs),
                    "writes": ", ".join(ARTIFACTS[name].file for name in step.stage.outputs)}
                   for step in steps])


def turn_table(run: Run) -> Styler:
    """What each iteration of the run has made: queries, accepted samples, and the template used."""
    rows = []
    for iteration in run.iterations():
        n = {name: len(iteration.load(name)) if iteration.has(name) else 0 for name in ("queries", "samples")}
        share = f"{n['samples']:,} ({n['samples'] / n['queries']:.0%})" if n["queries"] else "–"
        decision = iteration.load("decision") if iteration.has("decision") else None
        rows.append({"iteration": iteration.number, "queries": f"{n['queries']:,}" if n["queries"] else "–",
                     "samples": share, "template": decision.template_id if decision else "–",
                     "chosen by": decision.chosen_by if decision else "–",
                     "why": decision.reason if decision else "–"})
    return words(rows)


def progress_table(metrics_by_iteration: Sequence[Metrics], split: str = "sealed", *,
                   kept: Collection[int] = ()) -> Styler:
    """Right answers in per cent, a column an iteration, and the change since iteration 0 in points.

    Iterations in `kept`, before which the gate promoted nothing, say so: the student is the one before.
    """
    turns = [{**metrics[split]["types"], ALL: metrics[split]["overall"]} for metrics in metrics_by_iteration]
    rows = {}
    for name in turns[0]:
        shares = [turn[name]["accuracy"] for turn in turns]
        rows[name] = {"questions": turns[0][name]["n"],
                      **{f"iteration {i}{' (kept)' if i in kept else ''}": percent(share)
                         for i, share in enumerate(shares)},
                      "change": f"{100 * (shares[-1] - shares[0]):+.1f}"}
    return numbers(rows, "question type, % right", remark(metrics_by_iteration[0][split]))


def _file(artifact: str, of: str) -> str:
    return ARTIFACTS[artifact].file + ("" if of == "this" else f" ({of})")
