"""The guard of a run: its sealed questions, and the benchmarks that its profile keeps out."""

from .. import benchmarks
from ..artifacts import HASHES_FILE, Run
from ..images import ImageSource
from .guard import Guard


def guard_of_run(run: Run, source: ImageSource) -> Guard:
    """Guard the sealed questions of the run's benchmark and all questions of those in `profile.keep_out`.

    The pictures' hashes are kept in the run's folder, so that they are made once.
    """
    profile = run.profile
    others = [benchmarks.load(name, **options) for name, options in profile.keep_out.items()]
    sealed = benchmarks.load(profile.benchmark, **profile.benchmark_options)
    return Guard.of(others, sealed=sealed, source=profile.image_source, cache=run.path / HASHES_FILE,
                    coco_id=getattr(source, "coco_id", None))
