"""What several loss files share: checked views and score matrices without the anchor itself."""

from __future__ import annotations

import torch
from torch import Tensor

from cl_viz.core.errors import InputError, MissingInputError
from cl_viz.core.specs import LossInputs


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
    if len(inputs.views) < 2:
        raise MissingInputError(
            f"{len(inputs.views)} view given", where=loss, allowed="two views of the same samples",
            remedy="add a second augmented view, or a second modality",
        )  # fmt: skip
    first, second = inputs.views[:2]
    if first.ndim != 2 or first.shape != second.shape:
        raise InputError(
            f"views of shape {tuple(first.shape)} and {tuple(second.shape)}", where=loss,
            allowed="two views of equal shape (N, D)",
        )  # fmt: skip
    if first.shape[0] < smallest:
        raise InputError(
            f"N = {first.shape[0]}: no negatives are left", where=loss, allowed=f"N >= {smallest}",
            remedy="use a larger batch",
        )  # fmt: skip
    return first, second


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
    scores = points @ points.T / temperature
    itself = torch.eye(len(points), dtype=torch.bool, device=points.device)
    return scores.masked_fill(itself, -torch.inf)
