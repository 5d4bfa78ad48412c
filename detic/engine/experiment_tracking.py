"""Services that keep the metrics and images of trainings: Weights & Biases and MLflow.

They are optional packages, loaded here alone. Projects, addresses and whether they are online are said
by their own environment variables, such as ``WANDB_MODE=offline`` and ``MLFLOW_TRACKING_URI``.
"""

import logging
import math
import os
import re
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from detectron2.utils.events import EventWriter

from detic.engine.progress import NewValues
from detic.errors import InputError

logger = logging.getLogger(__name__)

PROJECT = "detic"  # where the environment names none
NOT_IN_NAMES = re.compile(r"[^\w\-. /]")  # of MLflow's metrics


class Service(Protocol):
    """A run of a training, as a service keeps it. Any call may fail."""

    def log_values(self, values: Mapping[str, float], iteration: int) -> None:
        """Keep values by name."""

    def log_image(self, name: str, image: np.ndarray, iteration: int) -> None:
        """Keep an image, (H, W, 3) uint8 RGB."""

    def finish(self) -> None:
        """End the run."""


class Tracker(EventWriter):
    """What reports a training to a service; a service that fails is left alone from then on.

    Reports come by rising iteration, as services want them.
    """

    def __init__(self, service: Service):
        self._service = service
        self._new_values = NewValues()
        self._images: list[tuple[int, str, np.ndarray]] = []  # to be reported
        self._works = True

    def put_image(self, name: str, image: np.ndarray, iteration: int) -> None:
        """Report an image, (H, W, 3) uint8 RGB, with the next values."""
        self._images.append((iteration, name, image))

    def write(self) -> None:
        """Report the values that came since the last call, and the images."""
        for iteration, values in self._new_values.take():
            self._report_images(before=iteration)
            self._try(self._service.log_values, values, iteration)

    def close(self) -> None:
        """Report the last images, and end."""
        self._report_images()
        self._try(self._service.finish)

    def _report_images(self, before: float = math.inf) -> None:
        for iteration, name, image in self._images:
            if iteration < before:
                self._try(self._service.log_image, name, image, iteration)
        self._images = [image for image in self._images if image[0] >= before]

    def _try(self, report: Callable[..., None], *arguments: Any) -> None:
        if not self._works:
            return
        try:
            report(*arguments)
        except Exception as error:  # of a service or its network, which no training should end for
            self._works = False
            logger.warning(
                "%s: %s; the training goes on without it", type(self._service).__name__, error
            )


class Wandb:
    """Weights & Biases."""

    def __init__(self, wandb: ModuleType, folder: Path, configuration: Mapping[str, Any]):
        self._wandb: Any = wandb
        self._run: Any = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=folder.name,
            dir=str(folder),
            config=dict(configuration),
        )

    def log_values(self, values: Mapping[str, float], iteration: int) -> None:
        self._run.log(dict(values), step=iteration)

    def log_image(self, name: str, image: np.ndarray, iteration: int) -> None:
        self._run.log({name: self._wandb.Image(image)}, step=iteration)

    def finish(self) -> None:
        self._run.finish()


class Mlflow:
    """MLflow."""

    def __init__(self, mlflow: ModuleType, folder: Path, configuration: Mapping[str, Any]):
        self._mlflow: Any = mlflow
        self._mlflow.set_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT))
        self._mlflow.start_run(run_name=folder.name)
        self._mlflow.log_dict(dict(configuration), "config.json")

    def log_values(self, values: Mapping[str, float], iteration: int) -> None:
        named = {NOT_IN_NAMES.sub("_", name): value for name, value in values.items()}
        self._mlflow.log_metrics(named, step=iteration)

    def log_image(self, name: str, image: np.ndarray, iteration: int) -> None:
        self._mlflow.log_image(image, artifact_file=f"images/{name}-{iteration}.png")

    def finish(self) -> None:
        self._mlflow.end_run()


# By TRACKING: the service, from its package, the folder of the run and the configuration
SERVICES: dict[str, Callable[[ModuleType, Path, Mapping[str, Any]], Service]] = {
    "wandb": Wandb,
    "mlflow": Mlflow,
}


def build_tracker(name: str, folder: Path, configuration: Mapping[str, Any]) -> Tracker:
    """Return a tracker of a service, a key of SERVICES.

    Raises:
        InputError: its package is missing, or the service cannot be used.
    """
    package = tracking_package(name)
    try:
        return Tracker(SERVICES[name](package, folder, configuration))
    except Exception as error:  # of a service or its network
        raise InputError(
            f"TRACKING {name!r} cannot begin: {error}; correct its settings, or set TRACKING to ''"
        ) from error


def tracking_package(name: str) -> ModuleType:
    """Return the package of a service.

    Raises:
        InputError: it is missing.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise InputError(
            f"TRACKING is {name!r}, and the package {name} cannot be imported ({error}); install it with "
            f"`pip install {name}`, or set TRACKING to ''"
        ) from error
