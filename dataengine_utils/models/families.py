"""Families of students: how each is asked and how its model is built; one table entry a family."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..errors import unknown_name


@dataclass(frozen=True)
class Structure:
    """Where the parts of a transformers image-text-to-text model are, and how pictures enter its text.

    LoRA and NF4 touch the linear layers under `language_model` only; all other parts stay frozen and in full
    precision, but `projectors` may be trained. They map what the frozen tower says to the language model's
    width; those after the first (a list counts as its modules) are added to its first layers' output, as in
    Qwen3-VL's deepstack. `layout` says how projected rows become a picture's tokens: "rows" in order,
    "windows" too but the tower leaves them in its attention windows' order, "anyres" through the model's
    `pack_image_features` (tiles, padding cut off, line ends). `axes` counts the positions of a token: 3 are
    time, row and column. `joined`: the model wants the pictures of a batch as one tensor, not as a list.
    """

    language_model: str = "model.language_model"
    projectors: tuple[str, ...] = ("model.multi_modal_projector",)
    layout: Literal["rows", "windows", "anyres"] = "rows"
    axes: Literal[1, 3] = 1
    joined: bool = False


LLAVA = Structure()
_ANYRES = Structure(layout="anyres")
_INTERNVL = Structure(joined=True)
_IDEFICS3 = Structure("model.text_model", ("model.connector",))
_QWEN2_5_VL = Structure(projectors=("model.visual.merger",), layout="windows", axes=3)
_QWEN3_VL = Structure(projectors=("model.visual.merger", "model.visual.deepstack_merger_list"), axes=3)


@dataclass(frozen=True)
class Family:
    """What differs between families of students.

    `wordings` gives the user's text by answer format: `{question}`, `{question!c}` (only its first letter
    large), `{options}` ("A. cat" lines) and `{hint}` (a line before the question, if any) are filled in.
    `answer_form` is the form in which `answer()` asks a question that has options. `conversation` is what
    stands around `{image}` and `{text}`; without it the processor's chat template says that. `image` is what
    stands for a picture in it. With `stops_at_gap` no option is shown after one that is missing (""), else
    only that one is not. `separator` stands between the prompt's last sign and the answer; None: the answer
    is tokenised as a text of its own. `end` is what ends an answer, if not the tokenizer's end token: one
    token, or a text such as "###" that may be several. With `starts_twice` a question of an evaluation has
    the start token twice, one in training once. `structure` says how the transformers model is built.
    """

    name: str
    wordings: Mapping[str, str]
    answer_form: str = "choice"
    conversation: str = ""
    image: str = "<image>\n"
    stops_at_gap: bool = False
    separator: str | None = " "
    end: str = ""
    starts_twice: bool = False
    structure: Structure = LLAVA

    @property
    def language_model(self) -> str:
        """The path of the language model."""
        return self.structure.language_model


ANSWER_FORMATS = ("short", "direct", "choice", "shuffled", "unanswerable", "yes_no", "true_false")
_SHORT = "Answer the question using a single word or phrase."
_LETTER = "Answer with the option's letter from the given choices directly."
_BRIEFLY = "[vqa] Based on the image, respond to this question with a short answer: {question}"
_OPTIONS = "{question}\n{options}"

# LLaVA-1.5's own evaluation (haotian-liu/LLaVA: docs/Evaluation.md, llava/eval). It has none for true or
# false statements: that line is MiniGPT-v2's question with LLaVA's suffix.
_LLAVA_WORDINGS = {
    "short": f"{{hint}}{{question}}\n{_SHORT}",
    "direct": "{hint}{question}",
    "choice": f"{{hint}}{_OPTIONS}\n{_LETTER}",
    "shuffled": f"{{hint}}{_OPTIONS}\n{_LETTER}",
    "unanswerable": "{hint}{question!c}\nWhen the provided information is insufficient, respond with "
    f"'Unanswerable'.\n{_SHORT}",
    "yes_no": f"{{hint}}{{question}}\n{_SHORT}",
    "true_false": "{hint}Based on the image, is this statement true or false? {question}\n" + _SHORT,
}

# MiniGPT-v2's evaluation (MLLM-DataEngine: MiniGPT-4/eval_scripts/eval_vqa.py and its datasets). It has none
# for yes or no questions: they are asked as short ones.
_MINIGPT_V2_WORDINGS = {
    "short": "{hint}" + _BRIEFLY,
    "direct": "{hint}[vqa] {question}",
    "choice": f"{{hint}}[vqa] {_OPTIONS}\n{_LETTER}",
    "shuffled": f"{{hint}}[vqa] {_OPTIONS}\n{_LETTER}",
    "unanswerable": "{hint}[vqa] The question is '{question}' Based on the image, answer the question with a "
    "single word or phrase. and reply 'unanswerable' when the provided information is insufficient",
    "yes_no": "{hint}" + _BRIEFLY,
    "true_false": "{hint}[vqa] Based on the image, is this statement true or false? {question}",
}

FAMILIES: dict[str, Family] = {
    "picturebook": Family(
        "picturebook",
        {
            form: "{hint}" + (_OPTIONS if form in ("choice", "shuffled") else "{question}")
            for form in ANSWER_FORMATS
        },
        answer_form="short",
    ),
    "llava": Family(
        "llava",
        _LLAVA_WORDINGS,
        conversation="A chat between a curious user and an artificial intelligence assistant. The assistant "
        "gives helpful, detailed, and polite answers to the user's questions. USER: {image}{text} ASSISTANT:",
        stops_at_gap=True,
    ),
    # Its template begins with <s>, to which the evaluation's tokenizer adds another; the training adds one to
    # "[INST] ..." (minigpt_base.py: get_context_emb; preparing_embedding and forward). The published numbers
    # are of models that were trained with one and asked with two, and so are ours.
    "minigpt_v2": Family(
        "minigpt_v2",
        _MINIGPT_V2_WORDINGS,
        conversation="<s>[INST] {image}{text} [/INST]",
        image="<Img><ImageHere></Img> ",
        separator=None,
        starts_twice=True,
    ),
    # MiniGPT-4 answers in its processor's chat template. It is asked as MiniGPT-v2 is, without the mark of
    # v2's task, as in SEEDEvalData of MLLM-DataEngine's vqa_datasets.py, where the model is a Vicuna.
    "minigpt4": Family(
        "minigpt4",
        {form: text.replace("[vqa] ", "") for form, text in _MINIGPT_V2_WORDINGS.items()},
        separator=None,
        end="###",
    ),
    # The others answer in their processor's chat template; the questions are worded as LLaVA's, which is what
    # lmms-eval asks all of them.
    "llava_next": Family("llava_next", _LLAVA_WORDINGS, structure=_ANYRES),
    "llava_onevision": Family("llava_onevision", _LLAVA_WORDINGS, separator="", structure=_ANYRES),
    "qwen2_5_vl": Family("qwen2_5_vl", _LLAVA_WORDINGS, separator="", structure=_QWEN2_5_VL),
    "qwen3_vl": Family("qwen3_vl", _LLAVA_WORDINGS, separator="", structure=_QWEN3_VL),
    "internvl": Family("internvl", _LLAVA_WORDINGS, separator="", structure=_INTERNVL),
    "idefics3": Family("idefics3", _LLAVA_WORDINGS, end="<end_of_utterance>", structure=_IDEFICS3),
    "smolvlm": Family("smolvlm", _LLAVA_WORDINGS, end="<end_of_utterance>", structure=_IDEFICS3),
}


def family_of(name: str) -> Family:
    """The wording of a family; raises `KitError` with the known ones."""
    if name not in FAMILIES:
        raise unknown_name("family of students", name, list(FAMILIES))
    return FAMILIES[name]
