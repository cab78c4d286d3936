"""`accelerate launch` for the kit's own workers, on the GPUs or, without any, on the CPU."""

import json
import os
import socket
import sys
from pathlib import Path

from . import kernel
from .errors import KitError

CONFIG_FILE = "accelerate.json"


def command(module: str, folder: Path, n_processes: int) -> list[str]:
    """The command that runs `module` on `folder` in `n_processes`; its settings are written there.

    Its own settings, so that a user's `accelerate config` changes nothing. Raises `KitError` when there are
    fewer GPUs than processes.
    """
    n_gpus = _gpus()
    if 0 < n_gpus < n_processes:
        raise KitError(
            f"num_processes is {n_processes}, but there are {n_gpus} GPUs; set it to {n_gpus} or less"
        )
    config = {
        "compute_environment": "LOCAL_MACHINE",
        "distributed_type": "MULTI_GPU",  # on a CPU too: accelerate's CPU kind wants an MPI
        "num_processes": n_processes,
        "num_machines": 1,
        "machine_rank": 0,
        "mixed_precision": "no",  # `training` decides
        "use_cpu": n_gpus == 0,
        "gpu_ids": "all",
        "main_process_port": _free_port(),
    }
    (folder / CONFIG_FILE).write_text(json.dumps(config), encoding="utf-8")
    return [
        sys.executable, "-m", __name__, str(os.getpid()),
        "--config_file", str(folder / CONFIG_FILE), "-m", module, str(folder),
    ]  # fmt: skip


def _gpus() -> int:
    import torch

    return torch.cuda.device_count()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def main() -> None:
    """Become `accelerate launch`, and die with the process that started this one."""
    kernel.die_with(int(sys.argv[1]))
    os.execv(sys.executable, [sys.executable, "-m", "accelerate.commands.launch", *sys.argv[2:]])


if __name__ == "__main__":
    main()
