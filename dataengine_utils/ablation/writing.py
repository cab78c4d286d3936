"""A study's results as text: the table that is printed, ablation.json, ablation.md and the figure's files."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import files
from ..records import to_json
from ..weakness import LEVEL
from .design import SIZES
from .differences import Comparison, Reached
from .results import ALL, WEAK, WEAK_BELOW, Results

NAME = "ablation"


def results_text(results: Results) -> str:
    """Markdown: differences to the baseline, samples to a score, cost, and the scores per type."""
    parts = [_head(results)]
    for questions in (ALL, WEAK):
        title = f"**{questions.capitalize()}**{_which(results, questions)}"
        parts += [title, _differences(results, questions)]
    parts += [_samples(results), _costs(results), _types(results), f"Made by `{command_of(results)}`."]
    return "\n\n".join(parts) + "\n"


def write_results(results: Results, folder: Path) -> list[Path]:
    """Write ablation.json, ablation.md, ablation.svg and ablation.png, each whole; returns their paths."""
    from .figure import ablation_figure, save_figure

    paths = [folder / f"{NAME}.{kind}" for kind in ("json", "md", "svg", "png")]
    files.write_whole(paths[0], files.document(to_json(results)))
    files.write_whole(paths[1], results_text(results))
    save_figure(ablation_figure(results), *paths[2:])
    return paths


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def _table(rows: Sequence[Mapping[str, str]]) -> str:
    return markdown(list(rows[0]), [list(row.values()) for row in rows])


def command_of(results: Results) -> str:
    """The command that makes the study again."""
    profile = results.settings["profile"]
    sizes = {"profile": profile, **SIZES.get(profile, {})}
    words = ["python", "-m", "dataengine_utils.loop", NAME, "--profile", profile]
    words += ["--strategies", ",".join(results.strategies), "--seeds", str(len(results.seeds))]
    for name, value in results.settings.items():
        if name not in sizes or sizes[name] != value:
            words += ["--set", f"{name}={_as_typed(value)}"]
    return shlex.join([*words, "--out", f"outputs/{NAME}"])


def _as_typed(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(value)
    return value if isinstance(value, str) else json.dumps(value)


def difference_rows(results: Results, questions: str) -> list[dict[str, str]]:
    """A row a strategy: its score, and its difference to the baseline in points."""
    curves = results.curves[questions]
    found = {one.strategy: one for one in results.of(questions)}
    return [
        {
            "strategy": name,
            "base": _percent(curves[name][0]),
            "after": _percent(curves[name][-1]),
            "difference to uniform": _shown(found.get(name)),
            "p": _p(found[name].p) if name in found else "",
            "p (Holm)": _p(found[name].adjusted) if name in found else "",
            "more than chance": (found[name].verdict or "no") if name in found else "",
            "seeds that agree": _agreement(found.get(name)),
            "would be found": _found(found.get(name)),
        }
        for name in results.strategies
    ]


def sample_rows(results: Results) -> list[dict[str, str]]:
    """A row a strategy: samples needed to reach a score, on all questions and on the weak types."""
    found = {(one.strategy, one.questions): one for one in results.reached}
    return [
        {
            "strategy": name,
            **{
                f"to {_percent(found[name, part].score)} of {part}": _needed(found[name, part], results)
                for part in (ALL, WEAK)
            },
        }
        for name in results.strategies
    ]


def cost_rows(results: Results) -> list[dict[str, str]]:
    """A row a strategy: what one of its cells took on average."""
    return [
        {
            "strategy": one.strategy, "samples": f"{one.samples:,.0f}", "queries": f"{one.queries:,.0f}",
            "training steps": f"{one.steps:,.0f}", "USD": f"{one.usd:,.2f}", "seconds": f"{one.seconds:,.0f}",
            "of them training": f"{one.training:,.0f}",
        }
        for one in results.costs
    ]  # fmt: skip


def type_rows(results: Results) -> list[dict[str, str]]:
    """A row a type: the base's score, and of each strategy the score in the end and the share of samples."""
    return [
        {
            "question type": name,
            "base": _percent(base),
            **{
                strategy: _percent(results.types[strategy][name])
                + f" ({results.shares[strategy].get(name, 0):.0%})"
                for strategy in results.strategies
            },
        }
        for name, base in results.types["base"].items()
    ]


def _head(results: Results) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in results.settings.items())
    older = f"; cells of {results.versions} versions of the code" if results.versions > 1 else ""
    return (
        f"{len(results.strategies)} strategies x {len(results.seeds)} seeds, each "
        f"{results.samples[-1]:,} samples in {len(results.samples) - 1} rounds; {results.n_questions:,} "
        f"sealed questions ({settings}){older}. Differences in points, with 95 % intervals over seeds and "
        "questions."
    )


def _which(results: Results, questions: str) -> str:
    names = ", ".join(results.weak)
    return "" if questions == ALL else f" (under {WEAK_BELOW:.0%} of the base's diagnose questions: {names})"


def _differences(results: Results, questions: str) -> str:
    note = (
        f"More than chance: p under {LEVEL:.0%} after Holm's adjustment over the strategies. Would be found: "
        f"the smallest difference in points that {len(results.seeds)} seeds find with a power of 80 %."
    )
    return _table(difference_rows(results, questions)) + (f"\n\n{note}" if questions == ALL else "")


def _samples(results: Results) -> str:
    title = "**Samples needed to reach a score** (nine tenths of the smallest gain; 95 % over seeds)"
    return f"{title}\n\n{_table(sample_rows(results))}"


def _costs(results: Results) -> str:
    total = f"**Cost of a cell** (mean; all cells together: {results.seconds / 3600:.1f} hours of work)"
    return f"{total}\n\n{_table(cost_rows(results))}"


def _types(results: Results) -> str:
    return f"**By type**: right in the end, % (share of the samples)\n\n{_table(type_rows(results))}"


def _shown(one: Comparison | None) -> str:
    return f"{100 * one.difference:+.1f} ({100 * one.low:+.1f} to {100 * one.high:+.1f})" if one else ""


def _agreement(one: Comparison | None) -> str:
    if one is None:
        return ""
    same = sum(value * one.difference > 0 for value in one.by_seed)
    return f"{same} of {len(one.by_seed)}"


def _found(one: Comparison | None) -> str:
    if one is None:
        return ""
    return f"{100 * one.found:.1f}" if one.found < 1 else "nothing"


def _needed(one: Reached, results: Results) -> str:
    if one.score <= results.curves[one.questions][one.strategy][0]:
        return "not every strategy gained"
    most = f"over {results.samples[-1]:,}"
    low, middle, high = (most if x is None else f"{x:,.0f}" for x in (one.low, one.samples, one.high))
    return f"{middle} ({low} to {high})"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
