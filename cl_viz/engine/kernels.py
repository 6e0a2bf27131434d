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
_JOINED_SHIFT, _NO_SHIFT = np.int32(fixed_point.JOINED_BITS), np.int32(0)
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
_LAST_COARSE, _LAST_BIN = np.int32(bins.COARSE_BINS - 1), np.int32(bins.UNIFORM_BINS - 1)
# Of the four runs of a row.
_RELATIONS = (_UNKNOWN_LABEL, _DIFFERENT_LABEL, _SAME_LABEL, _DIFFERENT_LABEL)
_WIDTH = bins.WIDTH
_STEPS_TO_ONE = np.float32(1 << 24)
_ROWS_AT_ONCE = 64
# Scores of a run that stay in the nearest cache from one short loop to the next.
_AT_ONCE = 2048
# A run so much shorter than its range of bins has no histogram of its own.
_CELLS_A_SCORE = 4
# The same for cells with count and sum beside each other.
_SCORES_A_CELL = 2


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
    if score >= grid[3]:
        distance = max(1.0 - np.float64(score), _LOG_FLOOR)
        fine = int(math.log(_NEAR_ONE / distance) * _LOG_SCALE)
        return _COARSE_BINS + min(max(fine, 0), _LOG_BINS - 1)
    return min(max(int((score + grid[0]) * grid[2]), 0), _COARSE_BINS - 1)


def _add_exactly(score, grid, near, counts, sums):
    """Add a score to the cell of its bin; a float32 score near 1 is looked up."""
    if near.size and score >= grid[3]:
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
        if score >= grid[3]:
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


def _to_fixed(run, one, steps, most, fixed):
    """Write how many steps above -1 scores are, those that rounding took out of [-1, 1] at its ends.

    Return the extremes.
    """
    low, high = most, _LEAST_FIXED
    for number in range(run.size):
        found = min(max(np.int32((run[number] + one) * steps), _LEAST_FIXED), most)
        fixed[number] = found
        low, high = min(low, found), max(high, found)
    return low, high


def _add_packed(fixed, fraction, mask, cells):
    for number in range(fixed.size):
        found = fixed[number]
        # An unsigned index: a signed one would be tested for counting from the end.
        cells[np.uint32(found >> fraction)] += _ONE + np.int64(found & mask)


def _note(run, relation, fixed, low, high, first_near, grid, near, limits, counts, sums, lows, highs):
    """Keep what uniform bins do not: the extremes of a run, and its scores from `first_near` on in bins of theirs."""
    if low <= limits[relation, 0] or high >= limits[relation, 1]:
        _keep_extremes(run, relation, lows, highs)
        limits[relation, 0] = min(low, limits[relation, 0])
        limits[relation, 1] = max(high, limits[relation, 1])
    if high >= first_near:
        for number in range(run.size):
            if fixed[number] >= first_near:
                _add_exactly(run[number], grid, near, counts[relation], sums[relation])


def _add_run(run, relation, grid, exact, near, fixed, packed, limits, counts, sums, squares, lows, highs):
    """Add the scores of one run, all of one relation."""
    squares[relation] += _sum_of_squares(run)
    if exact:
        _keep_extremes(run, relation, lows, highs)
        _add_all_exactly(run, grid, near, fixed, counts[relation], sums[relation])
        return
    places = fixed[: run.size]
    low, high = _to_fixed(run, grid[0], grid[1], _MOST_FIXED, places)
    _note(run, relation, places, low, high, _FIRST_NEAR, grid, near, limits, counts, sums, lows, highs)
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
    for top in range(0, n_rows, _ROWS_AT_ONCE):
        # Few rows at a time, whose scores stay in the cache until the last of their runs is done.
        bottom = min(top + _ROWS_AT_ONCE, n_rows)
        if held[0] + (bottom - top) * n_columns > _MOST_PACKED:
            unpack(packed, held, bias, counts, sums)
        held[0] += (bottom - top) * n_columns
        for number in range(4):
            relation = _RELATIONS[number]
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


def _add_moments(run, moments):
    total, powers = _powers(run)
    moments[0] += run.size
    moments[1] += total
    moments[2] += powers
    return powers


def _see_run(
    run, relation, counted, length, grid, near, fixed, own, bounds, cells, within, moments,
    packed, limits, counts, sums, squares, lows, highs,
):  # fmt: skip
    """Add float32 scores to an anchor's own histogram of all bins, which `_hand_over` empties.

    If they are part of a run whose `length` is small against their range, straight to where they belong. `bounds`
    (2,), the first and the last of these bins with any, are widened.
    """
    powers = _add_moments(run, moments[relation])
    places = fixed[: run.size]
    low, high = _to_fixed(run, grid[0], grid[1], _MOST_FIXED, places)
    if counted:
        squares[relation] += powers
        _note(run, relation, places, low, high, _FIRST_NEAR, grid, near, limits, counts, sums, lows, highs)
    first, last = low >> _FRACTION, high >> _FRACTION
    within[0], within[1] = min(within[0], first // _JOINED), max(within[1], last // _JOINED + 1)
    if length >= (last - first) // _CELLS_A_SCORE:
        bounds[0], bounds[1] = min(bounds[0], first), max(bounds[1], last)
        _add_packed(places, _FRACTION, _PLACE, own)
        return
    _add_packed(places, _JOINED_FRACTION, _JOINED_PLACE, cells)
    if counted:
        _add_packed(places, _FRACTION, _PLACE, packed[relation])


def _add_in_bins(run, places, shift, most, counts, sums):
    for number in range(run.size):
        place = places[number]
        if place <= most:
            counts[np.uint32(place >> shift)] += 1
            sums[np.uint32(place >> shift)] += run[number]


def _see_exactly(
    run, relation, counted, length, grid, near, fixed, own, bounds, seen_counts, seen_sums, within, moments,
    limits, counts, sums, squares, lows, highs,
):  # fmt: skip
    """Add scores as `_see_run` does, without cutting any; `own` (bins, 2) holds counts and sums."""
    powers = _add_moments(run, moments[relation])
    places = fixed[: run.size]
    first, last = _to_fixed(run, grid[0], grid[2], _LAST_BIN, places)
    within[0], within[1] = min(within[0], first // _JOINED), max(within[1], last // _JOINED + 1)
    if counted:
        squares[relation] += powers
        _note(run, relation, places, first, last, _LAST_COARSE, grid, near, limits, counts, sums, lows, highs)
    if length >= (last - first) * _SCORES_A_CELL:
        bounds[0], bounds[1] = min(bounds[0], first), max(bounds[1], last)
        for number in range(run.size):
            place = np.uint32(places[number])
            own[place, 0] += 1.0
            own[place, 1] += run[number]
        return
    _add_in_bins(run, places, _JOINED_SHIFT, _LAST_BIN, seen_counts, seen_sums)
    if counted:
        _add_in_bins(run, places, _NO_SHIFT, _LAST_COARSE - 1, counts[relation], sums[relation])


def _join(own, cells):
    """Add cells of the uniform bins to an anchor's, which are as wide as four: places count from the first of these."""
    for number in range(cells.size):
        one, two, three, four = own[number, 0], own[number, 1], own[number, 2], own[number, 3]
        bins_up = (two >> _SHIFT) + ((three >> _SHIFT) << 1) + (four >> _SHIFT) * 3
        cells[number] += one + two + three + four + (bins_up << _FRACTION)


def _move(own, cells):
    for number in range(own.size):
        cells[number] += own[number]


def _join_exactly(own, counts, sums):
    for number in range(counts.size):
        cell = own[number]
        counts[number] += np.int64(cell[0, 0] + cell[1, 0] + cell[2, 0] + cell[3, 0])
        sums[number] += cell[0, 1] + cell[1, 1] + cell[2, 1] + cell[3, 1]


def _move_exactly(own, counts, sums):
    for number in range(counts.size):
        counts[number] += np.int64(own[number, 0])
        sums[number] += own[number, 1]


def _hand_over(relation, counted, exact, bounds, own, exact_own, cells, seen_counts, seen_sums, packed, counts, sums):
    """Add what an anchor's own histogram holds to what it has seen, and to all pairs if counted; empty it."""
    start, stop = bounds[0] // _JOINED, bounds[1] // _JOINED + 1
    low, high = start * _JOINED, stop * _JOINED
    if not exact:
        part = own[low:high]
        _join(part.reshape(stop - start, _JOINED), cells[start:stop])
        if counted:
            _move(part, packed[relation, low:high])
        part[:] = 0
        return
    both = exact_own[low:high]
    _join_exactly(both.reshape(stop - start, _JOINED, 2), seen_counts[start:stop], seen_sums[start:stop])
    if counted:
        high = min(high, np.int64(_LAST_COARSE))
        _move_exactly(exact_own[low:high], counts[relation, low:high], sums[relation, low:high])
    both[:] = 0.0


def anchor_tile(
    scores, counted_from, edges, links, first_links, grid, exact, near, fixed, own, exact_own,
    cells, seen_counts, seen_sums, within, moments, packed, held, bias, limits, counts, sums, squares, lows, highs,
):  # fmt: skip
    """Add a tile of anchors against candidates to what each anchor has seen, and to all pairs where they are counted.

    The tile's columns lie in sections, in each of which labels ascend: `edges` (anchors, sections, 5) hold those of
    each section, and pairs are counted from column `counted_from` (anchors, sections) on. Pairs of one sample, and an
    anchor itself, stand in `links` and are no candidates. Float32 scores go to `cells` (anchors, 2, ANCHOR_BINS); all
    if `exact` to `seen_counts` and `seen_sums` of that shape. On the way they are in `own` (bins,) or `exact_own`
    (bins, 2), zeros before and after. `within` (anchors, 2): first bin with any, and what follows the last. `moments`
    (anchors, 4, 3): count, sum and sum of squares.
    """
    bounds = np.empty(2, dtype=np.int64)
    for anchor in range(scores.shape[0]):
        if held[0] + scores.shape[1] > _MOST_PACKED:
            unpack(packed, held, bias, counts, sums)
        held[0] += scores.shape[1]
        for turn in range(6):
            # Runs of one relation follow each other, those that are counted last: their histogram is the same.
            relation, counted = turn // 2 + 1, turn % 2 == 1
            side = 0 if relation == _SAME_LABEL else 1
            bounds[0], bounds[1] = _LAST_BIN, -1
            for piece in range(edges.shape[1] * 4):
                section, number = piece // 4, piece % 4
                if _RELATIONS[number] != relation:
                    continue
                start, stop = edges[anchor, section, number], edges[anchor, section, number + 1]
                border = counted_from[anchor, section]
                start, stop = (max(start, border), stop) if counted else (start, min(stop, border))
                length, link = stop - start, first_links[anchor]
                while start < stop:
                    while link < first_links[anchor + 1] and links[link, 1] < start:
                        link += 1
                    hole = links[link, 1] if link < first_links[anchor + 1] else stop
                    end = min(hole, stop, start + _AT_ONCE)
                    if end > start and exact:
                        _see_exactly(
                            scores[anchor, start:end], relation, counted, length, grid, near, fixed, exact_own, bounds,
                            seen_counts[anchor, side], seen_sums[anchor, side], within[anchor], moments[anchor],
                            limits, counts, sums, squares, lows, highs)  # fmt: skip
                    elif end > start:
                        _see_run(
                            scores[anchor, start:end], relation, counted, length, grid, near, fixed, own, bounds,
                            cells[anchor, side], within[anchor], moments[anchor],
                            packed, limits, counts, sums, squares, lows, highs)  # fmt: skip
                    start = end + 1 if end == hole else end
            if bounds[1] >= 0:
                _hand_over(relation, counted, exact, bounds, own, exact_own, cells[anchor, side],
                           seen_counts[anchor, side], seen_sums[anchor, side], packed, counts, sums)  # fmt: skip
        for link in range(first_links[anchor], first_links[anchor + 1]):
            column = links[link, 1]
            section = 0
            while column >= edges[anchor, section, 4]:
                section += 1
            if column >= counted_from[anchor, section]:
                _add_run(scores[anchor, column : column + 1], _SAME_SAMPLE, grid, exact, near, fixed,
                         packed, limits, counts, sums, squares, lows, highs)  # fmt: skip


# Each after those it calls.
FUNCTIONS: tuple[Callable[..., Any], ...] = (
    find_edges, _bin, _add_exactly, _add_all_exactly, _powers, _sum_of_squares, _keep_extremes, _to_fixed, _add_packed,
    _note, _add_run, unpack, bin_tile, _add_moments, _see_run, _add_in_bins, _see_exactly, _join, _move, _join_exactly,
    _move_exactly, _hand_over, anchor_tile,
)  # fmt: skip
# Sums over a run may be taken in any order: that is what lets them be taken many at a time.
ANY_ORDER: dict[str, set[str]] = {name: {"reassoc", "nsz", "contract"} for name in ("_powers", "_sum_of_squares")}
