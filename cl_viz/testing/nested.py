"""Classes with subclasses, and features of which some are there and some are not."""

from __future__ import annotations

import numpy as np

from cl_viz.core.embedding_set import EmbeddingSet


def nested_classes(
    n: int, dim: int, classes: int, subclasses: int, apart: float, spread: float = 0.3, seed: int = 0
) -> EmbeddingSet:
    """One view of samples around subclass centres, which lie around class centres.

    Parameters
    ----------
    n, dim : int
        `dim` at least ``classes * (1 + subclasses)``.
    classes, subclasses : int
        Subclasses of each class; all of one size.
    apart : float
        Distance of a subclass centre from its class centre, in units of the class centre's length; 0 is class
        collapse.
    spread : float
        Standard deviation of the noise of a sample, over all dimensions.
    seed : int

    Returns
    -------
    EmbeddingSet
        View ``view_1`` with roles ``label`` and ``subclass``. Centres lie along coordinate axes; before the rows are
        normalised the variance between subclasses over that between classes is
        ``apart ** 2 * (1 - 1 / subclasses) / ((1 - 1 / classes) * (1 + apart ** 2 / subclasses))``.
    """
    generator = np.random.default_rng(seed)
    sub = np.arange(n) % (classes * subclasses)
    label = sub // subclasses
    rows = np.eye(dim)[label] + apart * np.eye(dim)[classes + sub]
    rows += spread * generator.normal(size=(n, dim)) / np.sqrt(dim)
    return EmbeddingSet.from_arrays(rows, label=label, subclass=sub, name="nested classes")


def suppressed_feature(n: int, dim: int, seed: int = 0) -> EmbeddingSet:
    """One view that holds a colour and nothing of the label.

    Parameters
    ----------
    n, dim : int
        `dim` at least 4.
    seed : int

    Returns
    -------
    EmbeddingSet
        View ``view_1``; ``label`` (3 values) is independent of the rows, ``colour`` (4 values) sets their direction.
    """
    generator = np.random.default_rng(seed)
    colour, label = np.arange(n) % 4, generator.permutation(np.arange(n) % 3)
    rows = np.eye(dim)[colour] + 0.3 * generator.normal(size=(n, dim)) / np.sqrt(dim)
    metadata = {"digit": label, "colour": np.array(["red", "green", "blue", "black"])[colour]}
    return EmbeddingSet.from_arrays(rows, metadata=metadata, roles={"label": "digit"}, name="suppressed feature")
