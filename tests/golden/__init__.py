"""Official scores against ours, one module a benchmark; see tests/check_golden.py."""

from collections.abc import Mapping
from typing import Any


def reply(item: Mapping[str, Any]) -> str:
    """What was predicted for an item; "" where nothing was."""
    return item.get("prediction") or ""
