"""Training until the gate is content: the first attempt, then the fallbacks, each asked the sealed questions.

An attempt that is finished stays in the folder in which the adapter is made, so that an iteration that was
killed trains and asks only what is left.
"""

import dataclasses
import gc
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from .. import __version__, benchmarks, files, images
from ..artifacts import Iteration, Run
from ..benchmarks.scoring import judged
from ..evaluation import evaluate
from ..fingerprints import hash_path
from ..instruction_data import Example
from ..profiles import Profile
from ..records import Attempt, Decided, Prediction
from ..standing import standing, standing_adapter
from .deciding import Mode, Verdict, decide, rise_level
from .fallbacks import Plan, fallback_plans

Train = Callable[..., dict[str, Any]]
"""`training.train`, with what it needs of places: `open_image`, where features and trackers write."""


@dataclass(frozen=True)
class Exam:
    """How the gate judges an adapter: `before` are the sealed answers of the student so far.

    `ask` gets those of the student that wears the adapter in a folder, `key` is a hash of all that decides
    them but the adapter. With the mode "off" nothing is asked.
    """

    mode: Mode
    level: float
    attempts: int
    before: Sequence[Prediction]
    ask: Callable[[Path], list[Prediction]]
    key: str = ""

    def answers(self, adapter: Path) -> list[Prediction]:
        """The sealed answers with that adapter; none where the gate is off."""
        return [] if self.mode == "off" else self.ask(adapter)

    def verdict(self, answers: Sequence[Prediction]) -> Verdict:
        """What the rule says about the student with these answers."""
        return decide(self.before, answers, self.mode, self.level, attempts=self.attempts)


def exam_of(iteration: Iteration, profile: Profile) -> Exam:
    """The gate of an iteration by its profile: the sealed questions, asked as notebook 01 asks them.

    The student's own answers, which 01 wrote, are judged by the benchmark's rule of today. A missing file
    raises `KitError` with the notebook to run.
    """
    make = partial(Exam, profile.gate, profile.gate_level, 1 + profile.fallback_budget)
    if profile.gate == "off":
        return make([], lambda adapter: [])
    benchmark = benchmarks.load(profile.benchmark, **profile.benchmark_options)
    questions = benchmark.questions("sealed")
    before = judged(questions, iteration.load("predictions_sealed"), benchmark.judge)

    def ask(adapter: Path) -> list[Prediction]:
        from .. import models

        student = models.load(
            profile.student, adapter=adapter, quantise=profile.quantise, n_processes=profile.num_processes
        )
        return evaluate(
            student, questions, partial(images.open_image, root=benchmark.root), mode=profile.answer_mode,
            judge=benchmark.judge, batch_size=profile.eval_batch_size, max_new_tokens=profile.max_new_tokens,
        )  # fmt: skip

    how = [profile.benchmark, profile.benchmark_options, profile.answer_mode, profile.eval_batch_size,
           profile.max_new_tokens, [question.id for question in questions]]  # fmt: skip
    return make(before, ask, _hash(how))


@dataclass(frozen=True)
class Tried:
    """An attempt that is trained and judged, and what it left: its adapter, answers, log and summary."""

    plan: Plan
    attempt: Attempt
    verdict: Verdict
    adapter: Path
    predictions: list[Prediction]
    log: list[dict[str, Any]]
    summary: dict[str, Any]


@dataclass(frozen=True)
class Trials:
    """All attempts of an iteration, in order, in one folder."""

    exam: Exam
    folder: Path
    tried: tuple[Tried, ...]

    @property
    def chosen(self) -> Tried:
        """The attempt that was promoted, else the first: its adapter is kept, to be looked at."""
        return next((one for one in self.tried if one.verdict.promoted), self.tried[0])

    def decided(self, run: Run, number: int) -> Decided:
        """What the gate did, as gate.json has it; to be asked while the attempts' folder is there."""
        chosen, exam = self.chosen, self.exam
        promoted = chosen.verdict.promoted
        worn = chosen.adapter if promoted else standing_adapter(run, number)
        return Decided(
            mode=exam.mode,
            level=exam.level,
            rise_level=rise_level(exam.level, exam.attempts),
            attempts=tuple(one.attempt for one in self.tried),
            promoted=chosen.plan.name if promoted else "",
            standing=number if promoted else standing(run, number),
            digest=hash_path(worn) if worn else "",
        )

    def clear(self) -> None:
        """Remove the attempts that are not kept, once the one that is has been saved."""
        files.remove(self.folder)


def try_plans(
    first: Plan,
    fallbacks: Sequence[str],
    exam: Exam,
    *,
    mix: Callable[[Plan], Sequence[Example]],
    train: Train,
    settings: Mapping[str, Any],
    folder: Path,
    log_path: Path | None = None,
) -> Trials:
    """Train `first`; where the gate refuses it, the fallbacks that apply, as many as `exam` has room for.

    The first attempt that passes ends it. `mix` gives the examples of a plan; `train` is `training.train`,
    to which go these and `settings`: all that decides what comes out but the rates, which are the plan's.
    Attempts that are whole in `folder`, of the same settings, examples and questions, are not made again; a
    fallback that would train the same as an earlier attempt is left out. Its log goes beside `log_path`.
    """
    files.make_folder(folder)
    bench = _Bench(exam, mix, train, settings, folder, log_path, first)
    tried = [bench.attempt(first, examples := mix(first), mark := bench.mark(first, examples))]
    marks = {mark}
    for plan in fallback_plans(fallbacks, first, tried[0].verdict):
        if tried[-1].verdict.promoted or len(tried) == exam.attempts:
            break
        mark = bench.mark(plan, examples := mix(plan))
        if mark not in marks:
            marks.add(mark)
            tried.append(bench.attempt(plan, examples, mark))
    return Trials(exam, folder, tuple(tried))


@dataclass(frozen=True)
class _Bench:
    """Where attempts are made: NAME/ is the adapter, NAME.json how it was made, NAME.jsonl its answers."""

    exam: Exam
    mix: Callable[[Plan], Sequence[Example]]
    train: Train
    settings: Mapping[str, Any]
    folder: Path
    log_path: Path | None
    first: Plan

    def mark(self, plan: Plan, examples: Sequence[Example]) -> str:
        """A hash of all that decides what an attempt's training gives: folders count by their content."""
        settings = {
            name: hash_path(value) if isinstance(value, Path) else value
            for name, value in self.settings.items()
        }
        rates = [plan.learning_rate, plan.projector_learning_rate]
        return _hash([__version__, settings, rates, [dataclasses.astuple(one) for one in examples]])

    def attempt(self, plan: Plan, examples: Sequence[Example], mark: str) -> Tried:
        """The attempt, made or found."""
        adapter = self.folder / re.sub(r"\W+", "_", plan.name)
        made = self._trained(plan, examples, mark, adapter)
        predictions = self._asked(mark, adapter)
        verdict = self.exam.verdict(predictions)
        return Tried(
            plan,
            _attempt(plan, self.first, verdict, len(examples)),
            verdict,
            adapter,
            predictions,
            made["log"],
            made["summary"],
        )

    def _trained(self, plan: Plan, examples: Sequence[Example], mark: str, adapter: Path) -> dict[str, Any]:
        note = adapter.with_name(f"{adapter.name}.json")
        found = files.read_object(note, dict) if note.exists() and adapter.exists() else {}
        if found.get("mark") == mark:
            return found
        files.remove(note)
        log: list[dict[str, Any]] = []
        path = self.log_path
        summary = self.train(
            examples=examples, out_dir=adapter, on_log=log.append,
            log_path=path and (path if plan == self.first else path.with_stem(f"{path.stem}_{adapter.name}")),
            learning_rate=plan.learning_rate, projector_learning_rate=plan.projector_learning_rate,
            **self.settings,
        )  # fmt: skip
        _free_memory()
        made = {"mark": mark, "log": log, "summary": summary}
        files.write_whole(note, files.document(made))
        return made

    def _asked(self, mark: str, adapter: Path) -> list[Prediction]:
        answers = adapter.with_name(f"{adapter.name}.jsonl")
        note = adapter.with_name(f"{adapter.name}.asked.json")
        asked = {"mark": mark, "exam": self.exam.key}
        if note.exists() and files.read_object(note, dict) == asked:
            return files.read_lines(answers, Prediction)
        files.remove(note)
        given = self.exam.answers(adapter)
        _free_memory()
        files.write_whole(answers, files.lines_text(given, Prediction))
        files.write_whole(note, files.document(asked))
        return given


def _attempt(plan: Plan, first: Plan, verdict: Verdict, n_examples: int) -> Attempt:
    paired = verdict.paired
    numbers = (paired.difference, paired.low, paired.high, paired.p) if paired else (None,) * 4
    return Attempt(
        plan.name, plan.changed(first), n_examples, *numbers, verdict.fell, verdict.promoted, verdict.reason
    )


def _free_memory() -> None:
    """Give back what the last model held, before the next one is loaded."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
