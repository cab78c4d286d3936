"""Inside a question type: groups of bad cases that are alike in wording and in what was confused with what.

"Counting is weak" becomes "counting people above four is weak".
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

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
    asked, replied = _features(pairs)
    rng = np.random.default_rng(seed)
    fitted_on = sorted(rng.choice(bad, min(len(bad), _SAMPLE), replace=False))
    centres = _centres(asked[fitted_on], replied[fitted_on], seed)
    if centres is None:
        return []
    member = _nearest(asked, centres)
    return [one for k in range(len(centres)) if (one := _cluster(name, pairs, member, k, asked, centres))]


def _features(pairs: Sequence[tuple[Question, Prediction]]) -> tuple[Any, Any]:
    """Sparse features (questions, terms) of what was asked (wording and answer), and of the replies."""
    from scipy.sparse import hstack

    wording = _terms([" ".join(_content_words(question.question)) for question, _ in pairs], ngrams=(1, 2))
    answers = _terms([" ".join(_answer_terms(question.answer)) for question, _ in pairs])
    replies = _terms([" ".join(_answer_terms(prediction.reply)) for _, prediction in pairs])
    asked = hstack([_WEIGHTS["wording"] * wording, _WEIGHTS["answer"] * answers]).tocsr()
    return asked, (_WEIGHTS["reply"] * replies).tocsr()


def _terms(texts: Sequence[str], ngrams: tuple[int, int] = (1, 1)) -> Any:
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import TfidfVectorizer

    if not any(texts):
        return csr_matrix((len(texts), 1))
    vectorizer = TfidfVectorizer(token_pattern=r"[^ ]+", ngram_range=ngrams, max_features=4000)
    return vectorizer.fit_transform(texts)


def _centres(asked: Any, replied: Any, seed: int) -> np.ndarray | None:
    """The centres (clusters, features of what was asked) of the best number of clusters; None for none."""
    from scipy.sparse import hstack
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    both = hstack([asked, replied]).tocsr()
    n_different = len({row.tobytes() for row in both.toarray()})
    most = min(MAX_CLUSTERS, both.shape[0] // MIN_BAD, n_different)
    best, chosen = _SEPARATED, None
    for k in range(2, most + 1):
        fitted = KMeans(k, n_init=4, random_state=seed).fit(both)
        sample = min(500, both.shape[0])
        found = float(silhouette_score(both, fitted.labels_, sample_size=sample, random_state=seed))
        if found > best + 0.01:  # a cluster more must earn its place
            best, chosen = found, fitted.cluster_centers_[:, : asked.shape[1]]
    return chosen


def _nearest(asked: Any, centres: np.ndarray) -> np.ndarray:
    """The cluster (questions,) whose centre is nearest."""
    return np.argmax(asked @ centres.T - (centres**2).sum(axis=1) / 2, axis=1)


def _cluster(
    name: str,
    pairs: Sequence[tuple[Question, Prediction]],
    member: np.ndarray,
    k: int,
    asked: Any,
    centres: np.ndarray,
) -> Cluster | None:
    inside = np.flatnonzero(member == k)
    bad = [i for i in inside if pairs[i][1].outcome != "right"]
    if len(bad) < MIN_BAD:
        return None
    typical = np.argsort(-(asked[bad] @ centres[k]), kind="stable")
    confusions = Counter(
        (question.answer, given.choice or given.reply.strip()[:30])
        for question, given in (pairs[i] for i in bad)
    )
    right = len(inside) - len(bad)
    low, high = wilson(right, len(inside))
    return Cluster(
        name,
        _name(
            [_described(pairs[i][0]) for i in inside],
            [_described(question) for i, (question, _) in enumerate(pairs) if member[i] != k],
        ),
        len(inside),
        right,
        right / len(inside),
        low,
        high,
        tuple((answer, reply or "(unreadable)", n) for (answer, reply), n in confusions.most_common(3)),
        tuple(pairs[bad[i]][0].id for i in typical),
    )


def _described(question: Question) -> set[str]:
    return {*_content_words(question.question), *_answer_terms(question.answer)}


def _name(inside: Sequence[set[str]], outside: Sequence[set[str]], n_terms: int = 3) -> str:
    """The terms that are frequent in a cluster and rarer in the rest of its type, most telling first."""
    of, other = (Counter(term for terms in side for term in terms) for side in (inside, outside))
    telling = {
        term: n / len(inside) - other[term] / max(len(outside), 1)
        for term, n in of.items()
        if n >= 0.3 * len(inside)
    }
    ranked = sorted(telling, key=lambda term: (-telling[term], term))
    best = [term for term in ranked if telling[term] > 0.15][:n_terms] or ranked[:1]
    return " · ".join(term.replace("=", " ").replace("_", " ") for term in best)


def _content_words(text: str) -> list[str]:
    """The words of a question without those that say little ("are", "the", "in")."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return [word for word in _plain(text).split() if word not in ENGLISH_STOP_WORDS - _TELLING]


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.lower()))


def _answer_terms(text: str) -> list[str]:
    """The answer as one term; a number as above or up to four, where people stop counting at a glance."""
    plain = _plain(text)[:40]
    if not plain:
        return []
    number = int(plain) if plain.isdecimal() else _NUMBERS.index(plain) if plain in _NUMBERS else None
    if number is not None:
        return ["answer=above_four" if number > _MANY else "answer=up_to_four"]
    return ["answer=" + plain.replace(" ", "_")]
