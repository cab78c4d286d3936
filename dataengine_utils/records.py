"""Every file's schema: the frozen records that travel between the notebooks.

One record is one JSON line (`to_json`, `from_json`). Reading is strict: a missing or unknown field, or a
value of the wrong type, is a `KitError` that names the record and the field.
"""

import dataclasses
import types
import typing
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, Union

from .errors import KitError

LETTERS = "ABCDEFGHIJ"
Outcome = Literal["right", "wrong", "unparsed"]
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Question:
    """One benchmark question. `options` is empty for open questions; `choice` is the right option's letter.

    `image` names the picture for the benchmark's own `open_image` (a path, or an image id of a generated
    world; empty where there is none). `facts` is what the question relies on, for worlds that can check it: a
    form and its arguments. `form` is the answer format that decides the wording (see `models.wording`; empty:
    "choice" with options, else "short"). Questions of one `group` count as one, right only if all are.
    `gold` is what the benchmark's scoring rule needs beyond the answer, such as ten people's answers.
    """

    id: str
    image_id: str
    image: str
    question: str
    options: tuple[str, ...]
    answer: str
    choice: str
    question_type: str
    hint: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    form: str = ""
    group: str = ""
    gold: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Prediction:
    """A student's raw reply to one question. `scores`: log-likelihoods, one an option (nats), if ranked.

    `credit` is the share (0..1) that a rule with partial credit gives; None where only right or wrong count.
    """

    question_id: str
    question_type: str
    reply: str
    choice: str
    outcome: Outcome
    scores: tuple[float, ...] = ()
    group: str = ""
    credit: float | None = None


@dataclass(frozen=True)
class ImageObject:
    """A named box of Visual Genome's objects.json and attributes.json, merged.

    `box` is (x, y, width, height), pixels.
    """

    object_id: int
    name: str
    box: Box
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Relation:
    """`subject` `predicate` `object` of Visual Genome's relationships.json; both ends are object ids."""

    subject: int
    predicate: str
    object: int


@dataclass(frozen=True)
class Region:
    """A phrase about one box, of Visual Genome's region_descriptions.json."""

    phrase: str
    box: Box


@dataclass(frozen=True)
class TextBox:
    """A piece of text read in the image (OCR)."""

    text: str
    box: Box


@dataclass(frozen=True)
class ImageRecord:
    """All annotations of one image, whatever the source: the teacher writes from this and needs no pixels."""

    image_id: str
    image: str
    width: int
    height: int
    objects: tuple[ImageObject, ...] = ()
    relations: tuple[Relation, ...] = ()
    regions: tuple[Region, ...] = ()
    texts: tuple[TextBox, ...] = ()
    captions: tuple[str, ...] = ()


@dataclass(frozen=True)
class BadCase:
    """A question that the student got wrong, with what it replied."""

    question_id: str
    question_type: str
    image_id: str
    question: str
    options: tuple[str, ...]
    answer: str
    reply: str


@dataclass(frozen=True)
class Query:
    """A request for one sample: the type to serve, the image to use, the bad cases shown to the teacher."""

    id: str
    question_type: str
    image_id: str
    bad_cases: tuple[BadCase, ...]


@dataclass(frozen=True)
class Draft:
    """What a teacher wrote for a query, before any check. `choice` is the letter of the right option."""

    instruction: str
    answer: str
    short_answer: str
    options: tuple[str, ...]
    choice: str
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Generated:
    """One reply of the teacher, accepted (`reason` empty) or rejected with the one reason why.

    `verdicts` are what the checks said, `request` the ledger's key of the request, `usd` what the reply cost,
    `shown` how many facts of each kind the teacher saw and how many were cut.
    """

    query_id: str
    question_type: str
    image_id: str
    template_id: str
    teacher: str
    reply: str
    accepted: bool
    reason: str
    draft: Draft | None
    verdicts: dict[str, Any] = field(default_factory=dict)
    request: str = ""
    usd: float = 0.0
    shown: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """One training item in the published data format, plus its lineage (see `Generated`).

    `bad_cases` are the ids of the questions that the teacher was shown as examples.
    """

    instruction: str
    answer: str
    short_answer: str
    options: tuple[str, ...]
    choice_answer: str
    image: str
    qtype: int
    question_type: str
    image_id: str
    id: str
    query_id: str
    template_id: str
    bad_cases: tuple[str, ...] = ()
    verdicts: dict[str, Any] = field(default_factory=dict)
    request: str = ""
    usd: float = 0.0
    shown: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Template:
    """A version of the generation prompt; its id is the hash of its texts (see `prompts.make_template`).

    `data` says how facts and examples are to be read, `examples` leads in the bad cases, `task` asks for the
    question, `output` tells the reply's form; empty in files of older versions, which used the kit's own.
    """

    id: str
    parent: str
    role: str
    rules: tuple[str, ...]
    definitions: dict[str, str]
    note: str = ""
    data: str = ""
    examples: str = ""
    task: str = ""
    output: str = ""


@dataclass(frozen=True)
class Trial:
    """One template tried on one query: the reply's verdict by the checks, and a person's if one looked."""

    template_id: str
    query_id: str
    question_type: str
    accepted: bool
    reason: str
    draft: Draft | None
    verdict: Literal["", "accept", "reject"] = ""
    verdict_reason: str = ""


@dataclass(frozen=True)
class Decision:
    """Which template was chosen, by whom or by which policy, and on what grounds."""

    template_id: str
    chosen_by: str
    reason: str
    acceptance: dict[str, float]
    time: str


@dataclass(frozen=True)
class RuleChange:
    """One change to a template's rules, and why: `rule` is the rule that goes ("" where one is added), `text`
    the rule that comes ("" where one is removed).
    """

    kind: Literal["add", "remove", "replace"]
    rule: str
    text: str
    reason: str = ""


@dataclass(frozen=True)
class Act:
    """One act of a prompt session (see `ipo.Session`): one line of its journal, and never changed afterwards.

    `who` acted: a reviewer's name, or "policy NAME". `text` is free text: a reviewer's words, or why a
    template was promoted or kept. `changes` are those proposed, or the one taken, dropped or edited (before
    and after). `template` and `samples` are what was tried, so that a journal alone is enough to replay the
    session. `requests` to the teacher, `usd` and `seconds` are what the act took.
    """

    time: str
    who: str
    kind: Literal["begin", "review", "undo", "propose", "take", "edit", "drop", "try", "promote", "keep",
                  "stop", "test", "failed"]
    round: int
    template_id: str = ""
    query_id: str = ""
    verdict: Literal["", "accept", "reject"] = ""
    reasons: tuple[str, ...] = ()
    text: str = ""
    changes: tuple[RuleChange, ...] = ()
    template: Template | None = None
    samples: tuple[Generated, ...] = ()
    requests: int = 0
    usd: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True)
class TypeWeakness:
    """One question type in the weakness table. Rates are shares (0..1); the interval is Wilson's at 95 %.

    `shrunk` is the rate drawn towards all types', with its 95 % credible interval; `detectable` is the
    smallest change (0..1) that the questions of the type can show with a power of 80 %.
    """

    question_type: str
    n: int
    right: int
    wrong: int
    unparsed: int
    accuracy: float
    low: float
    high: float
    weight: float
    bad_cases: int
    shrunk: float = 0.0
    shrunk_low: float = 0.0
    shrunk_high: float = 1.0
    detectable: float = 1.0


@dataclass(frozen=True)
class Cluster:
    """A part of a question type (see `clusters`): `right` of `n` questions, rates as shares (0..1).

    `name` is its most telling frequent terms, `confusions` the most frequent (answer, reply, count) of its
    bad cases, `question_ids` those bad cases, the most typical first.
    """

    question_type: str
    name: str
    n: int
    right: int
    accuracy: float
    low: float
    high: float
    confusions: tuple[tuple[str, str, int], ...]
    question_ids: tuple[str, ...]


@dataclass(frozen=True)
class Attempt:
    """One training that the gate looked at (see `gate`): what it changed, and how the sealed score changed.

    `changed` are the settings that differ from the first attempt's, `examples` how many it was trained on.
    `difference`, its 95 % interval and `p` (two-sided) are of the share of right answers (-1..1) against the
    student before; None where the gate is off. `fell` are the question types that fell by more than chance.
    """

    name: str
    changed: dict[str, Any]
    examples: int
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    fell: tuple[str, ...]
    promoted: bool
    reason: str


@dataclass(frozen=True)
class Decided:
    """What the gate did at the end of an iteration (see `gate`).

    `level` is that of the tests for a type that fell, `rise_level` that of the one for the rise of all
    questions, in each attempt. `promoted` names the attempt that passed, "" for none. `standing` is the
    number of the iteration whose adapter the student wears from here on, None for the base without one;
    `digest` is that adapter's hash, "" for none.
    """

    mode: Literal["off", "no_fall", "rise"]
    level: float
    rise_level: float
    attempts: tuple[Attempt, ...]
    promoted: str
    standing: int | None
    digest: str


Record = TypeVar("Record")


def to_json(record: Any) -> dict[str, Any]:
    """The record as plain JSON values (tuples become lists)."""
    return dataclasses.asdict(record)


def from_json(kind: type[Record], value: Any) -> Record:
    """Build a record from JSON values; a `KitError` names the record and the field that does not fit."""
    return _build(kind, value, kind.__name__)


def _build(kind: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return _build_record(kind, value, where)
    if origin in (Union, types.UnionType):
        return _build_optional(kind, value, where)
    if origin is tuple:
        return _build_tuple(kind, value, where)
    if origin is Literal:
        return _expect(value in typing.get_args(kind), kind, value, where)
    if origin is dict or kind is Any:
        return value if kind is Any else _expect(isinstance(value, dict), kind, value, where)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return _expect(isinstance(value, kind) and not (kind is int and isinstance(value, bool)),
                   kind, value, where)


def _build_record(kind: Any, value: Any, where: str) -> Any:
    _expect(isinstance(value, dict), kind, value, where)
    hints = _hints(kind)
    unknown = sorted(set(value) - set(hints))
    required = {f.name for f in dataclasses.fields(kind)
                if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING}
    missing = sorted(required - set(value))
    if unknown or missing:
        raise KitError(f"{where}: missing fields {missing}, unknown fields {unknown}; "
                       f"a {kind.__name__} has {sorted(hints)}")
    return kind(**{name: _build(hints[name], item, f"{where}.{name}") for name, item in value.items()})


_HINTS: dict[type, dict[str, Any]] = {}


def _hints(kind: type) -> dict[str, Any]:
    if kind not in _HINTS:
        _HINTS[kind] = typing.get_type_hints(kind)
    return _HINTS[kind]


def _build_optional(kind: Any, value: Any, where: str) -> Any:
    inner = [arg for arg in typing.get_args(kind) if arg is not type(None)]
    return None if value is None else _build(inner[0], value, where)


def _build_tuple(kind: Any, value: Any, where: str) -> tuple[Any, ...]:
    args = typing.get_args(kind)
    _expect(isinstance(value, (list, tuple)), kind, value, where)
    if len(args) == 2 and args[1] is Ellipsis:
        return tuple(_build(args[0], item, f"{where}[{n}]") for n, item in enumerate(value))
    _expect(len(value) == len(args), kind, value, where)
    return tuple(_build(arg, item, f"{where}[{n}]")
                 for n, (arg, item) in enumerate(zip(args, value, strict=True)))


def _expect(fits: bool, kind: Any, value: Any, where: str) -> Any:
    if not fits:
        expected = getattr(kind, "__name__", str(kind)) if not typing.get_args(kind) else str(kind)
        raise KitError(f"{where}: expected {expected}, got {value!r:.80}")
    return value
