import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dataengine_utils.errors import KitError
from dataengine_utils.images.similar import nearest, unit
from tests.bench.similar import bench_similar, check_same, table


def brute(anchors, vectors, k):
    """Rows and cosines of the nearest, by sorting all cosines in float64; equal ones by row."""
    long = [np.asarray(one, dtype=np.float64) for one in (anchors, vectors)]
    ours, theirs = (one / np.maximum(np.linalg.norm(one, axis=1, keepdims=True), 1e-12) for one in long)
    cosines = ours @ theirs.T
    rows = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    return rows, np.take_along_axis(cosines, rows, axis=1)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_anchors=st.integers(1, 9),
    n_vectors=st.integers(1, 70),
    k=st.integers(1, 80),
    rows_a_block=st.integers(1, 9),
)
def test_it_is_what_sorting_all_cosines_gives(seed, n_anchors, n_vectors, k, rows_a_block):
    rng = np.random.default_rng(seed)
    anchors, vectors = rng.standard_normal((n_anchors, 6)), rng.standard_normal((n_vectors, 6))
    found = nearest(anchors, vectors.astype(np.float16), k, block_bytes=4 * 6 * rows_a_block)
    _, cosines = brute(anchors, vectors.astype(np.float16), k)
    assert found.rows.shape == found.cosines.shape == cosines.shape == (n_anchors, min(k, n_vectors))
    assert found.cosines == pytest.approx(cosines, abs=1e-5)
    assert all(len(set(line)) == len(line) for line in found.rows.tolist())
    own = np.einsum("ad,akd->ak", unit(anchors), unit(vectors.astype(np.float16))[found.rows])
    assert own == pytest.approx(found.cosines, abs=1e-5)


SHAPES = st.tuples(st.integers(1, 40), st.just(4))
EXACT = arrays.arrays(np.float32, SHAPES, elements=st.sampled_from((-1, 1)))


@settings(deadline=None, max_examples=100)
@given(EXACT, st.integers(1, 45), st.sampled_from((1, 16, 48, 160, 10**6)))
def test_equal_cosines_go_by_row_however_the_work_is_cut(vectors, k, block_bytes):
    """Of four numbers of plus or minus one all cosines are exact in binary, and most of them are equal."""
    rows, cosines = brute(vectors[:3], vectors, k)
    found = nearest(vectors[:3], vectors, k, block_bytes=block_bytes)
    assert found.rows.tolist() == rows.tolist() and found.cosines.tolist() == cosines.tolist()


def test_zeros_are_alike_to_nothing_and_lengths_do_not_matter():
    vectors = np.array([[0, 0], [2e4, 0], [0, 1e-3], [-1, 0]], dtype=np.float32)
    found = nearest(np.array([[5.0, 0.0]]), vectors, 4)
    assert found.rows.tolist() == [[1, 0, 2, 3]] and found.cosines.tolist() == [[1, 0, 0, -1]]


def test_nothing_to_compare(tmp_path):
    some, none = np.ones((3, 5)), np.zeros((0, 5))
    assert nearest(none, some, 2).rows.shape == (0, 2) and nearest(some, none, 2).rows.shape == (3, 0)
    with pytest.raises(KitError, match="0 neighbours: allowed are at least 1"):
        nearest(some, some, 0)


def test_vectors_stay_on_disk(tmp_path):
    vectors = np.random.default_rng(0).standard_normal((500, 8)).astype("<f2")
    vectors.tofile(tmp_path / "v")
    mapped = np.memmap(tmp_path / "v", "<f2", "r", shape=(500, 8))
    found = nearest(mapped[:20], mapped, 5, block_bytes=1024)
    assert found.rows[:, 0].tolist() == list(range(20))
    again = nearest(mapped[:20], mapped, 5, block_bytes=1024)
    assert found.rows.tolist() == again.rows.tolist() and found.cosines.tolist() == again.cosines.tolist()


def test_the_benchmark_compares_with_the_papers_way():
    rows = bench_similar(n_anchors=12, n_vectors=2000, n_plain=3)
    assert "12 anchors" in table(rows) and "->" in rows[0].plain
    with pytest.raises(ValueError, match="neighbours differ"):
        check_same(np.array([[0.9, 0.8]]), np.array([[0.9, 0.7]]))
