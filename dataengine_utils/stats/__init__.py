"""Intervals and tests for shares of right answers: one share, a change, many changes at once, many seeds."""

from .bootstrap import Bootstrap, hierarchical_bootstrap, seeds_needed
from .paired import Paired, detectable_change, holm, mcnemar, paired_difference, paired_mean, tango
from .shares import BetaBinomial, beta_binomial, wilson

__all__ = [
    "Paired",
    "paired_difference",
    "paired_mean",
    "mcnemar",
    "tango",
    "holm",
    "detectable_change",
    "BetaBinomial",
    "beta_binomial",
    "wilson",
    "Bootstrap",
    "hierarchical_bootstrap",
    "seeds_needed",
]
