"""MiniGPT4-v2 and MiniGPT-4 as transformers models; importing this package makes the Auto classes know them.

    python -m dataengine_utils.models.minigpt4 convert --help

turns the official files into a folder for `from_pretrained`. The rules are those of Vision-CAIR/MiniGPT-4
(minigpt4/models, minigpt4/conversation, minigpt4/processors), which opendatalab/MLLM-DataEngine trains.
"""

from ... import before_torch  # noqa: F401

# isort: split
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

from .configuration import MiniGPT4Config, MiniGPTv2Config
from .modeling import MiniGPT4ForConditionalGeneration, MiniGPTv2ForConditionalGeneration
from .processing import MiniGPTProcessor

for _config, _model in (
    (MiniGPTv2Config, MiniGPTv2ForConditionalGeneration),
    (MiniGPT4Config, MiniGPT4ForConditionalGeneration),
):
    AutoConfig.register(_config.model_type, _config, exist_ok=True)
    AutoModelForImageTextToText.register(_config, _model, exist_ok=True)
    AutoProcessor.register(_config, MiniGPTProcessor, exist_ok=True)

__all__ = [
    "MiniGPTv2Config",
    "MiniGPTv2ForConditionalGeneration",
    "MiniGPT4Config",
    "MiniGPT4ForConditionalGeneration",
    "MiniGPTProcessor",
]
