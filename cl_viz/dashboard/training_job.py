"""A training that goes on while its page is looked at, or is not."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cl_viz.core.errors import Cancelled, ClVizError
from cl_viz.core.view import Lines
from cl_viz.simulate.training_course import (
    TrainedLoss,
    TrainingBudget,
    TrainingPoint,
    run_name,
    train_losses,
    training_seconds,
)
from cl_viz.simulate.training_images import TrainingImages
from cl_viz.simulate.training_views import training_views

_LOGGER = logging.getLogger("cl_viz.dashboard")
_TELLING_SHARE = 0.04
"""What has to be done since the first step before the time left is told: a stretch with a measurement in it."""
_TELLING_SECONDS = 2.0


@dataclass(frozen=True)
class Standing:
    """How far a training is.

    Attributes
    ----------
    fraction : float
        Share done, 0 to 1.
    message : str
    seconds : float
        Since it began.
    points : Mapping[str, tuple of TrainingPoint]
        By name of the run, in the order of the losses.
    trained : tuple of TrainedLoss
        Losses that have ended.
    running : bool
    error : Exception or None
        What ended it, beside the losses' own ends.
    warm : tuple of float
        Seconds and fraction when the first step was done, which with the first measurement takes far longer than any
        later one; zeros before.
    """

    fraction: float
    message: str
    seconds: float
    points: Mapping[str, tuple[TrainingPoint, ...]]
    trained: tuple[TrainedLoss, ...]
    running: bool
    error: Exception | None = None
    warm: tuple[float, float] = (0.0, 0.0)

    @property
    def seconds_left(self) -> float | None:
        """About how long it still takes, from how long it took since it is warm; None where that cannot be said yet."""
        warm_seconds, warm_fraction = self.warm
        done, took = self.fraction - warm_fraction, self.seconds - warm_seconds
        if not self.running or not warm_seconds or done < _TELLING_SHARE or took < _TELLING_SECONDS:
            return None
        return took * (1 - self.fraction) / done


class TrainingJob:
    """Trains in a thread of its own; the page asks how far it is.

    Parameters
    ----------
    choices : sequence of (str, Mapping)
        Losses with their hyper-parameters.
    images : TrainingImages
    budget : TrainingBudget
    """

    def __init__(
        self, choices: Sequence[tuple[str, Mapping[str, Any]]], images: TrainingImages, budget: TrainingBudget
    ) -> None:
        self.choices = [(loss, dict(parameters)) for loss, parameters in choices]
        self.images = images
        self.budget = budget
        self.opened: set[str] = set()
        self._lock = threading.Lock()
        self._asked_to_stop = threading.Event()
        self._points: dict[str, list[TrainingPoint]] = {run_name(*choice): [] for choice in self.choices}
        self._trained: list[TrainedLoss] = []
        self._fraction, self._message = 0.0, "starting"
        self._warm = (0.0, 0.0)
        self._error: Exception | None = None
        self._began = time.monotonic()
        self._ended: float | None = None
        self._views: tuple[int, dict[str, Lines]] | None = None
        self._thread = threading.Thread(target=self._train, name="cl_viz-training", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the step that is being done; what was reached is kept."""
        self._asked_to_stop.set()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until it has ended."""
        self._thread.join(seconds)

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._asked_to_stop.is_set()

    @property
    def pace(self) -> float:
        """How much longer it took than was estimated; 1 where it has not ended."""
        standing = self.standing()
        if standing.running or standing.fraction < 0.2:
            return 1.0
        estimate = training_seconds(self.images, self.budget, len(self.choices)) * standing.fraction
        return standing.seconds / max(estimate, 1e-3)

    def standing(self) -> Standing:
        """Return how far it is."""
        with self._lock:
            ended = self._ended
            return Standing(
                fraction=self._fraction,
                message=self._message,
                seconds=(time.monotonic() if ended is None else ended) - self._began,
                points={name: tuple(points) for name, points in self._points.items()},
                trained=tuple(self._trained),
                running=ended is None,
                error=self._error,
                warm=self._warm,
            )

    def views(self, standing: Standing, n_images: int) -> dict[str, Lines]:
        """Return the curves as figures, made anew only where points were added."""
        measured = sum(map(len, standing.points.values()))
        if self._views is None or self._views[0] != measured:
            points = {name: found for name, found in standing.points.items() if found}
            self._views = measured, training_views(points, n_images=n_images)
        return self._views[1]

    def _train(self) -> None:
        try:
            train_losses(
                self.choices, self.images, self.budget,
                progress=self._note_progress, on_point=self._note_point, on_trained=self._note_trained,
            )  # fmt: skip
        except Exception as error:
            if not isinstance(error, ClVizError):
                _LOGGER.exception("a training ended unexpectedly")
            self._error = error
        with self._lock:
            self._ended = time.monotonic()

    def _note_progress(self, fraction: float, message: str) -> None:
        if self.stopping:
            raise Cancelled("stopped")
        with self._lock:
            self._fraction, self._message = fraction, message
            if not self._warm[0]:
                self._warm = (time.monotonic() - self._began, fraction)

    def _note_point(self, point: TrainingPoint) -> None:
        with self._lock:
            self._points[point.loss].append(point)

    def _note_trained(self, trained: TrainedLoss) -> None:
        with self._lock:
            self._trained.append(trained)
