"""Loops that keep the largest scores of single rows, to be compiled: candidates of anchors, nearest neighbours, ranks.

See `cl_viz.engine.kernels` for how the loops work and what they share. The largest scores of a row gather in its line
of `kept`, unsorted, with what belongs to them in `beside`: `fill` says how many, and a score above `limit` is added;
when the line is full, all but the largest are dropped, and the limit rises.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cl_viz.engine import bins, fixed_point
from cl_viz.engine.pair_sketch import Relation

TAIL = 32
"""Largest candidates of an anchor that are kept exactly."""

_SAME_LABEL, _DIFFERENT_LABEL = int(Relation.SAME_LABEL), int(Relation.DIFFERENT_LABEL)
_UNKNOWN_LABEL = int(Relation.UNKNOWN_LABEL)
_TAIL = TAIL
_ROW_LANES = 48
# Scores that are looked at together: a limit rules nearly all of them out.
_BLOCK = 64
_SHIFT = np.int64(fixed_point.COUNT_SHIFT)
_ANCHOR_WIDTH = 2.0 / bins.ANCHOR_BINS


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


def _is_linked(links, low, high, column):
    # numba compiles no generator here.
    for link in range(low, high):  # noqa: SIM110
        if links[link, 1] == column:
            return True
    return False


def _places_above(run, limit, found):
    """Write the places of the scores above a limit, which hardly any are, and return how many there are."""
    number = 0
    for start in range(0, run.size, _BLOCK):
        block = run[start : start + _BLOCK]
        above = np.int32(0)
        for place in range(block.size):
            above += np.int32(block[place] > limit)
        if above == 0:
            continue
        for place in range(block.size):
            found[number] = start + place
            number += int(block[place] > limit)
    return number


def _limit_of_largest(cells, seen_counts, first, last, exact):
    """Return a score just below the bin that holds the last of an anchor's largest candidates; -inf if it has fewer."""
    found, place = 0, last
    while found < _TAIL and place > first:
        place -= 1
        if exact:
            found += seen_counts[0, place] + seen_counts[1, place]
        else:
            found += (cells[0, place] >> _SHIFT) + (cells[1, place] >> _SHIFT)
    if found < _TAIL or place == 0:
        return -np.inf
    # Rounding puts a score into a neighbouring bin if it is very near.
    return place * _ANCHOR_WIDTH - 1.0 - _ANCHOR_WIDTH / 64


def keep_candidates(
    scores, edges, links, first_links, exact, cells, seen_counts, within, places, kept, beside, fill, limit
):
    """Keep the largest candidates of each anchor, and whether they have its label.

    The cells of a tile's anchors, to which it was added before, say above which score they are; `places` is room for
    the places of one row and one more.
    """
    for anchor in range(scores.shape[0]):
        run, low, high = scores[anchor], first_links[anchor], first_links[anchor + 1]
        bound = _limit_of_largest(cells[anchor], seen_counts[anchor], within[anchor, 0], within[anchor, 1], exact)
        limit[anchor] = max(limit[anchor], kept.dtype.type(bound))
        for entry in range(_places_above(run, limit[anchor], places)):
            place = places[entry]
            if run[place] > limit[anchor] and not _is_linked(links, low, high, place):
                same = False
                for section in range(edges.shape[1]):
                    same = same or edges[anchor, section, 2] <= place < edges[anchor, section, 3]
                _keep(run[place], same, anchor, _TAIL, kept, beside, fill, limit)


def _count_below(run, low, high):
    """Count scores below `low` and not above `high`."""
    below, not_above = np.int32(0), np.int32(0)
    for place in range(run.size):
        below += np.int32(run[place] < low)
        not_above += np.int32(run[place] <= high)
    return below + not_above


def count_below(scores, edges, links, first_links, positives, offsets, tolerance, below):
    """Count the candidates below each positive by relation, ties half.

    `positives` and `below` are those of the tile's anchors, anchor by anchor at `offsets`.
    """
    relations = (_UNKNOWN_LABEL, _DIFFERENT_LABEL, _SAME_LABEL, _DIFFERENT_LABEL)
    for anchor in range(scores.shape[0]):
        for positive in range(offsets[anchor], offsets[anchor + 1]):
            low, high = positives[positive] - tolerance, positives[positive] + tolerance
            for piece in range(edges.shape[1] * 4):
                section, number = piece // 4, piece % 4
                start, stop = edges[anchor, section, number], edges[anchor, section, number + 1]
                found = _count_below(scores[anchor, start:stop], low, high)
                for link in range(first_links[anchor], first_links[anchor + 1]):
                    if start <= links[link, 1] < stop:
                        score = scores[anchor, links[link, 1]]
                        found -= np.int32(score < low) + np.int32(score <= high)
                below[positive, relations[number]] += found / 2


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


# Each after those it calls.
FUNCTIONS: tuple[Callable[..., Any], ...] = (
    _flag_above, _flag_above_each, _flagged, _select, _sort, _keep, keep_largest, _bound_of_largest, _is_linked,
    _places_above, _limit_of_largest, keep_candidates, _count_below, count_below, keep_neighbours, _bound_columns,
    keep_neighbours_of_columns,
)  # fmt: skip
