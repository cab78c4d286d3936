"""Processors for pictures and text alone: by PIL, so that torchvision is not needed, and without videos."""

from typing import Any

from transformers import AutoImageProcessor, AutoProcessor, AutoTokenizer
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING


class NoVideos(dict[str, Any]):
    """Stands for a processor's part for videos; empty, since processors write their parts down as JSON.

    SmolVLM's chat template asks it how many frames there are.
    """

    num_frames = None
    fps = None


def image_processor_and_tokenizer(checkpoint: str, config: Any) -> Any:
    """The processor of a checkpoint (folder or Hugging Face id), its images prepared by PIL.

    Processors that also take videos get none to prepare them with: transformers' own need torchvision, and
    students are asked about pictures only. Raises `KeyError` for a config without a processor.
    """
    kind = PROCESSOR_MAPPING[type(config)]
    if "video_processor" not in kind.get_attributes():
        return AutoProcessor.from_pretrained(checkpoint, backend="pil")
    settings, _ = kind.get_processor_dict(checkpoint)
    images = AutoImageProcessor.from_pretrained(checkpoint, backend="pil")
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    return without_videos(kind).from_args_and_dict([images, tokenizer, NoVideos()], settings)


def without_videos(kind: Any) -> Any:
    """A processor class whose `video_processor` may be `NoVideos`."""

    def check(self: Any, name: str, given: Any) -> Any:
        if isinstance(given, NoVideos):
            return NoVideos
        return kind.check_argument_for_proper_class(self, name, given)

    return type(kind.__name__, (kind,), {"check_argument_for_proper_class": check})
