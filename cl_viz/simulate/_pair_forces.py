"""The slope of any loss in the score of each pair, by automatic differentiation.

A loss of embeddings does not show its slope in a score: many scores move with one row. So the rows are lifted: each of
T rows gets a small length, 1e-4 of the rows' own, along an axis of its own. No score of two rows changes, and the rows
become linearly independent, so that the gradient of a row, which is a combination of rows, can be read off: its part
along the axis of row b is the coefficient of row b, the slope in their product. Where the lifted loss or its gradient
does not agree with the plain one, the loss does not depend on the rows by their products alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cl_viz.core.errors import InputError
from cl_viz.core.params import Params
from cl_viz.core.specs import LossInputs, LossSpec
from cl_viz.simulate.flow_start import FlowStart, unit_rows

_LIFT = 1e-4
_AGREES = 1e-4


@dataclass(frozen=True)
class PairForces:
    """What each row is moved by, in one batch.

    Attributes
    ----------
    loss : float
    gradients : Tensor, shape (V, N, D)
        N times the gradient of the mean loss in each row.
    weights : Tensor or None, shape (VN, VN + Q + K)
        N times the slope in the cosine of each view row with each row (views, queue, prototypes), as that view row's
        gradient has it: above 0 pushes the two apart, below 0 pulls. None where the loss is no function of scores.
    scores : Tensor, shape (VN, VN + Q + K)
        Cosines.
    """

    loss: float
    gradients: Tensor
    weights: Tensor | None
    scores: Tensor


def pair_forces(spec: LossSpec, parameters: Params, start: FlowStart, rows: NDArray[np.int64]) -> PairForces:
    """Return loss, gradients and pair weights of a batch of samples, in double precision.

    Parameters
    ----------
    spec : LossSpec
    parameters : Params
    start : FlowStart
    rows : NDArray of int, shape (B,)
        Samples of the batch.
    """
    views = torch.from_numpy(np.stack([view[rows] for view in start.views])).double()
    views = unit_rows(views) if spec.rows == "unit" else views
    inputs = start.inputs(spec, views.unbind(), rows)
    beside = [matrix for matrix in (inputs.queue, inputs.prototypes) if matrix is not None]
    sources = torch.cat([views.flatten(0, 1), *beside])
    value, plain = _gradient(spec, parameters, inputs, sources)
    plain = plain[: views.shape[0] * len(rows)]
    weights = _coefficients(spec, parameters, inputs, sources, value, plain)
    unit, lengths = unit_rows(sources), torch.linalg.vector_norm(sources, dim=1)
    if weights is not None:
        weights = len(rows) * weights * lengths[: len(plain), None] * lengths
    return PairForces(
        loss=value,
        gradients=(len(rows) * plain).view_as(views),
        weights=weights,
        scores=(unit[: len(plain)] @ unit.T).clamp(-1, 1),
    )


def _coefficients(
    spec: LossSpec, parameters: Params, inputs: LossInputs, sources: Tensor, value: float, plain: Tensor
) -> Tensor | None:
    """Return the coefficient of each source in each gradient of `plain`; None where there are none."""
    n_sources, dimension = sources.shape
    length = _LIFT * float(torch.linalg.vector_norm(sources, dim=1).square().mean().sqrt())
    axes = length * torch.eye(n_sources, dtype=sources.dtype)
    try:
        # Up and down: what a loss adds to every coordinate cancels.
        (lifted_value, up), (_, down) = (
            _gradient(spec, parameters, inputs, torch.cat([sources, sign * axes], dim=1)) for sign in (1, -1)
        )
    except InputError:
        # A loss that minds the number of coordinates is no function of products.
        return None
    coefficients = (up - down)[: len(plain), dimension:] / (2 * length)
    error = torch.linalg.vector_norm(coefficients @ sources - plain)
    agrees = bool(error <= _AGREES * torch.linalg.vector_norm(plain) + 1e-9)
    return coefficients if agrees and abs(lifted_value - value) <= _AGREES * (1 + abs(value)) else None


def _gradient(spec: LossSpec, parameters: Params, inputs: LossInputs, sources: Tensor) -> tuple[float, Tensor]:
    """Return the mean loss of rows that stand in for views, queue and prototypes, and its gradient in them."""
    leaf = sources.clone().requires_grad_()
    n_views, n_samples = len(inputs.views), len(inputs.views[0])
    sizes = [n_samples] * n_views + [len(m) for m in (inputs.queue, inputs.prototypes) if m is not None]
    parts = torch.split(leaf, sizes)
    given = replace(
        inputs, views=parts[:n_views], queue=None if inputs.queue is None else parts[n_views],
        prototypes=None if inputs.prototypes is None else parts[-1],
    )  # fmt: skip
    value = spec.compute(given, parameters).mean()
    (gradient,) = torch.autograd.grad(value, leaf)
    return float(value.detach()), gradient
