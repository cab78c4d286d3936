import random
import re
from html.parser import HTMLParser

import pytest

from dataengine_utils import benchmarks, images
from dataengine_utils.artifacts import create_run, open_run
from dataengine_utils.bad_cases import collect_bad_cases, deduplicate
from dataengine_utils.records import Decision, Draft, Generated, Prediction, Sample, Template
from dataengine_utils.report import build_report
from dataengine_utils.report.__main__ import main
from dataengine_utils.report.data import changes, spread
from dataengine_utils.sampling import sample_queries
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
SIZES = {"benchmark_options.diagnose": 90, "benchmark_options.sealed": 180}


def answers(questions, gain, rng):
    """Made-up predictions: each type right as often as in BASE, and `gain` of the rest on top."""
    for question in questions:
        rate = BASE[question.question_type]
        right = rng.random() < rate + gain * (1 - rate)
        letter = question.choice if right else next(x for x in "ABCD" if x != question.choice)
        outcome = "right" if right else "wrong" if rng.random() < 0.95 else "unparsed"
        reply = question.options["ABCD".index(letter)] if outcome != "unparsed" else ATTACK
        yield Prediction(question.id, question.question_type, reply, letter, outcome)


def evaluate(iteration, benchmark, gain):
    metrics = {}
    for split in ("diagnose", "sealed"):
        questions = benchmark.questions(split)
        predictions = list(answers(questions, gain, random.Random(f"{split}{gain}")))
        iteration.save(f"predictions_{split}", predictions)
        metrics[split] = benchmark.score(questions, predictions)
    iteration.save("metrics", metrics)


def analyse(iteration, benchmark, source, budget=60):
    predictions = iteration.load("predictions_diagnose")
    cases = collect_bad_cases(benchmark.questions("diagnose"), predictions)
    pool = deduplicate(cases, rng=random.Random(1))
    table = type_table(predictions, bad_cases=pool)
    iteration.save("weakness", table)
    iteration.save("bad_cases", pool)
    ids = source.ids()[:500]
    iteration.save(
        "queries", sample_queries(table, pool, ids, budget=budget, in_context=2, rng=random.Random(2))
    )


def generate(iteration):
    template = Template(
        "0a1b2c3d4e5f", "", "You write questions.", ("ask only about things named once", ATTACK), {}
    )
    tried = {template.id: 0.94, "ffeeddccbbaa": 0.81}
    iteration.save("template", template)
    iteration.save("decision", Decision(template.id, "policy best", "most accepted when tried", tried, ""))
    generated, samples = [], []
    for i, query in enumerate(iteration.load("queries")):
        draft = Draft(
            "What colour is the cat?", "The cat is red.", "red", ("red", "blue", "green", "black"), "A"
        )
        reason = ("", "", "", "", "ambiguous", "not true")[i % 6]
        generated.append(
            Generated(
                query.id,
                query.question_type,
                query.image_id,
                template.id,
                "rules",
                "{}",
                not reason,
                reason,
                None if reason else draft,
            )
        )
        if not reason:
            samples.append(
                Sample(
                    draft.instruction,
                    draft.answer,
                    "red",
                    draft.options,
                    "A",
                    f"picturebook:{query.image_id}",
                    3,
                    query.question_type,
                    query.image_id,
                    f"s{i}",
                    query.id,
                    template.id,
                )
            )
    iteration.save("generated", generated)
    iteration.save("samples", samples)


def train(iteration):
    rng = random.Random(iteration.number)
    log = [
        {"step": step, "loss": 2.2 * 0.98**step + 0.2 + rng.gauss(0, 0.05), "lr": 1e-3}
        for step in range(1, 150)
    ]
    iteration.save("train_log", [*log, {"step": 149, "train_seconds": 44.0}])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A made-up run of two iterations and the closing evaluation."""
    run = create_run(
        tmp_path_factory.mktemp("outputs") / "demo", "picturebook", overrides={**SIZES, "epochs": 2}
    )
    benchmark = benchmarks.load("picturebook", **run.profile.benchmark_options)
    source = images.load("picturebook")
    for number, gain in enumerate((0.0, 0.4, 0.6)):
        evaluate(run.iteration(number), benchmark, gain)
        if number < 2:
            analyse(run.iteration(number), benchmark, source)
            generate(run.iteration(number))
            train(run.iteration(number))
    return run


@pytest.fixture(scope="module")
def page(finished):
    return build_report(finished).read_text(encoding="utf-8")


class Outline(HTMLParser):
    """What is in a page: its tags, ids, links and sources, and whether every element is closed."""

    VOID = ("meta", "link", "img", "br")

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def values(outline, wanted):
    return [value for _, name, value in outline.attributes if name == wanted]


def test_the_page_is_whole_and_fetches_nothing(page):
    outline = Outline(page)
    assert outline.open == []
    assert "script" not in outline.tags
    assert all(value.startswith("data:") for value in values(outline, "src"))
    assert all(value.startswith(("#", "data:")) for value in values(outline, "href"))
    assert "url(" not in page and "@import" not in page
    assert len(set(values(outline, "id"))) == len(values(outline, "id"))
    assert {value[1:] for value in values(outline, "href") if value.startswith("#")} == set(
        values(outline, "id")
    )
    assert len(page) < 3_000_000


def test_every_picture_has_words_for_it(page):
    outline = Outline(page)
    assert outline.tags.count("img") == len([alt for alt in values(outline, "alt") if alt])
    assert outline.tags.count("img") == 1 + 2 + 8 + 8 + 1 + 1
    assert "picture not found" not in page


def test_what_models_wrote_is_text_only(page):
    assert "&lt;script&gt;" in page
    assert "<script" not in page


def test_the_tables_hold_the_records_numbers(finished, page):
    text = re.sub(r"<[^>]+>", " ", page)
    for number in range(3):
        overall = finished.iteration(number).load("metrics")["sealed"]["overall"]
        assert f"{100 * overall['accuracy']:.1f}" in text
    weights = [f"{100 * row.weight:.1f}" for row in finished.iteration(0).load("weakness")]
    assert all(weight in text for weight in weights)
    samples = sum(len(finished.iteration(number).load("samples")) for number in (0, 1))
    assert f"{samples} samples generated" in " ".join(text.split())
    assert "ambiguous" in text and "not true" in text


def test_the_same_run_gives_the_same_bytes(finished, tmp_path):
    first = build_report(finished, tmp_path / "a.html").read_bytes()
    assert build_report(open_run(finished.path), tmp_path / "b.html").read_bytes() == first


@pytest.mark.parametrize("stage", range(5))
def test_a_run_at_any_stage_has_a_report_that_names_what_comes_next(tmp_path, stage):
    run = create_run(tmp_path / "early", "picturebook", overrides=SIZES)
    benchmark = benchmarks.load("picturebook", **run.profile.benchmark_options)
    iteration = run.iteration(0)
    steps = [
        lambda: evaluate(iteration, benchmark, 0.0),
        lambda: analyse(iteration, benchmark, images.load("picturebook")),
        lambda: generate(iteration),
        lambda: train(iteration),
    ]
    for step in steps[:stage]:
        step()
    text = build_report(run).read_text(encoding="utf-8")
    Outline(text)
    for n_steps, notebook in enumerate(["01_evaluate", "02_weakness", "05_generate", "06_train"]):
        assert (f"Notebook {notebook} writes it" in text) == (stage <= n_steps)


def test_the_report_outlives_the_data_of_its_run(finished, tmp_path):
    text = (finished.path / "iter_01" / "samples.json").read_text(encoding="utf-8")
    samples = finished.iteration(1).load("samples")
    run = create_run(tmp_path / "moved", "picturebook", overrides=SIZES)
    run.iteration(0).save("samples", samples)
    path = run.iteration(0).path_of("samples")
    path.write_text(text.replace("picturebook:", "gone/"), encoding="utf-8")
    assert build_report(run).read_text(encoding="utf-8").count("picture not found") == 8


def test_changes_adjust_over_types_and_need_both_predictions(finished, tmp_path):
    changed = changes(finished.iterations(), "sealed", 3)
    assert set(changed) == {*BASE, "all"}
    assert changed["all"].paired.low > 0 and changed["all"].adjusted < 0.001
    assert all(one.adjusted >= one.paired.p for one in changed.values())
    assert changes(finished.iterations(), "sealed", 1) == {}


def test_a_spread_takes_turns_among_the_types():
    items = ["a1", "a2", "a3", "b1", "c1", "c2"]
    assert spread(items, lambda item: item[0], ["c", "a"], 5) == ["c1", "a1", "b1", "c2", "a2"]
    assert spread([], str, [], 5) == []


def test_the_command_line(finished, tmp_path, capsys):
    main([str(finished.path), "--out", str(tmp_path / "page.html")])
    assert capsys.readouterr().out.strip() == str(tmp_path / "page.html")
    with pytest.raises(SystemExit, match=r"error: .*nowhere"):
        main([str(tmp_path / "nowhere")])
