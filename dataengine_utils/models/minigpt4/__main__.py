"""`python -m dataengine_utils.models.minigpt4 convert`: the official files to a folder for transformers."""

import argparse
import sys
from pathlib import Path

from ...errors import KitError
from .convert import LORA_FORMS, convert, read_architecture


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        conversion = convert(
            options.checkpoint,
            options.llama,
            options.eva,
            options.out,
            qformer=options.qformer,
            lora=options.lora,
            lora_alpha=options.lora_alpha,
            image_size=options.image_size,
            architecture=read_architecture(options.architecture),
            ignore=options.ignore,
        )
    except KitError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; nothing was kept", file=sys.stderr)
        return 130
    print("\n".join([*conversion.lines(), f"wrote {options.out}"]))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dataengine_utils.models.minigpt4", description=__doc__)
    command = parser.add_subparsers(required=True).add_parser(
        "convert", help="official MiniGPT4-v2 or MiniGPT-4 files to a folder for from_pretrained"
    )
    command.add_argument(
        "--checkpoint", type=Path, required=True, help="checkpoint_stage2.pth, or a trained one"
    )
    command.add_argument(
        "--llama", type=Path, required=True, help="folder of Llama-2-chat (v2) or Vicuna (v1)"
    )
    command.add_argument("--eva", type=Path, help="eva_vit_g.pth; not needed if the checkpoint has the tower")
    command.add_argument("--qformer", type=Path, help="v1: blip2_pretrained_flant5xxl.pth")
    command.add_argument("--out", type=Path, required=True, help="new folder")
    command.add_argument("--lora", choices=LORA_FORMS, default="merge", help="default: merge")
    command.add_argument("--lora-alpha", type=float, help="default: the checkpoint's own setting, else 16")
    command.add_argument(
        "--image-size", type=int, help="pixels; default: the checkpoint's own, else 448 (v2) or 224 (v1)"
    )
    command.add_argument("--architecture", type=Path, help="JSON with sizes other than the published ones")
    command.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="PATTERN",
        help="regular expression of more keys to leave out",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
