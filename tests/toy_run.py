"""A made-up run of the picturebook profile, artifact by artifact: answers, queries, replies, a ledger.

Nothing is trained or asked; the answers get better from iteration to iteration by a rate that a test chooses.
"""

import random
from contextlib import closing

from dataengine_utils import benchmarks, images
from dataengine_utils.artifacts import LEDGER_FILE, create_run
from dataengine_utils.bad_cases import collect_bad_cases, deduplicate
from dataengine_utils.clusters import find_clusters
from dataengine_utils.records import (
    Attempt,
    Decided,
    Decision,
    Draft,
    Generated,
    Prediction,
    Sample,
    Template,
    Trial,
)
from dataengine_utils.sampling import sample_queries
from dataengine_utils.teachers.ledger import Answer, Ledger
from dataengine_utils.weakness import type_table

BASE = {
    "Scene Understanding": 0.97,
    "Instance Identity": 0.9,
    "Instance Attributes": 0.75,
    "Instance Location": 0.62,
    "Instances Counting": 0.6,
    "Spatial Relation": 0.25,
    "Instance Interaction": 0.25,
    "Visual Reasoning": 0.3,
    "Text Understanding": 0.2,
}
ATTACK = '<script>alert("x")</script> & more'
SIZES = {"benchmark_options.diagnose": 360, "benchmark_options.sealed": 180}
PAID = {"teacher": "openai", "teacher_options.model": "some-model"}
GAINS = (0.0, 0.4, 0.6)
PRICE_USD = 0.002
SENT = 1_700_000_000.0  # Unix, s
TEMPLATES = (
    Template("0a1b2c3d4e5f", "", "You write questions.", ("ask only about things named once", ATTACK), {}),
    Template("ffeeddccbbaa", "0a1b2c3d4e5f", "You write questions.",
             ("ask only about things named once", ATTACK, "count to six at most"), {}, "+ counting"),
)  # fmt: skip
DRAFT = Draft(
    "What colour is the cat?", "The cat is red.", "red", ("red", "blue", "green", "black"), "A"
)
VERDICTS = {"by": "facts", "options": {"A": "holds", "B": "contradicted"}}
SHOWN = {"shown": {"objects": 7, "texts": 1}, "cut": {"objects": 2, "texts": 0}}


def answers(questions, gain, rng, unparsed=0.05):
    """Made-up predictions: each type right as often as in BASE, and `gain` of the rest on top."""
    for question in questions:
        rate = BASE[question.question_type]
        right = rng.random() < rate + gain * (1 - rate)
        letter = question.choice if right else next(x for x in "ABCD" if x != question.choice)
        outcome = "right" if right else "wrong" if rng.random() >= unparsed else "unparsed"
        reply = question.options["ABCD".index(letter)] if outcome != "unparsed" else ATTACK
        yield Prediction(question.id, question.question_type, reply, letter, outcome)


def evaluate(iteration, benchmark, gain):
    """Both splits answered, and the metrics."""
    metrics = {}
    for split in ("diagnose", "sealed"):
        questions = benchmark.questions(split)
        predictions = list(answers(questions, gain, random.Random(f"{split}{gain}")))
        iteration.save(f"predictions_{split}", predictions)
        metrics[split] = benchmark.score(questions, predictions)
    iteration.save("metrics", metrics)


def analyse(iteration, benchmark, source, budget=60):
    """Weakness table, clusters, pool and queries."""
    predictions = iteration.load("predictions_diagnose")
    questions = benchmark.questions("diagnose")
    pool = deduplicate(collect_bad_cases(questions, predictions), rng=random.Random(1))
    table = type_table(predictions, bad_cases=pool)
    iteration.save("weakness", table)
    iteration.save("clusters", find_clusters(questions, predictions))
    iteration.save("bad_cases", pool)
    ids = source.ids()[500 * iteration.number :][:500]
    rng = random.Random(f"queries {iteration.number}")
    iteration.save("queries", sample_queries(table, pool, ids, budget=budget, in_context=2, rng=rng))


def choose(iteration):
    """Two templates tried on twelve queries each; the second is chosen."""
    asked = iteration.load("queries")[:12]
    trials = [
        Trial(template.id, query.id, query.question_type, n % 4 > 0 or template.note != "", "", DRAFT)
        for template in TEMPLATES
        for n, query in enumerate(asked)
    ]
    iteration.save("trials", trials)
    iteration.save("templates", list(TEMPLATES))
    iteration.save("template", TEMPLATES[min(iteration.number, 1)])
    tried = {TEMPLATES[0].id: 0.75, TEMPLATES[1].id: 1.0}
    chosen = TEMPLATES[min(iteration.number, 1)].id
    iteration.save("decision", Decision(chosen, "policy best", "most accepted when tried", tried, ""))


def generate(iteration, ledger=None):
    """A reply to every query, every third one rejected; with a ledger each was paid for."""
    generated, samples = [], []
    template = iteration.load("template").id
    for i, query in enumerate(iteration.load("queries")):
        reason = ("", "", "", "", "ambiguous", "not true")[i % 6]
        request = pay(ledger, query) if ledger else ""
        lineage = {"verdicts": VERDICTS, "request": request, "shown": SHOWN if request else {}}
        lineage["usd"] = PRICE_USD if request else 0.0
        generated.append(Generated(
            query.id, query.question_type, query.image_id, template, "openai" if request else "rules", "{}",
            not reason, reason, None if reason else DRAFT, **lineage,
        ))  # fmt: skip
        if not reason:
            samples.append(Sample(
                DRAFT.instruction, DRAFT.answer, "red", DRAFT.options, "A", f"picturebook:{query.image_id}",
                3, query.question_type, query.image_id, f"{iteration.number}{i:03d}{query.id[:12]}", query.id,
                template, bad_cases=tuple(case.question_id for case in query.bad_cases), **lineage,
            ))  # fmt: skip
    iteration.save("generated", generated)
    iteration.save("samples", samples)


def pay(ledger, query):
    """The key of a request that the ledger holds with its answer."""
    body = {"model": "some-model", "messages": [query.id]}
    key = Ledger.key(body)
    attempt = ledger.reserve(key, body, usd=2 * PRICE_USD, way="live")
    ledger.settle(attempt, Answer(key, "{}", "stop", 800, 120, PRICE_USD, "live", SENT))
    return key


def train(iteration):
    """A training log that falls, an adapter's folder, and a gate that let it pass."""
    rng = random.Random(iteration.number)
    log = [
        {"step": step, "loss": 2.2 * 0.98**step + 0.2 + rng.gauss(0, 0.05), "lr": 1e-3}
        for step in range(1, 150)
    ]
    iteration.save("train_log", [*log, {"step": 149, "train_seconds": 44.0}])
    folder = iteration.part_of("adapter")
    folder.mkdir(parents=True)
    (folder / "weights").write_text(str(iteration.number))
    iteration.save("adapter", folder)
    iteration.save("predictions_candidate", [])
    passed = Attempt("first", {}, 160, 0.2, 0.1, 0.3, 1e-6, (), True, "the rise is more than chance")
    iteration.save("gate", Decided("rise", 0.05, 0.05, (passed,), "first", iteration.number, "digest"))


def make_run(path, *, is_paid=False, gains=GAINS):
    """A run with a round between every two of the evaluations that `gains` describe."""
    run = create_run(path, "picturebook", overrides={**SIZES, "epochs": 2, **(PAID if is_paid else {})})
    benchmark = benchmarks.load("picturebook", **run.profile.benchmark_options)
    source = images.load("picturebook")
    for number, gain in enumerate(gains):
        iteration = run.iteration(number)
        evaluate(iteration, benchmark, gain)
        if number + 1 < len(gains):
            analyse(iteration, benchmark, source)
            choose(iteration)
            if is_paid:
                with closing(Ledger(run.path / LEDGER_FILE)) as ledger:
                    generate(iteration, ledger)
            else:
                generate(iteration)
            train(iteration)
    return run
