"""Replies drawn by chance, each from its own seed: who shares a batch with whom changes nothing."""

import hashlib
from collections.abc import Sequence

import torch
from transformers import LogitsProcessor


def own_seed(seed: int, question_id: str) -> int:
    """The seed of one question's reply."""
    digest = hashlib.sha256(f"{seed}\n{question_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


class DrawnTokens(LogitsProcessor):
    """Makes greedy decoding draw from the softmax at temperature 1: adds Gumbel noise to the logits.

    The likeliest of logits with such noise is a draw from their softmax (the Gumbel-max trick). Every row has
    a generator of its own, on the CPU, that gives one number a token of the vocabulary at every step, so a
    reply depends on its logits and its seed alone. `seeds` are the rows', in their order.
    """

    def __init__(self, seeds: Sequence[int]):
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Logits (rows, vocabulary) with noise of the same shape."""
        n = scores.shape[-1]
        waits = [torch.empty(n).exponential_(generator=generator) for generator in self._generators]
        return scores - torch.stack(waits).log().to(scores)
