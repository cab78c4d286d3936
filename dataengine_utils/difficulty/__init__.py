"""The filter by difficulty: kept are new questions that the student neither always nor never gets right.

The student of the iteration (the one that notebook 01 evaluated) is asked each accepted question
`difficulty_asks` times. A question that it gets right in a share of the tries from `difficulty_low` to
`difficulty_high` is kept: one that it always gets right teaches it nothing new, one that it never gets right
may be beyond it, or wrong. As many are lost, `over_generate` queries are drawn for each sample wanted, and
the teacher is asked until each type has its planned number.

A try is a draw. Where the profile's `answer_mode` ranks the options, the reply is drawn from the softmax of
their scores, which are log-likelihoods in nats, summed over an option's tokens: a score that is higher by
one nat makes an option 2.7 times as likely. Every try of mode "letter" has another order of the options; in
mode "text" the student sees none of them, so it is asked once and drawn from as often as there are tries:
there more tries, which tell better, cost nothing. In mode "generate" it sees another order each time and
writes at temperature 1. All chance comes from the run's seed and the query's id: batches, blocks and an
interruption change nothing.
"""

from .effects import Sifted, sifted
from .filling import fill
from .sieve import Band, NoSieve, Sieve, Wanted, divided, queries_to_draw, sieve_of_run

__all__ = [
    "Band",
    "NoSieve",
    "Sieve",
    "Sifted",
    "Wanted",
    "divided",
    "fill",
    "queries_to_draw",
    "sieve_of_run",
    "sifted",
]
