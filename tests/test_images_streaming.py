import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine_utils.errors import KitError
from dataengine_utils.images import streaming
from dataengine_utils.images.streaming import stream_list, stream_lists

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
blocks = st.integers(min_value=1, max_value=9)
layouts = st.sampled_from([{}, {"indent": 1}, {"ensure_ascii": False}, {"separators": (",", ":")}])


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("streaming") / "some.json"


@pytest.fixture
def small_blocks(monkeypatch):
    return lambda n_bytes: monkeypatch.setattr(streaming, "BLOCK", n_bytes)


def read(file, content: bytes, n_bytes: int) -> list:
    """The list in a file, read in blocks of some bytes."""
    file.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streaming, "BLOCK", n_bytes)
        return list(stream_list(file, "a list"))


@given(st.lists(values, max_size=5), blocks, layouts)
def test_a_list_is_what_json_reads(file, content, n_bytes, layout):
    text = json.dumps(content, **layout).encode("utf-8", "surrogatepass")
    try:
        text.decode()
    except UnicodeDecodeError:
        return
    assert read(file, b" \n" + text + b"\n", n_bytes) == json.loads(text)


@given(st.lists(values, min_size=1, max_size=4), st.data(), blocks)
def test_a_cut_list_is_never_taken_for_whole(file, content, data, n_bytes):
    text = json.dumps(content).encode()
    cut = data.draw(st.integers(min_value=0, max_value=len(text) - 1))
    with pytest.raises(KitError, match=r"some.json.*character \d+"):
        read(file, text[:cut], n_bytes)


@given(st.lists(values, min_size=1, max_size=3), st.data(), blocks)
def test_one_wrong_sign_is_judged_as_json_does(file, content, data, n_bytes):
    text = json.dumps(content)
    place = data.draw(st.integers(min_value=0, max_value=len(text) - 1))
    text = text[:place] + data.draw(st.sampled_from('[]{}",:x0 \\')) + text[place + 1 :]
    try:
        expected = json.loads(text)
    except ValueError:
        expected = None
    if isinstance(expected, list):
        assert read(file, text.encode(), n_bytes) == expected
    else:
        with pytest.raises(KitError, match="some.json"):
            read(file, text.encode(), n_bytes)


@given(st.dictionaries(st.text(max_size=5), values, max_size=4), blocks)
def test_the_lists_of_an_object(file, content, n_bytes):
    file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streaming, "BLOCK", n_bytes)
        found = list(stream_lists(file, "an object"))
    assert found == [(name, number, entry) for name, entries in content.items() if isinstance(entries, list)
                     for number, entry in enumerate(entries)]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", r"character 0: .*expected '\[', got 'the end of the file'"),
        (b'{"a": 1}', r"expected '\[', got '\{'"),
        (b"[1] [2]", "character 4: .*more after the end"),
        (b"[1 2]", "entry 0, character 3: .*expected ',' or ']', got '2'"),
        (b'[1, {"a": tru}]', "entry 1, character 10: .*Expecting value"),
        (b'["\xff"]', "not UTF-8"),
        (b'["a', "Unterminated string.*the file is cut off"),
        (b"[" + b"9" * 5000 + b"]", "entry 0.*digits"),
        (b"[" * 100_000, "entry 0.*recursion"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(file, content, told):
    with pytest.raises(KitError, match=told):
        read(file, content, 1 << 20)


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(KitError, match="no file .*none.json.*expected a list"):
        list(stream_list(tmp_path / "none.json", "a list"))
    with pytest.raises(KitError, match="cannot read"):
        list(stream_list(tmp_path, "a list"))


def test_a_text_without_an_end_does_not_fill_the_memory(file, monkeypatch):
    monkeypatch.setattr(streaming, "LARGEST", 1000)
    with pytest.raises(KitError, match="entry 1, character 4: .*an entry of more than 1,000 characters"):
        read(file, b'[1, "' + b"a" * 5000, 100)
    assert read(file, b'["' + b"a" * 900 + b'", 2]', 100)[1] == 2


def test_memory_holds_a_block_and_an_entry_and_the_bytes_are_told(file, small_blocks):
    file.write_text(json.dumps([{"number": n, "text": "a" * 1000} for n in range(8000)]))
    small_blocks(1 << 16)
    told = []
    tracemalloc.start()
    assert sum(entry["number"] for entry in stream_list(file, "a list", told.append)) == 8000 * 7999 // 2
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(told) == file.stat().st_size > 8_000_000 and peak < 1_000_000
