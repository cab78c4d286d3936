"""One notebook, run by papermill in a process of its own."""

import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import papermill
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from . import files, kernel
from .errors import KitError
from .warm import KernelServer


class _Provisioner(LocalProvisioner):
    """Has a kernel forked where the server is ready, and starts one as a new process else."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        self.cwd = kwargs.get("cwd") or os.getcwd()
        server = self.parent.server
        self.process = server and server.start(cmd[3:], kwargs["env"], str(self.cwd))
        if self.process is None:
            return await super().launch_kernel(cmd, **kwargs)
        self.pid = self.pgid = self.process.pid
        return self.connection_info


class LoopKernelManager(AsyncKernelManager):
    """Starts `dataengine_utils.kernel` with the loop's own Python and the loop's own package."""

    server: KernelServer | None = None

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.kernel_id = str(uuid.uuid4())
        self.provisioner = _Provisioner(kernel_id=self.kernel_id, kernel_spec=self.kernel_spec, parent=self)

    @property
    def kernel_spec(self) -> KernelSpec:
        return KernelSpec(argv=kernel.command(), env=kernel.environment(), language="python")


def execute(notebook: Path, executed: Path, parameters: Mapping[str, Any], *, retry: str = "",
            server: KernelServer | None = None) -> None:
    """Run a notebook whole; `executed` is the page with its outputs, kept also when a cell fails.

    A `server` saves the kernel's start and its imports. Raises `KitError` naming the cell, the error and the
    page; `retry` is the next command to name in it.
    """
    manager = type("Manager", (LoopKernelManager,), {"server": server})
    files.make_folder(executed.parent)
    try:
        papermill.execute_notebook(
            str(notebook), str(executed), parameters=dict(parameters), cwd=str(notebook.parent),
            kernel_name="python3", language="python", progress_bar=False, start_timeout=120,
            kernel_manager_class=manager, shutdown_kernel="immediate")
    except PapermillExecutionError as error:
        what = f"{error.ename}: {' '.join(str(error.evalue).split())}"
        raise KitError(f"notebook {notebook.stem} failed in cell {error.cell_index + 1}: {what}\n"
                       f"  the page with the error: {executed}\n  {retry}") from error
    except DeadKernelError as error:
        raise KitError(f"notebook {notebook.stem}: its process was killed or crashed (often: out of memory)\n"
                       f"  the page so far: {executed}\n  {retry}") from error
