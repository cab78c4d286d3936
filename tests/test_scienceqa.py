"""ScienceQA: its files, its two rules, the official table, and real answers of LLaVA-1.5-13B and GPT-3."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine_utils import benchmarks
from dataengine_utils.benchmarks import hub
from dataengine_utils.benchmarks.scienceqa import NO_TOPIC, split_prompt
from dataengine_utils.benchmarks.scienceqa_rules import (
    FIVE,
    Item,
    choice_index,
    llava_letter,
    lmms_letter,
    sqa_scores,
    sqa_verdict,
)
from dataengine_utils.benchmarks.scoring import predict
from dataengine_utils.errors import KitError
from dataengine_utils.models.wording import FAMILIES, prompt
from dataengine_utils.records import LETTERS

ASKED = "Which is farthest north?\nA. Ohio\nB. None\nC. NA"
SUFFIX = "\nAnswer with the option's letter from the given choices directly."


def problem(**fields):
    return {
        "question": "Which is farthest north?", "choices": ["Ohio", "None", "NA"], "answer": 1, "hint": "",
        "image": None, "task": "closed choice", "grade": "grade2", "subject": "social science",
        "topic": "geography", "category": "Geography", "skill": "", "lecture": "", "solution": "",
        "split": "test", **fields,
    }


PROBLEMS = {
    "4": problem(),
    "5": problem(image="image.png", hint="A  map.\nFigure.", subject="natural science", grade="grade8"),
    "9": problem(split="train"),
    "11": problem(topic="biology", hint="Read.", subject="natural science", grade="grade12"),
}


def conversation(pid, value, letter="B", **fields):
    turns = [{"from": "human", "value": value}, {"from": "gpt", "value": letter}]
    return {"id": pid, **fields, "conversations": turns}


CONVERSATIONS = [
    conversation("4", ASKED),
    conversation("5", f"<image>\nContext: A map.\nFigure.\n{ASKED}", image="5/image.png"),
    conversation("11", f"Context: Read.\n{ASKED}"),
]


def write(folder, name, value):
    (folder / name).write_text(json.dumps(value), encoding="utf-8")
    return folder / name


def sqa(path, **options):
    return benchmarks.load("scienceqa", path=str(path), **options)


def replied(benchmark, replies):
    asked = benchmark.questions("all")
    return asked, [predict(q, replies[q.id], judge=benchmark.judge) for q in asked if q.id in replies]


def wording(question):
    return prompt(question.question, question.options, "choice", FAMILIES["llava"], question.hint)


@pytest.fixture
def official_folder(tmp_path):
    write(tmp_path, "problems.json", PROBLEMS)
    write(tmp_path, "pid_splits.json", {"train": ["9"], "test": ["4", "5", "11"], "minitest": ["4"]})
    return tmp_path


def test_the_official_folder_is_read(official_folder):
    benchmark = sqa(official_folder)
    four, five, eleven = benchmark.questions("all")
    assert [four.id, five.id, eleven.id] == ["4", "5", "11"]
    assert (four.image, four.hint, four.options) == ("", "", ("Ohio", "None", "NA"))
    assert (four.choice, four.answer, four.form, four.question_type) == ("B", "None", "choice", "geography")
    assert five.image == "images/test/5/image.png" and five.hint == "Context: A map.\nFigure."
    assert len({q.image_id for q in (four, five, eleven)}) == 3
    assert [q.id for q in sqa(official_folder, variant="img").questions("all")] == ["5"]


def test_a_part_of_the_problems_goes_by_their_own_split(tmp_path):
    file = write(tmp_path, "problems_first.json", PROBLEMS)
    assert [q.id for q in sqa(file).questions("all")] == ["4", "5", "11"]


@pytest.mark.parametrize("beside", [False, True])
def test_llavas_file_gives_the_same_questions(tmp_path, official_folder, beside):
    folder = tmp_path / "llava"
    folder.mkdir()
    file = write(folder, "llava_test_CQM-A.json", CONVERSATIONS)
    if beside:
        write(folder, "problems.json", PROBLEMS)
    ours, theirs = sqa(file).questions("all"), sqa(official_folder).questions("all")
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine.id, mine.image, mine.choice, wording(mine)) == (
            other.id, other.image, other.choice, wording(other))
        assert (mine == other) is beside
        assert beside or mine.question_type == NO_TOPIC
    assert sqa(folder).questions("all") == (theirs if beside else ours)


@pytest.mark.parametrize("images", ["", "images", "images/test"])
def test_pictures_are_found_in_either_layout(official_folder, images):
    (official_folder / "images" / "test").mkdir(parents=True)
    benchmark = sqa(official_folder, images=str(official_folder / images) if images else "", variant="img")
    (asked,) = benchmark.questions("all")
    assert benchmark.root / asked.image == official_folder / "images" / "test" / "5" / "image.png"


@pytest.mark.parametrize(
    ("name", "variant", "config"),
    [("", "full", "ScienceQA-FULL"), ("", "img", "ScienceQA-IMG"), ("derek-thomas/ScienceQA", "img", None)],
)
def test_hub_copies_are_read_with_the_rows_number_as_id(monkeypatch, name, variant, config):
    rows = [{**problem(image=image), "solution": None} for image in (None, "hub:1", "hub:2")]
    called = []
    monkeypatch.setattr(hub, "rows", lambda *place: called.append(place) or iter(rows), raising=False)
    asked = sqa(f"hub:{name}", variant=variant).questions("all")
    assert called == [(name or "lmms-lab/ScienceQA", config, "test")]
    assert [(q.id, q.image) for q in asked] == [("0", ""), ("1", "hub:1"), ("2", "hub:2")][variant == "img" :]


@pytest.mark.parametrize(
    ("value", "hint", "question", "options"),
    [
        ("Which?\nA. a\nB. b", "", "Which?", ("a", "b")),
        ("<image>\nWhich?\nA. a\nB. b", "", "Which?", ("a", "b")),
        ("Context: N.\nWhich\nis it?\nA. a\nB. b", "Context: N.\nWhich", "is it?", ("a", "b")),
        ("Which?\nA. Yours,\nAnn\nB. yours,\nAnn\nC. c\nD. d\nE. e", "", "Which?",
         ("Yours,\nAnn", "yours,\nAnn", "c", "d", "e")),
        ("Is\nA. B. Cee\nB. So?\nA. a\nB. b", "", "Is\nA. B. Cee\nB. So?", ("a", "b")),
        ("Context: alone?\nA. a\nB. b", "", "Context: alone?", ("a", "b")),
    ],
)
def test_llavas_text_is_taken_apart_and_put_together_again(value, hint, question, options):
    assert split_prompt(value) == (hint, question, options)
    text = prompt(question, options, "choice", FAMILIES["llava"], hint)
    assert text == value.replace("<image>\n", "") + SUFFIX


def test_a_known_question_says_where_the_hint_ends():
    value = "Context: N.\nWhich\nis it?\nA. a\nB. b"
    assert split_prompt(value, "Which\nis it?") == ("Context: N.", "Which\nis it?", ("a", "b"))


@pytest.mark.parametrize(
    ("reply", "llava", "lmms"),
    [
        ("B", "B", "B"),
        ("b", "", "B"),
        ("B. None", "B", "B"),
        ("B.", "", "B"),
        ("B.None", "", "B"),
        ("b. none", "", ""),
        (" B", "", ""),
        ("B\n", "", ""),
        ("The answer is B.", "B", ""),
        ("Because ... The answer is B!", "B", ""),
        ("The answer is B", "", ""),
        ("The answer is B. The answer is B.", "", ""),
        ("The answer is Because", "B", ""),
        ("The answer is\nB.", "", ""),
        ("the answer is B.", "", ""),
        ("E", "E", "E"),
        ("F. x", "", "F"),
        ("The answer is F.", "F", ""),
        ("AB", "", ""),
        ("", "", ""),
        ("\u00df", "", "SS"),
    ],
)
def test_each_rule_reads_its_own(reply, llava, lmms):
    assert (llava_letter(reply), lmms_letter(reply)) == (llava, lmms)
    for rule, letter in (("llava", llava), ("lmms", lmms)):
        verdict = sqa_verdict(reply, "B", 3, rule)
        assert (verdict.read, verdict.credit) == (letter if letter == "B" else "", float(letter == "B"))


REPLIES = st.text(max_size=8) | st.sampled_from(["The answer is C.", "C. c", "D"])


@given(REPLIES, st.integers(2, 5), st.sampled_from(FIVE))
def test_only_an_option_is_ever_read(reply, n_choices, answer):
    for rule in ("llava", "lmms"):
        verdict = sqa_verdict(reply, answer, n_choices, rule)
        assert verdict.read in ("", *LETTERS[:n_choices])
        assert verdict.credit == float(verdict.read == answer)


def test_a_letter_that_is_no_options_is_unparsed(official_folder):
    benchmark = sqa(official_folder)
    _, given = replied(benchmark, {"4": "E", "5": "B", "11": "A"})
    assert [p.outcome for p in given] == ["unparsed", "right", "wrong"]
    assert [choice_index(letter, 3) for letter in ("E", "", "AB", "C")] == [-1, -1, -1, 2]


def test_the_official_table(official_folder):
    benchmark = sqa(official_folder)
    official = benchmark.score(*replied(benchmark, {"4": "B", "5": "A", "11": "B. None"}))["official"]
    assert official["summary"] == {"total": pytest.approx(200 / 3), "IMG": 0}
    accuracies = {name: row["accuracy"] for name, row in official["category"].items()}
    assert accuracies == {
        "NAT": 50, "SOC": 100, "LAN": None, "TXT": 50, "IMG": 0, "NO": 100, "G1-6": 100, "G7-12": 50,
        "avg": pytest.approx(200 / 3),
    }
    assert official["category"]["LAN"]["n"] == 0 and official["topic"]["biology"] == {"accuracy": 100, "n": 1}


def test_missing_predictions_leave_llavas_img_alone(official_folder):
    write(official_folder, "problems.json", {**PROBLEMS, "11": problem(image="image.png")})
    for rule, image in (("llava", 100), ("lmms", 50)):
        benchmark = sqa(official_folder, rule=rule)
        scores = benchmark.score(*replied(benchmark, {"5": "B"}))
        assert scores["official"]["summary"] == {"total": pytest.approx(100 / 3), "IMG": image}
        assert scores["official"]["category"]["IMG"] == {"accuracy": 50, "n": 2} and scores["missing"] == 2
        assert scores["overall"]["unparsed"] == 2
    benchmark = sqa(official_folder)
    assert benchmark.score(benchmark.questions("all"), [])["official"]["summary"] == {"total": 0, "IMG": None}
    answered = replied(benchmark, {"4": "", "5": "B", "11": ""})
    assert benchmark.score(*answered)["official"]["summary"]["IMG"] == 50


def test_scores_of_nothing_are_none():
    assert sqa_scores([])["summary"] == {"total": None, "IMG": None}
    assert sqa_scores([Item(True, False)])["summary"] == {"total": 100, "IMG": None}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"choices": ["one"]}, "answer 1 to 1 choices"),
        ({"choices": None}, "answer 1 to 0 choices"),
        ({"choices": 7}, "list of texts"),
        ({"choices": list("abcdef")}, "to 6 choices"),
        ({"answer": 3}, "answer 3 to 3 choices"),
        ({"answer": "B"}, "answer"),
        ({"answer": True}, "answer"),
        ({"question": ""}, "no question"),
        ({"image": 5}, "image"),
    ],
)
def test_a_bad_problem_is_named(tmp_path, fields, told):
    file = write(tmp_path, "problems.json", {**PROBLEMS, "12": problem(**fields)})
    with pytest.raises(KitError, match="problem '12'") as error:
        sqa(file).questions("all")
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (conversation("4", "Which?\nA. a\nB. b", "C"), "answer 'C' to 2 options"),
        (conversation("4", "Which?\nA. a\nB. b", "AB"), "answer 'AB'"),
        (conversation("4", "Which?", "B"), "to 1 options"),
        ({"id": "4", "conversations": [{"value": "Which?\nA. a\nB. b"}]}, "conversations is"),
        ({"id": "4"}, "conversations"),
        ({"id": None, "conversations": []}, "question 0"),
        ("?", "question 0"),
    ],
)
def test_a_bad_conversation_is_named(tmp_path, record, told):
    file = write(tmp_path, "llava_test_CQM-A.json", [record])
    with pytest.raises(KitError, match=r"llava_test_CQM-A.json: question 0") as error:
        sqa(file).questions("all")
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "problems.json:1: not JSON"),
        (b'{"4": {"question": "Which', "not JSON"),
        (b'{"4": "\xff"}', "is not UTF-8"),
        (b"7", "got 7; expected problems.json"),
        (b"{}", "no questions in it"),
        (b'{"4": []}', "problem '4'"),
    ],
)
def test_a_broken_file_is_one_clear_error(tmp_path, content, told):
    (tmp_path / "problems.json").write_bytes(content)
    with pytest.raises(KitError, match=told):
        sqa(tmp_path).questions("all")


def test_splits_that_do_not_fit_are_told(tmp_path):
    write(tmp_path, "problems.json", PROBLEMS)
    write(tmp_path, "pid_splits.json", {"test": ["4", "6", "7"]})
    with pytest.raises(KitError, match="2 of the 3 test questions of pid_splits.json .* such as '6'"):
        sqa(tmp_path).questions("all")
    write(tmp_path, "pid_splits.json", {"train": []})
    with pytest.raises(KitError, match=r"pid_splits.json: no ids"):
        sqa(tmp_path).questions("all")
    write(tmp_path, "pid_splits.json", {"test": 5})
    with pytest.raises(KitError, match=r"pid_splits.json: got 5"):
        sqa(tmp_path).questions("all")


def test_problems_beside_llavas_file_are_checked(tmp_path):
    write(tmp_path, "problems.json", [])
    file = write(tmp_path, "llava_test_CQM-A.json", CONVERSATIONS)
    with pytest.raises(KitError, match=r"problems.json: got list"):
        sqa(file).questions("all")


def test_a_missing_file_says_where_to_get_it(tmp_path):
    with pytest.raises(KitError, match=r"no problems.json or llava_test_CQM-A.json.*lupantech"):
        sqa(tmp_path).questions("all")
    with pytest.raises(KitError, match="rule of scienceqa"):
        sqa_verdict("A", "A", 2, "official")


REBUILT = "test_problems_reconstructed.json"


@pytest.fixture(scope="module")
def llava_file(shared_data):
    return shared_data / "llava_eval" / "scienceqa" / "llava_test_CQM-A.json"


def test_the_real_file_of_llava_gives_back_every_prompt(llava_file):
    asked = sqa(llava_file).questions("all")
    records = json.loads(llava_file.read_text(encoding="utf-8"))
    assert len(asked) == 4241 and sum(bool(q.image) for q in asked) == 2017
    assert [sum(len(q.options) == n for q in asked) for n in (2, 3, 4, 5)] == [2228, 971, 1004, 38]
    for question, record in zip(asked, records, strict=True):
        value = record["conversations"][0]["value"].replace("<image>", "").strip()
        assert wording(question) == value + SUFFIX
        assert question.choice == record["conversations"][1]["value"]


def test_the_real_problems_agree_with_llavas_file(shared_data, llava_file):
    part, whole = (shared_data / "scienceqa" / name for name in ("problems_first1773.json", REBUILT))
    first, rebuilt, asked = (
        {q.id: q for q in sqa(file).questions("all")} for file in (part, whole, llava_file)
    )
    assert len(first) == 361 and len({q.question_type for q in first.values()}) > 20
    assert {pid: wording(q) for pid, q in rebuilt.items()} == {pid: wording(q) for pid, q in asked.items()}
    assert all(asked[pid].choice == q.choice for pid, q in first.items())
    assert all(bool(asked[pid].hint) == bool(q.hint) for pid, q in first.items())
    # The copy of problems.json describes the pictures of Punnett squares in the hints; nothing else differs.
    differing = [pid for pid, q in first.items() if wording(q) != wording(asked[pid])]
    assert all("Punnett square is" in first[pid].hint for pid in differing) and len(differing) == 4


def test_llava_13b_has_its_published_71_6(llava_file):
    file = llava_file.parent / "answers" / "llava-v1.5-13b_output.jsonl"
    results = json.loads(file.read_text(encoding="utf-8"))
    replies = {row["question_id"]: row["pred"] for row in [*results["correct"], *results["incorrect"]]}
    benchmark = sqa(llava_file)
    scores = benchmark.score(*replied(benchmark, replies))
    assert scores["official"]["summary"]["total"] == pytest.approx(74.3928, abs=1e-4)
    assert scores["official"]["summary"]["IMG"] == pytest.approx(71.64, abs=0.005)
    images = sqa(llava_file, variant="img")
    summary = images.score(*replied(images, replies))["official"]["summary"]
    assert summary["total"] == summary["IMG"] == pytest.approx(71.64, abs=0.005)


def test_gpt_3_has_its_published_75_17(shared_data):
    file = shared_data / "scienceqa" / "gpt3_final_test_QCM-ALE_2_seed_3.json"
    results = json.loads(file.read_text(encoding="utf-8"))
    benchmark = sqa(shared_data / "scienceqa" / REBUILT)
    letters = {pid: LETTERS[index] for pid, index in results["results"].items()}
    category = benchmark.score(*replied(benchmark, letters))["official"]["category"]
    assert category["avg"] == {"accuracy": pytest.approx(75.17, abs=0.005), "n": 4241}
    assert category["IMG"] == {"accuracy": pytest.approx(67.43, abs=0.005), "n": 2017}
    assert category["NAT"] == {"accuracy": None, "n": 0}
