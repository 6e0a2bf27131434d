"""Which columns of a set are features: few values, of enough samples each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.diagnostics._groups.probes import Codes, classes_of_size

LEAST = 8
"""Samples of the rarest value that is judged: two of them are held out."""
MOST_VALUES = 50
_NOT_FEATURES = ("id", "text", "image")


@dataclass(frozen=True)
class Feature:
    """One column with few values.

    Attributes
    ----------
    name : str
    rows, codes : NDArray[np.int64], shape (n,)
        Rows of the view whose value occurs often enough, and their values.
    values : tuple of str
    """

    name: str
    rows: Codes
    codes: Codes
    values: tuple[str, ...]


def features(embedding_set: EmbeddingSet, view: str) -> list[Feature]:
    """Return the columns of a view that have 2 to 50 values of enough samples each; a column of equal values once."""
    usable, place = np.flatnonzero(embedding_set.usable_rows[view]), embedding_set.view_names.index(view)
    skipped = {embedding_set.roles.get(role) for role in _NOT_FEATURES}  # type: ignore[call-overload]
    found: list[Feature] = []
    seen: set[bytes] = set()
    for name, column in embedding_set.columns(view).items():
        if name in skipped or len(column) == 0:
            continue
        numbered = embedding_set.with_roles(group=name).codes("group")
        assert numbered is not None
        codes, values = numbered[0][place][usable], numbered[1]
        kept = classes_of_size(codes, LEAST)
        present = np.unique(codes[kept])
        if not 2 <= len(present) <= MOST_VALUES or len(values) > 2 * MOST_VALUES:
            continue
        # The same partition under other names is the same feature.
        _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
        key = np.argsort(np.argsort(first))[inverse].tobytes()
        if key not in seen:
            seen.add(key)
            found.append(Feature(name, usable[kept], codes[kept], values))
    return found
