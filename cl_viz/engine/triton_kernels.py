"""A Triton kernel that scores tiles and bins them in one go: no score is ever written to memory.

Imported by `cl_viz.engine.triton_tiles` alone, and only where Triton is installed. A program takes tile after tile. Its
scores are a matrix product in registers; each is turned into a bin and added, with one 64-bit addition, to a histogram
that no other program adds to. One number holds a bin's count and the sum of its scores, as in
`cl_viz.engine.kernels`: here of their distance from the bin's lower edge in steps of 2**-24, which is exact for every
float32 of at least a half and rounds smaller ones to 3e-8.

Neighbours are found among the same scores: one above the limit of its row, or of its column, is written to the next
free place of a list, of which an atomic counter knows; see `cl_viz.engine.triton_neighbors`. That is compiled only into
kernels that are asked for it.
"""

from __future__ import annotations

import triton
import triton.language as tl

from cl_viz.engine import bins
from cl_viz.engine.device_largest import LAST
from cl_viz.engine.pair_sketch import Relation

COUNT_SHIFT = 40
"""Bits of a histogram's entry below the count: the sum of distances, each below 2**16."""
MOST_PAIRS = (1 << 23) - 1
"""Most pairs that one program may add before its histogram is emptied."""
STEPS = 1 << 24
"""Steps of a unit of score in which distances are counted."""
BIN_STEPS = STEPS // 2500
"""Whole steps of a coarse bin; what is left over adds up to less than a bin over all of them."""
NEAR_STEPS = STEPS - round(bins.NEAR_ONE * STEPS) - 64
"""Where the logarithmic bins' distances are counted from."""
MARGIN = 64
"""Steps below a bin's lower edge that rounding may put a score."""

_COARSE = tl.constexpr(bins.COARSE_BINS)
_BINS = tl.constexpr(bins.BINS)
_PER_UNIT = tl.constexpr(1.0 / bins.WIDTH)
_NEAR_ONE = tl.constexpr(1.0 - bins.NEAR_ONE)
_STEPS = tl.constexpr(float(STEPS))
_WHOLE = tl.constexpr(STEPS)
_BIN_STEPS = tl.constexpr(BIN_STEPS)
_NEAR_STEPS = tl.constexpr(NEAR_STEPS)
_MARGIN = tl.constexpr(MARGIN)
_ONE_PAIR = tl.constexpr(1 << COUNT_SHIFT)
_SAME_SAMPLE = tl.constexpr(int(Relation.SAME_SAMPLE))
_SAME_LABEL = tl.constexpr(int(Relation.SAME_LABEL))
_DIFFERENT_LABEL = tl.constexpr(int(Relation.DIFFERENT_LABEL))
_UNKNOWN_LABEL = tl.constexpr(int(Relation.UNKNOWN_LABEL))
_RELATIONS = tl.constexpr(len(Relation))
_LAST = tl.constexpr(LAST)


@triton.jit
def tile_scores(
    left, right, rows, columns, n_rows, n_columns, dim,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Return the scores of some rows and columns, shape (ROWS, COLUMNS), zero beyond the ends."""
    scores = tl.zeros((ROWS, COLUMNS), tl.float32)
    of_left = left + rows.to(tl.int64)[:, None] * dim
    of_right = right + columns.to(tl.int64)[None, :] * dim
    for start in range(0, dim, DEPTH):
        entries = start + tl.arange(0, DEPTH)
        inside = entries < dim
        first = tl.load(of_left + entries[None, :], mask=(rows < n_rows)[:, None] & inside[None, :], other=0.0)
        second = tl.load(of_right + entries[:, None], mask=inside[:, None] & (columns < n_columns)[None, :], other=0.0)
        scores = tl.dot(first, second, scores, input_precision=PRECISION)
    return scores


@triton.jit
def tile_relations(
    row_labels, column_labels, partners, n_partners, rows, columns, first_column, n_rows, n_columns,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, LABELLED: tl.constexpr,
):  # fmt: skip
    """Return the relation of every pair of a tile, int32, shape (ROWS, COLUMNS)."""
    relation = tl.full((ROWS, COLUMNS), _UNKNOWN_LABEL, tl.int32)
    if LABELLED:
        own = tl.load(row_labels + rows, mask=rows < n_rows, other=-1)
        theirs = tl.load(column_labels + columns, mask=columns < n_columns, other=-1)
        known = (own >= 0)[:, None] & (theirs >= 0)[None, :]
        same = own[:, None] == theirs[None, :]
        relation = tl.where(known, tl.where(same, _SAME_LABEL, _DIFFERENT_LABEL), relation)
    for number in range(n_partners):
        partner = tl.load(partners + rows * n_partners + number, mask=rows < n_rows, other=-1)
        inside = (partner >= first_column) & (partner < first_column + COLUMNS)
        # Few tiles hold a pair of one sample.
        if tl.max(inside.to(tl.int32), axis=0) > 0:
            relation = tl.where(partner[:, None] == columns[None, :], _SAME_SAMPLE, relation)
    return relation


@triton.jit
def in_steps(scores):
    """Return scores in whole steps, rounded to the nearest."""
    exact = scores * _STEPS
    below = tl.floor(exact)
    return below.to(tl.int32) + (exact - below >= 0.5).to(tl.int32)


@triton.jit
def add_scores(scores, relation, histogram):
    """Add scores below the logarithmic bins to a histogram."""
    place = ((scores + 1.0) * _PER_UNIT).to(tl.int32)
    place = tl.minimum(tl.maximum(place, 0), _COARSE - 1)
    distance = in_steps(scores) - place * _BIN_STEPS + (_WHOLE + _MARGIN)
    pair = distance.to(tl.int64) + _ONE_PAIR
    tl.atomic_add(histogram + (relation * _BINS + place), pair, mask=relation < _RELATIONS, sem="relaxed")


@triton.jit
def add_close_scores(scores, relation, histogram, near, n_near):
    """Add scores to a histogram, those in the logarithmic bins by a table of their bins."""
    place = ((scores + 1.0) * _PER_UNIT).to(tl.int32)
    place = tl.minimum(tl.maximum(place, 0), _COARSE - 1)
    edge = place * _BIN_STEPS - (_WHOLE + _MARGIN)
    close = scores >= _NEAR_ONE
    step = ((1.0 - scores) * _STEPS).to(tl.int32)
    step = tl.minimum(tl.maximum(step, 0), n_near - 1)
    place = tl.where(close, tl.load(near + step, mask=close, other=0), place)
    edge = tl.where(close, _NEAR_STEPS, edge)
    pair = (in_steps(scores) - edge).to(tl.int64) + _ONE_PAIR
    tl.atomic_add(histogram + (relation * _BINS + place), pair, mask=relation < _RELATIONS, sem="relaxed")


@triton.jit
def append(scores, above, lists, numbers, fill, found, CAPACITY: tl.constexpr):
    """Append scores and numbers to lists, where `above`; all of shape (ROWS, COLUMNS).

    `fill` counts also what has no room. An entry is that of `cl_viz.engine.device_largest.pack`.
    """
    place = tl.atomic_add(fill + lists, 1, mask=above, sem="relaxed")
    bits = scores.to(tl.int32, bitcast=True)
    order = tl.where(bits < 0, bits ^ _LAST, bits).to(tl.int64)
    # All bits of a number turned over: `LAST` less the number.
    entry = (order << 32) | (numbers ^ _LAST).to(tl.int64)
    tl.store(found + lists.to(tl.int64) * CAPACITY + place, entry, mask=above & (place < CAPACITY))


@triton.jit
def offer_tile(
    scores, rows, columns, n_rows, n_columns, diagonal,
    row_limits, column_limits, row_fill, column_fill, row_found, column_found, first_row_number, first_column_number,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr,
    TO_ROWS: tl.constexpr, TO_COLUMNS: tl.constexpr, CAPACITY: tl.constexpr,
):  # fmt: skip
    """Append the scores of a tile that are above the limits of their rows and columns to the lists of these."""
    of_rows, of_columns = tl.full((ROWS,), float("inf"), tl.float32), tl.full((COLUMNS,), float("inf"), tl.float32)
    if TO_ROWS:
        of_rows = tl.load(row_limits + rows, mask=rows < n_rows, other=float("inf"))
    if TO_COLUMNS:
        of_columns = tl.load(column_limits + columns, mask=columns < n_columns, other=float("inf"))
    high = scores > tl.minimum(of_rows[:, None], of_columns[None, :])
    # Few tiles hold one, once limits are good. Which pairs count is asked then: it would take registers.
    if tl.max(tl.max(high.to(tl.int32), axis=1), axis=0) > 0:
        counted = (rows < n_rows)[:, None] & (columns < n_columns)[None, :]
        counted = counted & ((diagonal == 0) | (columns[None, :] > rows[:, None]))
        row = tl.broadcast_to(rows[:, None], (ROWS, COLUMNS))
        column = tl.broadcast_to(columns[None, :], (ROWS, COLUMNS))
        if TO_ROWS:
            above = counted & (scores > of_rows[:, None])
            append(scores, above, row, first_column_number + column, row_fill, row_found, CAPACITY)
        if TO_COLUMNS:
            above = counted & (scores > of_columns[None, :])
            append(scores, above, column, first_row_number + row, column_fill, column_found, CAPACITY)


@triton.jit
def find_near(
    left, right,
    row_limits, column_limits, row_fill, column_fill, row_found, column_found, first_row_number, first_column_number,
    n_rows, n_columns, dim, diagonal,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr, PRECISION: tl.constexpr,
    TO_ROWS: tl.constexpr, TO_COLUMNS: tl.constexpr, CAPACITY: tl.constexpr,
):  # fmt: skip
    """Append scores that are above limits, and bin none; see `bin_tiles`."""
    row_tiles, column_tiles = tl.cdiv(n_rows, ROWS), tl.cdiv(n_columns, COLUMNS)
    for tile in range(tl.program_id(0), row_tiles * column_tiles, tl.num_programs(0)):
        first_row, first_column = (tile % row_tiles) * ROWS, (tile // row_tiles) * COLUMNS
        if (diagonal == 0) | (first_column + COLUMNS > first_row + 1):
            rows, columns = first_row + tl.arange(0, ROWS), first_column + tl.arange(0, COLUMNS)
            scores = tile_scores(left, right, rows, columns, n_rows, n_columns, dim, ROWS, COLUMNS, DEPTH, PRECISION)
            offer_tile(
                scores, rows, columns, n_rows, n_columns, diagonal, row_limits, column_limits, row_fill, column_fill,
                row_found, column_found, first_row_number, first_column_number,
                ROWS, COLUMNS, TO_ROWS, TO_COLUMNS, CAPACITY,
            )  # fmt: skip


@triton.jit
def bin_tiles(
    left, right, row_labels, column_labels, partners, near, packed, lows, highs, squares,
    row_limits, column_limits, row_fill, column_fill, row_found, column_found, first_row_number, first_column_number,
    n_rows, n_columns, dim, n_partners, n_near, diagonal,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr, LABELLED: tl.constexpr, PRECISION: tl.constexpr,
    TO_ROWS: tl.constexpr, TO_COLUMNS: tl.constexpr, CAPACITY: tl.constexpr,
):  # fmt: skip
    """Add all pairs of some rows and columns; where `diagonal`, rows are columns and only pairs above it count.

    Parameters
    ----------
    left, right : pointers to float32, (n_rows, dim) and (n_columns, dim)
        Unit rows.
    row_labels, column_labels : pointers to int32
        Codes, -1 where unknown; not read unless LABELLED.
    partners : pointer to int32, (n_rows, n_partners)
        Columns of the same sample, -1 where there are no more.
    near : pointer to int32, (n_near,)
        Bin of each score close to 1, by its distance from 1 in steps.
    packed : pointer to int64, (programs, 4, BINS)
        Is added to.
    lows, highs, squares : pointers to float32, float32, float64, (programs, 4)
        Extremes and sums of squares; are brought up to date.
    row_limits, column_limits : pointers to float32, (n_rows,) and (n_columns,)
        Where TO_ROWS or TO_COLUMNS, scores above them are appended; the other's pointers are None.
    row_fill, column_fill : pointers to int32, (n_rows,) and (n_columns,)
        How many scores were above the limit of each; are added to.
    row_found, column_found : pointers to int64, (n_rows, CAPACITY) and (n_columns, CAPACITY)
        Those for which there was room, in no order.
    first_row_number, first_column_number : int
        What the first row and column are called in the lists.
    """
    program, n_programs = tl.program_id(0), tl.num_programs(0)
    row_tiles, column_tiles = tl.cdiv(n_rows, ROWS), tl.cdiv(n_columns, COLUMNS)
    histogram = packed + program.to(tl.int64) * (_RELATIONS * _BINS)
    kinds = tl.arange(0, _RELATIONS)
    own = program * _RELATIONS + kinds
    low, high, square = tl.load(lows + own), tl.load(highs + own), tl.load(squares + own)
    for tile in range(program, row_tiles * column_tiles, n_programs):
        # Tiles that are scored at one time share their columns, which stay in the cache.
        first_row, first_column = (tile % row_tiles) * ROWS, (tile // row_tiles) * COLUMNS
        if (diagonal == 0) | (first_column + COLUMNS > first_row + 1):
            rows, columns = first_row + tl.arange(0, ROWS), first_column + tl.arange(0, COLUMNS)
            scores = tile_scores(left, right, rows, columns, n_rows, n_columns, dim, ROWS, COLUMNS, DEPTH, PRECISION)
            if TO_ROWS | TO_COLUMNS:
                offer_tile(
                    scores, rows, columns, n_rows, n_columns, diagonal, row_limits, column_limits, row_fill,
                    column_fill, row_found, column_found, first_row_number, first_column_number,
                    ROWS, COLUMNS, TO_ROWS, TO_COLUMNS, CAPACITY,
                )  # fmt: skip
            relation = tile_relations(
                row_labels, column_labels, partners, n_partners, rows, columns, first_column, n_rows, n_columns,
                ROWS, COLUMNS, LABELLED,
            )  # fmt: skip
            counted = (rows < n_rows)[:, None] & (columns < n_columns)[None, :]
            counted = counted & ((diagonal == 0) | (columns[None, :] > rows[:, None]))
            # Pairs that do not count are of a relation that there is not: one number less for every score.
            relation = tl.where(counted, relation, _RELATIONS)
            # Rows come in the order of their labels: most tiles are of one relation.
            first_kind = tl.min(tl.min(relation, axis=1), axis=0)
            last_kind = tl.max(tl.max(tl.where(relation == _RELATIONS, -1, relation), axis=1), axis=0)
            highest = -1.0
            for kind in range(first_kind, last_kind + 1):
                match = relation == kind
                smallest = tl.min(tl.min(tl.where(match, scores, float("inf")), axis=1), axis=0)
                largest = tl.max(tl.max(tl.where(match, scores, float("-inf")), axis=1), axis=0)
                of_rows = tl.sum(tl.where(match, scores * scores, 0.0), axis=1)
                total = tl.sum(of_rows.to(tl.float64), axis=0)
                low = tl.where(kinds == kind, tl.minimum(low, smallest), low)
                high = tl.where(kinds == kind, tl.maximum(high, largest), high)
                square = tl.where(kinds == kind, square + total, square)
                highest = tl.maximum(highest, largest)
            # Two ways that share nothing: what would be handed from one to the other takes registers.
            if highest >= _NEAR_ONE:
                add_close_scores(scores, relation, histogram, near, n_near)
            else:
                add_scores(scores, relation, histogram)
    tl.store(lows + own, low)
    tl.store(highs + own, high)
    tl.store(squares + own, square)
