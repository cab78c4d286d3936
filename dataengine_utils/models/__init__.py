"""Students: the models that are evaluated and trained; nothing heavy is imported before `load(name)`."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from .. import before_torch  # noqa: F401
from ..errors import KitError
from ..records import Question
from ..registry import resolve

if TYPE_CHECKING:
    from PIL.Image import Image

OpenImage = Callable[[str], "Image"]

CHECKPOINTS: dict[str, Path] = {"picturebook": Path(__file__).parent.parent / "picturebook" / "student"}
"""Students that ship with the kit: name -> folder. Any other name is a folder or a Hugging Face id."""

_IMAGE_TEXT = "dataengine_utils.models.image_text:ImageTextStudent"
STUDENTS: dict[str, str] = {
    "llava": _IMAGE_TEXT,
    "llava_next": _IMAGE_TEXT,
    "llava_onevision": _IMAGE_TEXT,
    "qwen2_5_vl": _IMAGE_TEXT,
    "qwen3_vl": _IMAGE_TEXT,
    "internvl": _IMAGE_TEXT,
    "idefics3": _IMAGE_TEXT,
    "smolvlm": _IMAGE_TEXT,
    "minigpt_v2": "dataengine_utils.models.minigpt4.student:ImageTextStudent",
    "minigpt4": "dataengine_utils.models.minigpt4.student:ImageTextStudent",
}
"""The class that runs a checkpoint, by the `model_type` of its config.json."""


@dataclass(frozen=True)
class Choice:
    """The option a student ranks first, and one log-likelihood an option (nats, end token included)."""

    letter: str
    scores: tuple[float, ...]


class Student(Protocol):
    """A model that answers questions about images; `open_image` turns an image reference into a picture."""

    name: str

    def choose(
        self,
        questions: Sequence[Question],
        open_image: OpenImage,
        *,
        batch_size: int,
        by: Literal["text", "letter"] = "text",
    ) -> list[Choice]:
        """Rank each question's options by the likelihood of their text, or of their letter; order kept."""

    def answer(
        self,
        questions: Sequence[Question],
        open_image: OpenImage,
        *,
        batch_size: int,
        max_new_tokens: int = 64,
        seed: int | None = None,
    ) -> list[str]:
        """Answer each question by greedy text; order kept.

        With a `seed` the text is drawn at temperature 1 instead, by the seed and the question's id alone.
        """


def load(
    name: str,
    *,
    adapter: Path | str | None = None,
    quantise: str = "none",
    dtype: str | None = None,
    device: str | None = None,
    n_processes: int = 1,
) -> Student:
    """The student `name`, with `adapter` (a peft folder) unmerged on top; `KitError` if it cannot be read.

    `name` is "picturebook", a folder, a Hugging Face id, or "package.module:Class" for a student of one's
    own, whose `from_checkpoint(name, adapter=, quantise=, dtype=, device=)` is called. `quantise` is "none"
    or "nf4" (the language model's linear layers in 4 bits). `dtype` defaults to float32 on a CPU and bfloat16
    on a GPU; `device` defaults to the GPU when there is one. With `n_processes` above 1 the questions
    are split between so many processes, one a GPU (see `processes`).
    """
    if n_processes > 1:
        from ..processes import ParallelStudent

        return ParallelStudent(name, n_processes, {"adapter": adapter, "quantise": quantise, "dtype": dtype})
    kind = name if ":" in name and not Path(name).exists() else model_type(name)
    if ":" not in kind and kind not in STUDENTS:
        raise KitError(
            f"student {name!r} is a {kind!r} model, which takes no images or is not known to the kit; known "
            f"types: {', '.join(STUDENTS)}. For another one write a class and name it package.module:Class"
        )
    student = resolve("kind of student", STUDENTS, kind)
    return student.from_checkpoint(name, adapter=adapter, quantise=quantise, dtype=dtype, device=device)


def seeded(seed: int | None) -> dict[str, int]:
    """The option `seed` of `Student.answer`, left out where there is none: a student need not have it."""
    return {} if seed is None else {"seed": seed}


def checkpoint_of(name: str) -> str:
    """The folder or Hugging Face id behind a student's name; `KitError` for a path without a checkpoint."""
    folder = CHECKPOINTS.get(name, Path(name))
    looks_like_path = name in CHECKPOINTS or name.startswith((".", "/", "~", "data/")) or folder.exists()
    if not looks_like_path:
        return name
    folder = folder.expanduser()
    if not (folder / "config.json").is_file():
        raise KitError(
            f"student {name!r}: no checkpoint (config.json) in {folder}; known students: "
            f"{', '.join(CHECKPOINTS)}, a folder saved by save_pretrained, or a Hugging Face id"
        )
    return str(folder)


def model_type(name: str) -> str:
    """The `model_type` in a checkpoint's config.json, which decides the class that runs it."""
    checkpoint = checkpoint_of(name)
    config_file = Path(checkpoint) / "config.json"
    if not config_file.is_file():
        from .checkpoint import hub_model_type

        return hub_model_type(checkpoint)
    try:
        return str(json.loads(config_file.read_text(encoding="utf-8"))["model_type"])
    except (ValueError, KeyError, TypeError) as error:
        raise KitError(
            f"student {name!r}: {config_file} is not a model's config ({error}); "
            "save the checkpoint again with save_pretrained"
        ) from error
