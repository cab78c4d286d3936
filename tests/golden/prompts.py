"""The official prompts against ours, character for character."""

from collections.abc import Callable, Iterator
from typing import Any

from dataengine_utils.benchmarks.mmbench import question_of
from dataengine_utils.benchmarks.mme import SUFFIX as YES_NO
from dataengine_utils.benchmarks.scienceqa import split_prompt
from dataengine_utils.models.wording import FAMILIES, Family, full_prompt, prompt
from dataengine_utils.records import LETTERS

LLAVA, MINIGPT = FAMILIES["llava"], FAMILIES["minigpt_v2"]
SUFFIX = "\nAnswer with the option's letter from the given choices directly."
Prompts = dict[str, str]


def check(document: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Every prompt that the document expects, beside ours."""
    for kind, records in document["inputs"].items():
        for number, (record, expected) in enumerate(zip(records, document["expected"][kind], strict=True)):
            ours = BUILDERS[kind](record)
            for name, value in expected.items():
                yield f"{kind}[{number}].{name}", value, ours[name]


def _llava(text: str, *, has_image: bool = True) -> Prompts:
    return {"llava_text": text, "llava_prompt": full_prompt(text, LLAVA, has_image=has_image)}


def _minigpt(text: str) -> str:
    return full_prompt(text, MINIGPT)


def _open(form: str) -> Callable[[dict[str, Any]], Prompts]:
    return lambda record: _llava(prompt(record["question"], (), form, LLAVA))


def _mme(record: dict[str, Any]) -> Prompts:
    return _llava(prompt(record["question"].replace(YES_NO, "").strip(), (), "yes_no", LLAVA))


def _mmbench(record: dict[str, Any]) -> Prompts:
    question = question_of({"A": "", "B": "", **record}, f"index {record.get('index')}")

    def text(family: Family) -> str:
        return prompt(question.question, question.options, question.form, family, question.hint)

    llava = text(LLAVA)
    minigpt = _minigpt(text(MINIGPT))
    letters = [letter for letter, text in zip(LETTERS, question.options, strict=False) if text]
    return {**_llava(llava), "llava_text": llava.removesuffix(SUFFIX), "minigpt4_prompt": minigpt,
            "minigpt4_option_char": letters}


def _scienceqa(record: dict[str, Any]) -> Prompts:
    hint, question, options = split_prompt(record["conversation_value"].replace("<image>", "").strip())
    text = prompt(question, options, "choice", LLAVA, hint)
    has_image = bool(record["has_image"])
    return {**_llava(text, has_image=has_image), "llava_text": ("<image>\n" if has_image else "") + text}


def _vsr(record: dict[str, Any]) -> Prompts:
    label = "true" if record["label"] == 1 else "false"
    text = prompt(record["caption"], (), "true_false", MINIGPT)
    return {"minigpt4_prompt": _minigpt(text), "minigpt4_label": label}


def _vqa_minigpt(record: dict[str, Any]) -> Prompts:
    forms = {"vizwiz": "unanswerable", "okvqa_and_gqa": "short"}
    return {name: _minigpt(prompt(record["question"], (), form, MINIGPT)) for name, form in forms.items()}


def _seed_bench(record: dict[str, Any]) -> Prompts:
    _, question, options = split_prompt(record["text"].removesuffix(SUFFIX))
    llava, minigpt = (prompt(question, options, "choice", family) for family in (LLAVA, MINIGPT))
    return {**_llava(llava), "minigpt4_prompt": _minigpt(minigpt)}


BUILDERS: dict[str, Callable[[dict[str, Any]], Prompts]] = {
    "mme": _mme,
    "vizwiz": _open("unanswerable"),
    "gqa": _open("short"),
    "mmbench": _mmbench,
    "scienceqa": _scienceqa,
    "vsr": _vsr,
    "okvqa_gqa_vizwiz_minigpt4": _vqa_minigpt,
    "seed_bench": _seed_bench,
}
