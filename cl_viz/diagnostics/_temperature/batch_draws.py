"""Batches drawn from a set: what an anchor's negatives add up to in a batch of any size.

Some anchors are scored against a pool of other samples, all views of each. Every anchor goes through the pool in an
order of its own, cut into batches one after another, so that one matrix of scores serves all batch sizes and
temperatures, and the views of a sample are in the batch together, as in training.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import MissingInputError

Values = NDArray[np.float64]
ANCHORS = 128
"""Samples that are anchors."""
POOL = 4096
"""Largest batch that is drawn."""
SEED = 0


@dataclass(frozen=True)
class BatchDraws:
    """Scores of some anchors with the samples of a pool.

    Attributes
    ----------
    scores : NDArray[np.float32], shape (A, K, C)
        Of each anchor (of every view) with K views of its C companions, in its own order; largest score taken off.
    largest : NDArray[np.float64], shape (A,)
        What was taken off.
    positives : NDArray[np.float64], shape (A, P)
        Score of the anchor with its sample in each other view.
    n_samples : int
        Samples of the set that have every view.
    """

    scores: NDArray[np.float32]
    largest: Values
    positives: Values
    n_samples: int

    @property
    def most(self) -> int:
        """Largest batch that can be drawn: the anchor's sample and its companions."""
        return int(self.scores.shape[2]) + 1

    def npc_multiplier(self, temperature: float, batch_sizes: list[int]) -> list[Values]:
        """Return 1 - P of every positive in every batch, one array for each batch size (2 to `most`)."""
        mass = np.exp(self.scores / np.float32(temperature)).sum(axis=1, dtype=np.float64)
        found = []
        for size in batch_sizes:
            n_batches = mass.shape[1] // (size - 1)
            sums = mass[:, : n_batches * (size - 1)].reshape(len(mass), n_batches, size - 1).sum(axis=2)
            with np.errstate(divide="ignore"):
                log_sum = np.log(sums) + (self.largest / temperature)[:, None]
            margin = log_sum[:, :, None] - self.positives[:, None, :] / temperature
            found.append(np.exp(-np.logaddexp(0.0, -margin)).ravel())
        return found


def draw_batches(embedding_set: EmbeddingSet, within_views: bool, seed: int = SEED) -> BatchDraws:
    """Score `ANCHORS` samples against a pool of up to `POOL` others.

    Parameters
    ----------
    embedding_set : EmbeddingSet
        Of two or more views; where they are not aligned, the first two, each sample with one partner.
    within_views : bool
        Whether the anchor's own view holds negatives too.
    seed : int

    Raises
    ------
    MissingInputError
        With one view, or where fewer than two samples have every view.
    """
    views, rows = _samples(embedding_set, seed)
    if len(rows[0]) < 2:
        raise MissingInputError(
            f"{len(rows[0])} sample{' has' if len(rows[0]) == 1 else 's have'} both views",
            where=embedding_set.name,
            remedy="add samples in both views",
        )
    generator = np.random.default_rng(seed)
    pool = generator.permutation(len(rows[0]))[:POOL]
    units = [_unit_rows(embedding_set, view, part[pool]) for view, part in zip(views, rows, strict=True)]
    n_pool, n_anchors = len(pool), min(ANCHORS, len(pool))
    # Companions of anchor i: those after it in the drawn order, going round.
    others = (np.arange(n_anchors)[:, None] + np.arange(1, n_pool)[None]) % n_pool
    scores, positives = [], []
    for place, own in enumerate(units):
        seen = [part[:n_anchors] @ other.T for part, other in ((own, unit) for unit in units)]
        chosen = [index for index in range(len(units)) if within_views or index != place]
        scores.append(np.stack([np.take_along_axis(seen[index], others, axis=1) for index in chosen], axis=1))
        own_sample = [seen[index].diagonal() for index in range(len(units)) if index != place]
        positives.append(np.stack(own_sample, axis=1))
    joined = np.concatenate(scores)
    largest = joined.max(axis=(1, 2))
    shifted = (joined - largest[:, None, None]).astype(np.float32)
    return BatchDraws(shifted, largest, np.concatenate(positives), len(rows[0]))


def _samples(embedding_set: EmbeddingSet, seed: int) -> tuple[list[str], list[NDArray[np.int64]]]:
    """Return views, and the rows of each sample in each of them; only usable rows, each at most once."""
    names = list(embedding_set.view_names)
    if len(names) < 2:
        raise MissingInputError(
            "a positive is a second view of the sample, and there is one view",
            where=embedding_set.name,
            remedy="add a second view of the samples (Data page)",
        )
    usable = embedding_set.usable_rows
    if embedding_set.aligned:
        rows = np.flatnonzero(usable[names[0]])
        return names, [rows] * len(names)
    first, second = names[:2]
    links = embedding_set.links(first, second)
    links = links[usable[first][links[:, 0]] & usable[second][links[:, 1]]]
    # One partner each, drawn, as a batch of images with one caption each has it.
    links = links[np.random.default_rng(seed).permutation(len(links))]
    for column in (0, 1):
        links = links[np.sort(np.unique(links[:, column], return_index=True)[1])]
    return [first, second], [links[:, 0], links[:, 1]]


def _unit_rows(embedding_set: EmbeddingSet, view: str, rows: NDArray[np.int64]) -> Values:
    found = np.asarray(embedding_set.views[view][rows], dtype=np.float64)
    found /= embedding_set.quality[view].norms[rows][:, None]
    return found
