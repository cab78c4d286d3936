"""Write a run's samples, or those of a file, in the format of another trainer.

    python -m dataengine_utils.exports RUN_OR_FILE --format llava --out FILE [--forms direct,choice]
    python -m dataengine_utils.exports outputs/picturebook --format llava --out llava.json --pictures drawn
"""

import argparse
import sys
from pathlib import Path

from .. import images
from ..artifacts import RUN_FILE, open_run
from ..commands import exit_code
from ..errors import KitError
from ..instruction_data import FORMS
from ..models.families import FAMILIES
from ..records import Sample
from ..withdrawal import load_withdrawn
from . import FORMATS, export, read_samples


def samples_of(source: Path) -> tuple[list[Sample], Path | None]:
    """The samples of a run, less those withdrawn, or of a file; and where pictures' paths count from."""
    if not (source / RUN_FILE).exists():
        if source.is_dir():
            raise KitError(
                f"{str(source)!r} is no run (no {RUN_FILE}); name a run's folder or a file of samples"
            )
        return read_samples(source), None
    run = open_run(source)
    made = [iteration.number for iteration in run.iterations() if iteration.has("samples")]
    root = images.load(run.profile.image_source, **run.profile.image_options).root if made else None
    return load_withdrawn(run).keep(run.gather("samples", made)), root


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dataengine_utils.exports",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "source", type=Path, metavar="RUN_OR_FILE", help="a run's folder, or a file of samples"
    )
    formats = "; ".join(f"{name} ({kind.suffix}, for {kind.reader})" for name, kind in FORMATS.items())
    parser.add_argument("--format", required=True, metavar="NAME", help=formats)
    parser.add_argument("--out", required=True, type=Path, metavar="FILE")
    parser.add_argument(
        "--forms", default="direct,choice", help=f"turns made of each sample: {', '.join(FORMS)}"
    )
    parser.add_argument(
        "--family", default="llava", metavar="NAME", help=f"whose wording: {', '.join(FAMILIES)}"
    )
    parser.add_argument(
        "--root", type=Path, metavar="FOLDER", help="where pictures' paths count from (the run's)"
    )
    parser.add_argument(
        "--pictures", type=Path, metavar="FOLDER", help="where to write pictures that are no files"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the form shuffled")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    return exit_code(lambda: _export(options))


def _export(options: argparse.Namespace) -> None:
    samples, root = samples_of(options.source)
    forms = [form.strip() for form in options.forms.split(",") if form.strip()]
    n = export(
        samples,
        options.format,
        options.out,
        forms=forms,
        family=options.family,
        root=options.root or root,
        pictures=options.pictures,
        seed=options.seed,
    )
    print(
        f"{n:,} entries of {len(samples):,} samples in {options.out} (for {FORMATS[options.format].reader})"
    )


if __name__ == "__main__":
    sys.exit(main())
