"""A run as the report reads it: each thing looked up once, whatever part of the page asks for it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from PIL import Image

from ..artifacts import Iteration, Run
from ..lineage import Gain, gains
from ..standing import is_kept
from ..weakness import Change
from .data import changes, last_with, measured, question_pictures, sample_pictures
from .figures import Figures


@dataclass(frozen=True)
class Story:
    """The run, its iterations, and the page's figures."""

    run: Run
    figures: Figures = field(default_factory=Figures)

    @cached_property
    def iterations(self) -> list[Iteration]:
        """The iterations that have a folder."""
        return self.run.iterations()

    @cached_property
    def _measured(self) -> tuple[str, list[dict[str, Any]]]:
        return measured(self.iterations)

    @property
    def split(self) -> str:
        """The questions to report: "sealed" where there are such."""
        return self._measured[0]

    @property
    def tables(self) -> list[dict[str, Any]]:
        """The metrics of iterations 0, 1, …, up to the last one measured."""
        return self._measured[1]

    @cached_property
    def changed(self) -> dict[str, Change]:
        """Per type and for "all": the change from iteration 0 to the last one measured."""
        return changes(self.iterations, self.split, len(self.tables))

    @cached_property
    def steps(self) -> list[dict[str, Change]]:
        """The same from each evaluation to the next."""
        pairs = range(1, len(self.tables))
        return [changes(self.iterations[n - 1 :], self.split, 2) for n in pairs]

    @cached_property
    def kept(self) -> set[int]:
        """The iterations whose student is that of the one before, for the gate promoted no other."""
        return {n for n in range(1, len(self.tables)) if is_kept(self.run, n - 1)}

    @cached_property
    def gains(self) -> list[Gain]:
        """What the samples of each type have brought so far, from iteration 0 to the last one measured."""
        return gains(self.run, 0, len(self.tables) - 1) if len(self.tables) > 1 else []

    @cached_property
    def question_picture(self) -> Callable[[str], Image.Image | None]:
        """Opens the picture of a benchmark question by the question's id."""
        return question_pictures(self.run)

    @cached_property
    def sample_picture(self) -> Callable[[str], Image.Image | None]:
        """Opens the picture of a sample by its image reference."""
        return sample_pictures(self.run)

    def last_with(self, artifact: str) -> Iteration | None:
        """The latest iteration that has the artifact."""
        return last_with(self.iterations, artifact)

    def all_with(self, artifact: str) -> dict[int, list[Any]]:
        """The artifact's records of every iteration that has it, by the iteration's number."""
        return {it.number: it.load(artifact) for it in self.iterations if it.has(artifact)}
