"""The nearest neighbours that have a vote: where most rows lack a label, few of those listed for all rows have one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cl_viz.engine.inputs import SetInputs
from cl_viz.engine.neighbors import Neighbors


def labelled_neighbors(inputs: SetInputs, view: str) -> Neighbors:
    """Return the nearest neighbours of the rows of a view that have a label, among these rows.

    Where some have none, the labelled rows are looked at among each other: a pass over their pairs. Fewer than two stay
    in the lists of all rows.

    Parameters
    ----------
    inputs : SetInputs
        With labels.
    view : str
    """
    embedding_set = inputs.embedding_set
    codes = embedding_set.codes("label")
    assert codes is not None
    usable = embedding_set.usable_rows[view]
    labelled = usable & (codes[0][embedding_set.view_names.index(view)] >= 0)
    rows = np.flatnonzero(labelled)
    if len(rows) == usable.sum() or len(rows) < 2:
        return inputs.neighbors[view, view]

    def make() -> Neighbors:
        alone = embedding_set.select(views=[view], rows=rows)
        found = inputs.scanner.neighbors(alone, inputs.progress)[view, view]
        return replace(found, rows=rows[found.rows], indices=rows[found.indices])

    return inputs.remember(("labelled neighbours", view), make)
