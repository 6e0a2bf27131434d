"""The bins of a score histogram: uniform over [-1, 1], logarithmic in 1 - s close to 1, where collapsed sets live."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

UNIFORM_BINS = 5000
"""Bins of a uniform grid over [-1, 1]; a multiple of 100, so that the 100-bin overlap has no straddling bin."""
WIDTH = 2.0 / UNIFORM_BINS
NEAR_ONE = 2e-3
"""Scores above 1 - NEAR_ONE fall into logarithmic bins of 1 - s (exactly five uniform bins are replaced)."""
LOG_BINS = 1024
LOG_FLOOR = 2e-10
"""Below this distance from 1 two scores are a tie."""
COARSE_BINS = UNIFORM_BINS - round(NEAR_ONE / WIDTH)
BINS = COARSE_BINS + LOG_BINS
ANCHOR_BINS = 1250
"""Bins of one anchor's own histogram, uniform over [-1, 1]: four of the uniform ones each."""

_LOG_SCALE = LOG_BINS / math.log(NEAR_ONE / LOG_FLOOR)


def edges() -> NDArray[np.float64]:
    """Return the ascending edges, shape (BINS + 1,), from -1 to 1."""
    coarse = -1.0 + WIDTH * np.arange(COARSE_BINS + 1)
    fine = 1.0 - NEAR_ONE * np.exp(-np.arange(1, LOG_BINS + 1) / _LOG_SCALE)
    fine[-1] = 1.0
    return np.concatenate([coarse, fine])


def bin_index(scores: torch.Tensor) -> torch.Tensor:
    """Return the bin of each score, int64, same shape; scores beyond [-1, 1] by rounding go to the end bins."""
    index = ((scores + 1.0) * (1.0 / WIDTH)).to(torch.int64).clamp_(0, COARSE_BINS - 1)
    near = scores >= 1.0 - NEAR_ONE
    if bool(near.any()):
        distance = (1.0 - scores[near]).clamp_min(LOG_FLOOR)
        fine = (torch.log(NEAR_ONE / distance) * _LOG_SCALE).to(torch.int64).clamp_(0, LOG_BINS - 1)
        index[near] = COARSE_BINS + fine
    return index


def anchor_bin_index(scores: torch.Tensor) -> torch.Tensor:
    """Return the bin of each score in an anchor's own histogram, int64, same shape."""
    return ((scores + 1.0) * (ANCHOR_BINS / 2)).to(torch.int64).clamp_(0, ANCHOR_BINS - 1)
