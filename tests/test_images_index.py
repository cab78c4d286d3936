"""The index of annotations: made whole or not at all, made anew when files change, exact when read."""

import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dataengine_utils import images
from dataengine_utils.errors import KitError
from dataengine_utils.images import building, folder
from dataengine_utils.images.__main__ import main
from dataengine_utils.images.building import locked
from dataengine_utils.images.visual_genome import INDEX
from dataengine_utils.records import TextBox, TypeWeakness, to_json
from dataengine_utils.sampling import sample_queries
from tests.vg_scale import entries, write

N_IMAGES = 40
SIGN, MENU = TextBox("STOP", (1, 2, 30, 10)), TextBox("Menü", (5, 6, 7, 8))


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    made = tmp_path_factory.mktemp("official")
    write(made, N_IMAGES)
    return made


@pytest.fixture
def data(official, tmp_path):
    """A copy of the official files, without an index."""
    shutil.copytree(official, tmp_path / "vg")
    return tmp_path / "vg"


def load(data: Path, **options):
    return images.load("visual_genome", path=str(data), **options)


def files_of(data: Path) -> set[str]:
    """What indexing has left, apart from the lock."""
    return {path.name for path in data.iterdir() if path.suffix not in (".json", ".lock")}


def run(data: Path, *code: str, **options) -> subprocess.CompletedProcess[str]:
    """Index in a process of its own, after some lines of code."""
    lines = ["import os, signal, sys", "from dataengine_utils.images import building", *code,
             "from dataengine_utils.images.__main__ import main",
             "sys.exit(main(['index', 'visual_genome', '--data', sys.argv[1]]))"]  # fmt: skip
    command = [sys.executable, "-c", "\n".join(lines), str(data)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, **options)


def test_records_hold_what_the_files_say(data):
    source = load(data)
    for parts in entries(N_IMAGES):
        image, record = parts["image"], source.record(str(parts["image"]["image_id"]))
        assert (record.width, record.height) == (image["width"], image["height"])
        assert image["url"].endswith(record.image)
        assert source.coco_id(record.image_id) == ("" if image["coco_id"] is None else str(image["coco_id"]))
        written = parts["attributes"]["attributes"]
        assert [(o.object_id, o.name, o.box, set(o.attributes)) for o in record.objects] == [
            (o["object_id"], o["names"][0], (o["x"], o["y"], o["w"], o["h"]), set(o.get("attributes", ())))
            for o in written
        ]
        assert {(r.subject, r.predicate, r.object) for r in record.relations} == {
            (r["subject"]["object_id"], r["predicate"], r["object"]["object_id"])
            for r in parts["relationships"]["relationships"]
        }
        assert [(r.phrase, r.box) for r in record.regions] == [
            (r["phrase"], (r["x"], r["y"], r["width"], r["height"])) for r in parts["regions"]["regions"]
        ]


def test_ids_are_a_sequence_in_the_order_of_the_files(data):
    ids = load(data).ids()
    order = [str(entry["image_id"]) for entry in json.loads((data / "image_data.json").read_text())]
    assert list(ids) == order and len(ids) == N_IMAGES and [ids[n] for n in (0, 7, -1)] == [
        order[n] for n in (0, 7, -1)]  # fmt: skip
    assert ids[3:9:2] == tuple(order[3:9:2]) and ids[38:99] == tuple(order[38:])
    assert order[5] in ids and "0" not in ids and 6 not in ids and ids.index(order[11]) == 11
    for place in (N_IMAGES, -N_IMAGES - 1):
        with pytest.raises(IndexError):
            ids[place]


def test_images_are_sampled_from_the_index_as_from_a_list(data):
    ids = load(data).ids()
    table = [TypeWeakness("Scene", 9, 5, 4, 0, 0.5, 0.2, 0.8, 1.0, 4)]
    drawn = [
        sample_queries(table, [], one, budget=30, in_context=0, rng=random.Random(3), used={ids[0], "none"})
        for one in (ids, list(ids))
    ]
    assert drawn[0] == drawn[1] and len({query.image_id for query in drawn[0]} - {ids[0]}) == 30


def test_an_id_without_annotations_and_an_unknown_id(data):
    more = json.loads((data / "image_data.json").read_text())
    more.append({**more[0], "image_id": 99, "url": "https://x/VG_100K/99.jpg"})
    (data / "image_data.json").write_text(json.dumps(more))
    source = load(data)
    record = source.record("99")
    assert record.image == "VG_100K/99.jpg" and not (record.objects or record.relations or record.regions)
    for ask in (source.record, source.coco_id):
        with pytest.raises(KitError, match=r"no image '100' in .*vg; it has 41 images"):
            ask("100")


def test_entries_about_unlisted_images_are_counted_and_told(data, capsys):
    listed = json.loads((data / "image_data.json").read_text())
    (data / "image_data.json").write_text(json.dumps(listed[:-2]))
    assert load(data).index.unlisted == dict.fromkeys(
        ("objects", "attributes", "relationships", "regions"), 2
    )
    main(["index", "visual_genome", "--data", str(data)])
    assert "objects: 2 entries are about unlisted images" in capsys.readouterr().out
    (data / "image_data.json").write_text(json.dumps([{**listed[0], "image_id": 10**9}]))
    with pytest.raises(KitError, match=r"no annotation in .* is about an image that image_data.json lists"):
        load(data)


def test_an_index_that_is_current_is_used_and_a_changed_file_makes_it_anew(data):
    load(data)
    made = (data / INDEX).stat()
    assert load(data).index.counts["objects"] > 1000 and (data / INDEX).stat() == made
    (data / "attributes.json").rename(data / "attributes.bak")
    attributes = {word for o in load(data).record("1").objects for word in o.attributes}
    assert not attributes and (data / INDEX).stat().st_ino != made.st_ino
    (data / "attributes.bak").rename(data / "attributes.json")
    assert any(o.attributes for o in load(data).record("1").objects)
    content = (data / "objects.json").read_text()
    first = json.loads(content)[0]["objects"][0]
    name = first["names"][0]
    changed = content.replace(f'"names": ["{name}"]', f'"names": ["{"z" * len(name)}"]', 1)
    (data / "objects.json").write_text(changed)
    os.utime(data / "objects.json", ns=(1, 1))  # of the same size, but of another time
    assert load(data).record("1").objects[0].name == "z" * len(name)


CHANGES = {
    "objects.json": ('"object_id"', '"number"', "no 'id'.*object_id or id, names or name, x, y, w, h"),
    "attributes.json": ('"names"', '"labels"', "no 'object_names'.*names or name, x, y, w, h, attributes"),
    "relationships.json": ('"predicate"', '"verb"', "no 'predicate'.*predicate, subject and object"),
    "region_descriptions.json": ('"phrase"', '"text"', "no 'phrase'.*phrase, x, y, width, height"),
    "image_data.json": ('"url"', '"link"', "no 'url'.*image_id or id, url, width, height"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_schema_change_is_told_with_file_entry_and_form(data, name):
    old, new, told = CHANGES[name]
    content = json.loads((data / name).read_text())
    content[4] = json.loads(json.dumps(content[4]).replace(old, new))
    (data / name).write_text(json.dumps(content))
    with pytest.raises(KitError, match=rf"{name}, entry 4 \(image 5\) is not in the official form \({told}"):
        load(data)
    content[4] = {"image_id": 5, "things": []}
    (data / name).write_text(json.dumps(content))
    with pytest.raises(KitError, match=rf"{name}, entry 4 \(image 5\).*no '\w+'"):
        load(data)
    assert not files_of(data)


@pytest.mark.parametrize("bad", ["null", "7", '"x"', '{"image_id": 5, "objects": [{"id": 1, "name": 3}]}',
                                 '{"image_id": 5, "objects": [{"id": NaN, "name": "a"}]}',
                                 '{"image_id": 5, "objects": {"id": 1}}'])  # fmt: skip
def test_entries_of_another_kind_are_told(data, bad):
    (data / "objects.json").write_text(f'[{{"image_id": 1, "objects": []}}, {bad}]')
    with pytest.raises(KitError, match="objects.json, entry 1.*not in the official form"):
        load(data)


@pytest.mark.parametrize("name", CHANGES)
def test_a_cut_file_is_told_with_its_place_and_leaves_no_index(data, name):
    whole = (data / name).read_bytes()
    (data / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(KitError, match=rf"{name}, entry \d+, character \d+: .*fetch the file again"):
        load(data)
    assert not files_of(data)
    (data / name).write_bytes(whole)
    assert len(load(data).ids()) == N_IMAGES


KILLS = {
    "in the middle": ("add, n = building.Builder.add, iter(range(70))",
                      "def dying(self, *values):",
                      "    if next(n, None) is None: os.kill(os.getpid(), signal.SIGKILL)",
                      "    return add(self, *values)",
                      "building.Builder.add = dying"),
    "at its end": ("building.Builder.note = lambda *values: os.kill(os.getpid(), signal.SIGKILL)",),
    "before the renaming": ("os.replace = lambda *paths: os.kill(os.getpid(), signal.SIGKILL)",),
}  # fmt: skip


@pytest.mark.parametrize("when", KILLS)
@pytest.mark.parametrize("older", [False, True])
def test_a_killed_indexing_leaves_no_index_in_use(data, when, older):
    if older:
        load(data).index.add_texts("1", [SIGN], "reader")
        os.utime(data / "objects.json")
    killed = run(data, *KILLS[when])
    assert killed.returncode == -signal.SIGKILL and f"{INDEX}.part" in files_of(data)
    assert (INDEX in files_of(data)) == older
    again = run(data)
    assert again.returncode == 0 and f"{N_IMAGES} images" in again.stdout, again.stderr
    assert files_of(data) == {INDEX} and load(data).record("1").texts == ((SIGN,) if older else ())


def test_an_interrupted_indexing_cleans_up(data, monkeypatch):
    def interrupted(*values):
        raise KeyboardInterrupt

    monkeypatch.setattr(building.Builder, "add", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load(data)
    assert not files_of(data)


def test_a_full_disk_is_told_and_leaves_nothing(data, monkeypatch):
    def small(*arguments, **options):
        connection = connect(*arguments, **options)
        connection.execute("PRAGMA max_page_count = 30")
        return connection

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", small)
    with pytest.raises(KitError, match=r"cannot write the index .*disk is full.*free the disk.*--index FILE"):
        load(data)
    assert not files_of(data)
    monkeypatch.undo()
    assert len(load(data).ids()) == N_IMAGES


def test_a_file_that_may_not_grow_is_told_by_the_command(data):
    limit = (30_000, 30_000)
    done = run(data, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
    assert done.returncode == 1 and "error: cannot write the index" in done.stderr
    assert "Traceback" not in done.stderr and not files_of(data)


def test_two_processes_index_at_once(data):
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: run(data), range(3)))
    assert [one.returncode for one in done] == [0, 0, 0], [one.stderr for one in done]
    assert files_of(data) == {INDEX} and len(load(data).ids()) == N_IMAGES


def test_one_waits_for_another_and_takes_its_index(data):
    code = [sys.executable, "-m", "dataengine_utils.images", "index", "visual_genome", "--data", str(data)]
    with locked(data / INDEX):
        waiting = subprocess.Popen(code, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert "waiting for another process" in waiting.stderr.readline()
        elsewhere = data.parent / "elsewhere.sqlite"
        load(data, index=str(elsewhere))
        os.replace(elsewhere, data / INDEX)
        made = (data / INDEX).stat().st_ino
    assert waiting.wait(timeout=300) == 0 and (data / INDEX).stat().st_ino == made
    waiting.communicate()


def test_a_read_only_folder_asks_for_another_place(data, tmp_path):
    data.chmod(0o555)
    try:
        told = r"read-only.*option index=FILE.*index visual_genome --data .*vg --index FILE"
        with pytest.raises(KitError, match=told):
            load(data)
        source = load(data, index=str(tmp_path / "mine.sqlite"))
        assert source.root == data and source.record("1") and not files_of(data)
    finally:
        data.chmod(0o755)
    with pytest.raises(KitError, match="no folder .*nowhere"):
        load(data, index=str(tmp_path / "nowhere" / "a.sqlite"))


def test_a_file_that_is_no_index_of_the_source_is_never_overwritten(data, tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_text("mine")
    with pytest.raises(KitError, match=r"notes.txt' is not an index of visual_genome, or is damaged; delete"):
        load(data, index=str(notes))
    assert notes.read_text() == "mine"
    sidecar = tmp_path / "annotations.jsonl"
    sidecar.write_text(json.dumps({"image_id": "1", "image": "1.png", "width": 3, "height": 3}))
    other = images.load("folder", path=str(tmp_path), index=str(tmp_path / "other.sqlite"))
    with pytest.raises(KitError, match="not an index of visual_genome"):
        load(data, index=str(other.index.path))


def test_a_damaged_index_is_told(data):
    load(data)
    with (data / INDEX).open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * ((data / INDEX).stat().st_size - 8192))
    with pytest.raises(KitError, match=r"damaged|cannot read the index .*delete it and run: python -m"):
        list(map(load(data).record, load(data).ids()))


def test_a_damaged_value_is_told(data):
    connection = sqlite3.connect(load(data).index.path)
    with connection:
        connection.execute("UPDATE pieces SET value = x'00' WHERE image_id = '3'")
        connection.execute("UPDATE pieces SET value = '[[' WHERE image_id = '4'")
    connection.close()
    source = load(data)
    assert source.record("2").objects
    for image_id in ("3", "4"):
        with pytest.raises(KitError, match=r"cannot read the index .*delete it and run: python -m"):
            source.record(image_id)


def test_texts_of_ocr_are_read_with_the_record_and_outlive_a_new_index(data):
    source = load(data)
    assert source.record("1").texts == ()
    source.index.add_texts("1", [SIGN, MENU], "reader")
    source.index.add_texts("2", [], "reader")
    source.index.add_texts("4", [MENU], "reader")
    assert source.record("1").texts == (SIGN, MENU) and load(data).record("1").texts == (SIGN, MENU)
    assert source.index.texts_by("reader") == {"1", "2", "4"} and source.index.texts_by("other") == set()
    source.index.add_texts("1", [MENU], "other")
    assert source.record("1").texts == (MENU,)
    source.index.add_texts("1", [SIGN], "reader")
    assert source.record("1").texts == (SIGN,)
    with pytest.raises(KitError, match="no image '0'"):
        source.index.add_texts("0", [SIGN], "reader")
    listed = json.loads((data / "image_data.json").read_text())
    listed[2]["width"] += 1
    listed[3]["url"] = "https://x/VG_100K/another.jpg"
    (data / "image_data.json").write_text(json.dumps([listed[2], *listed[0:1], *listed[3:]]))
    again = load(data)
    assert again.ids()[0] == "3" and again.record("1").texts == (SIGN,)
    assert again.index.texts_by("reader") == {"1"}  # image 2 is gone, 4 has another picture


def test_a_change_cut_off_by_a_kill_is_undone(data, tmp_path):
    index = data / INDEX
    load(data).index.add_texts("1", [SIGN], "reader")
    journal = index.with_name(f"{INDEX}-journal")
    connection = sqlite3.connect(index)
    connection.execute("PRAGMA cache_size = 2")
    connection.execute("BEGIN")
    connection.execute("DELETE FROM texts")
    connection.executemany("INSERT INTO texts VALUES (?, 'reader', ?)", ((n, "[]" * 999) for n in range(99)))
    with_journal = {path: path.read_bytes() for path in (index, journal)}  # as a killed process leaves them
    connection.rollback()
    connection.close()
    for path, content in with_journal.items():
        path.write_bytes(content)
    assert journal.stat().st_size > 0
    source = load(data)
    assert source.record("1").texts == (SIGN,) and source.index.texts_by("reader") == {"1"}
    assert not journal.exists()


def test_threads_and_forks_read_the_same(data):
    source = load(data)
    ids, alone = list(source.ids()), load(data)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(source.record, ids * 3)) == [alone.record(image_id) for image_id in ids] * 3
    child = os.fork()
    if not child:
        os._exit(0 if source.record(ids[-1]) == alone.record(ids[-1]) and source.ids()[5] == ids[5] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


LINE = {"image_id": "7", "image": "7.png", "width": 4, "height": 3, "texts": [to_json(SIGN)]}


def test_a_small_sidecar_file_is_held_in_memory_and_a_large_one_indexed(tmp_path, monkeypatch):
    (tmp_path / "annotations.jsonl").write_text(json.dumps(LINE))
    small = images.load("folder", path=str(tmp_path))
    assert small.index.path is None and len(list(tmp_path.iterdir())) == 1 and small.coco_id("7") == ""
    with pytest.raises(KitError, match=r"keeps no texts; make it a file: .*index folder --data"):
        small.index.add_texts("7", [MENU], "reader")
    monkeypatch.setattr(folder, "LARGE", 10)
    large = images.load("folder", path=str(tmp_path))
    assert large.index.path == tmp_path / "annotations.index.sqlite"
    assert large.record("7") == small.record("7")
    monkeypatch.undo()
    found = images.load("folder", path=str(tmp_path))  # what was made is used
    found.index.add_texts("7", [MENU, SIGN], "reader")
    assert found.record("7").texts == (SIGN, MENU)


def test_the_command_line(data, tmp_path, capsys):
    main([])
    assert "usage: python -m dataengine_utils.images" in capsys.readouterr().out
    main(["index", "visual_genome", "--data", str(data), "--index", str(tmp_path / "i.sqlite")])
    assert f"{N_IMAGES} images" in capsys.readouterr().out and not files_of(data)
    main(["show", "visual_genome", "--data", str(data), "--index", str(tmp_path / "i.sqlite"), "--id", "3"])
    shown = json.loads(capsys.readouterr().out)
    assert shown == json.loads(json.dumps(to_json(load(data).record("3"))))
    (tmp_path / "notes.jsonl").write_text(json.dumps(LINE))
    main(["index", "folder", "--data", str(tmp_path), "--annotations", "notes.jsonl"])
    assert f"{tmp_path / 'notes.index.sqlite'}: 1 images, 1 records" in capsys.readouterr().out
    main(["show", "folder", "--data", str(tmp_path), "--annotations", "notes.jsonl"])
    assert json.loads(capsys.readouterr().out)["image_id"] == "7"
    for arguments in (["index", "visual_genome", "--data", str(tmp_path)],
                      ["show", "visual_genome", "--data", str(data), "--id", "0"]):  # fmt: skip
        assert main(arguments) == 1 and capsys.readouterr().err.startswith("error: no ")


@pytest.mark.parametrize(
    ("source", "index"), [("visual_genome", ""), ("visual_genome", "i.sqlite"), ("folder", "i.sqlite")]
)
def test_a_data_folder_that_is_not_there_is_told_as_such(data, tmp_path, source, index):
    options = {"index": str(tmp_path / index)} if index else {}
    for path in (tmp_path / "nowhere", data / "objects.json"):
        told = rf"no folder .*{path.name}' with the files of {source}; .*--data"
        with pytest.raises(KitError, match=told):
            images.load(source, path=str(path), **options)
    assert not list(tmp_path.glob("*.sqlite"))


def test_a_command_names_folders_with_spaces_as_a_shell_wants_them(tmp_path):
    place = tmp_path / "my data"
    place.mkdir(mode=0o755)
    place.chmod(0o555)
    try:
        with pytest.raises(KitError, match=r"--data '.*my data' --index FILE"):
            load(place)
    finally:
        place.chmod(0o755)
