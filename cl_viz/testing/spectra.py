"""Rows whose spectrum is known: of a given rank, with given eigenvalues, in a cone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cl_viz.testing.pairs import sphere


def rotation(dim: int, seed: int = 0) -> NDArray[np.float64]:
    """Return a random orthogonal matrix, shape (dim, dim)."""
    found: NDArray[np.float64] = np.linalg.qr(np.random.default_rng(seed).normal(size=(dim, dim)))[0]
    return found


def rank_sphere(n: int, dim: int, rank: int, noise: float = 0.0, seed: int = 0) -> NDArray[np.float64]:
    """Return unit rows that fill `rank` of `dim` dimensions evenly, but for noise in the others.

    Parameters
    ----------
    n, dim, rank : int
        ``rank <= dim``.
    noise : float
        Standard deviation of the other dimensions before rotation and normalisation. With 0 the rank is exact up to
        rounding; else the spectrum has a cliff of ``1 / (rank * noise²)`` after `rank` dimensions.
    seed : int

    Returns
    -------
    NDArray, shape (n, dim)
    """
    generator = np.random.default_rng(seed)
    rows = noise * generator.normal(size=(n, dim))
    rows[:, :rank] = sphere(n, rank, seed + 1)
    rows = rows @ rotation(dim, seed)
    unit: NDArray[np.float64] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def exact_spectrum(n: int, eigenvalues: NDArray[np.float64], seed: int = 0) -> NDArray[np.float64]:
    """Return rows whose centred covariance (ddof = 1) has exactly these eigenvalues, up to rounding.

    Parameters
    ----------
    n : int
        More than the number of eigenvalues.
    eigenvalues : NDArray, shape (D,)
    seed : int

    Returns
    -------
    NDArray, shape (n, D)
        Their mean is 0.
    """
    dim = len(eigenvalues)
    drawn = np.random.default_rng(seed).normal(size=(n, dim))
    basis = np.linalg.qr(drawn - drawn.mean(axis=0))[0]
    rows: NDArray[np.float64] = np.sqrt(n - 1) * (basis * np.sqrt(eigenvalues)) @ rotation(dim, seed + 1)
    return rows


def cone(n: int, dim: int, mean: float, seed: int = 0) -> NDArray[np.float64]:
    """Return unit rows whose component along one direction is `mean`, and which are uniform around it.

    Their total variance is ``1 - mean²`` in expectation, and no dimension but that one is lost.
    """
    rows = np.zeros((n, dim))
    rows[:, 0] = mean
    rows[:, 1:] = np.sqrt(1 - mean**2) * sphere(n, dim - 1, seed)
    turned: NDArray[np.float64] = rows @ rotation(dim, seed)
    return turned
