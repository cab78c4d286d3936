"""Other tools' predictions: every form gives the same replies, each finds its question, errors are told."""

import csv
import dataclasses
import json
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine_utils import benchmarks
from dataengine_utils.benchmarks import scoring
from dataengine_utils.benchmarks.official import unique_ids
from dataengine_utils.benchmarks.predictions import load_predictions
from dataengine_utils.benchmarks.splits import split_by_image
from dataengine_utils.errors import KitError
from dataengine_utils.records import Question, to_json

XLSX = "openpyxl is not installed: reading xlsx is not tested"
SUFFIX = "\nAnswer the question using a single word or phrase."


def asked(number, **fields):
    text = f"How many cats are in room {number}?"
    made = Question(str(number), f"i{number}", f"i{number}.jpg", text, (), "two", "", f"kind {number % 2}")
    return dataclasses.replace(made, **fields)


class Made:
    """A made-up benchmark; `others` are what other tools call a question."""

    name = "made"

    def __init__(self, questions, **others):
        self._questions, self._others = list(questions), others

    def questions(self, split):
        diagnose, sealed = split_by_image(self._questions, 0.5, 0)
        return {"diagnose": diagnose, "sealed": sealed, "all": list(self._questions)}[split]

    def judge(self, question, reply):
        return scoring.judge(question, reply)

    def aliases(self, question):
        return (question.id, *self._others.get(question.id, ()))


FOUR = Made(map(asked, range(4)))
REPLIES = {"0": "two", "1": "Two.", "2": "three", "3": ""}


def replies(imported, split="all"):
    return {prediction.question_id: prediction.reply for prediction in imported[split]}


def load(path, benchmark=FOUR):
    return load_predictions(path, benchmark, benchmark.questions("all"))


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def document(path, value, **how):
    path.write_text(json.dumps(value, **how), encoding="utf-8")
    return path


def table(path, header, rows, delimiter=","):
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, delimiter=delimiter).writerows([header, *rows] if header else rows)
    return path


def prompt(key):
    return asked(int(key)).question + SUFFIX


def llava(folder):
    return lines(folder / "a.jsonl", [
        {"question_id": int(key), "prompt": prompt(key), "text": reply, "answer_id": "x", "model_id": "m",
         "metadata": {}} for key, reply in REPLIES.items()])  # fmt: skip


def lmms_with_documents(folder):
    return lines(folder / "a.jsonl", [
        {"doc_id": n, "doc": {"question_id": key, "question": asked(n).question}, "target": "two",
         "arguments": {"gen_args_0": {"arg_0": prompt(key), "arg_1": {"max_new_tokens": 16}}},
         "resps": [[f"<think>{reply}</think>{reply}"]], "filtered_resps": [reply], "exact_match": 1.0}
        for n, (key, reply) in enumerate(REPLIES.items())])  # fmt: skip


def lmms_with_metrics(folder):
    return lines(folder / "a.jsonl", [
        {"doc_id": 9 - n, "input": prompt(key), "target": "two", "filtered_resps": reply, "doc_hash": "h",
         "score": {"question_id": int(key), "category": "x", "score": 1.0}}
        for n, (key, reply) in enumerate(REPLIES.items())])  # fmt: skip


def lmms_by_place(folder):
    rows = [{"doc_id": n, "input": prompt(key), "target": "two", "filtered_resps": [[reply]], "score": 1.0}
            for n, (key, reply) in enumerate(REPLIES.items())]
    return lines(folder / "a.jsonl", rows[::-1])


def lmms_in_one_object(folder):
    logs = [{"doc_id": n, "doc": {"id": key}, "resps": [[reply]]}
            for n, (key, reply) in enumerate(REPLIES.items())]
    return document(folder / "made.json", {"args": {}, "logs": logs, "time": "x"}, indent=2)


def vlmevalkit(folder):
    rows = [[key, asked(int(key)).question, "two", "other", reply] for key, reply in REPLIES.items()]
    header = ["index", "question", "answer", "category", "prediction"]
    return table(folder / "m_Made.tsv", header, rows, "\t")


def workbook(folder):
    pytest.importorskip("openpyxl", reason=XLSX)
    pandas = pytest.importorskip("pandas")
    rows = [{"index": int(key), "question": asked(int(key)).question, "A": "None", "prediction": reply}
            for key, reply in REPLIES.items()]
    pandas.DataFrame(rows).to_excel(folder / "m_Made.xlsx", index=False)
    return folder / "m_Made.xlsx"


def kit(folder):
    given = [scoring.predict(asked(int(key)), reply) for key, reply in REPLIES.items()]
    return lines(folder / "predictions_diagnose.jsonl", map(to_json, given))


FORMS = {
    "LLaVA": llava,
    "lmms-eval with doc": lmms_with_documents,
    "lmms-eval, ids among the metrics": lmms_with_metrics,
    "lmms-eval, places only": lmms_by_place,
    "lmms-eval, one object": lmms_in_one_object,
    "VLMEvalKit tsv": vlmevalkit,
    "xlsx": workbook,
    "this kit": kit,
    "VQA": lambda folder: document(folder / "r.json", [
        {"question_id": int(key), "answer": reply} for key, reply in REPLIES.items()]),
    "GQA": lambda folder: document(folder / "r.json", [
        {"questionId": key, "prediction": reply} for key, reply in REPLIES.items()], indent=1),
    "SEED": lambda folder: lines(folder / "r.jsonl", [
        {"question_id": key, "prediction": reply} for key, reply in REPLIES.items()]),
    "one object of ids": lambda folder: document(folder / "r.json", REPLIES),
    "outputs by id": lambda folder: document(folder / "r.json", {"acc": 1, "outputs": REPLIES}, indent=2),
    "ScienceQA": lambda folder: document(folder / "r.jsonl", {
        "correct": [{"question_id": key, "question": prompt(key), "pred": REPLIES[key]} for key in "01"],
        "incorrect": [{"question_id": key, "question": prompt(key), "pred": REPLIES[key]} for key in "23"]},
        indent=2),
    "csv": lambda folder: table(folder / "r.csv", ["Question_ID", "Prediction"], REPLIES.items()),
    "csv without a header": lambda folder: table(folder / "r.csv", None, REPLIES.items()),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_gives_the_same_predictions(tmp_path, form):
    imported = load(form(tmp_path))
    assert replies(imported) == REPLIES
    assert [p.outcome for p in imported["all"]] == ["right", "right", "wrong", "unparsed"]
    report = imported.report
    assert (report.rows, report.missing, report.repeated, report.others, report.elsewhere) == (4, 0, 0, 0, 0)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8"])
def test_a_byte_order_mark_and_windows_line_ends_do_not_matter(tmp_path, encoding):
    text = "".join(f'{{"id": "{key}", "prediction": "{reply}\u2028é"}}\r\n' for key, reply in REPLIES.items())
    (tmp_path / "r.jsonl").write_bytes(text.encode(encoding))
    assert replies(load(tmp_path / "r.jsonl"))["1"] == "Two.\u2028é"


def test_each_split_gets_its_own_and_the_last_row_counts(tmp_path):
    rows = [*({"question_id": key, "prediction": "old"} for key in "02"),
            *({"question_id": key, "prediction": reply} for key, reply in REPLIES.items() if key != "1")]
    splits = {split: FOUR.questions(split) for split in ("diagnose", "sealed")}
    both = load_predictions(lines(tmp_path / "r.jsonl", rows), FOUR, splits)
    found = {**replies(both, "diagnose"), **replies(both, "sealed")}
    assert found == {key: reply for key, reply in REPLIES.items() if key != "1"}
    assert both.report.repeated == 2 and both.report.missing == 1 and both.report.elsewhere == 0
    one = load_predictions(tmp_path / "r.jsonl", FOUR, {"sealed": splits["sealed"]})
    assert one["sealed"] == both["sealed"] and one.report.elsewhere + len(one["sealed"]) in (4, 5)
    assert str(both.report) == ("5 rows of submission; 2 repeat a question, and the last reply counts; "
                                "1 questions are without a prediction")


def test_paper_splits_have_all_predictions_twice(tmp_path):
    whole = {split: FOUR.questions("all") for split in ("diagnose", "sealed")}
    imported = load_predictions(FORMS["VQA"](tmp_path), FOUR, whole)
    assert imported["diagnose"] == imported["sealed"] and len(imported["sealed"]) == 4


def test_both_answers_of_aokvqa_go_to_their_kind_of_question(tmp_path):
    path = document(tmp_path / "r.json", {"0": {"multiple_choice": "two", "direct_answer": "2"}})
    open_ended, chosen = Made([asked(0)]), Made([asked(0, options=("one", "two"), choice="B")])
    assert replies(load(path, open_ended)) == {"0": "2"} and replies(load(path, chosen)) == {"0": "two"}
    document(path, {"0": {"direct_answer": "2"}})
    with pytest.raises(KitError, match=r"id '0': multiple_choice is None; expected a text"):
        load(path, chosen)


PAIR = Made(
    [asked(0, id="p#1", question="Is a cat there?"), asked(0, id="p#2", question="Is a cat there or a dog?")],
    **{"p#1": ("p.png",), "p#2": ("p.png",)},
)


def test_questions_of_one_name_are_told_apart_by_the_prompt(tmp_path):
    rows = [{"question_id": "p.png", "prompt": f"Is a cat there{more}?{SUFFIX}", "text": reply}
            for more, reply in ((" or a dog", "b"), ("", "a"))]
    imported = load(lines(tmp_path / "r.jsonl", rows), PAIR)
    assert replies(imported) == {"p#1": "a", "p#2": "b"} and imported.report.in_order == 0


def test_without_a_prompt_they_come_in_order(tmp_path):
    rows = [{"question_id": "p.png", "prediction": reply} for reply in "abcd"]
    imported = load(lines(tmp_path / "r.jsonl", rows[:2]), PAIR)
    assert replies(imported) == {"p#1": "a", "p#2": "b"} and imported.report.in_order == 2
    again = load(lines(tmp_path / "r.jsonl", rows), PAIR)
    assert replies(again) == {"p#1": "c", "p#2": "d"} and again.report.repeated == 2


def test_an_id_that_the_benchmark_has_twice_takes_the_last_row_for_both(tmp_path):
    benchmark = Made(unique_ids([asked(7), asked(8), asked(7)]), **{"7#2": ("7",)})
    rows = [{"question_id": key, "prediction": reply} for key, reply in (("7", "a"), ("8", "b"), ("7", "c"))]
    imported = load(lines(tmp_path / "r.jsonl", rows), benchmark)
    assert replies(imported) == {"7": "c", "8": "b", "7#2": "c"} and imported.report.repeated == 1


def categories():
    made = [asked(n % 2, id=f"{name}/{n % 2}", question_type=name)
            for name in ("adversarial", "popular") for n in range(2)]
    return Made(made, **{q.id: (q.id[-1],) for q in made})


def test_a_folder_with_a_file_a_category_goes_by_the_files_names(tmp_path):
    for name in ("samples_pope_adv", "coco_pope_popular"):
        lines(tmp_path / f"{name}.jsonl", [{"question_id": n, "prediction": f"{name} {n}"} for n in range(2)])
    imported = load(tmp_path, categories())
    assert replies(imported)["popular/1"] == "coco_pope_popular 1"
    assert replies(imported)["adversarial/0"] == "samples_pope_adv 0" and imported.report.in_order == 0


def test_rows_without_ids_go_by_their_place_in_the_files_category(tmp_path):
    for name in ("adversarial", "popular"):
        lines(tmp_path / f"{name}.jsonl", [
            {"question": asked(n).question.lower(), "answer": f"{name} {n}"} for n in range(2)])  # fmt: skip
    assert replies(load(tmp_path, categories())) == {
        f"{name}/{n}": f"{name} {n}" for name in ("adversarial", "popular") for n in range(2)
    }


def test_a_category_beside_the_id_decides(tmp_path):
    rows = [{"doc_id": n, "doc": {"question_id": n % 2, "category": name}, "filtered_resps": [f"{name} {n}"]}
            for n, name in enumerate(("popular", "popular", "adversarial", "adversarial"))]
    imported = load(lines(tmp_path / "r.jsonl", rows), categories())
    assert replies(imported)["popular/1"] == "popular 1" and imported.report.in_order == 0


def test_of_the_parts_and_the_whole_of_llavas_scripts_the_whole_is_read(tmp_path):
    llava(tmp_path).rename(tmp_path / "merge.jsonl")
    lines(tmp_path / "2_0.jsonl", [{"question_id": 0, "text": "x"}])
    assert replies(load(tmp_path)) == REPLIES


def test_another_tools_own_index_gives_way_to_text_and_options(tmp_path):
    options = [("red", "blue"), ("red", "green"), ("one", "two")]
    texts = ["What colour is it?", "What colour is it?", "How many?"]
    benchmark = Made(asked(n, question=texts[n], options=options[n], choice="A") for n in range(3))
    rows = [[str((n + 1) % 3), texts[n], *options[n], "A", f"reply {n}"] for n in (2, 1, 0)]
    header = ["index", "question", "A", "B", "answer", "prediction"]
    path = table(tmp_path / "m_SEEDBench_IMG.tsv", header, rows, "\t")
    imported = load(path, benchmark)
    assert replies(imported) == {str(n): f"reply {n}" for n in range(3)}
    assert imported.report.by_text >= 2


def test_questions_that_look_alike_are_told_by_their_picture(tmp_path):
    benchmark = Made(asked(n, question="Is it a dog?") for n in range(3))
    rows = [[n, f"images/i{n}.jpg", "Is it a dog? Please answer yes or no.", f"reply {n}"] for n in (2, 0, 1)]
    header = ["index", "image_path", "question", "prediction"]
    path = table(tmp_path / "r.tsv", header, [[100 + row[0], *row[1:]] for row in rows], "\t")
    imported = load(path, benchmark)
    assert replies(imported) == {str(n): f"reply {n}" for n in range(3)}
    assert (imported.report.by_text, imported.report.in_order) == (3, 0)


def test_places_are_believed_only_where_the_text_agrees(tmp_path):
    benchmark = Made(asked(n, question="Is it a dog?" if n < 3 else "Is it a cat?") for n in range(4))
    rows = [{"doc_id": n, "input": f"Is it a {'cat' if n == 0 else 'dog'}?{SUFFIX}", "filtered_resps": "x"}
            for n in range(4)]
    with pytest.raises(KitError, match="1 of 4 rows answer no question of made, such as 'Is it a dog"):
        load(lines(tmp_path / "r.jsonl", rows), benchmark)
    assert set(replies(load(lines(tmp_path / "r.jsonl", rows[:3]), benchmark))) == {"1", "2", "3"}


def test_another_wording_is_still_the_same_question(tmp_path):
    rows = [{"question_id": n, "prompt": f"[vqa] How many CATS, in room {n}, are there?", "text": "x"}
            for n in range(4)]
    assert load(lines(tmp_path / "r.jsonl", rows)).report.missing == 0


def test_a_larger_benchmarks_rows_are_passed_over_if_nothing_is_missing(tmp_path):
    rows = [{"question_id": key, "prediction": "x"} for key in ("v1", "0", "1", "2", "3", "v2")]
    report = load(lines(tmp_path / "r.jsonl", rows)).report
    assert report.others == 2 and report.other.startswith("'v1' (") and report.missing == 0
    said = r"2 of 5 rows answer no question of made, such as 'v1' \(.*r.jsonl:1\); its ids are such as '3'"
    with pytest.raises(KitError, match=said):
        load(lines(tmp_path / "r.jsonl", [row for row in rows if row["question_id"] != "3"]))


def test_ids_that_fit_by_chance_are_seen_by_the_prompts(tmp_path):
    rows = [{"question_id": n, "prompt": f"Which colour has sheep number {n}?{SUFFIX}", "text": "x"}
            for n in range(4)]
    said = "4 of 4 rows have an id of made but another question: .*r.jsonl:1 asks 'Which.* is 'How many cats"
    with pytest.raises(KitError, match=said):
        load(lines(tmp_path / "r.jsonl", rows))


QUESTION_FILES = {
    "LLaVA": {"question_id": 0, "image": "a.jpg", "text": "Is it?", "category": "default"},
    "POPE": {"question_id": 0, "image": "a.jpg", "text": "Is it?", "label": "yes"},
    "GQA": {"id": "0", "question": "Is it?", "answer": "yes", "fullAnswer": "Yes."},
    "SEED": {"question_id": "0", "question": "Is it?", "choice_a": "a", "choice_b": "b", "answer": "A"},
}


@pytest.mark.parametrize("row", QUESTION_FILES.values(), ids=QUESTION_FILES)
def test_a_file_of_questions_is_no_predictions(tmp_path, row):
    with pytest.raises(KitError, match="r.jsonl:1: this looks like a file of questions"):
        load(lines(tmp_path / "r.jsonl", [row, row]))


def test_a_table_of_questions_is_no_predictions(tmp_path):
    rows = [["0", "Is it?", "a", "b", "A"]]
    path = table(tmp_path / "q.tsv", ["index", "question", "A", "B", "answer"], rows, "\t")
    with pytest.raises(KitError, match="q.tsv:2: this looks like a file of questions .it has options"):
        load(path)


def test_half_a_sign_in_json_does_not_stop_the_writing_of_predictions(tmp_path):
    rows = [{"question_id": 0, "text": "b\ud83d"}, {"question_id": 1, "text": ""}]
    given = load(lines(tmp_path / "r.jsonl", rows))
    assert [prediction.reply.encode() for prediction in given["all"]] == [b"b?", b""]


BROKEN = {
    "empty": ("r.jsonl", b"", "r.jsonl is empty; expected predictions in a known form: LLaVA answers"),
    "blank": ("r.json", b" \n", "r.json is empty"),
    "no rows": ("r.json", b"[]", "r.json: no predictions in it"),
    "header only": ("r.csv", b"question_id,prediction\n", "r.csv: no predictions in it"),
    "cut off list": ("r.json", b'[{"question_id": 0, "answer": "a"}, {"ques', "r.json:1: not JSON"),
    "cut off line": ("r.jsonl", b'{"id": 0, "text": "a"}\n{"id": 1, "te', "r.jsonl:2: not JSON"),
    "cut off first line": ("r.jsonl", b'{"id": 0,\n{"id": 1, "text": ""}', "r.jsonl:1: not JSON"),
    "cut off object": ("r.json", b'{"0": "a", "1', "r.json:1: not JSON"),
    "cut off csv": ("r.csv", b'question_id,prediction\n0,"a\n', "r.csv:2: unexpected end of data"),
    "ragged csv": ("r.csv", b"question_id,prediction\n0,a\n1\n", "r.csv:3: 1 columns; expected 2"),
    "not UTF-8": ("r.jsonl", b'{"question_id": 0, "text": "\xe9"}\n', "r.jsonl: byte 28 is not UTF-8"),
    "csv not UTF-8": ("r.csv", b"question_id,prediction\n0,\xe9\n", "r.csv: byte 25 is not UTF-8"),
    "no xlsx": ("r.xlsx", b"PK\x03\x04 cut off", "r.xlsx: not a whole xlsx file"),
    "a pickle": ("r.pkl", b"\x80", "r.pkl: .pkl is no known kind of file; expected .*VLMEvalKit results"),
    "text": ("r.json", b"hello", "r.json:1: not JSON"),
    "a number": ("r.json", b"7", "r.json: one int"),
    "numbers": ("r.json", b"[7]", "r.json, item 0: 7 is no object"),
    "lines that are no objects": ("r.jsonl", b'{"id": 0, "text": ""}\n7\n', "r.jsonl:2: expected an object"),
    "no reply": ("r.jsonl", b'{"question_id": 0, "score": 1}\n{}\n', "r.jsonl:1: no prediction among "),
    "no reply column": ("r.csv", b"question_id,score,n\n0,1,2\n", "r.csv:2: no prediction among "),
    "annotations": ("r.json", b'{"info": {"x": 1}, "annotations": []}', "id 'info': no prediction among"),
    "a list as reply": ("r.jsonl", b'{"id": 0, "prediction": ["a"]}\n', r"r.jsonl:1: the prediction is \['a"),
    "likelihoods": ("r.jsonl", b'{"doc_id": 0, "filtered_resps": [["-1.2", "True"], ["-3", "False"]]}\n',
                    "r.jsonl:1: 2 replies to one question"),
    "no id, no text": ("r.jsonl", b'{"pred": "a"}\n{"pred": "a"}\n', "2 of 2 rows .* 'no id and no text'"),
    "results without replies": ("OCR.txt", b"a.jpg\tIs it?\tYes\n", "OCR.txt:1: 3 fields; expected image"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "content", "said"), BROKEN.values(), ids=BROKEN)
def test_unusable_files_are_one_error_that_says_where(tmp_path, name, content, said):
    if name.endswith("xlsx"):
        pytest.importorskip("openpyxl", reason=XLSX)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(KitError, match=said) as error:
        load(tmp_path / name)
    assert "\n" not in str(error.value)


def test_files_and_folders_that_are_not_there_or_not_clear(tmp_path):
    with pytest.raises(KitError, match=r"no file '.*gone.jsonl'; expected predictions in a known form"):
        load(tmp_path / "gone.jsonl")
    with pytest.raises(KitError, match="holds no predictions"):
        load(tmp_path)
    llava(tmp_path)
    vlmevalkit(tmp_path)
    with pytest.raises(KitError, match=r"holds files of several kinds \(.jsonl, .tsv\); name the file"):
        load(tmp_path)


def test_a_workbook_needs_openpyxl_and_says_so(tmp_path, monkeypatch):
    pandas = pytest.importorskip("pandas")

    def missing(*_, **__):
        raise ImportError("Missing optional dependency 'openpyxl'")

    monkeypatch.setattr(pandas, "read_excel", missing)
    with zipfile.ZipFile(tmp_path / "r.xlsx", "w") as archive:
        archive.writestr("a", "b")
    with pytest.raises(KitError, match="needs openpyxl .*; run: pip install openpyxl"):
        load(tmp_path / "r.xlsx")


def test_cells_that_pandas_takes_for_nothing_stay_texts(tmp_path):
    rows = [["0", "None"], ["1", "NA"], ["2", "nan"], ["3", ""]]
    path = table(tmp_path / "r.tsv", ["index", "prediction"], rows, "\t")
    assert replies(load(path)) == dict(rows)
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("openpyxl", reason=XLSX)
    pandas.DataFrame(rows, columns=["index", "prediction"]).to_excel(tmp_path / "r.xlsx", index=False)
    assert replies(load(tmp_path / "r.xlsx")) == dict(rows)


@given(st.lists(st.tuples(st.integers(0, 9), st.text(max_size=5)), min_size=1, max_size=40), st.booleans())
def test_rows_in_any_order_and_number_the_last_counts(tmp_path_factory, rows, with_prompt):
    benchmark = Made(map(asked, range(10)))
    path = tmp_path_factory.mktemp("rows") / "r.jsonl"
    more = {n: {"prompt": prompt(n)} if with_prompt else {} for n in range(10)}
    imported = load(lines(path, [{"id": n, "text": reply, **more[n]} for n, reply in rows]), benchmark)
    assert replies(imported) == {str(n): reply for n, reply in rows}
    assert imported.report.repeated == len(rows) - len(dict(rows))
    assert imported.report.missing == 10 - len(dict(rows))


def _objects(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_real_gqa_answers_find_their_questions(shared_data):
    folder = shared_data / "llava_eval" / "gqa"
    made = Made(
        asked(0, id=row["question_id"], image_id=row["image"], question=row["text"].split("\n")[0])
        for row in _objects(folder / "llava_gqa_testdev_balanced.jsonl")
    )
    imported = load(folder / "answers" / "llava_gqa_testdev_balanced" / "llava-v1.5-13b.jsonl", made)
    report = imported.report
    assert len(imported["all"]) == report.rows == 12578
    assert report.by_text == report.in_order == report.repeated == 0


def test_real_seed_answers_find_the_image_questions(shared_data):
    path = shared_data / "llava_eval" / "seed_bench" / "answers_upload" / "llava-v1.5-13b.jsonl"
    ids = [row["question_id"] for row in _objects(path)]
    questions = list(unique_ids(asked(0, id=name, question="Which?") for name in ids if name.isdecimal()))
    made = Made(questions, **{q.id: (q.id.partition("#")[0],) for q in questions})
    imported = load(path, made)
    assert len(imported["all"]) == 14233 and imported.report.others == 5009 and imported.report.missing == 0
    assert imported.report.other.startswith("'v0'") and imported.report.repeated == 1


def test_real_mmbench_answers_agree_in_both_forms(shared_data):
    pytest.importorskip("openpyxl", reason=XLSX)
    pandas = pytest.importorskip("pandas")
    folder = shared_data / "llava_eval" / "mmbench"
    name = "mmbench_dev_20230712/llava-v1.5-13b"
    sheet = pandas.read_excel(folder / "answers_upload" / f"{name}.xlsx", dtype=str, keep_default_na=False)
    made = Made(asked(0, id=row["index"], question=row["question"]) for row in sheet.to_dict("records"))
    uploaded = load(folder / "answers_upload" / f"{name}.xlsx", made)
    written = load(folder / "answers" / f"{name}.jsonl", made)
    assert len(uploaded["all"]) == 4377 and replies(uploaded) == replies(written)
    assert uploaded.report.by_text == written.report.by_text == 0


def test_real_scienceqa_answers_in_all_their_forms(shared_data):
    folder = shared_data / "llava_eval" / "scienceqa"
    benchmark = benchmarks.load("scienceqa", path=str(folder / "llava_test_CQM-A.json"))
    written = load(folder / "answers" / "llava-v1.5-13b_output.jsonl", benchmark)
    result = load(folder / "answers" / "llava-v1.5-13b_result.json", benchmark)
    assert len(written["all"]) == 4241 and replies(written) == replies(result)
    assert written.report.by_text == 0


def test_real_vizwiz_and_textvqa_answers_find_their_questions(shared_data):
    vizwiz = benchmarks.load("vizwiz", path=str(shared_data / "vizwiz" / "val_questions_vqa_format.json"))
    assert load(shared_data / "vizwiz" / "predictions_val_clip.json", vizwiz).report.missing == 0
    textvqa = benchmarks.load("vqav2", path=str(shared_data / "textvqa" / "val_questions_vqa_format.json"))
    report = load(shared_data / "llava_eval" / "textvqa" / "answers" / "llava-v1.5-13b.jsonl", textvqa).report
    assert (report.rows, report.missing, report.in_order) == (5000, 0, 0)


def test_another_benchmarks_real_answers_are_refused(shared_data):
    pope = benchmarks.load("pope", path=str(shared_data / "pope" / "coco_2910"))
    with pytest.raises(KitError, match="5,000 of 8,000 rows answer no question of pope, such as '0'"):
        load(shared_data / "llava_eval" / "vizwiz" / "answers" / "llava-v1.5-13b.jsonl", pope)
