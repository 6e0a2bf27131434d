"""Loops over the cells of anchors' histograms, to be compiled: what bounds the largest candidates, what is kept.

See `cl_viz.engine.kernels` for how the loops work and what fills the cells: `cells` (anchors, 2, ANCHOR_BINS), where
one number holds count and sum; `within` (anchors, 2), the first bin with any and what follows the last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cl_viz.engine import bins, fixed_point

_SHIFT = np.int64(fixed_point.COUNT_SHIFT)
_SUM_MASK = np.int64((1 << fixed_point.COUNT_SHIFT) - 1)
_STEPS = np.float64(1 << (fixed_point.FRACTION_BITS + fixed_point.JOINED_BITS))
_MEAN_STEPS = np.float64(fixed_point.MEAN_STEPS)
_MEAN_STEP, _MOST_MEAN = 2.0 / bins.ANCHOR_BINS / fixed_point.MEAN_STEPS, 32767.0
_ANCHOR_BINS, _ANCHOR_WIDTH = bins.ANCHOR_BINS, 2.0 / bins.ANCHOR_BINS


def limits_of_largest(cells, seen_counts, within, exact, n_largest, limit):
    """Raise each anchor's limit to just below the bin that holds its `n_largest`-th largest candidate."""
    for anchor in range(within.shape[0]):
        found, place = 0, within[anchor, 1]
        while found < n_largest and place > within[anchor, 0]:
            place -= 1
            if exact:
                found += seen_counts[anchor, 0, place] + seen_counts[anchor, 1, place]
            else:
                found += (cells[anchor, 0, place] >> _SHIFT) + (cells[anchor, 1, place] >> _SHIFT)
        if found >= n_largest and place > 0:
            # Rounding puts a score into a neighbouring bin if it is very near.
            limit[anchor] = max(limit[anchor], place * _ANCHOR_WIDTH - 1.0 - _ANCHOR_WIDTH / 64)


def count_filled(cells, within, filled):
    """Write how many cells of each anchor hold candidates; `cells` may be their counts alone."""
    for anchor in range(cells.shape[0]):
        for side in range(2):
            for cell in cells[anchor, side, within[anchor, 0] : within[anchor, 1]]:
                filled[anchor] += cell != 0


def compact(cells, seen_counts, seen_sums, within, exact, places, counts, means):
    """Write the filled cells one after another and empty them: place, count, and mean from the bin's middle.

    Those of `cells`, or if `exact` of `seen_counts` and `seen_sums`.
    """
    number = 0
    for anchor in range(within.shape[0]):
        for side in range(2):
            for place in range(within[anchor, 0], within[anchor, 1]):
                count = seen_counts[anchor, side, place] if exact else cells[anchor, side, place] >> _SHIFT
                if count == 0:
                    continue
                if exact:
                    middle = (place + 0.5) * _ANCHOR_WIDTH - 1.0
                    # Scores that rounding took out of [-1, 1] may lie beyond their bin.
                    above = (seen_sums[anchor, side, place] / count - middle) / _MEAN_STEP
                    mean = min(max(np.rint(above), -_MOST_MEAN), _MOST_MEAN)
                    seen_counts[anchor, side, place] = 0
                    seen_sums[anchor, side, place] = 0.0
                else:
                    inside = (np.float64(cells[anchor, side, place] & _SUM_MASK) / count) / _STEPS
                    mean = np.rint((inside - 0.5) * _MEAN_STEPS)
                    cells[anchor, side, place] = 0
                places[number] = side * _ANCHOR_BINS + place
                counts[number] = count
                means[number] = np.int16(mean)
                number += 1


def merge_cells(begins, places, counts, residuals, offsets, merged_places, merged_counts, merged_means):
    """Write the cells of anchors as several parts have them together, and where those of each anchor begin.

    Those of anchor a in part p lie from ``begins[p, a]`` up to ``begins[p, a + 1]``, the places ascending.
    """
    together = np.zeros(2 * _ANCHOR_BINS, dtype=np.int64)
    above = np.zeros(2 * _ANCHOR_BINS, dtype=np.int64)
    number = 0
    for anchor in range(begins.shape[1] - 1):
        low, high = 2 * _ANCHOR_BINS, 0
        for part in range(begins.shape[0]):
            first, stop = begins[part, anchor], begins[part, anchor + 1]
            if first < stop:
                low, high = min(low, places[first]), max(high, places[stop - 1] + 1)
            for cell in range(first, stop):
                count = np.int64(counts[cell])
                together[places[cell]] += count
                above[places[cell]] += count * np.int64(residuals[cell])
        for place in range(low, high):
            if together[place] != 0:
                merged_places[number] = place
                merged_counts[number] = together[place]
                merged_means[number] = np.int16(np.rint(above[place] / together[place]))
                together[place], above[place] = 0, 0
                number += 1
        offsets[anchor + 1] = number


def copy_runs(source, offsets, begins, target):
    """Copy runs, which begin in `source` at `offsets`, to where they begin in `target`."""
    for run in range(begins.size):
        length = offsets[run + 1] - offsets[run]
        target[begins[run] : begins[run] + length] = source[offsets[run] : offsets[run + 1]]


FUNCTIONS: tuple[Callable[..., Any], ...] = (
    limits_of_largest,
    count_filled,
    compact,
    merge_cells,
    copy_runs,
)
