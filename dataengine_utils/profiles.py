"""The settings of an experiment: one frozen dataclass whose defaults are the paper's LLaVA-1.5 run.

Every other profile is written as its difference from that, so a reader sees exactly what is small. A profile
is a name of `PROFILES`, or the path of a YAML file with `base:` and the fields it changes.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import yaml

from . import PROJECT
from .errors import KitError, unknown_name
from .records import from_json, to_json


@dataclass(frozen=True)
class Profile:
    """One experiment. The defaults are the paper's: LLaVA-1.5-7B, SEED-Bench, GPT-4 and Visual Genome."""

    name: str = "llava15"
    # who learns, who asks, who teaches; a class of your own is "package.module:Class"
    student: str = "llava-hf/llava-1.5-7b-hf"
    benchmark: str = "seed_bench"
    benchmark_options: dict[str, Any] = field(default_factory=lambda: {"path": "data/seed_bench"})
    image_source: str = "visual_genome"
    image_options: dict[str, Any] = field(default_factory=lambda: {"path": "data/visual_genome"})
    teacher: str = "openai"
    teacher_options: dict[str, Any] = field(default_factory=lambda: {"model": "gpt-4-1106-preview"})
    budget_usd: float = 2000.0  # what the run's teacher may cost in all; it stops before that is passed
    judge: str = ""  # a second teacher for what the annotations leave undecided; "" for none
    judge_options: dict[str, Any] = field(default_factory=dict)
    judge_budget_usd: float = 100.0
    # what no sample may meet besides the sealed questions: other benchmarks and their options, by name
    keep_out: dict[str, Any] = field(default_factory=dict)
    # the loop
    seed: int = 0
    iterations: int = 3
    budget: int = 80_000  # queries per iteration, one sample each where the reply passes the checks
    # choosing what to ask for
    strategy: str = "paper"  # type weights: a name of allocation.STRATEGIES
    image_choice: str = "random"  # which images are tried first: a name of image_choice.IMAGE_CHOICES
    image_choice_options: dict[str, Any] = field(default_factory=dict)
    in_context: int = 10  # bad cases shown to the teacher with each query
    similarity: str = "tfidf"  # how alike two bad cases are: a name of similarity.SIMILARITIES
    similarity_threshold: float = 0.9  # bad cases more alike than this are one
    # the filter by difficulty: kept is what the student gets right in a share of its tries, low to high
    difficulty_asks: int = 0  # times the student is asked each generated question; 0: no filter by difficulty
    difficulty_low: float = 0.25
    difficulty_high: float = 0.75
    over_generate: float = 3.0  # queries drawn for each sample wanted, where difficulty filters
    # the generation prompt
    prompt_policy: str = "keep"  # who improves it when nobody clicks: keep, rules, critic or replay:FILE
    probe_queries: int = 60  # queries that each template is tried on
    prompt_rounds: int = 5  # most rounds of a policy in an iteration
    prompt_requests: int = 2000  # most requests to the teacher of a policy in an iteration
    prompt_usd: float = 25.0  # what improving the prompt may cost in an iteration, by people too
    prompt_test: int = 100  # fresh queries on which the templates are compared in the end; 0 for none
    prompt_opponents: tuple[str, ...] = ("none",)  # in that comparison: none (no optimisation), gepa
    # training
    forms: tuple[str, ...] = ("direct", "choice")  # how a sample becomes training turns
    quantise: Literal["nf4", "none"] = "nf4"
    lora_r: int = 128
    lora_alpha: int = 256
    lora_dropout: float = 0.05
    lora_targets: str = "all-linear"  # the language model's linear layers
    train_projector: bool = True
    learning_rate: float = 1e-4
    projector_learning_rate: float = 2e-5
    warmup_ratio: float = 0.03
    weight_decay: float = 0.0
    epochs: float = 1.0
    train_batch_size: int = 16
    gradient_accumulation: int = 1
    gradient_checkpointing: bool = True  # recompute activations in the backward pass: less memory, slower
    num_processes: int = 1  # of training and evaluation, one a GPU
    shard: bool = False  # divide the base between the training processes (FSDP), not a copy in each
    dataloader_workers: int = 4  # processes that open pictures ahead, for each training process
    feature_cache_gib: float = 0.0  # disk for frozen vision features in the run's folder; 0 for none
    checkpoint_minutes: float = 10.0  # between checkpoints that a killed training goes on from; 0 for none
    report_to: str = "none"  # trackers of the training: tensorboard, wandb, mlflow, trackio, or several
    start_from: Literal["base", "last"] = "base"  # the base on all rounds' data (paper), or the last adapter
    replay: str = "data/llava_v1_5_mix665k.json"  # original instruction data mixed in
    replay_samples: int = 665_000  # 0 for none
    train_on: Literal["all", "this"] = "all"  # samples of all rounds so far, or only of this one
    # the gate: whether the trained student takes the place of the one before (see `gate`)
    gate: Literal["off", "no_fall", "rise"] = "rise"
    gate_level: float = 0.05  # of its tests
    fallbacks: tuple[str, ...] = ("more_replay", "lower_rate", "without_type")  # tried in this order
    fallback_budget: int = 0  # most trainings more in an iteration
    # evaluation
    answer_mode: Literal["letter", "text", "generate"] = "generate"
    eval_batch_size: int = 16
    max_new_tokens: int = 64

    def __post_init__(self) -> None:
        _check_band(self.difficulty_asks, self.difficulty_low, self.difficulty_high)


PROFILES: dict[str, dict[str, Any]] = {
    "llava15": {},
    # The paper's MiniGPT4-v2 run. `student` is the folder that `python -m dataengine_utils.models.minigpt4
    # convert` writes.
    "minigpt4_v2": {
        "student": "data/minigpt4_v2", "forms": ("direct", "choice", "shuffled"), "quantise": "none",
        "lora_r": 16, "lora_alpha": 64, "learning_rate": 1e-5, "projector_learning_rate": 1e-5,
        "train_batch_size": 6,
    },
    "picturebook": {
        "student": "picturebook",
        "benchmark": "picturebook", "benchmark_options": {"diagnose": 900, "sealed": 1800},
        "image_source": "picturebook", "image_options": {},
        "teacher": "rules", "teacher_options": {},
        "iterations": 2, "budget": 2500, "in_context": 2, "prompt_policy": "rules", "probe_queries": 36,
        "forms": ("short",), "lora_r": 32, "lora_alpha": 64, "lora_dropout": 0.0,
        "learning_rate": 1.5e-3, "projector_learning_rate": 1e-3, "epochs": 3.0, "train_batch_size": 32,
        "gradient_checkpointing": False, "dataloader_workers": 0,
        "replay": "picturebook", "replay_samples": 10_000, "fallback_budget": 2,
        "answer_mode": "text", "eval_batch_size": 64,
    },
}

FIELDS: dict[str, Any] = {key: kind for key, kind in get_type_hints(Profile).items() if key != "name"}
MAY_CHANGE = ("budget_usd", "judge_budget_usd", "report_to")
"""The fields of a run that may be changed once it began: they change no result."""
_AT_LEAST = {
    "iterations": 1, "budget": 1, "in_context": 0, "similarity_threshold": 0, "probe_queries": 1, "lora_r": 1,
    "prompt_rounds": 1, "prompt_requests": 0, "prompt_usd": 0, "prompt_test": 0,
    "lora_alpha": 1, "lora_dropout": 0, "learning_rate": 0, "projector_learning_rate": 0, "warmup_ratio": 0,
    "weight_decay": 0, "train_batch_size": 1, "gradient_accumulation": 1, "replay_samples": 0,
    "eval_batch_size": 1, "max_new_tokens": 1, "seed": 0, "num_processes": 1, "dataloader_workers": 0,
    "feature_cache_gib": 0, "checkpoint_minutes": 0, "budget_usd": 0, "judge_budget_usd": 0,
    "gate_level": 0, "fallback_budget": 0, "difficulty_asks": 0, "difficulty_low": 0, "difficulty_high": 0,
    "over_generate": 1,
}
_ABOVE_ZERO = {"epochs", "gate_level"}
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_AT_MOST = {"similarity_threshold": 1, "lora_dropout": 1, "warmup_ratio": 1, "gate_level": 0.5,
            "difficulty_low": 1, "difficulty_high": 1}
# The field that names a class -> the field with that class's options: another class has other options.
_OPTIONS_OF = {
    "benchmark": "benchmark_options", "image_source": "image_options", "teacher": "teacher_options",
    "judge": "judge_options", "image_choice": "image_choice_options",
}
# The options that are paths; "hub:..." in their place is none.
_PATHS = ("path", "images", "types", "index", "ledger", "prices")
_SHOW = "see: python -m dataengine_utils.loop show picturebook"


def load_profile(name: str | Path, overrides: Mapping[str, Any] | None = None) -> Profile:
    """The profile called `name` (or in the YAML file at that path) with `overrides` laid over it.

    Values that are text are read by their field's type ("2" for an int, "direct,choice" for a tuple, JSON for
    options); "benchmark_options.sealed" sets one option. Relative paths count from the project's folder for
    built-in profiles, from the file's folder for a YAML profile, and from the working folder for overrides.
    An unknown profile, field or a value that does not fit raises `KitError`.
    """
    own_name, layers = _layers(str(name))
    values = to_json(Profile())
    for _, fields, folder in [*layers, ("override", overrides or {}, Path.cwd())]:
        values = _lay_over(values, fields, folder)
    return from_json(Profile, {**values, "name": own_name})


def override(profile: Profile, **values: Any) -> Profile:
    """The profile with `values` laid over it; a value of None means "from the profile"."""
    given = {key: value for key, value in values.items() if value is not None}
    return from_json(Profile, {**_lay_over(to_json(profile), given, Path.cwd()), "name": profile.name})


def origins(name: str | Path, overrides: Mapping[str, Any] | None = None) -> list[tuple[str, Any, str]]:
    """Every field as (field, value, where the value comes from): a profile's name, a file, or "override"."""
    profile, values = load_profile(name, overrides), to_json(Profile())
    source = dict.fromkeys(FIELDS, "llava15")
    for origin, fields, folder in [*_layers(str(name))[1], ("override", overrides or {}, Path.cwd())]:
        source.update({key.partition(".")[0]: origin for key in [*_dropped(values, fields), *fields]})
        values = _lay_over(values, fields, folder)
    return [(key, getattr(profile, key), source[key]) for key in FIELDS]


def differences(one: Profile, other: Profile) -> list[str]:
    """The fields in which two profiles differ, as "field: value / other value"."""
    pairs = [(key, getattr(one, key), getattr(other, key)) for key in ["name", *FIELDS]]
    return [f"{key}: {left!r} / {right!r}" for key, left, right in pairs if left != right]


def parse_overrides(texts: list[str]) -> dict[str, str]:
    """Command-line settings such as "epochs=2" as a mapping; without "=" raises `KitError`."""
    for text in texts:
        if "=" not in text:
            raise KitError(f"--set {text!r}: write FIELD=VALUE, as in --set epochs=2; {_SHOW}")
    return {key.strip(): value.strip() for key, _, value in (text.partition("=") for text in texts)}


def _layers(name: str) -> tuple[str, list[tuple[str, Mapping[str, Any], Path]]]:
    """The profile's own name, and what is laid over the defaults: (origin, fields, folder of paths)."""
    if name in PROFILES:
        return name, [("llava15", _path_fields(to_json(Profile())), PROJECT), (name, PROFILES[name], PROJECT)]
    path = Path(name).expanduser()
    if path.suffix not in (".yaml", ".yml"):
        raise unknown_name("profile", name, sorted(PROFILES), "Your own is a YAML file (profile.yaml)")
    fields = _read_yaml(path)
    base = fields.pop("base", "llava15")
    if base not in PROFILES:
        raise unknown_name(f"base in {path}", base, sorted(PROFILES))
    return path.stem, [*_layers(base)[1], (path.name, fields, path.resolve().parent)]


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise KitError(f"profile {str(path)!r} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(fields, dict) or not all(isinstance(key, str) for key in fields):
        raise KitError(f"profile {str(path)!r}: expected lines of FIELD: VALUE; {_SHOW}")
    return fields


def _path_fields(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items()
            if key in ("student", "replay") or key.endswith("_options")}


def _lay_over(values: dict[str, Any], fields: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    values = {**values, **_dropped(values, fields)}
    for key, value in fields.items():
        target, _, option = key.partition(".")
        if target not in FIELDS or (option and get_origin(FIELDS[target]) is not dict):
            raise unknown_name("profile field", key, list(FIELDS), _SHOW)
        if option:
            value = {**values[target], option: _option_value(value)}
        values[target] = _resolve_paths(target, _convert(target, value), folder)
    return values


def _dropped(values: dict[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the layer below that end here, emptied: `fields` names another class than theirs."""
    return {options: {} for name, options in _OPTIONS_OF.items()
            if name in fields and fields[name] != values[name]}


def _convert(field: str, value: Any) -> Any:
    """The value in its field's type, read from text where it is text; `KitError` with what was expected."""
    kind = FIELDS[field]
    if isinstance(value, str) and kind is not str and get_origin(kind) is not Literal:
        value = _from_text(kind, value)
    if value is False and "off" in get_args(kind):
        value = "off"  # YAML reads a bare off as false
    if isinstance(value, list) and get_origin(kind) is tuple:
        value = tuple(value)
    if not _fits(kind, value):
        raise KitError(f"profile field {field}: expected {_expected(kind)}, got {value!r}; {_SHOW}")
    low, high = _AT_LEAST.get(field), _AT_MOST.get(field)
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        limits = f"at least {low}" + (f" and at most {high}" if high is not None else "")
        raise KitError(f"profile field {field}: expected {limits}, got {value!r}; {_SHOW}")
    if field in _ABOVE_ZERO and not value > 0:
        raise KitError(f"profile field {field}: expected a number above 0, got {value!r}; {_SHOW}")
    return float(value) if kind is float else value


def _check_band(asks: int, low: float, high: float) -> None:
    """Raise `KitError` where the filter by difficulty could keep nothing, whatever the student replies."""
    if low > high:
        raise KitError(f"profile field difficulty_low: expected at most difficulty_high, {high:g}, got "
                       f"{low:g}; {_SHOW}")
    if asks > 0 and not any(low <= right / asks <= high for right in range(asks + 1)):
        raise KitError(f"profile field difficulty_asks: with {asks} tries no share right lies from "
                       f"difficulty_low {low:g} to difficulty_high {high:g}; ask more often, or widen the "
                       f"band; {_SHOW}")


def _option_value(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _from_text(kind: Any, text: str) -> Any:
    if kind is bool:
        return _TRUTH.get(text.lower(), text)
    if get_origin(kind) is tuple:
        return tuple(part.strip() for part in text.strip("[]()").split(",") if part.strip())
    try:
        return json.loads(text) if get_origin(kind) is dict else kind(text.replace("_", ""))
    except ValueError:
        return text


def _fits(kind: Any, value: Any) -> bool:
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if get_origin(kind) is tuple:
        return isinstance(value, tuple) and bool(value) and all(isinstance(part, str) for part in value)
    if kind in (int, float):
        number = isinstance(value, (int, float) if kind is float else int) and not isinstance(value, bool)
        return number and math.isfinite(value)
    return isinstance(value, get_origin(kind) or kind)


def _expected(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(repr(choice) for choice in get_args(kind))
    words = {tuple: "a list of names", dict: "options as NAME: VALUE"}
    return words.get(get_origin(kind)) or kind.__name__


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and value != "" and not value.startswith("hub:")


def _resolve_paths(field: str, value: Any, folder: Path) -> Any:
    """Make the paths in a value absolute: notebooks, loop and tests do not share a working folder."""
    if field.endswith("_options"):
        return _resolve_options(value, folder)
    if field == "keep_out":
        return {name: _resolve_options(options, folder) for name, options in value.items()}
    if field == "replay" and Path(value).suffix:
        return str(folder / Path(value).expanduser())
    if field == "prompt_policy" and value.startswith("replay:"):
        return f"replay:{folder / Path(value.removeprefix('replay:')).expanduser()}"
    if field == "student" and "/" in value and (folder / Path(value).expanduser()).exists():
        return str((folder / Path(value).expanduser()).resolve())
    return value


def _resolve_options(options: dict[str, Any], folder: Path) -> dict[str, Any]:
    paths = {key: item for key, item in options.items() if key in _PATHS and _is_path(item)}
    return {**options, **{key: str(folder / Path(item).expanduser()) for key, item in paths.items()}}
