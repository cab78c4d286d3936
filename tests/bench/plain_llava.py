"""LLaVA without the kit, as common harnesses run it: transformers' processor, forward and generate.

The texts are the kit's, so that both ways read the same tokens.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image
from transformers import LlavaForConditionalGeneration

from dataengine_utils.models.checkpoint import read_processor
from dataengine_utils.models.packing import Packed
from dataengine_utils.models.wording import full_prompt, prompt
from dataengine_utils.records import Question
from tests.bench.small_llava import FAMILY


@dataclass(frozen=True)
class PlainLlava:
    """A checkpoint as transformers reads it."""

    model: LlavaForConditionalGeneration
    processor: Any

    @classmethod
    def read(cls, folder: Path) -> "PlainLlava":
        """Read model and processor."""
        return cls(LlavaForConditionalGeneration.from_pretrained(folder).eval(), read_processor(str(folder)))

    @torch.inference_mode()
    def generate(self, question: Question, picture: Image, *, form: str, new_tokens: int) -> str:
        """A greedy reply of exactly `new_tokens` tokens, one prompt a call."""
        inputs = self.processor(images=picture, text=asked(question, form), return_tensors="pt")
        out = self.model.generate(
            **inputs, do_sample=False, num_beams=1, min_new_tokens=new_tokens, max_new_tokens=new_tokens
        )
        reply = out[:, inputs["input_ids"].shape[1] :]
        return self.processor.tokenizer.batch_decode(reply, skip_special_tokens=True)[0]

    @torch.inference_mode()
    def option_scores(self, question: Question, picture: Image, *, at_once: int) -> list[float]:
        """Each option's log-likelihood (nats, with the end token) by a whole pass, `at_once` in a batch."""
        answers = [f" {option}{self.processor.tokenizer.eos_token}" for option in question.options]
        text = asked(question, "short")
        return [
            score
            for start in range(0, len(answers), at_once)
            for score in self._scores(text, answers[start : start + at_once], picture)
        ]

    def _scores(self, text: str, answers: Sequence[str], picture: Image) -> Iterator[float]:
        inputs = self.processor(
            images=[[picture] for _ in answers],
            text=[text + answer for answer in answers],
            padding=True,
            padding_side="right",
            return_tensors="pt",
        )
        logits = self.model(**inputs, use_cache=False).logits
        ends = inputs["attention_mask"].sum(1).tolist()
        for number, (answer, end) in enumerate(zip(answers, ends, strict=True)):
            n = len(self.processor.tokenizer(answer, add_special_tokens=False)["input_ids"])
            likely = logits[number, end - n - 1 : end - 1].log_softmax(-1)
            labels = inputs["input_ids"][number, end - n : end]
            yield float(likely.gather(1, labels[:, None]).double().sum())


def asked(question: Question, form: str) -> str:
    """The whole text before the answer."""
    return full_prompt(prompt(question.question, question.options, form, FAMILY), FAMILY)


def pixels_of(processor: Any, pictures: Sequence[Image]) -> torch.Tensor:
    """What the tower reads of some pictures."""
    return processor.image_processor(list(pictures), return_tensors="pt")["pixel_values"]


def bare_forward(model: torch.nn.Module, packed: Packed, pixels: torch.Tensor) -> torch.Tensor:
    """Logits of a plain causal pass over a batch's tokens, pictures included, where answers are predicted.

    Nothing is masked, so each token also attends to other questions: it costs what must be paid, but says
    nothing.
    """
    return model(
        input_ids=packed.input_ids, pixel_values=pixels, logits_to_keep=packed.keep, use_cache=False
    ).logits


def bare_step(model: torch.nn.Module, packed: Packed, pixels: torch.Tensor) -> None:
    """A forward and backward pass over a batch's tokens."""
    logits = bare_forward(model, packed, pixels)
    torch.nn.functional.cross_entropy(logits[packed.sources], packed.labels).backward()
    model.zero_grad()
