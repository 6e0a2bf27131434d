"""What an embedding set must be: matrices of one D, columns that fit their rows, and something that links the views."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cl_viz.core._columns import ROLES
from cl_viz.core.errors import InputError
from cl_viz.core.validation import check_matrix

if TYPE_CHECKING:
    from cl_viz.core.embedding_set import EmbeddingSet


def check_set(candidate: EmbeddingSet) -> None:
    """Raise `InputError` unless views, columns, roles and pairs fit together."""
    if not candidate.views:
        raise InputError("no views", where=candidate.name, allowed="one or more (N, D) arrays")
    for view, array in candidate.views.items():
        check_matrix(array, where=f"{candidate.name}, view {view!r}")
    dimensions = {view: array.shape[1] for view, array in candidate.views.items()}
    if len(set(dimensions.values())) > 1:
        raise InputError(
            f"views differ in D: {dimensions}",
            where=candidate.name,
            allowed="views of one space, with equal D",
            remedy="name the views to load together (views=...); layers of different width are separate sets",
        )
    _check_columns(candidate)
    _check_pairing(candidate)


def _check_columns(candidate: EmbeddingSet) -> None:
    for view, size in zip(candidate.view_names, candidate.sizes, strict=True):
        for column, values in candidate.columns(view).items():
            if values.ndim != 1 or len(values) != size:
                raise InputError(
                    f"column {column!r} has shape {values.shape}, view {view!r} has {size} rows",
                    where=candidate.name,
                    allowed=f"one entry per row: shape ({size},)",
                    remedy="check that labels and embeddings come from the same, unshuffled pass",
                )
    available = sorted({column for view in candidate.view_names for column in candidate.columns(view)})
    for role, column in candidate.roles.items():
        if role not in ROLES:
            raise InputError(f"unknown role {role!r}", where=candidate.name, allowed=", ".join(ROLES))
        if column not in available:
            raise InputError(
                f"no column {column!r} for the role {role!r}",
                where=candidate.name,
                allowed=", ".join(available) or "no columns in this set",
            )


def _check_pairing(candidate: EmbeddingSet) -> None:
    pairs, sizes = candidate.pairs, candidate.sizes
    if pairs is not None:
        if len(sizes) != 2 or pairs.ndim != 2 or pairs.shape[1] != 2 or not len(pairs):
            raise InputError(
                f"pairs have shape {pairs.shape} for {len(sizes)} view{'' if len(sizes) == 1 else 's'}",
                where=candidate.name,
                allowed="shape (P, 2), P >= 1, for exactly two views: row of the first, row of the second",
            )
        if pairs.min() < 0 or (pairs >= np.array(sizes)).any():
            raise InputError(
                f"a pair names a row outside the views ({sizes[0]} and {sizes[1]} rows)",
                where=candidate.name,
                allowed=f"rows 0..{sizes[0] - 1} and 0..{sizes[1] - 1}",
            )
        if len(np.unique(pairs, axis=0)) != len(pairs):
            raise InputError("a pair is listed twice", where=candidate.name, remedy="remove the repeated rows")
    elif len(set(sizes)) > 1 and "id" not in candidate.roles:
        raise InputError(
            f"views have different numbers of rows: {dict(zip(candidate.view_names, sizes, strict=True))}",
            where=candidate.name,
            allowed="equal N, or an id column in every view, or a pairs file",
            remedy="pass id=COLUMN or pairs=FILE (two columns: row of the first view, row of the second)",
        )
