"""Scores of positives and negatives when features are transformed or mixed before the loss sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import MissingInputError

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Queries:
    """Anchors with their positives, and a queue of other samples' keys; unit rows.

    Attributes
    ----------
    queries, keys : NDArray[np.float64], shape (A, D)
        Rows of the first and of the second view.
    queue : NDArray[np.float64], shape (Q, D)
        Rows of the second view that are no anchor's positive.
    rows : NDArray[np.int64], shape (A,)
        Row of each query in the first view.
    same_label : NDArray[np.float64], shape (A, Q), or None
        1 where a queue item has the anchor's label, 0 where it has another, NaN where either has none. None where
        that is known of no item.
    n_excluded : int
        Rows of the first view that cannot be used.
    """

    queries: Floats
    keys: Floats
    queue: Floats
    rows: NDArray[np.int64]
    same_label: Floats | None
    n_excluded: int

    @classmethod
    def draw(cls, embedding_set: EmbeddingSet, anchors: int, queue: int, seed: int) -> Queries:
        """Draw anchors and a queue that share no sample.

        Parameters
        ----------
        embedding_set : EmbeddingSet
        anchors, queue : int
            Most rows of each; at most half of the positives become anchors, so that a queue is left.
        seed : int

        Raises
        ------
        MissingInputError
            With one view, without positives, or where every key is some anchor's positive.
        """
        names = embedding_set.view_names
        if len(names) < 2:
            raise MissingInputError("there is one view", where=embedding_set.name, remedy="add a second view")
        first, second = names[:2]
        usable = embedding_set.usable_rows
        links = embedding_set.links(first, second)
        links = links[usable[first][links[:, 0]] & usable[second][links[:, 1]]]
        generator = np.random.default_rng(seed)
        links = links[generator.permutation(len(links))]
        links = links[np.sort(np.unique(links[:, 0], return_index=True)[1])]  # one positive a query
        chosen = links[: min(anchors, max(1, len(links) // 2))]
        left = usable[second].copy()
        every = embedding_set.links(first, second)
        left[every[np.isin(every[:, 0], chosen[:, 0]), 1]] = False
        others = generator.permutation(np.flatnonzero(left))[:queue]
        if not len(chosen) or not len(others):
            raise MissingInputError(
                "no positive pair and no queue are left", where=embedding_set.name,
                remedy="say which rows of the two views belong together, and give more samples",
            )  # fmt: skip
        labels = embedding_set.codes("label")
        same = None
        if labels is not None:
            own, theirs = labels[0][0][chosen[:, 0]], labels[0][1][others]
            known = (own[:, None] >= 0) & (theirs[None, :] >= 0)
            if known.any():
                same = np.where(known, own[:, None] == theirs[None, :], np.nan)
        return cls(
            queries=_unit(embedding_set.views[first][chosen[:, 0]]),
            keys=_unit(embedding_set.views[second][chosen[:, 1]]),
            queue=_unit(embedding_set.views[second][others]),
            rows=chosen[:, 0],
            same_label=same,
            n_excluded=int((~usable[first]).sum()),
        )


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of each anchor with its positive and with its negatives.

    Attributes
    ----------
    positive : NDArray, shape (A,)
    negatives : NDArray, shape (A, Q + M)
        Queue items, then mixtures.
    n_mixed : int
        M, mixtures of each anchor.
    """

    positive: Floats
    negatives: Floats
    n_mixed: int = 0

    @property
    def mixed(self) -> Floats:
        """Scores of the mixtures, shape (A, M)."""
        return self.negatives[:, self.negatives.shape[1] - self.n_mixed :]

    def push(self, temperature: float) -> Floats:
        """Share of an anchor's repulsion on each of its negatives, shape (A, Q + M); rows sum to 1."""
        scaled = self.negatives / temperature
        weights = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        shares: Floats = weights / weights.sum(axis=1, keepdims=True)
        return shares

    def loss(self, temperature: float) -> Floats:
        """InfoNCE of each anchor, shape (A,)."""
        scaled = np.concatenate([self.positive[:, None], self.negatives], axis=1) / temperature
        largest = scaled.max(axis=1)
        values: Floats = np.log(np.exp(scaled - largest[:, None]).sum(axis=1)) + largest - scaled[:, 0]
        return values


def plain_scores(sample: Queries) -> Scores:
    """Return the scores as they are."""
    positive = np.clip((sample.queries * sample.keys).sum(axis=1), -1.0, 1.0)
    return Scores(positive, np.clip(sample.queries @ sample.queue.T, -1.0, 1.0))


def transformed_positives(sample: Queries, share: Floats, *, normalise: bool) -> tuple[Floats, Floats]:
    """Return queries and keys, each pair moved along its own line.

    Parameters
    ----------
    sample : Queries
    share : NDArray
        Coefficient of a row's own feature, of a shape that broadcasts to (A, D): above 1 the two move apart, below 1
        towards each other.
    normalise : bool
        Bring both back to the sphere.
    """
    queries = share * sample.queries + (1 - share) * sample.keys
    keys = share * sample.keys + (1 - share) * sample.queries
    return (_unit(queries), _unit(keys)) if normalise else (queries, keys)


def interpolated_queue(queue: Floats, share: Floats, order: NDArray[np.int64]) -> Floats:
    """Return each queue item mixed with the one that `order` puts beside it; never normalised again."""
    mixed: Floats = share * queue + (1 - share) * queue[order]
    return mixed


def mixed_scores(
    queries: Floats,
    queue: Floats,
    scores: Floats,
    hardest: NDArray[np.int64],
    pairs: NDArray[np.int64],
    pair_share: Floats,
    singles: NDArray[np.int64],
    query_share: Floats,
) -> Floats:
    """Return the scores of hard-negative mixtures of unit length, shape (A, P + S).

    Parameters
    ----------
    queries, queue : NDArray, shapes (A, D) and (Q, D)
    scores : NDArray, shape (A, Q)
    hardest : NDArray of int, shape (A, H)
        Queue items of each anchor that are mixed, the hardest first.
    pairs, pair_share : NDArray, shapes (2, A, P) and (A, P)
        Places among the hardest of both items mixed; share of the first.
    singles, query_share : NDArray, shapes (A, S)
        Place of the item that is mixed with the query; share of the query.
    """
    gram = queue @ queue.T
    squares = np.diagonal(gram)
    left, right = (np.take_along_axis(hardest, places, axis=1) for places in pairs)
    item = np.take_along_axis(hardest, singles, axis=1)
    of_left, of_right = (np.take_along_axis(scores, items, axis=1) for items in (left, right))
    of_item = np.take_along_axis(scores, item, axis=1)
    own = np.broadcast_to((queries**2).sum(axis=1, keepdims=True), of_item.shape)
    both = _mixture(of_left, of_right, squares[left], squares[right], gram[left, right], pair_share)
    with_query = _mixture(own, of_item, own, squares[item], of_item, query_share)
    return np.concatenate([both, with_query], axis=1)


def _mixture(
    first: Floats, second: Floats, first_square: Floats, second_square: Floats, product: Floats, share: Floats
) -> Floats:
    """Return the scores of unit mixtures from the scores of both parts, their squared lengths and their product."""
    squared = share**2 * first_square + (1 - share) ** 2 * second_square + 2 * share * (1 - share) * product
    # Opposite parts may cancel: the length is held above rounding.
    length = np.maximum(np.sqrt(np.maximum(squared, 0.0)), np.finfo(np.float64).eps)
    mixed: Floats = (share * first + (1 - share) * second) / length
    return mixed


def _unit(rows: NDArray[np.generic]) -> Floats:
    wide: Floats = np.asarray(rows, dtype=np.float64)
    length = np.linalg.norm(wide, axis=1, keepdims=True)
    # A key and its query that were opposite may have met in the origin.
    unit: Floats = wide / np.maximum(length, np.finfo(np.float64).tiny)
    return unit
