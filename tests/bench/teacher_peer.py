"""`PYTHON tests/bench/teacher_peer.py URL N IN_FLIGHT`: bespokelabs-curator asks the server for N replies.

Run by `tests.bench.teacher` with the Python of an environment of its own, without the kit in it:
`pip install bespokelabs-curator`. Its tokenizer's vocabulary is taken from the copy that comes with litellm.
"""

import importlib.util
import os
import sys
import tempfile
from pathlib import Path


def main(url: str, n: str, in_flight: str) -> None:
    """Ask N different prompts of a few hundred tokens."""
    litellm = Path(importlib.util.find_spec("litellm").origin).parent
    os.environ |= {
        "OPENAI_API_KEY": "sk-of-the-bench", "TELEMETRY_ENABLED": "false", "CURATOR_DISABLE_CACHE": "true",
        "CURATOR_DISABLE_RICH_DISPLAY": "true", "CURATOR_CACHE_DIR": tempfile.mkdtemp(),
        "TIKTOKEN_CACHE_DIR": str(litellm / "litellm_core_utils" / "tokenizers"),
    }  # fmt: skip
    from bespokelabs import curator

    settings = {"base_url": url, "max_requests_per_minute": 10**6, "max_tokens_per_minute": 10**9,
                "max_concurrent_requests": int(in_flight)}  # fmt: skip
    model = curator.LLM(model_name="kit-1", backend="openai", backend_params=settings)
    facts = " ".join(f"thing {number} in the picture," for number in range(80))
    model([f"Question type: Instance Identity. Query {number}: {facts}" for number in range(int(n))])


if __name__ == "__main__":
    main(*sys.argv[1:])
