"""What a temperature does to the gradient, on plain arrays in float64, straight from the definitions.

These are the twins of what the diagnostics of temperature read from the sketch: small inputs only (they hold every
score). The goldens test these, and tests hold the diagnostics to them.

A matrix of negatives has shape (A, K): the scores of A anchors with K candidates, -inf where a candidate is no
negative of the anchor.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, logsumexp

from cl_viz.diagnostics._dense.scores import cosine_scores

Scores = NDArray[np.float64]
SLOPE_LIMIT = 3.0
"""Where the authors of iSogCLR clip the slope of a temperature."""


def cross_negatives(first: NDArray[Any], second: NDArray[Any]) -> tuple[Scores, Scores]:
    """Return positives (N,) and negatives (N, N) of the anchors of `first` (N, D), across views only."""
    scores = cosine_scores(first, second)
    positives = scores.diagonal().copy()
    np.fill_diagonal(scores, -np.inf)
    return positives, scores


def two_view_negatives(first: NDArray[Any], second: NDArray[Any]) -> tuple[Scores, Scores]:
    """Return positives (2N,) and negatives (2N, 2N) of all rows, anchors of `first`, then of `second` (Yeh 2022)."""
    rows = np.concatenate([first, second])
    scores = cosine_scores(rows, rows)
    sample = np.arange(len(rows)) % len(first)
    positives = np.concatenate([scores.diagonal(len(first)), scores.diagonal(len(first))])
    scores[sample[:, None] == sample[None]] = -np.inf
    return positives, scores


def relative_penalty(negatives: Scores, temperature: float) -> Scores:
    """Return r_ij = exp(s_ij / tau) over its sum on the anchor's negatives, (A, K) (Wang and Liu 2021, eq. 5)."""
    penalty: Scores = np.exp(log_softmax(negatives / temperature, axis=1))
    return penalty


def entropy(penalty: Scores) -> Scores:
    """Return the entropy of each anchor's relative penalties, natural log, shape (A,)."""
    safe = np.where(penalty > 0, penalty, 1.0)
    found: Scores = -(penalty * np.log(safe)).sum(axis=1)
    return found


def effective_sample_size(penalty: Scores) -> Scores:
    """Return 1 over the sum of squared penalties, shape (A,), in [1, number of negatives]."""
    found: Scores = 1 / np.square(penalty).sum(axis=1)
    return found


def infonce(positives: Scores, negatives: Scores, temperature: float) -> Scores:
    """Return -log P of the positive among itself and the negatives, shape (A,)."""
    found: Scores = np.logaddexp(0.0, logsumexp(negatives / temperature, axis=1) - positives / temperature)
    return found


def infonce_gradient(positives: Scores, negatives: Scores, temperature: float) -> tuple[Scores, Scores]:
    """Return the slopes of each anchor's loss in its positive's score (A,) and in its negatives' (A, K).

    They are -(1 - P_ii) / tau and P_ij / tau (Wang and Liu 2021, eq. 4), and add up to 0.
    """
    every = np.concatenate([positives[:, None], negatives], axis=1) / temperature
    share = np.exp(log_softmax(every, axis=1))
    return -share[:, 1:].sum(axis=1) / temperature, share[:, 1:] / temperature


def npc_multiplier(positives: Scores, negatives: Scores, temperature: float) -> Scores:
    """Return q_B = 1 - P of the positive, shape (A,) (Yeh and others 2022, eq. 2-4), also where it is tiny."""
    return -np.expm1(-infonce(positives, negatives, temperature))


def decoupled(positives: Scores, negatives: Scores, temperature: float) -> Scores:
    """Return the decoupled loss: log-sum-exp of the negatives less the positive's logit, shape (A,)."""
    found: Scores = logsumexp(negatives / temperature, axis=1) - positives / temperature
    return found


def truncated(negatives: Scores, share: float) -> Scores:
    """Return the negatives with all but each anchor's hardest `share` set to -inf (Wang and Liu 2021, eq. 8-9)."""
    found = np.full_like(negatives, -np.inf)
    for anchor, scores in enumerate(negatives):
        kept = math.ceil(share * np.isfinite(scores).sum() - 1e-9)
        hardest = np.argsort(-scores, kind="stable")[:kept]
        found[anchor, hardest] = scores[hardest]
    return found


def reweighted(
    positives: Scores, negatives: Scores, temperature: float, concentration: float, prior: float
) -> tuple[Scores, NDArray[np.bool_]]:
    """Return the debiased, reweighted loss (Robinson and others 2021), shape (A,), and where its estimate is clamped.

    Weights are in proportion to exp(beta s / tau) and have mean 1; the estimate of the sum over true negatives,
    (-M tau+ p + sum of weighted exponentials) / (1 - tau+), is held above M exp(-1 / tau).
    """
    count = np.isfinite(negatives).sum(axis=1)
    exponentials = np.exp(negatives / temperature)
    weights = exponentials**concentration if concentration else np.isfinite(negatives).astype(np.float64)
    weights *= (count / weights.sum(axis=1))[:, None]
    own = np.exp(positives / temperature)
    estimate = ((weights * exponentials).sum(axis=1) - count * prior * own) / (1 - prior)
    least = count * math.exp(-1 / temperature)
    loss: Scores = np.log1p(np.maximum(estimate, least) / own)
    return loss, estimate < least


def adaptive_temperature(positives: Scores, temperature: float, alpha: float, reference: float) -> float:
    """Return tau_0 (1 + alpha (A - A_0)), A the mean positive score (Huang and others 2023)."""
    return float(temperature * (1 + alpha * (positives.mean() - reference)))


def model_aware(
    positives: Scores, negatives: Scores, temperature: float, alpha: float, reference: float, epsilon: float = 0.0
) -> Scores:
    """Return the MACL loss of each anchor, -log(P) / (1 - P + epsilon) at the adaptive temperature, shape (A,)."""
    loss = infonce(positives, negatives, adaptive_temperature(positives, temperature, alpha, reference))
    found: Scores = loss / (epsilon - np.expm1(-loss))
    return found


def temperature_slope(negatives: Scores, temperature: float, rho: float) -> Scores:
    """Return rho - KL(relative penalties, uniform): the slope of the robust loss in an anchor's temperature, (A,)."""
    count = np.isfinite(negatives).sum(axis=1)
    found: Scores = rho - (np.log(count) - entropy(relative_penalty(negatives, temperature)))
    return found


def mean_clipped_slope(first: NDArray[Any], second: NDArray[Any], temperature: float, rho: float) -> float:
    """Return the mean over samples of the slope, averaged over both views, then clipped as the authors clip it."""
    slopes = temperature_slope(two_view_negatives(first, second)[1], temperature, rho)
    both = slopes.reshape(2, -1).mean(axis=0)
    return float(np.clip(both, -SLOPE_LIMIT, SLOPE_LIMIT).mean())


def individual_temperatures(negatives: Scores, rho: float, smallest: float, largest: float) -> Scores:
    """Return argmin over [smallest, largest] of tau (rho + log mean exp(s_ij / tau)) of each anchor, shape (A,)."""
    found = []
    for scores in negatives:
        finite = scores[np.isfinite(scores)]

        def objective(temperature: float, finite: Scores = finite) -> float:
            return float(temperature * (rho + logsumexp(finite / temperature) - math.log(len(finite))))

        made = minimize_scalar(objective, bounds=(smallest, largest), method="bounded", options={"xatol": 1e-10})
        found.append(made.x)
    return np.array(found)


def tolerance(rows: NDArray[Any], labels: NDArray[Any]) -> float:
    """Return the mean cosine of ordered pairs of different rows of one label: the conditional tolerance."""
    scores = cosine_scores(rows, rows)
    same = labels[:, None] == labels[None]
    np.fill_diagonal(same, False)
    return float(scores[same].mean())


def tolerance_literal(rows: NDArray[Any], labels: NDArray[Any]) -> float:
    """Return the mean over all ordered pairs, i = j among them, of s_ij 1[one label] (Wang and Liu 2021, eq. 11)."""
    scores = cosine_scores(rows, rows)
    return float(np.where(labels[:, None] == labels[None], scores, 0.0).mean())
