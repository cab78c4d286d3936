"""Close the loop of multimodal instruction-tuning data: evaluate, find weak types, generate, train."""

__version__ = "0.1.0"
