"""Training examples: samples in the forms that the paper trains on, and original instruction data mixed in as
replay.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import KitError, unknown_name
from .inputs import read_list
from .picturebook.questions import mixture_questions
from .records import LETTERS, Sample

LLAVA = ('LLaVA conversations: [{"image": path, "conversations": [{"from": "human", "value": ...}, '
         '{"from": "gpt", "value": ...}]}]')


@dataclass(frozen=True)
class Example:
    """One training turn. `options` are shown with the question in the forms that choose; `image` is a
    reference.
    """

    image: str
    question: str
    options: tuple[str, ...]
    answer: str
    form: str


def _short(sample: Sample, rng: random.Random) -> Example:
    return Example(sample.image, sample.instruction, (), sample.short_answer, "short")


def _direct(sample: Sample, rng: random.Random) -> Example:
    return Example(sample.image, sample.instruction, (), sample.answer, "direct")


def _choice(sample: Sample, rng: random.Random) -> Example:
    return Example(sample.image, sample.instruction, sample.options, sample.choice_answer, "choice")


def _shuffled(sample: Sample, rng: random.Random) -> Example:
    right = LETTERS.index(sample.choice_answer)
    order = rng.sample(range(len(sample.options)), len(sample.options))
    options = tuple(sample.options[n] for n in order)
    return Example(sample.image, sample.instruction, options, LETTERS[order.index(right)], "shuffled")


FORMS: dict[str, Callable[[Sample, random.Random], Example]] = {
    "short": _short,  # question -> the bare answer
    "direct": _direct,  # question -> a sentence (paper: DA)
    "choice": _choice,  # question and options -> letter (paper: MC)
    "shuffled": _shuffled,  # the same with the options shuffled anew (MiniGPT4-v2's third use)
}


def examples_from_samples(samples: Iterable[Sample], forms: Sequence[str], seed: int) -> list[Example]:
    """Every sample once in every form, sample by sample. An unknown form raises `KitError`."""
    for form in forms:
        if form not in FORMS:
            raise unknown_name("training form", form, list(FORMS))
    rng = random.Random(f"examples-{seed}")
    return [FORMS[form](sample, rng) for sample in samples for form in forms]


def load_replay(name: str, n: int, seed: int) -> list[Example]:
    """`n` examples of original instruction data (fewer if the file has fewer), a seeded choice.

    "picturebook" is the general mixture that the shipped student was pre-trained on; anything else is the
    path of a JSON file of LLaVA conversations, of which the first question and answer are taken. `n` = 0 is
    none.
    """
    if n == 0:
        return []
    return _picturebook(n, seed) if name == "picturebook" else _llava(Path(name), n, seed)


def _picturebook(n: int, seed: int) -> list[Example]:
    return [Example(q.image, q.question, (), q.answer, "short") for q in mixture_questions(n, seed)]


def _llava(path: Path, n: int, seed: int) -> list[Example]:
    items = [item for item in read_list(path, LLAVA) if isinstance(item, dict) and item.get("image")]
    if not items:
        raise KitError(f"{path}: no item with an image; expected {LLAVA}")
    chosen = random.Random(f"replay-{seed}").sample(range(len(items)), min(n, len(items)))
    return [_first_turns(items[i], path.parent, f"{path} [{items[i].get('id', i)}]") for i in sorted(chosen)]


def _first_turns(item: dict[str, Any], folder: Path, where: str) -> Example:
    try:
        human, gpt = item["conversations"][:2]
        if (human["from"], gpt["from"]) != ("human", "gpt"):
            raise ValueError("the first turns are not human and gpt")
        question = human["value"].replace("<image>", "").strip()
        return Example(str(folder / item["image"]), question, (), gpt["value"].strip(), "direct")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise KitError(f"{where}: {error!r}; expected {LLAVA}") from error
