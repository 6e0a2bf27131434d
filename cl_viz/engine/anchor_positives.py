"""Pairs of one sample as anchors see them: from the row to the partner, with their scores, anchor by anchor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cl_viz.engine.rows import ViewRows
from cl_viz.engine.tile_links import sorted_links

Links = dict[tuple[str, str], NDArray[np.int64]]
"""Pairs of one sample, shape (P, 2), by block of views."""
_PAIRS_AT_ONCE = 4096


def directed_links(links: Links, view: str, other: str) -> NDArray[np.int64]:
    """Return the same-sample pairs from rows of `view` to rows of `other`, (P, 2), sorted; within a view both ways."""
    found = links[view, other] if (view, other) in links else links[other, view][:, ::-1]
    if view == other:
        found = np.concatenate([found, found[:, ::-1]])
    return sorted_links(found)


def restrict_links(links: NDArray[np.int64], anchors: NDArray[np.int64]) -> NDArray[np.int64]:
    """Keep the links of anchors, and number their rows by anchor: shape (n, 2), sorted as the links are."""
    number = np.searchsorted(anchors, links[:, 0])
    kept = (number < len(anchors)) & (anchors[np.minimum(number, len(anchors) - 1)] == links[:, 0])
    return np.stack([number[kept], links[kept, 1]], axis=1)


def positive_scores(
    view: ViewRows, anchors: NDArray[np.int64], rows: dict[str, ViewRows], directed: dict[str, NDArray[np.int64]]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Score the positives of every anchor: its sample in the other views, or in its own if alone.

    Returns
    -------
    scores : NDArray[np.float64], shape (P,)
        Anchor by anchor.
    offsets : NDArray[np.int64], shape (A + 1,)
        Where each anchor's begin.
    """
    owners, scores = [], []
    others = {name: links for name, links in directed.items() if name != view.name}
    for name, links in (others or directed).items():
        for start in range(0, len(links), _PAIRS_AT_ONCE):
            part = links[start : start + _PAIRS_AT_ONCE]
            products = view.tile(anchors[part[:, 0]]) * rows[name].tile(part[:, 1])
            scores.append(products.sum(dim=1).cpu().numpy().astype(np.float64))
            owners.append(part[:, 0])
    if not owners:
        return np.zeros(0), np.zeros(len(anchors) + 1, dtype=np.int64)
    owner = np.concatenate(owners)
    order = np.argsort(owner, kind="stable")
    offsets = np.searchsorted(owner[order], np.arange(len(anchors) + 1)).astype(np.int64)
    return np.concatenate(scores)[order], offsets


def entries_in_order(offsets: NDArray[np.int64], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which entries, kept anchor by anchor at `offsets`, come first, second, ... with the anchors in `order`."""
    lengths = np.diff(offsets)[order]
    starts = np.cumsum(lengths) - lengths
    found: NDArray[np.int64] = np.repeat(offsets[:-1][order] - starts, lengths) + np.arange(lengths.sum())
    return found
