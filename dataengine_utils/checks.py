"""Everything that can be checked before the first expensive second."""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from . import files, registry
from .errors import KitError, unknown_name
from .profiles import Profile
from .stages import PARAMETERS, Stage

NEEDED_MB = 200
BUILT_IN_REPLAY = "picturebook"


def check_folder(out: Path) -> None:
    """The run's folder has a usable name and room on its disk."""
    if "{" in str(out) or "}" in str(out):
        raise KitError(f"--out {str(out)!r}: papermill takes no braces in a path; choose another folder")
    free_mb = shutil.disk_usage(out).free // 2**20
    if free_mb < NEEDED_MB:
        raise KitError(f"--out {str(out)!r}: {free_mb} MB free, {NEEDED_MB} MB needed; free some, "
                       "or choose another disk")


def check_notebooks(notebooks: Path, stages: tuple[Stage, ...]) -> None:
    """Every notebook of the loop is there and has the parameters that the loop gives.

    papermill itself only warns about a parameter that a notebook does not have.
    """
    for stage in stages:
        check_notebook(notebooks / stage.notebook, PARAMETERS)


def check_notebook(path: Path, parameters: Iterable[str]) -> None:
    """Raise `KitError` when the notebook is missing, unreadable, or has not all these parameters."""
    if not path.exists():
        raise KitError(f"notebook {str(path)!r} is missing; get it back: git checkout -- notebooks")
    files.read_object(path, dict)
    known = notebook_parameters(path)
    if not known:
        raise KitError(f"notebook {path.name} has no cell tagged 'parameters'; the loop needs one with "
                       f"{', '.join(parameters)}")
    _check_known(f"parameter of notebook {path.name}", parameters, known)


def notebook_parameters(path: Path) -> list[str]:
    """The names in a notebook's parameters cell; empty when it has none."""
    import papermill

    return list(papermill.inspect_notebook(str(path)))


def check_names(profile: Profile) -> None:
    """Benchmark, image source, teacher, student and strategies are known, and their options are right."""
    from . import benchmarks, images, models, teachers
    from .allocation import STRATEGIES
    from .gate import FALLBACKS
    from .image_choice import IMAGE_CHOICES
    from .instruction_data import FORMS
    from .ipo import check_policy
    from .similarity import vectorizer
    from .trackers import tracker_names

    benchmarks.load(profile.benchmark, **profile.benchmark_options)
    teachers.load(profile.teacher, **profile.teacher_options)
    registry.check("image source", images.SOURCES, profile.image_source, profile.image_options)
    folder = profile.image_options.get("path")
    if folder and not Path(folder).exists():
        raise KitError(f"image source {profile.image_source!r}: no folder {folder!r}; put the files there, "
                       "or give another: --set image_options.path=FOLDER")
    if ":" in profile.student:
        registry.resolve("student", {}, profile.student)
    else:
        models.checkpoint_of(profile.student)
    if ":" in profile.strategy:
        registry.resolve("strategy", {}, profile.strategy)
    else:
        _check_known("strategy", [profile.strategy], STRATEGIES)
    vectorizer(profile.similarity)
    registry.resolve("image choice", IMAGE_CHOICES, profile.image_choice)
    for name in profile.fallbacks:
        registry.resolve("fallback", FALLBACKS, name)
    check_policy(profile)
    tracker_names(profile.report_to)
    _check_known("training form", profile.forms, FORMS)


def check_data(profile: Profile) -> None:
    """The questions, the annotations and the replay data can be read; names and options are known to fit."""
    from . import benchmarks, images

    with _readable(f"benchmark {profile.benchmark!r}: its questions"):
        benchmarks.load(profile.benchmark, **profile.benchmark_options).questions("diagnose")
    if profile.image_source in images.SOURCES:  # one of the user's own may take its time
        with _readable(f"image source {profile.image_source!r}: its annotations"):
            images.load(profile.image_source, **profile.image_options)
    if profile.replay_samples and profile.replay != BUILT_IN_REPLAY and not Path(profile.replay).is_file():
        raise KitError(f"replay: no file {profile.replay!r}; put it there, name another (--set replay=FILE), "
                       "or train without: --set replay_samples=0")


@contextmanager
def _readable(what: str) -> Iterator[None]:
    try:
        yield
    except KitError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KitError(f"{what} cannot be read ({type(error).__name__}: {error})") from error


def _check_known(kind: str, names: Iterable[str], known: Iterable[str]) -> None:
    for name in names:
        if name not in known:
            raise unknown_name(kind, name, list(known))
