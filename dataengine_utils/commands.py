"""How a command line ends: with an exit code, and an error that is a sentence."""

import os
import sys
from collections.abc import Callable

from .errors import KitError


def exit_code(work: Callable[[], int | None]) -> int:
    """Do a command's work and return its exit code: its own (None is 0), 1 for a `KitError`, which is told,
    141 when nobody reads what is printed any more.
    """
    try:
        code = work() or 0
        sys.stdout.flush()  # here, where a reader who has left is no error, and not at the interpreter's end
        return code
    except KitError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
