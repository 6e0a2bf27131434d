"""Samples on the circle: sets and figures of lessons that show single pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.view import Axis, Heatmap, Meaning, Scatter, Series

ACROSS, UPWARDS = Axis("First coordinate", "", (-1.35, 1.35)), Axis("Second coordinate", "", (-1.35, 1.35))


def on_circle(degrees: NDArray[np.floating] | Sequence[float]) -> NDArray[np.float64]:
    """Return unit rows at these angles, shape (n, 2)."""
    radians = np.radians(np.asarray(degrees, dtype=np.float64))
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def turned_views(degrees: Sequence[float], turn: float, name: str) -> EmbeddingSet:
    """Return two views of samples on the circle, the second turned by `turn` degrees."""
    angles = np.asarray(degrees, dtype=np.float64)
    return EmbeddingSet.from_arrays({"view_1": on_circle(angles), "view_2": on_circle(angles + turn)}, name=name)


def named_points(title: str, points: Sequence[tuple[str, float, Meaning]]) -> Scatter:
    """Return points on the circle with their names.

    Parameters
    ----------
    title : str
    points : sequence of (name, degrees, meaning)
    """
    rows = on_circle([degrees for _, degrees, _ in points])
    series = [Series(name, row[:1], row[1:], meaning) for (name, _, meaning), row in zip(points, rows, strict=True)]
    return Scatter(title, ACROSS, UPWARDS, (*series, circle()), equal=True, named=True)


def circle() -> Series:
    """Return the outline of the unit circle."""
    outline = on_circle(np.linspace(0, 360, 121))
    return Series("outline", outline[:, 0], outline[:, 1], "reference")


def pair_roles(samples: int) -> Heatmap:
    """Return which role every pair of rows of a batch has: 1 positive, -1 negative, empty with itself."""
    names = tuple(f"{chr(ord('A') + sample)}{view}" for sample in range(samples) for view in (1, 2))
    owner = np.repeat(np.arange(samples), 2)
    roles = np.where(owner[:, None] == owner, 1.0, -1.0)
    np.fill_diagonal(roles, np.nan)
    negatives = int((roles[0] == -1).sum())
    return Heatmap(
        f"1 positive and {negatives} negatives in each row ({samples} samples, 2 views)", Axis("Candidate"),
        Axis("Anchor"), roles, names, names, Axis("1 positive, -1 negative", "", (-1.0, 1.0)), centre=0.0,
    )  # fmt: skip
