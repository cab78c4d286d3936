"""What all published benchmarks share: rules by name, splits, groups, partial credit, and how errors read."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine_utils import benchmarks
from dataengine_utils.bad_cases import collect_bad_cases
from dataengine_utils.benchmarks.official import About, OfficialBenchmark, unique_ids
from dataengine_utils.benchmarks.scoring import Verdict, credit, predict, tally, units
from dataengine_utils.errors import KitError
from dataengine_utils.records import Prediction, Question
from dataengine_utils.registry import resolve
from dataengine_utils.weakness import change, type_table


def question(number, **fields):
    asked = Question(str(number), f"i{number // 2}", "", "How many?", (), "two", "", f"type {number % 3}")
    return dataclasses.replace(asked, **fields)


class Shares(OfficialBenchmark):
    """A made-up benchmark: a reply is a number, and that is the credit."""

    name = "shares"
    about = About("Shares", "shares.txt", "https://example.org", "CC0")
    rules = ("number", "none")

    def read(self):
        self.find("shares.txt")
        return [question(number) for number in range(24)]

    def judge(self, question, reply):
        return Verdict(reply, float(reply or 0))

    def official(self, questions, predictions):
        return {"summary": {"sum": sum(map(credit, predictions))}}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "shares.txt").touch()
    return str(tmp_path)


def test_credit_counts_in_part_and_half_of_it_is_right(folder):
    benchmark = Shares(folder)
    asked = benchmark.questions("all")
    given = [predict(q, "0.6" if n % 2 else "0.3", judge=benchmark.judge) for n, q in enumerate(asked)]
    metrics = benchmark.score(asked, given)
    assert metrics["overall"]["accuracy"] == pytest.approx(0.45)
    assert (metrics["overall"]["right"], metrics["overall"]["wrong"]) == (12, 12)
    assert metrics["rule"] == "number" and metrics["official"]["summary"]["sum"] == pytest.approx(10.8)
    table = type_table(given)
    assert [row.accuracy for row in table] == pytest.approx([0.45] * 3)
    assert sum(row.right for row in table) == 12
    assert len(collect_bad_cases(asked, given)) == 12
    better = [predict(q, "0.9", judge=benchmark.judge) for q in asked]
    assert change(given, better).difference == pytest.approx(0.45) and change(given, better).p < 0.001


def test_a_missing_prediction_is_unparsed_and_counted(folder):
    benchmark = Shares(folder)
    asked = benchmark.questions("all")
    metrics = benchmark.score(asked, [predict(asked[0], "1", judge=benchmark.judge)])
    assert (metrics["missing"], metrics["overall"]["unparsed"], metrics["overall"]["right"]) == (23, 23, 1)
    assert all(0 <= row["accuracy"] <= 1 for row in metrics["types"].values())


def test_splits_share_no_image_and_paper_uses_all_for_both(folder):
    benchmark = Shares(folder)
    diagnose, sealed = benchmark.questions("diagnose"), benchmark.questions("sealed")
    assert len(diagnose) + len(sealed) == 24
    assert not {q.image_id for q in diagnose} & {q.image_id for q in sealed}
    whole = Shares(folder, splits="paper")
    assert whole.questions("diagnose") == whole.questions("sealed") == benchmark.questions("all")
    assert whole.score(whole.questions("sealed"), [])["splits"] == "paper"


@pytest.mark.parametrize("option", ["rule", "variant", "splits"])
def test_unknown_choices_name_the_known_ones(folder, option):
    with pytest.raises(KitError, match=f"unknown {option} of shares 'x'; known: "):
        Shares(folder, **{option: "x"})


def test_a_missing_file_says_what_is_needed_and_where_it_is(tmp_path):
    said = r"no shares.txt in .*Shares needs shares.txt \(from https://example.org; CC0"
    with pytest.raises(KitError, match=said):
        Shares(str(tmp_path)).questions("all")
    with pytest.raises(KitError, match="no file .*gone"):
        Shares(str(tmp_path / "gone")).questions("all")


@pytest.mark.parametrize("name", benchmarks.OFFICIAL)
def test_every_published_benchmark_is_complete(name, tmp_path):
    kind = resolve("benchmark", benchmarks.OFFICIAL, name)
    assert kind.name == name and issubclass(kind, OfficialBenchmark)
    about = dataclasses.asdict(kind.about)
    assert all(about[part] for part in ("title", "files", "where", "licence")) and kind.rules
    benchmark = benchmarks.load(name, path=str(tmp_path))
    assert benchmark.rule == kind.rules[0] and benchmark.root == tmp_path
    with pytest.raises(KitError) as error:
        benchmark.questions("all")
    assert kind.about.where in str(error.value) and kind.about.licence in str(error.value)
    with pytest.raises(KitError, match="it takes"):
        benchmarks.load(name, path=str(tmp_path), parrot=1)


def test_a_group_is_right_only_if_all_of_it_is():
    def row(group, outcome):
        return Prediction(f"{group}{outcome}", "t", "", "", outcome, (), group)

    rows = [row("a", "right"), row("b", "right"), row("a", "wrong"), row("b", "right"), row("", "unparsed")]
    assert [unit.outcome for unit in units(rows)] == ["wrong", "right", "unparsed"]
    assert tally(rows)["overall"]["n"] == 3 and type_table(rows)[0].right == 1


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=30))
def test_groups_against_the_definition(rows):
    predictions = [
        Prediction(str(n), "t", "", "", "right" if right else "wrong", (), group)
        for n, (group, right) in enumerate(rows)
    ]
    expected = {group: all(right for name, right in rows if name == group) for group, _ in rows}
    assert {unit.group: unit.outcome == "right" for unit in units(predictions)} == expected


def test_ids_that_are_there_twice_are_told_apart():
    twice = [question(7), question(8), question(7), question(7)]
    assert [q.id for q in unique_ids(twice)] == ["7", "8", "7#2", "7#3"]
