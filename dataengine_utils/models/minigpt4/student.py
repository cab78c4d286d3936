"""MiniGPT4-v2 as a student: importing this registers its model with transformers."""

from ..image_text import ImageTextStudent

__all__ = ["ImageTextStudent"]
