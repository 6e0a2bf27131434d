"""What a contrastive loss makes of a minority block: the stochastic block model of the harm paper.

Nodes of a graph belong to K blocks; two nodes are joined with a probability that depends on their blocks only. Every
node has a free unit vector, and neighbours are each other's positives. With many nodes all vectors of a block are one,
and the loss depends only on the K vectors h_k, the shares pi_k of the blocks and the probabilities a_kl: the population
form, on which a thousand steps of descent take milliseconds.

Source: Maity, Agarwal, Yurochkin and Sun 2024, An Investigation of Representation and Allocation Harms in Contrastive
Learning, https://arxiv.org/abs/2310.01583.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.core.errors import InputError
from cl_viz.core.progress import ProgressCallback, silent

Floats = NDArray[np.float64]
Weights = Literal["graph", "script"]
"""How the population form weighs a pair of blocks (k, l).

``"graph"``: as the graph does. A node of block k has the share ``pi_l a_kl / sum_m pi_m a_km`` of its neighbours in
block l, and sees all nodes by their shares: ``P_kl = pi_k pi_l a_kl / sum_m pi_m a_km``, ``q_kl = pi_l``.

``"script"``: as the authors' script for their figure computes it, with the share of the own block k in the place of
that of the other, l: ``P_kl = pi_k^2 a_kl / sum_m pi_m a_km``, ``q_kl = pi_k``. Where all shares are equal the two
agree. The authors' own simulated graphs follow ``"graph"``.
"""

WITHIN = 0.95
"""Probability that two nodes of one block are joined, in the authors' experiments."""


def three_blocks(alpha: float, within: float = WITHIN) -> Floats:
    """Return the authors' probabilities, shape (3, 3): blocks 1 and 2 are joined with `alpha`, block 3 with neither."""
    return np.array([[within, alpha, 0.0], [alpha, within, 0.0], [0.0, 0.0, within]])


def minority_shares(first: float | NDArray[np.floating]) -> Floats:
    """Return the shares of three blocks, shape (..., 3): `first` of block 1, the rest in halves."""
    first = np.asarray(first, dtype=np.float64)
    return np.stack([first, (1 - first) / 2, (1 - first) / 2], axis=-1)


def population_loss(
    vectors: Floats, shares: Floats, connectivity: Floats, temperature: float = 1.0, weights: Weights = "graph"
) -> Floats:
    """Return the loss in its population form, shape (...).

    Parameters
    ----------
    vectors : NDArray, shape (..., K, d)
        Unit vectors of the blocks.
    shares : NDArray, shape (..., K)
        Positive, sum 1.
    connectivity : NDArray, shape (..., K, K)
        Probabilities a_kl, symmetric.
    temperature : float
    weights : {"graph", "script"}
        See `Weights`.

    Returns
    -------
    NDArray
        ``-sum_kl P_kl h_k.h_l / tau + sum_k pi_k log sum_l q_kl exp(h_k.h_l / tau)``.
    """
    pull, mixture = _pull_and_mixture(shares, connectivity, weights)
    scores = vectors @ np.swapaxes(vectors, -1, -2) / temperature
    pulled = (pull * scores).sum(axis=(-1, -2))
    pushed = (shares * np.log((np.exp(scores) * mixture).sum(axis=-1))).sum(axis=-1)
    return np.asarray(pushed - pulled)


def population_optimum(
    shares: Floats,
    connectivity: Floats,
    *,
    weights: Weights = "graph",
    dim: int = 20,
    temperature: float = 1.0,
    steps: int = 1000,
    learning_rate: float = 0.2,
    seed: int = 0,
) -> Floats:
    """Return the cosines of the blocks' vectors after descent on the population form, shape (..., K, K).

    Projected gradient descent with steps ``learning_rate (i + 1)^-0.1``, as the authors run it, of all problems at
    once. With the weights of the graph the gradient of a block is divided by K times its share: a small block would
    otherwise hardly move in these steps.

    Parameters
    ----------
    shares, connectivity, weights
        As for `population_loss`; their leading axes are broadcast.
    dim : int
        Dimension of the vectors, at least K for the optimum not to be constrained.
    temperature : float
        Positive.
    steps : int
        The authors take 1,000. Near the connectivity from which two blocks become one that is short of the optimum:
        there a cosine of 0.9983 is 1.0000 after 5,000 steps, and 20,000 are needed right at it.
    learning_rate : float
    seed : int
        Of the first vectors.

    Raises
    ------
    InputError
        If shares are not positive or do not sum to 1, or a block is joined with nothing.
    """
    shares, connectivity = np.asarray(shares, dtype=np.float64), np.asarray(connectivity, dtype=np.float64)
    _check(shares, connectivity, temperature)
    batch = np.broadcast_shapes(shares.shape[:-1], connectivity.shape[:-2])
    vectors = _first_vectors(batch, shares.shape[-1], dim, seed)
    pull, mixture = _pull_and_mixture(shares, connectivity, weights)
    pull = pull + np.swapaxes(pull, -1, -2)
    scale = learning_rate / temperature
    rate = scale / (shares.shape[-1] * shares[..., None]) if weights == "graph" else np.asarray(scale)
    for step in range(steps):
        # The gradient is (push - pull) times the vectors, without its part along each vector.
        raised = np.exp((vectors @ np.swapaxes(vectors, -1, -2) - 1) / temperature) * mixture
        push = shares[..., None] * raised / raised.sum(axis=-1, keepdims=True)
        gradient = (push + np.swapaxes(push, -1, -2) - pull) @ vectors
        gradient -= (gradient * vectors).sum(axis=-1, keepdims=True) * vectors
        vectors = vectors - rate * (step + 1) ** -0.1 * gradient
        vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    found: Floats = vectors @ np.swapaxes(vectors, -1, -2)
    return found


def collapse_curves(
    first_shares: Sequence[float] | Floats,
    alphas: Sequence[float] | Floats,
    *,
    weights: Weights = "script",
    within: float = WITHIN,
    dim: int = 20,
    temperature: float = 1.0,
    steps: int = 1000,
    learning_rate: float = 0.2,
    seed: int = 0,
) -> Floats:
    """Return the cosines after `steps` steps for every share of block 1 and every alpha, shape (P, A, 3, 3).

    Block 1 is drawn to block 2, with which it is joined, as its share falls; how far depends on alpha. By default these
    are the curves of the authors' figure, which are those of 1,000 steps; see `Weights` and `population_optimum`.
    """
    shares = minority_shares(np.asarray(first_shares, dtype=np.float64))[:, None, :]
    connectivity = np.stack([three_blocks(float(alpha), within) for alpha in alphas])[None]
    return population_optimum(
        shares, connectivity, weights=weights, dim=dim, temperature=temperature, steps=steps,
        learning_rate=learning_rate, seed=seed,
    )  # fmt: skip


# -- graphs ----------------------------------------------------------------------------------------------------------
def sample_graph(sizes: Sequence[int], connectivity: Floats, seed: int = 0) -> tuple[Floats, NDArray[np.int64]]:
    """Return an adjacency matrix (0 or 1, symmetric, no loops), shape (n, n), and each node's block, shape (n,)."""
    blocks = np.repeat(np.arange(len(sizes)), sizes)
    chances = np.asarray(connectivity)[np.ix_(blocks, blocks)]
    drawn = np.triu(np.random.default_rng(seed).random(chances.shape) < chances, 1)
    adjacency: Floats = (drawn | drawn.T).astype(np.float64)
    return adjacency, blocks


def embed_graph(
    adjacency: Floats,
    *,
    dim: int = 10,
    learning_rate: float = 10.0,
    temperature: float = 1.0,
    steps: int = 3000,
    seed: int = 0,
    progress: ProgressCallback = silent,
) -> Floats:
    """Return a unit vector for every node, shape (n, dim), by the authors' projected gradient descent.

    The loss is ``mean_i [-(1 / deg_i) sum_j A_ij v_i.v_j / tau + log mean_j exp(v_i.v_j / tau)]``; the mean in the
    logarithm includes j = i, and the step is ``learning_rate (i + 1)^-0.2``. O(n^2 dim) a step.

    Parameters
    ----------
    adjacency : NDArray, shape (n, n)
        Symmetric.
    dim, steps, seed : int
    learning_rate, temperature : float
    progress : callable
        May raise `Cancelled` to stop.

    Raises
    ------
    InputError
        If a node has no neighbour: it has no positive.
    """
    degrees = adjacency.sum(axis=1, keepdims=True)
    if (degrees == 0).any():
        raise InputError(
            f"nodes without a neighbour, and so without a positive: {int((degrees == 0).sum())}",
            where="embed_graph",
            remedy="take more nodes or more connected blocks",
        )
    n = len(adjacency)
    # The authors' own first vectors, so that their run can be repeated.
    vectors = torch.normal(0, 1, size=(n, dim), generator=torch.Generator().manual_seed(seed)).double().numpy()
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pull = adjacency / degrees
    pull = (pull + pull.T) / n
    for step in range(steps):
        raised = np.exp((vectors @ vectors.T - 1) / temperature)
        push = raised / raised.sum(axis=1, keepdims=True) / n
        gradient = ((push + push.T - pull) / temperature) @ vectors
        gradient -= (gradient * vectors).sum(axis=1, keepdims=True) * vectors
        vectors = vectors - learning_rate * (step + 1) ** -0.2 * gradient
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        if step % 50 == 0:
            progress(step / steps, f"step {step:,} of {steps:,}")
    return vectors


def block_mean_cosines(vectors: Floats, blocks: NDArray[np.integer]) -> Floats:
    """Return the mean cosine between the nodes of every two blocks, self-pairs included, shape (K, K)."""
    means = np.stack([vectors[blocks == block].mean(axis=0) for block in range(int(blocks.max()) + 1)])
    found: Floats = means @ means.T
    return found


def _first_vectors(batch: tuple[int, ...], blocks: int, dim: int, seed: int) -> Floats:
    """Draw unit vectors problem by problem, as the authors' script does: their runs can be repeated before they end."""
    generator = torch.Generator().manual_seed(seed)
    drawn = [
        torch.normal(0, 1, size=(blocks, dim), generator=generator).double().numpy() for _ in range(math.prod(batch))
    ]
    vectors: Floats = np.stack(drawn).reshape(*batch, blocks, dim)
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors


def _pull_and_mixture(shares: Floats, connectivity: Floats, weights: Weights) -> tuple[Floats, Floats]:
    """Return P_kl and q_kl of `population_loss`, each of shape (..., K, K)."""
    own, other = shares[..., :, None], shares[..., None, :]
    degrees = (connectivity * other).sum(axis=-1, keepdims=True)
    counted = other if weights == "graph" else own
    pull: Floats = own * connectivity * counted / degrees
    return pull, np.broadcast_to(counted, pull.shape)


def _check(shares: Floats, connectivity: Floats, temperature: float) -> None:
    fits = (shares > 0).all() and np.allclose(shares.sum(axis=-1), 1) and temperature > 0
    if not fits or (connectivity < 0).any() or ((connectivity * shares[..., None, :]).sum(axis=-1) <= 0).any():
        raise InputError(
            "these blocks cannot be embedded",
            where="population_optimum",
            allowed="positive shares that sum to 1, probabilities of at least 0, every block joined with some block, "
            "a positive temperature",
        )
