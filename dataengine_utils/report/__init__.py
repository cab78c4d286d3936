"""One HTML page that tells a run: what rose, where the student is weak, what was made, what to do next."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..artifacts import Run
from ..benchmarks.splits import split_name
from ..files import write_whole
from . import advice, clusters, difficulty, gains, gate, prompts, scores, spend, work
from .data import interval, percent, points
from .page import Html, element, headline, html, join, page, section, side_by_side
from .story import Story

FIGURES = "figures"
"""The folder beside report.html with every figure as PNG, SVG and CSV."""


def build_report(run: Run, path: Path | None = None) -> Path:
    """Write the run's report, one self-contained HTML file, and return its path (default: report.html).

    Beside it every figure is written as PNG, SVG and CSV, into the folder `FIGURES`; for a page of another
    name, NAME_figures. Works on a run at any stage: what is not there yet is named with the notebook that
    writes it. The same run gives the same bytes.
    """
    path = Path(path) if path else run.path / "report.html"
    folder = path.with_name(FIGURES if path == run.path / "report.html" else f"{path.stem}_{FIGURES}")
    story = Story(run)
    parts = [(anchor, title, build(story)) for anchor, title, build in SECTIONS]
    body = join(section(anchor, title, lead, *content) for anchor, title, (lead, *content) in parts)
    contents = [(anchor, title) for anchor, title, _ in parts]
    files = "Every figure of this page lies in the folder of figures beside it, as PNG, SVG and CSV."
    footer = element("p", files, class_="note")
    story.figures.save(folder)
    write_whole(path, page(f"{run.path.name}: report", _header(story), contents, body, footer))
    return path


def _header(story: Story) -> Html:
    run = story.run
    roles = ("student", "benchmark", "teacher", "image_source", "seed")
    what = " · ".join(f"{role.replace('_', ' ')} {getattr(run.profile, role)}" for role in roles)
    return join(
        [
            element("p", f"Run of profile {run.profile.name}", class_="over"),
            element("h1", run.path.name),
            element("p", what, class_="over"),
            side_by_side(_headlines(story), "numbers"),
        ]
    )


def _headlines(story: Story) -> list[Html]:
    """The run in at most four numbers; those that are not known yet are left out."""
    split, tables = story.split, story.tables
    numbers = []
    if tables:
        overall = [percent(metrics[split]["overall"]["accuracy"]) for metrics in tables]
        shown = " → ".join(dict.fromkeys([overall[0], overall[-1]]))
        asked = split_name(tables[0][split], split)
        numbers.append(headline(f"{shown} %", f"right answers on {asked} questions"))
    changed = dict(story.changed)
    if changed:
        rise = changed.pop("all").paired
        numbers.append(headline(f"{points(rise.difference)} points", f"95 % interval {interval(rise)}"))
        verdicts = Counter(one.verdict for one in changed.values())
        label = f"question types with a significant change, of {len(changed)}"
        numbers.append(headline(f"{verdicts['higher']} up, {verdicts['lower']} down", label))
    n_samples = sum(map(len, story.all_with("samples").values()))
    if n_samples:
        numbers.append(headline(f"{n_samples:,}", "samples generated"))
    return numbers


def _settings(story: Story) -> list[Any]:
    run = story.run
    fields = {name: value for name, value in vars(run.profile).items() if name != "name"}
    changed = {name.partition(".")[0] for name in run.overrides}
    pairs = [
        element("div", join([element("dt", name), element("dd", _setting(value, name in changed))]))
        for name, value in fields.items()
    ]
    lead = f"Profile {run.profile.name}" + ("; bold: set for this run." if run.overrides else ", as it is.")
    return [lead, element("dl", join(pairs), class_="settings")]


def _setting(value: Any, is_override: bool) -> Html:
    if isinstance(value, dict):
        value = [f"{name} {item}" for name, item in value.items()]
    if isinstance(value, (tuple, list)):
        value = ", ".join(value) or "–"
    text = f"{value:g}" if isinstance(value, float) else str(value) or "–"
    return element("b", text) if is_override else html(text)


SECTIONS: tuple[tuple[str, str, Callable[[Story], list[Any]]], ...] = (
    ("next", "What to do next", advice.section),
    ("progress", "Progress", scores.progress),
    ("weakness", "Weak types and shares", scores.weakness),
    ("clusters", "Inside the weak types", clusters.section),
    ("gains", "Shares against gains", gains.section),
    ("bad-cases", "Bad cases", work.bad_cases),
    ("samples", "Samples", work.samples),
    ("replies", "Replies", work.replies),
    ("difficulty", "Difficulty", difficulty.section),
    ("spend", "Spend", spend.section),
    ("prompt", "Prompt", prompts.section),
    ("training", "Training", work.training),
    ("gate", "The gate", gate.section),
    ("settings", "Settings", _settings),
)
