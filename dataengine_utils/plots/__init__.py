"""The kit's figures. Each function returns a matplotlib `Figure`; in a notebook, end the cell with it.

Colours are Okabe and Ito's, which every reader can tell apart; no figure relies on colour alone.
"""

from .made import gain_points, loss_curve, loss_curves, reasons_bars, share_bars
from .pictures import picture_grid
from .scores import cluster_points, heatmap, progress, type_bars

__all__ = [
    "cluster_points",
    "gain_points",
    "heatmap",
    "loss_curve",
    "loss_curves",
    "picture_grid",
    "progress",
    "reasons_bars",
    "share_bars",
    "type_bars",
]
