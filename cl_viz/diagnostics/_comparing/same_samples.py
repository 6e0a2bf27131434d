"""Whether two runs embed the same samples, so that their numbers are compared sample by sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import MissingInputError
from cl_viz.diagnostics._geometry.sample_match import match_samples


@dataclass(frozen=True)
class Pairing:
    """What is known of the samples of two runs.

    Attributes
    ----------
    same : bool
        Whether row i is the same sample in both, and usable in both or in neither.
    reason : str
        What says so, or why they are not.
    """

    same: bool
    reason: str


def pairing(reference: EmbeddingSet, other: EmbeddingSet, names: tuple[str, str]) -> Pairing:
    """Return whether two sets hold the same samples in the same order; `names` is what the runs are called."""
    try:
        match = match_samples((reference, other), names)
    except MissingInputError as error:
        return Pairing(False, error.what)
    if reference.aligned != other.aligned or len(reference.view_names) != len(other.view_names):
        return Pairing(False, "the runs differ in their views")
    for first, second in match.views:
        if not np.array_equal(reference.usable_rows[first], other.usable_rows[second]):
            return Pairing(False, f"other rows of {first} are NaN, infinite or zero")
    return Pairing(True, match.evidence)
