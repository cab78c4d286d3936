"""Tables about a study: its cells, differences to the baseline, samples to a score, cost, and types."""

from pandas.io.formats.style import Styler

from ..ablation.design import Study
from ..ablation.results import ALL, WEAK, Results
from ..ablation.running import cell_states
from ..ablation.writing import cost_rows, difference_rows, sample_rows, type_rows
from .style import words


def cell_table(study: Study) -> Styler:
    """A row a seed, a column a strategy: what is done, what is under way, and why a cell is to be run."""
    states = cell_states(study)
    return words([
        {"seed": seed, **{cell.strategy: state for cell, state in states.items() if cell.seed == seed}}
        for seed in study.seeds
    ])  # fmt: skip


def difference_table(results: Results, questions: str = ALL) -> Styler:
    """Each strategy's score and its difference to the baseline, on `ALL` questions or the `WEAK` types."""
    named = f"weak types: {', '.join(results.weak)}" if questions == WEAK else ""
    return words(difference_rows(results, questions), named)


def sample_table(results: Results) -> Styler:
    """Samples that each strategy needs to reach a score."""
    return words(sample_rows(results))


def cost_table(results: Results) -> Styler:
    """What a cell of each strategy took on average."""
    return words(cost_rows(results))


def end_table(results: Results) -> Styler:
    """Right answers per type in the end, in per cent, and the share of the samples that each type got."""
    return words(type_rows(results))
