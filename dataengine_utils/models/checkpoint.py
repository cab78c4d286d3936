"""Reading checkpoints and adapters: whole, quiet, and with one clear error when something is wrong."""

import contextlib
import copy
import dataclasses
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForImageTextToText
from transformers.utils import logging as transformers_logging

from ..errors import KitError, unknown_name
from ..registry import resolve
from . import CHECKPOINTS, STUDENTS, checkpoint_of, model_type
from .marks import fingerprint
from .processors import image_processor_and_tokenizer
from .wording import Family, family_of

QUANTISATIONS = ("none", "nf4")
BASE_FILE = "base.json"
"""Beside every adapter: the student it was trained on, so that another base is refused."""

_UNREADABLE = (OSError, ValueError, RuntimeError, KeyError, TypeError, ImportError)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Reading and training without progress bars and notices; real problems still raise."""
    level, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()


def hub_model_type(name: str) -> str:
    """The `model_type` of a checkpoint on the Hugging Face hub."""
    return _read(name, "config", lambda: AutoConfig.from_pretrained(name)).model_type


def read_processor(name: str) -> Any:
    """A student's image processor (by PIL, torchvision is not needed), tokenizer and chat template."""
    config = read_config(name)
    processor = _read(name, "processor", lambda: image_processor_and_tokenizer(checkpoint_of(name), config))
    if not getattr(processor, "chat_template", None):
        raise KitError(
            f"student {name!r} has no chat template; save one with its processor (chat_template.jinja)"
        )
    processor.tokenizer.padding_side = "left"
    return processor


def read_config(name: str) -> Any:
    """The model's config."""
    kind = model_type(name)
    if kind in STUDENTS:
        resolve("kind of student", STUDENTS, kind)  # its module makes transformers know the kit's own models
    return _read(name, "config", lambda: AutoConfig.from_pretrained(checkpoint_of(name)))


def family_of_checkpoint(name: str, config: Any) -> Family:
    """How a student is asked: by its name if it ships with the kit, `kit_family` in its config, or type."""
    return family_of(
        name if name in CHECKPOINTS else getattr(config, "kit_family", None) or config.model_type
    )


def read_model(
    name: str, family: Family, *, quantise: str, dtype: str | None, device: str | None
) -> torch.nn.Module:
    """The model in evaluation mode on its device, with the language model's linear layers in NF4 if asked."""
    if quantise not in QUANTISATIONS:
        raise unknown_name("quantisation", quantise, QUANTISATIONS)
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    kind = getattr(torch, dtype or ("float32" if place == "cpu" else "bfloat16"))
    options = {
        "dtype": kind,
        "device_map": {"": place},
        "attn_implementation": "sdpa",
        "output_loading_info": True,
    }
    if quantise == "nf4":
        options["quantization_config"] = _nf4(name, family, kind)
    model, report = _read(
        name, "weights", lambda: AutoModelForImageTextToText.from_pretrained(checkpoint_of(name), **options)
    )
    problems = {
        kind: sorted(map(str, report.get(kind) or ()))[:3]
        for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")
        if report.get(kind)
    }
    if problems:
        raise KitError(
            f"student {name!r}: the weights do not fit the config: {problems}; "
            "the checkpoint is damaged or of another model, save or download it again"
        )
    _keep_full_precision_on_cpu(model)
    return model.eval()


def attach_adapter(model: torch.nn.Module, name: str, adapter: Path, *, trainable: bool = False) -> Any:
    """The peft model over `model` with the adapter's weights, unmerged.

    Raises `KitError`, and leaves `model` as it is, for an adapter of another base: one that was trained on
    another student, or whose weights are not exactly those that its settings ask of this one.
    """
    from peft import PeftModel

    folder = Path(adapter)
    if not (folder / "adapter_config.json").is_file():
        raise KitError(
            f"no adapter in {folder} (adapter_config.json is missing); run notebook 06_train first"
        )
    _check_base(name, folder)
    _check_weights(model.config, name, folder)
    with quiet():
        try:
            return PeftModel.from_pretrained(model, str(folder), is_trainable=trainable)
        except _unreadable() as error:
            raise KitError(
                f"adapter {folder} cannot be put on student {name!r}: {_first_line(error)}; "
                "train it again with notebook 06_train"
            ) from error


def save_adapter(adapter: Any, name: str, folder: Path, weights: dict[str, Any] | None = None) -> None:
    """Save a peft model's adapter whole (with the trained projector), and the mark of its base beside it.

    `weights`, by peft's names in files, are given where the model itself holds only a part of them.
    """
    with quiet():
        if weights is None:
            adapter.save_pretrained(str(folder), save_embedding_layers=False)
        else:
            _save_weights(adapter, folder, weights)
    (folder / "README.md").unlink(missing_ok=True)  # peft's empty model card
    text = json.dumps({"student": name, "fingerprint": fingerprint(name)}, indent=2) + "\n"
    (folder / BASE_FILE).write_text(text, encoding="utf-8")


def _save_weights(adapter: Any, folder: Path, weights: dict[str, Any]) -> None:
    """What peft's `save_pretrained` writes."""
    from peft.utils import SAFETENSORS_WEIGHTS_NAME
    from safetensors.torch import save_file

    folder.mkdir(exist_ok=True)
    save_file(weights, folder / SAFETENSORS_WEIGHTS_NAME, metadata={"format": "pt"})
    dataclasses.replace(adapter.peft_config["default"], inference_mode=True).save_pretrained(str(folder))


def _check_base(name: str, folder: Path) -> None:
    """Refuse an adapter of another base; one without our mark is told by its weights alone."""
    mark = folder / BASE_FILE
    if not mark.is_file():
        return
    try:
        base = json.loads(mark.read_text(encoding="utf-8"))
        trained_on, expected = base["student"], base["fingerprint"]
    except (ValueError, KeyError, TypeError) as error:
        raise KitError(
            f"adapter {folder}: {BASE_FILE} is damaged ({error}); train it again with notebook 06_train"
        ) from error
    differs = expected != fingerprint(name) if expected else trained_on != name
    if differs:
        raise KitError(
            f"adapter {folder} was trained on another base ({trained_on!r}, {expected or 'no mark'}) than "
            f"student {name!r} ({fingerprint(name) or 'no mark'}); train it again with notebook 06_train"
        )


def _check_weights(config: Any, name: str, folder: Path) -> None:
    """Refuse an adapter whose weights are not those, in name and shape, that its settings ask of a model."""
    from peft import PeftConfig
    from peft.utils import load_peft_weights

    with quiet():
        try:
            settings = PeftConfig.from_pretrained(str(folder))
            trained_on = settings.base_model_name_or_path or "not named"
            found = {key: tuple(value.shape) for key, value in load_peft_weights(str(folder), "cpu").items()}
            wanted = _adapter_shapes(config, settings)
        except _unreadable() as error:
            raise KitError(
                f"adapter {folder} cannot be put on student {name!r}: {_first_line(error)}; "
                "train it again with notebook 06_train"
            ) from error
    problems = {
        "missing": [key for key in wanted if key not in found],
        "unexpected": [key for key in found if key not in wanted],
        "of another shape": [
            f"{key} {shape} instead of {wanted[key]}"
            for key, shape in found.items()
            if shape != wanted.get(key, shape)
        ],
    }
    told = [f"{len(keys)} {what} ({', '.join(keys[:2])})" for what, keys in problems.items() if keys]
    if told:
        raise KitError(
            f"adapter {folder} was trained on another base ({trained_on!r}) than student {name!r}, or is "
            f"damaged: of its {len(found)} weights, {'; '.join(told)}. Name its own base, or train it again "
            "with notebook 06_train"
        )


def _adapter_shapes(config: Any, settings: Any) -> dict[str, tuple[int, ...]]:
    """The weights of an adapter by peft's names in files, found out on a model without memory."""
    from peft import get_peft_model
    from peft.utils import get_peft_model_state_dict

    settings.init_lora_weights = False  # there is nothing to initialise
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(copy.deepcopy(config))
        weights = get_peft_model_state_dict(get_peft_model(model, settings), save_embedding_layers=False)
    return {key: tuple(value.shape) for key, value in weights.items()}


def _nf4(name: str, family: Family, kind: torch.dtype) -> Any:
    """NF4 with double quantisation for the language model's linear layers; everything else stays as it is."""
    from transformers import BitsAndBytesConfig

    config = read_config(name)
    with torch.device("meta"), quiet():
        skeleton = AutoModelForImageTextToText.from_config(config)
    skip = [
        path
        for path, module in skeleton.named_modules()
        if isinstance(module, torch.nn.Linear) and not path.startswith(f"{family.structure.language_model}.")
    ]
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=kind,
        bnb_4bit_quant_storage=kind,  # of the type of all else, so that FSDP can divide it
        llm_int8_skip_modules=skip,
    )


def _keep_full_precision_on_cpu(model: torch.nn.Module) -> None:
    """Keep bitsandbytes on CPUs from computing in bfloat16 when it is not training.

    Where a CPU has AVX512-BF16, `Linear4bit` repacks its weights at the first evaluation and rounds
    activations and scales: evaluation would then differ from training, from other machines, and between batch
    sizes.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def _read(name: str, what: str, read: Any) -> Any:
    with quiet():
        try:
            return read()
        except _unreadable() as error:
            raise KitError(
                f"student {name!r}: its {what} cannot be read ({_first_line(error)}); check the name, or "
                "save or download the checkpoint again"
            ) from error


def _unreadable() -> tuple[type[Exception], ...]:
    """What transformers, peft and safetensors raise for a damaged, missing or foreign file."""
    from safetensors import SafetensorError

    return (*_UNREADABLE, SafetensorError)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')[:200]}"
