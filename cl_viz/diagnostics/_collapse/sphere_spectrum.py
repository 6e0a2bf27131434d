"""The spectrum that a uniform sphere would give at the same N and D: not flat, since a finite N spreads eigenvalues."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

_DRAWN_DIMENSIONS = 512
_EXACT_DIMENSIONS, _EXACT_ENTRIES = 32, 1_000_000


@dataclass(frozen=True)
class SphereSpectrum:
    """Eigenvalues of the centred covariance of uniform directions, which sum to 1.

    Attributes
    ----------
    values, low, high : NDArray, shape (min(N - 1, D),)
        Mean, smallest and largest over the draws, descending in rank.
    largest_drop : float
        Largest fall between neighbours in any draw, in decades.
    how : str
        How it was made, in words.
    """

    values: Values
    low: Values
    high: Values
    largest_drop: float
    how: str


def sphere_spectrum(n: int, dim: int, seed: int = 0) -> SphereSpectrum:
    """Return the null spectrum for N = `n` samples in D = `dim` dimensions.

    Up to 512 eigenvalues it is drawn: from rows on the sphere where D is small, else from the Wishart distribution of
    their scatter (a bidiagonal factor: Dumitriu and Edelman 2002). Above, single draws hardly differ from their limit
    (Marchenko and Pastur 1967).
    """
    size = min(n - 1, dim)
    if size > _DRAWN_DIMENSIONS:
        values = _marchenko_pastur(size, max(n - 1, dim))
        return SphereSpectrum(values, values, values, _largest_drop(values), "Marchenko-Pastur law")
    count = 20 if size <= 64 else 5
    generator = np.random.default_rng(seed)
    exact = dim < _EXACT_DIMENSIONS and n * dim <= _EXACT_ENTRIES
    draws = np.stack([_rows(generator, n, dim) if exact else _wishart(generator, n, dim) for _ in range(count)])
    drop = max(_largest_drop(draw) for draw in draws)
    how = f"{count} draws of {n:,} directions, seed {seed}"
    return SphereSpectrum(draws.mean(axis=0), draws.min(axis=0), draws.max(axis=0), drop, how)


def _rows(generator: np.random.Generator, n: int, dim: int) -> Values:
    rows = generator.normal(size=(n, dim))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows -= rows.mean(axis=0)
    values: Values = np.square(np.linalg.svd(rows, compute_uv=False))[: min(n - 1, dim)] / (n - 1)
    return values


def _wishart(generator: np.random.Generator, n: int, dim: int) -> Values:
    from scipy.linalg import eigvalsh_tridiagonal

    size, degrees = min(n - 1, dim), max(n - 1, dim)
    # The factor's singular values are, with a sign each, the eigenvalues of its two diagonals interleaved.
    around = np.zeros(2 * size - 1)
    around[::2] = np.sqrt(generator.chisquare(degrees - np.arange(size)))
    around[1::2] = np.sqrt(generator.chisquare(np.arange(size - 1, 0, -1)))
    values = np.square(eigvalsh_tridiagonal(np.zeros(2 * size), around)[size:][::-1])
    shares: Values = values / values.sum()
    return shares


def _marchenko_pastur(size: int, degrees: int) -> Values:
    ratio = size / degrees
    low, high = (1 - math.sqrt(ratio)) ** 2, (1 + math.sqrt(ratio)) ** 2
    # With x = middle - half cos(angle) both square-root ends of the density are smooth.
    angle = np.linspace(0.0, np.pi, 20_001)
    points = (low + high) / 2 - (high - low) / 2 * np.cos(angle)
    density = np.square(np.sin(angle)) / np.maximum(points, 1e-12)
    mass = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    places = (np.arange(size, 0, -1) - 0.5) / size
    values = np.interp(places * mass[-1], mass, points)
    shares: Values = values / values.sum()
    return shares


def _largest_drop(values: Values) -> float:
    if len(values) < 2:
        return 0.0
    return float(np.log10(values[:-1] / np.maximum(values[1:], np.finfo(np.float64).tiny)).max())
