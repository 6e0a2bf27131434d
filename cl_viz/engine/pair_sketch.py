"""`PairSketch`: what is kept of all pairs of a set. It stores facts about pairs; roles are chosen when it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import combinations_with_replacement
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.errors import InputError, MissingInputError
from cl_viz.engine import bins
from cl_viz.engine.score_histogram import ScoreHistogram


class Relation(IntEnum):
    """What is known of a pair. A pair of one sample is SAME_SAMPLE whatever its labels."""

    SAME_SAMPLE = 0
    SAME_LABEL = 1
    DIFFERENT_LABEL = 2
    UNKNOWN_LABEL = 3


KNOWN_LABELS = (Relation.SAME_LABEL, Relation.DIFFERENT_LABEL)
"""Of pairs of two samples: both have a label."""
Block = tuple[str, str]
"""Two view names; equal names for the pairs within a view."""


def view_blocks(views: Sequence[str]) -> list[Block]:
    """Return the pairs of views, each once, those of a view with itself among them."""
    return list(combinations_with_replacement(views, 2))


@dataclass(frozen=True)
class PairRoles:
    """Which pairs count as positives and negatives.

    Attributes
    ----------
    positives : {"views", "labels"}
        Pairs of one sample, or pairs of one label (the multi-positive form, as in SupCon).
    negatives : {"cross", "all"}
        Pairs across views only (as in CLIP and MoCo), or within views too (as in SimCLR).
    """

    positives: Literal["views", "labels"] = "views"
    negatives: Literal["cross", "all"] = "cross"

    def __post_init__(self) -> None:
        """Refuse roles that there are not: they would be taken for the other ones."""
        for name, known in (("positives", ("views", "labels")), ("negatives", ("cross", "all"))):
            if getattr(self, name) not in known:
                raise InputError(
                    f"{name} = {getattr(self, name)!r}", where="PairRoles", allowed=" or ".join(map(repr, known))
                )


@dataclass(frozen=True)
class PairSketch:
    """Histograms of the scores of all pairs, by block of views and by relation.

    Attributes
    ----------
    blocks : tuple of Block
        Within a view each unordered pair is counted once; across views each (row, row).
    counts, sums : NDArray, shape (blocks, 4, BINS)
        Pairs and sum of scores per bin.
    squares, low, high : NDArray[np.float64], shape (blocks, 4)
        Sum of squared scores, smallest and largest score (+inf and -inf where empty).
    """

    blocks: tuple[Block, ...]
    counts: NDArray[np.int64]
    sums: NDArray[np.float64]
    squares: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def empty(cls, blocks: Sequence[Block]) -> PairSketch:
        """Return the sketch of no pairs."""
        shape = (len(blocks), len(Relation))
        return cls(
            tuple(blocks),
            np.zeros((*shape, bins.BINS), dtype=np.int64),
            np.zeros((*shape, bins.BINS)),
            np.zeros(shape),
            np.full(shape, np.inf),
            np.full(shape, -np.inf),
        )

    def __add__(self, other: PairSketch) -> PairSketch:
        """Return the sketch of both sets of pairs; counts add exactly.

        Raises
        ------
        InputError
            If the two have different blocks.
        """
        if self.blocks != other.blocks:
            raise InputError(f"sketches of different views: {self.blocks} and {other.blocks}")
        return PairSketch(
            self.blocks,
            self.counts + other.counts,
            self.sums + other.sums,
            self.squares + other.squares,
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
        )

    @property
    def view_names(self) -> tuple[str, ...]:
        """Names of the views."""
        return tuple(dict.fromkeys(view for block in self.blocks for view in block))

    def has(self, *relations: Relation) -> bool:
        """Whether there is any pair of one of these relations."""
        return bool(self.counts[:, list(relations)].any())

    def histogram(self, relations: Sequence[Relation], blocks: Literal["cross", "all"] = "all") -> ScoreHistogram:
        """Return the histogram of all pairs of these relations, across views only or in all blocks.

        A set with one view has no pairs across views; its only block is used for both.
        """
        return self._histogram(self._chosen(blocks), relations)

    def _histogram(self, blocks: Sequence[int], relations: Sequence[Relation]) -> ScoreHistogram:
        where = np.ix_(blocks, [int(relation) for relation in relations])
        return ScoreHistogram(
            self.counts[where].sum(axis=(0, 1)),
            self.sums[where].sum(axis=(0, 1)),
            float(self.squares[where].sum()),
            _finite(float(self.low[where].min())),
            _finite(float(self.high[where].max())),
        )

    def within_views(self) -> dict[str, ScoreHistogram]:
        """Return the scores of all pairs within each view, each pair once, whatever its labels."""
        within = {first: block for block, (first, second) in enumerate(self.blocks) if first == second}
        return {view: self._histogram([block], list(Relation)) for view, block in within.items()}

    def positives(self, roles: PairRoles) -> ScoreHistogram:
        """Return the histogram of the positives.

        Raises
        ------
        MissingInputError
            If the set has no such pairs.
        """
        if roles.positives == "views":
            # Two captions of one image are neither positive nor negative: only views of a sample are pulled together.
            found = self.histogram([Relation.SAME_SAMPLE], "cross")
            remedy = "add a second view of the samples, or choose positives='labels'"
        else:
            found = self.histogram([Relation.SAME_SAMPLE, Relation.SAME_LABEL], roles.negatives)
            remedy = "add a label column in which samples share labels (Data page), or choose positives='views'"
            if not self.has(*KNOWN_LABELS):
                raise MissingInputError("there are no labels to make positives of", remedy=remedy)
        if not found.count:
            raise MissingInputError("there are no positive pairs", remedy=remedy)
        return found

    def negatives(self, roles: PairRoles) -> ScoreHistogram:
        """Return the histogram of the negatives: all pairs of the chosen blocks that are not positives.

        With label positives a pair whose label is unknown is neither.
        """
        return self.histogram(negative_relations(roles), roles.negatives)

    def false_negatives(self, roles: PairRoles) -> ScoreHistogram:
        """Return the histogram of the negatives that share a label.

        Raises
        ------
        MissingInputError
            With label positives (every same-label pair is then a positive), without labels, or where some rows have
            none and no two of the others share theirs.
        """
        if roles.positives == "labels":
            raise MissingInputError("with label positives a false negative cannot be told", remedy="add a second view")
        if not self.has(*KNOWN_LABELS):
            raise MissingInputError(
                "false negatives need labels",
                remedy="add a label column in which two samples or more have one (Data page)",
            )
        if self.has(Relation.UNKNOWN_LABEL) and not self.has(Relation.SAME_LABEL):
            # That of the few which have a label none share one says nothing of the others.
            raise MissingInputError("no two samples are known to share a label", remedy="add labels of more samples")
        return self.histogram([Relation.SAME_LABEL], roles.negatives)

    def _chosen(self, blocks: Literal["cross", "all"]) -> list[int]:
        cross = [index for index, (first, second) in enumerate(self.blocks) if first != second]
        return cross if blocks == "cross" and cross else list(range(len(self.blocks)))


def negative_relations(roles: PairRoles) -> list[Relation]:
    """Return the relations whose pairs are negatives."""
    if roles.positives == "labels":
        return [Relation.DIFFERENT_LABEL]
    return [Relation.SAME_LABEL, Relation.DIFFERENT_LABEL, Relation.UNKNOWN_LABEL]


def _finite(value: float) -> float:
    return value if np.isfinite(value) else float("nan")
