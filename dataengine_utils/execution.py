"""One notebook, run by papermill in a process of its own."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import papermill
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from . import files, kernel
from .errors import KitError, unknown_name
from .profiles import PROJECT
from .stages import PARAMETERS


class LoopKernelManager(AsyncKernelManager):
    """Starts `dataengine_utils.kernel` under the loop's own Python, with the loop's own package first on its path."""

    @property
    def kernel_spec(self) -> KernelSpec:
        path = os.pathsep.join(part for part in (str(PROJECT), os.environ.get("PYTHONPATH", "")) if part)
        return KernelSpec(argv=kernel.command(), env={"PYTHONPATH": path}, display_name="Python 3", language="python")


def check_notebook(path: Path, parameters: "tuple[str, ...] | list[str]" = PARAMETERS) -> None:
    """Raise `KitError` when the notebook is missing, unreadable, or has not all these parameters.

    papermill itself only warns about a parameter that a notebook does not have.
    """
    if not path.exists():
        raise KitError(f"notebook {str(path)!r} is missing; get it back: git checkout -- notebooks")
    files.read_object(path, dict)
    known = inspect(path)
    if not known:
        raise KitError(f"notebook {path.name} has no cell tagged 'parameters'; the loop needs {', '.join(parameters)}")
    for name in parameters:
        if name not in known:
            raise unknown_name(f"parameter of notebook {path.name}", name, known)


def inspect(path: Path) -> list[str]:
    """The names in a notebook's parameters cell."""
    with _quiet_papermill():
        return list(papermill.inspect_notebook(str(path)))


def execute(notebook: Path, executed: Path, parameters: Mapping[str, Any], *, retry: str = "") -> None:
    """Run a notebook whole; `executed` is the page with its outputs, kept also when a cell fails.

    Raises `KitError` naming the cell, the error and the page; `retry` is the next command to name in it.
    """
    files.make_folder(executed.parent)
    try:
        with _quiet_papermill():
            papermill.execute_notebook(
                str(notebook), str(executed), parameters=dict(parameters), cwd=str(notebook.parent),
                kernel_name="python3", language="python", progress_bar=False, start_timeout=120,
                kernel_manager_class=LoopKernelManager, shutdown_kernel="immediate")
    except PapermillExecutionError as error:
        raise KitError(f"notebook {notebook.stem} failed in cell {error.cell_index + 1}: {error.ename}: "
                       f"{_one_line(error.evalue)}\n  the page with the error: {executed}\n  {retry}") from error
    except DeadKernelError as error:
        raise KitError(f"notebook {notebook.stem}: its process was killed or crashed (often: out of memory)\n"
                       f"  the page so far: {executed}\n  {retry}") from error


class _quiet_papermill:  # noqa: N801 - reads as a verb where it is used
    """papermill logs every step; the loop has one line a notebook."""

    def __enter__(self) -> None:
        self._level = logging.getLogger("papermill").level
        logging.getLogger("papermill").setLevel(logging.ERROR)

    def __exit__(self, *_: object) -> None:
        logging.getLogger("papermill").setLevel(self._level)


def _one_line(text: str) -> str:
    return " ".join(str(text).split())
