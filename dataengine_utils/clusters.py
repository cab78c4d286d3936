"""Inside a question type: groups of bad cases that are alike in wording and in what was confused with what.

"Counting is weak" becomes "counting people above four is weak".
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from .benchmarks.scoring import units
from .records import Cluster, Prediction, Question
from .stats import wilson

MIN_BAD = 10
"""Fewer bad cases than this make no cluster of their own."""
MAX_CLUSTERS = 8
_SEPARATED = 0.05  # mean silhouette from which clusters are more than an even cut
_SAMPLE = 1500  # bad cases that clusters are fitted on, per type
_WEIGHTS = {"wording": 1.0, "answer": 1.0, "reply": 0.4}
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_MANY = 4
_WORD = re.compile(r"[^\W_]+")
# Words on scikit-learn's list of stop words that tell questions apart.
_TELLING = frozenset(
    [
        "above",
        "back",
        "behind",
        "below",
        "between",
        "bottom",
        "front",
        "how",
        "many",
        "much",
        "over",
        "side",
        "top",
        "under",
        "what",
        "when",
        "where",
        "which",
        "who",
        "why",
    ]
)


class _Terms(NamedTuple):
    """What a question is about: the words of its wording that say something, and its answer as a term."""

    wording: list[str]
    answer: tuple[str, ...]


def find_clusters(
    questions: Sequence[Question], predictions: Sequence[Prediction], *, seed: int = 0
) -> list[Cluster]:
    """The clusters of every type with at least two times `MIN_BAD` bad cases, weakest first.

    The bad cases of a type are clustered (k-means on TF-IDF of the wording, the right answer and the reply;
    2 to `MAX_CLUSTERS` of them, as many as the silhouette likes best, none where it finds no structure). Then
    every question of the type, right or wrong, joins the cluster that its wording and answer are nearest to:
    so a cluster has an accuracy, and is not just a place where many questions are.
    """
    by_id = {question.id: question for question in questions}
    given: dict[str, list[tuple[Question, Prediction]]] = defaultdict(list)
    for prediction in units(predictions):
        given[prediction.question_type].append((by_id[prediction.question_id], prediction))
    found = [cluster for name, pairs in given.items() for cluster in _of_type(name, pairs, seed)]
    return sorted(found, key=lambda cluster: (cluster.accuracy, -cluster.n))


def _of_type(name: str, pairs: Sequence[tuple[Question, Prediction]], seed: int) -> list[Cluster]:
    bad = [i for i, (_, prediction) in enumerate(pairs) if prediction.outcome != "right"]
    if len(bad) < 2 * MIN_BAD:
        return []
    terms = [_Terms(_content_words(asked.question), _answer_terms(asked.answer)) for asked, _ in pairs]
    asked, replied = _features(terms, [_answer_terms(prediction.reply) for _, prediction in pairs])
    rng = np.random.default_rng(seed)
    fitted_on = sorted(rng.choice(bad, min(len(bad), _SAMPLE), replace=False))
    centres = _centres(asked[fitted_on], replied[fitted_on], seed)
    if centres is None:
        return []
    member = _nearest(asked, centres)
    shares = _Shares(terms)
    found = (_cluster(name, pairs, member == k, asked @ centres[k], shares) for k in range(len(centres)))
    return [cluster for cluster in found if cluster]


def _features(asked: Sequence[_Terms], replied: Sequence[Sequence[str]]) -> tuple[Any, Any]:
    """Sparse features (questions, terms) of what was asked (wording and answer), and of the replies."""
    from scipy.sparse import hstack

    wording = _weighted([[*terms.wording, *map(" ".join, pairwise(terms.wording))] for terms in asked])
    answers = _weighted([terms.answer for terms in asked])
    both = hstack([_WEIGHTS["wording"] * wording, _WEIGHTS["answer"] * answers]).tocsr()
    return both, (_WEIGHTS["reply"] * _weighted(replied)).tocsr()


def _weighted(terms: Sequence[Sequence[str]]) -> Any:
    """TF-IDF (texts, terms) of texts that are cut into terms already."""
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import TfidfVectorizer

    if not any(terms):
        return csr_matrix((len(terms), 1))
    return TfidfVectorizer(analyzer=list, max_features=4000).fit_transform(terms)


def _centres(asked: Any, replied: Any, seed: int) -> np.ndarray | None:
    """The centres (clusters, features of what was asked) of the best number of clusters; None for none."""
    from scipy.sparse import hstack
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    both = hstack([asked, replied]).tocsr()
    n_different = len({_entries(both, row) for row in range(both.shape[0])})
    most = min(MAX_CLUSTERS, both.shape[0] // MIN_BAD, n_different)
    best, chosen = _SEPARATED, None
    for k in range(2, most + 1):
        fitted = KMeans(k, n_init=4, random_state=seed).fit(both)
        sample = min(500, both.shape[0])
        found = float(silhouette_score(both, fitted.labels_, sample_size=sample, random_state=seed))
        if found > best + 0.01:  # a cluster more must earn its place
            best, chosen = found, fitted.cluster_centers_[:, : asked.shape[1]]
    return chosen


def _entries(matrix: Any, row: int) -> bytes:
    """What a row of a CSR matrix holds: the same for rows that are the same."""
    held = slice(*matrix.indptr[row : row + 2])
    return matrix.indices[held].tobytes() + matrix.data[held].tobytes()


def _nearest(asked: Any, centres: np.ndarray) -> np.ndarray:
    """The cluster (questions,) whose centre is nearest."""
    return np.argmax(asked @ centres.T - (centres**2).sum(axis=1) / 2, axis=1)


def _cluster(
    name: str,
    pairs: Sequence[tuple[Question, Prediction]],
    is_member: np.ndarray,
    typical: np.ndarray,
    shares: "_Shares",
) -> Cluster | None:
    """The cluster of the members (questions,); how `typical` each question is orders its bad cases."""
    inside = np.flatnonzero(is_member)
    bad = [i for i in inside if pairs[i][1].outcome != "right"]
    if len(bad) < MIN_BAD:
        return None
    order = np.argsort(-typical[bad], kind="stable")
    confusions = Counter(
        (question.answer, given.choice or given.reply.strip()[:30])
        for question, given in (pairs[i] for i in bad)
    )
    right = len(inside) - len(bad)
    low, high = wilson(right, len(inside))
    return Cluster(
        name,
        _name(*shares.split(inside)),
        len(inside),
        right,
        right / len(inside),
        low,
        high,
        tuple((answer, reply or "(unreadable)", n) for (answer, reply), n in confusions.most_common(3)),
        tuple(pairs[bad[i]][0].id for i in order),
    )


class _Shares:
    """How many of a type's questions have each term."""

    def __init__(self, terms: Sequence[_Terms]) -> None:
        self._sets = [{*one.wording, *one.answer} for one in terms]
        self._all = Counter(term for of_one in self._sets for term in of_one)

    def split(self, inside: Sequence[int]) -> tuple[dict[str, float], dict[str, float]]:
        """The share (0..1) of the questions inside that have each of their terms, and of all others."""
        n = Counter(term for i in inside for term in self._sets[i])
        others = max(len(self._sets) - len(inside), 1)
        return (
            {term: count / len(inside) for term, count in n.items()},
            {term: (self._all[term] - count) / others for term, count in n.items()},
        )


def _name(inside: Mapping[str, float], outside: Mapping[str, float], n_terms: int = 3) -> str:
    """The terms that are frequent in a cluster and rarer in the rest of its type, most telling first."""
    telling = {term: share - outside[term] for term, share in inside.items() if share >= 0.3}
    ranked = sorted(telling, key=lambda term: (-telling[term], term))
    best = [term for term in ranked if telling[term] > 0.15][:n_terms] or ranked[:1]
    return " · ".join(term.replace("=", " ").replace("_", " ") for term in best)


def _content_words(text: str) -> list[str]:
    """The words of a question without those that say little ("are", "the", "in")."""
    return [word for word in _WORD.findall(text.lower()) if word not in _saying_little()]


@cache
def _saying_little() -> frozenset[str]:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return frozenset(ENGLISH_STOP_WORDS - _TELLING)


def _plain(text: str) -> str:
    return " ".join(_WORD.findall(text.lower()))


@lru_cache(maxsize=2**14)  # the same few answers are given over and over
def _answer_terms(text: str) -> tuple[str, ...]:
    """The answer as one term; a number as above or up to four, where people stop counting at a glance."""
    plain = _plain(text)[:40]
    if not plain:
        return ()
    number = int(plain) if plain.isdecimal() else _NUMBERS.index(plain) if plain in _NUMBERS else None
    if number is not None:
        return ("answer=above_four" if number > _MANY else "answer=up_to_four",)
    return ("answer=" + plain.replace(" ", "_"),)
