"""Where a sample comes from and what became of it, and what the samples of each type have brought."""

from .answers import LedgerAnswers, replied
from .gaining import NOTE, Gain, Rate, gains
from .near import find_run, find_sample
from .tracing import Effect, Lineage, Tracer, Training

__all__ = [
    "Effect",
    "Gain",
    "NOTE",
    "LedgerAnswers",
    "Lineage",
    "Rate",
    "Tracer",
    "Training",
    "find_run",
    "find_sample",
    "gains",
    "replied",
]
