"""Rows that a gradient flow or a look at forces begins from: a sample of someone's embeddings, or a named start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError, MissingInputError
from cl_viz.core.specs import LossInputs, LossSpec
from cl_viz.losses import losses, missing_inputs

QUEUE_ROWS = 512
"""Rows held aside as a queue, where there are so many."""

STARTS: Mapping[str, str] = MappingProxyType(
    {
        "random": "Spread at random",
        "clusters": "One cluster a class",
        "mixed_clusters": "Clusters that mix the classes",
        "cone": "All within a narrow cone",
        "one_point": "One point, with a little noise",
        "two_points": "Two opposite points, with a little noise",
        "equally_spaced": "Equally spaced",
    }
)
"""Name -> label of each named start."""


@dataclass(frozen=True, eq=False)
class FlowStart:
    """Views of N samples, and what losses may need beside them.

    Attributes
    ----------
    name : str
        Shown to people.
    views : tuple of NDArray[np.float32], each of shape (N, D)
        Raw rows; losses of unit rows see them normalised.
    labels : NDArray[np.int64] or None, shape (N,)
    label_names : tuple of str
        Name of each label; empty without labels.
    queue : NDArray[np.float32] or None, shape (Q, D)
        Explicit negatives: rows of other samples.
    queue_labels : NDArray[np.int64] or None, shape (Q,)
    prototypes : NDArray[np.float32] or None, shape (K, D)
        Class means (label k is row k), or given directions.
    rows : NDArray[np.int64] or None, shape (N,)
        Rows of the first view of the set the sample was drawn from.
    """

    name: str
    views: tuple[NDArray[np.float32], ...]
    labels: NDArray[np.int64] | None = None
    label_names: tuple[str, ...] = ()
    queue: NDArray[np.float32] | None = None
    queue_labels: NDArray[np.int64] | None = None
    prototypes: NDArray[np.float32] | None = None
    rows: NDArray[np.int64] | None = None

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.views[0])

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return int(self.views[0].shape[1])

    @property
    def n_views(self) -> int:
        """Number of views."""
        return len(self.views)

    def missing(self, loss: str) -> tuple[str, ...]:
        """Return what a loss needs that is not here, in words; empty where it can be computed."""
        return missing_inputs(
            loss, views=self.n_views, labels=self.labels is not None, queue=self.queue is not None,
            prototypes=self.prototypes is not None,
        )  # fmt: skip

    def spec_of(self, loss: str) -> LossSpec:
        """Return the entry of a loss.

        Raises
        ------
        MissingInputError
            If something it needs is not here.
        InputError
            On an unknown loss.
        """
        missing = self.missing(loss)
        if missing:
            raise MissingInputError(
                f"{' and '.join(missing)} missing", where=loss, remedy=f"add {' and '.join(missing)} to {self.name}"
            )
        return losses()[loss]

    def inputs(self, spec: LossSpec, views: tuple[Tensor, ...], rows: NDArray[np.int64] | None = None) -> LossInputs:
        """Return what a loss is given beside `views`, of some samples where `rows` names them."""
        like = views[0]
        labels = None
        if self.labels is not None:
            labels = torch.from_numpy(self.labels if rows is None else self.labels[rows])
        extras: dict[str, Tensor | None] = {"queue": None, "prototypes": None}
        for name, matrix in (("queue", self.queue), ("prototypes", self.prototypes)):
            if name in spec.needs and matrix is not None:
                extras[name] = unit_rows(torch.from_numpy(matrix).to(like)) if spec.rows == "unit" else (
                    torch.from_numpy(matrix).to(like)
                )  # fmt: skip
        return LossInputs(views=views, labels=labels, queue=extras["queue"], prototypes=extras["prototypes"])


def unit_rows(rows: Tensor) -> Tensor:
    """Return rows brought to length 1; a row of length 0 stays."""
    return torch.nn.functional.normalize(rows, dim=-1, eps=torch.finfo(rows.dtype).tiny)


def start_from(embedding_set: EmbeddingSet, *, n: int = 512, seed: int = 0) -> FlowStart:
    """Draw samples of an embedding set, without replacement.

    Rows that cannot be used (zero, NaN, infinite) are left out, and samples without a label where others have one. Up
    to 512 further samples become the queue, and class means of the drawn first view the prototypes.

    Parameters
    ----------
    embedding_set : EmbeddingSet
        With several views these must be aligned, or the first two joined by pairs or ids.
    n : int
        Number of samples; all where there are fewer.
    seed : int

    Raises
    ------
    InputError
        If fewer than two samples can be used, or views cannot be matched.
    """
    rows = _matched_rows(embedding_set)
    found = embedding_set.codes("label")
    names = embedding_set.view_names[: rows.shape[1]]
    usable = np.logical_and.reduce([embedding_set.usable_rows[name][rows[:, v]] for v, name in enumerate(names)])
    codes = None
    if found is not None and (found[0][0] >= 0).any():
        codes = found[0][0][rows[:, 0]]
        usable &= codes >= 0
    candidates = np.flatnonzero(usable)
    if len(candidates) < 2 or n < 2:
        raise InputError(
            f"{min(len(candidates), n)} samples of {embedding_set.name} to start from", where="start_from",
            allowed="at least 2 samples with finite rows that are not zero",
        )  # fmt: skip
    order = np.random.default_rng(seed).permutation(candidates)
    chosen, aside = np.sort(order[:n]), order[n : n + QUEUE_ROWS]
    arrays = [np.asarray(embedding_set.views[name]) for name in names]
    views = tuple(_single(array[rows[chosen, v]]) for v, array in enumerate(arrays))
    labels = label_names = queue_labels = prototypes = None
    if codes is not None and found is not None:
        present, labels = np.unique(codes[chosen], return_inverse=True)
        labels = labels.astype(np.int64)
        label_names = tuple(found[1][code] for code in present)
        number = np.full(len(found[1]), -1, dtype=np.int64)
        number[present] = np.arange(len(present))
        queue_labels = number[codes[aside]]
        prototypes = np.stack([views[0][labels == k].mean(axis=0) for k in range(len(present))])
    return FlowStart(
        name=f"{len(chosen):,} of {len(candidates):,} samples of {embedding_set.name}", views=views, labels=labels,
        label_names=label_names or (), queue=_single(arrays[-1][rows[aside, -1]]) if len(aside) else None,
        queue_labels=queue_labels if len(aside) else None, prototypes=prototypes, rows=rows[chosen, 0],
    )  # fmt: skip


def named_start(
    name: str,
    *,
    n: int = 64,
    dim: int = 2,
    n_views: int = 2,
    n_classes: int = 4,
    view_noise: float = 0.2,
    seed: int = 0,
) -> FlowStart:
    """Return a start on the circle or the sphere, for looking at a loss by itself.

    Parameters
    ----------
    name : str
        One of `STARTS`.
    n : int
        Number of samples.
    dim : {2, 3}
        2 for the circle, 3 for the sphere.
    n_views : int
        Views beyond the first are the first with Gaussian noise.
    n_classes : int
        Classes of about equal size.
    view_noise : float
        Standard deviation of that noise in each coordinate, before rows are brought back to length 1.
    seed : int

    Raises
    ------
    InputError
        On an unknown name, or numbers out of range.
    """
    if name not in STARTS:
        raise InputError(f"no start {name!r}", where="named_start", allowed=", ".join(STARTS))
    if dim not in (2, 3) or not 2 <= n_classes <= n or not 1 <= n_views <= 8 or not 0 <= view_noise <= 10:
        raise InputError(
            f"dim {dim}, {n} samples, {n_classes} classes, {n_views} views, noise {view_noise}", where="named_start",
            allowed="dim 2 or 3; 2 to n classes; 1 to 8 views; noise 0 to 10",
        )  # fmt: skip
    generator = np.random.default_rng(seed)
    labels = np.arange(n) * n_classes // n
    points = _placed(name, labels, dim, n_classes, generator)
    noisy = [points + view_noise * generator.normal(size=points.shape) for _ in range(n_views - 1)]
    queue = generator.normal(size=(64, dim))
    return FlowStart(
        name=f"{STARTS[name]}, {n} samples on the {'circle' if dim == 2 else 'sphere'}",
        views=tuple(_on_sphere(view) for view in (points, *noisy)), labels=labels.astype(np.int64),
        label_names=tuple(f"class {k + 1}" for k in range(n_classes)), queue=_on_sphere(queue),
        prototypes=_on_sphere(_spaced(n_classes, dim)),
    )  # fmt: skip


def _placed(
    name: str, labels: NDArray[np.int64], dim: int, n_classes: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Return where the samples of the first view begin, before they are brought to length 1, shape (n, dim)."""
    n, pole = len(labels), np.eye(dim)[0]
    noise: NDArray[np.float64] = generator.normal(size=(n, dim))
    centers, spread = {
        "random": (np.zeros((n, dim)), 1.0),
        "clusters": (_spaced(n_classes, dim)[labels], 0.15),
        "mixed_clusters": (_spaced(n_classes, dim)[generator.integers(0, n_classes, n)], 0.15),
        "cone": (pole, 0.4),
        "one_point": (pole, 0.01),
        "two_points": (pole * np.where(labels % 2 == 0, 1.0, -1.0)[:, None], 0.01),
        "equally_spaced": (_spaced(n, dim), 0.0),
    }[name]
    placed: NDArray[np.float64] = centers + spread * noise
    return placed


def _spaced(count: int, dim: int) -> NDArray[np.float64]:
    """Return points equally spaced on the circle, or along a Fibonacci spiral on the sphere, shape (count, dim)."""
    if dim == 2:
        angle = 2 * np.pi * np.arange(count) / count
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)
    height = 1 - (2 * np.arange(count) + 1) / count
    angle = np.pi * (1 + np.sqrt(5)) * np.arange(count)
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)


def _matched_rows(embedding_set: EmbeddingSet) -> NDArray[np.int64]:
    """Return the rows of each view that are one sample, shape (M, V); the first two views where they are not aligned.

    A row of the first view that is linked to several of the second is taken once, with the first of them.
    """
    names = embedding_set.view_names
    if embedding_set.aligned:
        return np.repeat(np.arange(embedding_set.n)[:, None], len(names), axis=1)
    links = embedding_set.links(names[0], names[1])
    if not len(links):
        raise InputError(
            f"the views of {embedding_set.name} share no samples", where="start_from", remedy="give ids or pairs"
        )
    for side in (0, 1):
        links = links[np.unique(links[:, side], return_index=True)[1]]
    return links


def _single(rows: NDArray[np.generic]) -> NDArray[np.float32]:
    return np.ascontiguousarray(rows, dtype=np.float32)


def _on_sphere(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    return _single(rows / np.linalg.norm(rows, axis=1, keepdims=True))
