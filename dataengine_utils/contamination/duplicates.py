"""Samples that say the same: one picture, one question in other clothes."""

from collections.abc import Iterable

from ..records import LETTERS, Draft, Sample
from .wordings import digest, words_of

# Words that change how a question sounds and not what it asks.
_ARTICLES = {"a", "an", "the", "this", "that", "these", "those"}
_VERBS = {
    "is",
    "are",
    "was",
    "were",
    "be",
    "been",
    "being",
    "do",
    "does",
    "did",
    "can",
    "could",
    "has",
    "have",
}
_PICTURES = {"picture", "image", "photo", "photograph", "scene", "in", "of", "there", "here"}
_ASKING = {"seen", "see", "shown", "visible", "please", "tell", "me", "you"}
_FILLERS = _ARTICLES | _VERBS | _PICTURES | _ASKING
_SPELLINGS = {"color": "colour", "colors": "colours", "gray": "grey", "center": "centre", "which": "what"}


class Seen:
    """The questions kept so far, picture by picture.

    Two drafts on one picture are the same when their questions agree in all words but fillers (articles,
    "in the picture", "can be seen") and either the right answers or the sets of options agree too: what is
    left or right of what, and every name, still counts. Some 150 bytes a sample.
    """

    def __init__(self, samples: Iterable[Sample] = ()):
        self._known: set[int] = set()
        for sample in samples:
            self._known.update(_keys_of(sample))

    def knows(self, sample: Sample) -> bool:
        """Whether a sample says the same as one of those kept so far."""
        return not self._known.isdisjoint(_keys_of(sample))

    def add(self, image_id: str, draft: Draft) -> bool:
        """Whether a draft is new; it is remembered then."""
        right = LETTERS.find(draft.choice) if draft.choice else -1
        answer = draft.options[right] if 0 <= right < len(draft.options) else draft.short_answer
        keys = _keys(image_id, draft.instruction, answer, draft.options)
        new = self._known.isdisjoint(keys)
        if new:
            self._known.update(keys)
        return new


def _keys_of(sample: Sample) -> set[int]:
    return _keys(sample.image_id, sample.instruction, sample.short_answer, sample.options)


def _keys(image_id: str, question: str, answer: str, options: Iterable[str]) -> set[int]:
    asked = core(question)
    return {
        digest((image_id, asked, words_of(answer))),
        digest((image_id, asked, sorted({words_of(option) for option in options}))),
    }


def core(question: str) -> tuple[str, ...]:
    """The words of a question that carry its meaning, in their order."""
    words = [_SPELLINGS.get(word, word) for word in words_of(question)]
    return tuple(word for word in words if word not in _FILLERS) or tuple(words)
