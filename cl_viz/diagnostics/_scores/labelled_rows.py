"""The rows of a set that have a label, as a set of their own.

Of a row without a label it is unknown which of its negatives are false, and of each pair with it whether it is one.
What is said of labels is said of the other rows, among each other: counted as one more class, or as different from
every other, those without a label would make false negatives seem rarer than they are.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import MissingInputError
from cl_viz.engine.inputs import SetInputs
from cl_viz.engine.pair_sketch import KNOWN_LABELS, PairRoles, Relation

MORE_LABELS = "add labels of more samples"


def labelled_inputs(inputs: SetInputs) -> SetInputs | None:
    """Return the labelled rows; the inputs themselves where every row is, and None where too few are.

    Looking at them is a pass over their pairs.
    """
    pairs = inputs.statistics.pairs
    if not pairs.has(*KNOWN_LABELS):
        return None
    if not pairs.has(Relation.UNKNOWN_LABEL):
        return inputs
    found = inputs.remember("labelled rows", lambda: labelled_rows(inputs.embedding_set))
    return None if found is None else replace(inputs, embedding_set=found)


def telling_inputs(inputs: SetInputs, roles: PairRoles) -> SetInputs:
    """Return the labelled rows, which tell the false negatives; the inputs themselves where every row has a label.

    Raises
    ------
    MissingInputError
        If they cannot tell which negatives are false.
    """
    inputs.statistics.pairs.false_negatives(roles)
    found = labelled_inputs(inputs)
    if found is None:
        raise MissingInputError("too few rows have a label", where=inputs.run, remedy=MORE_LABELS)
    return found


def labelled_rows(embedding_set: EmbeddingSet) -> EmbeddingSet | None:
    """Return the usable rows that have a label, in an aligned set in every view; None below two in any view."""
    codes = embedding_set.codes("label")
    assert codes is not None
    names = embedding_set.view_names
    has = {view: (code >= 0) & embedding_set.usable_rows[view] for view, code in zip(names, codes[0], strict=True)}
    if embedding_set.aligned:
        everywhere: NDArray[np.bool_] = np.logical_and.reduce(list(has.values()))
        has = dict.fromkeys(names, everywhere)
    if min(int(own.sum()) for own in has.values()) < 2:
        return None
    if embedding_set.aligned:
        return embedding_set.select(rows=has[names[0]])
    return EmbeddingSet.from_arrays(
        {view: embedding_set.views[view][own] for view, own in has.items()},
        metadata={
            view: {name: column[own] for name, column in embedding_set.columns(view).items()}
            for view, own in has.items()
        },
        roles=embedding_set.roles,
        pairs=_pairs_left(embedding_set.pairs, [has[view] for view in names]),
        name=embedding_set.name,
        source=embedding_set.source,
    )


def labelled_count(embedding_set: EmbeddingSet) -> int:
    """Return how many rows of all views have a label, for the estimate of a second pass; 0 where there is none, since
    every row has one, or too few have.
    """
    codes = embedding_set.codes("label")
    if codes is None:
        return 0
    counts = [int((code >= 0).sum()) for code in codes[0]]
    return 0 if min(counts) < 2 or sum(counts) == sum(embedding_set.sizes) else sum(counts)


def _pairs_left(pairs: NDArray[np.int64] | None, has: list[NDArray[np.bool_]]) -> NDArray[np.int64] | None:
    """Return the pairs of two labelled rows, with the numbers that these have among themselves."""
    if pairs is None:
        return None
    left = pairs[has[0][pairs[:, 0]] & has[1][pairs[:, 1]]]
    return np.stack([np.cumsum(own)[column] - 1 for own, column in zip(has, left.T, strict=True)], axis=1)


def note_on_labels(inputs: SetInputs, labelled: SetInputs) -> tuple[str, ...]:
    """Return how many rows what is said of labels goes over, where that is not all of them."""
    if labelled is inputs:
        return ()
    n_used = labelled.statistics.n_used
    return (
        f"false negatives: among the {n_used:,} of {inputs.statistics.n_used:,} samples that have a label, in a "
        "second pass over their pairs, as if the others were not there",
    )
