import random

import pytest

from dataengine_utils.clusters import find_clusters
from dataengine_utils.records import Prediction, Question

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
WORDINGS = ("How many {} are there?", "How many {} are in the picture?", "Count the {}. How many?")


def counting(n, share_right, seed=0):
    """Questions that count four kinds of things, right with `share_right(kind, number)`."""
    rng, questions, predictions = random.Random(seed), [], []
    for i in range(n):
        kind, number = rng.choice(["people", "cars", "dogs", "chairs"]), rng.randint(1, 9)
        right = rng.random() < share_right(kind, number)
        text, answer = rng.choice(WORDINGS).format(kind), NUMBERS[number]
        questions.append(Question(str(i), "", "", text, (), answer, "", "Counting"))
        reply = answer if right else NUMBERS[number - 1]
        predictions.append(Prediction(str(i), "Counting", reply, "", "right" if right else "wrong"))
    return questions, predictions


def test_counting_becomes_counting_people_above_four():
    questions, predictions = counting(1500, lambda kind, n: 0.1 if kind == "people" and n > 4 else 0.8)
    found = find_clusters(questions, predictions)
    weakest = found[0]
    assert "people" in weakest.name and "answer above four" in weakest.name
    assert weakest.accuracy < 0.3 < found[-1].accuracy
    assert weakest.low < weakest.accuracy < weakest.high
    answer, reply, n = weakest.confusions[0]
    assert NUMBERS.index(reply) == NUMBERS.index(answer) - 1 and n > 1
    by_id = {question.id: question for question in questions}
    assert all("people" in by_id[name].question for name in weakest.question_ids[:5])
    wrong = {p.question_id for p in predictions if p.outcome == "wrong"}
    assert all(set(cluster.question_ids) <= wrong for cluster in found)
    assert sum(cluster.n for cluster in found) <= len(questions)


def test_the_same_seed_gives_the_same_clusters():
    given = counting(600, lambda kind, n: 0.5)
    assert find_clusters(*given, seed=3) == find_clusters(*given, seed=3)


def test_few_bad_cases_are_no_clusters():
    assert find_clusters(*counting(60, lambda kind, n: 0.9)) == []
    assert find_clusters([], []) == []


def test_answers_that_read_alike_are_not_cut_into_even_parts():
    questions = [Question(str(i), "", "", "Is it there?", (), "yes", "", "Own") for i in range(80)]
    predictions = [Prediction(str(i), "Own", "no", "", "wrong") for i in range(80)]
    assert find_clusters(questions, predictions) == []


@pytest.mark.parametrize("text", ["", "???", "<b>x</b> & \x1b[31m", "数数有几个人"])
def test_any_text_will_do(text):
    questions = [Question(str(i), "", "", text + str(i % 3), (), "a" * (i % 3), "", "Own") for i in range(60)]
    predictions = [Prediction(str(i), "Own", "", "", "unparsed") for i in range(60)]
    for cluster in find_clusters(questions, predictions):
        assert cluster.n and cluster.right == 0
