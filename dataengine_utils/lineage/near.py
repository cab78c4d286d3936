"""Finding a sample by its id, in a run or in the runs of a folder; ids that are not there get near ones."""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..artifacts import ARTIFACTS, RUN_FILE, Run, open_run
from ..errors import KitError
from ..records import Sample

OUTPUTS = "outputs"
_SHORTEST = 4  # letters of an id that may stand for the whole


def find_sample(
    samples: Mapping[int, Sequence[Sample]], sample_id: str, run: Path
) -> tuple[int, Sample]:
    """(iteration, sample) of the id, or of the one id that begins with it (four letters or more).

    An id that is made again in a later round is that of the first. An unknown one raises `KitError` with the
    ids that are most like it.
    """
    found = {
        sample.id: (number, sample)
        for number, of_round in reversed(samples.items())
        for sample in of_round
        if sample.id == sample_id or (len(sample_id) >= _SHORTEST and sample.id.startswith(sample_id))
    }
    if sample_id in found:
        return found[sample_id]
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise KitError(f"{sample_id!r} begins {len(found)} sample ids: {', '.join(sorted(found)[:5])}; "
                       "give more of it")
    known = {sample.id for of_round in samples.values() for sample in of_round}
    raise KitError(f"no sample {sample_id!r} in run {str(run)!r}; {_nearest(sample_id, known)}")


def find_run(sample_id: str, folder: Path | None = None) -> Run:
    """The run that has the sample: the run in `folder`, or the one of the runs below it (default: outputs).

    No run, or more than one with such a sample, raises `KitError`.
    """
    folder = Path(folder or OUTPUTS)
    if (folder / RUN_FILE).exists() or not folder.is_dir():
        return open_run(folder)
    runs = [path.parent for path in sorted(folder.glob(f"*/{RUN_FILE}"))]
    if not runs:
        raise KitError(f"no run in {str(folder)!r}; name one: python -m dataengine_utils.lineage {sample_id} "
                       "--run FOLDER")
    holding = [run for run in runs if _holds(run, sample_id)]
    if len(holding) != 1:
        where = f"in {len(holding)} runs" if holding else f"in none of {len(runs)} runs"
        names = ", ".join(str(run) for run in holding or runs)
        raise KitError(f"sample {sample_id!r} is {where}: {names}; name one: --run FOLDER")
    return open_run(holding[0])


def _holds(run: Path, sample_id: str) -> bool:
    """Whether the text of a run's samples has the id; quicker than reading all of them."""
    needle = f'"id": "{sample_id}'.encode()
    files = run.glob(f"iter_*/{ARTIFACTS['samples'].file}")
    return any(needle in file.read_bytes() for file in files)


def _nearest(sample_id: str, known: set[str]) -> str:
    if not known:
        return "it has no samples yet: run notebook 05_generate first"
    near = difflib.get_close_matches(sample_id, sorted(known), n=3, cutoff=0.5)
    meant = f"near ones: {', '.join(near)}; " if near else ""
    return f"{meant}its {len(known):,} samples have their ids in {ARTIFACTS['samples'].file} (field id)"
