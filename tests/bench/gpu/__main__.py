"""`python -m tests.bench.gpu --out DIR`: both students at full size on one GPU, in under nine minutes."""

import argparse
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from dataengine_utils import models  # noqa: F401  (before torch: it sets what torch reads when imported)

# isort: split
import bitsandbytes
import torch
import transformers

from dataengine_utils import files
from dataengine_utils.errors import KitError
from tests.bench.gpu.flops import peak_tflops
from tests.bench.gpu.report import JSON_FILE, PAGE_FILE, write
from tests.bench.gpu.run import Result, Setting, run
from tests.bench.gpu.students import FULL

SECONDS = 500.0
NO_GPU = (
    "no CUDA GPU here: nothing was measured and no table was written. Run this on a machine with one card of "
    "80 GB (bitsandbytes and about 16 GB of disk for a random checkpoint are needed)"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code, 0 also where there is no GPU."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.gpu", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help=f"folder for {PAGE_FILE} and {JSON_FILE}")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="budget (default: %(default)g)")
    parser.add_argument("--scratch", type=Path, help="folder for the random checkpoints, 16 GB")
    parser.add_argument("--peak-tflops", type=float, help="the card's dense bf16 peak, if it is not known")
    options = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        print(NO_GPU)
        return 0
    card = torch.cuda.get_device_name()
    result = Result(card, options.peak_tflops or peak_tflops(card), software(), options.seconds)
    try:
        files.make_folder(options.out)
        run(FULL, result, Setting(scratch=options.scratch), on_change=lambda now: _tell(now, options.out))
    except KitError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{options.out / PAGE_FILE}: {len(result.measured)} lines in {result.spent_s:.0f} s")
    return 0


def software() -> str:
    """The versions that decide the speed."""
    return (
        f"Python {platform.python_version()}, torch {torch.__version__} (CUDA {torch.version.cuda}), "
        f"transformers {transformers.__version__}, bitsandbytes {bitsandbytes.__version__}, "
        f"{time.strftime('%Y-%m-%d')}"
    )


def _tell(result: Result, folder: Path) -> None:
    """Keep what there is, so that a run that is cut off loses nothing, and say the newest line."""
    write(result, folder)
    if result.measured:
        print(result.measured[-1], flush=True)


if __name__ == "__main__":
    sys.exit(main())
