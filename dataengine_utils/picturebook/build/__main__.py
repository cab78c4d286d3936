"""`python -m dataengine_utils.picturebook.build`: make the small student again from nothing, in four stages.

Every stage resumes from its checkpoint in `--work`; the batches are drawn by step number, so a build that was
stopped gives the student that an undisturbed one would have given. About 75 minutes on two CPU cores.
"""

import argparse
import time
from pathlib import Path

import torch

from ...models import CHECKPOINTS
from .architecture import build_model, build_processor, build_tokenizer
from .card import write_card
from .stages import align_projector, settle_on_nf4, teach_answers, teach_tower


def main() -> None:
    """Run the stages that are not done yet, save the student, and write its card."""
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    work = Path(arguments.work)
    work.mkdir(parents=True, exist_ok=True)
    tokenizer = build_tokenizer()
    processor, model = build_processor(tokenizer), build_model(tokenizer, arguments.seed)
    started = time.monotonic()

    def log(line: str) -> None:
        with (work / "build.log").open("a", encoding="utf-8") as file:
            print(line, file=file)
        print(line, flush=True)

    teach_tower(model.model.vision_tower, work, steps=arguments.tower_steps, log=log)
    align_projector(model, tokenizer, work, steps=arguments.word_steps, log=log)
    teach_answers(model, processor, work, steps=arguments.answer_steps, peak=arguments.learning_rate, log=log)
    settle_on_nf4(
        model, processor, work, after=arguments.answer_steps, steps=arguments.settle_steps,
        peak=arguments.learning_rate / 5, log=log,
    )
    out = Path(arguments.out)
    model.save_pretrained(out)
    processor.save_pretrained(out)
    log(f"built in {time.monotonic() - started:.0f} s (this run)")
    write_card(out, vars(arguments), _last_lines(work / "build.log"))


def _last_lines(log: Path) -> list[str]:
    """The line of each stage's last step, from the whole build's log."""
    lines = log.read_text(encoding="utf-8").splitlines()
    ends = [line for line in lines if line.startswith("step ") and len(set(line.split()[1].split("/"))) == 1]
    return [*ends, *(line for line in lines if line.startswith("built in"))]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m dataengine_utils.picturebook.build", description=__doc__)
    parser.add_argument(
        "--out", default=str(CHECKPOINTS["picturebook"]), help="folder of the finished student"
    )
    parser.add_argument("--work", default="outputs/student_build", help="folder of checkpoints and the log")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--tower-steps", type=int, default=5600, help="stage 1: steps of 32 pictures")
    parser.add_argument("--word-steps", type=int, default=400, help="stage 2: steps of 32 pictures")
    parser.add_argument("--answer-steps", type=int, default=10500, help="stage 3: steps of 8 pictures")
    parser.add_argument("--settle-steps", type=int, default=300, help="stage 4: steps of 8 pictures")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="stage 3's peak (stage 4: a fifth)")
    parser.add_argument("--note", default="", help="a sentence for the card, on how this build differed")
    return parser.parse_args()


if __name__ == "__main__":
    main()
