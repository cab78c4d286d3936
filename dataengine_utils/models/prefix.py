"""Prompts about one image read in one pass: the cache that `generate` goes on from, question by question."""

from collections.abc import Sequence

import torch
from transformers import DynamicCache

from .packing import Insert, Row
from .wording import Encoded

ANY = (0,)
"""An answer of one token: it is predicted, never read."""


def alone(rows: Sequence[Row]) -> list[Row]:
    """Every question in a row of its own."""
    return [
        Row(row.image, (item,), (key,))
        for row in rows
        for item, key in zip(row.questions, row.keys, strict=True)
    ]


def prompts(rows: Sequence[Row]) -> list[Row]:
    """The rows without answers, as `pack` takes them."""
    return [
        Row(row.image, tuple(Encoded(item.head, item.tail, (ANY,)) for item in row.questions), row.keys)
        for row in rows
    ]


def places(rows: Sequence[Row], inserts: Sequence[Insert], width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Where each question's prompt stands in its packed row: rows (questions,), tokens (questions, width).

    The prompts are padded on the left, as `left_pad` does, and end before their last token, which `generate`
    reads. Padding points at the row's first token; it is masked there.
    """
    owners, tokens = [], []
    for number, (row, insert) in enumerate(zip(rows, inserts, strict=True)):
        shared = [*range(max(len(row.questions[0].head) - 1, 0) + len(insert.ids))]
        start = len(shared)
        for item in row.questions:
            own = [*shared, *range(start, start + len(item.tail))][:-1]
            tokens.append([0] * (width - len(own)) + own)
            owners.append(number)
            start += len(item.tail)
    return torch.tensor(owners), torch.tensor(tokens)


def spread(cache: DynamicCache, owners: torch.Tensor, tokens: torch.Tensor) -> DynamicCache:
    """The cache of packed rows as one of separate, left-padded prompts."""
    out = DynamicCache()
    for number, layer in enumerate(cache.layers):
        rows, places = owners.to(layer.keys.device)[:, None], tokens.to(layer.keys.device)
        keys, values = (
            state.transpose(1, 2)[rows, places].transpose(1, 2) for state in (layer.keys, layer.values)
        )
        out.update(keys, values, number)
    return out
