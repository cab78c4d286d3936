"""What training feeds the model: examples as rows, the plan of batches, and the loss on answers only."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from . import OpenImage
from .image_text import ImageTextStudent, packed_logits
from .packing import Packed, Row, make_rows
from .vision import Frozen, Projector

if TYPE_CHECKING:
    from ..instruction_data import Example

EXAMPLES_PER_ROW = 8


def encode_examples(learner: ImageTextStudent, examples: Sequence["Example"]) -> list[Row]:
    """The examples as rows of token ids, those of one image together."""
    encoded = [
        learner.encoder.encode(
            example.question,
            example.options,
            example.form,
            (example.answer,),
            has_image=bool(example.image),
            in_training=True,
        )
        for example in examples
    ]
    return make_rows([example.image for example in examples], encoded, max_questions=EXAMPLES_PER_ROW)


def plan_batches(rows: Sequence[Row], *, batch_size: int, epochs: float, seed: int) -> list[list[Row]]:
    """All batches of a training, in order: each epoch a new shuffle, rows of like length together in a batch.

    Rows are shuffled, sorted within windows of sixteen batches (those with a picture together, by the length
    of their text), cut into batches of `batch_size` examples (the last row of a batch may exceed it), and the
    batches shuffled. A part of an epoch takes its first batches.
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
        for row in sorted(rows[start : start + window], key=lambda row: (bool(row.image), row.n_tokens()))
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

    def __init__(self, model: torch.nn.Module, projector: Projector):
        super().__init__()
        self.model = model
        self._projector = projector

    def forward(
        self,
        features: Frozen,
        num_items_in_batch: torch.Tensor | int | None = None,
        **packed: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """The summed loss over `num_items_in_batch` answer tokens (default: the batch's own number)."""
        batch, images = Packed(**packed), self._projector(features)
        logits = packed_logits(self.model, batch, images)
        total = torch.nn.functional.cross_entropy(
            logits.float()[batch.sources], batch.labels, reduction="sum"
        )
        if images is None:  # all weights in training take part in every batch, as several processes want it
            idle = [value for value in self._projector.parameters() if value.requires_grad]
            total = total + 0 * sum(value.sum() for value in idle)
        return {"loss": total / (len(batch.labels) if num_items_in_batch is None else num_items_in_batch)}


@dataclass
class Collator:
    """Makes tensors of one planned batch: packed text, and the frozen features of its images."""

    learner: ImageTextStudent
    open_image: OpenImage

    def __call__(self, batches: list[list[Row]]) -> dict[str, torch.Tensor | Frozen]:
        features, packed = self.learner.prepare([row for batch in batches for row in batch], self.open_image)
        return {"features": features, **vars(packed)}
