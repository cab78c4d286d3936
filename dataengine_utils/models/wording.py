"""How a question becomes text and token ids: the one place for evaluation, training and tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import KitError, unknown_name
from ..records import LETTERS, Question


@dataclass(frozen=True)
class Family:
    """What differs between families of students.

    `wordings` gives the user's text by form; `{question}` and `{options}` ("A. cat" lines) are filled in.
    `answer_form` is the form in which `answer()` asks a question that has options. `separator` stands between
    the chat template's last sign and the answer. The paths name modules of the transformers model.
    """

    name: str
    wordings: Mapping[str, str]
    answer_form: str = "choice"
    separator: str = " "
    projector: str = "model.multi_modal_projector"
    language_model: str = "model.language_model"


_PLAIN = {
    "short": "{question}",
    "direct": "{question}",
    "choice": "{question}\n{options}",
    "shuffled": "{question}\n{options}",
}
_LETTER = "{question}\n{options}\nAnswer with the option's letter from the given choices directly."

FAMILIES: dict[str, Family] = {
    "picturebook": Family("picturebook", _PLAIN, answer_form="short"),
    # The suffix lines of LLaVA-1.5's own training and evaluation (haotian-liu/LLaVA, docs/Evaluation.md).
    "llava": Family(
        "llava",
        {
            "short": "{question}\nAnswer the question using a single word or phrase.",
            "direct": "{question}",
            "choice": _LETTER,
            "shuffled": _LETTER,
        },
    ),
}


def family_of(name: str) -> Family:
    """The wording of a family; raises `KitError` with the known ones."""
    if name not in FAMILIES:
        raise unknown_name("family of students", name, list(FAMILIES))
    return FAMILIES[name]


def asked(question: Question) -> str:
    """The text of a benchmark's question, after its hint when it has one."""
    return f"{question.hint}\n{question.question}" if question.hint else question.question


def prompt(question: str, options: Sequence[str], form: str, family: Family) -> str:
    """The user's text of one question in a form ("short", "direct", "choice" or "shuffled")."""
    if form not in family.wordings:
        raise unknown_name("form of question", form, list(family.wordings))
    if len(options) > len(LETTERS):
        raise KitError(
            f"question {question!r:.60} has {len(options)} options; at most {len(LETTERS)} have letters"
        )
    lines = "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False))
    return family.wordings[form].format(question=question, options=lines)


@dataclass(frozen=True)
class Encoded:
    """Token ids: `head` ends in the one image token, `tail` ends the prompt, `answers` end in </s>."""

    head: tuple[int, ...]
    tail: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...]


@dataclass
class Encoder:
    """Turns a question and its answers into token ids by the processor's chat template and tokenizer."""

    processor: Any
    family: Family
    image_token_id: int
    _answers: dict[str, tuple[int, ...]] = field(default_factory=dict)
    _anchor: str | None = None

    def encode(self, question: str, options: Sequence[str], form: str, answers: Sequence[str]) -> Encoded:
        """The ids of the prompt, split after the image token, and of each answer with its end token."""
        ids = self._tokenise(self._render(prompt(question, options, form, self.family), True), special=True)
        if ids.count(self.image_token_id) != 1:
            raise KitError(
                f"the prompt {question!r:.60} has {ids.count(self.image_token_id)} image tokens, not 1; "
                "a question must not contain the image token"
            )
        cut = ids.index(self.image_token_id) + 1
        return Encoded(
            tuple(ids[:cut]), tuple(ids[cut:]), tuple(self._answer_ids(answer) for answer in answers)
        )

    def decode(self, ids: Sequence[int]) -> str:
        """The text of generated ids, without special tokens and outer spaces."""
        return self.processor.tokenizer.decode(ids, skip_special_tokens=True).strip()

    def _render(self, text: str, answering: bool) -> str:
        content = [{"type": "image"}, {"type": "text", "text": text}]
        return self.processor.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=answering
        )

    def _tokenise(self, text: str, special: bool) -> list[int]:
        tokenizer = self.processor.tokenizer
        twice = bool(tokenizer.bos_token) and text.startswith(tokenizer.bos_token)
        return tokenizer(text, add_special_tokens=special and not twice)["input_ids"]

    def _answer_ids(self, answer: str) -> tuple[int, ...]:
        """An answer's ids as they follow the prompt (" A" is not "A"), with the end token."""
        if answer not in self._answers:
            before = self._tokenise(self._assistant_sign(), special=False)
            after = self._tokenise(self._assistant_sign() + self.family.separator + answer, special=False)
            if after[: len(before)] != before or len(after) == len(before):
                raise KitError(
                    f"the tokenizer cannot separate the answer {answer!r} from its prompt; an answer "
                    "must hold at least one sign, and the family's separator must start a new token"
                )
            self._answers[answer] = (*after[len(before) :], self.processor.tokenizer.eos_token_id)
        return self._answers[answer]

    def _assistant_sign(self) -> str:
        if self._anchor is None:
            self._anchor = self._render("?", True).removeprefix(self._render("?", False))
        return self._anchor
