"""What several loss files share: checked inputs, the temperature, and scores without the anchor itself."""

from __future__ import annotations

from functools import reduce

import torch
from torch import Tensor

from cl_viz.core.errors import InputError, MissingInputError
from cl_viz.core.params import param
from cl_viz.core.specs import LossInputs
from cl_viz.losses._tiled_softmax import LeftOut, log_sum_exp_among

TEMPERATURE_HELP = "Divides the cosine scores; lower weights the hardest negatives more."


def temperature_param(default: float) -> float:
    """Declare the temperature of a loss, with its paper's default."""
    return param(default, TEMPERATURE_HELP, low=1e-3, high=100.0, log=True, card_key="temperature")


def seed_param() -> int:
    """Declare the seed of the draws that `LossInputs.draws` does not give."""
    return param(0, "Seed of the random draws, where they are not given.", low=0, high=2**31 - 1)


def first_view(inputs: LossInputs, loss: str) -> Tensor:
    """Return the first view, shape (N, D)."""
    return _checked(inputs.views[:1], loss, 1, 1)[0]


def two_views(inputs: LossInputs, loss: str, *, smallest: int = 1) -> tuple[Tensor, Tensor]:
    """Return the first two views, each of shape (N, D).

    Parameters
    ----------
    inputs : LossInputs
    loss : str
        Name of the loss, for the message.
    smallest : int
        Least N for which the loss is defined.

    Raises
    ------
    MissingInputError
        If there is only one view.
    InputError
        If the views differ in shape, or N is below `smallest`.
    """
    first, second = _checked(inputs.views[:2], loss, 2, smallest)
    return first, second


def all_views(inputs: LossInputs, loss: str, *, fewest: int = 2, smallest: int = 1) -> Tensor:
    """Return all views, stacked, shape (V, N, D); raises as `two_views`, with V >= `fewest`."""
    return torch.stack(_checked(inputs.views, loss, fewest, smallest))


def _checked(views: tuple[Tensor, ...], loss: str, fewest: int, smallest: int) -> tuple[Tensor, ...]:
    counted = {1: "one view", 2: "two views", 3: "three views"}[fewest]
    if len(views) < fewest:
        raise MissingInputError(
            f"{len(views)} view{'s' if len(views) != 1 else ''} given", where=loss,
            allowed=f"{counted} of the same samples",
            remedy=f"add a {'third' if fewest == 3 else 'second'} augmented view, or a further modality",
        )  # fmt: skip
    if views[0].ndim != 2 or any(view.shape != views[0].shape for view in views):
        shapes = " and ".join(str(tuple(view.shape)) for view in views)
        raise InputError(f"views of shape {shapes}", where=loss, allowed="views of equal shape (N, D)")
    if len(views[0]) < smallest:
        raise InputError(
            f"N = {len(views[0])}: no negatives are left", where=loss, allowed=f"N >= {smallest}",
            remedy="use a larger batch",
        )  # fmt: skip
    dtype = working_type(*views)
    return tuple(view.to(dtype) for view in views)


def working_type(*rows: Tensor) -> torch.dtype:
    """Return the type scores are computed in: the widest of the rows', and at least single precision.

    Half precision holds a score at a low temperature to the nearest whole number only.
    """
    return reduce(torch.promote_types, (matrix.dtype for matrix in rows), torch.float32)


def labels_of_points(inputs: LossInputs, loss: str) -> tuple[Tensor, Tensor]:
    """Return the rows of all views, shape (VN, D), and their labels, shape (VN,), view after view.

    Raises
    ------
    MissingInputError
        Without labels.
    InputError
        If labels and rows differ in number, or the views in shape.
    """
    if inputs.labels is None:
        raise MissingInputError("no labels given", where=loss, allowed="one integer label a sample")
    views = _checked(inputs.views, loss, 1, 1)
    if len(inputs.labels) != len(views[0]):
        raise InputError(f"{len(inputs.labels)} labels for {len(views[0])} samples", where=loss)
    return torch.cat(list(views)), inputs.labels.repeat(len(views))


def queue_of(inputs: LossInputs, loss: str, *, smallest: int = 1) -> Tensor:
    """Return the queue, shape (Q, D).

    Raises
    ------
    MissingInputError
        Without a queue.
    InputError
        If it is no matrix of the views' dimension, or has fewer than `smallest` rows.
    """
    if inputs.queue is None:
        raise MissingInputError(
            "no queue given", where=loss, allowed="a matrix of earlier keys, one a row",
            remedy="fill a queue from other samples of the run",
        )  # fmt: skip
    _check_matrix(inputs.queue, inputs.views[0].shape[1], loss, "queue")
    if len(inputs.queue) < smallest:
        raise InputError(f"a queue of {len(inputs.queue)}", where=loss, allowed=f"at least {smallest} rows")
    return inputs.queue.to(working_type(*inputs.views))


def prototypes_of(inputs: LossInputs, loss: str) -> Tensor:
    """Return the prototypes, shape (K, D); raises as `queue_of`."""
    if inputs.prototypes is None:
        raise MissingInputError(
            "no prototypes given", where=loss, allowed="a matrix of prototypes, one a row",
            remedy="use class means, or the centres of a clustering",
        )  # fmt: skip
    _check_matrix(inputs.prototypes, inputs.views[0].shape[1], loss, "prototypes")
    return inputs.prototypes.to(working_type(*inputs.views))


def _check_matrix(matrix: Tensor, dimension: int, loss: str, name: str) -> None:
    if matrix.ndim != 2 or matrix.shape[1] != dimension:
        raise InputError(f"{name} of shape {tuple(matrix.shape)}", where=loss, allowed=f"rows of dimension {dimension}")


def draw_of(inputs: LossInputs, loss: str, name: str, shape: tuple[int, ...]) -> Tensor | None:
    """Return the draw called `name`, None where it is not given; raises `InputError` where it has another shape."""
    draw = inputs.draws.get(name)
    if draw is not None and tuple(draw.shape) != shape:
        raise InputError(f"draw {name!r} of shape {tuple(draw.shape)}", where=loss, allowed=f"shape {shape}")
    return draw


def same_points(n_points: int, device: torch.device) -> Tensor:
    """Return the mask of the diagonal, shape (n_points, n_points)."""
    return torch.eye(n_points, dtype=torch.bool, device=device)


def same_samples(n_samples: int, n_views: int, device: torch.device) -> Tensor:
    """Return the mask of pairs of rows of one sample, view after view, shape (VN, VN); the diagonal is in it."""
    return same_points(n_samples, device).repeat(n_views, n_views)


def scores_without_self(points: Tensor, temperature: float) -> Tensor:
    """Return the scaled scores of all points with -inf on the diagonal.

    Parameters
    ----------
    points : Tensor, shape (M, D)
        Unit rows.
    temperature : float

    Returns
    -------
    Tensor, shape (M, M)
        s_ab / temperature for a != b, and -inf for a == b.
    """
    # Scaled before the product and filled in place: no second matrix of this size.
    return ((points / temperature) @ points.T).fill_diagonal_(-torch.inf)


def sums_over_negatives(
    first: Tensor, second: Tensor, temperature: float, tile: int | None = None
) -> tuple[Tensor, Tensor]:
    """Return the scaled scores of both views' anchors with their positives, and log sum exp of those with negatives.

    Returns
    -------
    positive, negatives : Tensor, each of shape (2N,)
        Without negatives, for N = 1, their sum is -inf.
    """
    positive = (first * second).sum(dim=1) / temperature
    negatives = log_sum_exp_among(torch.cat([first, second]), temperature, LeftOut(len(first)), tile)
    return torch.cat([positive, positive]), negatives


def sums_without_self(points: Tensor, temperature: float, tile: int | None = None) -> Tensor:
    """Return log sum exp of each point's scaled scores with the other points, shape (M,)."""
    return log_sum_exp_among(points, temperature, LeftOut(len(points)), tile)


def pair_scores(first: Tensor, second: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Return the scaled scores of both views' anchors with their positives and their negatives.

    Returns
    -------
    positive : Tensor, shape (2N,)
    negatives : Tensor, shape (2N, 2N)
        -inf for the anchor itself and its positive.
    """
    points = torch.cat([first, second])
    positive = (first * second).sum(dim=1) / temperature
    excluded = same_samples(len(first), 2, first.device)
    negatives = ((points / temperature) @ points.T).masked_fill_(excluded, -torch.inf)
    return torch.cat([positive, positive]), negatives
