"""The rounds of a cell: ask the student, share the budget by the strategy, make the data, train."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from .. import benchmarks, images, models, prompts, teachers
from ..artifacts import JUDGE_LEDGER_FILE, LEDGER_FILE, Iteration, Run
from ..bad_cases import collect_bad_cases, deduplicate
from ..contamination import Guard, guard_of_run
from ..evaluation import evaluate
from ..generation import generate
from ..history import earlier_predictions, earlier_rounds
from ..image_choice import image_chooser
from ..instruction_data import Example, examples_from_samples, load_replay
from ..models.learning import encode_examples
from ..records import BadCase, Generated, Prediction, Query, Question, Template, TypeWeakness
from ..samples import make_samples, reject_blind, second_opinions
from ..sampling import sample_queries
from ..similarity import vectorizer
from ..standing import rounds_to_train_on
from ..teachers.ledger import Ledger
from ..training import train
from ..training.recipe import Recipe
from ..weakness import type_table
from .journal import Facts
from .matched import Answer, Draw, epochs_for, gather_accepted

_RECIPE = tuple(name for name in Recipe.__dataclass_fields__ if name not in ("batch_size", "epochs", "dtype"))


def template() -> Template:
    """The base template with every rule there is: the fewer replies are rejected, the nearer the samples come
    to the weights.
    """
    base = prompts.base_template()
    rules = list(prompts.RULES.values())
    return prompts.make_template(base.role, rules, base.definitions, parent=base.id, note="all rules")


@dataclass(frozen=True)
class Rounds:
    """What a cell does in its rounds, by the profile of its run. Every act saves its artifacts.

    Every cell uses the one prompt of `template`: only the strategy differs.
    """

    run: Run

    @cached_property
    def _benchmark(self) -> benchmarks.Benchmark:
        return benchmarks.load(self.run.profile.benchmark, **self.run.profile.benchmark_options)

    @cached_property
    def _source(self) -> images.ImageSource:
        return images.load(self.run.profile.image_source, **self.run.profile.image_options)

    @cached_property
    def _teacher(self) -> teachers.Teacher:
        return teachers.of_run(self.run, self.run.profile)

    @cached_property
    def _judge(self) -> teachers.Teacher | None:
        return teachers.judge_of_run(self.run, self.run.profile)

    @cached_property
    def _guard(self) -> Guard:
        return guard_of_run(self.run, self._source)

    def take_over(self, base: Run) -> Facts:
        """The base's answers are those of every cell before its first round."""
        for name in ("predictions_diagnose", "predictions_sealed"):
            self.run.iteration(0).save(name, base.iteration(0).load(name))
        return {}

    def measure(self, number: int, splits: tuple[str, ...]) -> Facts:
        """Ask the student of round `number` the questions of some splits."""
        profile, shares = self.run.profile, {}
        student = models.load(
            profile.student, adapter=self.run.previous("adapter", number), quantise=profile.quantise,
            n_processes=profile.num_processes,
        )  # fmt: skip
        for split in splits:
            predictions = self._ask(student, self._benchmark.questions(split))
            self.run.iteration(number).save(f"predictions_{split}", predictions)
            shares[split] = sum(one.outcome == "right" for one in predictions) / len(predictions)
        return {"right": shares}

    def _ask(self, student: models.Student, questions: list[Question]) -> list[Prediction]:
        profile = self.run.profile
        return evaluate(
            student, questions, partial(images.open_image, root=self._benchmark.root),
            mode=profile.answer_mode, batch_size=profile.eval_batch_size,
            max_new_tokens=profile.max_new_tokens, judge=self._benchmark.judge,
        )  # fmt: skip

    def make_data(self, number: int) -> Facts:
        """Weights by the strategy, queries by the weights, and exactly the budget's number of samples."""
        iteration, profile = self.run.iteration(number), self.run.profile
        table, pool = self._weakness(number)
        queries, replies, kept = gather_accepted(
            profile.budget, self._drawer(number, table, pool), self._answerer(number)
        )
        samples = make_samples(kept, self._source, profile.seed, queries)
        made = {"weakness": table, "bad_cases": pool, "queries": queries, "generated": replies}
        for name, value in {**made, "samples": samples}.items():
            iteration.save(name, value)
        return {
            "queries": len(queries), "samples": len(samples), "usd": self._usd(),
            "weights": {row.question_type: row.weight for row in table},
            "given": dict(Counter(sample.question_type for sample in samples)),
        }  # fmt: skip

    def _weakness(self, number: int) -> tuple[list[TypeWeakness], list[BadCase]]:
        profile, questions = self.run.profile, self._benchmark.questions("diagnose")
        answers = earlier_predictions(self.run, number, questions, self._benchmark.judge)
        last = list(answers.values())[-1]
        pool = deduplicate(
            collect_bad_cases(questions, last), profile.similarity_threshold,
            vectors=vectorizer(profile.similarity), rng=random.Random(f"pool-{profile.seed}-{number}"),
        )  # fmt: skip
        rounds = earlier_rounds(self.run, answers)
        return type_table(last, profile.strategy, budget=profile.budget, bad_cases=pool, rounds=rounds), pool

    def _drawer(self, number: int, table: list[TypeWeakness], pool: list[BadCase]) -> Draw:
        rng = random.Random(f"queries-{self.run.profile.seed}-{number}")
        earlier = {query.image_id for query in self.run.gather("queries", range(number))}
        chooser = image_chooser(
            self.run.profile.image_choice, self._source, self._benchmark, pool,
            folder=self.run.path / "embeddings", **self.run.profile.image_choice_options,
        )  # fmt: skip

        def draw(n: int, queries: Sequence[Query]) -> list[Query]:
            return sample_queries(
                table, pool, self._source.ids(), budget=n, in_context=self.run.profile.in_context, rng=rng,
                fits=lambda image_id, name: self._teacher.can_write(self._source.record(image_id), name),
                used=earlier | {query.image_id for query in queries}, choose=chooser,
            )  # fmt: skip

        return draw

    def _answerer(self, number: int) -> Answer:
        written: list[Generated] = []
        earlier = self.run.gather("samples", range(number))

        def answer(queries: Sequence[Query]) -> list[Generated]:
            replies = generate(
                queries, self._source, self._teacher, template(), write=written.append, done=list(written),
                earlier=earlier, guard=self._guard,
            )  # fmt: skip
            if self._judge:
                replies = second_opinions(replies, self._source, self._judge)
            return reject_blind(replies)

        return answer

    def _usd(self) -> float:
        """What the cell's requests have cost so far, also those of a process that was killed."""
        spent = 0.0
        for file in (LEDGER_FILE, JUDGE_LEDGER_FILE):
            if (self.run.path / file).exists():
                with Ledger(self.run.path / file, for_reading=True) as ledger:
                    spent += ledger.totals().usd
        return spent

    def train(self, number: int) -> Facts:
        """Train on the samples of the rounds so far and the replay, in exactly as many steps as any cell.

        No gate: a cell's student is the one that its last round trained.
        """
        profile, iteration = self.run.profile, self.run.iteration(number)
        samples = self.run.gather("samples", rounds_to_train_on(number, profile.train_on))
        examples = [
            *examples_from_samples(samples, profile.forms, profile.seed),
            *load_replay(profile.replay, profile.replay_samples, profile.seed),
        ]
        start = self.run.previous("adapter", number) if profile.start_from == "last" else None
        log: list[dict[str, Any]] = []
        summary = train(
            profile.student, examples, out_dir=iteration.part_of("adapter"), start_adapter=start,
            open_image=partial(images.open_image, root=self._source.root), image_root=self._source.root,
            feature_dir=self.run.path / "features", on_log=log.append, n_processes=profile.num_processes,
            batch_size=profile.train_batch_size, epochs=self._epochs(examples),
            **{name: getattr(profile, name) for name in _RECIPE if hasattr(profile, name)},
        )  # fmt: skip
        _save_log(iteration, log)
        iteration.save("adapter", iteration.part_of("adapter"))
        return {"steps": summary["steps"], "examples": len(examples)}

    def _epochs(self, examples: list[Example]) -> float:
        profile = self.run.profile
        rows = encode_examples(models.load(profile.student, quantise=profile.quantise), examples)
        steps = max(1, round(profile.epochs * len(examples) / profile.train_batch_size))
        return epochs_for(rows, steps=steps, batch_size=profile.train_batch_size, seed=profile.seed)


def _save_log(iteration: Iteration, log: list[dict[str, Any]]) -> None:
    kept = ("step", "epoch", "loss", "lr")
    iteration.save("train_log", [{name: line[name] for name in kept} for line in log])
