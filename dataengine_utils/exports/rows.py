"""Samples as other trainers want to read them: one function a format, records in, plain rows out.

Sources: LLaVA's docs/Finetune_Custom_Data.md, LLaMA-Factory's data/README.md (sharegpt, multimodal),
ms-swift's docs on custom datasets (standard format, multimodal), TRL's docs on dataset formats
(prompt-completion, vision).
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import KitError, unknown_name
from ..instruction_data import FORMS
from ..models.families import family_of
from ..models.wording import prompt
from ..records import Sample
from .pictures import Pictures
from .published import publish

IMAGE = "<image>"
"""What stands for the picture in the texts of LLaVA, LLaMA-Factory and ms-swift."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Turns:
    """A sample with what a user says and is answered, a pair a form."""

    sample: Sample
    said: tuple[tuple[str, str], ...]


def turns_of(samples: Sequence[Sample], forms: Sequence[str], family: str, seed: int) -> Iterator[Turns]:
    """Every sample in every form of `instruction_data.FORMS`, worded as the family of students is asked.

    A text that holds the picture's own sign cannot be exported and raises `KitError`.
    """
    if not forms:
        raise KitError(f"no training form is named; choose at least one of {', '.join(FORMS)}")
    for form in forms:
        if form not in FORMS:
            raise unknown_name("training form", form, list(FORMS))
    words, rng = family_of(family), random.Random(f"examples-{seed}")
    for sample in samples:
        examples = [FORMS[form](sample, rng) for form in forms]
        said = tuple((prompt(e.question, e.options, e.form, words), e.answer) for e in examples)
        if any(IMAGE in text for pair in said for text in pair):
            raise KitError(
                f"sample {sample.id!r} has {IMAGE} in its text, which trainers take for the picture; "
                "withdraw it: python -m dataengine_utils.withdrawal RUN --samples " + sample.id
            )
        yield Turns(sample, said)


def llava(turns: Turns, pictures: Pictures) -> Iterator[Row]:
    """LLaVA's conversations: the picture's sign stands in the first turn; paths count from --image_folder."""
    yield {
        "id": turns.sample.id,
        "image": pictures.path_of(turns.sample.image),
        "conversations": _from_value(turns, f"{IMAGE}\n"),
    }


def sharegpt(turns: Turns, pictures: Pictures) -> Iterator[Row]:
    """ShareGPT as LLaMA-Factory reads it; paths count from `media_dir`."""
    yield {"conversations": _from_value(turns, IMAGE), "images": [pictures.path_of(turns.sample.image)]}


def swift(turns: Turns, pictures: Pictures) -> Iterator[Row]:
    """ms-swift's standard format."""
    messages = [
        message
        for number, (question, answer) in enumerate(turns.said)
        for message in _messages(question if number else IMAGE + question, answer)
    ]
    yield {"messages": messages, "images": [pictures.path_of(turns.sample.image)]}


def trl(turns: Turns, pictures: Pictures) -> Iterator[Row]:
    """TRL's conversational prompt-completion with pictures, a row a form: only answers are learned."""
    for question, answer in turns.said:
        user, assistant = _messages(question, answer)
        yield {"prompt": [user], "completion": [assistant], "images": [pictures.path_of(turns.sample.image)]}


def published(turns: Turns, pictures: Pictures) -> Iterator[Row]:
    """The seven published fields; forms play no part."""
    yield {**publish(turns.sample), "image": pictures.path_of(turns.sample.image)}


def _from_value(turns: Turns, sign: str) -> list[dict[str, str]]:
    return [
        {"from": who, "value": text}
        for number, (question, answer) in enumerate(turns.said)
        for who, text in (("human", question if number else sign + question), ("gpt", answer))
    ]


def _messages(question: str, answer: str) -> tuple[dict[str, str], dict[str, str]]:
    return {"role": "user", "content": question}, {"role": "assistant", "content": answer}
