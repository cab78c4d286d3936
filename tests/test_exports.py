import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dataengine_utils import artifacts, images
from dataengine_utils.errors import KitError
from dataengine_utils.exports import FORMATS, export, publish, read_items, read_samples
from dataengine_utils.exports.__main__ import main
from dataengine_utils.exports.reading import parse_question
from dataengine_utils.files import list_text
from dataengine_utils.instruction_data import FORMS, load_replay
from dataengine_utils.models.families import FAMILIES
from dataengine_utils.models.wording import prompt
from dataengine_utils.records import Sample
from dataengine_utils.withdrawal import withdraw

OFFICIAL = {
    "instruction": "What hangs above the stove?",
    "answer": "Three copper pans hang above the stove.",
    "short_answer": "copper pans",
    "options": ["copper pans", "a clock", "towels", "a lamp"],
    "choide_answer": "A",
    "image": "vg/VG_100K_2/2404787.jpg",
    "qtype": 2,
}
TEXTS = ("instruction", "answer", "short_answer", "options", "choice_answer", "image", "qtype")


def make(number, image, **changes):
    values = {
        "instruction": f"What is number {number}?",
        "answer": f"Number {number} is a \u201ccat\u201d.",
        "short_answer": "cat",
        "options": ("dog", "cat", "cow", "bird"),
        "choice_answer": "B",
        "image": image,
        "qtype": 2,
        "question_type": "Instance Identity",
        "image_id": str(number),
        "id": f"s{number}",
        "query_id": f"q{number}",
        "template_id": "t",
        "bad_cases": ("b1", "b2"),
        "verdicts": {"truth": "holds"},
        "usd": 0.25,
    }
    return Sample(**{**values, **changes})


@pytest.fixture
def root(tmp_path):
    for number in range(3):
        path = tmp_path / "data" / "pics" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 10), (50 * number, 90, 30)).save(path)
    return tmp_path / "data"


@pytest.fixture
def samples():
    return [make(number, f"pics/{number}.png") for number in range(3)]


def write(samples, name, root, **options):
    out = root.parent / f"out{FORMATS[name].suffix}"
    export(samples, name, out, root=root, **options)
    return out


def read(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if path.suffix == ".json" else [json.loads(line) for line in text.splitlines()]


# The published format


def test_the_published_format_is_read_with_its_misspelt_field_and_written_without(tmp_path):
    path = tmp_path / "official.json"
    path.write_text(json.dumps([OFFICIAL]))
    (sample,) = read_samples(path)
    assert (sample.choice_answer, sample.qtype, sample.question_type) == ("A", 2, "Instance Identity")
    assert (sample.image_id, sample.query_id, sample.bad_cases) == ("2404787", "", ())
    export([sample], "published", tmp_path / "again.json")
    (written,) = read(tmp_path / "again.json")
    assert tuple(written) == TEXTS and written["choice_answer"] == "A" and type(written["qtype"]) is int
    assert read_samples(tmp_path / "again.json") == [sample]


def test_the_kits_own_samples_are_read_with_their_lineage(tmp_path, samples):
    path = tmp_path / "samples.json"
    path.write_text(list_text(samples, Sample))
    assert read_samples(path) == samples


def test_equal_published_samples_have_equal_ids_and_others_not(tmp_path):
    path = tmp_path / "official.json"
    path.write_text(json.dumps([OFFICIAL, OFFICIAL, {**OFFICIAL, "qtype": "3"}]))
    first, same, other = read_samples(path)
    assert first.id == same.id != other.id and other.qtype == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"qtype": 10}, "qtype is 10; allowed are 1 to 9"),
        ({"qtype": "two"}, "qtype is 'two'"),
        ({"choide_answer": "E"}, "choice_answer is 'E'; 4 options have the letters A, B, C, D"),
        ({"choide_answer": ""}, "choice_answer is ''"),
        ({"options": "cat"}, "options"),
        ({"image": None}, "image"),
        ({"answer": 3}, "answer"),
    ],
)
def test_what_is_no_sample_is_refused_with_its_place(tmp_path, change, message):
    path = tmp_path / "official.json"
    path.write_text(json.dumps([OFFICIAL, {**OFFICIAL, **change}]))
    with pytest.raises(KitError, match=message) as caught:
        read_samples(path)
    assert "official.json[1]" in str(caught.value)


@pytest.mark.parametrize("content", ["[[1]]", "{}", "[{}]", "[", '[{"instruction": 1}]'])
def test_what_is_no_file_of_samples_is_refused(tmp_path, content):
    path = tmp_path / "some.json"
    path.write_text(content)
    with pytest.raises(KitError, match=r"some\.json"):
        read_samples(path)


def test_a_sample_is_published_with_seven_fields():
    assert publish(make(1, "a.jpg"))["options"] == ["dog", "cat", "cow", "bird"]
    assert tuple(publish(make(1, "a.jpg"))) == TEXTS


# Formats, by their readers' schemas


def test_llava_conversations(root, samples):
    entries = read(write(samples, "llava", root, forms=("direct", "choice", "shuffled")))
    assert [entry["id"] for entry in entries] == ["s0", "s1", "s2"]
    for entry, sample in zip(entries, samples, strict=True):
        turns = entry["conversations"]
        assert set(entry) == {"id", "image", "conversations"} and entry["image"] == sample.image
        assert [turn["from"] for turn in turns] == ["human", "gpt"] * 3
        assert turns[0]["value"] == f"<image>\n{sample.instruction}" and turns[1]["value"] == sample.answer
        assert sum(turn["value"].count("<image>") for turn in turns) == 1
        letter, lines = turns[5]["value"], turns[4]["value"].splitlines()
        assert f"{letter}. cat" in lines


def test_the_kit_reads_its_llava_export_as_replay(root, samples):
    path = write(samples, "llava", root)
    loaded = load_replay(str(path), 3, seed=0)
    assert [(e.question, e.answer) for e in loaded] == [(s.instruction, s.answer) for s in samples]


def test_llama_factory_gets_its_entry_and_keeps_the_others(root, samples):
    (root.parent / "dataset_info.json").write_text(json.dumps({"mine": {"file_name": "mine.json"}}))
    path = write(samples, "sharegpt", root)
    info = json.loads((root.parent / "dataset_info.json").read_text())
    assert list(info) == ["mine", "out"] and info["out"]["file_name"] == path.name
    columns = info["out"]["columns"]
    assert info["out"]["formatting"] == "sharegpt" and set(columns.values()) == {"conversations", "images"}
    for entry in read(path):
        turns = entry[columns["messages"]]
        assert [turn["from"] for turn in turns] == ["human", "gpt"] * (len(turns) // 2)
        assert sum(t["value"].count("<image>") for t in turns) == len(entry[columns["images"]]) == 1


def test_a_broken_table_of_datasets_is_not_overwritten(root, samples):
    (root.parent / "dataset_info.json").write_text("[1]")
    with pytest.raises(KitError, match="move it away"):
        write(samples, "sharegpt", root)
    assert (root.parent / "dataset_info.json").read_text() == "[1]"


def test_swift_messages(root, samples):
    for entry, sample in zip(read(write(samples, "swift", root)), samples, strict=True):
        assert set(entry) == {"messages", "images"} and Path(entry["images"][0]).is_file()
        assert [m["role"] for m in entry["messages"]] == ["user", "assistant"] * 2
        assert entry["messages"][0]["content"] == f"<image>{sample.instruction}"
        assert sum(m["content"].count("<image>") for m in entry["messages"]) == 1


def test_trl_has_a_row_a_form_and_no_sign_for_the_picture(root, samples):
    rows = read(write(samples, "trl", root, forms=("direct", "choice")))
    assert len(rows) == 6 and all(set(row) == {"prompt", "completion", "images"} for row in rows)
    assert rows[1]["completion"] == [{"role": "assistant", "content": "B"}]
    assert "<image>" not in json.dumps(rows)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_export_is_worded_as_the_student_is_asked(root, samples, family):
    (row, *_) = read(write(samples[:1], "trl", root, forms=("choice",), family=family))
    asked = prompt(samples[0].instruction, samples[0].options, "choice", FAMILIES[family])
    assert row["prompt"][0]["content"] == asked


# What is written is read back


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "parquet"])
def test_every_question_and_its_options_are_read_back(root, samples, name):
    items = list(read_items(write(samples, name, root, forms=("choice", "direct"))))
    asked = {(item.instruction, item.options) for item in items}
    with_options = {(s.instruction, s.options) for s in samples}
    assert with_options <= asked <= with_options | {(s.instruction, ()) for s in samples}
    assert [item.image.endswith(s.image) for item, s in zip(items[:1], samples, strict=False)] == [True]


OPTION = (
    st.text(st.characters(categories=("L", "N", "Zs")), min_size=1, max_size=12).map(str.strip).filter(bool)
)


@given(
    st.sampled_from(sorted(FAMILIES)),
    st.sampled_from(sorted(FORMS)),
    st.from_regex(r"[A-Z][a-z]{1,8}( [a-z]{1,8}){0,9}\?", fullmatch=True),
    st.lists(OPTION, min_size=2, max_size=6, unique=True),
)
def test_a_prompt_is_taken_apart_as_it_was_made(family, form, question, options):
    text = prompt(question, options, form, FAMILIES[family])
    found, read_back = parse_question(f"<image>\n{text}")
    assert found == question
    assert read_back == (tuple(options) if form in ("choice", "shuffled") else ())


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ([], "no known form"),
        ({"text": "hello"}, "no known form"),
        ({"conversations": [{"value": "?"}]}, "no from or role"),
        ({"conversations": [], "image": 7}, "expected a path"),
        ({"conversations": [], "images": ["a.jpg", None]}, "the picture is None; expected a path"),
        ({"conversations": [{"from": "human", "value": 5}]}, "says 5; expected a text"),
        ({"messages": [{"role": "user", "content": {"text": "?"}}]}, "expected a text, or a list of parts"),
    ],
)
def test_a_training_file_in_no_known_form_is_refused(tmp_path, entry, message):
    path = tmp_path / "some.json"
    path.write_text(json.dumps([entry]))
    with pytest.raises(KitError, match=message) as caught:
        list(read_items(path))
    assert "some.json[0]" in str(caught.value)


def test_messages_in_parts_and_entries_without_a_picture_are_read(tmp_path):
    parts = [{"type": "image"}, {"type": "text", "text": "What is it?"}]
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": parts}]
    path = tmp_path / "some.jsonl"
    path.write_text(json.dumps({"messages": messages, "images": [{"path": "a/1.jpg"}]}) + "\n"
                    + json.dumps({"conversations": [{"from": "human", "value": "Hello?"}]}))  # fmt: skip
    first, second = read_items(path)
    assert (first.instruction, first.image, first.image_id) == ("What is it?", "a/1.jpg", "1")
    assert (second.instruction, second.image) == ("Hello?", "")


# Peers' own loaders


def test_datasets_reads_the_json_exports(root, samples):
    datasets = pytest.importorskip("datasets", reason="optional: pip install datasets")
    for name in ("published", "llava", "sharegpt", "swift", "trl"):
        path = write(samples, name, root, forms=("direct",))
        loaded = datasets.load_dataset(
            "json", data_files=str(path), split="train", cache_dir=str(root / "cache")
        )
        assert loaded.to_list() == read(path)


def test_datasets_reads_the_parquet_with_its_pictures(root, samples):
    datasets = pytest.importorskip("datasets", reason="optional: pip install datasets")
    mixed = [*samples, make(7, "picturebook:20000007")]
    path = write(mixed, "parquet", root)
    for number in range(3):
        (root / "pics" / f"{number}.png").unlink()  # the file stands alone
    loaded = datasets.load_dataset(
        "parquet", data_files=str(path), split="train", cache_dir=str(root / "cache")
    )
    assert len(loaded) == 4
    for row, sample in zip(loaded, mixed, strict=True):
        assert row["image_path"] == sample.image and row["id"] == sample.id and row["usd"] == sample.usd
        assert tuple(row["options"]) == sample.options and tuple(row["bad_cases"]) == sample.bad_cases
        assert json.loads(row["verdicts"]) == sample.verdicts
    assert loaded[1]["image"].getpixel((0, 0)) == (50, 90, 30)
    drawn = images.open_image("picturebook:20000007")
    assert loaded[3]["image"].tobytes() == drawn.tobytes()


def test_trl_makes_its_prompts_of_the_export(root, samples):
    datasets = pytest.importorskip("datasets", reason="optional: pip install datasets")
    data_utils = pytest.importorskip("trl.data_utils", reason="a peer: pip install trl")
    path = write(samples, "trl", root, forms=("direct", "choice"))
    loaded = datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(root / "cache"))
    loaded = loaded.cast_column("images", datasets.List(datasets.Image()))
    for row in loaded:
        assert data_utils.is_conversational(row)
        (user,) = data_utils.prepare_multimodal_messages(row["prompt"], images=row["images"])
        assert [part["type"] for part in user["content"]] == ["image", "text"]
        assert user["content"][0]["image"].size == (20, 10)
        (assistant,) = data_utils.prepare_multimodal_messages(row["completion"])
        assert assistant["content"][0]["text"] == row["completion"][0]["content"]


# Pictures that are no files


def test_drawn_pictures_are_written_as_files(tmp_path, root):
    drawn = [make(n, f"picturebook:{20_000_000 + n}") for n in range(2)]
    entries = read(write([*drawn, drawn[0]], "llava", root, pictures=tmp_path / "drawn"))
    assert entries[0]["image"] == "picturebook_20000000.png"
    assert sorted(p.name for p in (tmp_path / "drawn").iterdir()) == [
        f"picturebook_2000000{n}.png" for n in (0, 1)
    ]
    with Image.open(tmp_path / "drawn" / entries[1]["image"]) as image:
        assert image.tobytes() == images.open_image(drawn[1].image).tobytes()
    (row, _) = read(write(drawn[:1], "trl", root, pictures=tmp_path / "drawn"))
    assert row["images"] == [str(tmp_path / "drawn" / "picturebook_20000000.png")]


def test_a_drawn_picture_needs_a_folder(root):
    with pytest.raises(KitError, match="--pictures DIR"):
        write([make(1, "picturebook:20000001")], "llava", root)


def test_pictures_with_long_references_get_short_names(tmp_path, monkeypatch, root):
    monkeypatch.setitem(images.SCHEMES, "made", "test_exports:made_picture")
    long = [make(n, f"made:{'x' * 90}{n}/y?z") for n in range(2)]
    names = [entry["image"] for entry in read(write(long, "llava", root, pictures=tmp_path / "drawn"))]
    assert len(set(names)) == 2 and all(len(name) < 40 and "/" not in name for name in names)


def made_picture(rest):
    return Image.new("RGB", (8, 8), "red")


# Bad input


@pytest.mark.parametrize(
    ("name", "out", "options", "message"),
    [
        ("lava", "a.json", {}, "unknown export format 'lava'"),
        ("llava", "a.jsonl", {}, "format llava is a .json file"),
        ("llava", "a", {}, "ends in 'nothing'"),
        ("llava", "a.json", {"forms": ("long",)}, "unknown training form 'long'"),
        ("llava", "a.json", {"forms": ()}, "no training form is named; choose at least one of .*direct"),
        ("llava", "a.json", {"family": "gpt"}, "unknown family of students 'gpt'"),
        ("parquet", "a.parquet", {"root": Path("nowhere")}, "no image at|needs the package datasets"),
    ],
)
def test_what_cannot_be_exported_is_said_and_nothing_is_written(
    tmp_path, samples, name, out, options, message
):
    with pytest.raises(KitError, match=message):
        export(samples, name, tmp_path / out, **options)
    assert not list(tmp_path.iterdir())


def test_no_samples_and_texts_with_the_pictures_sign_are_refused(tmp_path):
    with pytest.raises(KitError, match="no samples"):
        export([], "llava", tmp_path / "a.json")
    with pytest.raises(KitError, match="'s1' has <image> in its text"):
        export([make(1, "a.jpg", instruction="What is <image>?")], "llava", tmp_path / "a.json")


def test_a_full_disk_leaves_no_half_picture(tmp_path, monkeypatch, root):
    def full(self, path, *args):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(KitError, match="No space left"):
        write([make(1, "picturebook:20000001")], "llava", root, pictures=tmp_path / "drawn")
    assert not list((tmp_path / "drawn").iterdir())


# The command


def test_the_command_writes_a_runs_samples_without_those_withdrawn(tmp_path, capsys):
    run = artifacts.create_run(tmp_path / "run", "picturebook")
    drawn = [make(n, f"picturebook:{20_000_000 + n}") for n in range(4)]
    run.iteration(0).save("samples", drawn[:2])
    run.iteration(1).save("samples", drawn[2:])
    withdraw(run, sample_ids=["s1"], apply=True)
    command = [str(run.path), "--format", "llava", "--out", str(tmp_path / "all.json")]
    assert main([*command, "--pictures", str(tmp_path / "drawn")]) == 0
    assert "3 entries of 3 samples" in capsys.readouterr().out
    assert [entry["id"] for entry in read(tmp_path / "all.json")] == ["s0", "s2", "s3"]
    assert main(command) == 1 and "--pictures DIR" in capsys.readouterr().err


def test_the_command_converts_a_published_file(tmp_path, capsys):
    (tmp_path / "official.json").write_text(json.dumps([OFFICIAL]))
    out = tmp_path / "swift.jsonl"
    command = [str(tmp_path / "official.json"), "--format", "swift", "--out", str(out), "--root", "/data"]
    assert main([*command, "--forms", "short, choice"]) == 0
    (entry,) = read(out)
    assert entry["images"] == ["/data/vg/VG_100K_2/2404787.jpg"]
    assert entry["messages"][1]["content"] == "copper pans" and entry["messages"][3]["content"] == "A"
    assert main([str(tmp_path), *command[1:]]) == 1 and "is no run" in capsys.readouterr().err
