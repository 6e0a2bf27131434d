"""Writes the table of errors in docs/performance.md: answers from the sketch against every score in float64.

Run ``python benchmarks/accuracy.py``. Errors are of means over all anchors, relative to max(|value|, 0.01), the
largest over temperatures from 0.01 to 1.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from published import publish
from scipy.special import entr, logsumexp

import cl_viz
from cl_viz.engine import score_histogram
from cl_viz.engine.pair_sketch import PairRoles, Relation
from cl_viz.engine.queries import AnchorQueries
from cl_viz.engine.score_histogram import uniformity
from cl_viz.testing import clusters, collapsed, paired_sphere

TEMPERATURES = np.array([0.01, 0.02, 0.05, 0.1, 0.3, 1.0])
SHARE = 0.0819
REWEIGHTED = ((0.0, 0.1), (1.0, 0.0), (1.0, 0.1))
DRAWN, BATCH_ANCHORS = 31, 60
N, DIM = 700, 24
SETS: dict[str, Callable[[], cl_viz.EmbeddingSet]] = {
    "sphere": lambda: paired_sphere(N, DIM, 0.5, classes=6),
    "spread .3": lambda: clusters(N, DIM, 6, 0.3),
    "spread .05": lambda: clusters(N, DIM, 6, 0.05),
    "spread .02": lambda: clusters(N, DIM, 6, 0.02),
    "collapsed": lambda: collapsed(N, DIM, 0.003),
}
Values = NDArray[np.float64]
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.engine.comparing import exact_expectation  # noqa: E402


def relative(found: float, expected: float) -> float:
    return abs(found - expected) / max(abs(expected), 1e-2)


def errors(embedding_set: cl_viz.EmbeddingSet) -> dict[str, float]:
    first, second = (a / np.linalg.norm(a, axis=1, keepdims=True) for a in embedding_set.views.values())
    every = first @ second.T
    others = ~np.eye(len(every), dtype=bool)
    positive, scores = every.diagonal(), every[others].reshape(len(every), -1)
    hardest = np.sort(scores, axis=1)[:, -math.ceil(SHARE * scores.shape[1]) :]
    codes = embedding_set.codes("label")
    statistics = cl_viz.scan(embedding_set, cache=False)
    ask = AnchorQueries.of(statistics.anchors["view_1"], PairRoles())

    def push(tau: float) -> Values:
        return np.asarray(np.exp(scores / tau - logsumexp(scores / tau, axis=1, keepdims=True)))

    def loss(tau: float, of: Values) -> Values:
        return np.asarray(np.logaddexp(0, logsumexp(of / tau, axis=1) - positive / tau))

    questions: dict[str, tuple[Values, Callable[[float], Values]]] = {
        "loss": (ask.loss(TEMPERATURES), lambda tau: loss(tau, scores)),
        "NPC multiplier": (ask.npc_multiplier(TEMPERATURES), lambda tau: -np.expm1(-loss(tau, scores))),
        "entropy": (ask.entropy(TEMPERATURES), lambda tau: entr(push(tau)).sum(axis=1)),
        "effective negatives": (
            ask.effective_negatives(TEMPERATURES),
            lambda tau: np.exp(entr(push(tau)).sum(axis=1)),
        ),
        "effective sample size": (
            ask.effective_sample_size(TEMPERATURES),
            lambda tau: 1 / np.square(push(tau)).sum(axis=1),
        ),
        "truncated loss": (ask.truncated_loss(TEMPERATURES, SHARE), lambda tau: loss(tau, hardest)),
    }
    for beta, prior in REWEIGHTED:
        name = f"hard-negative loss, beta {beta:g}, prior {prior:g}"
        questions[name] = (
            ask.reweighted_loss(TEMPERATURES, beta, prior)[0],
            partial(reweighted, scores, positive, beta=beta, prior=prior),
        )
    if codes is not None:
        same = (codes[0][0][:, None] == codes[0][1][None])[others].reshape(len(every), -1)
        mass = ask.false_negative_mass(TEMPERATURES)
        questions["false-negative mass"] = (mass, lambda tau: (push(tau) * same).sum(axis=1))
    found = {
        name: max(relative(values[i].mean(), exact(tau).mean()) for i, tau in enumerate(TEMPERATURES))
        for name, (values, exact) in questions.items()
    }
    found.update(batch_errors(ask, scores - positive[:, None]))
    found["uniformity, t = 0.5, 2, 10"] = uniformity_error(embedding_set.views["view_1"], first)
    pairs = statistics.pairs
    area = score_histogram.auc(pairs.positives(PairRoles()), pairs.negatives(PairRoles()))
    ranked = np.sort(scores.ravel())
    below = np.searchsorted(ranked, positive) + np.searchsorted(ranked, positive, side="right")
    found["AUC"] = relative(area, float(below.mean() / 2 / ranked.size))
    return found


def reweighted(scores: Values, positive: Values, tau: float, beta: float, prior: float) -> Values:
    """Return the debiased loss with hard negatives weighted up (Robinson and others 2021) from every score."""
    count = scores.shape[1]
    logits = (scores - positive[:, None]) / tau
    weight = np.exp(beta * (scores - scores.max(axis=1, keepdims=True)) / tau)
    mean = (weight * np.exp(logits)).sum(axis=1) / weight.sum(axis=1)
    least = count * np.exp((-1 - positive) / tau)
    return np.asarray(np.log1p(np.maximum(count * (mean - prior) / (1 - prior), least)))


def batch_errors(ask: AnchorQueries, distances: Values) -> dict[str, float]:
    """Return the errors of what is expected of a batch, over some anchors, against all draws without replacement."""
    asked = "expected loss", "expected multiplier", "deviation of the multiplier"
    names = [f"{name}, {DRAWN} negatives drawn" for name in asked]
    found = dict.fromkeys(names, 0.0)
    for tau in TEMPERATURES:
        loss, multiplier, variance = exact_expectation(distances[:BATCH_ANCHORS] / tau, DRAWN)
        questions = ask.batch_loss, ask.batch_npc_multiplier, ask.batch_npc_deviation
        for name, question, truth in zip(names, questions, (loss, multiplier, np.sqrt(variance)), strict=True):
            values = question([tau], DRAWN)[0]
            found[name] = max(found[name], relative(values[:BATCH_ANCHORS].mean(), truth.mean()))
    return found


def uniformity_error(rows: Values, unit: Values) -> float:
    single = cl_viz.scan(cl_viz.EmbeddingSet.from_arrays(rows), anchors=0, cache=False)
    histogram = single.pairs.histogram(list(Relation))
    upper = (unit @ unit.T)[np.triu_indices(len(unit), 1)]
    t = (0.5, 2.0, 10.0)
    exact = [logsumexp(value * (2 * upper - 2)) - math.log(len(upper)) for value in t]
    return max(map(relative, uniformity([histogram], t).tolist(), exact))


def main() -> None:
    by_set = {name: errors(make()) for name, make in SETS.items()}
    quantities = list(dict.fromkeys(name for found in by_set.values() for name in found))
    lines = ["| quantity | " + " | ".join(SETS) + " |", "|---|" + "---|" * len(SETS)]
    for quantity in quantities:
        cells = [f"{found[quantity]:.0e}" if quantity in found else "" for found in by_set.values()]
        lines.append(f"| {quantity} | " + " | ".join(cells) + " |")
    publish("performance.md", "accuracy.py", "\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
