"""The panel of notebook 04, in ipywidgets alone: JupyterLab, Notebook 7, VS Code and Colab show it alike."""

from .panel import PromptPanel
from .texts import plain

__all__ = ["PromptPanel", "plain"]
