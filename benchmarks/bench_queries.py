"""Times every question to a sketch as of 1,000,000 rows: 8,192 anchors, at several temperatures and batch sizes.

Run it with ``python benchmarks/bench_queries.py``. No pass is made: what an anchor sees of rows spread evenly over a
sphere is known, so each cell of its histogram is filled with a drawn count of that law (of a tenth of the rows for its
own label, of the others for the rest). Its 32 largest scores are drawn within the highest cells that are filled.
Writes benchmarks/results/queries.json and a table in docs/performance.md.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from published import keep, publish
from scipy.stats import beta

from cl_viz.engine import bins
from cl_viz.engine.anchor_sketch import OTHER, SAME, AnchorCandidates, AnchorSketch, CandidateCells
from cl_viz.engine.pair_sketch import PairRoles, Relation
from cl_viz.engine.queries import AnchorQueries
from cl_viz.engine.row_kernels import TAIL

TEMPERATURES = (0.01, 0.02, 0.05, 0.1, 0.3, 1.0)
BATCHES = (31, 255, 4_095, 65_535)
REACH = 20.0
WIDTH = 2 / bins.ANCHOR_BINS
Values = NDArray[np.float64]


def drawn_sketch(rows: int, dim: int, n_anchors: int, classes: int = 10) -> AnchorSketch:
    """Return anchors that each see `rows` scores of the sphere's law, a tenth of them of their own label."""
    generator = np.random.default_rng(0)
    edges = np.linspace(-1, 1, bins.ANCHOR_BINS + 1)
    middles = (edges[:-1] + edges[1:]) / 2
    chance = np.diff(beta((dim - 1) / 2, (dim - 1) / 2).cdf((edges + 1) / 2))
    counts = np.empty((n_anchors, 2, bins.ANCHOR_BINS), dtype=np.int64)
    counts[:, SAME] = generator.multinomial(rows // classes - 1, chance / chance.sum(), size=n_anchors)
    counts[:, OTHER] = generator.multinomial(rows - rows // classes, chance / chance.sum(), size=n_anchors)
    # The sum of so many even draws within a cell, less the cell's middle.
    above = generator.normal(size=counts.shape) * WIDTH * np.sqrt(counts / 12)
    above = np.clip(above, -counts * WIDTH / 2, counts * WIDTH / 2)
    top, same = draw_largest(counts, above, edges, generator)
    sums = counts * middles + above
    squares = counts * WIDTH**2 / 12 + sums**2 / np.maximum(counts, 1)
    moments = np.zeros((n_anchors, 4, 3))
    for side, relation in ((SAME, Relation.SAME_LABEL), (OTHER, Relation.DIFFERENT_LABEL)):
        moments[:, int(relation)] = np.stack([part[:, side].sum(axis=1) for part in (counts, sums, squares)], axis=1)
    seen = AnchorCandidates(CandidateCells.of(counts, above), moments, np.zeros((n_anchors, 4)), top, same)
    positives = generator.normal(0.6, 0.15, n_anchors).clip(-1, 1)
    return AnchorSketch("a", np.arange(n_anchors), rows, positives, np.arange(n_anchors + 1), {"b": seen})


def draw_largest(
    counts: NDArray[np.int64], above: Values, edges: Values, generator: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Draw the scores in the highest cells of each anchor, keep the largest, and set those cells' sums to theirs."""
    top, same = np.empty((len(counts), TAIL), dtype=np.float32), np.empty((len(counts), TAIL), dtype=np.bool_)
    for anchor, own in enumerate(counts):
        from_above = np.cumsum(own.sum(axis=0)[::-1])[::-1]
        first = int(np.flatnonzero(from_above >= TAIL)[-1])
        side, place = np.nonzero(own[:, first:])
        number = own[side, place + first]
        cell = np.repeat(np.arange(len(number)), number)
        low = edges[place[cell] + first]
        scores = (low + generator.uniform(0.02, 0.98, len(cell)) * WIDTH).astype(np.float32)
        above[anchor, side, place + first] = np.bincount(cell, weights=scores - (low + WIDTH / 2))
        best = np.argsort(-scores)[:TAIL]
        top[anchor], same[anchor] = scores[best], side[cell[best]] == SAME
    return top, same


def questions(ask: AnchorQueries) -> dict[str, Callable[[float], object]]:
    by_batch: dict[str, Callable[[float], object]] = {
        f"expected loss, {size:,} negatives drawn": lambda tau, size=size: ask.batch_loss([tau], size)
        for size in BATCHES
    }
    return {
        "loss": lambda tau: ask.loss([tau]),
        "NPC multiplier": lambda tau: ask.npc_multiplier([tau]),
        "entropy, effective negatives": lambda tau: ask.effective_negatives([tau]),
        "effective sample size": lambda tau: ask.effective_sample_size([tau]),
        "false-negative mass": lambda tau: ask.false_negative_mass([tau]),
        "hard-negative loss": lambda tau: ask.reweighted_loss([tau], 1.0, 0.1),
        "truncated loss, a tenth kept": lambda tau: ask.truncated_loss([tau], 0.1),
        **by_batch,
        "expected multiplier, 255 negatives drawn": lambda tau: ask.batch_npc_multiplier([tau], 255),
        **{
            f"deviation of the multiplier, {size:,} negatives drawn": lambda tau, size=size: ask.batch_npc_deviation(
                [tau], size
            )
            for size in (63, 4_095, 990_000)
        },
    }


def milliseconds(question: Callable[[float], object], rounds: int) -> list[float]:
    """Return the median time at each temperature; each round asks at another one nearby."""
    found = []
    for tau in TEMPERATURES:
        question(tau)
        times = []
        for number in range(rounds):
            before = time.perf_counter()
            question(tau * (1 + 0.01 * number))
            times.append((time.perf_counter() - before) * 1e3)
        found.append(statistics.median(times))
    return found


def table(taken: dict[str, list[float]]) -> str:
    head = "| question, ms | " + " | ".join(f"temperature {tau:g}" for tau in TEMPERATURES) + " |"
    lines = [head, "|---|" + "---|" * len(TEMPERATURES)]
    lines += [f"| {name} | " + " | ".join(f"{value:.1f}" for value in values) + " |" for name, values in taken.items()]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--anchors", type=int, default=8_192)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    sketch = drawn_sketch(arguments.n, arguments.dim, arguments.anchors)
    load = os.getloadavg()[0]
    before = time.perf_counter()
    ask = AnchorQueries.of(sketch, PairRoles())
    _ = ask.grid, ask.own_grid
    prepared = time.perf_counter() - before
    taken = {name: milliseconds(question, arguments.rounds) for name, question in questions(ask).items()}
    cells = len(sketch.candidates["b"].cells.counts)
    slowest = max(max(values) for values in taken.values())
    said = (
        f"A sketch as of {arguments.n:,} rows (sphere, D = {arguments.dim}, ten labels), {arguments.anchors:,} "
        f"anchors, {cells:,} filled cells; medians of {arguments.rounds}, {torch.get_num_threads()} threads, load "
        f"{load:.1f} before. Slowest: {slowest:.1f} ms (to reach: {REACH:g}). Making the grids took "
        f"{prepared:.1f} s, once a sketch and choice of pairs; they hold {2 * ask.grid.weights.nbytes / 1e6:.0f} MB."
    )
    keep(
        "queries",
        {
            "n": arguments.n,
            "dim": arguments.dim,
            "anchors": arguments.anchors,
            "cells": cells,
            "temperatures": TEMPERATURES,
            "milliseconds": taken,
            "seconds_prepared": prepared,
            "threads": torch.get_num_threads(),
            "load": load,
        },
    )
    publish("performance.md", "bench_queries.py", table(taken), said)
    print(table(taken), said, sep="\n\n")


if __name__ == "__main__":
    main()
