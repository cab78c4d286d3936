"""SEED-Bench: its files, its three rules, and the real answers of LLaVA-1.5-13B."""

import base64
import io
import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dataengine_utils import benchmarks
from dataengine_utils.benchmarks import hub
from dataengine_utils.benchmarks.scoring import predict
from dataengine_utils.benchmarks.seed_bench import TYPES, seed_scores, seed_verdict
from dataengine_utils.errors import KitError
from dataengine_utils.records import Prediction

NUMBERS = {name: number for number, name in TYPES.items()}
HEADER = "index\timage\tquestion\tA\tB\tC\tD\tanswer\tcategory\n"


def record(number, type_id=5, **fields):
    return {
        "answer": "A", "choice_a": "One", "choice_b": "Two", "choice_c": "None", "choice_d": "NA",
        "data_id": f"14544_{int(number) // 2}", "data_type": "image", "question": "How many towels?",
        "question_id": str(number), "question_type_id": type_id, **fields,
    }


def video(number, type_id=10, **fields):
    return record(0, type_id, question_id=f"v{number}", data_id=f"P03/{number}.MP4", data_type="video",
                  segment=[1.0, 2.0], **fields)


def write(folder, records, **fields):
    content = {"questions": records, "question_type": NUMBERS, **fields}
    (folder / "SEED-Bench.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def seed(folder, **options):
    return benchmarks.load("seed_bench", path=str(folder), **options)


def picture(colour):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def replied(benchmark, replies):
    asked = benchmark.questions("all")
    return asked, [predict(q, replies[q.id], judge=benchmark.judge) for q in asked if q.id in replies]


def test_the_json_file_is_read_as_distributed(tmp_path):
    benchmark = seed(write(tmp_path, [record(101669), video(1738), record(7, 1, answer="C")]))
    first, second = benchmark.questions("all")
    assert (first.id, first.image_id) == ("101669", "14544_50834")
    assert first.image == "SEED-Bench-image/14544_50834"
    assert first.options == ("One", "Two", "None", "NA") and (first.choice, first.answer) == ("A", "One")
    assert (first.question_type, first.form, first.hint) == ("Instances Counting", "choice", "")
    assert (second.choice, second.answer, second.question_type) == ("C", "None", "Scene Understanding")
    assert benchmark.root == tmp_path


def test_videos_are_asked_without_a_picture(tmp_path):
    asked = seed(write(tmp_path, [record(1), video(1738), video(1738)]), variant="all").questions("all")
    assert [q.image for q in asked] == ["SEED-Bench-image/14544_0", "", ""]
    assert asked[1].question_type == "Action Recognition" and asked[1].image_id == asked[2].image_id


def test_pictures_are_found_in_a_folder_of_ones_own(tmp_path):
    write(tmp_path, [record(1)])
    (tmp_path / "flat").mkdir()
    (tmp_path / "zip" / "SEED-Bench-image").mkdir(parents=True)
    for name, image in (("flat", "14544_0"), ("zip", "SEED-Bench-image/14544_0")):
        (asked,) = seed(tmp_path, images=str(tmp_path / name)).questions("all")
        assert asked.image == image


def test_an_id_that_is_there_twice_counts_twice(tmp_path):
    benchmark = seed(write(tmp_path, [record(49914), record(49914, answer="B"), record(2)]))
    asked = benchmark.questions("all")
    assert [q.id for q in asked] == ["49914", "49914#2", "2"]
    assert benchmark.aliases(asked[1]) == ("49914#2", "49914")
    assert benchmark.aliases(asked[2]) == ("2",)
    scores = benchmark.score(*replied(benchmark, {"49914": "A", "49914#2": "A", "2": "A"}))
    assert scores["official"]["summary"]["image"] == pytest.approx(200 / 3)


def test_types_have_the_names_that_the_file_gives_them(tmp_path):
    swapped = {**NUMBERS, "Instance Attributes": 4, "Instance Location": 3}
    (asked,) = seed(write(tmp_path, [record(1, 3)], question_type=swapped)).questions("all")
    assert asked.question_type == "Instance Location"
    write(tmp_path, [record(1, 3)], question_type=None)
    assert seed(tmp_path).questions("all")[0].question_type == "Instance Attributes"


def test_no_picture_is_in_both_splits(tmp_path):
    benchmark = seed(write(tmp_path, [record(number, 1 + number % 9) for number in range(90)]))
    halves = [{q.image_id for q in benchmark.questions(split)} for split in ("diagnose", "sealed")]
    assert not halves[0] & halves[1] and len(halves[0] | halves[1]) == 45


def test_the_table_of_vlmevalkit_is_read(tmp_path):
    cells = [
        f"0\t{picture('red')}\tWhat?\tcat\tdog\tNone\tNA\tD\tInstance Identity",
        f"1\t{picture('red')}\tWhere?\t1\t2\t3\t4\tB\tInstance Location",
        f"2\t{picture('blue')}\tWho?\t1\t2\t3\t4\tB\tInstance Location",
    ]
    file = tmp_path / "SEEDBench_IMG.tsv"
    file.write_text(HEADER + "\n".join(cells) + "\n", encoding="utf-8")
    for path in (tmp_path, file):
        one, two, three = seed(path).questions("all")
        assert (one.id, one.options, one.answer) == ("0", ("cat", "dog", "None", "NA"), "NA")
        assert one.question_type == "Instance Identity" and one.image.startswith("tsv:")
        assert one.image_id == two.image_id != three.image_id
    cut = cells[0].replace(picture("red"), picture("red")[:-3])
    file.write_text(f"{HEADER}{cut}\n", encoding="utf-8")
    with pytest.raises(KitError, match=r"SEEDBench_IMG.tsv:2"):
        seed(file).questions("all")


@pytest.mark.parametrize("columns", [{"image": ["hub:0"]}, {"image": "hub:0"}])
def test_a_hub_copy_is_read(monkeypatch, columns):
    rows = [
        {**record(1, "5"), **columns},
        {**video(3, "11"), "image": ["hub:1", "hub:2"], "segment": None},
    ]
    called = []
    monkeypatch.setattr(hub, "rows", lambda *place: called.append(place) or iter(rows), raising=False)
    one, two = seed("hub:", variant="all").questions("all")
    assert called == [("lmms-lab/SEED-Bench", None, "test")]
    assert (one.image, one.image_id, one.question_type) == ("hub:0", "14544_0", "Instances Counting")
    assert (two.image, two.question_type) == ("", "Action Prediction")


def test_a_hub_copy_without_pictures_names_their_files(monkeypatch):
    monkeypatch.setattr(hub, "rows", lambda *place: iter([record(1)]), raising=False)
    (asked,) = seed("hub:AILab-CVC/SEED-Bench").questions("all")
    assert asked.image == "SEED-Bench-image/14544_0"


@pytest.mark.parametrize(
    ("reply", "llava", "minigpt4", "lmms"),
    [
        ("B", "B", "B", "B"),
        ("b", "", "B", "B"),
        (" B", "", "", "B"),
        ("B.", "", "B", "B"),
        ("B\n", "", "B", "B"),
        ("\nb. two", "", "", "B"),
        ("Because", "", "B", "B"),
        ("A dog", "", "A", "A"),
        ("The answer is B", "", "", ""),
        ("**B**", "", "", ""),
        ("E", "", "", ""),
        ("AB", "", "A", "A"),
        ("", "", "", ""),
        ("\uff22", "", "", ""),
    ],
)
def test_each_rule_reads_its_own(reply, llava, minigpt4, lmms):
    for rule, letter in (("llava", llava), ("minigpt4", minigpt4), ("lmms", lmms)):
        verdict = seed_verdict(reply, "B", rule)
        assert (verdict.read, verdict.credit) == (letter, float(letter == "B")), rule


@given(st.text(max_size=6), st.sampled_from("ABCD"))
def test_what_a_stricter_rule_takes_the_others_take_too(reply, answer):
    credits = [seed_verdict(reply, answer, rule).credit for rule in ("llava", "minigpt4", "lmms")]
    assert credits == sorted(credits)
    assert credits[0] == float(reply == answer)


def test_scores_are_micro_averages_and_a_type_may_have_none_right(tmp_path):
    records = [record(n, 1) for n in range(4)] + [record(9, 7), video(1)]
    benchmark = seed(write(tmp_path, records), variant="all", rule="minigpt4")
    scores = benchmark.score(*replied(benchmark, {"0": "a", "1": "A.", "2": "B", "9": "C", "v1": "A"}))
    assert scores["official"]["summary"] == {"image": pytest.approx(40), "all": pytest.approx(50)}
    table = scores["official"]["type"]
    assert list(table) == ["Scene Understanding", "Instance Interaction", "Action Recognition"]
    assert table["Scene Understanding"] == {"accuracy": 50, "n": 4}
    assert table["Instance Interaction"] == {"accuracy": 0, "n": 1}
    assert (scores["missing"], scores["rule"], scores["overall"]["unparsed"]) == (1, "minigpt4", 1)


def test_without_videos_there_is_no_average_over_all():
    assert seed_scores([("Scene Understanding", "image", True)])["summary"] == {"image": 100}
    assert seed_scores([("Action Prediction", "video", True)])["summary"] == {"image": None, "all": 100}
    assert seed_scores([]) == {"summary": {"image": None}, "type": {}}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"answer": "E"}, "answer 'E'"),
        ({"answer": ""}, "answer ''"),
        ({"data_type": "Single Image"}, "data_type 'Single Image'"),
        ({"question_type_id": 13}, "question_type_id '13'; known: 1 Scene Understanding"),
        ({"choice_c": None}, "question 1"),
        ({"question": 7}, "question"),
        ({"data_id": ""}, "neither data_id nor image"),
    ],
)
def test_a_bad_record_is_named(tmp_path, fields, told):
    write(tmp_path, [record(1), {**record(2), **fields}])
    with pytest.raises(KitError, match="SEED-Bench.json: question 1") as error:
        seed(tmp_path).questions("all")
    assert told in str(error.value)


def test_a_record_without_a_field_is_named(tmp_path):
    write(tmp_path, [{key: value for key, value in record(1).items() if key != "answer"}, "?"])
    with pytest.raises(KitError, match=r"question 0.*answer"):
        seed(tmp_path).questions("all")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "SEED-Bench.json:1: not JSON"),
        (b'{"questions": [{"answer"', "not JSON"),
        (b'{"questions": "\xff"}', "is not UTF-8"),
        (b"[]", "no list of questions"),
        (b'{"questions": {}}', "no list of questions"),
        (b'{"questions": [1]}', "question 0"),
        (b'{"questions": []}', "no questions in it"),
        (b'{"questions": [], "question_type": ["a"]}', "question_type is"),
    ],
)
def test_a_broken_file_is_one_clear_error(tmp_path, content, told):
    (tmp_path / "SEED-Bench.json").write_bytes(content)
    with pytest.raises(KitError, match=told):
        seed(tmp_path).questions("all")


def test_a_missing_file_says_where_to_get_it(tmp_path):
    with pytest.raises(KitError, match=r"no SEED-Bench.json or SEEDBench_IMG.tsv.*huggingface.co"):
        seed(tmp_path).questions("all")
    (tmp_path / "llava-seed-bench.jsonl").touch()
    with pytest.raises(KitError, match="has no answers"):
        seed(tmp_path / "llava-seed-bench.jsonl").questions("all")


def test_unknown_names_tell_the_known_ones(tmp_path):
    with pytest.raises(KitError, match="llava, lmms, minigpt4"):
        seed(tmp_path, rule="official")
    with pytest.raises(KitError, match="known: all, image"):
        seed(tmp_path, variant="video")
    with pytest.raises(KitError, match="rule of seed_bench"):
        seed_verdict("A", "A", "official")


@pytest.fixture(scope="module")
def right_answers(shared_golden):
    """The right answers of real questions, as far as the official scores beside the checkout have them."""
    paths = sorted((shared_golden / "seed_bench").glob("*real_*.json"))
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    rows = [row for document in documents for row in document["inputs"]["items"]]
    return {row[0]: row[3] for row in rows}


@pytest.fixture(scope="module")
def llava_answers(shared_data):
    """LLaVA-1.5-13B's own upload: (question id, letter) for images and videos; one id is there twice."""
    file = shared_data / "llava_eval" / "seed_bench" / "answers_upload" / "llava-v1.5-13b.jsonl"
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [(line["question_id"], line["prediction"]) for line in lines]


def scored_llava(folder, answers, right):
    """The official scores of the real answers to the image questions whose right answer is known."""
    known = [(name, letter) for name, letter in answers if not name.startswith("v") and name in right]
    benchmark = seed(write(folder, [record(name, answer=right[name]) for name, _ in known]))
    asked = benchmark.questions("all")
    given = [
        Prediction(question.id, question.question_type, letter, "", "unparsed")
        for question, (_, letter) in zip(asked, known, strict=True)
    ]
    return len(known), benchmark.score(asked, given)["official"]["summary"]["image"]


def test_real_answers_are_for_14233_images_and_5009_videos(llava_answers):
    images = Counter(name for name, _ in llava_answers if not name.startswith("v"))
    assert len(llava_answers) == 19242 and images.total() == 14233
    assert [name for name, n in images.items() if n > 1] == ["49914"]
    assert all(seed_verdict(letter, "A").read == letter for _, letter in llava_answers)


def test_real_answers_score_as_in_the_official_run(llava_answers, shared_golden, tmp_path):
    file = shared_golden / "seed_bench" / "public_real_llava13b.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    right = {row[0]: row[3] for row in document["inputs"]["items"]}
    n, image = scored_llava(tmp_path, llava_answers, right)
    assert n == len(document["inputs"]["items"]) == 7200
    assert image == pytest.approx(document["expected"]["aggregate"]["seed_llava"]["image"], abs=1e-9)
    assert image == pytest.approx(67.9306, abs=1e-4)


def test_llava_13b_has_its_published_68_2(llava_answers, right_answers, tmp_path):
    n, image = scored_llava(tmp_path, llava_answers, right_answers)
    if n < 14233:
        pytest.skip(f"right answers to {n} of 14,233 questions are there; {image:.2f} of these are right")
    assert image == pytest.approx(68.2077, abs=1e-4)
