"""Loops over a tile of scores, to be compiled: one visit bins, counts, sums and keeps the extremes.

Plain Python as it stands; `compile_with` puts the compiled functions in the place of these. `cl_viz.engine.compiled`
does that where numba is installed, and nothing calls them before.
Columns of a tile come sorted by label, so that the pairs of one row fall into at most four runs of one relation, and
the arithmetic over a run is done many scores at a time.

Arrays shared by the kernels: `scores` (rows, columns) in float32 or float64; `grid` of its type, see `score_grid`;
`row_labels` and `column_labels` (ascending) as int64 codes, -1 where unknown.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.engine import bins
from cl_viz.engine.pair_sketch import Relation

HOLE = -8.0
"""Stands for a score that does not count (the anchor itself, a pair of one sample); no cosine is below -4."""
RESIDUAL_BITS = 22
"""Bits of a score's place within its bin: 1e-10 in score units, 600 times finer than a float32 score near 1."""
COUNT_SHIFT = 43
PACKED_PAIRS = 1 << 20
"""Most pairs that a packed histogram may hold: 2**20 residuals of 22 bits stay below the count's bits."""

_SAME_SAMPLE, _SAME_LABEL = int(Relation.SAME_SAMPLE), int(Relation.SAME_LABEL)
_DIFFERENT_LABEL, _UNKNOWN_LABEL = int(Relation.DIFFERENT_LABEL), int(Relation.UNKNOWN_LABEL)
_HALF_HOLE = HOLE / 2
_RESIDUAL_SCALE = np.float32(1 << RESIDUAL_BITS)
_ONE_PAIR = np.int64(1) << COUNT_SHIFT
_NEAR_ONE, _LOG_FLOOR, _LOG_BINS, _COARSE_BINS = bins.NEAR_ONE, bins.LOG_FLOOR, bins.LOG_BINS, bins.COARSE_BINS
_LOG_SCALE = bins.LOG_BINS / math.log(bins.NEAR_ONE / bins.LOG_FLOOR)
_ANCHOR_BINS = bins.ANCHOR_BINS


def score_grid(dtype: Any) -> NDArray[Any]:
    """Return 1, bins per unit and the start of the logarithmic bins, in the scores' own type."""
    return np.array([1.0, 1.0 / bins.WIDTH, 1.0 - bins.NEAR_ONE], dtype=dtype)


def _bin(score, grid):
    """Return the bin of one score, as `bins.bin_index` does."""
    if score >= grid[2]:
        distance = max(1.0 - np.float64(score), _LOG_FLOOR)
        fine = int(math.log(_NEAR_ONE / distance) * _LOG_SCALE)
        return _COARSE_BINS + min(max(fine, 0), _LOG_BINS - 1)
    return min(max(int((score + grid[0]) * grid[1]), 0), _COARSE_BINS - 1)


def _sum_of_squares(run):
    total = 0.0
    for place in range(run.size):
        wide = np.float64(run[place])
        total += wide * wide
    return total


def _extremes(keys, sign_shift, mask):
    """Return the smallest and largest score of a run as integers in the order of the scores.

    Integers, because the smallest of many floats at a time would have to mind NaN.
    """
    low = high = keys[0] ^ ((keys[0] >> sign_shift) & mask)
    for place in range(keys.size):
        key = keys[place] ^ ((keys[place] >> sign_shift) & mask)
        low = min(low, key)
        high = max(high, key)
    return low, high


def _add_packed(index, residual, packed):
    for place in range(index.size):
        # An unsigned index: a signed one would be tested for counting from the end.
        packed[np.uint32(index[place])] += _ONE_PAIR + np.int64(residual[place])


def _add_one_by_one(run, grid, counts, sums):
    for place in range(run.size):
        found = _bin(run[place], grid)
        counts[found] += 1
        sums[found] += run[place]


def _place_run(run, grid, index, residual):
    """Write each score's uniform bin and its place within it; return the largest bin."""
    largest = np.int32(0)
    for place in range(run.size):
        position = (run[place] + grid[0]) * grid[1]
        found = np.int32(position)
        index[place] = found
        residual[place] = max(np.int32((position - np.float32(found)) * _RESIDUAL_SCALE), np.int32(0))
        largest = max(largest, found)
    return largest


def bin_tile(
    scores, keys, key_shift, key_mask, grid, exact, row_labels, column_labels, labelled, row_order,
    index, residual, packed, counts, sums, squares, lows, highs,
):  # fmt: skip
    """Add a tile in which every pair counts and no pair is of one sample.

    `keys` is `scores` seen as integers. Float32 scores go to `packed` (4, BINS), where one number holds a bin's
    count and sum; scores close to 1, and all scores if `exact`, to `counts` and `sums`. `lows` and `highs` (4,) hold
    extremes as integers in the order of the scores. `row_order` visits rows of one label together.
    """
    n_columns = scores.shape[1]
    n_unknown = np.searchsorted(column_labels, 0) if labelled else n_columns
    edges = np.zeros(5, dtype=np.int64)
    relations = np.array([_UNKNOWN_LABEL, _DIFFERENT_LABEL, _SAME_LABEL, _DIFFERENT_LABEL])
    edges[1:] = n_columns
    last = np.int64(-1)
    for visit in range(scores.shape[0]):
        row_number = row_order[visit] if labelled else visit
        if labelled and (visit == 0 or row_labels[row_number] != last):
            last = row_labels[row_number]
            edges[1] = n_unknown if last >= 0 else n_columns
            edges[2] = np.searchsorted(column_labels, last) if last >= 0 else n_columns
            edges[3] = np.searchsorted(column_labels, last, side="right") if last >= 0 else n_columns
        for number in range(4):
            start, stop, relation = edges[number], edges[number + 1], relations[number]
            if start == stop:
                continue
            # Slices: from a start the compiler cannot see, every index would be tested for counting from the end.
            run = scores[row_number, start:stop]
            low, high = _extremes(keys[row_number, start:stop], key_shift, key_mask)
            lows[relation] = min(lows[relation], np.int64(low))
            highs[relation] = max(highs[relation], np.int64(high))
            squares[relation] += _sum_of_squares(run)
            places, residuals = index[: run.size], residual[: run.size]
            if exact or _place_run(run, grid, places, residuals) >= _COARSE_BINS - 1:
                _add_one_by_one(run, grid, counts[relation], sums[relation])
            else:
                _add_packed(places, residuals, packed[relation])


def bin_tile_with_links(
    scores, keys, key_shift, key_mask, grid, row_labels, column_labels, labelled, above, column_place, links,
    counts, sums, squares, lows, highs,
):  # fmt: skip
    """Add a tile with pairs of one sample (`links`, as row and column of the tile), or one on the diagonal.

    If `above`, only pairs count whose column's place in the view's order, `column_place`, is greater than the row.
    """
    for row_number in range(scores.shape[0]):
        for column in range(scores.shape[1]):
            if above and column_place[column] <= row_number:
                scores[row_number, column] = HOLE
    for number in range(links.shape[0]):
        row_number, column = links[number]
        score = scores[row_number, column]
        if score > _HALF_HOLE:
            _add_pair(score, keys[row_number, column], key_shift, key_mask, _SAME_SAMPLE, grid,
                      counts, sums, squares, lows, highs)  # fmt: skip
            scores[row_number, column] = HOLE
    for row_number in range(scores.shape[0]):
        for column in range(scores.shape[1]):
            score = scores[row_number, column]
            if score < _HALF_HOLE:
                continue
            relation = _UNKNOWN_LABEL
            if labelled and row_labels[row_number] >= 0 and column_labels[column] >= 0:
                relation = _SAME_LABEL if row_labels[row_number] == column_labels[column] else _DIFFERENT_LABEL
            _add_pair(score, keys[row_number, column], key_shift, key_mask, relation, grid,
                      counts, sums, squares, lows, highs)  # fmt: skip


def _add_pair(score, key, key_shift, key_mask, relation, grid, counts, sums, squares, lows, highs):
    ordered = np.int64(key ^ ((key >> key_shift) & key_mask))
    lows[relation] = min(lows[relation], ordered)
    highs[relation] = max(highs[relation], ordered)
    found = _bin(score, grid)
    wide = np.float64(score)
    counts[relation, found] += 1
    sums[relation, found] += wide
    squares[relation] += wide * wide


def anchor_tile(
    scores, row_labels, column_labels, labelled, holes, positives, offsets, tolerance,
    counts, sums, moments, below, top_scores, top_same,
):  # fmt: skip
    """Add a tile of anchors against candidates to what each anchor has seen.

    `holes` (row and column) do not count. `positives` and `below` are those of the tile's anchors, anchor by anchor
    at `offsets`. `counts` and `sums` (rows, 2, ANCHOR_BINS), `moments` (rows, 4, 3), the largest scores descending.
    """
    for number in range(holes.shape[0]):
        scores[holes[number, 0], holes[number, 1]] = HOLE
    edges = np.zeros(5, dtype=np.int64)
    relations = np.array([_UNKNOWN_LABEL, _DIFFERENT_LABEL, _SAME_LABEL, _DIFFERENT_LABEL])
    edges[1:] = scores.shape[1]
    n_unknown = np.searchsorted(column_labels, 0) if labelled else scores.shape[1]
    for anchor in range(scores.shape[0]):
        label = row_labels[anchor] if labelled else np.int64(-1)
        edges[1:4] = scores.shape[1]
        if label >= 0:
            edges[1] = n_unknown
            edges[2] = np.searchsorted(column_labels, label)
            edges[3] = np.searchsorted(column_labels, label, side="right")
        for number in range(4):
            start, stop, relation = edges[number], edges[number + 1], relations[number]
            if start == stop:
                continue
            run = scores[anchor, start:stop]
            same = relation == _SAME_LABEL
            side = 0 if same else 1
            _add_candidates(run, counts[anchor, side], sums[anchor, side], moments[anchor, relation])
            _keep_largest(run, same, top_scores[anchor], top_same[anchor])
            for positive in range(offsets[anchor], offsets[anchor + 1]):
                below[positive, relation] += _count_below(run, positives[positive], tolerance)


def _add_candidates(run, counts, sums, moments):
    count, total, squares = 0, 0.0, 0.0
    for place in range(run.size):
        wide = np.float64(run[place])
        if wide < _HALF_HOLE:
            continue
        found = min(max(int((wide + 1.0) * (_ANCHOR_BINS / 2)), 0), _ANCHOR_BINS - 1)
        counts[found] += 1
        sums[found] += wide
        count += 1
        total += wide
        squares += wide * wide
    moments[0] += count
    moments[1] += total
    moments[2] += squares


def _keep_largest(run, same, top_scores, top_same):
    size = top_scores.size
    smallest = top_scores[size - 1]
    for place in range(run.size):
        score = np.float64(run[place])
        if score <= smallest or score < _HALF_HOLE:
            continue
        slot = size - 1
        while slot > 0 and top_scores[slot - 1] < score:
            top_scores[slot] = top_scores[slot - 1]
            top_same[slot] = top_same[slot - 1]
            slot -= 1
        top_scores[slot] = score
        top_same[slot] = same
        smallest = top_scores[size - 1]


def keep_neighbours(scores, first_column, holes, top_scores, top_columns):
    """Keep the largest scores of each row, descending, with their columns; of equal ones the first."""
    for number in range(holes.shape[0]):
        scores[holes[number, 0], holes[number, 1]] = HOLE
    size = top_scores.shape[1]
    for row_number in range(scores.shape[0]):
        run, best, where = scores[row_number], top_scores[row_number], top_columns[row_number]
        smallest = best[size - 1]
        for place in range(run.size):
            score = run[place]
            if score <= smallest or score < _HALF_HOLE:
                continue
            slot = size - 1
            while slot > 0 and best[slot - 1] < score:
                best[slot] = best[slot - 1]
                where[slot] = where[slot - 1]
                slot -= 1
            best[slot] = score
            where[slot] = first_column + place
            smallest = best[size - 1]


def _count_below(run, positive, tolerance):
    """Count the candidates below the positive, ties half."""
    twice = 0
    for place in range(run.size):
        score = run[place]
        difference = positive - score
        if score > _HALF_HOLE and difference >= -tolerance:
            twice += 2 if difference > tolerance else 1
    return twice / 2


# Each after those it calls.
_FUNCTIONS: tuple[Callable[..., Any], ...] = (
    _bin, _sum_of_squares, _extremes, _add_packed, _add_one_by_one, _place_run, _add_pair, bin_tile,
    bin_tile_with_links, _add_candidates, _keep_largest, _count_below, anchor_tile, keep_neighbours,
)  # fmt: skip
# Sums over a run may be taken in any order: that is what lets them be taken many at a time.
_ANY_ORDER: dict[str, set[str]] = {"_sum_of_squares": {"reassoc", "nsz", "contract"}}


def compile_with(njit: Callable[..., Any]) -> None:
    """Replace every loop by its compiled form, which is made when it is first called, and kept on disk."""
    for function in _FUNCTIONS:
        name = function.__name__
        globals()[name] = njit(nogil=True, cache=True, fastmath=_ANY_ORDER.get(name, False))(function)
