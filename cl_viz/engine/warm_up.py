"""The compiled kernels called once, so that none is compiled while a pass waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cl_viz.engine.fused_anchors import FusedAnchors, Section
from cl_viz.engine.fused_pairs import NO_LINKS, FusedPairs
from cl_viz.engine.largest import Largest
from cl_viz.engine.pair_sketch import PairSketch, Relation

if TYPE_CHECKING:
    from cl_viz.engine.compiled import Kernels


def warm_up(kernels: Kernels, dtype: type[np.floating[Any]]) -> None:
    """Compile the kernels of a pass for scores of this type, or read them from the cache on disk.

    `merge_cells`, which only clusters need, is left to its first call.
    """
    kind = np.dtype(dtype)
    scores, labels = np.zeros((2, 2), dtype=kind), np.zeros(2, dtype=np.int64)
    pairs = FusedPairs(kernels, PairSketch.empty([("a", "a")]), kind)
    pairs.add(0, scores, labels, labels, diagonal=True)
    pairs.flush()
    anchors = FusedAnchors(kernels, 2, 2, kind)
    positives = (np.zeros(2), np.arange(3), np.zeros((2, len(Relation))))
    sections = [Section(slice(0, 2), labels, counted=True)]
    anchors.add(scores, labels, sections, NO_LINKS, positives, np.zeros((2, len(Relation), 3)), pairs, 0)
    anchors.cells(), anchors.tail()
    for entry in (np.uint16, np.uint32, np.int16):
        kernels.copy_runs(np.zeros(1, dtype=entry), np.arange(2), np.zeros(1, dtype=np.int64), np.zeros(1, dtype=entry))
    numbers = np.arange(2)
    largest = Largest(2, 1, kind, np.int64)
    kernels.keep_neighbours(scores, numbers, numbers, True, 1, *largest.arrays)
    kernels.keep_neighbours_of_columns(scores, numbers, numbers, 1, *largest.arrays)
    largest.found(kernels)
