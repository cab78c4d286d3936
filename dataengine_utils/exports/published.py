"""The paper's published data format: seven fields a sample, and no lineage.

A JSON list of `instruction` (the question), `answer` (a sentence), `short_answer`, `options` (four),
`choice_answer` (a letter; the published example spells it `choide_answer`), `image` (a path, such as
vg/VG_100K_2/2404787.jpg) and `qtype` (1..9). Source: arXiv 2308.13566 and opendatalab/MLLM-DataEngine.
"""

import hashlib
import json
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import KitError
from ..inputs import read_list
from ..question_types import QUESTION_TYPES
from ..records import LETTERS, Sample, from_json

FIELDS = ("instruction", "answer", "short_answer", "options", "choice_answer", "image", "qtype")
EXPECTED = f"a list of samples: the kit's samples.json, or objects of {', '.join(FIELDS)}"
_MISSPELT = "choide_answer"


def publish(sample: Sample) -> dict[str, Any]:
    """A sample as the paper published it."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name in FIELDS
        for value in [getattr(sample, name)]
    }


def read_samples(path: Path) -> list[Sample]:
    """The samples of a file in the kit's form or the published one; other entries raise `KitError`."""
    return [sample_of(entry, f"{path}[{number}]") for number, entry in enumerate(read_list(path, EXPECTED))]


def sample_of(entry: Any, where: str) -> Sample:
    """The sample of one entry; a published one gets the hash of its content as id, and has no lineage."""
    if not isinstance(entry, dict):
        raise KitError(f"{where}: expected an object, got {type(entry).__name__}; a file is {EXPECTED}")
    entry = dict(entry)
    if _MISSPELT in entry:
        entry.setdefault("choice_answer", entry.pop(_MISSPELT))
    if set(FIELDS) <= set(entry) and "query_id" not in entry:
        entry = _with_names({name: entry[name] for name in FIELDS}, where)
    try:
        sample = from_json(Sample, entry)
    except KitError as error:
        raise KitError(f"{where}: {error}; a file is {EXPECTED}") from error
    _check(sample, where)
    return sample


def _with_names(entry: dict[str, Any], where: str) -> dict[str, Any]:
    """What the kit knows beyond the seven fields, as far as they tell it."""
    image, number = entry["image"], entry["qtype"]
    if isinstance(number, str) and number.isdecimal():
        number = int(number)
    if number not in (0, *QUESTION_TYPES) or isinstance(number, bool):
        raise KitError(
            f"{where}: qtype is {entry['qtype']!r}; allowed are 1 to {len(QUESTION_TYPES)}, and 0 for "
            "any other type"
        )
    content = json.dumps(entry, sort_keys=True, ensure_ascii=False).encode()
    return {
        **entry,
        "qtype": number,
        "question_type": QUESTION_TYPES.get(number, ""),
        "image_id": PurePosixPath(image).stem if isinstance(image, str) else "",
        "id": hashlib.sha256(content).hexdigest()[:16],
        "query_id": "",
        "template_id": "",
    }


def _check(sample: Sample, where: str) -> None:
    letters = LETTERS[: len(sample.options)]
    if sample.choice_answer not in tuple(letters):
        raise KitError(
            f"{where}: choice_answer is {sample.choice_answer!r}; {len(sample.options)} options have the "
            f"letters {', '.join(letters) or '(none)'}"
        )
