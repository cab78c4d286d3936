import base64
import csv
import io
import json
from collections import Counter
from pathlib import Path

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas._libs.parsers import STR_NA_VALUES
from PIL import Image

from dataengine_utils import benchmarks
from dataengine_utils.benchmarks import hub, mmbench, tsv
from dataengine_utils.benchmarks.mmbench import EMPTY_CELLS, HEAD, MAY_2024, infer
from dataengine_utils.benchmarks.scoring import predict
from dataengine_utils.errors import KitError
from dataengine_utils.images import open_image
from tests import check_golden

OPTIONS = {"A": "a cat", "B": "a dog", "C": "left", "D": "top left"}
UPLOAD = "llava_eval/mmbench/answers_upload/mmbench_dev_20230712/llava-v1.5-13b.xlsx"
GOLDEN = Path(__file__).parent / "golden" / "data" / "mmbench_handmade_fuzz.json"


def picture(colour):
    buffer = io.BytesIO()
    Image.new("RGB", (6, 5), colour).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()


RED, BLUE = picture("red"), picture("blue")


def row(index=1, answer="A", **cells):
    return {"index": str(index), "question": "What is it?", "hint": "", "A": "cat", "B": "dog", "C": "",
            "D": "", "answer": answer, "category": "image_topic", "image": RED, "source": "s",
            "l2-category": "coarse_perception", "comment": "nan", "split": "dev", **cells}


def write(folder, rows, name="mmbench_dev_20230712.tsv"):
    with (folder / name).open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), delimiter="\t", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    return folder / name


def load(folder, *rows, **options):
    write(folder, rows)
    return benchmarks.load("mmbench", path=str(folder), **options)


def score(benchmark, replies):
    questions = benchmark.questions("all")
    predictions = [predict(question, replies[question.id], judge=benchmark.judge)
                   for question in questions if question.id in replies]
    return benchmark.score(questions, predictions)


# reading

def test_a_row_becomes_a_question(tmp_path):
    bench = load(tmp_path, row(241, "B", hint="Read this.\n", C="a \"b\"\tc", split="dev"),
                 row(1000241, "A", A="dog", B="cat"), row(7, image=BLUE))
    first, second, third = bench.questions("all")
    assert (first.id, first.group, second.id, second.group) == ("241", "241", "1000241", "241")
    assert (first.hint, first.options, first.choice, first.answer) == (
        "Read this.\n", ("cat", "dog", 'a "b"\tc'), "B", "dog")
    assert (first.form, first.question_type, first.question) == ("choice", "image_topic", "What is it?")
    assert first.gold == {"category": "image_topic", "l2": "coarse_perception", "split": "dev"}
    assert first.image_id == second.image_id != third.image_id
    assert open_image(third.image, bench.root).getpixel((0, 0)) == (0, 0, 255)
    assert (bench.rule, bench.rules) == (MAY_2024, (MAY_2024, HEAD))


def test_rotations_stay_on_one_side_of_the_split(tmp_path):
    colours = [picture((n, 0, 0)) for n in range(40)]
    rows = [row(n + r * mmbench.ROTATION, image=colours[n] if r == 0 else str(n), split="dev")
            for r in (0, 1) for n in range(40)]
    bench = load(tmp_path, *rows)
    diagnose, sealed = ({q.group for q in bench.questions(split)} for split in ("diagnose", "sealed"))
    assert not diagnose & sealed and len(diagnose) == len(sealed) == 20
    assert Counter(q.group for q in bench.questions("diagnose")) == dict.fromkeys(diagnose, 2)


def test_a_group_whose_pictures_were_encoded_anew_stays_together(tmp_path):
    bench = load(tmp_path, row(1, image=RED), row(1000001, image=BLUE))
    assert len({question.image_id for question in bench.questions("all")}) == 1


@pytest.mark.parametrize("l2", ["l2-category", "L2-category", "l2_category", "L2_category", None])
def test_every_spelling_of_the_columns_is_read(tmp_path, l2):
    cells = {name: value for name, value in row(1).items() if name != "l2-category"}
    cells |= {l2: "coarse_perception"} if l2 else {}
    [question] = load(tmp_path, cells).questions("all")
    assert question.gold["l2"] == "coarse_perception"


def test_a_category_of_another_benchmark_has_no_l2(tmp_path):
    cells = {name: value for name, value in row(1, category="relic").items() if name != "l2-category"}
    bench = load(tmp_path, cells)
    official = score(bench, {"1": "A"})["official"]
    assert official["category"] == {"relic": {"dev": 100.0}} and "l2" not in official


def test_tables_without_categories_pictures_and_splits_are_read(tmp_path):
    bench = load(tmp_path, {"index": "1", "question": "q", "A": "x", "B": "y", "answer": "B"})
    [question] = bench.questions("all")
    assert (question.question_type, question.image, question.image_id) == ("all", "", "1")
    assert score(bench, {"1": "B"})["official"] == {
        "summary": {"circular": 100.0, "vanilla first pass": 100.0, "all rows": 100.0},
        "split": {"all": {"circular": 100.0, "vanilla first pass": 100.0, "all rows": 100.0}}}


@pytest.mark.parametrize("missing", ["", "nan", "None"])
def test_a_hint_or_category_that_pandas_takes_for_empty_is_none(tmp_path, missing):
    [question] = load(tmp_path, row(1, hint=missing, category=missing)).questions("all")
    assert (question.hint, question.question_type, question.gold["category"]) == ("", "all", "")


def test_options_keep_their_places_and_empty_ones_are_those_of_pandas(tmp_path):
    bench = load(tmp_path, row(1, "D", A="None", B="", C="NA", D="four"), row(2, "A", C="nan", D=""))
    first, second = bench.questions("all")
    assert (first.options, first.answer, second.options) == (
        ("", "", "", "four"), "four", ("cat", "dog"))


def test_options_that_all_read_as_empty_leave_nothing_to_infer(tmp_path):
    bench = load(tmp_path, row(1, "A", A="None", B="NA", C="", D=""))
    assert bench.questions("all")[0].options == ()
    assert score(bench, {"1": "A"})["overall"]["unparsed"] == 1


@pytest.mark.parametrize(
    ("variant", "name"),
    [("en", "MMBench_DEV_EN.tsv"), ("cn", "MMBench_DEV_CN.tsv"), ("cc", "CCBench.tsv"),
     ("en", "mmbench_dev_en_20231003.tsv")],
)
def test_a_folder_is_searched_for_the_variants_file(tmp_path, variant, name):
    path = write(tmp_path, [row(5)], name)
    assert benchmarks.load("mmbench", path=str(tmp_path), variant=variant).questions("all")[0].id == "5"
    assert benchmarks.load("mmbench", path=str(path)).questions("all")[0].id == "5"


def test_a_missing_file_says_how_to_get_it(tmp_path):
    with pytest.raises(KitError, match=r"no mmbench_dev_20230712\.tsv or .* needs .*open-compass/MMBench"):
        benchmarks.load("mmbench", path=str(tmp_path)).questions("all")


def test_an_index_that_is_there_twice_is_one_more_rotation(tmp_path):
    bench = load(tmp_path, row(1), row(1))
    assert [question.id for question in bench.questions("all")] == ["1", "1#2"]
    summary = score(bench, {"1": "A", "1#2": "B"})["official"]["summary"]
    assert summary == {"circular": 0.0, "vanilla first pass": 100.0, "all rows": 50.0}


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"answer": "E"}, r"\.tsv:2: answer is 'E'; expected one of A, B, C, D"),
        ({"answer": "cat"}, r"\.tsv:2: answer is 'cat'"),
        ({"index": "first"}, r"\.tsv:2: index is 'first'; expected a whole number"),
        ({"index": ""}, r"\.tsv:2: index is ''"),
        ({"A": "", "B": ""}, r"\.tsv:2: no options"),
        ({"image": RED[:-3]}, r"\.tsv:2: the image of index 1 is not base64"),
    ],
)
def test_bad_rows_are_refused_with_file_and_line(tmp_path, cells, message):
    with pytest.raises(KitError, match=message):
        load(tmp_path, row(1) | cells).questions("all")


def test_a_table_of_something_else_is_refused(tmp_path):
    with pytest.raises(KitError, match=r"\.tsv:2: no column 'question'; expected an MMBench table"):
        load(tmp_path, {"index": "1", "caption": "x"}).questions("all")
    (tmp_path / "mmbench_dev_20230712.tsv").write_text("index\tquestion\tA\tB\n")
    with pytest.raises(KitError, match="no questions in it"):
        benchmarks.load("mmbench", path=str(tmp_path)).questions("all")


def test_an_upload_file_serves_as_questions(tmp_path):
    path = tmp_path / "upload.xlsx"
    pandas.DataFrame({
        "index": [1, 1000001], "question": ["q", "q"], "A": ["NA", 0.8], "B": [3, "None"], "C": [None, True],
        "prediction": ["A", "B"], "answer": ["B", "A"], "split": "dev"}).to_excel(path, index=False)
    first, second = benchmarks.load("mmbench", path=str(path)).questions("all")
    assert (first.options, first.answer, first.group, first.image) == (("", "3"), "3", "1", "")
    assert (second.options, second.group, second.image_id) == (("0.8", "", "True"), "1", "1")


@pytest.mark.parametrize("content", [b"", b"index\tquestion\n", b"PK\x03\x04 cut off"])
def test_a_broken_excel_file_is_refused(tmp_path, content):
    path = tmp_path / "upload.xlsx"
    path.write_bytes(content)
    with pytest.raises(KitError, match=r"upload\.xlsx: not a whole xlsx file"):
        benchmarks.load("mmbench", path=str(path)).questions("all")


def test_without_openpyxl_the_error_says_what_to_install(tmp_path, monkeypatch):
    path = tmp_path / "upload.xlsx"
    path.write_bytes(b"")
    monkeypatch.setattr(pandas, "read_excel", lambda *_, **__: __import__("no_such_module"))
    with pytest.raises(KitError, match="pip install openpyxl"):
        benchmarks.load("mmbench", path=str(path)).questions("all")


@pytest.mark.parametrize(
    ("path", "variant", "asked"),
    [
        ("hub:", "", ("lmms-lab/MMBench_EN", None, "dev")),
        ("hub:lmms-lab/MMBench", "en", ("lmms-lab/MMBench", "en", "dev")),
        ("hub:lmms-lab/MMBench", "cn", ("lmms-lab/MMBench", "cn", "dev")),
        ("hub:lmms-lab-encoder/MMBench", "cn", ("lmms-lab-encoder/MMBench", "cn", "dev")),
        ("hub:", "cc", ("lmms-lab/MMBench", "cc", "test")),
        ("hub:HuggingFaceM4/MMBench", "", ("HuggingFaceM4/MMBench", None, "validation")),
    ],
)
def test_hub_copies_are_asked_for_the_split_with_answers(monkeypatch, path, variant, asked):
    calls = []

    def rows(*arguments):
        calls.append(arguments)
        yield {"index": 1, "question": "q", "hint": None, "A": "x", "B": "y", "C": None, "D": "nan",
               "answer": "B", "category": "ocr", "image": "hub:somewhere", "L2-category": float("nan")}

    monkeypatch.setattr(hub, "rows", rows, raising=False)
    [question] = benchmarks.load("mmbench", path=path, variant=variant).questions("all")
    assert calls == [asked]
    assert (question.options, question.hint, question.image) == (("x", "y"), "", "hub:somewhere")
    assert question.gold["l2"] == "finegrained_perception (instance-level)"


def test_an_english_copy_is_not_taken_for_another_language():
    with pytest.raises(KitError, match=r"English questions only; 'cn' is in \"hub:lmms-lab/MMBench\""):
        benchmarks.load("mmbench", path="hub:lmms-lab/MMBench_EN", variant="cn").questions("all")


# the rules

@pytest.mark.parametrize(
    ("reply", "may_2024", "head"),
    [
        ("B", "B", "B"),
        ("(B)", "B", "B"),
        ("B. a dog", "B", "B"),
        ("b", "", ""),
        ("**B**", "B", "B"),
        ("A dog and B", "B", "B"),
        ("B is what I see in it", "B", ""),
        ("the answer is B because of its ears", "B", "B"),
        ("B or C, but the answer is C", "", "C"),
        ("The answer is E", "", ""),
        ("the answer is clearly something else", "", "C"),
        ("It is a dog.", "B", "B"),
        ("A dog", "A", "A"),
        ("top left", "", ""),
        ("left", "C", "C"),
        ("It is to the left of everything else that one could name in here, by far and away.", "C", ""),
        ("Z", "Z", "Z"),
        ("Z or B", "B", "B"),
        ("Cannot determine the answer", "Z", "Z"),
        ("Sorry, I can't help with images of people yet. B", "Z", "Z"),
        ("Failed to obtain answer via API. B", "", ""),
        ("Failed to obtain answer via API: left", "C", "C"),
        ("", "", ""),
        ("nothing of that", "", ""),
    ],
)
def test_options_are_inferred_from_replies(reply, may_2024, head):
    assert (infer(reply, OPTIONS, MAY_2024), infer(reply, OPTIONS, HEAD)) == (may_2024, head)


@pytest.mark.parametrize("rule", [MAY_2024, HEAD])
def test_what_pandas_takes_for_an_empty_cell_is_no_option_and_the_reply_nan(rule):
    options = {"A": "None", "B": "a", "C": "NA", "D": "banana"}
    assert infer("C", options, rule) == ""
    assert infer("None", options, rule) == infer("", options, rule) == "B"  # "a" is in "nan"
    assert infer("NA", {"A": "NA", "B": "NASA"}, rule) == ""
    assert infer("A", {"A": "none", "B": "x"}, rule) == "A"


def test_the_empty_cells_are_those_of_pandas():
    assert STR_NA_VALUES == EMPTY_CELLS


TEXTS = st.sampled_from(["cat", "a dog", "left", "None", "nan", "3", "", "Z", "both A,B, and C"])
WORDS = st.sampled_from(["A", "B", "C", "Z", "a", "cat", "dog", "left", "answer is", "NA", "(B)", "3", ","])


@given(st.lists(TEXTS, min_size=2, max_size=4), st.lists(WORDS, max_size=7).map(" ".join))
def test_what_is_inferred_is_an_option_and_the_rules_agree_on_one_letter(texts, reply):
    options = dict(zip("ABCD", texts, strict=False))
    shown = {letter for letter, text in options.items() if text not in EMPTY_CELLS}
    for rule in (MAY_2024, HEAD):
        assert infer(reply, options, rule) in shown | {"", "Z"}
    for letter in shown:
        assert infer(letter, options, MAY_2024) == infer(letter, options, HEAD) == letter


# scores

def test_circular_first_pass_and_all_rows(tmp_path):
    bench = load(tmp_path, row(1), row(1000001), row(2, category="ocr", **{"l2-category": "x"}), row(1000002),
                 row(3, "B"))
    metrics = score(bench, {"1": "A", "1000001": "A", "2": "A", "1000002": "B", "3": "Z"})
    shares = {"circular": 100 / 3, "vanilla first pass": 200 / 3, "all rows": 60.0}
    assert metrics["official"]["summary"] == pytest.approx(shares)
    assert metrics["official"]["split"]["dev"] == pytest.approx(shares)
    assert metrics["official"]["l2"] == {"CP": {"dev": 50.0}, "x": {"dev": 0.0}}
    assert metrics["official"]["category"] == {"image_topic": {"dev": 50.0}, "ocr": {"dev": 0.0}}
    assert (metrics["rule"], metrics["missing"]) == (MAY_2024, 0)
    overall = metrics["overall"]
    assert (overall["n"], overall["right"], overall["wrong"], overall["unparsed"]) == (3, 1, 1, 1)


def test_scores_are_given_by_split(tmp_path):
    bench = load(tmp_path, row(1), row(2, split="test", category="ocr"), row(3, split="test"))
    official = score(bench, {"1": "A", "2": "A", "3": "B"})["official"]
    assert {split: shares["circular"] for split, shares in official["split"].items()} == {
        "dev": 100.0, "test": 50.0}
    assert official["category"] == {
        "image_topic": {"dev": 100.0, "test": 0.0}, "ocr": {"dev": None, "test": 100.0}}


def test_a_question_without_its_first_rotation_counts_among_all_rows_only(tmp_path):
    bench = load(tmp_path, row(1), row(1000002, "B"))
    assert score(bench, {"1": "A", "1000002": "A"})["official"]["summary"] == {
        "circular": 100.0, "vanilla first pass": 100.0, "all rows": 50.0}
    bench = load(tmp_path, row(1000002))
    assert score(bench, {"1000002": "A"})["official"]["summary"] == {
        "circular": None, "vanilla first pass": None, "all rows": 100.0}


def test_a_missing_prediction_is_unparsed_and_fails_its_group(tmp_path):
    metrics = score(load(tmp_path, row(1), row(1000001)), {"1": "A"})
    assert metrics["missing"] == 1
    assert metrics["official"]["summary"] == {"circular": 0.0, "vanilla first pass": 100.0, "all rows": 50.0}


def test_a_right_option_that_reads_none_cannot_be_hit(tmp_path):
    metrics = score(load(tmp_path, row(1, "B", B="None")), {"1": "B"})
    assert (metrics["overall"]["unparsed"], metrics["official"]["summary"]["circular"]) == (1, 0.0)


@pytest.mark.parametrize("answer", [None, "", "nan"])
def test_a_split_without_public_answers_says_where_to_submit(tmp_path, answer):
    cells = row(9, split="test", answer=answer)
    if answer is None:
        del cells["answer"]
    bench = load(tmp_path, cells)
    assert bench.judge(bench.questions("all")[0], "A").credit == 0
    with pytest.raises(KitError, match=r"1 questions have no public answer, such as index 9; .*opencompass"):
        score(bench, {"9": "A"})


def test_unknown_rules_and_variants_are_refused():
    with pytest.raises(KitError, match="unknown rule of mmbench 'exact'; known: vlmevalkit_2024_05"):
        benchmarks.load("mmbench", path="x", rule="exact")
    with pytest.raises(KitError, match="unknown variant of mmbench 'de'"):
        benchmarks.load("mmbench", path="x", variant="de")


# official values

def test_made_up_replies_score_as_officially():
    n, mismatches = check_golden.check_file(GOLDEN)
    assert (n, mismatches) == (1574, [])


def test_real_replies_score_as_officially(shared_golden):
    for path in sorted((shared_golden / "mmbench").glob("*.json")):
        n, mismatches = check_golden.check_file(path)
        assert n > 1000 and not mismatches, path


@pytest.mark.parametrize("rule", [MAY_2024, HEAD])
def test_llavas_real_upload_gives_the_published_score(shared_data, rule):
    path = shared_data / UPLOAD
    bench = benchmarks.load("mmbench", path=str(path), rule=rule)
    questions = bench.questions("all")
    assert (len(questions), len({question.group for question in questions})) == (4377, 1176)
    answers = path.parents[2] / "answers" / "mmbench_dev_20230712" / "llava-v1.5-13b.jsonl"
    lines = map(json.loads, answers.read_text(encoding="utf-8").splitlines())
    replies = {str(line["question_id"]): line["text"] for line in lines}
    summary = score(bench, replies)["official"]["summary"]
    assert {name: round(value, 3) for name, value in summary.items()} == {
        "circular": 67.687, "vanilla first pass": 75.425, "all rows": 76.445}


def test_real_pictures_open_from_a_table(shared_data, tmp_path):
    folder = shared_data / "mmbench_samples"
    samples = json.loads((folder / "samples.json").read_text(encoding="utf-8"))
    rows = []
    for sample in samples:
        content = base64.b64encode((folder / sample["image"]).read_bytes()).decode()
        options = {letter: sample["en"]["options"].get(letter, "") for letter in "ABCD"}
        cells = {"question": sample["en"]["question"], "hint": sample["en"]["hint"] or ""}
        for rotation in (0, 1):
            index, image = sample["index"] + rotation * mmbench.ROTATION, str(sample["index"])
            rows.append(row(index, sample["en"]["answer"], **cells, **options,
                            image=image if rotation else content))
    bench = load(tmp_path, *rows)
    questions = bench.questions("all")
    assert len(questions) == 40 and len({question.image_id for question in questions}) == 20
    for sample, question in zip(samples, questions[::2], strict=True):
        with Image.open(folder / sample["image"]) as image:
            assert open_image(question.image).tobytes() == image.convert("RGB").tobytes()
    assert all(question.image.startswith(tsv.SCHEME) for question in questions)
