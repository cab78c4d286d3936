"""What training feeds the model: examples as rows, the plan of batches, and the loss on answers only."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from . import OpenImage
from .image_text import ImageTextStudent, packed_logits
from .packing import Packed, Row, make_rows, pack

if TYPE_CHECKING:
    from ..instruction_data import Example

EXAMPLES_PER_ROW = 8


def encode_examples(learner: ImageTextStudent, examples: Sequence["Example"]) -> list[Row]:
    """The examples as rows of token ids, those of one image together."""
    encoded = [
        learner.encoder.encode(example.question, example.options, example.form, (example.answer,))
        for example in examples
    ]
    return make_rows([example.image for example in examples], encoded, max_questions=EXAMPLES_PER_ROW)


def plan_batches(rows: Sequence[Row], *, batch_size: int, epochs: float, seed: int) -> list[list[Row]]:
    """All batches of a training, in order: each epoch a new shuffle, rows of like length together in a batch.

    Rows are shuffled, sorted by length within windows of sixteen batches, cut into batches of `batch_size`
    examples (the last row of a batch may exceed it), and the batches shuffled. A part of an epoch takes its
    first batches.
    """
    rng = random.Random(seed)
    planned: list[list[Row]] = []
    for epoch in range(math.ceil(epochs)):
        batches = _epoch_batches(list(rows), batch_size, rng)
        planned += batches[: math.ceil(len(batches) * min(1.0, epochs - epoch))]
    return planned


def _epoch_batches(rows: list[Row], batch_size: int, rng: random.Random) -> list[list[Row]]:
    rng.shuffle(rows)
    window = 16 * batch_size
    rows = [
        row
        for start in range(0, len(rows), window)
        for row in sorted(rows[start : start + window], key=lambda row: row.n_tokens())
    ]
    batches: list[list[Row]] = [[]]
    for row in rows:
        if sum(len(other.keys) for other in batches[-1]) >= batch_size:
            batches.append([])
        batches[-1].append(row)
    rng.shuffle(batches)
    return batches


class AnswerLoss(torch.nn.Module):
    """A student whose forward is the loss of a packed batch: cross entropy (nats), answer tokens only."""

    accepts_loss_kwargs = True  # Trainer then passes the number of answer tokens of all accumulated batches

    def __init__(self, model: torch.nn.Module, projector: torch.nn.Module):
        super().__init__()
        self.model = model
        self._projector = [projector]  # in a list, so that it is not registered a second time

    def forward(
        self,
        features: torch.Tensor,
        num_items_in_batch: torch.Tensor | int | None = None,
        **packed: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """The summed loss over `num_items_in_batch` answer tokens (default: the batch's own number)."""
        batch = Packed(**packed)
        logits = packed_logits(self.model, self._projector[0], batch, features)
        total = torch.nn.functional.cross_entropy(
            logits.float()[batch.sources], batch.labels, reduction="sum"
        )
        return {"loss": total / (len(batch.labels) if num_items_in_batch is None else num_items_in_batch)}


@dataclass
class Collator:
    """Makes tensors of one planned batch: packed text, and the frozen features of its images."""

    learner: ImageTextStudent
    open_image: OpenImage

    def __call__(self, batches: list[list[Row]]) -> dict[str, torch.Tensor]:
        rows = [row for batch in batches for row in batch]
        features = self.learner.features.get([row.image for row in rows], self.open_image)
        packed = pack(rows, [features.shape[1]] * len(rows), pad_id=self.learner.pad_id)
        return {"features": features, **vars(packed)}
