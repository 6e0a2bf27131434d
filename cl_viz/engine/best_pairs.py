"""The pairs kept so far: the best of each bin, by a key and then by the place of the pair, so that ties are settled."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

_MIX = (-4658895280553007687, -7723592293110705685)
"""Multipliers of splitmix64 (Steele, Lea and Flood 2014), as signed 64-bit numbers."""
_GOLDEN = 0x9E3779B97F4A7C15


@dataclass(frozen=True)
class Candidates:
    """Pairs offered or kept.

    Attributes
    ----------
    bins : NDArray[np.int64], shape (n,)
    keys : NDArray[np.float64 or np.int64], shape (n,)
        Smaller is better.
    codes : NDArray[np.int64], shape (n,)
        Number of the pair: settles ties.
    scores : NDArray[np.float64], shape (n,)
        NaN where it is not worked out yet.
    relations : NDArray[np.int64], shape (n,)
    """

    bins: NDArray[np.int64]
    keys: NDArray[Any]
    codes: NDArray[np.int64]
    scores: NDArray[np.float64]
    relations: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, chosen: NDArray[Any]) -> Candidates:
        """Return some of them."""
        return Candidates(*(values[chosen] for values in vars(self).values()))

    @staticmethod
    def joined(parts: list[Candidates]) -> Candidates:
        """Return all of them together; at least one part."""
        fields = zip(*(vars(part).values() for part in parts), strict=True)
        return Candidates(*(np.concatenate(values) for values in fields))


class BestPairs:
    """At most `m` pairs a bin; safe to be offered pairs from several threads.

    Parameters
    ----------
    n_bins, m : int
    by_draw : bool
        Keys are whole numbers of a draw, and not scores.
    """

    def __init__(self, n_bins: int, m: int, *, by_draw: bool) -> None:
        self.n_bins, self.m = n_bins, m
        kind = np.int64 if by_draw else np.float64
        worst = np.iinfo(np.int64).max if by_draw else np.inf
        none, numbers = np.zeros(0, dtype=np.int64), np.zeros(0)
        self.kept = Candidates(none, np.zeros(0, dtype=kind), none, numbers, none)
        self.counts = np.zeros(n_bins, dtype=np.int64)
        self.limits: tuple[NDArray[Any], NDArray[np.int64]] = (
            np.full(n_bins, worst, dtype=kind),
            np.full(n_bins, np.iinfo(np.int64).max, dtype=np.int64),
        )
        self._lock = Lock()

    def worth_keeping(self, offered: Candidates) -> Candidates:
        """Leave out what is worse than everything that a full bin holds."""
        keys, codes = self.limits
        limit = keys[offered.bins]
        better = (offered.keys < limit) | ((offered.keys == limit) & (offered.codes < codes[offered.bins]))
        return offered if bool(better.all()) else offered.take(better)

    def merge(self, offered: Candidates) -> None:
        """Keep the best of what was kept and what is offered."""
        with self._lock:
            every = Candidates.joined([self.kept, offered])
            every = every.take(np.lexsort((every.codes, every.keys, every.bins)))
            starts = np.searchsorted(every.bins, np.arange(self.n_bins + 1))
            place = np.arange(len(every)) - starts[every.bins]
            self.kept = every.take(place < self.m)
            keys, codes = (limit.copy() for limit in self.limits)
            full = np.flatnonzero(np.diff(starts) >= self.m)
            last = starts[full] + self.m - 1
            keys[full], codes[full] = every.keys[last], every.codes[last]
            self.limits = (keys, codes)

    def count(self, counts: NDArray[np.int64]) -> None:
        """Add to the numbers of pairs in each bin."""
        with self._lock:
            self.counts += counts


def draw_marks(rows: torch.Tensor, salt: int) -> torch.Tensor:
    """Return a pseudo-random number of 64 bits for each row: the first half of a pair's key.

    Parameters
    ----------
    rows : torch.Tensor of int64
    salt : int
        Of the seed and the view.
    """
    shift = ((salt + 1) * _GOLDEN) & 0xFFFFFFFFFFFFFFFF
    marks = rows * _MIX[0] + (shift - (1 << 64) if shift >> 63 else shift)
    for bits, factor in zip((30, 27), _MIX, strict=True):
        marks = (marks ^ _shifted(marks, bits)) * factor
    return marks ^ _shifted(marks, 31)


def draw_keys(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return a pseudo-random number below 2^63 for each pair: the smallest of them are a draw without replacement.

    Parameters
    ----------
    first, second : torch.Tensor of int64
        Marks of both sides, of shapes that broadcast; which side is first does not matter.
    """
    keys = first + second
    keys ^= _shifted(keys, 32)
    keys *= _MIX[1]
    keys ^= _shifted(keys, 29)
    return keys.bitwise_and_((1 << 63) - 1)


def _shifted(values: torch.Tensor, bits: int) -> torch.Tensor:
    """Shift right without keeping the sign."""
    return (values >> bits).bitwise_and_((1 << (64 - bits)) - 1)
