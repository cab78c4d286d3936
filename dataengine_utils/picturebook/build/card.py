"""The student's card: what it is, its training data and time, and its scores per type with intervals."""

from pathlib import Path
from typing import Any

from ... import models
from ...benchmarks.scoring import score
from ...evaluation import evaluate
from ...images import open_image
from ..questions import SKEWED_MIXTURE, benchmark_questions

N_QUESTIONS = 2700


def write_card(folder: Path, settings: dict[str, Any], log_lines: list[str]) -> Path:
    """Evaluate the saved student on questions of the "card" seeds and write README.md beside its weights."""
    questions = benchmark_questions("card", N_QUESTIONS)
    student = models.load(str(folder))
    predictions = evaluate(student, questions, open_image, mode="text", batch_size=64)
    metrics = score(questions, predictions)
    card = folder / "README.md"
    card.write_text(_card(metrics, settings, log_lines, folder), encoding="utf-8")
    return card


def _card(metrics: dict[str, Any], settings: dict[str, Any], log_lines: list[str], folder: Path) -> str:
    rows = [("all", metrics["overall"]), *metrics["types"].items()]
    scores = "\n".join(
        f"| {name} | {_seen(name)} | {row['n']} | {row['accuracy']:.1%} "
        f"| {row['low']:.1%} to {row['high']:.1%} |"
        for name, row in rows
    )
    weights = (folder / "model.safetensors").stat().st_size / 1e6
    steps = "\n".join(f"    {line}" for line in log_lines)
    note = f"\n{settings['note']}\n" if settings.get("note") else ""
    return f"""# picturebook student

A small LLaVA (`LlavaForConditionalGeneration`): CLIP tower of 4 layers x 128 on 112 x 112 pixels (49 picture
tokens), Llama of 5 layers x 128, two-layer projector, a byte-level BPE of its own; {weights:.1f} MB of fp32
weights. It was trained from scratch on the picturebook world alone and knows nothing else: it exists so that
the whole loop runs, and really improves a model, on a laptop. Licence: Apache-2.0.

## Data and recipe

Four stages; the pictures of seeds 0 to 9,999,999 only, each drawn once per stage.

1. The tower learns dense labels per patch ({settings["tower_steps"]:,} steps of 32 pictures): a stand-in for
   CLIP.
2. The projector is aligned to the word embeddings ({settings["word_steps"]:,} steps of 32 pictures).
3. The language model and the projector learn direct answers ({settings["answer_steps"]:,} steps of 8 pictures
   with 12 questions each); the tower is frozen. The mixture is general but **skewed**, as a real base model's
   is: the share of each question type is in the table. Interaction, reasoning and text are nearly left out,
   which is what the loop finds.
4. The language model's linear layers are rounded to the NF4 grid and the rest gets used to it
   ({settings["settle_steps"]:,} steps of 8 pictures), so that loading in 4 bits changes no answer.

`python -m dataengine_utils.picturebook.build` makes a student by this recipe. The last log line of each
stage:

{steps}
{note}
## Scores

{metrics["overall"]["n"]:,} questions of the nine types in turn on pictures of seeds that are used for nothing
else, four options ranked by the likelihood of their whole text (chance: 25 %), fp32; 95 % Wilson intervals.

| question type | share of the training mixture | questions | accuracy | interval |
|---|---|---|---|---|
{scores}
"""


def _seen(question_type: str) -> str:
    return f"{SKEWED_MIXTURE[question_type]:.2%}" if question_type in SKEWED_MIXTURE else ""
