"""Kernels that start at once: a process imports the large libraries one time, and forks a kernel a notebook.

It imports nothing of the kit's own but what starts a kernel, so that every notebook runs the code as it is on
disk. Linux only, and not where there is a GPU (CUDA does not survive a fork, and there the seconds are small
beside the work): kernels then start as any other.
"""

import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from . import before_torch, kernel  # noqa: F401  (before torch)

# None that looks for a running kernel when imported, as ipywidgets and matplotlib_inline.backend_inline do.
LIBRARIES = ("ipykernel.kernelapp", "matplotlib.pyplot", "pandas", "pandas.io.formats.style", "torch",
             "transformers.trainer")
MATPLOTLIB_BACKEND = "module://matplotlib_inline.backend_inline"  # as in any kernel; read when imported


class ForkedKernel:
    """A kernel that another process forked: as much of `subprocess.Popen` as jupyter_client calls."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def poll(self) -> int | None:
        """None while it runs, then 1: its exit code is known to the process that forked it only."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return 1
        return None

    def wait(self) -> int:
        """Wait until it is gone; returns 1."""
        while self.poll() is None:
            time.sleep(0.02)
        return 1

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


class KernelServer:
    """The loop's end of the process that forks kernels; a context manager that ends it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._state = "new" if sys.platform == "linux" else "closed"

    def start(self, arguments: list[str], env: Mapping[str, str], cwd: str) -> ForkedKernel | None:
        """Fork a kernel; None while the libraries are still being imported, and when the process is gone."""
        if not self.ready():
            return None
        request = {"arguments": arguments, "env": dict(env), "cwd": cwd}
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            return ForkedKernel(int(self._process.stdout.readline()))
        except (OSError, ValueError):
            self.close()
            return None

    def ready(self, wait: float = 0) -> bool:
        """Whether a kernel can be forked; the first call starts the process. Waits at most `wait` seconds."""
        if self._state == "new":
            self._begin()
        if self._state == "importing" and select.select([self._process.stdout], [], [], wait)[0]:
            self._state = self._process.stdout.readline().strip()
            if self._state != "ready":
                self.close()
        return self._state == "ready"

    def _begin(self) -> None:
        env = {**os.environ, **kernel.environment(), "JPY_PARENT_PID": str(os.getpid())}
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], env=env, text=True, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._state = "importing"

    def close(self) -> None:
        """End the process, and with it any kernel that still runs."""
        process, self._process, self._state = self._process, None, "closed"
        if process is not None:
            process.kill()
            process.wait()
            with suppress(BrokenPipeError):
                process.stdin.close()
            process.stdout.close()

    def __enter__(self) -> "KernelServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def serve() -> None:
    """Import the libraries, say so, and fork a kernel for every line of stdin."""
    kernel.die_with(int(os.environ["JPY_PARENT_PID"]))
    kernel.hush()
    os.environ["MPLBACKEND"] = MATPLOTLIB_BACKEND
    with suppress(ImportError):  # the notebook that needs what is missing says so
        for name in LIBRARIES:
            importlib.import_module(name)
    if "torch" in sys.modules and sys.modules["torch"].cuda.is_available():
        return
    gc.freeze()  # what is imported stays shared between the kernels
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # kernels that end leave no trace
    warnings.filterwarnings("ignore", "This process .* is multi-threaded")  # they are idle threads of BLAS
    print("ready", flush=True)
    for line in sys.stdin:
        if os.fork() == 0:
            _be_kernel(json.loads(line))


def _be_kernel(request: dict[str, Any]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    print(os.getpid(), flush=True)
    os.dup2(2, 1)  # stdout was the loop's pipe
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.clear()
    os.environ.update(request["env"], JPY_PARENT_PID=str(os.getppid()))
    os.chdir(request["cwd"])
    sys.argv = [kernel.__file__, *request["arguments"]]
    kernel.main()
    os._exit(0)


if __name__ == "__main__":
    serve()
