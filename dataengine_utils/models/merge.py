"""Base + adapter as one ordinary checkpoint, with a check that its answers are those of the unmerged student.

python -m dataengine_utils.models.merge --student NAME_OR_DIR --adapter DIR --out DIR [--questions N]
"""

import argparse
import random
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from .. import models  # before torch: it sets what torch reads when imported

# isort: split
import torch
from transformers.utils import cached_file

from .. import benchmarks, files, images
from ..errors import KitError, unknown_name
from ..evaluation import evaluate
from ..records import Prediction, Question
from .checkpoint import (
    QUANTISATIONS,
    attach_adapter,
    family_of_checkpoint,
    quiet,
    read_config,
    read_model,
    read_processor,
)
from .export import free_name, new_folder

REPORT = "merge.json"
DTYPES = ("float16", "bfloat16", "float32")
MODES = ("text", "letter", "generate")
QUESTIONS = 300
WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".h5", ".msgpack", ".onnx", ".gguf")
WRITTEN_ANEW = ("config.json", "generation_config.json", "README.md", "conversion.json", REPORT)


@dataclass(frozen=True)
class Change:
    """A question that the two students answer differently."""

    question_id: str
    unmerged: str
    merged: str


@dataclass(frozen=True)
class Comparison:
    """How far the merged student's answers are the unmerged one's.

    `score_difference` is the largest difference of an option's log-likelihood (nats), 0 where none is ranked.
    """

    n: int
    changes: tuple[Change, ...]
    score_difference: float

    @property
    def share(self) -> float:
        """The share of questions with another answer."""
        return len(self.changes) / self.n


def merge(
    student: str,
    adapter: Path,
    out: Path,
    *,
    questions: Sequence[Question],
    open_image: models.OpenImage,
    mode: str = "text",
    quantise: str = "none",
    dtype: str | None = None,
    max_changed: float = 1.0,
    batch_size: int = 8,
) -> Comparison:
    """Write the student with its adapter merged to the folder `out`, and compare the answers of the two.

    The LoRA is added to full-precision weights (in float32, rounded once to `dtype`, by default the base's
    own); what was trained whole, the projector, takes its place. `quantise` is how the unmerged student is
    run for the comparison: what was evaluated in 4 bits is compared in 4 bits with the merged one in full
    precision. `out`/merge.json keeps every changed answer. Raises `KitError`, and writes nothing, for an
    adapter of another base, and when more than the share `max_changed` of the answers changes.
    """
    _check(student, out, questions, mode, quantise, dtype, max_changed)
    model = merged_model(student, adapter, dtype)
    n_bytes = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    with new_folder(out, n_bytes) as folder:
        with quiet():
            model.save_pretrained(str(folder), max_shard_size="5GB")
        _copy_processor(student, folder)
        del model
        ask = partial(_ask, questions=questions, open_image=open_image, mode=mode, batch_size=batch_size)
        before = ask(lambda: models.load(student, adapter=adapter, quantise=quantise))
        found = compare(before, ask(lambda: models.load(str(folder))))
        if found.share > max_changed:
            raise KitError(
                f"merging changes {len(found.changes)} of {found.n} answers ({found.share:.1%}), allowed are "
                f"{max_changed:.1%}; nothing was kept; try --dtype float32, or evaluate the adapter unmerged"
            )
        facts = {"student": student, "adapter": str(adapter), "mode": mode, "unmerged": quantise}
        files.write_whole(folder / REPORT, files.document({**facts, "share": found.share, **asdict(found)}))
    return found


def merged_model(student: str, adapter: Path, dtype: str | None = None) -> torch.nn.Module:
    """The student's model on the CPU with the adapter's LoRA in its weights and its projector in place."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    config = read_config(student)
    stored = str(config.dtype or "float32").removeprefix("torch.")
    kind = getattr(torch, dtype or stored)
    family = family_of_checkpoint(student, config)
    base = read_model(student, family, quantise="none", dtype=stored, device="cpu")
    tuned = attach_adapter(base, student, Path(adapter))
    try:
        with quiet():
            for layer in (module for module in tuned.modules() if isinstance(module, BaseTunerLayer)):
                _merge_layer(layer, kind)
            model = tuned.merge_and_unload(safe_merge=True)
    except (ValueError, RuntimeError) as error:
        raise KitError(
            f"adapter {adapter} cannot be merged into {student!r} ({' '.join(str(error).split())[:200]}); "
            "train it again, or evaluate it unmerged"
        ) from error
    return model.to(kind).eval()


def compare(before: Sequence[Prediction], after: Sequence[Prediction]) -> Comparison:
    """The questions whose reply differs, and the largest difference of a score."""
    pairs = list(zip(before, after, strict=True))
    changes = tuple(Change(a.question_id, a.reply, b.reply) for a, b in pairs if a.reply != b.reply)
    scores = [abs(x - y) for a, b in pairs for x, y in zip(a.scores or (), b.scores or (), strict=True)]
    return Comparison(len(pairs), changes, max(scores, default=0.0))


def describe(found: Comparison, out: Path) -> str:
    """The share of changed answers, and the first of them, for people."""
    lines = [f"{out}: {len(found.changes)} of {found.n} answers changed by merging ({found.share:.2%})"]
    if found.score_difference:
        lines.append(f"  largest difference of an option's log-likelihood: {found.score_difference:.2g} nats")
    lines += [f"  {one.question_id}: {one.unmerged!r} -> {one.merged!r}" for one in found.changes[:5]]
    return "\n".join([*lines, f"  load it: models.load({str(out)!r})"])


def _merge_layer(layer: Any, kind: torch.dtype) -> None:
    """One layer merged in float32 and rounded once, so that only one layer at a time takes twice its room."""
    weight = layer.get_base_layer().weight
    weight.data = weight.data.float()
    layer.merge(safe_merge=True)
    weight.data = weight.data.to(kind)
    if not torch.isfinite(weight).all():
        raise ValueError(f"a merged weight is beyond {kind}; choose bfloat16 or float32")


def _copy_processor(student: str, folder: Path) -> None:
    """The tokenizer's, processor's and template's files as they are: written anew, settings may get lost."""
    read_processor(student)  # fetches them, and tells what is wrong with them
    name = models.checkpoint_of(student)
    source = Path(name) if Path(name).is_dir() else Path(cached_file(name, "config.json")).parent
    for file in sorted(source.iterdir()):
        anew = file.name in WRITTEN_ANEW or file.name.endswith(".index.json") or file.suffix in WEIGHTS
        if file.is_file() and not anew and not file.name.startswith("."):
            shutil.copyfile(file, folder / file.name)


def _ask(
    load: Callable[[], models.Student],
    *,
    questions: Sequence[Question],
    open_image: models.OpenImage,
    mode: str,
    batch_size: int,
) -> list[Prediction]:
    """The answers of a student that is in memory for them only."""
    return evaluate(load(), questions, open_image, mode=mode, batch_size=batch_size)


def _check(
    student: str,
    out: Path,
    questions: Sequence[Question],
    mode: str,
    quantise: str,
    dtype: str | None,
    max_changed: float,
) -> None:
    for what, value, known in (
        ("answer mode", mode, MODES),
        ("quantisation", quantise, QUANTISATIONS),
        ("dtype", dtype or DTYPES[0], DTYPES),
    ):
        if value not in known:
            raise unknown_name(what, value, known)
    if ":" in student and not Path(student).exists():
        raise KitError(f"student {student!r} is a class; merging needs a checkpoint: a folder, or a hub name")
    if not questions:
        raise KitError("no questions to compare the answers on; give --questions N above 0")
    if not 0 <= max_changed <= 1:
        raise KitError(f"--max-changed is {max_changed!r}: expected a share between 0 and 1, such as 0.01")
    free_name(out)


def choose_questions(
    benchmark: str, options: dict[str, str], n: int
) -> tuple[list[Question], models.OpenImage]:
    """`n` questions of a benchmark, and how their images are opened; the start of one seeded shuffle."""
    made = benchmarks.load(benchmark, **options)
    questions = list(made.questions("all"))
    random.Random("merge").shuffle(questions)
    return questions[: min(n, len(questions))], partial(images.open_image, root=made.root)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line: merge, and print the share of changed answers."""
    given = _parser().parse_args(arguments)
    options = {name: value for name in ("path", "images") if (value := getattr(given, name))}
    try:
        questions, open_image = choose_questions(given.benchmark, options, max(given.questions, 0))
        found = merge(
            given.student,
            given.adapter,
            given.out,
            questions=questions,
            open_image=open_image,
            mode=given.mode,
            quantise=given.quantise,
            dtype=given.dtype,
            max_changed=given.max_changed,
            batch_size=given.batch_size,
        )
    except KitError as error:
        sys.exit(f"error: {error}")
    print(describe(found, given.out))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dataengine_utils.models.merge",
        description="Export base + adapter as one checkpoint, and compare the answers of the two.",
    )
    add = parser.add_argument
    add("--student", required=True, help="the adapter's base: a student's name, a folder or a hub name")
    add("--adapter", type=Path, required=True, metavar="DIR", help="the trained adapter")
    add("--out", type=Path, required=True, metavar="DIR", help="the new folder")
    add("--questions", type=int, default=QUESTIONS, metavar="N", help="default: %(default)s")
    add("--benchmark", default="picturebook", help=f"{', '.join(benchmarks.BENCHMARKS)}")
    add("--path", metavar="P", help="the benchmark's file or folder")
    add("--images", metavar="DIR", help="the benchmark's images, where they lie elsewhere")
    add("--mode", choices=MODES, default=MODES[0], help="how questions with options are answered")
    add("--quantise", choices=QUANTISATIONS, default="none", help="how the unmerged student is run")
    add("--dtype", choices=DTYPES, help="of the exported weights; default: the base's own")
    add("--max-changed", type=float, default=1.0, metavar="SHARE", help="write nothing above this share")
    add("--batch-size", type=int, default=8, metavar="N", help="questions at once; default: %(default)s")
    return parser


if __name__ == "__main__":
    main()
