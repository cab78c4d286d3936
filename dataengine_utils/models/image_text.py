"""Transformers' image-text-to-text models as students: options ranked in one pass, greedy answers."""

import math
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import LogitsProcessorList, StoppingCriteriaList, StopStringCriteria
from transformers.modeling_outputs import BaseModelOutputWithPooling

from ..errors import KitError, unknown_name
from ..records import LETTERS, Question
from . import Choice, OpenImage
from .attention import attention_masks, check_layers, looks_near
from .batches import run_batches
from .checkpoint import attach_adapter, family_of_checkpoint, read_config, read_model, read_processor
from .draws import DrawnTokens, own_seed
from .packing import Packed, Row, answer_log_likelihoods, left_pad, make_rows, pack
from .prefix import alone, places, prompts, spread
from .vision import Frozen, FrozenFeatures, Picture
from .wording import Encoded, Encoder, Family, form_of, shown_options

NOT_SHOWN = -1e9
"""The score of an option that is missing, and so was not offered."""

IMAGE_TOKENS = 576
"""Tokens of a picture where the config does not say how many."""


class ImageTextStudent:
    """A transformers vision-language model asked in its family's wording; see `models.Student`."""

    def __init__(self, name: str, model: torch.nn.Module, processor: Any, family: Family):
        self.name = name
        self.model = model
        self.family = family
        self.encoder = Encoder(processor, family, model.config.image_token_id)
        self.features = FrozenFeatures(model, family.structure, processor, model.config.image_token_id)
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
        check_layers(name, config.get_text_config())
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
        rows = self._rows(questions, encoded, batch_size)
        scores = run_batches(rows, batch_size, self._scores, self._look(open_image))
        return [
            _choice(shown_options(question.options, self.family), values, len(question.options))
            for question, values in zip(questions, scores, strict=True)
        ]

    def answer(
        self,
        questions: Sequence[Question],
        open_image: OpenImage,
        *,
        batch_size: int,
        max_new_tokens: int = 64,
        seed: int | None = None,
    ) -> list[str]:
        """Greedy text, in batches of like length, padded on the left; stops at the end mark.

        Prompts about one image are read in one row, and each is gone on with from its part of the cache.
        With a `seed` the text is drawn at temperature 1, by the seed and the question's id (`DrawnTokens`).
        """
        encoded = [self._encode_open(question) for question in questions]
        near = looks_near(self.model.config.get_text_config())  # such a cache forgets what rows share
        rows = self._rows(questions, encoded, 1 if near else batch_size)
        seeds = None if seed is None else [own_seed(seed, question.id) for question in questions]
        write = partial(self._generate, max_new_tokens=max_new_tokens, seeds=seeds)
        return run_batches(rows, batch_size, write, self._look(open_image))

    def prepare(self, rows: Sequence[Row], open_image: OpenImage) -> tuple[Frozen, Packed]:
        """The frozen features and the packed tokens of a batch of rows, on the CPU."""
        return self._pack(rows, self._look(open_image)(rows))

    def score(self, rows: Sequence[Row], open_image: OpenImage) -> torch.Tensor:
        """Log-likelihoods (nats, float64) of all the rows' answers, in order."""
        return self._score(rows, self._look(open_image)(rows))

    def logits(self, batch: Packed, features: Frozen) -> torch.Tensor:
        """Logits (kept places, vocabulary) of a packed batch, for the frozen features of its pictures."""
        return packed_logits(self.model, batch, self.features.projector(features))

    def _rows(self, questions: Sequence[Question], encoded: Sequence[Encoded], batch_size: int) -> list[Row]:
        """Questions about one image together, in rows of at most a batch.

        Each row pays its image's n tokens again, but in one long row all t tokens of text also meet in the
        attention, masked or not. With a language model w wide (24 w^2 operations a token and layer, 4 w more
        for each token it meets) the cheapest row holds t = sqrt(n (6 w + n)).
        """
        config = self.model.config
        n = getattr(config, "image_seq_length", None) or IMAGE_TOKENS
        most = math.isqrt(n * (6 * config.get_text_config().hidden_size + n))
        images = [question.image for question in questions]
        return make_rows(images, encoded, max_questions=batch_size, max_tokens=most)

    def _encode_options(self, question: Question, by: str) -> Encoded:
        shown = shown_options(question.options, self.family)
        if len(shown) < 2:
            raise KitError(
                f"question {question.id!r} has {len(shown)} options, ranking needs two or more; "
                'set answer_mode to "generate" for open questions'
            )
        if by == "text":
            return self._encode(question, "short", [question.options[number] for number in shown])
        if by == "letter":
            return self._encode(question, "choice", [LETTERS[number] for number in shown])
        raise unknown_name("way to choose", by, ("text", "letter"))

    def _encode_open(self, question: Question) -> Encoded:
        return self._encode(question, form_of(question, self.family), ())

    def _encode(self, question: Question, form: str, answers: Sequence[str]) -> Encoded:
        return self.encoder.encode(
            question.question,
            question.options,
            form,
            answers,
            question.hint,
            has_image=bool(question.image),
        )

    def _look(self, open_image: OpenImage) -> Callable[[Sequence[Row]], list[Picture]]:
        """How the pictures of rows are made ready."""
        return lambda rows: self.features.get([row.image for row in rows], open_image)

    def _pack(self, rows: Sequence[Row], pictures: Sequence[Picture]) -> tuple[Frozen, Packed]:
        inserts = [picture.insert for picture in pictures]
        return self.features.join(pictures), pack(rows, inserts, pad_id=self.pad_id)

    @torch.inference_mode()
    def _score(self, rows: Sequence[Row], pictures: Sequence[Picture]) -> torch.Tensor:
        features, packed = self._pack(rows, pictures)
        batch = packed.to(self.device)
        return answer_log_likelihoods(self.logits(batch, features), batch)

    def _scores(self, rows: Sequence[Row], pictures: Sequence[Picture]) -> list[tuple[float, ...]]:
        """The log-likelihoods of each question's answers."""
        scores = iter(self._score(rows, pictures).tolist())
        return [tuple(next(scores) for _ in item.answers) for row in rows for item in row.questions]

    @torch.inference_mode()
    def _generate(
        self,
        rows: Sequence[Row],
        pictures: Sequence[Picture],
        max_new_tokens: int,
        seeds: Sequence[int] | None = None,
    ) -> list[str]:
        inserts = [picture.insert for row, picture in zip(rows, pictures, strict=True) for _ in row.keys]
        prompt = left_pad(alone(rows), inserts, pad_id=self.pad_id)
        out = self.model.generate(
            **{name: value.to(self.device) for name, value in prompt.items()},
            **self._read(rows, pictures, prompt["input_ids"].shape[1]),
            **self._ends,
            logits_processor=_noise(rows, seeds),
            max_new_tokens=max_new_tokens,
            do_sample=False,
            num_beams=1,
            repetition_penalty=1.0,  # some checkpoints set one: their likeliest answer is not the greedy one
            pad_token_id=self.pad_id,
        )
        return [self.encoder.decode(reply) for reply in out[:, prompt["input_ids"].shape[1] :].tolist()]

    def _read(self, rows: Sequence[Row], pictures: Sequence[Picture], width: int) -> dict[str, Any]:
        """What `generate` needs of the pictures: their features, or all prompts read with each image once."""
        if len(rows) == sum(len(row.keys) for row in rows):
            return _as_encoded(self.features.projector(self.features.join(pictures)))
        features, packed = self._pack(prompts(rows), pictures)
        images = self.features.projector(features)
        out = packed_output(self.model, packed.to(self.device), images, cached=True)
        inserts = [picture.insert for picture in pictures]
        return {"past_key_values": spread(out.past_key_values, *places(rows, inserts, width - 1))}

    @cached_property
    def _ends(self) -> dict[str, Any]:
        """What ends a reply: the checkpoint's own end tokens, and what answers are trained to end with."""
        own, tokenizer = self.model.generation_config.eos_token_id, self.encoder.processor.tokenizer
        tokens = {*self.encoder.end_ids, *(own if isinstance(own, list) else [own])}
        mark = self.encoder.end_mark
        stop = StoppingCriteriaList([StopStringCriteria(tokenizer, mark)] if mark else [])
        return {"eos_token_id": sorted(tokens - {None}) or None, "stopping_criteria": stop}


def packed_logits(
    model: torch.nn.Module, batch: Packed, images: BaseModelOutputWithPooling | None
) -> torch.Tensor:
    """Run the model over a packed batch and its projected pictures; logits (kept places, vocabulary)."""
    return packed_output(model, batch, images).logits


def packed_output(
    model: torch.nn.Module, batch: Packed, images: BaseModelOutputWithPooling | None, *, cached: bool = False
) -> Any:
    """What the model says about a packed batch, with its cache if wanted."""
    return model(
        input_ids=batch.input_ids,
        attention_mask=attention_masks(model.config.get_text_config(), batch),
        position_ids=batch.position_ids,
        **_as_encoded(images),
        logits_to_keep=batch.keep,
        use_cache=cached,
    )


def _noise(rows: Sequence[Row], seeds: Sequence[int] | None) -> LogitsProcessorList:
    """What makes the replies of a batch draws; nothing where there are no seeds."""
    return LogitsProcessorList(
        [] if seeds is None else [DrawnTokens([seeds[key] for row in rows for key in row.keys])]
    )


def _as_encoded(images: BaseModelOutputWithPooling | None) -> dict[str, Any]:
    return {} if images is None else {"mm_encoder_outputs": {"image": images}}


def _choice(shown: Sequence[int], values: Sequence[float], n_options: int) -> Choice:
    scores = dict(zip(shown, values, strict=True))
    best = max(shown, key=lambda number: scores[number])
    return Choice(LETTERS[best], tuple(scores.get(number, NOT_SHOWN) for number in range(n_options)))
