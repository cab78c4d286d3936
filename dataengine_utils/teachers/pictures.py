"""The picture of a request, attached to its messages as a JPEG data URL."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import images

QUALITY = 90  # of the JPEG, of 100


@dataclass(frozen=True)
class Pictures:
    """How pictures are attached: at most `side` pixels long; `detail` is the API's word for looking closely.
    """

    side: int = 768
    detail: str = "auto"

    def attach(self, messages: Sequence[Mapping[str, Any]], reference: str,
               root: Path | None) -> list[dict[str, Any]]:
        """The messages with the picture behind the last one's text; `KitError` where it cannot be read."""
        *before, last = messages
        url = self.data_url(reference, root)
        parts = [{"type": "text", "text": last["content"]},
                 {"type": "image_url", "image_url": {"url": url, "detail": self.detail}}]
        return [*map(dict, before), {**last, "content": parts}]

    def data_url(self, reference: str, root: Path | None) -> str:
        """The picture as a JPEG data URL."""
        picture = images.open_image(reference, root)
        picture.thumbnail((self.side, self.side))
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=QUALITY)
        return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
