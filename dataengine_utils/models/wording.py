"""How a question becomes text and token ids: the one place for evaluation, training and tests."""

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import KitError, unknown_name
from ..records import LETTERS, Question


@dataclass(frozen=True)
class Family:
    """What differs between families of students.

    `wordings` gives the user's text by answer format: `{question}`, `{question!c}` (only its first letter
    large), `{options}` ("A. cat" lines) and `{hint}` (a line before the question, if any) are filled in.
    `answer_form` is the form in which `answer()` asks a question that has options. `conversation` is what
    stands around `{image}` and `{text}`; without it the processor's chat template says that. `image` is what
    stands for a picture in it. With `stops_at_gap` no option is shown after one that is missing (""), else
    only that one is not. `separator` stands between the prompt's last sign and the answer. The paths
    name modules of the transformers model.
    """

    name: str
    wordings: Mapping[str, str]
    answer_form: str = "choice"
    conversation: str = ""
    image: str = "<image>\n"
    stops_at_gap: bool = False
    separator: str = " "
    projector: str = "model.multi_modal_projector"
    language_model: str = "model.language_model"


ANSWER_FORMATS = ("short", "direct", "choice", "shuffled", "unanswerable", "yes_no", "true_false")
_SHORT = "Answer the question using a single word or phrase."
_LETTER = "Answer with the option's letter from the given choices directly."
_BRIEFLY = "[vqa] Based on the image, respond to this question with a short answer: {question}"
_OPTIONS = "{question}\n{options}"

FAMILIES: dict[str, Family] = {
    "picturebook": Family(
        "picturebook",
        {
            form: "{hint}" + (_OPTIONS if form in ("choice", "shuffled") else "{question}")
            for form in ANSWER_FORMATS
        },
        answer_form="short",
    ),
    # LLaVA-1.5's own evaluation (haotian-liu/LLaVA: docs/Evaluation.md, llava/eval). It has none for true or
    # false statements: that line is MiniGPT-v2's question with LLaVA's suffix.
    "llava": Family(
        "llava",
        {
            "short": f"{{hint}}{{question}}\n{_SHORT}",
            "direct": "{hint}{question}",
            "choice": f"{{hint}}{_OPTIONS}\n{_LETTER}",
            "shuffled": f"{{hint}}{_OPTIONS}\n{_LETTER}",
            "unanswerable": "{hint}{question!c}\nWhen the provided information is insufficient, respond with "
            f"'Unanswerable'.\n{_SHORT}",
            "yes_no": f"{{hint}}{{question}}\n{_SHORT}",
            "true_false": "{hint}Based on the image, is this statement true or false? {question}\n" + _SHORT,
        },
        conversation="A chat between a curious user and an artificial intelligence assistant. The assistant "
        "gives helpful, detailed, and polite answers to the user's questions. USER: {image}{text} ASSISTANT:",
        stops_at_gap=True,
    ),
    # MiniGPT-v2's evaluation (MLLM-DataEngine: MiniGPT-4/eval_scripts/eval_vqa.py and its datasets). It has
    # none for yes or no questions: they are asked as short ones.
    "minigpt_v2": Family(
        "minigpt_v2",
        {
            "short": "{hint}" + _BRIEFLY,
            "direct": "{hint}[vqa] {question}",
            "choice": f"{{hint}}[vqa] {_OPTIONS}\n{_LETTER}",
            "shuffled": f"{{hint}}[vqa] {_OPTIONS}\n{_LETTER}",
            "unanswerable": "{hint}[vqa] The question is '{question}' Based on the image, answer the "
            "question with a single word or phrase. and reply 'unanswerable' when the provided information "
            "is insufficient",
            "yes_no": "{hint}" + _BRIEFLY,
            "true_false": "{hint}[vqa] Based on the image, is this statement true or false? {question}",
        },
        conversation="<s>[INST] {image}{text} [/INST]",
        image="<Img><ImageHere></Img> ",
    ),
}


class _Wording(string.Formatter):
    """Text templates with one more conversion: `!c` capitalises."""

    def convert_field(self, value: Any, conversion: str | None) -> Any:
        return str(value).capitalize() if conversion == "c" else super().convert_field(value, conversion)


def family_of(name: str) -> Family:
    """The wording of a family; raises `KitError` with the known ones."""
    if name not in FAMILIES:
        raise unknown_name("family of students", name, list(FAMILIES))
    return FAMILIES[name]


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


def _option_lines(options: Sequence[str], family: Family) -> str:
    """One line an option that is there, each with its own letter."""
    shown = list(options)
    if family.stops_at_gap and "" in shown:
        shown = shown[: shown.index("")]
    return "\n".join(f"{letter}. {text}" for letter, text in zip(LETTERS, shown, strict=False) if text)


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

    def encode(
        self, question: str, options: Sequence[str], form: str, answers: Sequence[str], hint: str = ""
    ) -> Encoded:
        """The ids of the prompt, split after the image token, and of each answer with its end token."""
        text = self._render(prompt(question, options, form, self.family, hint), True)
        ids = self._tokenise(text, special=True)
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
        if self.family.conversation:
            whole = full_prompt(text, self.family)
            return whole if answering else whole.removesuffix(self.family.conversation.partition("{text}")[2])
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
