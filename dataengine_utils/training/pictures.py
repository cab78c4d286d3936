"""What a training says of the images it could not read; see `models.pictures`."""

from collections.abc import Mapping
from typing import Any

from ..models.pictures import Pictures, try_open

__all__ = ["Pictures", "summary_of", "try_open"]


def summary_of(failed: Mapping[str, str]) -> dict[str, Any]:
    """What the summary of a training says of the images that were left out; nothing where there are none."""
    if not failed:
        return {}
    reasons = "; ".join(list(failed.values())[:3])
    return {"unreadable_images": len(failed), "reasons": reasons}
