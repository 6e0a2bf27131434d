"""Train tiny encoders with one loss after the other, on equal terms; each becomes a run."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet, Role
from cl_viz.core.errors import Cancelled, InputError, MissingInputError
from cl_viz.core.params import Params, param
from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.core.run import Run, Snapshot
from cl_viz.encoders._digit_data import thumbnails
from cl_viz.encoders._digit_inputs import VIEW_NAMES
from cl_viz.encoders.tiny import LAYERS, TinyArchitecture, TinyEncoder, TinyNetwork
from cl_viz.losses import missing_inputs
from cl_viz.simulate.train import SNAPSHOT_SHARES, TrainingConfig, image_inputs, train
from cl_viz.simulate.training_images import DIGITS, PathLike, TrainingImages, bundled_digits, read_image_folder
from cl_viz.simulate.training_measures import MEASURES, measure

# Curves are measured on so many images, runs hold so many.
_MEASURED_IMAGES = 1000
_EMBEDDED_IMAGES = 2000
_POINTS = 25
_EVALUATION_SEED = 2024
# Of a step on one image of one channel, on two cores; and of what is measured at each point.
_SECONDS_AN_IMAGE = 2.6e-4
_SECONDS_A_POINT = 0.25
# A loss that has grown by so much will not come back.
_RUNAWAY = 1000.0

Layers = Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]]


@dataclass(frozen=True)
class TrainingBudget(Params):
    """What all losses of a comparison share."""

    epochs: int = param(10, "Times that every training image is seen.", low=1, high=200)
    batch_size: int = param(256, "Images in a batch; incomplete batches are left out.", low=4, high=2048)
    learning_rate: float = param(
        3e-3, "Of AdamW; it falls to 0 along a half cosine.", low=1e-5, high=1.0, log=True
    )  # fmt: skip
    training_seed: int = param(0, "Seed of weights, batches and views: the same for every loss.", low=0, high=2**31 - 1)


@dataclass(frozen=True)
class TrainingPoint:
    """What was measured at one moment.

    Attributes
    ----------
    loss : str
        Loss that trains.
    step : int
        Optimiser steps done.
    values : Mapping[str, float]
        Every name of `MEASURES`; NaN where it is not defined.
    """

    loss: str
    step: int
    values: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class TrainedLoss:
    """What the training with one loss left.

    Attributes
    ----------
    loss : str
    parameters : Mapping
        Hyper-parameters that differ from their defaults.
    run : Run
        Embeddings of the evaluation images, by step and layer.
    points : tuple of TrainingPoint
    seconds : float
    stopped : str
        Why it ended early, one sentence; empty where it did not.
    """

    loss: str
    parameters: Mapping[str, Any]
    run: Run
    points: tuple[TrainingPoint, ...]
    seconds: float
    stopped: str = ""

    def curve(self, name: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the steps and values of one measure."""
        steps = np.array([point.step for point in self.points], dtype=np.int64)
        return steps, np.array([point.values[name] for point in self.points], dtype=np.float64)


def missing_to_train(loss: str, images: TrainingImages) -> tuple[str, ...]:
    """Return what a loss needs that training on these images does not give, in words; empty where it can train."""
    return missing_inputs(loss, views=2, labels=images.has_labels)


def training_seconds(images: TrainingImages, budget: TrainingBudget, n_losses: int = 1) -> float:
    """Return about how long a comparison takes on two cores."""
    config = _config("ntxent", {}, images, budget)
    steps = config.steps(images.n_training)
    a_step = _SECONDS_AN_IMAGE * min(budget.batch_size, images.n_training) * (1 + 0.5 * (images.channels == 3))
    return n_losses * (steps * a_step + _SECONDS_A_POINT * min(_POINTS, steps + 1))


def train_losses(
    choices: Sequence[str | tuple[str, Mapping[str, Any]]],
    images: TrainingImages,
    budget: TrainingBudget | None = None,
    *,
    progress: ProgressCallback = silent,
    on_point: Callable[[TrainingPoint], None] = lambda point: None,
    on_trained: Callable[[TrainedLoss], None] = lambda trained: None,
) -> list[TrainedLoss]:
    """Train one encoder a loss, all from the same weights, on the same batches and views, with the same budget.

    Parameters
    ----------
    choices : sequence of str or (str, Mapping)
        Losses, each with the hyper-parameters that differ from its paper's.
    images : TrainingImages
    budget : TrainingBudget, optional
    progress : callable
        Called after every step; where it raises `Cancelled`, the training ends, and what was reached is kept.
    on_point, on_trained : callable
        Called when a point was measured, and when a loss has ended.

    Returns
    -------
    list of TrainedLoss
        One a loss that began; a loss that diverged holds what it had reached, and the next one goes on.

    Raises
    ------
    MissingInputError
        If a loss needs what the images do not give: labels, a queue, a third view.
    InputError
        If a hyper-parameter is out of range.
    """
    budget = budget or TrainingBudget()
    named = [(choice, {}) if isinstance(choice, str) else (choice[0], dict(choice[1])) for choice in choices]
    configs = [_config(loss, parameters, images, budget) for loss, parameters in named]
    for loss, _ in named:
        missing = missing_to_train(loss, images)
        if missing:
            raise MissingInputError(
                f"training does not give {' and '.join(missing)}", where=loss, remedy="choose another loss"
            )
    trained: list[TrainedLoss] = []
    for index, (config, (_, parameters)) in enumerate(zip(configs, named, strict=True)):

        def report(done: float, message: str, index: int = index, label: str = config.loss_spec.label) -> None:
            progress((index + done) / len(configs), f"{label}: {message}")

        name = run_name(config.loss, parameters)
        trained.append(_Course(config, parameters, images, name).follow(report, on_point))
        on_trained(trained[-1])
        if trained[-1].stopped.startswith(_BY_HAND):
            break
    return trained


def train_run(
    loss: str = "ntxent",
    images: PathLike | TrainingImages = DIGITS,
    *,
    parameters: Mapping[str, Any] | None = None,
    progress: ProgressCallback = silent,
    **budget: Any,
) -> Run:
    """Train a tiny encoder with one loss and return it as a run.

    Parameters
    ----------
    loss : str
        Name in `cl_viz.losses.losses()`.
    images : path or TrainingImages
        ``"digits"`` for the bundled digits, a folder of images whose folders are the labels, or images already read.
    parameters : Mapping, optional
        Hyper-parameters of the loss that differ from its paper's.
    progress : callable
    **budget
        Of `TrainingBudget`: ``epochs``, ``batch_size``, ``learning_rate``, ``training_seed``.

    Returns
    -------
    Run
        Embeddings of the evaluation images at several steps, of projector and backbone. Where the loss diverged, what
        it had reached; the card's ``stopped`` says why.

    Raises
    ------
    FormatError
        If the folder cannot be used.
    InputError
        If a parameter is unknown or out of range, or the loss needs what training does not give.
    """
    if not isinstance(images, TrainingImages):
        images = bundled_digits() if images == DIGITS else read_image_folder(images)
    made = TrainingBudget.make(budget)
    assert isinstance(made, TrainingBudget)
    return train_losses([(loss, dict(parameters or {}))], images, made, progress=progress)[0].run


def run_name(loss: str, parameters: Mapping[str, Any]) -> str:
    """Return the name of a trained run: its loss and the hyper-parameters that were chosen."""
    chosen = [f"{name.replace('_', '-')}-{value}" for name, value in sorted(parameters.items())]
    return "-".join(["trained", loss.replace("_", "-"), *chosen])


def _config(loss: str, parameters: Mapping[str, Any], images: TrainingImages, budget: TrainingBudget) -> TrainingConfig:
    shares = {*SNAPSHOT_SHARES, *(index / (_POINTS - len(SNAPSHOT_SHARES)) for index in range(_POINTS - 5))}
    return TrainingConfig(
        loss=loss, loss_parameters=dict(parameters), architecture=TinyArchitecture(channels=images.channels),
        batch_size=budget.batch_size, epochs=budget.epochs, seed=budget.training_seed,
        learning_rate=budget.learning_rate, snapshot_shares=tuple(sorted(share for share in shares if share <= 1)),
    )  # fmt: skip


_BY_HAND = "Stopped"


@dataclass
class _Course:
    """The training with one loss: what is measured on the way, and what is kept."""

    config: TrainingConfig
    parameters: Mapping[str, Any]
    images: TrainingImages
    name: str
    kept: dict[int, Layers] = field(default_factory=dict)
    points: list[TrainingPoint] = field(default_factory=list)

    def __post_init__(self) -> None:
        rows = np.flatnonzero(self.images.is_evaluation)
        if len(rows) > _EMBEDDED_IMAGES:
            rows = np.sort(np.random.default_rng(_EVALUATION_SEED).choice(rows, _EMBEDDED_IMAGES, replace=False))
        self.rows = rows
        inputs = image_inputs(self.config, self.images.images[rows], self.images.labels[rows], seed=_EVALUATION_SEED)
        generator = torch.Generator().manual_seed(_EVALUATION_SEED)
        self.batches = {view: batch.numpy() for view, batch in inputs.views(torch.arange(len(rows)), generator).items()}

    def follow(self, progress: ProgressCallback, on_point: Callable[[TrainingPoint], None]) -> TrainedLoss:
        """Train to the end, or until the loss diverges or the user stops it."""
        began, stopped, step = time.monotonic(), "", 0
        total = self.config.steps(self.images.n_training)
        wanted = {round(share * total) for share in SNAPSHOT_SHARES}
        training = ~self.images.is_evaluation
        try:
            for snapshot in train(
                self.config, self.images.images[training], self.images.labels[training], progress=progress
            ):
                step = snapshot.step
                self._keep(step, snapshot.network, snapshot.loss, wanted)
                on_point(self.points[-1])
        except Cancelled:
            stopped = f"{_BY_HAND} by hand after step {step:,} of {total:,}; what it had reached is kept."
        except InputError as error:
            stopped = f"It ended after step {step:,} of {total:,}: {error.what}; what it had reached is kept."
        run = self._run(total, stopped)
        return TrainedLoss(
            self.config.loss, dict(self.parameters), run, tuple(self.points), time.monotonic() - began, stopped
        )

    def _keep(self, step: int, network: TinyNetwork, loss: float, wanted: set[int]) -> None:
        encoder = TinyEncoder(network)
        outputs = [encoder.encode(batch, view) for view, batch in self.batches.items()]
        layers = {layer: (outputs[0][layer], outputs[1][layer]) for layer in LAYERS}
        if not all(np.isfinite(rows).all() for views in layers.values() for rows in views):
            raise InputError("the embeddings are no longer finite", where=self.config.loss)
        first = next((point.values["loss"] for point in self.points if math.isfinite(point.values["loss"])), loss)
        if loss > _RUNAWAY * (abs(first) + 1):
            raise InputError(f"the loss has grown from {first:.3g} to {loss:.3g}", where=self.config.loss)
        shown = slice(0, _MEASURED_IMAGES)
        labels = self.images.labels[self.rows][shown] if self.images.has_labels else None
        values = measure({layer: (one[shown], two[shown]) for layer, (one, two) in layers.items()}, labels)
        self.points.append(TrainingPoint(self.name, step, {name: {"loss": loss, **values}[name] for name in MEASURES}))
        # The latest is kept in any case: the training may end before the next.
        for other in [other for other in self.kept if other not in wanted]:
            del self.kept[other]
        self.kept[step] = layers

    def _run(self, total: int, stopped: str) -> Run:
        metadata, roles = self._metadata()
        views = VIEW_NAMES[self.config.inputs]
        sets = {
            Snapshot(step, layer): EmbeddingSet.from_arrays(
                dict(zip(views, layers[layer], strict=True)), metadata=metadata, roles=roles, name=self.name,
                source=f"trained here, step {step:,}, {layer}",
            )
            for step, layers in self.kept.items()
            for layer in LAYERS
        }  # fmt: skip
        return Run(self.name, sets, card=self._card(total, stopped), source=f"trained here on {self.images.source}")

    def _metadata(self) -> tuple[dict[str, Any], dict[Role, str]]:
        images, rows = self.images, self.rows
        metadata: dict[str, Any] = {"image_row": rows, "image": thumbnails(images.images[rows])}
        roles: dict[Role, str] = {"image": "image"}
        if images.files:
            metadata["file"] = np.array(images.files)[rows]
        if images.has_labels:
            label = "digit" if images.source == DIGITS else "label"
            metadata[label] = np.array(images.label_names)[images.labels[rows]]
            roles["label"] = label
        return metadata, roles

    def _card(self, total: int, stopped: str) -> dict[str, Any]:
        config, images = self.config, self.images
        parameters = config.loss_spec.params.make(dict(config.loss_parameters)).as_dict()
        return {
            "name": self.name,
            "title": f"{config.loss_spec.label}, trained here on {images.name}",
            "loss": config.loss,
            "loss_parameters": parameters,
            "temperature": parameters.get("temperature"),
            "batch_size": min(config.batch_size, images.n_training),
            "epochs": config.epochs,
            "steps": total,
            "seed": config.seed,
            "optimiser": "AdamW, learning rate falling to 0 along a half cosine",
            "learning_rate": config.learning_rate,
            "weight_decay": config.weight_decay,
            "augmentation": config.augmentation.as_dict(),
            "architecture": config.architecture.as_dict(),
            "encoder": "tiny",
            "layers": list(LAYERS),
            "views": list(VIEW_NAMES[config.inputs]),
            "data": images.source,
            "training_samples": images.n_training,
            "evaluation_samples": len(self.rows),
            "evaluation_seed": _EVALUATION_SEED,
            **({"stopped": stopped} if stopped else {}),
        }
