"""The VQA family's comparison of answers: stages of the normalisation, leave-one-out credit, tables."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine_utils.benchmarks import vqa
from dataengine_utils.benchmarks.official import need_answers
from dataengine_utils.benchmarks.scoring import Verdict, predict
from dataengine_utils.benchmarks.vqa import (
    CONTRACTIONS,
    GT_VISION_LAB,
    PYTHON3,
    VIZWIZ_API,
    Normaliser,
    accuracy_tables,
    added,
    all_together,
    credits_of,
    leave_one_out,
    llava_submission,
    minigpt4_submission,
    round_away,
    vqa_verdict,
)
from dataengine_utils.benchmarks.vqa_files import gold_of
from dataengine_utils.errors import KitError
from dataengine_utils.records import Question
from tests.bench.vqa import official_loop

WORDS = ["yes", "Yes", "yes.", "no", "two", "2", "a", "the dog", "1,000", "5.", "dont", "t-shirt", ""]
TEXTS = st.one_of(st.sampled_from(WORDS), st.text("aT1,.-? '\n\té", max_size=6))


def question(**gold):
    return Question("1", "i", "", "What?", (), "red", "", "other", gold=gold)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("A Dog.", "dog"),
        (" hot\ndog\t", "hot dog"),
        ("two dogs", "2 dogs"),
        ("none", "0"),
        ("eleven", "eleven"),
        ("the", ""),
        ("black/white", "black white"),
        ("black / white", "black white"),
        ("a-b- c", "ab c"),
        ("t-shirt", "t shirt"),
        ("1,000-2,000", "10002000"),
        ("5. 5.5 no.5", "5 5.5 no.5"),
        ("10:30 $5 50% at&t", "10:30 $5 50% at&t"),
        ("dont", "don't"),
        ("Im ive", "im ive"),
        ("shes", "shes"),
        ("somebody'd", "somebodyd"),
        ("y'alld've", "y'all'd've"),
        ("ow's'at", "'ow's'at"),
        ("x" + "." * 40, "x" + "." * 8),
    ],
)
def test_normalisation_of_the_vqa_scorer(text, wanted):
    assert GT_VISION_LAB(text) == wanted


def test_a_sign_is_judged_by_the_text_as_it_was():
    assert GT_VISION_LAB.stages("a_ b;c").bare == "a b c"
    assert GT_VISION_LAB.stages("1,2 a-b").bare == "12 ab"


def test_only_python_3_copies_count_digits_of_other_scripts():
    assert GT_VISION_LAB("١,٢") == "١ ٢" and PYTHON3("١,٢") == "١٢"


def test_the_vizwiz_api_puts_curly_apostrophes_back_but_for_some_words():
    assert VIZWIZ_API("dont cant weve") == "don\u2019t can't we've"
    twice = "couldn\u2019t\u2019ve"
    assert VIZWIZ_API("couldn'tve couldnt\u2019ve couldnt've") == f"{twice} {twice} couldnt've"


def test_forgetting_changes_nothing(monkeypatch):
    monkeypatch.setattr(vqa, "REMEMBERED", 2)
    normaliser = Normaliser(CONTRACTIONS)
    assert [normaliser(text) for text in ("A dog.", "two", "a", "A dog.")] == ["dog", "2", "", "dog"]


def test_contractions_are_reached_by_leaving_out_one_apostrophe():
    assert len(CONTRACTIONS) == 114 and "let's" not in CONTRACTIONS and "shes" not in CONTRACTIONS
    assert all(len(key) == len(word) - 1 for key, word in CONTRACTIONS.items() if key != "somebody'd")


@pytest.mark.parametrize(
    ("reply", "wanted"), [("Yes, it's red?", "yes it 's red"), ("The answer\nis A.", "answer is"), ("", "")]
)
def test_llavas_upload(reply, wanted):
    assert llava_submission(reply) == wanted


def test_minigpts_submission():
    assert minigpt4_submission(" Red<unk> ") == "red"


def test_llavas_uploads_of_a_real_run_are_reproduced(shared_data):
    folder = shared_data / "llava_eval" / "vizwiz"
    lines = (folder / "answers" / "llava-v1.5-13b.jsonl").read_text(encoding="utf-8").splitlines()
    upload = json.loads((folder / "answers_upload" / "llava-v1.5-13b.json").read_text(encoding="utf-8"))
    replies = [json.loads(line)["text"] for line in lines]
    assert list(map(llava_submission, replies)) == [item["answer"] for item in upload]


@pytest.mark.parametrize(("agreeing", "credit"), [(0, 0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1), (10, 1)])
def test_ten_people_with_ids(agreeing, credit):
    matches = (True,) * agreeing + (False,) * (10 - agreeing)
    assert leave_one_out(matches) == pytest.approx(credit)


def test_equal_records_leave_together():
    matches = (True,) * 4 + (False,) * 6
    assert leave_one_out(matches, (0,) * 10) == pytest.approx(0.6)
    assert leave_one_out(matches, (0, 0, 2, 3) + (0,) * 6) == pytest.approx((6 + 2 * 2 / 3 + 2) / 10)
    assert leave_one_out((True,) * 10, (0,) * 10) == 0


def test_nobody_left_out():
    credits = [all_together((True,) * n + (False,) * (10 - n)) for n in (0, 1, 3)]
    assert credits == pytest.approx([0, 1 / 3, 1])


def test_unanimous_answers_are_compared_as_they_are():
    ten = ("yes",) * 10
    for reply, credit in (("yes", 1), (" yes\n", 1), ("Yes", 0), ("yes.", 0)):
        assert vqa_verdict(reply, ten, normaliser=GT_VISION_LAB).credit == credit
    assert vqa_verdict("Yes.", (*ten[1:], "no"), normaliser=GT_VISION_LAB) == Verdict("yes", 1.0)
    assert vqa_verdict("YES", ten, normaliser=PYTHON3, fold=True).credit == 1


def test_unanimity_is_judged_before_normalising():
    assert vqa_verdict("YES", ("yes", "yes ", "yes\n"), normaliser=GT_VISION_LAB).credit == 0
    assert vqa_verdict("YES", ("yes",) * 9 + ("Yes",), normaliser=GT_VISION_LAB).credit == 1


def test_a_reply_that_is_right_though_nothing_is_left_of_it_counts():
    letter = ("a",) * 9 + ("b",)
    right = vqa_verdict("the", letter, normaliser=GT_VISION_LAB)
    assert right == Verdict("the", 1.0)
    assert vqa_verdict("the", ("cat", "dog"), normaliser=GT_VISION_LAB) == Verdict("", 0.0)


PEOPLE = st.tuples(TEXTS, st.sampled_from(["yes", "no"]), st.integers(1, 4))


@given(
    reply=TEXTS,
    answers=st.lists(PEOPLE, min_size=1, max_size=10),
    numbered=st.sampled_from(["everyone", "nobody", "anyhow"]),
)
def test_credits_are_those_of_the_literal_loop(reply, answers, numbered):
    records = [{"answer": text, "answer_confidence": sure, "answer_id": id} for text, sure, id in answers]
    for number, record in enumerate(records):
        if numbered == "everyone":
            record["answer_id"] = number + 1
        elif numbered == "nobody":
            del record["answer_id"]
    gold = gold_of({"answers": records})
    loop = official_loop([{"question_id": 1, "answers": copy.deepcopy(records)}], {1: reply})
    ours = vqa_verdict(reply, gold["answers"], gold.get("marks", ()), normaliser=GT_VISION_LAB)
    assert ours.credit == loop["items"][1]
    assert bool(ours.read) or not (ours.credit and reply.strip())


@given(st.text(max_size=30))
def test_normalising_twice_changes_only_what_became_a_new_word(text):
    stages = GT_VISION_LAB.stages(text)
    assert "\n" not in stages.stripped and stages.stripped == stages.stripped.strip()
    assert "  " not in stages.final and stages.final == stages.final.strip()


def test_tables_are_in_per_cent_and_pass_over_what_has_no_label():
    tables = accuracy_tables([1.0, 0.3, 0.0], answer_type=["other", "other", ""])
    assert tables["summary"]["accuracy"] == pytest.approx(130 / 3)
    assert tables["answer_type"] == {"other": {"accuracy": pytest.approx(65), "n": 2}}
    assert accuracy_tables([], answer_type=[]) == {"summary": {"accuracy": None}, "answer_type": {}}


def test_python_2_rounds_ties_away_from_zero():
    assert (round(5.625, 2), round_away(5.625)) == (5.62, 5.63)
    assert (round_away(0.005), round_away(33.333333)) == (0.01, 33.33)  # 0.005 is a little more in binary


def test_addition_is_plain():
    assert added([0.1] * 10) == 0.1 + 0.1 + 0.1 + 0.1 + 0.1 + 0.1 + 0.1 + 0.1 + 0.1 + 0.1 != 1


def test_missing_predictions_earn_what_an_empty_upload_does():
    asked = question(answers=("a", "the", "an"))
    judge = lambda question, reply: vqa_verdict(reply, question.gold["answers"], normaliser=GT_VISION_LAB)  # noqa: E731
    empty = predict(asked, "", judge=judge)
    assert empty.outcome == "unparsed" and credits_of([asked], [empty], judge) == [pytest.approx(2 / 3)]


def test_questions_without_answers_are_told():
    with pytest.raises(KitError, match=r"1 of 2 questions have no answers, such as '1'; submit there"):
        need_answers([question(answers=("a",)), question()], "submit there")
