"""A trial of the Triton kernel on the device at hand: it is used only where it counts rightly.

Drivers, compilers and matrix units differ more than any test can try. The rows of the trial have products of at most 24
bits, which are exact in whatever parts and order they are added up, so that every bin must agree.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.engine import bins, triton_tiles
from cl_viz.engine.pair_sketch import PairSketch, Relation

_ROWS, _DIM = 300, 40
_STEPS = 4096


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
    scores = rows @ rows.T
    expected = _counts(scores, labels.numpy(), links)
    if not np.array_equal(tried.sketch.counts[0], expected):
        wrong = int(np.abs(tried.sketch.counts[0] - expected).sum())
        return f"the kernel puts pairs into wrong bins: counts differ by {wrong:,} of {int(expected.sum()):,}"
    total = float(np.triu(scores.double().numpy(), 1).sum())
    if abs(tried.sketch.sums.sum() - total) > 1e-6 * expected.sum():
        return f"the kernel adds scores up wrongly: {tried.sketch.sums.sum():.6f} in place of {total:.6f}"
    return ""


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


def _counts(scores: torch.Tensor, labels: NDArray[np.int64], links: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many pairs above the diagonal fall into each bin, by relation, shape (4, BINS)."""
    relation = np.where(labels[:, None] == labels[None], Relation.SAME_LABEL, Relation.DIFFERENT_LABEL)
    relation[(labels < 0)[:, None] | (labels < 0)[None]] = Relation.UNKNOWN_LABEL
    relation[links[:, 0], links[:, 1]] = Relation.SAME_SAMPLE
    above = np.triu_indices(len(labels), 1)
    flat = relation[above] * bins.BINS + bins.bin_index(scores).numpy()[above]
    counts = np.bincount(flat, minlength=len(Relation) * bins.BINS)
    return counts.reshape(len(Relation), bins.BINS).astype(np.int64)
