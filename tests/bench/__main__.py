"""`python -m tests.bench`: what the kit costs against the plain way, as ratios measured in one run.

Nothing here passes or fails: the table says how far the kit is from the wanted ratios on the machine at hand.
"""

import argparse
import contextlib
import io
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dataengine_utils import models

# isort: split
import torch

from dataengine_utils.images import open_image
from dataengine_utils.instruction_data import Example
from dataengine_utils.loop import run_loop
from dataengine_utils.models.image_text import ImageTextStudent
from dataengine_utils.models.learning import AnswerLoss, Collator, encode_examples, plan_batches
from dataengine_utils.picturebook.questions import benchmark_questions, mixture_questions
from dataengine_utils.records import Question
from dataengine_utils.training import attach_lora, train
from tests.bench.sharing import bench_sharing
from tests.bench.timing import Line, best, seconds, table
from tests.bench.vqa import bench_vqa

RATES = {
    "learning_rate": 2e-3,
    "projector_learning_rate": 5e-4,
    "lora_r": 32,
    "lora_alpha": 64,
    "lora_dropout": 0.0,
}

NEXT_TO_NOTHING = {
    "benchmark_options": {"diagnose": 18, "sealed": 18},
    "budget": 9,
    "probe_queries": 4,
    "epochs": 1,
    "replay_samples": 0,
}


def bench_evaluation(name: str, questions: Sequence[Question], pictures: Callable[[str], Any]) -> Line:
    """`choose()` in batches of 64 against `generate` question by question, as common harnesses do."""
    ours = best(lambda: choose_time(name, "none", questions, pictures))
    student = models.load(name)
    plain = best(lambda: seconds(lambda: [generate_alone(student, q, pictures) for q in questions]), rounds=2)
    what = f"{len(questions)} questions: choose() against generate, batch 1"
    return Line(what, ours, plain, plain / ours, "at least 5")


def choose_time(
    name: str, quantise: str, questions: Sequence[Question], pictures: Callable[[str], Any]
) -> float:
    """Seconds of `choose()` by a freshly loaded student: no picture features are kept from before."""
    student = models.load(name, quantise=quantise)
    return seconds(lambda: student.choose(questions, pictures, batch_size=64))


@torch.inference_mode()
def generate_alone(student: ImageTextStudent, question: Question, pictures: Callable[[str], Any]) -> str:
    """One question by the processor and `generate`, with nothing shared or cached."""
    processor = student.encoder.processor
    content = [{"type": "image"}, {"type": "text", "text": question.question}]
    text = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    inputs = processor(images=pictures(question.image), text=text, return_tensors="pt").to(student.device)
    out = student.model.generate(**inputs, max_new_tokens=16, do_sample=False)
    return processor.tokenizer.decode(out[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)


def bench_training(
    name: str, examples: Sequence[Example], pictures: Callable[[str], Any], quantise: str
) -> Line:
    """`train()` (Trainer, collating, tower, optimiser, log) against forward and backward on ready tensors."""
    ours = best(lambda: train_time(name, examples, pictures, quantise), rounds=2)
    plain = best(lambda: bare_training(name, examples, pictures, quantise), rounds=2)
    what = f"{len(examples)} examples x 3, {quantise}: train() against bare forward/backward"
    return Line(what, ours, plain, ours / plain, "at most 1.3")


def train_time(
    name: str, examples: Sequence[Example], pictures: Callable[[str], Any], quantise: str
) -> float:
    """Processor seconds of `train()` from its first picture to its end: loading the student is left out."""
    started: list[float] = []

    def open_picture(reference: str) -> Any:
        started.append(time.process_time())
        return pictures(reference)

    with tempfile.TemporaryDirectory() as folder:
        train(
            name,
            examples,
            open_image=open_picture,
            out_dir=Path(folder) / "adapter",
            epochs=3,
            batch_size=32,
            quantise=quantise,
            **RATES,
        )
        return time.process_time() - started[0]


def bare_training(
    name: str, examples: Sequence[Example], pictures: Callable[[str], Any], quantise: str
) -> float:
    """Seconds for forward and backward alone over the batches that `train()` makes."""
    learner = models.load(name, quantise=quantise)
    attach_lora(learner, None, "all-linear", True, {"r": 32, "lora_alpha": 64, "lora_dropout": 0.0})
    plan = plan_batches(encode_examples(learner, examples), batch_size=32, epochs=3, seed=0)
    collate = Collator(learner, pictures)
    inputs = [collate([batch]) for batch in plan]
    loss_of = AnswerLoss(learner.model, learner.features.projector).train()

    def loop() -> None:
        for one in inputs:
            loss_of(**one)["loss"].backward()
            loss_of.zero_grad()

    return seconds(loop)


def bench_four_bits(
    name: str, questions: Sequence[Question], pictures: Callable[[str], Any]
) -> tuple[Line, float]:
    """NF4 against float32 evaluation: time, and the share of answers that differ."""
    four, full = (
        best(lambda quantise=quantise: choose_time(name, quantise, questions, pictures))
        for quantise in ("nf4", "none")
    )
    letters = [
        [choice.letter for choice in student.choose(questions, pictures, batch_size=64)]
        for student in (models.load(name), models.load(name, quantise="nf4"))
    ]
    differing = sum(a != b for a, b in zip(*letters, strict=True)) / len(questions)
    return Line(f"{len(questions)} questions: NF4 against float32", four, full, four / full, "-"), differing


def overhead() -> float:
    """Seconds an iteration takes when there is next to nothing to do in it: kernels, imports, papermill."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        run_loop(Path(folder) / "run", "picturebook", overrides=NEXT_TO_NOTHING, iterations=2)
    return (time.perf_counter() - start) / 2


def machine() -> str:
    """The processor's name, its cores, and torch's threads."""
    info = Path("/proc/cpuinfo")
    names = (
        [
            line.partition(":")[2].strip()
            for line in info.read_text().splitlines()
            if line.startswith("model name")
        ]
        if info.exists()
        else []
    )
    return (
        f"{names[0] if names else platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
        f"{torch.get_num_threads()} torch threads, torch {torch.__version__}"
    )


def bench_picturebook(options: argparse.Namespace) -> str:
    """Evaluation and training of the shipped student, as text."""
    questions = benchmark_questions("diagnose", options.questions)
    examples = [
        Example(q.image, q.question, (), q.answer, "short")
        for q in mixture_questions(options.examples, seed=0)
    ]
    references = sorted({item.image for item in (*questions, *examples)})
    drawn: dict[str, Any] = {}
    drawing = seconds(lambda: drawn.update((name, open_image(name)) for name in references))
    lines = [bench_evaluation(options.student, questions, drawn.__getitem__)]
    lines += [
        bench_training(options.student, examples, drawn.__getitem__, quantise) for quantise in ("none", "nf4")
    ]
    four_bits, differing = bench_four_bits(options.student, questions, drawn.__getitem__)
    return (
        f"Processor seconds over all threads, best of two or three\n\n{table([*lines, four_bits])}\n\n"
        f"Answers that differ in NF4: {differing:.1%} of {len(questions)} (wanted: at most 2 %)\n"
        f"picturebook: {len(references) / drawing:.0f} images/s drawn on one core (wanted: at least 300)"
    )


def by_itself(module: str, *arguments: str) -> Callable[[argparse.Namespace], str]:
    """A part that is a program of its own: what it prints, run in a process of its own."""

    def run(options: argparse.Namespace) -> str:
        command = [sys.executable, "-m", f"tests.bench.{module}", *arguments]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.rstrip()

    return run


PARTS: dict[str, Callable[[argparse.Namespace], str]] = {
    "picturebook": bench_picturebook,
    "sharing": lambda options: bench_sharing(),
    "vqa": lambda options: str(bench_vqa()),
    "memory": by_itself("memory"),
    "images": by_itself("images", "--scale", "0.02"),
    "similar": by_itself("similar"),
    "teacher": by_itself("teacher"),
    "verification": by_itself("verification"),
    "contamination": by_itself("contamination"),
    "panel": by_itself("panel"),
    "ipo": by_itself("ipo"),
    "weakness": by_itself("weakness"),
    "bad_cases": by_itself("bad_cases"),
    "overhead": lambda options: (
        f"an iteration with next to nothing to do: {overhead():.1f} s by the clock (wanted: at most 15)"
    ),
}
"""What is measured, by the name that `--only` takes; each gives its text."""


def main() -> None:
    """Run all comparisons, or those asked for, and print what they found."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=PARTS, help="only this part; may be repeated")
    parser.add_argument("--student", default="picturebook", help="a student's name or folder")
    parser.add_argument("--questions", type=int, default=180, help="benchmark questions to evaluate")
    parser.add_argument("--examples", type=int, default=240, help="training examples")
    options = parser.parse_args()
    print(f"Machine: {machine()}")
    for name in options.only or PARTS:
        print(f"\n{name}\n\n{PARTS[name](options)}", flush=True)


if __name__ == "__main__":
    main()
