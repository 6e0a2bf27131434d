"""The door for people: a loss by name, on arrays, tensors or an embedding set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError, MissingInputError
from cl_viz.core.specs import LossInputs, LossSpec
from cl_viz.losses._views import working_type

Rows = Tensor | NDArray[Any]
Views = EmbeddingSet | Rows | Sequence[Rows] | Mapping[str, Rows]

_SAID = {
    "two_views": "a second view",
    "three_views": "a third view",
    "labels": "labels",
    "queue": "a queue of negatives",
    "prototypes": "prototypes",
}
_REMEDY = {
    "two_views": "add a second augmented view of the same samples, or another modality",
    "three_views": "add a third view of the same samples",
    "labels": "add one integer label a sample",
    "queue": "add a queue: rows of other samples",
    "prototypes": "add prototypes: class means, or the centres of a clustering",
}


def missing_from(
    spec: LossSpec, *, views: int, labels: bool = False, queue: bool = False, prototypes: bool = False
) -> tuple[str, ...]:
    """Return the needs of a loss that are not met, as they stand in its spec."""
    met = {
        "two_views": views >= 2, "three_views": views >= 3, "labels": labels, "queue": queue, "prototypes": prototypes,
    }  # fmt: skip
    return tuple(need for need in spec.needs if not met[need])


def in_words(needs: Sequence[str]) -> tuple[str, ...]:
    """Return needs of losses as people say them."""
    return tuple(_SAID[need] for need in needs)


def call_loss(
    spec: LossSpec, views: Views, labels: Any, extras: Mapping[str, Any], parameters: Mapping[str, Any]
) -> Tensor:
    """Check everything a loss is given, bring it to the form of its spec, and return its values.

    Raises
    ------
    MissingInputError
        If a need of the loss is not met.
    InputError
        If a hyper-parameter is unknown or out of range, rows cannot be used, or shapes do not fit.
    """
    chosen = spec.params.make(dict(parameters))
    tensors = _views_of(views, spec.name)
    if labels is None and isinstance(views, EmbeddingSet):
        labels = _labels_of(views, "labels" in spec.needs)
    given = {name: value for name, value in extras.items() if value is not None}
    # The losses over labels take several positives a sample as a matrix.
    missing = missing_from(
        spec, views=len(tensors), labels=labels is not None or "label_matrix" in given, queue="queue" in given,
        prototypes="prototypes" in given,
    )  # fmt: skip
    if missing:
        raise MissingInputError(
            f"{' and '.join(in_words(missing))} missing",
            where=spec.name,
            remedy="; ".join(_REMEDY[need] for need in missing),
        )
    return spec.compute(_inputs(spec, tensors, labels, given), chosen)


def _inputs(spec: LossSpec, views: tuple[Tensor, ...], labels: Any, given: dict[str, Any]) -> LossInputs:
    where, like = spec.name, views[0]
    unit = spec.rows == "unit"
    for name in ("queue", "prototypes"):
        if name in given:
            given[name] = _matrix(given[name], where, name, like)
            given[name] = _unit(given[name], where, name) if unit else given[name]
    for name in ("densities", "temperatures", "moving_average", "center"):
        if name in given:
            given[name] = torch.as_tensor(given[name]).to(like)
    for name in ("assignments", "label_matrix"):
        if name in given:
            given[name] = torch.as_tensor(given[name], device=like.device)
    if "draws" in given:
        given["draws"] = {name: torch.as_tensor(draw, device=like.device) for name, draw in given["draws"].items()}
    if labels is not None:
        labels = _whole_numbers(labels, where).to(like.device)
    if unit:
        views = tuple(_unit(view, where, f"view {index + 1}") for index, view in enumerate(views))
    return LossInputs(views=views, labels=labels, **given)


def _views_of(views: Views, where: str) -> tuple[Tensor, ...]:
    if isinstance(views, EmbeddingSet):
        if len(views.views) > 1 and not views.aligned:
            raise InputError(
                f"the views of {views.name} are not aligned row by row", where=where,
                remedy="give the matching rows of both views as two arrays",
            )  # fmt: skip
        found: list[Any] = list(views.views.values())
    elif isinstance(views, Mapping):
        found = list(views.values())
    elif isinstance(views, (Tensor, np.ndarray)):
        found = [views] if views.ndim == 2 else list(views)
    else:
        found = list(views)
    if not found:
        raise MissingInputError("no view given", where=where, remedy="give at least one array of shape (N, D)")
    return tuple(_matrix(view, where, f"view {index + 1}") for index, view in enumerate(found))


def _matrix(rows: Any, where: str, name: str, like: Tensor | None = None) -> Tensor:
    """Return rows as a floating tensor of shape (N, D) with finite entries."""
    if isinstance(rows, Tensor):
        tensor = rows
    else:
        # Read-only arrays, as embedding sets hold, are copied: a tensor could be written through.
        array = np.array(rows)
        # bfloat16 is no type of numpy's own, and torch does not take it from there.
        tensor = torch.from_numpy(array.astype(np.float32) if array.dtype.name == "bfloat16" else array)
    tensor = tensor if tensor.is_floating_point() else tensor.to(torch.get_default_dtype())
    if tensor.ndim != 2:
        raise InputError(f"{name} of shape {tuple(tensor.shape)}", where=where, allowed="rows by columns, (N, D)")
    # A sum is finite only if all its terms are; only where it is not are they looked at one by one.
    if not bool(tensor.detach().sum().isfinite()) and not bool(torch.isfinite(tensor).all()):
        bad = int((~torch.isfinite(tensor)).any(dim=1).sum())
        raise InputError(
            f"{bad} of {len(tensor)} rows of {name} hold NaN or infinity", where=where, allowed="finite numbers",
            remedy="leave those rows out",
        )  # fmt: skip
    return tensor if like is None else tensor.to(like)


def _unit(rows: Tensor, where: str, name: str) -> Tensor:
    norms = torch.linalg.vector_norm(rows, dim=1, keepdim=True, dtype=working_type(rows))
    if bool((norms == 0).any()):
        raise InputError(
            f"{int((norms == 0).sum())} of {len(rows)} rows of {name} are zero and have no direction", where=where,
            allowed="rows that can be brought to length 1", remedy="leave those rows out",
        )  # fmt: skip
    unit: Tensor = rows / norms
    return unit


def _whole_numbers(labels: Any, where: str) -> Tensor:
    """Return labels as int64, numbering what is not a whole number already."""
    if isinstance(labels, Tensor) and not labels.is_floating_point():
        return labels.to(torch.int64)
    array = labels.numpy(force=True) if isinstance(labels, Tensor) else np.asarray(labels)
    if array.ndim != 1:
        raise InputError(f"labels of shape {array.shape}", where=where, allowed="one label a sample, shape (N,)")
    if array.dtype.kind in "iub":
        return torch.from_numpy(array.astype(np.int64))
    if array.dtype.kind == "f" and bool(np.isnan(array).any()):
        raise InputError(f"{int(np.isnan(array).sum())} labels are NaN", where=where, remedy="leave those rows out")
    return torch.from_numpy(np.unique(array, return_inverse=True)[1].astype(np.int64))


def _labels_of(embeddings: EmbeddingSet, needed: bool) -> NDArray[np.int64] | None:
    """Return the numbered labels of the first view; None where there are none, or, unless needed, not all are known."""
    found = embeddings.codes("label")
    if found is None:
        return None
    codes = found[0][0]
    unknown = int((codes < 0).sum())
    if unknown and needed:
        raise InputError(
            f"{unknown} of {len(codes)} samples have no label", where=embeddings.name,
            remedy="select the samples that have one",
        )  # fmt: skip
    return None if unknown else codes
