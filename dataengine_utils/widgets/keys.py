"""Keys within ipywidgets, which tell of no key events: a text field hands on every sign typed into it."""

from collections.abc import Callable, Mapping

import ipywidgets as widgets

_MOST = 8  # more signs than that at once are a paste and no keys


class KeyBox(widgets.Text):
    """A text field that calls `actions[sign]()` for every sign typed into it; other signs do nothing.

    The field is never emptied: a value written by the kernel could overwrite keys that the browser has not
    sent yet. It shows no signs; what was typed is what its value has more than before.
    """

    def __init__(self, actions: Mapping[str, Callable[[], None]]):
        super().__init__(
            placeholder="keys: click here",
            continuous_update=True,
            style={"text_color": "transparent"},
            layout=widgets.Layout(width="110px", margin="1px"),
        )
        self._actions = actions
        self.observe(lambda change: self._typed(change.old, change.new), "value")

    def _typed(self, old: str, new: str) -> None:
        signs = typed(old, new)
        if len(signs) <= _MOST:
            for sign in signs.lower():
                if sign in self._actions:
                    self._actions[sign]()


def typed(old: str, new: str) -> str:
    """What was typed between two values of a field, wherever the cursor stood and whatever was selected."""
    if len(new) == 1 and len(old) > 2:
        return new  # everything was selected, as a browser does for who comes by the tab key
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1])
    return new[start : len(new) - end]


def _common(one: str, other: str) -> int:
    """The length of what two texts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))
