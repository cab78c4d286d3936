"""Close the loop of multimodal instruction-tuning data: evaluate, find weak types, generate, train."""

__version__ = "0.1.0"

from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent  # where notebooks, data and outputs are
