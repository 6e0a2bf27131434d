"""Loops over a tile of scores, to be compiled: one visit bins, counts, sums and keeps the extremes.

Plain Python as it stands; `compile_with` puts the compiled functions in the place of these. `cl_viz.engine.compiled`
does that where numba is installed, and nothing calls them before.

Columns of a tile come sorted by label, so that the pairs of one row fall into at most four runs of one relation, cut
where a pair of one sample stands between. A run goes through short loops, each of which works on many scores at once:
scores become bins and fixed-point places within them, in buffers that stay in the nearest cache; a last loop adds
each place to a histogram whose cells hold count and sum in one number.

Arrays shared by the kernels: `scores` (rows, columns) in float32 or float64; `grid` of its type, see `score_grid`;
`row_labels` and `column_labels` (ascending) as int64 codes, -1 where unknown; `index` and `place`, room for the bins
and places of one row as int32.

Numba keeps compiled functions by file: a loop must not call one of another file, whose change it would not notice.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.engine import bins
from cl_viz.engine.pair_sketch import Relation

FRACTION_BITS = 12
"""Bits of a score's place within its bin: 1e-7 in score units, what float32 tells apart."""
COUNT_SHIFT = 38
PACKED_PAIRS = (1 << 25) - 1
"""Most pairs that a packed histogram may hold: places in a bin, below 2**12, add up to less than 2**38, and a count
stays below 2**25."""

_SAME_SAMPLE, _SAME_LABEL = int(Relation.SAME_SAMPLE), int(Relation.SAME_LABEL)
_DIFFERENT_LABEL, _UNKNOWN_LABEL = int(Relation.DIFFERENT_LABEL), int(Relation.UNKNOWN_LABEL)
_FRACTION, _FRACTION_MASK = np.int32(FRACTION_BITS), np.int32((1 << FRACTION_BITS) - 1)
_ROWS_AT_ONCE = 64
_ONE_PAIR = np.int64(1) << COUNT_SHIFT
_SUM_MASK = np.int64(_ONE_PAIR - 1)
_PLACES_PER_BIN = np.float32(1 << FRACTION_BITS)
_NEAR_ONE, _LOG_FLOOR, _LOG_BINS, _COARSE_BINS = bins.NEAR_ONE, bins.LOG_FLOOR, bins.LOG_BINS, bins.COARSE_BINS
_LOG_SCALE = bins.LOG_BINS / math.log(bins.NEAR_ONE / bins.LOG_FLOOR)
_FIRST_NEAR = np.int32(bins.COARSE_BINS - 1)
_WIDTH = bins.WIDTH
_STEPS_TO_ONE = np.float32(1 << 24)


def score_grid(dtype: Any) -> NDArray[Any]:
    """Return 1, bins per unit and the start of the logarithmic bins, in the scores' own type."""
    return np.array([1.0, 1.0 / bins.WIDTH, 1.0 - bins.NEAR_ONE], dtype=dtype)


def near_bins() -> NDArray[np.int32]:
    """Return the bin of each float32 score close to 1, by its distance from 1 in steps of 2**-24."""
    steps = torch.arange(math.ceil(bins.NEAR_ONE * 2**24) + 2, dtype=torch.float32)
    return bins.bin_index(1.0 - steps / 2**24).numpy().astype(np.int32)


def fixed_bias() -> NDArray[np.float64]:
    """Return the mean that cutting a float32 score to its fixed-point place takes off, in bins, by bin.

    A place is cut to 2**-FRACTION_BITS; float32 numbers below 2**(24 - FRACTION_BITS) are finer than that.
    """
    with np.errstate(divide="ignore"):
        exponent = np.floor(np.log2(np.arange(bins.BINS)))
    spacing = np.exp2(np.maximum(exponent, -23) - 23)
    return np.asarray(np.maximum(2.0**-FRACTION_BITS - spacing, 0.0) / 2)


def _bin(score, grid):
    """Return the bin of one score, as `bins.bin_index` does."""
    if score >= grid[2]:
        distance = max(1.0 - np.float64(score), _LOG_FLOOR)
        fine = int(math.log(_NEAR_ONE / distance) * _LOG_SCALE)
        return _COARSE_BINS + min(max(fine, 0), _LOG_BINS - 1)
    return min(max(int((score + grid[0]) * grid[1]), 0), _COARSE_BINS - 1)


def _add_one_by_one(run, grid, exact, near, counts, sums):
    """Add scores to the cells of their bins; those near 1 by logarithm, or by table where they are few."""
    for place in range(run.size):
        score = run[place]
        if not exact and score >= grid[2]:
            step = int((np.float32(1.0) - np.float32(score)) * _STEPS_TO_ONE)
            found = np.int64(near[min(max(step, 0), near.size - 1)])
        else:
            found = np.int64(_bin(score, grid))
        counts[found] += 1
        sums[found] += score


def _sum_of_squares(run):
    total = 0.0
    for place in range(run.size):
        wide = np.float64(run[place])
        total += wide * wide
    return total


def _keep_extremes(run, relation, lows, highs):
    low, high = run[0], run[0]
    for place in range(run.size):
        low = min(low, run[place])
        high = max(high, run[place])
    lows[relation] = min(lows[relation], np.float64(low))
    highs[relation] = max(highs[relation], np.float64(high))


def _to_fixed(run, grid, index, place):
    """Write each score's bin and its place within it, as whole numbers."""
    one, scale = grid[0], grid[1]
    for number in range(run.size):
        # A power of 2 moves no digit: cutting this to bins finds the bin that `bins.bin_index` finds.
        fixed = np.int32(np.float32((run[number] + one) * scale) * _PLACES_PER_BIN)
        index[number] = fixed >> _FRACTION
        place[number] = fixed & _FRACTION_MASK


def _range_of(index):
    low, high = index[0], index[0]
    for number in range(index.size):
        low = min(low, index[number])
        high = max(high, index[number])
    return low, high


def _add_packed(index, place, packed):
    for number in range(index.size):
        # An unsigned index: a signed one would be tested for counting from the end.
        packed[np.uint32(index[number])] += _ONE_PAIR + np.int64(place[number])


def _add_run(run, relation, grid, exact, near, index, place, packed, limits, counts, sums, squares, lows, highs):
    """Add the scores of one run, all of one relation."""
    squares[relation] += _sum_of_squares(run)
    if exact:
        _keep_extremes(run, relation, lows, highs)
        _add_one_by_one(run, grid, exact, near, counts[relation], sums[relation])
        return
    bins_of, places = index[: run.size], place[: run.size]
    _to_fixed(run, grid, bins_of, places)
    low, high = _range_of(bins_of)
    if low <= limits[relation, 0] or high >= limits[relation, 1]:
        _keep_extremes(run, relation, lows, highs)
        limits[relation, 0] = min(low, limits[relation, 0])
        limits[relation, 1] = max(high, limits[relation, 1])
    if low < 0 or high >= _FIRST_NEAR:
        _add_one_by_one(run, grid, exact, near, counts[relation], sums[relation])
    else:
        _add_packed(bins_of, places, packed[relation])


def unpack(packed, held, bias, counts, sums):
    """Hand what `packed` (4, BINS) holds over to `counts` and `sums` (4, BINS), and empty it."""
    held[0] = 0
    scale = 1.0 / np.float64(_PLACES_PER_BIN)
    for relation in range(packed.shape[0]):
        for place in range(packed.shape[1]):
            cell = packed[relation, place]
            if cell != 0:
                count = cell >> COUNT_SHIFT
                total = np.float64(cell & _SUM_MASK) * scale + count * (place + bias[place])
                counts[relation, place] += count
                sums[relation, place] += total * _WIDTH - count
                packed[relation, place] = 0


def _find_edges(label, column_labels, labelled, edges):
    """Write where the columns of unknown, of smaller, of this and of greater label begin."""
    edges[1:] = column_labels.size if labelled else edges[4]
    if labelled and label >= 0:
        edges[1] = np.searchsorted(column_labels, 0)
        edges[2] = np.searchsorted(column_labels, label)
        edges[3] = np.searchsorted(column_labels, label, side="right")


def bin_tile(
    scores, diagonal, row_labels, column_labels, labelled, links, first_links, grid, exact, near,
    index, place, packed, held, bias, limits, counts, sums, squares, lows, highs,
):  # fmt: skip
    """Add a tile; on the diagonal only what is above it.

    Pairs of one sample, `links` (row and column of the tile, sorted; those of a row begin at `first_links`), are told
    apart. Float32 scores go to `packed` (4, BINS), where one number holds a bin's count and sum, and which is emptied
    before `held` (1,) pairs are too many for it; runs close to 1, and all if `exact`, to `counts` and `sums` (4, BINS).
    `limits` (4, 2) are the bins of the extremes `lows` and `highs`.
    """
    n_rows, n_columns = scores.shape
    edges = np.zeros(5, dtype=np.int64)
    edges[1:] = n_columns
    relations = np.array([_UNKNOWN_LABEL, _DIFFERENT_LABEL, _SAME_LABEL, _DIFFERENT_LABEL])
    top = 0
    while top < n_rows:
        bottom = top + 1
        while bottom < n_rows and (not labelled or row_labels[bottom] == row_labels[top]):
            bottom += 1
        # Few rows at a time, whose scores stay in the cache until the last of their runs is done.
        bottom = min(bottom, top + max(1, (PACKED_PAIRS - held[0]) // n_columns), top + _ROWS_AT_ONCE)
        if held[0] + (bottom - top) * n_columns > PACKED_PAIRS:
            unpack(packed, held, bias, counts, sums)
        held[0] += (bottom - top) * n_columns
        _find_edges(row_labels[top] if labelled else np.int64(-1), column_labels, labelled, edges)
        for number in range(4):
            relation = relations[number]
            for row in range(top, bottom):
                start, stop = max(edges[number], row + 1 if diagonal else 0), edges[number + 1]
                link = first_links[row]
                while start < stop:
                    while link < first_links[row + 1] and links[link, 1] < start:
                        link += 1
                    end = min(stop, links[link, 1]) if link < first_links[row + 1] else stop
                    if end > start:
                        # A slice: from a start the compiler cannot see, every index would be tested.
                        _add_run(scores[row, start:end], relation, grid, exact, near,
                                 index, place, packed, limits, counts, sums, squares, lows, highs)  # fmt: skip
                    start = end + 1
        top = bottom
    for link in range(links.shape[0]):
        row, column = links[link]
        if column > row or not diagonal:
            _add_run(scores[row, column : column + 1], _SAME_SAMPLE, grid, exact, near,
                     index, place, packed, limits, counts, sums, squares, lows, highs)  # fmt: skip


# Each after those it calls.
_FUNCTIONS: tuple[Callable[..., Any], ...] = (
    _bin, _add_one_by_one, _sum_of_squares, _keep_extremes, _to_fixed, _range_of, _add_packed, _add_run, unpack,
    _find_edges, bin_tile,
)  # fmt: skip
# Sums over a run may be taken in any order: that is what lets them be taken many at a time.
_ANY_ORDER: dict[str, set[str]] = {"_sum_of_squares": {"reassoc", "nsz", "contract"}}


def compile_with(njit: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """Compile every loop when it is first called, keep that on disk, and return the loops by name."""
    for function in _FUNCTIONS:
        name = function.__name__
        # Loops call each other by these names.
        globals()[name] = njit(nogil=True, cache=True, fastmath=_ANY_ORDER.get(name, False))(function)
    names = [function.__name__ for function in _FUNCTIONS]
    return {name: globals()[name] for name in names if not name.startswith("_")}
