import base64
import csv
import io
import itertools
import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dataengine_utils.benchmarks import tsv
from dataengine_utils.errors import KitError
from dataengine_utils.images import open_image


def encoded(image):
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def picture(colour, mode="RGB"):
    return encoded(Image.new("RGB", (9, 7), colour).convert(mode))


RED, BLUE = picture("red"), picture("blue")
NOISE = encoded(Image.frombytes("RGB", (40, 40), random.Random(0).randbytes(4800)))


def table(path, rows, newline="\n", bom=False):
    """A TSV file as pandas writes it: tabs, quotes where they are needed, doubled inside."""
    with path.open("w", encoding="utf-8-sig" if bom else "utf-8", newline="") as file:
        csv.writer(file, delimiter="\t", lineterminator=newline).writerows(rows)
    return path


def colours(path):
    return {row["index"]: open_image(row["image"]).getpixel((0, 0)) for _, row in tsv.rows(path)}


@pytest.mark.parametrize(("newline", "bom"), itertools.product(["\n", "\r\n"], [False, True]))
def test_cells_come_as_written_and_pictures_as_references(tmp_path, newline, bom):
    rows = [["index", "question", "C", "image"],
            ["1", 'Two\nlines, a "quote"\tand a tab', "None", RED], ["2", "naïve 图", "", BLUE]]
    path = table(tmp_path / "a.tsv", rows, newline, bom)
    read = list(tsv.rows(path))
    assert [where for where, _ in read] == [f"{path}:2", f"{path}:4"]
    assert [list(row.values())[:3] for _, row in read] == [row[:3] for row in rows[1:]]
    assert all(row["image"].startswith("tsv:") for _, row in read)
    assert colours(path) == {"1": (255, 0, 0), "2": (0, 0, 255)}


def test_an_index_in_the_image_cell_leads_to_that_rows_picture(tmp_path):
    path = table(tmp_path / "a.tsv", [["index", "image"], ["1000001", "1"], ["1", RED], ["2000001", "1"],
                                      ["7", BLUE], ["1000007", " 7 "]])
    red, blue = (255, 0, 0), (0, 0, 255)
    assert colours(path) == {"1000001": red, "1": red, "2000001": red, "7": blue, "1000007": blue}
    references = [row["image"] for _, row in tsv.rows(path)]
    assert len(set(references)) == 2


def test_the_same_picture_has_the_same_id_wherever_it_stands(tmp_path):
    path = table(tmp_path / "a.tsv", [["index", "image"], ["1", RED], ["2", RED], ["3", BLUE]])
    first, second, third = [row["image"] for _, row in tsv.rows(path)]
    assert first != second
    assert tsv.picture_id(first) == tsv.picture_id(second) != tsv.picture_id(third)
    other = table(tmp_path / "b@c.tsv", [["x", "index", "image"], ["more text", "9", RED]])
    [(_, row)] = tsv.rows(other)
    assert tsv.picture_id(row["image"]) == tsv.picture_id(first)
    assert open_image(row["image"]).size == (9, 7)


def test_rows_without_a_picture_or_without_the_column(tmp_path):
    path = table(tmp_path / "a.tsv", [["index", "image"], ["1", ""]])
    assert [row for _, row in tsv.rows(path)] == [{"index": "1", "image": ""}]
    path = table(tmp_path / "b.tsv", [["index", "question"], ["1", "Why?"]])
    assert [row for _, row in tsv.rows(path)] == [{"index": "1", "question": "Why?"}]
    path = table(tmp_path / "c.tsv", [["index", "photo"], ["1", RED]])
    [(_, row)] = tsv.rows(path, images="photo")
    assert open_image(row["photo"]).getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1"])
def test_pictures_of_any_mode_open_as_rgb(tmp_path, mode):
    path = table(tmp_path / "a.tsv", [["index", "image"], ["1", picture("white", mode=mode)]])
    [(_, row)] = tsv.rows(path)
    image = open_image(row["image"])
    assert (image.mode, image.getpixel((0, 0))) == ("RGB", (255, 255, 255))


def test_base64_may_be_wrapped_into_lines(tmp_path):
    wrapped = "\n".join(RED[start : start + 40] for start in range(0, len(RED), 40))
    path = table(tmp_path / "a.tsv", [["index", "image"], ["1", wrapped], ["2", BLUE]])
    assert colours(path) == {"1": (255, 0, 0), "2": (0, 0, 255)}


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (RED[:-1], r"a\.tsv:3: the image of index 42 is not base64"),
        (RED.replace("A", "*", 1), r"a\.tsv:3: the image of index 42 is not base64"),
        ("=" + RED[1:], r"a\.tsv:3: the image of index 42 is not base64"),
        ("ü" * 80, r"a\.tsv:3: the image of index 42 is not base64"),
        ("43", r"a\.tsv:3: the image of index 42 is '43', which is neither base64 nor the index"),
        ("42", r"a\.tsv:3: the image of index 42 is '42', which is neither"),
    ],
)
def test_a_cell_that_cannot_be_a_picture_is_refused_when_listed(tmp_path, cell, message):
    path = table(tmp_path / "a.tsv", [["index", "image"], ["1", RED], ["42", cell]])
    with pytest.raises(KitError, match=message):
        list(tsv.rows(path))


@pytest.mark.parametrize(
    "cell", [base64.b64encode(b"not a picture at all " * 9).decode(), NOISE[: len(NOISE) // 8 * 4], RED[4:]]
)
def test_a_broken_picture_is_refused_when_opened(tmp_path, cell):
    path = table(tmp_path / "a.tsv", [["index", "image"], ["1", RED], ["42", cell]])
    _, (_, row) = list(tsv.rows(path))
    with pytest.raises(KitError, match=r"a\.tsv:3, index 42, column 'image': not a whole picture as base64"):
        open_image(row["image"])


def test_a_file_changed_after_listing_is_noticed(tmp_path):
    path = table(tmp_path / "a.tsv", [["index", "image"], ["1", RED]])
    [(_, row)] = tsv.rows(path)
    for content in ([["index", "image"], ["1", BLUE]], [["index", "image"]]):
        table(path, content)
        with pytest.raises(KitError, match=r"a\.tsv:2, index .*file was changed"):
            open_image(row["image"])
    path.unlink()
    with pytest.raises(KitError, match="cannot read"):
        open_image(row["image"])


@pytest.mark.parametrize("reference", ["tsv:", "tsv:1@2", "tsv:a@b@c@d@e"])
def test_references_that_no_listing_gave_are_refused(reference):
    with pytest.raises(KitError, match="unknown picture 'tsv:"):
        open_image(reference)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file; expected tab-separated"),
        (b"\n\n", "an empty file"),
        (b"index\tindex\n", "column 'index' is there twice"),
        (b"index\tquestion\n1\tWhat\n2\n", r"a\.tsv:3: 1 cells under a header of 2 \(index, question\)"),
        (b"index\tquestion\n1\ta\tb\n", r"a\.tsv:2: 3 cells under a header of 2"),
        (b'index\tquestion\n1\t"What\nis', r"a\.tsv:2: not TSV \(unexpected end of data\)"),
        (b"index\tquestion\n1\tcaf\xe9\n", r"a\.tsv:2: byte 20 is not UTF-8"),
        (b"index\tquestion\n1\ta\rb\n", r"a\.tsv:2: not TSV"),
    ],
)
def test_files_that_are_not_tsv_are_refused_with_their_line(tmp_path, content, message):
    path = tmp_path / "a.tsv"
    path.write_bytes(content)
    with pytest.raises(KitError, match=message):
        list(tsv.rows(path))


def test_a_file_cut_off_anywhere_gives_its_whole_rows_or_one_clear_error(tmp_path):
    whole = table(tmp_path / "a.tsv", [["index", "question", "image"], ["1", 'a "b"\nc', RED],
                                       ["2", "d", BLUE]]).read_bytes()
    path = tmp_path / "cut.tsv"
    for end in range(1, len(whole) - 1, 5):
        path.write_bytes(whole[:end])
        try:
            rows = list(tsv.rows(path))
        except KitError as error:
            assert str(path) in str(error)
        else:
            assert all(row["index"] in "12" for _, row in rows)


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(TEXTS, st.sampled_from([RED, BLUE, "", "0"])), min_size=1, max_size=6))
def test_any_text_survives_and_every_reference_opens(tmp_path_factory, cells):
    cells = [("", RED), *cells]
    rows = [["text", "index", "image"], *([text, str(n), image] for n, (text, image) in enumerate(cells))]
    path = tmp_path_factory.getbasetemp() / "any.tsv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    read = [row for _, row in tsv.rows(path)]
    assert [row["text"] for row in read] == [text for text, _ in cells]
    wanted = {RED: (255, 0, 0), "0": (255, 0, 0), BLUE: (0, 0, 255)}
    assert [row["image"] and open_image(row["image"]).getpixel((0, 0)) for row in read] == [
        wanted.get(image, "") for _, image in cells]


def test_long_cells_are_streamed_not_kept(tmp_path):
    cell = base64.b64encode(bytes(range(256)) * 1024).decode()
    path = table(tmp_path / "a.tsv", [["index", "image"], *([str(n), cell] for n in range(40))])
    tracemalloc.start()
    try:
        rows = list(tsv.rows(path))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(rows) == 40
    assert peak < 12 * len(cell)
