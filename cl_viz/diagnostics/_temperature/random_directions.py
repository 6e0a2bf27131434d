"""What a temperature does to negatives that are random directions: the null at the same D and number of negatives."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, logsumexp

Values = NDArray[np.float64]
_EXACT, _GROUPS = 64, 400


@lru_cache(maxsize=64)
def _expected_ranks(dim: int, n_negatives: int) -> tuple[Values, Values]:
    """Return scores and counts that stand for the order statistics of so many cosines of random directions.

    The largest stand one by one, the others in groups, each at the quantile of its middle rank. The cosine s of two
    random directions has (s + 1) / 2 distributed as Beta((D - 1) / 2, (D - 1) / 2).
    """
    last = max(n_negatives, 1)
    edges = np.unique(np.concatenate([np.arange(min(_EXACT, last) + 1), np.geomspace(1, last, _GROUPS).round()]))
    counts = np.diff(edges)
    middle = (edges[:-1] + edges[1:]) / 2
    shape = (dim - 1) / 2
    # By symmetry the quantile from above, where probabilities near 0 keep their digits.
    scores = 1 - 2 * betaincinv(shape, shape, middle / last)
    return scores, counts


def effective_negatives(dim: int, n_negatives: int, temperatures: NDArray[np.float64]) -> Values:
    """Return exp of the entropy of the relative penalties on random directions, shape (T,).

    Parameters
    ----------
    dim : int
        D of the embeddings, 2 or more.
    n_negatives : int
        Negatives of an anchor.
    temperatures : NDArray[np.float64], shape (T,)
        Above 0.

    Notes
    -----
    The scores stand at their expected ranks, so the value is that of a typical anchor, not an average over draws; the
    two differ where a handful of negatives takes the whole push.
    """
    scores, counts = _expected_ranks(dim, n_negatives)
    exponents = scores / temperatures[:, None]
    log_total = logsumexp(exponents, b=counts, axis=1)
    share = counts * np.exp(exponents - log_total[:, None])
    found: Values = np.exp(log_total - (share * exponents).sum(axis=1))
    return found
