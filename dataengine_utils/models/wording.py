"""How a question becomes text and token ids: the one place for evaluation, training and tests."""

import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..errors import KitError, unknown_name
from ..records import LETTERS, Question
from .families import ANSWER_FORMATS, FAMILIES, Family, family_of

__all__ = [
    "ANSWER_FORMATS",
    "FAMILIES",
    "Encoded",
    "Encoder",
    "Family",
    "family_of",
    "form_of",
    "full_prompt",
    "prompt",
    "shown_options",
]


class _Wording(string.Formatter):
    """Text templates with one more conversion: `!c` capitalises."""

    def convert_field(self, value: Any, conversion: str | None) -> Any:
        return str(value).capitalize() if conversion == "c" else super().convert_field(value, conversion)


def form_of(question: Question, family: Family) -> str:
    """The answer format in which a benchmark's question is asked for a free reply."""
    return family.answer_form if question.options else question.form or "short"


def prompt(question: str, options: Sequence[str], form: str, family: Family, hint: str = "") -> str:
    """The user's text of one question in an answer format (one of `ANSWER_FORMATS`)."""
    if form not in family.wordings:
        raise unknown_name("form of question", form, list(family.wordings))
    if len(options) > len(LETTERS):
        raise KitError(
            f"question {question!r:.60} has {len(options)} options; at most {len(LETTERS)} have letters"
        )
    lines = _option_lines(options, family)
    filled = {"question": question, "options": lines, "hint": f"{hint}\n" if hint else ""}
    return _Wording().vformat(family.wordings[form], (), filled)


def full_prompt(text: str, family: Family, *, has_image: bool = True) -> str:
    """The whole string before the answer, for a family that has a `conversation`."""
    before, _, after = family.conversation.partition("{text}")
    return before.format(image=family.image if has_image else "") + text + after


def shown_options(options: Sequence[str], family: Family) -> list[int]:
    """The places of the options that a student of the family is shown; a missing one ("") is not."""
    last = list(options).index("") if family.stops_at_gap and "" in options else len(options)
    return [number for number, text in enumerate(options[:last]) if text]


def _option_lines(options: Sequence[str], family: Family) -> str:
    """One line an option that is there, each with its own letter."""
    return "\n".join(f"{LETTERS[number]}. {options[number]}" for number in shown_options(options, family))


@dataclass(frozen=True)
class Encoded:
    """Token ids: `head` ends in the one image token, `tail` ends the prompt, `answers` end in the end mark.

    Without an image `head` is empty and `tail` the whole prompt.
    """

    head: tuple[int, ...]
    tail: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...]

    def n_tokens(self) -> int:
        """Tokens behind the image; the last of an answer is predicted, never read."""
        return len(self.tail) + sum(len(answer) - 1 for answer in self.answers)


@dataclass
class Encoder:
    """Turns a question and its answers into token ids by the processor's chat template and tokenizer."""

    processor: Any
    family: Family
    image_token_id: int
    _answers: dict[str, tuple[int, ...]] = field(default_factory=dict)
    _anchor: str | None = None

    def encode(
        self,
        question: str,
        options: Sequence[str],
        form: str,
        answers: Sequence[str],
        hint: str = "",
        *,
        has_image: bool = True,
        in_training: bool = False,
    ) -> Encoded:
        """The ids of the prompt, split after the image token, and of each answer with its end mark.

        Evaluation and training have the same, but for the start token of a family that `starts_twice`.
        """
        text = self._render(prompt(question, options, form, self.family, hint), True, has_image)
        ids = self._tokenise(text, special=True)
        if self.family.starts_twice and not in_training:
            ids = [self.processor.tokenizer.bos_token_id, *ids]
        if ids.count(self.image_token_id) != has_image:
            raise KitError(
                f"the prompt {question!r:.60} has {ids.count(self.image_token_id)} image tokens, not "
                f"{int(has_image)}; a question must not contain the image token"
            )
        cut = ids.index(self.image_token_id) + 1 if has_image else 0
        return Encoded(
            tuple(ids[:cut]), tuple(ids[cut:]), tuple(self._answer_ids(answer) for answer in answers)
        )

    @cached_property
    def end_mark(self) -> str:
        """The text that ends an answer, where no token stands for it alone; "" where one does."""
        known = self.processor.tokenizer.get_added_vocab()
        return "" if self.family.end in ("", *known) else self.family.end

    @cached_property
    def end_ids(self) -> tuple[int, ...]:
        """The token that ends an answer: the family's or the tokenizer's; () where an `end_mark` does."""
        tokenizer = self.processor.tokenizer
        if self.end_mark:
            return ()
        end = self.family.end
        return (tokenizer.convert_tokens_to_ids(end) if end else tokenizer.eos_token_id,)

    def decode(self, ids: Sequence[int]) -> str:
        """The reply in generated ids, without special tokens and outer spaces, up to its end mark."""
        (text,) = self.processor.post_process_image_text_to_text([list(ids)], skip_special_tokens=True)
        return text.strip()

    def _render(self, text: str, answering: bool, has_image: bool = True) -> str:
        if self.family.conversation:
            whole = full_prompt(text, self.family, has_image=has_image)
            return whole if answering else whole.removesuffix(self.family.conversation.partition("{text}")[2])
        content = [{"type": "image"}] * has_image + [{"type": "text", "text": text}]
        return self.processor.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=answering
        )

    def _tokenise(self, text: str, special: bool) -> list[int]:
        tokenizer = self.processor.tokenizer
        twice = bool(tokenizer.bos_token) and text.startswith(tokenizer.bos_token)
        return tokenizer(text, add_special_tokens=special and not twice)["input_ids"]

    def _answer_ids(self, answer: str) -> tuple[int, ...]:
        """An answer's ids as they follow the prompt (" A" is not "A"), with the end mark."""
        if answer not in self._answers:
            alone = self.family.separator is None
            sign, gap = ("", "") if alone else (self._assistant_sign(), self.family.separator)
            before = self._tokenise(sign, special=False)
            after = self._tokenise(sign + gap + answer + self.end_mark, special=False)
            if not answer or after[: len(before)] != before or len(after) == len(before):
                raise KitError(
                    f"the tokenizer cannot separate the answer {answer!r} from its prompt; an answer "
                    "must hold at least one sign, and the family's separator must start a new token"
                )
            self._answers[answer] = (*after[len(before) :], *self.end_ids)
        return self._answers[answer]

    def _assistant_sign(self) -> str:
        if self._anchor is None:
            self._anchor = self._render("?", True).removeprefix(self._render("?", False))
        return self._anchor
