"""Transformers' image-text-to-text models of the LLaVA form: options ranked in one pass, greedy answers."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from tqdm import tqdm
from transformers.modeling_outputs import BaseModelOutputWithPooling

from ..errors import KitError, unknown_name
from ..records import LETTERS, Question
from . import Choice, OpenImage
from .checkpoint import attach_adapter, family_of_checkpoint, read_config, read_model, read_processor
from .packing import Packed, Row, answer_log_likelihoods, make_batches, make_rows, pack
from .vision import FrozenFeatures
from .wording import Encoded, Encoder, Family, form_of

QUESTIONS_PER_ROW = 8
"""Questions that share one image's tokens; longer rows would spend more on the mask than they save."""


class ImageTextStudent:
    """A transformers vision-language model asked in its family's wording; see `models.Student`."""

    def __init__(self, name: str, model: torch.nn.Module, processor: Any, family: Family):
        self.name = name
        self.model = model
        self.family = family
        self.encoder = Encoder(processor, family, model.config.image_token_id)
        self.features = FrozenFeatures(model, family.projector, processor.image_processor)
        self.pad_id = processor.tokenizer.pad_token_id or 0

    @classmethod
    def from_checkpoint(
        cls,
        name: str,
        *,
        adapter: Path | str | None = None,
        quantise: str = "none",
        dtype: str | None = None,
        device: str | None = None,
    ) -> "ImageTextStudent":
        """Read a checkpoint, and an adapter on top; see `models.load`."""
        config = read_config(name)
        family = family_of_checkpoint(name, config)
        processor = read_processor(name)
        model = read_model(name, family, quantise=quantise, dtype=dtype, device=device)
        if adapter is not None:
            attach_adapter(model, name, Path(adapter))
            model.eval()
        return cls(name, model, processor, family)

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return self.model.device

    def choose(
        self,
        questions: Sequence[Question],
        open_image: OpenImage,
        *,
        batch_size: int,
        by: Literal["text", "letter"] = "text",
    ) -> list[Choice]:
        """Rank each question's options in one pass: the prompt once, the options under a block mask.

        The score of an option is the sum of the log-likelihoods of its tokens and the end token (the mean
        would favour long options). The first of equal options wins.
        """
        encoded = [self._encode_options(question, by) for question in questions]
        rows = make_rows(
            [question.image for question in questions],
            encoded,
            max_questions=min(QUESTIONS_PER_ROW, batch_size),
        )
        choices: dict[int, Choice] = {}
        for batch in self._batches(rows, batch_size):
            scores = iter(self.score(batch, open_image).tolist())
            for key, item in (
                (key, item) for row in batch for key, item in zip(row.keys, row.questions, strict=True)
            ):
                values = tuple(next(scores) for _ in item.answers)
                choices[key] = Choice(LETTERS[values.index(max(values))], values)
        return [choices[key] for key in range(len(questions))]

    def answer(
        self,
        questions: Sequence[Question],
        open_image: OpenImage,
        *,
        batch_size: int,
        max_new_tokens: int = 64,
    ) -> list[str]:
        """Greedy text, in batches of like length, padded on the left; stops at the end token."""
        encoded = [self._encode_open(question) for question in questions]
        rows = make_rows([question.image for question in questions], encoded, max_questions=1)
        answers: dict[int, str] = {}
        for batch in self._batches(rows, batch_size):
            for row, text in zip(batch, self._generate(batch, open_image, max_new_tokens), strict=True):
                answers[row.keys[0]] = text
        return [answers[key] for key in range(len(questions))]

    @torch.inference_mode()
    def score(self, rows: Sequence[Row], open_image: OpenImage) -> torch.Tensor:
        """Log-likelihoods (nats, float64) of all the rows' answers, in order."""
        features = self.features.get([row.image for row in rows], open_image)
        batch = pack(rows, [features.shape[1]] * len(rows), pad_id=self.pad_id).to(self.device)
        return answer_log_likelihoods(self.logits(batch, features), batch)

    def logits(self, batch: Packed, features: torch.Tensor) -> torch.Tensor:
        """Logits (kept places, vocabulary) for frozen features (rows, image tokens, tower width)."""
        return packed_logits(self.model, self.features.projector, batch, features)

    def _encode_options(self, question: Question, by: str) -> Encoded:
        if len(question.options) < 2:
            raise KitError(
                f"question {question.id!r} has {len(question.options)} options, ranking needs two or more; "
                'set answer_mode to "generate" for open questions'
            )
        if by == "text":
            return self._encode(question, "short", question.options)
        if by == "letter":
            letters = LETTERS[: len(question.options)]
            return self._encode(question, "choice", letters)
        raise unknown_name("way to choose", by, ("text", "letter"))

    def _encode_open(self, question: Question) -> Encoded:
        return self._encode(question, form_of(question, self.family), ())

    def _encode(self, question: Question, form: str, answers: Sequence[str]) -> Encoded:
        return self.encoder.encode(question.question, question.options, form, answers, question.hint)

    def _batches(self, rows: list[Row], batch_size: int) -> Iterator[list[Row]]:
        """Batches of rows of like length, under one progress bar (shown on terminals only)."""
        by_length = sorted(rows, key=lambda row: -row.n_tokens())
        with tqdm(
            total=sum(len(row.keys) for row in rows), unit=" questions", leave=False, disable=None
        ) as bar:
            for batch in make_batches(by_length, batch_size):
                yield batch
                bar.update(sum(len(row.keys) for row in batch))

    @torch.inference_mode()
    def _generate(self, rows: Sequence[Row], open_image: OpenImage, max_new_tokens: int) -> list[str]:
        features = self.features.get([row.image for row in rows], open_image)
        prompts = [
            [*item.head[:-1], *[item.head[-1]] * features.shape[1], *item.tail]
            for item in (row.questions[0] for row in rows)
        ]
        width = max(map(len, prompts))
        ids = torch.tensor(
            [[self.pad_id] * (width - len(prompt)) + prompt for prompt in prompts], device=self.device
        )
        mask = torch.tensor(
            [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=self.device
        )
        embedded = self.model.get_input_embeddings()(ids)
        pictures = self.features.projector(features.to(embedded.device, embedded.dtype))
        is_image = (ids == self.encoder.image_token_id)[..., None]
        embedded = embedded.masked_scatter(is_image, pictures.to(embedded.dtype))
        out = self.model.generate(
            inputs_embeds=embedded,
            attention_mask=mask,
            max_new_tokens=max_new_tokens,
            do_sample=False,
            num_beams=1,
            pad_token_id=self.pad_id,
        )
        return [self.encoder.decode(reply) for reply in out.tolist()]


def packed_logits(
    model: torch.nn.Module, projector: torch.nn.Module, batch: Packed, features: torch.Tensor
) -> torch.Tensor:
    """Project frozen features and run the model over a packed batch; logits (kept places, vocabulary)."""
    parameter = next(projector.parameters())
    pictures = projector(features.to(parameter.device, parameter.dtype))
    images = BaseModelOutputWithPooling(pooler_output=list(pictures))
    out = model(
        input_ids=batch.input_ids,
        attention_mask=batch.attention_mask,
        position_ids=batch.position_ids,
        mm_encoder_outputs={"image": images},
        logits_to_keep=batch.keep,
        use_cache=False,
    )
    return out.logits
