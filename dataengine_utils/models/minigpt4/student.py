"""MiniGPT4-v2 and MiniGPT-4 as students: importing this registers their models with transformers."""

from ..image_text import ImageTextStudent

__all__ = ["ImageTextStudent"]
