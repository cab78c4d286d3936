"""What the panel is made of: keys from a field's values, texts as HTML, boxes on pictures."""

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops

from dataengine_utils.errors import KitError
from dataengine_utils.ipo import FactBox
from dataengine_utils.widgets import plain
from dataengine_utils.widgets.keys import KeyBox, typed
from dataengine_utils.widgets.pictures import SIDE, Pictures, with_boxes
from dataengine_utils.widgets.texts import LONGEST, difference, one_line, table, visible

SIGNS = st.text(alphabet="ab12", max_size=12)


@given(SIGNS, SIGNS)
def test_what_is_typed_at_the_end_is_found(old, new):
    assert typed(old, old + new) == new


@given(SIGNS, SIGNS, SIGNS)
def test_as_many_signs_are_found_wherever_they_are_typed(before, after, new):
    if len(before + new + after) != 1:
        assert len(typed(before + after, before + new + after)) == len(new)


def test_what_replaces_all_is_found_and_what_is_deleted_is_not():
    assert typed("aan3", "a") == "a"
    assert typed("aan3", "xy") == "xy"
    assert typed("aan3", "aan") == "" and typed("aan3", "") == ""


def test_a_paste_is_no_key():
    pressed = []
    box = KeyBox({"a": lambda: pressed.append("a")})
    box.value = "a" * 9
    assert pressed == []
    box.value += "aAx"
    assert pressed == ["a", "a"]


def test_plain_keeps_the_text():
    assert plain("a < b & c") == "<bdi>a &lt; b &amp; c</bdi>"
    assert plain(3) == "<bdi>3</bdi>"


SEEN = "naïve 日本 مرحبا می\u200cخواهم 👩\u200d🚀\n"


def test_unseen_signs_are_made_visible():
    assert visible("\x1b[31mred\x00") == "␛[31mred␀"
    assert visible("a\u202eb\u200bc\ufeff") == "a[U+202E]b[U+200B]c[U+FEFF]"
    assert visible("\ud800") == "[U+D800]"
    assert visible(SEEN) == SEEN


@given(st.text())
def test_no_text_becomes_html(text):
    shown = plain(text)
    inner = shown.removeprefix("<bdi>").removesuffix("</bdi>")
    assert not set(inner) & set("<>\"'") and unescape(inner) == visible(text)
    inner.encode()


def test_a_text_without_end_says_how_much_is_left_out():
    shown = plain("x" * (LONGEST + 5))
    assert shown == f"<bdi>{'x' * LONGEST}… (5 more characters)</bdi>"


def test_one_line():
    assert one_line("a\n b\t c", 20) == "a b c"
    assert one_line("a long name", 7) == "a long…"


@given(st.text(alphabet="ab <&.\n", max_size=40), st.text(alphabet="ab <&.\n", max_size=40))
def test_a_difference_holds_both_texts(old, new):
    shown = difference(old, new)
    without = {tag: re.sub(rf"<{tag} .*?</{tag}>", "", shown, flags=re.DOTALL) for tag in ("del", "ins")}
    for tag, text in (("ins", old), ("del", new)):
        unmarked = re.sub(r"(<(?:ins|del) [^>]*>)\[[−+]|[−+]\](</(?:ins|del)>)", r"\1\2", without[tag])
        assert unescape(re.sub(r"<[^>]*>", "", unmarked)) == text


def test_a_difference_is_marked_by_signs_not_by_colour_alone():
    shown = re.sub(r" style='[^']*'|</?bdi>", "", difference("Ask one thing.", "Ask two things."))
    assert shown == "Ask <del>[−one−]</del><ins>[+two+]</ins> <del>[−thing−]</del><ins>[+things+]</ins>."


def test_a_long_difference_is_quick_and_whole():
    shown = difference("a " * 5000, "b " * 5000)
    assert shown.count("<del") == shown.count("<ins") == 1


def test_a_table_has_a_cell_for_every_value():
    html = table(["<a>", "n"], [["x", "1"], ["y", "2"]], numbers=(1,))
    assert html.count("<td") == 4 and "&lt;a&gt;" in html and html.count("text-align:right; white-space") == 2
    with pytest.raises(ValueError):
        table(["a"], [["x", "y"]])


BOXES = (FactBox("cat", (10, 10, 40, 40), "asked"), FactBox("dog", (60, 50, 40, 40), "answer"))


def test_boxes_are_drawn_on_a_copy():
    image = Image.new("RGB", (320, 320), "grey")
    drawn = with_boxes(image, BOXES, scale=2)
    assert image.getcolors() == [(320 * 320, (128, 128, 128))]
    changed = ImageChops.difference(image, drawn)
    assert changed.crop((18, 20, 22, 100)).getbbox() and changed.crop((118, 110, 122, 170)).getbbox()
    assert changed.crop((40, 60, 90, 90)).getbbox() is None, "the inside stays as it is"
    assert changed.crop((240, 200, 320, 320)).getbbox() is None


def test_the_answer_is_marked_by_a_sign():
    image = Image.new("RGB", (320, 320), "grey")
    asked, answer = (
        with_boxes(image, [FactBox("cat", (40, 100, 40, 40), role)]) for role in ("asked", "answer")
    )
    widths = [ImageChops.difference(image, one).crop((0, 0, 320, 96)).getbbox()[2] for one in (asked, answer)]
    assert widths[1] > widths[0] + 10


@given(st.lists(st.tuples(*[st.integers(-50, 400)] * 4), max_size=6))
def test_boxes_of_any_size_and_place_can_be_drawn(boxes):
    image = Image.new("RGB", (120, 90), "grey")
    assert with_boxes(image, [FactBox("a name " * 20, box, "asked") for box in boxes], 2.0).size == (120, 90)


def test_pictures_are_opened_once_and_neighbours_ahead():
    opened = []

    def open_picture(query_id):
        opened.append(query_id)
        return Image.new("RGB", (200, 100), "red")

    pictures = Pictures(open_picture)
    first = pictures.ready("0", BOXES, 200)
    assert (first.width, first.height, first.missing) == (SIDE, SIDE // 2, "")
    strip = pictures.strip([None, ("0", "accept"), ("1", "reject"), ("2", "")], 1)
    assert opened == ["0", "1", "2"]
    pictures.ready("1", (), 200)
    pictures.ready("0", BOXES, 200)
    assert opened == ["0", "1", "2"] and strip.startswith(b"\xff\xd8")


def test_a_missing_picture_has_a_place_in_the_strip():
    def missing(query_id):
        raise KitError("gone")

    pictures = Pictures(missing)
    assert pictures.ready("0", (), 100).missing == "gone"
    assert pictures.strip([("0", "")], 0).startswith(b"\xff\xd8")
