"""Loops over a tile of scores, to be compiled: one visit bins, counts and sums, for all pairs and for single anchors.

Plain Python as it stands; `cl_viz.engine.compiled` puts the compiled functions in the place of these where numba is
installed, and nothing calls them before.

Columns of a tile come sorted by label, so that the pairs of one row fall into at most four runs of one relation, cut
where a pair of one sample stands between. A run goes through short loops, each of which works on many scores at once:
scores become fixed-point numbers in a buffer that stays in the nearest cache; a last loop adds the place of each to a
histogram whose cells hold count and sum in one number (`cl_viz.engine.fixed_point`). A run that anchors see goes to a
histogram of its own first, which is then added to that of all pairs and, four bins to one, to the anchor's: so each
score is placed once.

Arrays shared by the kernels: `scores` (rows, columns) in float32 or float64; `grid` of its type, see `score_grid`;
`edges` (rows, 5), where the columns of unknown, of smaller, of the row's and of greater label begin, and the end;
`links` (row and column, sorted; those of a row begin at `first_links`), pairs of one sample; `fixed`, room for one
row. Of all pairs: `packed` (4, BINS), emptied into `counts` and `sums` (4, BINS) before `held` (1,) pairs are too many
for it; `squares`, `lows`, `highs` (4,); `limits` (4, 2), the extremes in fixed point; `near`, the bins close to 1.

Numba keeps compiled functions by file: a loop must not call one of another file, whose change it would not notice.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from cl_viz.engine import bins, fixed_point
from cl_viz.engine.pair_sketch import Relation

_SAME_SAMPLE, _SAME_LABEL = int(Relation.SAME_SAMPLE), int(Relation.SAME_LABEL)
_DIFFERENT_LABEL, _UNKNOWN_LABEL = int(Relation.DIFFERENT_LABEL), int(Relation.UNKNOWN_LABEL)
_FRACTION, _PLACE = np.int32(fixed_point.FRACTION_BITS), np.int32((1 << fixed_point.FRACTION_BITS) - 1)
_JOINED_FRACTION = np.int32(fixed_point.FRACTION_BITS + fixed_point.JOINED_BITS)
_JOINED_PLACE = np.int32((1 << int(_JOINED_FRACTION)) - 1)
_JOINED = 1 << fixed_point.JOINED_BITS
_SHIFT = np.int64(fixed_point.COUNT_SHIFT)
_ONE = np.int64(1) << _SHIFT
_SUM_MASK = np.int64(_ONE - 1)
_MOST_PACKED = fixed_point.PACKED_PAIRS
_LEAST_FIXED, _MOST_FIXED = np.int32(0), np.int32((bins.UNIFORM_BINS << fixed_point.FRACTION_BITS) - 1)
# From the last uniform bin on scores are binned one by one: rounding may put its upper end on either side.
_LAST_UNIFORM = bins.COARSE_BINS - 1
_FIRST_NEAR = np.int32(_LAST_UNIFORM << fixed_point.FRACTION_BITS)
_NEAR_ONE, _LOG_FLOOR, _LOG_BINS, _COARSE_BINS = bins.NEAR_ONE, bins.LOG_FLOOR, bins.LOG_BINS, bins.COARSE_BINS
_LOG_SCALE = bins.LOG_BINS / math.log(bins.NEAR_ONE / bins.LOG_FLOOR)
_LAST_COARSE, _LAST_OF_ANCHOR = np.int32(bins.COARSE_BINS - 1), np.int32(bins.ANCHOR_BINS - 1)
_WIDTH = bins.WIDTH
_STEPS_TO_ONE = np.float32(1 << 24)
_ROWS_AT_ONCE = 64
# A run so much shorter than its range of bins has no histogram of its own.
_CELLS_A_SCORE = 4


def find_edges(row_labels, column_labels, edges):
    """Write into `edges` (rows, 5) where the columns of each relation to a row begin; labels of columns ascend."""
    n_columns = column_labels.size
    n_unknown = np.searchsorted(column_labels, 0)
    for row in range(row_labels.size):
        label = row_labels[row]
        if row > 0 and label == row_labels[row - 1]:
            edges[row] = edges[row - 1]
            continue
        edges[row, 0] = 0
        edges[row, 1:] = n_columns
        if label >= 0:
            edges[row, 1] = n_unknown
            edges[row, 2] = np.searchsorted(column_labels, label)
            edges[row, 3] = np.searchsorted(column_labels, label, side="right")


def _bin(score, grid):
    """Return the bin of one score, as `bins.bin_index` does."""
    if score >= grid[4]:
        distance = max(1.0 - np.float64(score), _LOG_FLOOR)
        fine = int(math.log(_NEAR_ONE / distance) * _LOG_SCALE)
        return _COARSE_BINS + min(max(fine, 0), _LOG_BINS - 1)
    return min(max(int((score + grid[0]) * grid[2]), 0), _COARSE_BINS - 1)


def _add_exactly(score, grid, near, counts, sums):
    """Add a score to the cell of its bin; a float32 score near 1 is looked up."""
    if near.size and score >= grid[4]:
        step = int((np.float32(1.0) - np.float32(score)) * _STEPS_TO_ONE)
        found = np.int64(near[min(max(step, 0), near.size - 1)])
    else:
        found = np.int64(_bin(score, grid))
    counts[found] += 1
    sums[found] += score


def _add_all_exactly(run, grid, near, fixed, counts, sums):
    """Add scores to the cells of their bins, as `_add_exactly` does one by one."""
    for number in range(run.size):
        fixed[number] = min(max(np.int32((run[number] + grid[0]) * grid[2]), np.int32(0)), _LAST_COARSE)
    for number in range(run.size):
        score = run[number]
        if score >= grid[4]:
            _add_exactly(score, grid, near, counts, sums)
        else:
            place = np.uint32(fixed[number])
            counts[place] += 1
            sums[place] += score


def _powers(run):
    """Return the sum of the scores, and of their squares."""
    total, squares = 0.0, 0.0
    for number in range(run.size):
        wide = np.float64(run[number])
        total += wide
        squares += wide * wide
    return total, squares


def _sum_of_squares(run):
    total = 0.0
    for number in range(run.size):
        wide = np.float64(run[number])
        total += wide * wide
    return total


def _keep_extremes(run, relation, lows, highs):
    low, high = run[0], run[0]
    for number in range(run.size):
        low = min(low, run[number])
        high = max(high, run[number])
    lows[relation] = min(lows[relation], np.float64(low))
    highs[relation] = max(highs[relation], np.float64(high))


def _to_fixed(run, grid, fixed):
    """Write scores in fixed point, those that rounding took out of [-1, 1] at its ends; return the extremes."""
    one, steps = grid[0], grid[1]
    low, high = _MOST_FIXED, _LEAST_FIXED
    for number in range(run.size):
        found = min(max(np.int32((run[number] + one) * steps), _LEAST_FIXED), _MOST_FIXED)
        fixed[number] = found
        low, high = min(low, found), max(high, found)
    return low, high


def _add_packed(fixed, fraction, mask, cells):
    for number in range(fixed.size):
        found = fixed[number]
        # An unsigned index: a signed one would be tested for counting from the end.
        cells[np.uint32(found >> fraction)] += _ONE + np.int64(found & mask)


def _note(run, relation, fixed, low, high, grid, near, limits, counts, sums, lows, highs):
    """Keep what packed cells do not: the extremes of a run, and its scores near 1 in their own bins."""
    if low <= limits[relation, 0] or high >= limits[relation, 1]:
        _keep_extremes(run, relation, lows, highs)
        limits[relation, 0] = min(low, limits[relation, 0])
        limits[relation, 1] = max(high, limits[relation, 1])
    if high >= _FIRST_NEAR:
        for number in range(run.size):
            if fixed[number] >= _FIRST_NEAR:
                _add_exactly(run[number], grid, near, counts[relation], sums[relation])


def _add_run(run, relation, grid, exact, near, fixed, packed, limits, counts, sums, squares, lows, highs):
    """Add the scores of one run, all of one relation."""
    squares[relation] += _sum_of_squares(run)
    if exact:
        _keep_extremes(run, relation, lows, highs)
        _add_all_exactly(run, grid, near, fixed, counts[relation], sums[relation])
        return
    places = fixed[: run.size]
    low, high = _to_fixed(run, grid, places)
    _note(run, relation, places, low, high, grid, near, limits, counts, sums, lows, highs)
    _add_packed(places, _FRACTION, _PLACE, packed[relation])


def unpack(packed, held, bias, counts, sums):
    """Hand what `packed` (4, BINS) holds over to `counts` and `sums` (4, BINS), and empty it."""
    held[0] = 0
    scale = 1.0 / np.float64(_PLACE + 1)
    for relation in range(packed.shape[0]):
        for place in range(_LAST_UNIFORM):
            cell = packed[relation, place]
            if cell != 0:
                count = cell >> _SHIFT
                total = np.float64(cell & _SUM_MASK) * scale + count * (place + bias[place])
                counts[relation, place] += count
                sums[relation, place] += total * _WIDTH - count
        packed[relation] = 0


def bin_tile(
    scores, diagonal, edges, links, first_links, grid, exact, near, fixed,
    packed, held, bias, limits, counts, sums, squares, lows, highs,
):  # fmt: skip
    """Add a tile; on the diagonal only what is above it.

    Float32 scores go to `packed`; those close to 1, and all if `exact`, to `counts` and `sums`.
    """
    n_rows, n_columns = scores.shape
    relations = np.array([_UNKNOWN_LABEL, _DIFFERENT_LABEL, _SAME_LABEL, _DIFFERENT_LABEL])
    for top in range(0, n_rows, _ROWS_AT_ONCE):
        # Few rows at a time, whose scores stay in the cache until the last of their runs is done.
        bottom = min(top + _ROWS_AT_ONCE, n_rows)
        if held[0] + (bottom - top) * n_columns > _MOST_PACKED:
            unpack(packed, held, bias, counts, sums)
        held[0] += (bottom - top) * n_columns
        for number in range(4):
            relation = relations[number]
            for row in range(top, bottom):
                start, stop = max(edges[row, number], row + 1 if diagonal else 0), edges[row, number + 1]
                link = first_links[row]
                while start < stop:
                    while link < first_links[row + 1] and links[link, 1] < start:
                        link += 1
                    end = min(stop, links[link, 1]) if link < first_links[row + 1] else stop
                    if end > start:
                        # A slice: from a start the compiler cannot see, every index would be tested.
                        _add_run(scores[row, start:end], relation, grid, exact, near, fixed,
                                 packed, limits, counts, sums, squares, lows, highs)  # fmt: skip
                    start = end + 1
    for link in range(links.shape[0]):
        row, column = links[link]
        if column > row or not diagonal:
            _add_run(scores[row, column : column + 1], _SAME_SAMPLE, grid, exact, near, fixed,
                     packed, limits, counts, sums, squares, lows, highs)  # fmt: skip


def _see_exactly(run, grid, fixed, counts, sums):
    """Add scores to an anchor's counts and sums; return the first and the last bin of theirs."""
    low, high = _LAST_OF_ANCHOR, np.int32(0)
    for number in range(run.size):
        found = min(max(np.int32((run[number] + grid[0]) * grid[3]), np.int32(0)), _LAST_OF_ANCHOR)
        fixed[number] = found
        low, high = min(low, found), max(high, found)
    for number in range(run.size):
        place = np.uint32(fixed[number])
        counts[place] += 1
        sums[place] += run[number]
    return low, high


def _join(own, cells):
    """Add cells of the uniform bins to an anchor's, which are as wide as four: places count from the first of these."""
    for number in range(cells.size):
        one, two, three, four = own[number, 0], own[number, 1], own[number, 2], own[number, 3]
        bins_up = (two >> _SHIFT) + ((three >> _SHIFT) << 1) + (four >> _SHIFT) * 3
        cells[number] += one + two + three + four + (bins_up << _FRACTION)


def _move(own, cells):
    for number in range(own.size):
        cells[number] += own[number]


def _see_run(
    run, relation, counted, grid, exact, near, fixed, own, cells, seen_counts, seen_sums, within, moments,
    packed, limits, counts, sums, squares, lows, highs,
):  # fmt: skip
    """Add the scores of one run to what an anchor has seen, and to all pairs if they are counted."""
    side = 0 if relation == _SAME_LABEL else 1
    total, powers = _powers(run)
    moments[relation, 0] += run.size
    moments[relation, 1] += total
    moments[relation, 2] += powers
    if exact:
        low, high = _see_exactly(run, grid, fixed, seen_counts[side], seen_sums[side])
        within[0], within[1] = min(within[0], low), max(within[1], high + 1)
        if counted:
            _add_run(run, relation, grid, exact, near, fixed, packed, limits, counts, sums, squares, lows, highs)
        return
    places = fixed[: run.size]
    low, high = _to_fixed(run, grid, places)
    if counted:
        squares[relation] += powers
        _note(run, relation, places, low, high, grid, near, limits, counts, sums, lows, highs)
    first, last = low >> _FRACTION, high >> _FRACTION
    within[0] = min(within[0], first // _JOINED)
    within[1] = max(within[1], last // _JOINED + 1)
    if run.size < (last - first) // _CELLS_A_SCORE:
        _add_packed(places, _JOINED_FRACTION, _JOINED_PLACE, cells[side])
        if counted:
            _add_packed(places, _FRACTION, _PLACE, packed[relation])
        return
    _add_packed(places, _FRACTION, _PLACE, own)
    start, stop = first // _JOINED, last // _JOINED + 1
    part = own[start * _JOINED : stop * _JOINED]
    _join(part.reshape(stop - start, _JOINED), cells[side, start:stop])
    if counted:
        _move(part, packed[relation, start * _JOINED : stop * _JOINED])
    part[:] = 0


def anchor_tile(
    scores, counted, diagonal, edges, links, first_links, grid, exact, near, fixed, own,
    cells, seen_counts, seen_sums, within, moments, packed, held, bias, limits, counts, sums, squares, lows, highs,
):  # fmt: skip
    """Add a tile of anchors against candidates to what each anchor has seen, and to all pairs if it is `counted`.

    Of the pairs of a tile on the diagonal, where `links` hold each anchor itself, those above it are counted. Pairs of
    one sample are no candidates. Float32 scores go to `cells` (anchors, 2, ANCHOR_BINS), by way of `own`, the zeros of
    one histogram of all pairs; all if `exact` to `seen_counts` and `seen_sums` of that shape. `within` (anchors, 2):
    first bin with any, and what follows the last. `moments` (anchors, 4, 3): count, sum and sum of squares.
    """
    n_columns = scores.shape[1]
    relations = np.array([_UNKNOWN_LABEL, _DIFFERENT_LABEL, _SAME_LABEL, _DIFFERENT_LABEL])
    for anchor in range(scores.shape[0]):
        if counted:
            if held[0] + n_columns > _MOST_PACKED:
                unpack(packed, held, bias, counts, sums)
            held[0] += n_columns
        for number in range(4):
            relation, start, stop = relations[number], edges[anchor, number], edges[anchor, number + 1]
            link = first_links[anchor]
            while start < stop:
                while link < first_links[anchor + 1] and links[link, 1] < start:
                    link += 1
                end = min(stop, links[link, 1]) if link < first_links[anchor + 1] else stop
                if end > start:
                    _see_run(scores[anchor, start:end], relation, counted and (not diagonal or start > anchor),
                             grid, exact, near, fixed, own, cells[anchor], seen_counts[anchor], seen_sums[anchor],
                             within[anchor], moments[anchor],
                             packed, limits, counts, sums, squares, lows, highs)  # fmt: skip
                start = end + 1
        for link in range(first_links[anchor], first_links[anchor + 1]):
            column = links[link, 1]
            if counted and (column > anchor or not diagonal):
                _add_run(scores[anchor, column : column + 1], _SAME_SAMPLE, grid, exact, near, fixed,
                         packed, limits, counts, sums, squares, lows, highs)  # fmt: skip


# Each after those it calls.
FUNCTIONS: tuple[Callable[..., Any], ...] = (
    find_edges, _bin, _add_exactly, _add_all_exactly, _powers, _sum_of_squares, _keep_extremes, _to_fixed, _add_packed,
    _note, _add_run, unpack, bin_tile, _see_exactly, _join, _move, _see_run, anchor_tile,
)  # fmt: skip
# Sums over a run may be taken in any order: that is what lets them be taken many at a time.
ANY_ORDER: dict[str, set[str]] = {name: {"reassoc", "nsz", "contract"} for name in ("_powers", "_sum_of_squares")}
