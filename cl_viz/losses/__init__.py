"""Losses: one file per family; per-anchor values out, reduction separate.

`losses` lists them, `compute` calls one on plain arrays, `missing_inputs` says what one still needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cl_viz.core.errors import InputError
from cl_viz.core.registry import Registry
from cl_viz.core.specs import LossFamily, LossSpec

if TYPE_CHECKING:
    from torch import Tensor

    from cl_viz.losses._calling import Rows, Views

FAMILIES: Registry[LossFamily] = Registry("cl_viz.losses", LossFamily)


@lru_cache(maxsize=1)
def losses() -> dict[str, LossSpec]:
    """Return every loss by name."""
    return {loss.name: loss for family in FAMILIES.values() for loss in family.losses}


def compute(
    name: str,
    views: Views,
    labels: Rows | None = None,
    *,
    queue: Rows | None = None,
    prototypes: Rows | None = None,
    label_matrix: Rows | None = None,
    assignments: Rows | None = None,
    densities: Rows | None = None,
    temperatures: Rows | None = None,
    moving_average: Rows | None = None,
    center: Rows | None = None,
    draws: Mapping[str, Rows] | None = None,
    tile: int | None = None,
    **hyper_parameters: Any,
) -> Tensor:
    """Return the values of a loss, one an anchor; the loss itself is their mean.

    Rows are brought to length 1 where the loss wants unit rows, so raw embeddings can be given as they are. Gradient
    flows into tensors, through that division.

    Parameters
    ----------
    name : str
        Name in `losses()`.
    views : EmbeddingSet, array or tensor (N, D) or (V, N, D), or a sequence or mapping of such matrices
        Views of the same samples, in order. Of an embedding set the label role is taken too.
    labels : array of shape (N,), optional
        Whole numbers, or anything that can be told apart (text).
    queue : array of shape (Q, D), optional
        Explicit negatives.
    prototypes : array of shape (K, D), optional
        Centroids, or embeddings of classes.
    label_matrix, assignments, densities, temperatures, moving_average, center, draws, tile
        See `cl_viz.core.specs.LossInputs`.
    **hyper_parameters
        Those of ``losses()[name].params``; the others keep their papers' defaults.

    Returns
    -------
    Tensor, shape (A,) or ()
        One value an anchor; shape () for a loss that is not a sum over anchors.

    Raises
    ------
    MissingInputError
        If the loss needs more views, labels, a queue or prototypes; the message says which.
    InputError
        On an unknown loss or hyper-parameter, one out of its range (the message gives it), rows that hold NaN or have
        no direction, shapes that do not fit, or too few samples for the loss to be defined.
    """
    from cl_viz.losses._calling import call_loss

    extras = {
        "queue": queue, "prototypes": prototypes, "label_matrix": label_matrix, "assignments": assignments,
        "densities": densities, "temperatures": temperatures, "moving_average": moving_average, "center": center,
        "draws": draws, "tile": tile,
    }  # fmt: skip
    return call_loss(_spec(name), views, labels, extras, hyper_parameters)


def missing_inputs(
    name: str, *, views: int, labels: bool = False, queue: bool = False, prototypes: bool = False
) -> tuple[str, ...]:
    """Return what a loss needs beyond what there is, in words; empty where it can be computed.

    Parameters
    ----------
    name : str
        Name in `losses()`.
    views : int
        Number of views there are.
    labels, queue, prototypes : bool
        Whether there are any.

    Raises
    ------
    InputError
        On an unknown loss.
    """
    from cl_viz.losses._calling import in_words, missing_from

    return in_words(missing_from(_spec(name), views=views, labels=labels, queue=queue, prototypes=prototypes))


def _spec(name: str) -> LossSpec:
    if name not in losses():
        raise InputError(f"no loss {name!r}", where="cl_viz.losses", allowed=", ".join(sorted(losses())))
    return losses()[name]
