"""Train a tiny encoder on digits: seeded, deterministic on the CPU, with snapshots on the way."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cl_viz.core.errors import InputError
from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.core.specs import LossInputs, LossSpec
from cl_viz.encoders._digit_inputs import INPUT_KINDS, DigitInputs, InputKind
from cl_viz.encoders._digit_views import DigitAugmentation
from cl_viz.encoders.tiny import TinyArchitecture, TinyNetwork
from cl_viz.losses import losses

# Snapshots stand at these shares of the training; early steps change most.
SNAPSHOT_SHARES = (0.0, 0.01, 0.04, 0.12, 0.35, 1.0)


@dataclass(frozen=True)
class TrainingConfig:
    """Everything a training depends on, beside the images.

    Attributes
    ----------
    loss : str
        Name in `cl_viz.losses.losses()`.
    loss_parameters : Mapping
        Its hyper-parameters; the others keep their papers' defaults.
    inputs : {"grey", "tinted", "captioned"}
        See `DigitInputs`.
    augmentation : DigitAugmentation
    architecture : TinyArchitecture
    batch_size, epochs, seed : int
    learning_rate, weight_decay : float
        Of AdamW; the rate falls to 0 along a half cosine.
    snapshot_shares : tuple of float
        Where snapshots are taken, as shares of all steps, 0..1.
    """

    loss: str = "ntxent"
    loss_parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: InputKind = "grey"
    augmentation: DigitAugmentation = field(default_factory=DigitAugmentation)
    architecture: TinyArchitecture = field(default_factory=TinyArchitecture)
    batch_size: int = 256
    epochs: int = 20
    seed: int = 0
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    snapshot_shares: tuple[float, ...] = SNAPSHOT_SHARES

    def __post_init__(self) -> None:
        if self.loss not in losses():
            raise InputError(f"no loss {self.loss!r}", where="TrainingConfig", allowed=", ".join(sorted(losses())))
        self.loss_spec.params.make(dict(self.loss_parameters))
        positive = self.batch_size >= 2 and self.epochs >= 1 and self.learning_rate > 0 and self.weight_decay >= 0
        shares = bool(self.snapshot_shares) and all(0 <= share <= 1 for share in self.snapshot_shares)
        if not positive or not shares or self.inputs not in INPUT_KINDS:
            raise InputError(
                f"{self} cannot be trained", where="TrainingConfig",
                allowed="batch_size >= 2, epochs >= 1, learning_rate > 0, weight_decay >= 0, snapshot shares in 0..1, "
                f"inputs one of {', '.join(INPUT_KINDS)}",
            )  # fmt: skip

    @property
    def loss_spec(self) -> LossSpec:
        """The loss's entry in the registry."""
        return losses()[self.loss]

    def steps(self, n_samples: int) -> int:
        """Return the number of optimiser steps on `n_samples` training images; incomplete batches are left out."""
        return self.epochs * (n_samples // min(self.batch_size, n_samples))


@dataclass(frozen=True, eq=False)
class TrainingSnapshot:
    """The encoder after some steps.

    Attributes
    ----------
    step : int
        Optimiser steps done.
    loss : float
        Mean loss since the snapshot before; NaN at step 0.
    network : TinyNetwork
        A copy in evaluation mode.
    """

    step: int
    loss: float
    network: TinyNetwork


def train(
    config: TrainingConfig,
    images: NDArray[np.uint8],
    labels: NDArray[np.integer],
    *,
    progress: ProgressCallback = silent,
) -> Iterator[TrainingSnapshot]:
    """Train an encoder and yield it at the snapshot steps.

    Parameters
    ----------
    config : TrainingConfig
    images : NDArray[np.uint8], shape (N, 28, 28), or (N, 28, 28, 3) for an architecture of three channels
    labels : NDArray of int, shape (N,)
        Used by supervised losses, and as digits by captions; otherwise ignored.
    progress : callable
        Called after every step; it may raise `Cancelled`, which ends the training.

    Yields
    ------
    TrainingSnapshot

    Raises
    ------
    InputError
        If images and labels do not fit together, or the loss stops being finite.
    """
    inputs = image_inputs(config, images, labels, seed=config.seed)
    label_tensor = torch.from_numpy(np.asarray(labels, dtype=np.int64))
    generator = torch.Generator().manual_seed(config.seed)
    network = _new_network(config)
    total = config.steps(len(images))
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=total)
    snapshot_steps = {round(share * total) for share in config.snapshot_shares}
    if 0 in snapshot_steps:
        yield TrainingSnapshot(0, float("nan"), _frozen_copy(network))
    recent: list[float] = []
    for step, rows in enumerate(_batches(len(images), config, generator), start=1):
        loss = _loss(config, network, inputs.views(rows, generator), label_tensor[rows])
        if not torch.isfinite(loss):
            raise InputError(f"the loss is {loss.item()} at step {step}", where=config.loss,
                             remedy="lower the learning rate")  # fmt: skip
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
        recent.append(loss.item())
        progress(step / total, f"step {step} of {total}, loss {recent[-1]:.3f}")
        if step in snapshot_steps:
            yield TrainingSnapshot(step, float(np.mean(recent)), _frozen_copy(network))
            recent = []


def image_inputs(
    config: TrainingConfig, images: NDArray[np.uint8], labels: NDArray[np.integer], *, seed: int
) -> DigitInputs:
    """Return what draws two views of the images, as `train` and an evaluation of its encoder need it.

    Raises
    ------
    InputError
        If images and labels do not fit together, or the images not to the architecture.
    """
    colour = images.ndim == 4
    fits = images.shape[1:] == ((28, 28, 3) if colour else (28, 28)) and labels.shape == (len(images),)
    if not fits or len(images) < 2:
        raise InputError(
            f"images of shape {images.shape} with labels of shape {labels.shape}", where="train",
            allowed="images (N, 28, 28) or (N, 28, 28, 3) with N >= 2 and labels (N,)",
        )  # fmt: skip
    if not colour:
        return DigitInputs.make(config.inputs, images, labels, config.augmentation, seed=seed)
    if config.inputs != "grey" or config.architecture.channels != 3:
        raise InputError("colour images are neither tinted nor captioned", where="train",
                         allowed="inputs='grey' with an architecture of three channels")  # fmt: skip
    prepared = torch.from_numpy(images.astype(np.float32) / np.float32(255)).permute(0, 3, 1, 2).contiguous()
    return DigitInputs(config.inputs, prepared, config.augmentation)


def _new_network(config: TrainingConfig) -> TinyNetwork:
    """Build the network with weights that depend on the seed alone, leaving the global generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return TinyNetwork(config.architecture)


def _batches(n_samples: int, config: TrainingConfig, generator: torch.Generator) -> Iterator[Tensor]:
    size = min(config.batch_size, n_samples)
    for _ in range(config.epochs):
        order = torch.randperm(n_samples, generator=generator)
        for start in range(0, n_samples - size + 1, size):
            yield order[start : start + size]


def _loss(config: TrainingConfig, network: TinyNetwork, views: Mapping[str, Tensor], labels: Tensor) -> Tensor:
    spec = config.loss_spec
    outputs = [network(batch, view)[0] for view, batch in views.items()]
    if spec.rows == "unit":
        outputs = [torch.nn.functional.normalize(output, dim=1) for output in outputs]
    parameters = spec.params.make(dict(config.loss_parameters))
    return spec.compute(LossInputs(views=tuple(outputs), labels=labels), parameters).mean()


def _frozen_copy(network: TinyNetwork) -> TinyNetwork:
    return copy.deepcopy(network).eval().requires_grad_(False)
