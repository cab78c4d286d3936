import pytest

from dataengine_utils.errors import KitError
from dataengine_utils.records import BadCase, Prediction
from dataengine_utils.stats import Paired
from dataengine_utils.weakness import Change, change, changes, type_table

# arXiv 2308.13566, LLaVA-1.5 before the first round on SEED-Bench: (type, accuracy in %, questions).
PAPER = [
    ("Scene Understanding", 74.89, 3158),
    ("Instance Identity", 68.32, 1831),
    ("Instance Attributes", 66.87, 4649),
    ("Instance Location", 60.94, 978),
    ("Instances Counting", 57.42, 2447),
    ("Spatial Relation", 49.92, 657),
    ("Instance Interaction", 73.20, 97),
    ("Visual Reasoning", 76.13, 331),
    ("Text Understanding", 27.06, 85),
]


def outcomes(question_type, right=0, wrong=0, unparsed=0):
    return [
        Prediction(f"{question_type}-{outcome}-{i}", question_type, "", "", outcome)
        for outcome, n in (("right", right), ("wrong", wrong), ("unparsed", unparsed))
        for i in range(n)
    ]


def test_the_papers_counts_give_the_papers_weights():
    predictions = []
    for name, percent, n in PAPER:
        right = round(percent / 100 * n)
        predictions += outcomes(name, right, n - right)
    table = type_table(predictions)
    assert [row.question_type for row in table] == [name for name, _, _ in PAPER]
    assert [round(100 * row.accuracy, 2) for row in table] == [percent for _, percent, _ in PAPER]
    assert [round(100 * row.weight, 1) for row in table] == [
        9.1,
        10.3,
        10.5,
        11.4,
        11.9,
        12.9,
        9.4,
        8.9,
        15.6,
    ]
    text = table[-1]
    assert (text.right, text.n, text.bad_cases) == (23, 85, 62)


def test_three_outcomes_are_counted_and_unparsed_is_not_right():
    rows = type_table(outcomes("a", 2, 1, 1) + outcomes("b", 0, 0, 3))
    assert [(row.n, row.right, row.wrong, row.unparsed, row.accuracy) for row in rows] == [
        (4, 2, 1, 1, 0.5),
        (3, 0, 0, 3, 0.0),
    ]
    assert rows[0].low < 0.5 < rows[0].high


def test_types_fix_the_order_and_a_type_never_asked_weighs_nothing():
    rows = type_table(outcomes("a", 1, 1), types=["b", "a"])
    first = rows[0]
    assert (first.question_type, first.n, first.weight, first.low, first.high) == ("b", 0, 0.0, 0.0, 1.0)
    assert rows[1].weight == 1
    with pytest.raises(KitError, match="unknown question type 'a'; known: b"):
        type_table(outcomes("a", 1), types=["b"])


def test_a_perfect_student_gets_equal_weights():
    assert [row.weight for row in type_table(outcomes("a", 3) + outcomes("b", 9))] == [0.5, 0.5]
    assert type_table([]) == []


def test_a_change_pairs_answers_by_question():
    def answers(**outcome_of):
        return [Prediction(name, name[0], "", "", outcome) for name, outcome in outcome_of.items()]

    before = answers(a1="wrong", a2="wrong", a3="right", b1="unparsed")
    after = answers(b1="right", a3="wrong", a2="right", a1="right")
    assert change(before, after).difference == 0.5
    assert change(before, after, "a").difference == pytest.approx(1 / 3)
    assert change(before, after, "a").p == 1.0
    with pytest.raises(KitError, match="1 questions are in only one of the two evaluations, such as 'b1'"):
        change(before[:3], after)


def test_the_pool_is_counted_when_given():
    cases = [BadCase(str(i), "Counting", "7", "x", (), "two", "") for i in range(2)]
    rows = type_table(outcomes("Counting", 1, 5), bad_cases=cases)
    assert rows[0].bad_cases == 2


def test_the_shrunk_rate_helps_the_type_with_few_questions_most():
    table = [row for name, percent, n in PAPER for row in [(name, percent, n)]]
    predictions = [
        p
        for name, percent, n in table
        for p in outcomes(name, round(percent / 100 * n), n - round(percent / 100 * n))
    ]
    rows = {row.question_type: row for row in type_table(predictions)}
    moved = {name: abs(row.shrunk - row.accuracy) for name, row in rows.items()}
    assert max(moved, key=moved.get) == "Text Understanding"
    text = rows["Text Understanding"]
    assert text.accuracy < text.shrunk < 0.35 and text.shrunk_low < text.shrunk < text.shrunk_high
    assert moved["Instance Attributes"] < 0.001


def test_the_papers_questions_show_only_so_much():
    """With unrelated answers: 20 points on 85 questions, under 3 on 4,649."""
    predictions = [
        p
        for name, percent, n in PAPER
        for p in outcomes(name, round(percent / 100 * n), n - round(percent / 100 * n))
    ]
    rows = {row.question_type: row.detectable for row in type_table(predictions)}
    assert rows["Text Understanding"] == pytest.approx(0.197, abs=0.002)
    assert rows["Instance Attributes"] == pytest.approx(0.027, abs=0.001)
    same = type_table(predictions, flipped=dict.fromkeys(rows, 0.1))
    assert all(row.detectable < rows[row.question_type] for row in same)


def test_changes_are_those_of_each_type_adjusted_over_all():
    names = "abc"
    before = [
        Prediction(f"{t}{i}", t, "", "", "right" if i % 2 else "wrong") for t in names for i in range(200)
    ]
    after = [
        Prediction(
            p.question_id,
            p.question_type,
            "",
            "",
            "right" if p.question_type == "a" else "wrong" if p.question_id == "b1" else p.outcome,
        )
        for p in before
    ]
    found = changes(before, after)
    assert list(found) == ["a", "b", "c", "all"]
    assert found["a"].verdict == "higher" and found["a"].paired == change(before, after, "a")
    assert (found["a"].n, found["a"].flipped) == (200, 0.5)
    assert found["b"].verdict == "" and found["b"].paired.difference == -0.005
    assert found["c"].adjusted == 1 and found["c"].paired.difference == 0
    assert found["all"].paired == change(before, after)
    assert all(one.adjusted >= one.paired.p for one in found.values())


def test_a_change_is_named_by_its_sign_once_it_is_more_than_chance():
    fell = Paired(-0.1, -0.2, -0.01, 0.01)
    assert Change(fell, 0.04, 10, 0.1).verdict == "lower"
    assert Change(fell, 0.06, 10, 0.1).verdict == ""
