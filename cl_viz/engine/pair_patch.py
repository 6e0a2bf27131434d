"""`Patch`: the pairs of some rows of one view with some rows of a view, and what is known of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import MissingInputError
from cl_viz.core.lazily import lazily
from cl_viz.engine.pair_query import PairQuery
from cl_viz.engine.pair_sketch import Relation
from cl_viz.engine.rows import ViewRows
from cl_viz.engine.tile_links import sorted_links

DECIMALS = 12
"""Decimals of a score: what is left of the rounding of a sum in float64 is far below."""
_GATHER_ENTRIES = 1 << 22


@dataclass(frozen=True)
class Patch:
    """Pairs of some rows of one view with some rows of a view.

    Attributes
    ----------
    views : tuple of int
        Numbers of the two views.
    left, right : ViewRows
        The same object where each unordered pair of its rows is meant once.
    links : NDArray[np.int64], shape (P, 2)
        Pairs of one sample, numbered as the rows are, sorted.
    nearness : tuple of torch.Tensor, or None
        Least score at which a pair is among the nearest of its left row, and of its right row.
    """

    views: tuple[int, int]
    left: ViewRows
    right: ViewRows
    links: NDArray[np.int64]
    nearness: tuple[torch.Tensor, torch.Tensor] | None = None

    @property
    def once(self) -> bool:
        """Whether left and right are the same rows."""
        return self.left is self.right

    @property
    def within(self) -> bool:
        """Whether both sides are rows of one view."""
        return self.left.name == self.right.name

    @lazily
    def _link_numbers(self) -> NDArray[np.int64]:
        """Ascending, because the links are sorted."""
        return self.links[:, 0] * len(self.right) + self.links[:, 1]

    def relations(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return what is known of some pairs."""
        found = np.full(len(left), int(Relation.UNKNOWN_LABEL), dtype=np.int64)
        if self.left.labels is not None and self.right.labels is not None:
            own = self.left.labels[torch.from_numpy(left).to(self.left.device)].cpu().numpy()
            other = self.right.labels[torch.from_numpy(right).to(self.right.device)].cpu().numpy()
            known = (own >= 0) & (other >= 0)
            found[known] = np.where(own == other, int(Relation.SAME_LABEL), int(Relation.DIFFERENT_LABEL))[known]
        if len(self.links):
            wanted = left * len(self.right) + right
            at = np.minimum(np.searchsorted(self._link_numbers, wanted), len(self.links) - 1)
            found[self._link_numbers[at] == wanted] = int(Relation.SAME_SAMPLE)
        return found

    def exact(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the scores of some pairs in float64, shape (n,)."""
        first, second = self.left.in_float64(), self.right.in_float64()
        step = max(1, _GATHER_ENTRIES // max(1, first.tile(slice(0, 1)).shape[1]))
        found = np.empty(len(left))
        for start in range(0, len(left), step):
            part = slice(start, start + step)
            found[part] = (first.tile(left[part]) * second.tile(right[part])).sum(dim=1).numpy()
        return settled(found)


def settled(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return scores within [-1, 1], rounded so that equal rows tie."""
    return np.clip(np.round(scores, DECIMALS), -1.0, 1.0)


def links_between(embedding_set: EmbeddingSet, left: ViewRows, right: ViewRows) -> NDArray[np.int64]:
    """Return the pairs of one sample of two sides, numbered as their rows are, shape (P, 2), sorted.

    Each once where both sides are the same rows of a view.
    """
    links = embedding_set.links(left.name, right.name)
    if left.name == right.name:
        links = np.concatenate([links, links[:, ::-1]])
    found = np.stack([_number(left)(links[:, 0]), _number(right)(links[:, 1])], axis=1)
    found = found[(found >= 0).all(axis=1)]
    if left is right:
        found = found[found[:, 0] < found[:, 1]]
    return sorted_links(found)


def _number(rows: ViewRows) -> Callable[[NDArray[np.int64]], NDArray[np.int64]]:
    """Return what turns rows of a view into places among `rows`, -1 for those that are not there."""
    order = np.argsort(rows.original, kind="stable")
    ascending = rows.original[order]

    def number(wanted: NDArray[np.int64]) -> NDArray[np.int64]:
        at = np.minimum(np.searchsorted(ascending, wanted), len(ascending) - 1)
        return np.where(ascending[at] == wanted, order[at], -1)

    return number


def patches_of(embedding_set: EmbeddingSet, rows: dict[str, ViewRows], query: PairQuery) -> list[Patch]:
    """Return what is to be looked at: the blocks of views, or in them the rows of the two classes.

    Raises
    ------
    MissingInputError
        If positives are asked for, and there are none.
    """
    names = embedding_set.view_names
    sides = {view: _sides(embedding_set, part, query) for view, part in rows.items()}
    found = []
    for first, second in query.blocks(names):
        numbers = (names.index(first), names.index(second))
        (one, other), (twin, another) = sides[first], sides[second]
        couples = [(one, another)]
        if one is not other and first != second:
            couples.append((other, twin))
        for left, right in couples:
            if len(left) and len(right):
                found.append(Patch(numbers, left, right, links_between(embedding_set, left, right)))
    if query.of_links and not any(len(patch.links) for patch in found):
        raise MissingInputError(
            "there are no positive pairs",
            where=embedding_set.name,
            remedy="add a second view of the samples, or choose positives='labels'",
        )
    return found


def _sides(embedding_set: EmbeddingSet, rows: ViewRows, query: PairQuery) -> tuple[ViewRows, ViewRows]:
    """Return the rows of each of the two classes, all rows where no class is named."""
    codes = embedding_set.codes("label")
    if query.classes is None or codes is None or rows.labels is None:
        return rows, rows
    labels = rows.labels.cpu().numpy()
    first = rows.chosen(np.flatnonzero(labels == codes[1].index(query.classes[0])))
    if query.classes[0] == query.classes[1]:
        return first, first
    return first, rows.chosen(np.flatnonzero(labels == codes[1].index(query.classes[1])))
