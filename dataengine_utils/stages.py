"""The loop as a table: which notebook reads which artifacts and writes which, in what order."""

from dataclasses import dataclass
from typing import Literal

from .artifacts import ARTIFACTS, Iteration, Run


@dataclass(frozen=True)
class Input:
    """An artifact that a stage reads: of this iteration, the previous one, all earlier, or all so far."""

    artifact: str
    of: Literal["this", "previous", "earlier", "so far"] = "this"

    def numbers(self, number: int) -> list[int]:
        """The iterations whose artifact is read in iteration `number`."""
        first, end = {"this": (number, number + 1), "previous": (max(number - 1, 0), number),
                      "earlier": (0, number), "so far": (0, number + 1)}[self.of]
        return list(range(first, end))


@dataclass(frozen=True)
class Stage:
    """One notebook of the loop; what it writes stands in `artifacts.ARTIFACTS`."""

    name: str
    inputs: tuple[Input, ...]

    @property
    def notebook(self) -> str:
        return f"{self.name}.ipynb"

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(name for name, artifact in ARTIFACTS.items() if artifact.writer == self.name)


STAGES: tuple[Stage, ...] = (
    Stage("01_evaluate", (Input("adapter", "previous"), Input("gate", "previous"),
                          Input("predictions_candidate", "previous"),
                          Input("predictions_diagnose", "previous"),
                          Input("predictions_sealed", "previous"))),
    Stage("02_weakness", (Input("predictions_diagnose", "so far"), Input("samples", "earlier"))),
    Stage("03_sampling", (Input("weakness"), Input("bad_cases"), Input("queries", "earlier"))),
    Stage("04_prompt_optimization", (Input("queries"), Input("weakness"), Input("template", "previous"),
                                     Input("templates", "previous"))),
    Stage("05_generate", (Input("queries"), Input("template"), Input("samples", "earlier"),
                          Input("weakness"), Input("adapter", "previous"), Input("gate", "previous"))),
    Stage("06_train", (Input("samples", "so far"), Input("predictions_sealed"), Input("adapter", "previous"),
                       Input("gate", "previous"))),
)
PARAMETERS = ("RUN_DIR", "ITERATION", "PROFILE")


@dataclass(frozen=True)
class Step:
    """One stage in one iteration: one notebook to run."""

    stage: Stage
    iteration: Iteration

    @property
    def title(self) -> str:
        return f"{self.iteration.path.name} {self.stage.name}"


def plan(run: Run, iterations: int, stages: tuple[Stage, ...] = STAGES) -> list[Step]:
    """All steps of a loop of so many iterations, and the closing evaluation (the first stage once more)."""
    turns = [Step(stage, run.iteration(number)) for number in range(iterations) for stage in stages]
    return [*turns, Step(stages[0], run.iteration(iterations))]
