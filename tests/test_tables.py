"""What the notebooks look at: tables that count rightly, texts that stay texts, grids of all types."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dataengine_utils import grids, tables
from dataengine_utils.artifacts import create_run
from dataengine_utils.benchmarks import load as load_benchmark
from dataengine_utils.benchmarks.scoring import predict, score
from dataengine_utils.instruction_data import Example
from dataengine_utils.profiles import FIELDS, override
from dataengine_utils.prompts import base_template, candidate_templates
from dataengine_utils.records import BadCase, Draft, Generated, Query, Sample, Trial
from dataengine_utils.stages import STAGES, plan
from dataengine_utils.weakness import type_table

QUESTIONS = load_benchmark("picturebook", diagnose=36, sealed=36).questions("diagnose")
PREDICTIONS = [
    predict(q, q.choice if n % 3 else "")
    for n, q in enumerate(QUESTIONS)
]
NASTY = "<script>alert(1)</script>"


def frame(table):
    return table.data


def reply(n, name, accepted, reason=""):
    return Generated(f"q{n}", name, f"i{n}", "t", "rules", f"reply {n}", accepted, reason, None)


@pytest.fixture
def run(tmp_path):
    return create_run(tmp_path / "run", "picturebook", overrides={"budget": 10})


def test_settings_say_where_they_come_from(run):
    used = override(run.profile, strategy="uniform")
    shown = frame(tables.settings_table(run, used, ["budget", "strategy", "seed", "epochs"])).set_index(
        "setting"
    )
    assert dict(shown["from"]) == {
        "budget": "override",
        "strategy": "this notebook",
        "seed": "llava15",
        "epochs": "picturebook",
    }
    assert shown.loc["strategy", "value"] == "uniform"
    assert list(frame(tables.settings_table(run, run.profile, list(FIELDS)))["setting"]) == list(FIELDS)


def test_plan_and_turns(run):
    shown = frame(tables.plan_table(plan(run, 1)))
    assert len(shown) == len(STAGES) + 1
    assert shown["writes"][1] == "weakness.json, clusters.json, bad_cases.jsonl"
    assert shown["reads"][5] == (
        "samples.json (so far), predictions_sealed.jsonl, adapter (previous), gate.json (previous)"
    )
    run.iteration(0).save("queries", [Query("a", "Text", "1", ()), Query("b", "Text", "2", ())])
    run.iteration(1).save("metrics", {})
    shown = frame(tables.turn_table(run))
    assert list(shown["queries"]) == ["2", "–"] and list(shown["samples"]) == ["0 (0%)", "–"]


def test_scores_are_those_of_the_metrics():
    metrics = {"diagnose": score(QUESTIONS, PREDICTIONS)}
    shown = frame(tables.score_table(metrics, "diagnose"))
    assert shown.loc[tables.ALL, "right"] == 24 and shown.loc[tables.ALL, "right, %"] == "66.7"
    assert shown["questions"][:-1].sum() == shown.loc[tables.ALL, "questions"] == 36
    worse = {"diagnose": score(QUESTIONS, [])}
    progress = frame(tables.progress_table([metrics, worse], "diagnose"))
    assert progress.loc[tables.ALL, "change"] == "-66.7"
    official = frame(tables.official_table(metrics, "diagnose"))
    assert official.loc["right, %", "value"] == "66.67"
    assert frame(tables.reply_counts({"diagnose": PREDICTIONS})).loc["diagnose"].tolist() == [24, 0, 12]


def test_question_counts_have_both_splits_and_images():
    shown = frame(tables.question_counts({"diagnose": QUESTIONS, "sealed": QUESTIONS[:4]}))
    assert shown.loc[tables.ALL].tolist() == [36, 4]
    assert shown.loc["images", "diagnose"] == len({q.image_id for q in QUESTIONS})


def test_weights_of_the_strategies():
    table = type_table(PREDICTIONS)
    assert len(tables.weakness_table(table, score(QUESTIONS, PREDICTIONS)).data) == len(table)
    shown = frame(tables.strategy_table(PREDICTIONS, 1000)).astype(float)
    assert shown.sum().round().tolist() == [100] * shown.shape[1]


def test_acceptance_letters_and_reasons_are_counted():
    generated = [reply(n, "Text", n % 2 == 0, "" if n % 2 == 0 else f"reason {n % 3}") for n in range(12)]
    assert frame(tables.acceptance_table(generated)).loc["Text"].tolist() == [12, 6, "50.0"]
    assert len({reason for reason in frame(tables.reject_table(generated, 3))["reason"]}) == 3
    samples = [
        Sample("q?", "A cat.", "cat", ("cat", "dog"), "AB"[n % 2], "x", 0, "Own", f"i{n}", "", "", "")
        for n in range(5)
    ]
    assert frame(tables.letter_table(samples)).loc["All samples"].to_dict() == {"A": 3, "B": 2, "samples": 5}


def test_templates_with_their_trials():
    base = base_template()
    other = candidate_templates(base)[0]
    trials = [
        Trial(base.id, "a", "Text", True, "", None, "accept"),
        Trial(base.id, "b", "Text", False, "why", None),
    ]
    assert frame(tables.reason_table([base, other], trials)).loc["why"].tolist() == [1, 0]
    assert len(frame(tables.rule_table(base))) == len(base.rules)


def test_training_data_is_counted_by_form(tmp_path):
    examples = [Example("a", "q", (), "x", "short"), Example("a", "q", ("x", "y"), "A", "choice")]
    shown = frame(tables.example_counts({"samples": examples, "replay": []}))
    assert shown.loc["samples"].tolist() == [1, 1, 2, 1] and shown.loc["replay"].tolist() == [0, 0, 0, 0]
    assert frame(tables.example_table(examples))["answer"].tolist() == ["x", "A"]
    (tmp_path / "weights").write_bytes(b"x" * 1500)
    assert frame(tables.folder_table(tmp_path)).values.tolist() == [["weights", "1.5 kB"]]


def test_texts_are_escaped_and_empty_tables_shown():
    query = Query("a", NASTY, NASTY, (BadCase("1", NASTY, "1", NASTY, (), NASTY, NASTY),))
    trials = [Trial("t", "a", NASTY, False, NASTY, None)]
    for table in (
        tables.query_table([query]),
        tables.reject_table([reply(1, NASTY, False, NASTY)], 3),
        tables.acceptance_table([reply(1, NASTY, True)]),
        tables.reason_table([base_template()], trials),
        tables.reason_table([base_template()], []),
        tables.reject_table([], 3),
        tables.query_table([]),
        tables.letter_table([]),
        tables.pool_table([], []),
    ):
        assert "<script>" not in table.to_html()


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=30), st.integers(0, 12))
def test_one_of_each_takes_types_in_turn(kinds, n):
    items = [Query(str(i), kind, str(image), ()) for i, (kind, image) in enumerate(kinds)]
    picked = grids.one_of_each(items, n)
    assert len(picked) == min(n, len(items)) == len({item.id for item in picked})
    counts, available = Counter(i.question_type for i in picked), Counter(kind for kind, _ in kinds)
    for kind in available:
        assert counts[kind] == available[kind] or counts[kind] >= max(counts.values(), default=0) - 1


def test_grids_hold_a_picture_and_words_for_each_item():
    asked = []

    def open_image(reference):
        asked.append(reference)
        return Image.new("RGB", (8, 8))

    cases = [
        BadCase(q.id, q.question_type, q.image_id, q.question, q.options, q.answer, "") for q in QUESTIONS[:3]
    ]
    draft = Draft("Is it $5 or $6?", "It is $5.", "$5", ("$5", "$6", "x", "y"), "A")
    trials = [
        Trial("t", "query", "Text", False, "why", draft),
        Trial("t", "other", "Text", False, "skipped", None),
    ]
    assert len(grids.question_grid(QUESTIONS[:5], open_image).axes) >= 5
    figure = grids.bad_case_grid(cases, QUESTIONS, open_image)
    assert "replied: (nothing)" in figure.axes[0].texts[0].get_text()
    figure = grids.trial_grid(trials, open_image)
    figure.canvas.draw()
    assert asked[-1] == "query" and "why" in figure.axes[0].texts[0].get_text()
    assert grids.bad_case_grid([], QUESTIONS, open_image).texts, "a perfect student is no error"


def test_sampling_from_ten_million_images_lists_none_of_them():
    from dataengine_utils import images
    from dataengine_utils.sampling import sample_queries

    ids = images.load("picturebook").ids()
    used = {ids[n] for n in range(1000)}
    queries = sample_queries(
        type_table(PREDICTIONS), [], ids, budget=300, in_context=0, rng=random.Random(0), used=used
    )
    assert len({query.image_id for query in queries} - used) == 300
