"""Stage 3: the language model learns to answer short questions, several a picture; the tower is frozen."""

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPooling

from ...models.image_text import packed_logits
from ...models.packing import Insert, Packed, make_rows, pack
from ...models.wording import Encoder
from ..drawing import draw
from ..questions import SKEWED_MIXTURE, write_question
from ..seeds import seeds_of
from ..world import sample_scene
from .dense import normalise, patch_features

PICTURES_A_STEP, QUESTIONS_A_PICTURE = 8, 12


class Lessons:
    """Batches by step: pictures (8, 3, 112, 112) uint8 and their packed questions and answers.

    A stage that starts at `first_step` goes on with pictures that no stage before it has asked about.
    """

    def __init__(self, encoder: Encoder, n_image_tokens: int, pad_id: int, first_step: int = 0):
        self.encoder, self.n_image_tokens, self.pad_id = encoder, n_image_tokens, pad_id
        self.first_step = first_step

    def __call__(self, step: int) -> tuple[np.ndarray, Packed]:
        step += self.first_step
        rng = random.Random(f"lessons-{step}")
        first = step * PICTURES_A_STEP
        pictures, keys, encoded = [], [], []
        for seed in seeds_of("pretrain")[first : first + PICTURES_A_STEP]:
            scene = sample_scene(seed)
            asked = rng.choices(list(SKEWED_MIXTURE), list(SKEWED_MIXTURE.values()), k=QUESTIONS_A_PICTURE)
            questions = [q for q in (write_question(scene, name, rng) for name in asked) if q]
            if questions:
                pictures.append(np.asarray(draw(scene)).transpose(2, 0, 1))
            keys += [str(seed)] * len(questions)
            encoded += [self.encoder.encode(q.question, (), "short", [q.answer]) for q in questions]
        rows = make_rows(keys, encoded, max_questions=QUESTIONS_A_PICTURE)
        image = Insert.in_line([self.encoder.image_token_id] * self.n_image_tokens)
        return np.stack(pictures), pack(rows, [image] * len(rows), pad_id=self.pad_id)


class Answering(nn.Module):
    """Stage 3's loss: cross-entropy of the answers' tokens, every question weighing the same per token."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: tuple[np.ndarray, Packed]) -> tuple[Tensor, dict[str, float]]:
        pictures, packed = batch
        body = self.model.model
        with torch.no_grad():
            features = patch_features(body.vision_tower, normalise(pictures))
        images = BaseModelOutputWithPooling(pooler_output=list(body.multi_modal_projector(features)))
        logits = packed_logits(self.model, packed, images)[packed.sources]
        right = (logits.argmax(-1) == packed.labels).float().mean().item()
        return nn.functional.cross_entropy(logits, packed.labels), {"token_accuracy": right}
