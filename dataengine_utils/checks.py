"""Everything that can be checked before the first expensive second."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from . import registry
from .errors import KitError, unknown_name
from .execution import check_notebook
from .profiles import Profile
from .stages import Stage

NEEDED_MB = 200


def check_all(profile: Profile, out: Path, notebooks: Path, stages: tuple[Stage, ...]) -> None:
    """Raise `KitError` for the first thing that would stop the loop later: notebooks, folder, disk, names."""
    check_folder(out)
    for stage in stages:
        check_notebook(notebooks / stage.notebook)
    check_names(profile)


def check_folder(out: Path) -> None:
    """The run's folder has a usable name and room on its disk."""
    if "{" in str(out) or "}" in str(out):
        raise KitError(f"--out {str(out)!r}: papermill cannot work with braces in a path; choose another folder")
    free_mb = shutil.disk_usage(out).free // 2**20
    if free_mb < NEEDED_MB:
        raise KitError(f"--out {str(out)!r}: {free_mb} MB free, {NEEDED_MB} MB needed; free some or choose another "
                       "disk")


def check_names(profile: Profile) -> None:
    """Benchmark, image source, teacher, student and strategies are known, and their options are right."""
    from . import benchmarks, images, models, teachers
    from .instruction_data import FORMS
    from .weakness import STRATEGIES

    benchmarks.load(profile.benchmark, **profile.benchmark_options)
    teachers.load(profile.teacher, **profile.teacher_options)
    registry.check("image source", images.SOURCES, profile.image_source, profile.image_options)
    folder = profile.image_options.get("path")
    if folder and not Path(folder).exists():
        raise KitError(f"image source {profile.image_source!r}: no folder {folder!r}; put the files there or give "
                       "another: --set image_options.path=FOLDER")
    if ":" in profile.student:
        registry.resolve("student", {}, profile.student)
    else:
        models.checkpoint_of(profile.student)
    _check_known("strategy", [profile.strategy], STRATEGIES)
    _check_known("training form", profile.forms, FORMS)


def _check_known(kind: str, names: Iterable[str], known: Iterable[str]) -> None:
    for name in names:
        if name not in known:
            raise unknown_name(kind, name, list(known))
