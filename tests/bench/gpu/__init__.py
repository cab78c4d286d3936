"""The students at full size on one GPU: memory, speed and model FLOP utilisation, as a page."""
