"""Loops that keep what single rows see, to be compiled: anchors' histograms, largest candidates, nearest neighbours.

See `cl_viz.engine.kernels` for how the loops work and what they share. Here: `scores` (rows, columns); `holes` (row and
column, sorted) that do not count; `packed` (rows, 2, ANCHOR_BINS), where one number holds the count of a cell and the
sum of its candidates' places within the bin. The largest scores of a row gather in its line of `kept`, unsorted, with
what belongs to them in `beside`: `fill` says how many, and a score above `limit` is added; when the line is full, all
but the largest are dropped, and the limit rises.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cl_viz.engine import bins
from cl_viz.engine.pair_sketch import Relation

FRACTION_BITS = 16
"""Bits of a score's place within an anchor's bin: 3e-8 in score units."""
COUNT_SHIFT = 40
MOST_CANDIDATES = 1 << 23
"""Most candidates of one anchor whose count and sum one number holds."""
TAIL = 32
"""Largest candidates of an anchor that are kept exactly."""
MEAN_STEPS = 65534
"""Steps of a bin's width in which the mean place of a cell's candidates is kept."""

_SAME_LABEL, _DIFFERENT_LABEL = int(Relation.SAME_LABEL), int(Relation.DIFFERENT_LABEL)
_UNKNOWN_LABEL = int(Relation.UNKNOWN_LABEL)
_FRACTION, _PLACE = np.int32(FRACTION_BITS), np.int32((1 << FRACTION_BITS) - 1)
_ONE = np.int64(1) << COUNT_SHIFT
_SUM_MASK = np.int64(_ONE - 1)
_BINS = bins.ANCHOR_BINS
_PLACES_PER_BIN = np.float32(1 << FRACTION_BITS)
_TAIL = TAIL
_ROW_LANES = 48
_STEPS = np.float64(MEAN_STEPS)
_WIDTH = 2.0 / bins.ANCHOR_BINS


def _to_places(run, grid, index, place):
    """Write each score's bin and its place within it, as whole numbers; return the smallest and the largest bin."""
    one, scale = grid[0], grid[1]
    for number in range(run.size):
        # A power of 2 moves no digit: cutting this to bins finds the bin that `bins.anchor_bin_index` finds.
        fixed = np.int32(np.float32((run[number] + one) * scale) * _PLACES_PER_BIN)
        index[number] = fixed >> _FRACTION
        place[number] = fixed & _PLACE


def _range_of(index):
    low, high = index[0], index[0]
    for number in range(index.size):
        low = min(low, index[number])
        high = max(high, index[number])
    return low, high


def _clamp(index, place):
    """Put scores that rounding took out of [-1, 1] at the ends of the outermost bins."""
    for number in range(index.size):
        if index[number] < 0:
            index[number], place[number] = 0, 0
        elif index[number] >= _BINS:
            index[number], place[number] = _BINS - 1, _PLACE


def _add_places(index, place, cells):
    for number in range(index.size):
        # An unsigned index: a signed one would be tested for counting from the end.
        cells[np.uint32(index[number])] += _ONE + np.int64(place[number])


def _add_exactly(run, grid, counts, sums):
    """Add scores to counts and to sums of what lies above the bin's middle."""
    for place in range(run.size):
        found = min(max(int((run[place] + grid[0]) * grid[1]), 0), _BINS - 1)
        counts[found] += 1
        sums[found] += run[place] - ((found + 0.5) * _WIDTH - 1.0)


def _powers(run):
    """Return the sum of the scores, and of their squares."""
    total, squares = 0.0, 0.0
    for place in range(run.size):
        wide = np.float64(run[place])
        total += wide
        squares += wide * wide
    return total, squares


def _count_above(run, score):
    found = np.int32(0)
    for place in range(run.size):
        found += np.int32(run[place] > score)
    return found


def _flag_above(run, limit, flags):
    for place in range(run.size):
        flags[place] = np.uint8(run[place] > limit)


def _flag_above_each(run, limits, flags):
    for place in range(run.size):
        flags[place] = np.uint8(run[place] > limits[place])


def _flagged(flags, size, found):
    """Write the places of the flags that are set among the first `size`, and return how many there are.

    Few are: flags are looked at eight at a time.
    """
    n_words = (size + 7) // 8
    flags[size : n_words * 8] = 0
    words = flags.view(np.uint64)
    number = 0
    for word in range(n_words):
        rest = words[word]
        while rest != 0:
            lowest = rest & (~rest + np.uint64(1))
            rest ^= lowest
            place = word * 8
            # A flag is the lowest bit of its byte.
            if lowest >> np.uint64(32):
                place += 4
                lowest >>= np.uint64(32)
            if lowest >> np.uint64(16):
                place += 2
                lowest >>= np.uint64(16)
            if lowest >> np.uint64(8):
                place += 1
            found[number] = place
            number += 1
    return number


def _select(kept, beside, size, n_largest):
    """Move the largest of the first `size` entries to the front (Hoare's selection); return the smallest of them."""
    low, high, last = 0, size - 1, n_largest - 1
    while low < high:
        pivot = kept[(low + high) // 2]
        left, right = low, high
        while left <= right:
            while kept[left] > pivot:
                left += 1
            while kept[right] < pivot:
                right -= 1
            if left <= right:
                kept[left], kept[right] = kept[right], kept[left]
                beside[left], beside[right] = beside[right], beside[left]
                left += 1
                right -= 1
        if last <= right:
            high = right
        elif last >= left:
            low = left
        else:
            break
    smallest = kept[0]
    for place in range(n_largest):
        smallest = min(smallest, kept[place])
    return smallest


def _keep(score, companion, row, n_largest, kept, beside, fill, limit):
    place = fill[row]
    kept[row, place] = score
    beside[row, place] = companion
    fill[row] = place + 1
    if place + 1 == kept.shape[1]:
        limit[row] = _select(kept[row], beside[row], kept.shape[1], n_largest)
        fill[row] = n_largest


def keep_largest(kept, beside, fill, limit, n_largest):
    """Move the largest entries of every row to the front, descending, and forget the others."""
    for row in range(kept.shape[0]):
        if fill[row] >= n_largest:
            limit[row] = max(limit[row], _select(kept[row], beside[row], fill[row], n_largest))
            fill[row] = n_largest
        _sort(kept[row], beside[row], fill[row])


def _sort(kept, beside, size):
    """Put the first entries in descending order, by insertion: they are few, and equal ones stay as they are."""
    for number in range(1, size):
        score, companion, place = kept[number], beside[number], number
        while place > 0 and kept[place - 1] < score:
            kept[place], beside[place] = kept[place - 1], beside[place - 1]
            place -= 1
        kept[place], beside[place] = score, companion


def _bound_of_largest(run, n_largest, lanes):
    """Return a score that at least `n_largest` of a run reach.

    Of every lane (each `lanes`-th score) one score is its largest; so many lanes, so many scores.
    """
    n_lanes = lanes.size
    lanes[:] = run[:n_lanes]
    for start in range(n_lanes, run.size - n_lanes + 1, n_lanes):
        part = run[start : start + n_lanes]
        for lane in range(n_lanes):
            lanes[lane] = max(lanes[lane], part[lane])
    return _select(lanes, np.empty(n_lanes, dtype=np.int64), n_lanes, n_largest)


def _keep_candidates(run, same, row, n_largest, lanes, flags, found, kept, beside, fill, limit):
    """Keep the largest candidates; few of a run are large enough."""
    _flag_above(run, limit[row], flags)
    number = _flagged(flags, run.size, found)
    if number > 2 * n_largest and run.size >= 2 * lanes.size:
        limit[row] = max(limit[row], np.nextafter(_bound_of_largest(run, n_largest, lanes), -run.dtype.type(np.inf)))
    for entry in range(number):
        score = run[found[entry]]
        if score > limit[row]:
            _keep(score, same, row, n_largest, kept, beside, fill, limit)


def keep_neighbours(scores, row_numbers, column_numbers, diagonal, n_largest, kept, beside, fill, limit):
    """Keep the columns that score highest against each row; on the diagonal, where both are the same, not itself.

    Lines of `kept` and the others are numbered as rows are.
    """
    lanes = np.empty(64 if n_largest < 32 else 512, dtype=scores.dtype)
    flags, found = np.empty(scores.shape[1] + 8 & ~7, dtype=np.uint8), np.empty(scores.shape[1], dtype=np.int64)
    for row in range(scores.shape[0]):
        run, line = scores[row], row_numbers[row]
        _flag_above(run, limit[line], flags)
        number = _flagged(flags, run.size, found)
        if number > 2 * n_largest and run.size >= 2 * lanes.size:
            # A row may be its own largest.
            bound = _bound_of_largest(run, n_largest + 1 if diagonal else n_largest, lanes)
            limit[line] = max(limit[line], np.nextafter(bound, -lanes.dtype.type(np.inf)))
        for entry in range(number):
            place = found[entry]
            if run[place] > limit[line] and not (diagonal and column_numbers[place] == line):
                _keep(run[place], column_numbers[place], line, n_largest, kept, beside, fill, limit)


def _bound_columns(scores, n_largest, limits):
    """Raise the limit of every column to what at least `n_largest` of its scores reach; see `_bound_of_largest`."""
    largest = scores[:_ROW_LANES].copy()
    for row in range(_ROW_LANES, scores.shape[0]):
        lane, run = largest[row % _ROW_LANES], scores[row]
        for column in range(run.size):
            lane[column] = max(lane[column], run[column])
    lanes, beside = np.empty(_ROW_LANES, dtype=scores.dtype), np.empty(_ROW_LANES, dtype=np.int64)
    for column in range(scores.shape[1]):
        for lane in range(_ROW_LANES):
            lanes[lane] = largest[lane, column]
        bound = _select(lanes, beside, _ROW_LANES, n_largest)
        limits[column] = max(limits[column], np.nextafter(bound, -lanes.dtype.type(np.inf)))


def keep_neighbours_of_columns(scores, row_numbers, column_numbers, n_largest, kept, beside, fill, limit):
    """Keep the rows that score highest against each column; lines are numbered as columns are."""
    n_columns = scores.shape[1]
    limits = np.empty(n_columns, dtype=scores.dtype)
    fresh = False
    for column in range(n_columns):
        limits[column] = limit[column_numbers[column]]
        fresh = fresh or limits[column] == -np.inf
    if fresh and n_largest < _ROW_LANES and scores.shape[0] >= 2 * _ROW_LANES:
        _bound_columns(scores, n_largest, limits)
        for column in range(n_columns):
            limit[column_numbers[column]] = limits[column]
    flags, found = np.empty(n_columns + 8 & ~7, dtype=np.uint8), np.empty(n_columns, dtype=np.int64)
    for row in range(scores.shape[0]):
        run = scores[row]
        _flag_above_each(run, limits, flags)
        for entry in range(_flagged(flags, n_columns, found)):
            place = found[entry]
            line = column_numbers[place]
            _keep(run[place], row_numbers[row], line, n_largest, kept, beside, fill, limit)
            limits[place] = limit[line]


def _count_at_least(run, score):
    found = np.int32(0)
    for place in range(run.size):
        found += np.int32(run[place] >= score)
    return found


def _add_seen(run, side, relation, grid, exact, index, place, packed, counts, sums, moments):
    """Add the candidates of one run to one anchor's histogram and moments."""
    total, squares = _powers(run)
    moments[relation, 0] += run.size
    moments[relation, 1] += total
    moments[relation, 2] += squares
    if exact:
        _add_exactly(run, grid, counts[side], sums[side])
        return
    bins_of, places = index[: run.size], place[: run.size]
    _to_places(run, grid, bins_of, places)
    low, high = _range_of(bins_of)
    if low < 0 or high >= _BINS:
        _clamp(bins_of, places)
    _add_places(bins_of, places, packed[side])


def anchor_tile(
    scores, row_labels, column_labels, labelled, holes, positives, offsets, tolerance, grid, exact,
    index, place, packed, counts, sums, moments, below, kept, beside, fill, limit,
):  # fmt: skip
    """Add a tile of anchors against candidates, sorted by label, to what each anchor has seen.

    `positives` and `below` are those of the tile's anchors, anchor by anchor at `offsets`. Float32 scores go to
    `packed`, others to `counts` and `sums` (anchors, 2, ANCHOR_BINS); `moments` (anchors, 4, 3); beside the largest
    scores stands whether labels agree.
    """
    n_columns = scores.shape[1]
    edges = np.zeros(5, dtype=np.int64)
    relations = np.array([_UNKNOWN_LABEL, _DIFFERENT_LABEL, _SAME_LABEL, _DIFFERENT_LABEL])
    n_unknown = np.searchsorted(column_labels, 0) if labelled else n_columns
    edges[1:] = n_columns
    lanes = np.empty(256, dtype=scores.dtype)
    flags, found = np.empty(n_columns + 8 & ~7, dtype=np.uint8), np.empty(n_columns, dtype=np.int64)
    last = np.int64(-1)
    first_hole = 0
    for anchor in range(scores.shape[0]):
        if labelled and row_labels[anchor] != last:
            last = row_labels[anchor]
            edges[1] = n_unknown if last >= 0 else n_columns
            edges[2] = np.searchsorted(column_labels, last) if last >= 0 else n_columns
            edges[3] = np.searchsorted(column_labels, last, side="right") if last >= 0 else n_columns
        after = first_hole
        while after < holes.shape[0] and holes[after, 0] == anchor:
            after += 1
        for number in range(4):
            start, stop, relation, hole = edges[number], edges[number + 1], relations[number], first_hole
            while start < stop:
                while hole < after and holes[hole, 1] < start:
                    hole += 1
                end = min(stop, holes[hole, 1]) if hole < after else stop
                if end > start:
                    run = scores[anchor, start:end]
                    same = relation == _SAME_LABEL
                    _add_seen(run, 0 if same else 1, relation, grid, exact, index, place,
                              packed[anchor], counts[anchor], sums[anchor], moments[anchor])  # fmt: skip
                    _keep_candidates(run, same, anchor, _TAIL, lanes, flags, found, kept, beside, fill, limit)
                    for positive in range(offsets[anchor], offsets[anchor + 1]):
                        score = positives[positive]
                        under = run.size - _count_above(run, score + tolerance)
                        under += run.size - _count_at_least(run, score - tolerance)
                        below[positive, relation] += under / 2
                start = end + 1
        first_hole = after


def count_filled(packed, filled):
    """Write how many cells of each anchor hold candidates."""
    for anchor in range(packed.shape[0]):
        found = 0
        for place in range(packed.shape[1]):
            found += packed[anchor, place] != 0
        filled[anchor] = found


def compact(packed, places, counts, means):
    """Write the filled cells one after another: place, count, and mean place in steps from the bin's middle."""
    number = 0
    for anchor in range(packed.shape[0]):
        for place in range(packed.shape[1]):
            cell = packed[anchor, place]
            if cell != 0:
                count = cell >> COUNT_SHIFT
                mean = np.float64(cell & _SUM_MASK) / (count * np.float64(_PLACES_PER_BIN))
                places[number] = place
                counts[number] = count
                means[number] = np.int16(np.rint((mean - 0.5) * _STEPS))
                number += 1


# Each after those it calls.
_FUNCTIONS: tuple[Callable[..., Any], ...] = (
    _to_places, _range_of, _clamp, _add_places, _add_exactly, _powers, _count_above, _count_at_least, _flag_above,
    _flag_above_each, _flagged, _select, _sort, _keep, keep_largest, _bound_of_largest, _keep_candidates,
    keep_neighbours, _bound_columns, keep_neighbours_of_columns, _add_seen, anchor_tile, count_filled, compact,
)  # fmt: skip
# Sums over a run may be taken in any order: that is what lets them be taken many at a time.
_ANY_ORDER: dict[str, set[str]] = {"_powers": {"reassoc", "nsz", "contract"}}


def compile_with(njit: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """Compile every loop when it is first called, keep that on disk, and return the loops by name."""
    for function in _FUNCTIONS:
        name = function.__name__
        # Loops call each other by these names.
        globals()[name] = njit(nogil=True, cache=True, fastmath=_ANY_ORDER.get(name, False))(function)
    names = [function.__name__ for function in _FUNCTIONS]
    return {name: globals()[name] for name in names if not name.startswith("_")}
