"""Sending a training's numbers to TensorBoard, Weights & Biases, MLflow or trackio; off unless asked for.

The work is done by transformers' own integrations. Here are their names, a check that can be made before
anything starts, and where they write: into the run's folder, unless the tracker's own variable says where.
"""

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import files
from .errors import KitError, unknown_name

OFF = "none"
PROJECT_NAME = "dataengine"
"""What the trackers call the project or experiment, unless their own variable names another."""


@dataclass(frozen=True)
class Tracker:
    """A tracker: the package it needs, and what it reads from the environment: {folder}, {project}."""

    package: str
    environment: dict[str, str]


TRACKERS = {
    "tensorboard": Tracker("tensorboard", {"TENSORBOARD_LOGGING_DIR": "{folder}/tensorboard/{name}"}),
    "wandb": Tracker("wandb", {"WANDB_DIR": "{folder}", "WANDB_PROJECT": "{project}"}),
    "mlflow": Tracker(
        "mlflow",
        {"MLFLOW_TRACKING_URI": "sqlite:///{folder}/mlflow.db", "MLFLOW_EXPERIMENT_NAME": "{project}"},
    ),
    "trackio": Tracker("trackio", {"TRACKIO_DIR": "{folder}/trackio"}),
}


def tracker_names(report_to: str) -> list[str]:
    """The trackers that `report_to` names: "none", or names of `TRACKERS` with commas between them.

    An unknown name, or a tracker whose package is not installed, raises `KitError`.
    """
    names = [name.strip() for name in report_to.split(",") if name.strip()]
    if names == [OFF]:
        return []
    for name in names:
        if name not in TRACKERS:
            raise unknown_name("tracker (report_to)", name, [OFF, *TRACKERS])
        if importlib.util.find_spec(TRACKERS[name].package) is None:
            raise KitError(
                f"tracker {name!r} needs a package that is not installed; run: pip install "
                f"{TRACKERS[name].package}, or set report_to={OFF}"
            )
    return list(dict.fromkeys(names))


@contextmanager
def tracking(report_to: str, folder: Path | None, name: str) -> Iterator[None]:
    """While it lasts, the environment says where the trackers write: below `folder`, as the run `name`.

    What the environment says already is left as it is; None leaves all of it to the trackers.
    """
    wanted = {}
    for tracker in tracker_names(report_to) if folder else ():
        for variable, value in TRACKERS[tracker].environment.items():
            place = {"folder": Path(folder).resolve(), "project": PROJECT_NAME, "name": name or "training"}
            wanted[variable] = value.format(**place)
    added = {variable: value for variable, value in wanted.items() if variable not in os.environ}
    if added:
        files.make_folder(Path(folder))
    os.environ.update(added)
    try:
        yield
    finally:
        for variable in added:
            os.environ.pop(variable, None)
