"""`python -m dataengine_utils.models.llava_checkpoints convert`: LLaVA's own checkpoints become students."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ...errors import KitError
from . import DTYPES, LORA, convert, describe


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line: convert, and print what was done with every tensor."""
    given = _parser().parse_args(arguments)
    try:
        report = convert(
            given.checkpoint,
            given.out,
            base=given.base,
            clip=given.clip,
            lora=given.lora,
            dtype=given.dtype,
            leave_out=given.leave_out,
        )
    except KitError as error:
        sys.exit(f"error: {error}")
    print(describe(report, given.out))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dataengine_utils.models.llava_checkpoints",
        description="LLaVA-1.5's own checkpoints in transformers' form.",
    )
    command = parser.add_subparsers(required=True, metavar="convert").add_parser(
        "convert", help="write a folder"
    )
    command.add_argument(
        "--checkpoint",
        type=Path,
        required=True,
        metavar="DIR",
        help="liuhaotian/llava-v1.5-7b-lora, liuhaotian/llava-v1.5-7b, or one of your own",
    )
    command.add_argument(
        "--base",
        type=Path,
        metavar="DIR",
        help="the language model below a LoRA or a projector: lmsys/vicuna-7b-v1.5",
    )
    command.add_argument(
        "--clip",
        type=Path,
        metavar="DIR",
        help="openai/clip-vit-large-patch14-336; not needed where the checkpoint holds the tower",
    )
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="the new folder")
    command.add_argument("--lora", choices=LORA, default=LORA[0], help="keep: as an adapter in OUT/adapter")
    command.add_argument("--dtype", choices=DTYPES, help="default: the language model's own")
    command.add_argument(
        "--leave-out",
        nargs="+",
        default=(),
        metavar="PATTERN",
        help="names of tensors that are known to be of no use",
    )
    return parser


if __name__ == "__main__":
    main()
