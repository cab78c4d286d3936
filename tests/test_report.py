import csv
import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from dataengine_utils import benchmarks, images
from dataengine_utils.artifacts import create_run, open_run
from dataengine_utils.records import Act
from dataengine_utils.report import build_report
from dataengine_utils.report.__main__ import main
from dataengine_utils.report.data import changes, spread
from tests.toy_run import (
    BASE,
    PRICE_USD,
    SIZES,
    TEMPLATES,
    analyse,
    choose,
    evaluate,
    generate,
    make_run,
    train,
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Two iterations and the closing evaluation."""
    return make_run(tmp_path_factory.mktemp("outputs") / "demo")


@pytest.fixture(scope="module")
def page(finished):
    return build_report(finished).read_text(encoding="utf-8")


FIGURES = ["clusters", "gains", "progress", "replies", "shares_iter_00", "shares_iter_01", "training_loss"]


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
    plots = [value for _, name, value in outline.attributes if name == "class" and value == "plot"]
    assert len(plots) == len(FIGURES)
    assert outline.tags.count("img") - len(plots) > 8 + 8, "bad cases, samples, and those of clusters"
    assert "picture not found" not in page


def test_what_models_wrote_is_text_only(page):
    assert "&lt;script&gt;" in page
    assert "<script" not in page


def test_the_tables_hold_the_records_numbers(finished, page):
    text = plain(page)
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
    figures = sorted(path.name for path in (tmp_path / "a_figures").iterdir())
    assert figures == sorted(f"{name}.{form}" for name in FIGURES for form in ("csv", "png", "svg"))
    for name in figures:
        one, other = (tmp_path / f"{page}_figures" / name for page in "ab")
        assert one.read_bytes() == other.read_bytes(), name


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_every_figure_lies_beside_the_page_with_its_numbers(finished, page):
    folder = finished.path / "figures"
    for name in FIGURES:
        with Image.open(folder / f"{name}.png") as picture:
            assert picture.width > 800 and picture.format == "PNG"
        assert "<svg" in (folder / f"{name}.svg").read_text(encoding="utf-8")
    progress = rows_of(folder / "progress.csv")
    assert len(progress) == 3 * (len(BASE) + 1)
    for row in progress:
        scores = finished.iteration(int(row["iteration"])).load("metrics")["sealed"]
        kind = row["question_type"]
        expected = scores["overall"] if kind == "all" else scores["types"][kind]
        assert int(row["right"]) == expected["right"]
        assert float(row["accuracy"]) == pytest.approx(expected["accuracy"], abs=1e-6)
    n_samples = sum(len(finished.iteration(number).load("samples")) for number in (0, 1))
    assert sum(int(row["samples"]) for row in rows_of(folder / "gains.csv")) == n_samples


def test_figures_of_an_older_page_do_not_stay(finished, tmp_path):
    (tmp_path / "page_figures").mkdir()
    (tmp_path / "page_figures" / "old.png").write_text("")
    build_report(finished, tmp_path / "page.html")
    assert not (tmp_path / "page_figures" / "old.png").exists()
    assert not list(tmp_path.glob("*.part"))


def plain(page):
    """The words of a page, without its tags."""
    body = page[page.index("<body>") :]
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_clusters_show_bad_cases_of_their_own(finished, page):
    found = finished.iteration(1).load("clusters")
    assert found, "the made-up answers have clusters"
    assert f"{found[0].question_type}: {found[0].name}" in plain(page)
    assert f"{found[0].right} of {found[0].n}" in plain(page)


def test_a_run_without_clusters_says_so(finished, tmp_path):
    run = create_run(tmp_path / "run", "picturebook", overrides=SIZES)
    run.iteration(0).save("clusters", [])
    assert "No type has enough bad cases" in build_report(run).read_text(encoding="utf-8")


def test_every_template_tried_stands_with_its_share_and_what_changed(page):
    text = plain(page)
    first, second = (template.id for template in TEMPLATES)
    assert f"0 {first} – – chosen 12 75.0 46.8 to 91.1" in text
    assert f"0 {second} {first} + counting 12 100.0" in text
    assert f"Changed since {first} added, rule: count to six at most" in text


def test_a_prompt_session_stands_with_its_reviewers_and_its_price(finished, tmp_path):
    run = create_run(tmp_path / "run", "picturebook", overrides=SIZES)
    iteration, samples = run.iteration(0), tuple(finished.iteration(0).load("generated")[:6])
    acts = [
        Act("t1", "policy rules", "begin", 1, TEMPLATES[0].id, template=TEMPLATES[0], samples=samples,
            requests=6, usd=0.25, seconds=3.0),
        Act("t2", "Ada", "review", 1, TEMPLATES[0].id, samples[0].query_id, "reject", ("wrong type",)),
        Act("t3", "Ada", "keep", 2, TEMPLATES[0].id),
        Act("t4", "policy rules", "test", 2, TEMPLATES[0].id, text="nobody's", samples=samples, usd=9.0),
    ]  # fmt: skip
    iteration.save("session", acts)
    iteration.save("decision", finished.iteration(0).load("decision"))
    text = plain(build_report(run).read_text(encoding="utf-8"))
    assert "0 policy rules, Ada 1 wrong type 1 2 6 0.25 3" in text
    assert f"0 nobody&#x27;s {TEMPLATES[0].id} 6 66.7" in text


def test_spend_comes_from_the_ledger(tmp_path, page):
    assert "the teacher rules keeps no ledger" in plain(page)
    run = make_run(tmp_path / "paid", is_paid=True, gains=(0.0, 0.3))
    text = plain(build_report(run).read_text(encoding="utf-8"))
    n = len(run.iteration(0).load("generated"))
    accepted = len(run.iteration(0).load("samples"))
    usd = n * PRICE_USD
    assert f"teacher {n} {n} 0 {800 * n:,} {120 * n:,} {usd:.2f} 0.00" in text
    assert f"0 {n} {accepted} {usd:.2f} {usd / accepted:.4f}" in text
    assert "points per USD" in text


@pytest.mark.parametrize("stage", range(5))
def test_a_run_at_any_stage_has_a_report_that_names_what_comes_next(tmp_path, stage):
    run = create_run(tmp_path / "early", "picturebook", overrides=SIZES)
    benchmark = benchmarks.load("picturebook", **run.profile.benchmark_options)
    iteration = run.iteration(0)
    steps = [
        lambda: evaluate(iteration, benchmark, 0.0),
        lambda: analyse(iteration, benchmark, images.load("picturebook")),
        lambda: (choose(iteration), generate(iteration)),
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
