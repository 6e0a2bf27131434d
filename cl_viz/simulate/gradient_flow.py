"""Where a loss leads: free embeddings that move down its gradient, on the sphere where the loss wants unit rows.

No encoder stands between: every row moves as the loss alone would have it. So this shows what a loss asks for, not
what an encoder can give.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cl_viz.core.errors import Cancelled, InputError
from cl_viz.core.params import Params
from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.core.specs import LossSpec
from cl_viz.losses import losses
from cl_viz.simulate._flow_measures import MEASURES, FlowMeter
from cl_viz.simulate.flow_start import FlowStart, unit_rows

__all__ = ["MEASURES", "Flow", "FlowConfig", "gradient_flow"]

_EXPLODED = 1e6
"""A loss this many times as large as at the start, or rows this many times as long, will not come back."""


@dataclass(frozen=True)
class FlowConfig:
    """Everything a flow depends on, beside its start.

    Attributes
    ----------
    loss : str
        Name in `cl_viz.losses.losses()`.
    loss_parameters : Mapping
        Its hyper-parameters; the others keep their papers' defaults.
    steps : int
        Number of steps, 1 to 100,000.
    step_size : float
        Time of a step. A row's velocity is minus N times its gradient of the mean loss, so that it does not fall with
        the number of samples.
    largest_turn : float or None
        A step is made shorter where a row would move by more than this: radians on the sphere; for raw rows a share of
        their root mean square length. None sets no limit.
    steady : bool
        Steps become shorter, down to a hundredth, while the loss rises, and longer again while it falls. Has no effect
        on losses that draw at random.
    records : int
        Number of recorded states, spread evenly, the start and the end among them; at least 2.
    bins : int
        Bins of the score histograms, 2 to 1,000.
    seed : int
        Of losses that draw at random; each step draws anew.
    """

    loss: str = "ntxent"
    loss_parameters: Mapping[str, Any] = field(default_factory=dict)
    steps: int = 200
    step_size: float = 0.05
    largest_turn: float | None = 0.2
    steady: bool = True
    records: int = 41
    bins: int = 60
    seed: int = 0

    def __post_init__(self) -> None:
        if self.loss not in losses():
            raise InputError(f"no loss {self.loss!r}", where="FlowConfig", allowed=", ".join(sorted(losses())))
        losses()[self.loss].params.make(dict(self.loss_parameters))
        turn = math.inf if self.largest_turn is None else self.largest_turn
        in_range = 1 <= self.steps <= 100_000 and self.records >= 2 and 2 <= self.bins <= 1000
        if not in_range or not 0 < self.step_size < math.inf or not turn > 0:
            raise InputError(
                f"{self.steps} steps of {self.step_size}, turns up to {self.largest_turn}, {self.records} records, "
                f"{self.bins} bins", where="FlowConfig",
                allowed="1 to 100,000 steps, step_size > 0, largest_turn > 0 or None, records >= 2, 2 to 1,000 bins",
            )  # fmt: skip

    @property
    def recorded(self) -> NDArray[np.int64]:
        """Steps whose states are recorded, shape (R,)."""
        return np.unique(np.linspace(0, self.steps, min(self.records, self.steps + 1)).round().astype(np.int64))


@dataclass(frozen=True, eq=False)
class Flow:
    """The course of a gradient flow.

    Attributes
    ----------
    config : FlowConfig
    start : FlowStart
    recorded : NDArray[np.int64], shape (R,)
        Steps done at each recorded state.
    time : NDArray[np.float64], shape (R,)
        Sum of the steps' lengths until then.
    positions : NDArray[np.float32], shape (R, V, N, D)
    loss : NDArray[np.float64], shape (R,)
    positive_counts, negative_counts : NDArray[np.int64], shape (R, B)
        Histograms of the cosines of positive and negative pairs, each pair once.
    bin_edges : NDArray[np.float64], shape (B + 1,)
        From -1 to 1.
    measures : Mapping[str, NDArray[np.float64]], each of shape (R,)
        By the names of `MEASURES`; NaN where not defined.
    spectrum : NDArray[np.float32], shape (R, min(D, 64))
        Eigenvalues of the covariance as shares of their sum, largest first; NaN where nothing varies.
    rises : int
        Steps after which the loss was higher than before. Many mean that steps are too long for this loss, unless it
        draws at random or its value is no potential (surrogates, stopped gradients).
    stopped : str or None
        Why the flow ended before its last step, one sentence; None where it did not.
    """

    config: FlowConfig
    start: FlowStart
    recorded: NDArray[np.int64]
    time: NDArray[np.float64]
    positions: NDArray[np.float32]
    loss: NDArray[np.float64]
    positive_counts: NDArray[np.int64]
    negative_counts: NDArray[np.int64]
    bin_edges: NDArray[np.float64]
    measures: Mapping[str, NDArray[np.float64]]
    spectrum: NDArray[np.float32]
    rises: int = 0
    stopped: str | None = None

    def flat(self, dims: int = 2) -> NDArray[np.float32]:
        """Return positions on the plane (or in the space) of the largest variance of start and end together.

        Returns
        -------
        NDArray[np.float32], shape (R, V, N, dims)
            One fixed map for all recorded states; positions themselves where they have `dims` coordinates.
        """
        if self.start.dim == dims:
            return self.positions
        ends = self.positions[[0, -1]].reshape(-1, self.start.dim).astype(np.float64)
        center = ends.mean(axis=0)
        axes = np.linalg.eigh((ends - center).T @ (ends - center))[1][:, ::-1][:, :dims]
        # The sign of an axis is arbitrary: its largest coordinate is taken as positive.
        axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
        projected = ((self.positions - center) @ axes).astype(np.float32)
        spare = np.zeros((*projected.shape[:3], dims - projected.shape[3]), dtype=np.float32)
        return np.concatenate([projected, spare], axis=3)


def gradient_flow(
    config: FlowConfig, start: FlowStart, *, progress: ProgressCallback = silent, keep_on_cancel: bool = False
) -> Flow:
    """Let rows move down the gradient of a loss.

    For losses of unit rows each step goes along the sphere: the gradient without its part along the row, then back to
    length 1. For losses of raw rows it is plain gradient descent. Computed in single precision.

    Parameters
    ----------
    config : FlowConfig
    start : FlowStart
        See `start_from` and `named_start`.
    progress : callable
        Called after every step; it may raise `Cancelled`.
    keep_on_cancel : bool
        Return what there is when cancelled, with `Flow.stopped` set, and not raise.

    Returns
    -------
    Flow
        A flow that diverges ends early: `Flow.stopped` says why, and the states until then are kept.

    Raises
    ------
    MissingInputError
        If the loss needs what the start does not have.
    InputError
        If the loss cannot be computed at the start.
    Cancelled
        If cancelled, unless `keep_on_cancel`.
    """
    return _Course(config, start).run(progress, keep_on_cancel)


class _Course:
    """A flow on its way."""

    def __init__(self, config: FlowConfig, start: FlowStart) -> None:
        self.config, self.start = config, start
        self.spec: LossSpec = start.spec_of(config.loss)
        self.parameters: Params = self.spec.params.make(dict(config.loss_parameters))
        self.on_sphere = self.spec.rows == "unit"
        rows = torch.from_numpy(np.stack(start.views))
        self.rows = unit_rows(rows) if self.on_sphere else rows
        if not torch.isfinite(self.rows).all() or (self.on_sphere and (self.rows == 0).all(dim=-1).any()):
            raise InputError(f"{start.name} has rows without a direction", where=config.loss, allowed="finite rows")
        self.length = self._root_mean_square()
        labels = None if start.labels is None else torch.from_numpy(start.labels)
        self.meter = FlowMeter(start.n, start.n_views, labels, config.bins)
        self.time = 0.0
        self.draws = "seed" in self.parameters.as_dict() and "seed" not in config.loss_parameters
        self.rises, self.last, self.share = 0, math.inf, 1.0
        self.kept: list[tuple[Any, ...]] = []

    def run(self, progress: ProgressCallback, keep_on_cancel: bool) -> Flow:
        wanted, steps, stopped = set(self.config.recorded.tolist()), self.config.steps, None
        for step in range(steps + 1):
            try:
                loss, gradient = self._slope(step)
            except InputError as error:
                if step == 0:
                    raise
                stopped = f"The flow stopped at step {step} of {steps}: {error.what}. The states before are kept."
                break
            broken = self._broken(loss, gradient)
            if broken is not None:
                stopped = f"The flow diverged: {broken} at step {step} of {steps}. The states before are kept."
                break
            self._compare(loss)
            if step in wanted:
                self._keep(step, loss)
            if step == steps:
                break
            self._move(gradient)
            try:
                progress((step + 1) / steps, f"step {step + 1} of {steps}, loss {loss:.4g}")
            except Cancelled:
                if not keep_on_cancel:
                    raise
                stopped = f"The flow was stopped after step {step + 1} of {steps}."
                break
        return self._flow(stopped)

    def _slope(self, step: int) -> tuple[float, Tensor]:
        """Return the loss and N times its gradient in each row, along the sphere where rows are unit."""
        rows = self.rows.requires_grad_()
        parameters = self.parameters
        if self.draws:
            parameters = parameters.make({**parameters.as_dict(), "seed": (self.config.seed + step) % 2**31})
        loss = self.spec.compute(self.start.inputs(self.spec, rows.unbind()), parameters).mean()
        (gradient,) = torch.autograd.grad(loss, rows)
        self.rows = rows.detach()
        gradient = self.start.n * gradient
        if self.on_sphere:
            gradient = gradient - (gradient * self.rows).sum(dim=-1, keepdim=True) * self.rows
        return float(loss.detach()), gradient

    def _broken(self, loss: float, gradient: Tensor) -> str | None:
        """Return what is wrong with a state, or None."""
        if not math.isfinite(loss):
            return f"the loss is {loss}"
        if not torch.isfinite(gradient).all():
            return "a gradient is not finite"
        first = self.kept[0][2] if self.kept else loss
        if abs(loss) > _EXPLODED * (1 + abs(first)):
            return f"the loss grew from {first:.3g} to {loss:.3g}"
        if not self.on_sphere and self._root_mean_square() > _EXPLODED * self.length:
            return f"rows grew {_EXPLODED:,.0f} times as long"
        return None

    def _compare(self, loss: float) -> None:
        """Count whether the loss rose, beyond rounding, and choose how long steps are from here."""
        rose = loss > self.last + 1e-6 * (1 + abs(loss))
        self.rises, self.last = self.rises + rose, loss
        if self.config.steady and not self.draws:
            self.share = max(0.01, self.share * 0.7) if rose else min(1.0, self.share * 1.02)

    def _move(self, gradient: Tensor) -> None:
        longest = float(torch.linalg.vector_norm(gradient, dim=-1).max())
        step = self.config.step_size
        if self.config.largest_turn is not None and longest > 0:
            unit = 1.0 if self.on_sphere else self._root_mean_square()
            step = min(step, self.config.largest_turn * unit / longest)
        step *= self.share
        moved = self.rows - step * gradient
        self.rows = unit_rows(moved) if self.on_sphere else moved
        self.time += step

    def _keep(self, step: int, loss: float) -> None:
        self.kept.append((step, self.time, loss, self.rows.clone().numpy(), *self.meter.measure(self.rows)))

    def _root_mean_square(self) -> float:
        """Return the root mean square length of the rows."""
        return float(torch.linalg.vector_norm(self.rows.double(), dim=-1).square().mean().sqrt())

    def _flow(self, stopped: str | None) -> Flow:
        if not self.kept:
            raise InputError(
                f"the loss or its gradient is not finite at {self.start.name}", where=self.config.loss,
                remedy="start from other rows, or change the hyper-parameters",
            )  # fmt: skip
        steps, times, values, positions, measures, positive, negative, spectra = zip(*self.kept, strict=True)
        return Flow(
            config=self.config, start=self.start, recorded=np.array(steps), time=np.array(times),
            positions=np.stack(positions), loss=np.array(values), positive_counts=np.stack(positive),
            negative_counts=np.stack(negative), bin_edges=np.linspace(-1, 1, self.config.bins + 1),
            measures={name: np.array([entry[name] for entry in measures]) for name in MEASURES},
            spectrum=np.stack(spectra), rises=self.rises, stopped=stopped,
        )  # fmt: skip
