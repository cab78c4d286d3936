"""The key: read from the environment, handed to the client, and kept out of everything that is written."""

import os
import re

from ..errors import KitError

KEY = "OPENAI_API_KEY"
_HIDDEN = "[key]"
# how keys of the known providers look, and whatever a server repeats of the header they travel in
_LIKE_A_KEY = re.compile(
    r"\b(?:sk|gsk|xai|nvapi|hf|pplx|fw|csk)[-_][\w-]{8,}|\bAIza[\w-]{20,}|(?i:bearer)\s+\S+"
)
_SHORTEST = 12  # characters; a shorter value is no key but a word that a text may well hold
_SHORTEST_TOLD = 5  # the same in what a server tells of an error, where nothing is lost by hiding too much


def has_key() -> bool:
    """Whether the environment has a key."""
    return bool(os.environ.get(KEY))


def need_key() -> None:
    """`KitError` without a key in the environment."""
    if not has_key():
        raise KitError(f"teacher 'openai' needs a key: set {KEY} in the environment (any value for a server "
                       "without keys)")


def scrub(text: str, sure: bool = False) -> str:
    """The text without the key and, unless only the `sure` is to go, without what looks like one."""
    key = os.environ.get(KEY, "")
    if len(key) >= (_SHORTEST if sure else _SHORTEST_TOLD):
        text = text.replace(key, _HIDDEN)
    return text if sure else _LIKE_A_KEY.sub(_HIDDEN, text)
