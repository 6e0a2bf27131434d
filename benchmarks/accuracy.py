"""Writes the table of errors in docs/performance.md: answers from the sketch against every score in float64.

Run ``python benchmarks/accuracy.py``. Errors are of means over all anchors, relative to max(|value|, 0.01), the
largest over temperatures from 0.01 to 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from published import publish
from scipy.special import entr, logsumexp

import cl_viz
from cl_viz.engine import score_histogram
from cl_viz.engine.pair_sketch import PairRoles
from cl_viz.engine.queries import AnchorQueries
from cl_viz.testing import clusters, collapsed, paired_sphere

TEMPERATURES = np.array([0.01, 0.02, 0.05, 0.1, 0.3, 1.0])
SHARE = 0.0819
N, DIM = 700, 24
SETS: dict[str, Callable[[], cl_viz.EmbeddingSet]] = {
    "sphere": lambda: paired_sphere(N, DIM, 0.5, classes=6),
    "spread .3": lambda: clusters(N, DIM, 6, 0.3),
    "spread .05": lambda: clusters(N, DIM, 6, 0.05),
    "spread .02": lambda: clusters(N, DIM, 6, 0.02),
    "collapsed": lambda: collapsed(N, DIM, 0.003),
}
Values = NDArray[np.float64]


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
    if codes is not None:
        same = (codes[0][0][:, None] == codes[0][1][None])[others].reshape(len(every), -1)
        mass = ask.false_negative_mass(TEMPERATURES)
        questions["false-negative mass"] = (mass, lambda tau: (push(tau) * same).sum(axis=1))
    found = {
        name: max(relative(values[i].mean(), exact(tau).mean()) for i, tau in enumerate(TEMPERATURES))
        for name, (values, exact) in questions.items()
    }
    pairs = statistics.pairs
    area = score_histogram.auc(pairs.positives(PairRoles()), pairs.negatives(PairRoles()))
    ranked = np.sort(scores.ravel())
    below = np.searchsorted(ranked, positive) + np.searchsorted(ranked, positive, side="right")
    found["AUC"] = relative(area, float(below.mean() / 2 / ranked.size))
    return found


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
