"""How alike texts are: unit vectors by name, and which texts are more alike than a threshold.

TF-IDF needs nothing but scikit-learn; the others take a model, and find meaning where the letters differ.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .errors import KitError
from .registry import resolve

Vectors = Any  # (texts, features), rows of length one: a scipy CSR matrix or a numpy array

SIMILARITIES = {
    "tfidf": "dataengine_utils.similarity:tfidf",
    "sentence": "dataengine_utils.similarity:sentence",
    "clip": "dataengine_utils.similarity:clip_text",
}
"""Name -> a function from texts to their vectors; your own is "package.module:function"."""

SENTENCE_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
CLIP_MODEL = "openai/clip-vit-base-patch32"
_BLOCK = 512
_PAIRS = 200_000  # compared at a time


def vectorizer(name: str) -> Callable[[Sequence[str]], Vectors]:
    """The function of that name in `SIMILARITIES`, or the user's own; an unknown one raises `KitError`."""
    found: Callable[[Sequence[str]], Vectors] = resolve("similarity", SIMILARITIES, name)
    return found


def tfidf(texts: Sequence[str]) -> Vectors:
    """Sparse vectors (texts, pieces): counts of three-letter pieces times log((1 + n) / (1 + df)) + 1."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    if not any(texts):
        return np.zeros((len(texts), 1))
    return TfidfVectorizer(preprocessor=_padded, analyzer="char", ngram_range=(3, 3)).fit_transform(texts)


def sentence(texts: Sequence[str]) -> Vectors:
    """Dense vectors (texts, 384) of a sentence encoder (`SENTENCE_MODEL`), by mean of its last states."""
    from transformers import AutoModel

    def mean(given: Any, inputs: Any) -> Any:
        mask = inputs["attention_mask"].unsqueeze(-1)
        return (given.last_hidden_state * mask).sum(1) / mask.sum(1)

    return _encoded(texts, AutoModel, SENTENCE_MODEL, mean)


def clip_text(texts: Sequence[str]) -> Vectors:
    """Dense vectors (texts, 512) of CLIP's text tower (`CLIP_MODEL`)."""
    from transformers import CLIPTextModelWithProjection

    return _encoded(texts, CLIPTextModelWithProjection, CLIP_MODEL, lambda given, inputs: given.text_embeds)


def distinct(vectors: Vectors, threshold: float, order: Sequence[int]) -> list[int]:
    """The rows that remain when, in this order, each one more alike (cosine) than `threshold` to a kept one
    is dropped.

    Exact, without comparing every pair: blocks of rows are compared with the rows kept so far, and of sparse
    vectors only those pairs that can pass the threshold. Returned in the order given.
    """
    candidates = _sparse_candidates if hasattr(vectors, "tocsr") else _dense_candidates
    find = candidates(vectors, threshold)
    kept: list[int] = []
    for start in range(0, len(order), _BLOCK):
        block = list(order[start : start + _BLOCK])
        alike = _alike(find(block, kept), len(kept))
        kept += _greedy(block, alike, len(kept), kept)
    return kept


def _greedy(block: Sequence[int], alike: dict[int, set[int]], n_kept: int, kept: Sequence[int]) -> list[int]:
    """The rows of a block to keep. `alike`: position in the block -> positions among kept rows and block."""
    stays: list[int] = []
    positions: set[int] = set()
    for position, row in enumerate(block):
        if not any(other < n_kept or other - n_kept in positions for other in alike.get(position, ())):
            positions.add(position)
            stays.append(row)
    return stays


def _alike(pairs: Iterator[tuple[np.ndarray, np.ndarray]], n_kept: int) -> dict[int, set[int]]:
    """Which earlier rows each row of a block is too similar to."""
    found: dict[int, set[int]] = {}
    for rows, others in pairs:
        for row, other in zip(rows.tolist(), others.tolist(), strict=True):
            if other < n_kept + row:
                found.setdefault(row, set()).add(other)
    return found


def _dense_candidates(vectors: np.ndarray, threshold: float) -> Callable[..., Iterator[Any]]:
    def find(block: Sequence[int], kept: Sequence[int]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        own = vectors[block]
        for start in range(0, len(kept), 50 * _BLOCK):
            rows, others = _above(own, vectors[kept[start : start + 50 * _BLOCK]], threshold)
            yield rows, others + start
        rows, others = _above(own, own, threshold)
        yield rows, others + len(kept)

    return find


def _above(first: np.ndarray, second: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    return np.nonzero(np.minimum(first @ second.T, 1) > threshold)


def _sparse_candidates(vectors: Any, threshold: float) -> Callable[..., Iterator[Any]]:
    """Pairs through each text's rarest pieces.

    With pieces in one order for all (rarest first), the part of a unit vector from a piece on bounds every
    cosine whose first shared piece is that one. So two texts above the threshold share a piece among those
    from which each one's remainder is still longer than the threshold (prefix filtering, Bayardo et al.
    2007).
    """
    rarest = _rarest(vectors.tocsr(), threshold)

    def find(block: Sequence[int], kept: Sequence[int]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        earlier = [*kept, *block]
        shared = (rarest[block] @ rarest[earlier].T).tocoo()
        for start in range(0, shared.nnz, _PAIRS):
            part = slice(start, start + _PAIRS)
            rows, others = shared.row[part], shared.col[part]
            first, second = np.take(block, rows), np.take(earlier, others)
            cosines = np.asarray(vectors[first].multiply(vectors[second]).sum(axis=1)).ravel()
            above = np.minimum(cosines, 1) > threshold
            yield rows[above], others[above]

    return find


def _rarest(vectors: Any, threshold: float) -> Any:
    """Ones (texts, pieces) where a text's piece is among its rarest ones that `_sparse_candidates` needs."""
    from scipy.sparse import csr_matrix

    n_texts_with = np.bincount(vectors.indices, minlength=vectors.shape[1])
    rank = np.empty(vectors.shape[1], dtype=np.int64)
    rank[np.argsort(n_texts_with, kind="stable")] = np.arange(vectors.shape[1])
    rows = np.repeat(np.arange(vectors.shape[0]), np.diff(vectors.indptr))
    order = np.lexsort((rank[vectors.indices], rows))
    squares = vectors.data[order] ** 2
    before = np.cumsum(squares) - squares
    lengths = np.diff(vectors.indptr)
    before -= np.repeat(before[np.minimum(vectors.indptr[:-1], len(before) - 1)], lengths)
    needed = 1 - before >= threshold**2 - 1e-9
    ones = np.ones(int(needed.sum()), dtype=np.float32)
    return csr_matrix((ones, (rows[needed], vectors.indices[order][needed])), shape=vectors.shape)


def _padded(text: str) -> str:
    return f" {text} "


def _encoded(texts: Sequence[str], kind: Any, name: str, rows_of: Callable[[Any, Any], Any]) -> Vectors:
    """What `rows_of(outputs, inputs)` takes of a model's outputs, batch by batch, at length one."""
    import torch
    from transformers import AutoTokenizer

    tokenizer, model = _loaded(AutoTokenizer, name), _loaded(kind, name)
    rows = []
    for batch in _batches(texts):
        inputs = tokenizer(batch, padding=True, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            rows.append(rows_of(model(**inputs), inputs).numpy())
    return _unit(rows)


def _batches(texts: Sequence[str], size: int = 256) -> Iterator[list[str]]:
    for start in range(0, len(texts), size):
        yield list(texts[start : start + size])


def _unit(rows: Sequence[np.ndarray]) -> np.ndarray:
    matrix = np.concatenate(rows) if rows else np.zeros((0, 1), np.float32)
    return matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-12)


def _loaded(kind: Any, name: str) -> Any:
    """A model or tokenizer from the local cache or the hub; `KitError` when it is in neither."""
    try:
        loaded = kind.from_pretrained(name)
    except OSError as error:
        raise KitError(
            f"similarity needs {name!r}, which cannot be loaded ({error!s:.120}); fetch it "
            "(hf download), or compare by letters: --set similarity=tfidf"
        ) from error
    return loaded.eval() if hasattr(loaded, "eval") else loaded
