"""Trials of the Triton kernel on the device at hand: it is used only where it counts and finds rightly.

Drivers, compilers and matrix units differ more than any test can try. The rows of the trial have products of at most 24
bits, which are exact in whatever parts and order they are added up, so that every bin must agree.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.engine import triton_tiles
from cl_viz.engine.device_largest import DeviceLargest
from cl_viz.engine.nearest_so_far import NearestSoFar
from cl_viz.engine.pair_pass import PairAccumulator
from cl_viz.engine.pair_sketch import PairSketch
from cl_viz.engine.precision import full_float32
from cl_viz.engine.tile_links import mark_links, relation_tile
from cl_viz.engine.triton_neighbors import TileLists

_ROWS, _DIM = 300, 40
_STEPS = 4096
_CUT, _NEAREST, _LITTLE_ROOM = 170, 7, 9


def trial(device: torch.device) -> str:
    """Return in what the kernel errs on this device; empty if in nothing.

    Parameters
    ----------
    device : torch.device
    """
    rows, labels, links = _rows(), _labels(), np.array([[0, 1], [3, 250], [120, 299]])
    tried = triton_tiles.TritonPairs(PairSketch.empty([("a", "a")]), device)
    there, codes = rows.to(device), labels.to(device)
    tried.add(0, there, there, (codes, codes), links, diagonal=True)
    tried.flush()
    expected = _with_torch(rows, labels, links)
    if not np.array_equal(tried.sketch.counts, expected.counts):
        wrong = int(np.abs(tried.sketch.counts - expected.counts).sum())
        return f"the kernel puts pairs into wrong bins: counts differ by {wrong:,} of {int(expected.counts.sum()):,}"
    found, total = (float(sketch.sums.sum()) for sketch in (tried.sketch, expected))
    if abs(found - total) > 1e-6 * expected.counts.sum():
        return f"the kernel adds scores up wrongly: {found:.6f} in place of {total:.6f}"
    return ""


def trial_of_neighbors(device: torch.device) -> str:
    """Return in what the kernel errs where neighbours are asked for; empty if in nothing.

    Three tiles: one for neighbours alone, one whose pairs are counted as well, and one with so little room that torch
    must help.

    Parameters
    ----------
    device : torch.device
    """
    rows, codes = _rows().to(device), _labels().to(device)
    kept = DeviceLargest(_ROWS, _NEAREST, device)
    near, pairs = NearestSoFar({("a", "a"): kept}), triton_tiles.TritonPairs(PairSketch.empty([("a", "a")]), device)
    top, bottom = slice(0, _CUT), slice(_CUT, _ROWS)
    with full_float32():
        TileLists(near, ("a", "a"), top, top, diagonal=True).offer_with_triton(rows[top], rows[top])
        beside, nothing = TileLists(near, ("a", "a"), top, bottom), np.zeros((0, 2), dtype=np.int64)
        pairs.add(0, rows[top], rows[bottom], (codes[top], codes[bottom]), nothing, lists=beside)
        narrow = TileLists(near, ("a", "a"), bottom, bottom, diagonal=True, room=_LITTLE_ROOM)
        narrow.offer_with_triton(rows[bottom], rows[bottom])
    pairs.flush()
    counted = int(pairs.sketch.counts.sum())
    if counted != _CUT * (_ROWS - _CUT):
        return f"with neighbours, the kernel counts {counted:,} pairs in place of {_CUT * (_ROWS - _CUT):,}"
    scores, numbers = (torch.from_numpy(found) for found in kept.found())
    exact = (_rows() @ _rows().T).fill_diagonal_(-torch.inf)
    expected = exact.topk(_NEAREST, dim=1).values
    twice = (numbers.sort(dim=1).values.diff(dim=1) == 0).any(dim=1)
    wrong = (scores != expected).any(dim=1) | (exact.gather(1, numbers) != scores).any(dim=1) | twice
    return f"the kernel finds wrong neighbours of {int(wrong.sum())} of {_ROWS} rows" if wrong.any() else ""


def _rows() -> torch.Tensor:
    """Return rows of length 1 or a little less: the first half spread out, the second close to one direction."""
    generator = np.random.default_rng(0)
    spread = np.repeat([1.0, 0.004], [_ROWS // 2, _ROWS - _ROWS // 2])[:, None]
    rows = generator.normal(size=_DIM) * (spread < 1) + spread * generator.normal(size=(_ROWS, _DIM))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return torch.from_numpy(np.trunc(rows * _STEPS) / _STEPS).to(torch.float32)


def _labels() -> torch.Tensor:
    """Return ascending labels, the first of them unknown."""
    return torch.from_numpy(np.sort(np.random.default_rng(1).integers(-1, 3, _ROWS)))


def _with_torch(rows: torch.Tensor, labels: torch.Tensor, links: NDArray[np.int64]) -> PairSketch:
    """Return what torch finds of the pairs above the diagonal."""
    scores, every = rows @ rows.T, slice(0, len(rows))
    relation = relation_tile(labels, labels, every, every, scores)
    mark_links(relation, links, every, every)
    found = PairAccumulator([("a", "a")], {}, [links])
    found.add_tensor(0, scores, relation, diagonal=True)
    return found.sketch
