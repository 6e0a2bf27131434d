"""A sketch of some of the anchors of another: enough for a figure that has to follow a slider."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cl_viz.engine.anchor_sketch import AnchorCandidates, AnchorSketch, CandidateCells
from cl_viz.engine.rows import choose_rows

MOST = 1024
"""Anchors of one view that answer at once on two cores, whatever is asked."""


def at_most(sketch: AnchorSketch, count: int = MOST) -> AnchorSketch:
    """Return the sketch of `count` anchors drawn from those there are; all of them where they are fewer.

    The draw depends only on the two numbers. Evenly spaced rows would all be of one class where classes alternate.

    Parameters
    ----------
    sketch : AnchorSketch
    count : int
        1 or more.
    """
    n_anchors = len(sketch.rows)
    if n_anchors <= count:
        return sketch
    chosen = choose_rows(n_anchors, count, 0)
    kept, offsets = _segments(sketch.offsets, chosen)
    candidates = {
        view: _candidates(found, chosen, _segments(found.cells.offsets, chosen), kept)
        for view, found in sketch.candidates.items()
    }
    return AnchorSketch(
        sketch.view, sketch.rows[chosen], sketch.population, sketch.positives[kept], offsets, candidates
    )


def _candidates(
    found: AnchorCandidates,
    chosen: NDArray[np.int64],
    segments: tuple[NDArray[np.int64], NDArray[np.int64]],
    positives: NDArray[np.int64],
) -> AnchorCandidates:
    kept, offsets = segments
    cells = found.cells
    return AnchorCandidates(
        CandidateCells(offsets, cells.places[kept], cells.counts[kept], cells.residuals[kept]),
        found.moments[chosen],
        found.below[positives],
        found.top_scores[chosen],
        found.top_same[chosen],
    )


def _segments(offsets: NDArray[np.int64], chosen: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places of the entries of the chosen anchors, one anchor after another, and their new offsets."""
    lengths = np.diff(offsets)[chosen]
    made = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    places = np.repeat(offsets[:-1][chosen] - made[:-1], lengths) + np.arange(made[-1])
    return places.astype(np.int64), made
