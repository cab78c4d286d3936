"""What has to be set before torch and bitsandbytes are imported; importing this module sets it."""

import logging
import os

# The kit compiles nothing; otherwise bitsandbytes' import loads torch's whole compiler (a second).
os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
# On CPUs with AVX512-BF16 bitsandbytes misses an optional package, for a lossy path that checkpoint.py shuts.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
