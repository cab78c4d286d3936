"""The paper's rows: transcribed without a slip, and shown only where the benchmark is the same."""

import re

import pytest
import yaml

from dataengine_utils import benchmarks
from dataengine_utils.artifacts import create_run
from dataengine_utils.benchmarks import BENCHMARKS
from dataengine_utils.question_types import QUESTION_TYPES
from dataengine_utils.report import build_report
from dataengine_utils.report.published import FILE, published_rows
from dataengine_utils.stats import wilson
from tests.toy_run import SIZES, evaluate

COUNTS = (3158, 1831, 4649, 978, 2447, 657, 97, 331, 85)  # questions per type of SEED-Bench's images

NOT_SUMS = {("LLaVA-1.5-7B-LoRA", "round 1"): 67.60, ("LLaVA-1.5-7B-LoRA", "round 2"): 68.42,
            ("MiniGPT4-v2", "none"): 49.66}  # fmt: skip


def test_the_rows_are_whole_and_name_their_source():
    assert yaml.safe_load(FILE.read_text(encoding="utf-8"))["source"] == "arXiv 2308.13566"
    rows = published_rows()
    assert [row.data for row in rows] == ["none", "round 1", "round 2", "round 3"] * 2
    assert all(len(row.types) == len(QUESTION_TYPES) == 9 for row in rows)
    assert {name for row in rows for name in row.scores} <= set(BENCHMARKS)


@pytest.mark.parametrize("row", published_rows(), ids=lambda row: f"{row.student} {row.data}")
def test_the_types_make_the_printed_score(row):
    """A slip would show: each share is a whole number of right answers, and together they give the whole's
    score, but for three rows whose printed whole is another.
    """
    right = [round(n * share / 100) for n, share in zip(COUNTS, row.types, strict=True)]
    assert [round(100 * k / n, 2) for k, n in zip(right, COUNTS, strict=True)] == list(row.types)
    expected = NOT_SUMS.get((row.student, row.data), row.scores["seed_bench"]["image"])
    assert 100 * sum(right) / sum(COUNTS) == pytest.approx(expected, abs=0.01)


def seed_run(path, *, official=True):
    """A run on SEED-Bench with the paper's own shares, as if its sealed half were the whole."""
    run = create_run(path, "llava15")
    for number, row in enumerate(published_rows()[:3]):
        shares = zip(QUESTION_TYPES.values(), COUNTS, row.types, strict=True)
        types = {name: rates(n, share) for name, n, share in shares}
        overall = rates(sum(COUNTS), row.scores["seed_bench"]["image"])
        split = {"overall": overall, "types": types, "rule": "llava"}
        if official:
            split["official"] = {"summary": {"image": 100 * overall["accuracy"]}}
        run.iteration(number).save("metrics", {"diagnose": split, "sealed": split})
    return run


def rates(n, percent):
    right = round(n * percent / 100)
    low, high = wilson(right, n)
    return {"n": n, "right": right, "wrong": n - right, "unparsed": 0, "accuracy": right / n,
            "low": low, "high": high}


def table_rows(page):
    table = page[page.index("In the paper&#x27;s form") :]
    table = table[: table.index("</table>")]
    cells = [re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", row) for row in table.split("<tr>")[1:]]
    return cells


def test_published_rows_stand_beside_a_run_of_the_same_benchmark(tmp_path):
    page = build_report(seed_run(tmp_path / "seed")).read_text(encoding="utf-8")
    header, *rows = table_rows(page)
    assert header == ["student", "data", "samples", "image", *QUESTION_TYPES.values()]
    assert [row[0] for row in rows] == ["this run"] * 3 + ["LLaVA-1.5-7B-LoRA"] * 4 + ["MiniGPT4-v2"] * 4
    assert rows[3][1:6] == ["none", "0", "66.04", "74.89", "68.32"]
    assert rows[6][-1] == "60.00"
    for mine, theirs in zip(rows[:3], rows[3:6], strict=True):
        assert [float(cell) for cell in mine[3:]] == pytest.approx([float(c) for c in theirs[3:]], abs=0.03)
    assert "by the rule" in page and "compare changes rather than levels" in page


def test_no_published_rows_without_a_score_that_both_have(tmp_path):
    page = build_report(seed_run(tmp_path / "seed", official=False)).read_text(encoding="utf-8")
    assert [row[0] for row in table_rows(page)[1:]] == ["this run"] * 3
    assert "No published rows" in page


def test_another_benchmark_has_the_same_form_without_them(tmp_path):
    run = create_run(tmp_path / "run", "picturebook", overrides=SIZES)
    evaluate(run.iteration(0), benchmarks.load("picturebook", **run.profile.benchmark_options), 0.0)
    page = build_report(run).read_text(encoding="utf-8")
    assert [row[:3] for row in table_rows(page)[1:]] == [["this run", "none", "0"]]
    assert "and this is picturebook" in page
