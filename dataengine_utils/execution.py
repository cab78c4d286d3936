"""One notebook, run by papermill in a process of its own."""

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
from .errors import KitError
from .profiles import PROJECT


class LoopKernelManager(AsyncKernelManager):
    """Starts `dataengine_utils.kernel` with the loop's own Python and the loop's own package."""

    @property
    def kernel_spec(self) -> KernelSpec:
        path = os.pathsep.join(part for part in (str(PROJECT), os.environ.get("PYTHONPATH", "")) if part)
        return KernelSpec(argv=kernel.command(), env={"PYTHONPATH": path}, language="python")


def execute(notebook: Path, executed: Path, parameters: Mapping[str, Any], *, retry: str = "") -> None:
    """Run a notebook whole; `executed` is the page with its outputs, kept also when a cell fails.

    Raises `KitError` naming the cell, the error and the page; `retry` is the next command to name in it.
    """
    files.make_folder(executed.parent)
    try:
        papermill.execute_notebook(
            str(notebook), str(executed), parameters=dict(parameters), cwd=str(notebook.parent),
            kernel_name="python3", language="python", progress_bar=False, start_timeout=120,
            kernel_manager_class=LoopKernelManager, shutdown_kernel="immediate")
    except PapermillExecutionError as error:
        what = f"{error.ename}: {' '.join(str(error.evalue).split())}"
        raise KitError(f"notebook {notebook.stem} failed in cell {error.cell_index + 1}: {what}\n"
                       f"  the page with the error: {executed}\n  {retry}") from error
    except DeadKernelError as error:
        raise KitError(f"notebook {notebook.stem}: its process was killed or crashed (often: out of memory)\n"
                       f"  the page so far: {executed}\n  {retry}") from error
