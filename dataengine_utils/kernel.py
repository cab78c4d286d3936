"""The process a notebook runs in: `python -m dataengine_utils.kernel -f CONNECTION_FILE`.

An IPython kernel that dies with the loop that started it, also when that is killed, and prints nothing.
"""

import ctypes
import os
import signal
import sys

from . import PROJECT

_PR_SET_PDEATHSIG = 1
QUIET = {
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "BITSANDBYTES_NOWELCOME": "1",
}


def command() -> list[str]:
    """How to start this kernel with the very Python that runs the loop, whatever kernels are installed."""
    return [sys.executable, "-m", __name__, "-f", "{connection_file}"]


def environment() -> dict[str, str]:
    """What the kernel's environment has on top of the loop's: the loop's own package comes first."""
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(PROJECT), os.environ.get("PYTHONPATH", ""))))}


def die_with(parent: int) -> None:
    """On Linux: have the system kill this process when `parent` dies (elsewhere ipykernel polls for it)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit("the process that started this kernel is gone")


def hush() -> None:
    """Silence the libraries' banners and bars, where the reader's own environment says nothing of them."""
    os.environ.update({key: value for key, value in QUIET.items() if key not in os.environ})


def main() -> None:
    """Be a kernel until the process that `JPY_PARENT_PID` names ends it."""
    die_with(int(os.environ["JPY_PARENT_PID"]))
    hush()
    sys.path[:] = [entry for entry in sys.path if entry not in ("", os.getcwd())]  # IPython adds it back
    from ipykernel.kernelapp import IPKernelApp

    IPKernelApp.launch_instance(log_level="ERROR")


if __name__ == "__main__":
    main()
