"""Loops over the cells of anchors' histograms, to be compiled: what is kept of them.

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
_ROUNDING = 6755399441055744.0
_ANCHOR_BINS, _ANCHOR_WIDTH = bins.ANCHOR_BINS, 2.0 / bins.ANCHOR_BINS


def _means(cells, means):
    """Write the mean of what is in each cell, from the bin's middle in steps; of no account where nothing is."""
    for place in range(cells.size):
        count = max(cells[place] >> _SHIFT, np.int64(1))
        inside = (np.float64(cells[place] & _SUM_MASK) / np.float64(count)) / _STEPS
        # Added and taken off again, this rounds to the next whole number, the even one of two.
        means[place] = np.int16(((inside - 0.5) * _MEAN_STEPS + _ROUNDING) - _ROUNDING)


def _exact_means(counts, sums, first, means):
    """Write the same of cells whose counts and sums stand apart; the first of them is bin `first`."""
    for place in range(counts.size):
        middle = (np.float64(first + place) + 0.5) * _ANCHOR_WIDTH - 1.0
        # Scores that rounding took out of [-1, 1] may lie beyond their bin.
        above = (sums[place] / np.float64(max(counts[place], np.int64(1))) - middle) / _MEAN_STEP
        means[place] = np.int16((min(max(above, -_MOST_MEAN), _MOST_MEAN) + _ROUNDING) - _ROUNDING)


def compact(cells, seen_counts, seen_sums, within, exact, number, filled, places, counts, means):
    """Write the filled cells one after another from entry `number` on and empty them; return the entry that is next.

    Place, count, and mean from the bin's middle: of `cells`, or if `exact` of `seen_counts` and `seen_sums`. `filled`
    gets how many cells each anchor has.
    """
    found = np.empty(_ANCHOR_BINS, dtype=np.int16)
    for anchor in range(within.shape[0]):
        begin, first, stop = number, within[anchor, 0], within[anchor, 1]
        for side in range(2 if first < stop else 0):
            if exact:
                _exact_means(seen_counts[anchor, side, first:stop], seen_sums[anchor, side, first:stop], first, found)
            else:
                _means(cells[anchor, side, first:stop], found)
            for place in range(first, stop):
                count = seen_counts[anchor, side, place] if exact else cells[anchor, side, place] >> _SHIFT
                # Written over by the next if it is empty.
                places[number] = side * _ANCHOR_BINS + place
                counts[number] = count
                means[number] = found[place - first]
                number += np.int64(count != 0)
            if exact:
                seen_counts[anchor, side, first:stop] = 0
                seen_sums[anchor, side, first:stop] = 0.0
            else:
                cells[anchor, side, first:stop] = 0
        filled[anchor] = number - begin
    return number


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
    _means,
    _exact_means,
    compact,
    merge_cells,
    copy_runs,
)
