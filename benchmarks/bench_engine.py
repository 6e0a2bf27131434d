"""Times the pass over all pairs against the bare matrix product, in one process, as ratios of medians.

Run with ``make bench``. Every task is timed once in each of several rounds, so that a busy machine slows all alike.
Writes benchmarks/results/engine.json and the table in docs/performance.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from published import keep, publish

import cl_viz
from cl_viz.engine import compiled
from cl_viz.testing import sphere

GROWTH_SIZES, GROWTH_ROUNDS = (10_000, 80_000), 3
TASKS = {
    "histc": ("torch.matmul + torch.histc in chunks, all N x N", None),
    "labels": ("sketch, labels of two kinds, one view", 0.7),
    "anchors": ('the same with anchors="auto" (8,192)', 0.95),
    "neighbors": ("the same (no anchors) with 15 neighbours", 1.6),
    "two views": ("sketch, two views of N/2 rows (4 blocks)", 0.7),
}


def bare_product(rows: torch.Tensor, buffer: torch.Tensor) -> None:
    for start in range(0, len(rows), 256):
        part = rows[start : start + 256]
        torch.mm(part, rows.T, out=buffer[: len(part)])


def matmul_histc(rows: torch.Tensor) -> None:
    for start in range(0, len(rows), 256):
        torch.histc(rows[start : start + 256] @ rows.T, bins=4096, min=-1, max=1)


def labelled_set(rows: np.ndarray) -> cl_viz.EmbeddingSet:
    return cl_viz.EmbeddingSet.from_arrays(rows, label=np.arange(len(rows)) % 2)


def tasks(n: int, dim: int) -> dict[str, Callable[[], object]]:
    rows = sphere(n, dim).astype(np.float32)
    tensor, buffer = torch.from_numpy(rows), torch.empty(256, n)
    labelled = labelled_set(rows)
    half = cl_viz.EmbeddingSet.from_arrays({"a": rows[: n // 2], "b": rows[n // 2 : 2 * (n // 2)]})
    for embedding_set in (labelled, half):
        # Quality and fingerprint are read once per set, not once per pass.
        _ = embedding_set.quality, embedding_set.fingerprint
    return {
        "bare": lambda: bare_product(tensor, buffer),
        "histc": lambda: matmul_histc(tensor),
        "labels": lambda: cl_viz.scan(labelled, anchors=0, cache=False),
        "anchors": lambda: cl_viz.scan(labelled, cache=False),
        "neighbors": lambda: cl_viz.scan(labelled, anchors=0, neighbors=15, cache=False),
        "two views": lambda: cl_viz.scan(half, anchors=0, cache=False),
    }


def measure(work: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, do in work.items():
            before = time.perf_counter()
            do()
            seconds[name].append(time.perf_counter() - before)
    return seconds


def per_pair_growth(sizes: tuple[int, int], dim: int, rounds: int) -> dict[str, float]:
    """Return the median seconds of a two-label sketch of few and of many rows, and how the time per pair grows."""
    sets = {n: labelled_set(sphere(n, dim).astype(np.float32)) for n in sizes}
    for embedding_set in sets.values():
        _ = embedding_set.quality, embedding_set.fingerprint
    work = {str(n): partial(cl_viz.scan, found, anchors=0, cache=False) for n, found in sets.items()}
    middle = {name: statistics.median(values) for name, values in measure(dict(work), rounds).items()}
    few, many = sizes
    return {**middle, "growth": (middle[str(many)] / many**2) / (middle[str(few)] / few**2)}


def table(found: dict[str, object]) -> str:
    ratios: dict[str, float] = found["ratio_to_bare_product"]  # type: ignore[assignment]
    lines = ["| what | time / bare product | to reach |", "|---|---|---|"]
    for name, (label, reach) in TASKS.items():
        lines.append(f"| {label} | {ratios[name]:.2f} | {'' if reach is None else f'<= {reach}'} |")
    return "\n".join(lines)


def write_page(found: dict[str, object]) -> None:
    others = "used" if found["contended"] else "did not use"
    said = (
        f"N = {found['n']:,}, D = {found['dim']}, float32, {found['threads']} threads, {found['rounds']} rounds, "
        f"medians; bare product {found['bare_seconds']:.2f} s. Other programs {others} the "
        f"machine meanwhile (load {found['load_before']:.1f} before, {found['load_after']:.1f} after).\n\n"
        f"{growth_said(found['per_pair_growth'])}"
    )
    publish("performance.md", "bench_engine.py", table(found), said)


def growth_said(growth: object) -> str:
    if not isinstance(growth, dict):
        return "How the time per pair grows with N was not measured in this run."
    few, many = GROWTH_SIZES
    return (
        f"Time per pair at N = {many:,} against N = {few:,} (to reach: 1.1): {growth['growth']:.2f} times "
        f"(two-label sketch, one view, medians of {GROWTH_ROUNDS})."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=20_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--no-growth", action="store_true", help="leave out the time per pair at large N, half a minute"
    )
    arguments = parser.parse_args()
    if not compiled.wait():
        raise SystemExit(f"the compiled kernels cannot be had: {compiled.failure()}")
    load_before = os.getloadavg()[0]
    seconds = measure(tasks(arguments.n, arguments.dim), arguments.rounds)
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    growth = None if arguments.no_growth else per_pair_growth(GROWTH_SIZES, arguments.dim, GROWTH_ROUNDS)
    found: dict[str, object] = {
        "n": arguments.n,
        "dim": arguments.dim,
        "rounds": arguments.rounds,
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "torch": torch.__version__,
        "bare_seconds": middle["bare"],
        "seconds": seconds,
        "ratio_to_bare_product": {name: middle[name] / middle["bare"] for name in TASKS},
        "per_pair_growth": growth,
        "load_before": load_before,
        "load_after": os.getloadavg()[0],
        # This process alone keeps its threads busy; more than that, or a load at the start, is someone else.
        "contended": load_before > 0.5 or os.getloadavg()[0] > torch.get_num_threads() + 0.5,
    }
    keep("engine", found)
    write_page(found)
    print(table(found))


if __name__ == "__main__":
    main()
