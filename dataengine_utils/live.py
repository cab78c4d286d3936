"""One line that is written over: a progress bar whose last state is all that an executed page keeps."""

import sys
from typing import Any


class LiveLine:
    """A text file for tqdm: in a notebook one output that changes in place, elsewhere the terminal.

    A bar on stderr leaves a red block with a line for every time it was drawn on a page that papermill ran.
    """

    def __init__(self) -> None:
        self._handle: Any = None
        self._in_notebook = "ipykernel" in sys.modules

    def write(self, text: str) -> int:
        """Show the text in place of what was there; the carriage returns and colours of a terminal go."""
        if not self._in_notebook:
            return sys.stderr.write(text)
        line = text.replace("\r", "").replace("\x1b[A", "").strip()
        if line:
            self._show(line)
        return len(text)

    def flush(self) -> None:
        """Nothing waits to be shown in a notebook."""
        if not self._in_notebook:
            sys.stderr.flush()

    def _show(self, line: str) -> None:
        from IPython.display import display

        shown = {"text/plain": line}
        if self._handle is None:
            self._handle = display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)
