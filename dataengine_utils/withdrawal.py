"""Take pictures or samples back out of a run: what has to be redone, and the list that keeps them out.

    python -m dataengine_utils.withdrawal RUN --images 5,7 --samples ID           say what it would mean
    python -m dataengine_utils.withdrawal RUN --images 5,7 --samples ID --apply   keep them out from now on

Nothing is deleted here: the loop redoes what is named, and the raw replies stay in generated.jsonl.
"""

import argparse
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import files
from .artifacts import ARTIFACTS, Run, open_run
from .commands import exit_code
from .contamination import Seen
from .errors import KitError
from .fingerprints import Marks
from .records import Sample
from .stages import STAGES, Stage, Step
from .standing import rounds_learned

FILE = "withdrawn.json"
_SHOWN = 10
_Made = Mapping[int, Sequence[Sample]]


@dataclass(frozen=True)
class Withdrawn:
    """What may not be trained on any more, in any iteration of a run."""

    image_ids: tuple[str, ...] = ()
    sample_ids: tuple[str, ...] = ()

    def keep(self, samples: Iterable[Sample]) -> list[Sample]:
        """The samples that may still be used, in their order."""
        pictures, ids = set(self.image_ids), set(self.sample_ids)
        return [one for one in samples if one.image_id not in pictures and one.id not in ids]

    def __or__(self, other: "Withdrawn") -> "Withdrawn":
        """Both together, each id once."""
        return Withdrawn(
            tuple(dict.fromkeys((*self.image_ids, *other.image_ids))),
            tuple(dict.fromkeys((*self.sample_ids, *other.sample_ids))),
        )


@dataclass(frozen=True)
class Withdrawal:
    """What a withdrawal means for a run.

    `withdrawn` is all that is out by then. `samples` are the ids that go, by iteration: samples that repeat
    one of those named go with it. `adapters` are the iterations whose adapter was trained on them, itself or
    where it began, promoted or not. `redone`
    are the files of the run, in the loop's order, that hold the samples or were made with what held them.
    `unused` are the pictures that no sample is about.
    """

    withdrawn: Withdrawn
    samples: dict[int, tuple[str, ...]]
    adapters: tuple[int, ...]
    redone: tuple[str, ...]
    unused: tuple[str, ...]


def load_withdrawn(run: Run) -> Withdrawn:
    """What was withdrawn from the run so far."""
    path = run.path / FILE
    return files.read_object(path, Withdrawn) if path.exists() else Withdrawn()


def withdraw(
    run: Run, image_ids: Collection[str] = (), sample_ids: Collection[str] = (), *, apply: bool = False
) -> Withdrawal:
    """Say what must be redone when these pictures and samples are taken out of a run.

    With `apply` they go on the run's list, withdrawn.json, which keeps them out of every samples.json written
    from then on, and notebook 05 of the iterations that have such samples is to be done again; the loop then
    redoes all that follows. A sample id that the run does not have raises `KitError`. A picture may be
    withdrawn before any sample is about it.
    """
    made = {one.number: one.load("samples") for one in run.iterations() if one.has("samples")}
    named = Withdrawn(tuple(image_ids), tuple(sample_ids))
    _check(run, named, made)
    withdrawn = load_withdrawn(run) | named | Withdrawn(sample_ids=_repeats(named, made))
    gone = {number: _gone(withdrawn, samples) for number, samples in made.items()}
    gone = {number: ids for number, ids in gone.items() if ids}
    if apply:
        files.write_whole(run.path / FILE, files.object_text(withdrawn, Withdrawn))
        for number in gone:
            files.remove(Marks(Step(_generating(), run.iteration(number))).done)
    touched = _touched(run, gone)
    about = {sample.image_id for samples in made.values() for sample in samples}
    return Withdrawal(
        withdrawn=withdrawn,
        samples=gone,
        adapters=tuple(number for number, name in touched
                       if name == "adapter" and not rounds_learned(run, number).isdisjoint(gone)),
        redone=_paths(run, touched),
        unused=tuple(name for name in named.image_ids if name not in about),
    )


def _gone(withdrawn: Withdrawn, samples: Sequence[Sample]) -> tuple[str, ...]:
    kept = {sample.id for sample in withdrawn.keep(samples)}
    return tuple(sample.id for sample in samples if sample.id not in kept)


def _generating() -> Stage:
    """The stage that writes the samples."""
    return next(stage for stage in STAGES if stage.name == ARTIFACTS["samples"].writer)


def _check(run: Run, named: Withdrawn, made: _Made) -> None:
    known = {sample.id for samples in made.values() for sample in samples}
    known.update(load_withdrawn(run).sample_ids)
    unknown = [name for name in named.sample_ids if name not in known]
    if unknown:
        raise KitError(
            f"{len(unknown)} sample ids are not of run {str(run.path)!r}, such as {unknown[0]!r}; its "
            f"{len(known):,} samples have their ids in {ARTIFACTS['samples'].file} (field id)"
        )
    if not named.image_ids and not named.sample_ids:
        raise KitError("nothing to withdraw: name pictures (--images ID,...) or samples (--samples ID,...)")


def _repeats(named: Withdrawn, made: _Made) -> tuple[str, ...]:
    """The ids of samples that say the same as one of those named: same picture, same question."""
    every = [sample for samples in made.values() for sample in samples]
    ids = set(named.sample_ids)
    seen = Seen(sample for sample in every if sample.id in ids)
    return tuple(sample.id for sample in every if sample.id not in ids and seen.knows(sample))


def _touched(run: Run, gone: Collection[int]) -> list[tuple[int, str]]:
    """(iteration, artifact) of all that holds withdrawn samples or follows from them, in the loop's order."""
    changed = {(number, "samples") for number in gone}
    found = []
    for iteration in run.iterations():
        for stage in STAGES:
            read = {(n, one.artifact) for one in stage.inputs for n in one.numbers(iteration.number)}
            follows = not changed.isdisjoint(read)
            names = [name for name in stage.outputs if follows or (iteration.number, name) in changed]
            changed.update((iteration.number, name) for name in names)
            found += [(iteration.number, name) for name in names if iteration.has(name)]
    return found


def _paths(run: Run, touched: Sequence[tuple[int, str]]) -> tuple[str, ...]:
    paths = [run.iteration(number).path_of(name) for number, name in touched]
    report = run.path / "report.html"
    if paths and report.exists():
        paths.append(report)
    return tuple(path.relative_to(run.path).as_posix() for path in paths)


def withdrawal_text(run: Run, found: Withdrawal, *, applied: bool) -> str:
    """What the command prints: the samples, what was trained on them, and what to run."""
    n_samples = sum(map(len, found.samples.values()))
    lines = [f"{n_samples:,} samples of run {run.path} are {'' if applied else 'to be '}withdrawn"]
    lines += [f"  iter_{number:02d}: {len(ids):,} ({_list(ids)})" for number, ids in found.samples.items()]
    if found.unused:
        lines.append(f"no sample is about {len(found.unused):,} of the pictures ({_list(found.unused)})")
    if found.adapters:
        trained = ", ".join(f"iter_{number:02d}" for number in found.adapters)
        lines.append(f"adapters trained on them: {trained}; merged copies and exports of these hold them too")
    if found.redone:
        lines += ["to be redone:", *(f"  {path}" for path in found.redone)]
    again = f"python -m dataengine_utils.loop resume {run.path}"
    lines.append(f"then: {again}" if applied else "nothing was changed; add --apply to keep them out")
    return "\n".join(lines)


def _list(ids: Sequence[str]) -> str:
    more = f", and {len(ids) - _SHOWN:,} more" if len(ids) > _SHOWN else ""
    return ", ".join(ids[:_SHOWN]) + more


def _ids(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m dataengine_utils.withdrawal",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="the run's folder")
    parser.add_argument("--images", type=_ids, default=[], metavar="ID,...", help="image ids")
    parser.add_argument("--samples", type=_ids, default=[], metavar="ID,...", help="sample ids")
    parser.add_argument("--apply", action="store_true", help=f"write {FILE}; without it nothing is changed")
    options = parser.parse_args(arguments)
    return exit_code(lambda: _withdraw(options))


def _withdraw(options: argparse.Namespace) -> None:
    run = open_run(options.run)
    found = withdraw(run, options.images, options.samples, apply=options.apply)
    print(withdrawal_text(run, found, applied=options.apply))


if __name__ == "__main__":
    sys.exit(main())
