"""Scores as whole numbers: the bin and, in the lowest bits, the place within it; cells that hold count and sum in one.

A power of 2 moves no digit of a floating-point number, so that cutting a fixed-point score to its bin finds the bin
that `cl_viz.engine.bins.bin_index` finds for the score itself.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.engine import bins

FRACTION_BITS = 12
"""Bits of a score's place within its bin: 1e-7 in score units, what float32 tells apart."""
COUNT_SHIFT = 38
PACKED_PAIRS = (1 << 25) - 1
"""Most pairs that a packed histogram may hold: places in a bin, below 2**12, add up to less than 2**38, and a count
stays below 2**25."""
JOINED_BITS = 2
"""An anchor's bin is so many powers of 2 wider than those of all pairs."""
PACKED_CANDIDATES = 1 << 23
"""Most candidates of one anchor whose count and sum one number holds: places in an anchor's bin are below 2**14."""
MEAN_STEPS = 65534
"""Steps of a bin's width in which the mean place of an anchor's candidates is kept."""


def score_grid(dtype: Any) -> NDArray[Any]:
    """Return what scores are compared and scaled with, in their own type.

    1; steps of fixed-point numbers and bins of pairs per unit; the start of the logarithmic bins.
    """
    per_unit = 1.0 / bins.WIDTH
    steps = per_unit * (1 << FRACTION_BITS)
    return np.array([1.0, steps, per_unit, 1.0 - bins.NEAR_ONE], dtype=dtype)


def no_near_bins() -> NDArray[np.int32]:
    """Return the table for float64 scores, which are not looked up."""
    return np.zeros(0, dtype=np.int32)


def near_bins() -> NDArray[np.int32]:
    """Return the bin of each float32 score close to 1, by its distance from 1 in steps of 2**-24."""
    steps = torch.arange(math.ceil(bins.NEAR_ONE * 2**24) + 2, dtype=torch.float32)
    return bins.bin_index(1.0 - steps / 2**24).numpy().astype(np.int32)


def fixed_bias() -> NDArray[np.float64]:
    """Return the mean that cutting a float32 score to its fixed-point place takes off, in bins, by bin.

    A place is cut to 2**-FRACTION_BITS; float32 numbers below 2**(24 - FRACTION_BITS) are finer than that.
    """
    with np.errstate(divide="ignore"):
        exponent = np.floor(np.log2(np.arange(bins.BINS)))
    spacing = np.exp2(np.maximum(exponent, -23) - 23)
    return np.asarray(np.maximum(2.0**-FRACTION_BITS - spacing, 0.0) / 2)
