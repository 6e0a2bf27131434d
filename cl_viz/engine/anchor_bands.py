"""Bands of anchors, and the columns that each meets: tile by tile, and which of their pairs are counted on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from cl_viz.engine.fused_anchors import Section
from cl_viz.engine.rows import ColumnTile, ViewRows
from cl_viz.engine.tile_sizes import fitted

ANCHOR_TILE = 320
COLUMN_TILE = 4096
MOST_AT_ONCE, WIDE_TILE = 20_480, 8192
"""Columns that a band of anchors meets in one tile if these are all; columns of a tile if there are more, which still
are many: what is done once a tile and anchor then weighs little."""
DEVICE_ANCHOR_TILE, DEVICE_COLUMN_TILE = 512, 65_536
"""Of tiles whose scores a GPU keeps for a moment: few large steps."""


def band_tile(device: torch.device) -> tuple[int, int]:
    """Return how many anchors a band has, and how many columns a tile of it at most."""
    if device.type == "cpu":
        return fitted(ANCHOR_TILE), fitted(COLUMN_TILE)
    return fitted(DEVICE_ANCHOR_TILE), fitted(DEVICE_COLUMN_TILE)


@dataclass(frozen=True)
class Span:
    """Columns of a tile; whether its pairs are counted in the sketch, and only those above the diagonal."""

    columns: slice
    counted: bool = False
    diagonal: bool = False


def bands(n_anchors: int, height: int) -> list[slice]:
    """Divide anchors into bands; the last ones are low, so that no thread waits long for the other's last one."""
    low = max(1, height // 4)
    edges = [*range(0, max(0, n_anchors - 2 * height), height)]
    edges += [*range(edges[-1] + height if edges else 0, n_anchors, low), n_anchors]
    return [slice(top, bottom) for top, bottom in pairwise(edges)]


def column_spans(view: ViewRows, other: ViewRows, part: slice, width: int, *, forward: bool) -> Iterator[Span]:
    """Yield the columns that a band of anchors meets tile by tile; in arranged views labels ascend within each.

    Parameters
    ----------
    view, other : ViewRows
    part : slice
        Of the anchors.
    width : int
        Most columns of a tile.
    forward : bool
        Whether the sketch has the block (view, other), and not (other, view).
    """
    n_leading = other.n_leading
    if not view.arranged:
        edges = [(0, len(other), False)]
    elif view is other:
        yield Span(part, counted=True, diagonal=True)
        edges = [(0, part.start, False), (part.stop, n_leading, True), (n_leading, len(other), True)]
    else:
        # Pairs of two leading rows are counted once, with those of the block's first view.
        edges = [(0, n_leading, forward), (n_leading, len(other), True)]
    yield from spans_between(edges, width)


def spans_between(edges: Sequence[tuple[int, int, bool]], width: int) -> Iterator[Span]:
    """Yield ranges of columns (first, what follows the last, whether pairs are counted) in tiles of at most `width`."""
    for low, high, counted in edges:
        for left in range(low, high, width):
            yield Span(slice(left, min(left + width, high)), counted)


def columns_at_once(n_rows: int) -> int:
    """Return how many columns of an arranged view a band of anchors meets in one tile, where tiles are joined."""
    return n_rows if n_rows <= MOST_AT_ONCE else WIDE_TILE


def joined_spans(spans: list[Span], other: ViewRows, *, alone: bool) -> list[list[Span]]:
    """Divide the spans of a band into tiles of columns that follow each other; `alone`, each is a tile."""
    if alone or not other.arranged:
        return [[span] for span in spans]
    most = columns_at_once(len(other))
    found: list[list[Span]] = []
    for span in sorted(spans, key=lambda span: span.columns.start):
        if not found or span.columns.stop - found[-1][0].columns.start > most:
            found.append([])
        found[-1].append(span)
    return found


def sections_of(spans: list[Span], tile: ColumnTile, n_leading: int) -> list[Section]:
    """Return the columns of a tile in sections: leading rows, and the others; in both labels ascend."""
    found = []
    for chosen in ([span for span in spans if (span.columns.start < n_leading) == first] for first in (True, False)):
        if not chosen:
            continue
        edges = (chosen[0].columns.start - tile.columns.start, chosen[-1].columns.stop - tile.columns.start)
        itself = next((span.columns.start - tile.columns.start for span in chosen if span.diagonal), None)
        labels = None if tile.labels is None else tile.labels[slice(*edges)]
        found.append(Section(slice(*edges), labels, chosen[0].counted, itself))
    return found
