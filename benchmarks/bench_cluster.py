"""Times the pass of a Dask cluster of two workers on this machine against the pass of one process with two threads.

Run it with ``python benchmarks/bench_cluster.py [--n N]``. The cluster is up and its kernels are there before anything
is timed, and the two take turns. What is compared is processor time, of all processes of a pass together, so that
other programs on the machine change little. Writes benchmarks/results/cluster.json and a table in docs/performance.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from published import keep, publish

import cl_viz
from cl_viz.engine import Statistics, compiled
from cl_viz.testing import sphere

REACH = 1.3
WORKERS = 2
TASKS: dict[str, dict[str, Any]] = {
    "labels of ten kinds": {"anchors": 0},
    'the same with anchors="auto" (8,192)': {},
    "the same (no anchors) with 15 neighbours": {"anchors": 0, "neighbors": 15},
}


def processor_seconds(client: Any) -> float:
    """Return the processor time so far of this process, where client and scheduler are, and of the workers."""
    return time.process_time() + sum(client.run(time.process_time).values())


def timed(client: Any, scan: Callable[[], Statistics]) -> tuple[Statistics, float, float]:
    """Return what a pass found, its processor time and how long it took, in seconds."""
    before, began = processor_seconds(client), time.perf_counter()
    found = scan()
    took = time.perf_counter() - began
    return found, processor_seconds(client) - before, took


def measure(client: Any, embedding_set: cl_viz.EmbeddingSet, rounds: int) -> dict[str, dict[str, Any]]:
    """Time every task on one process and on the cluster, in turns, and compare what they count."""
    found: dict[str, dict[str, Any]] = {
        name: {"one": [], "cluster": [], "one_wall": [], "cluster_wall": []} for name in TASKS
    }
    for _ in range(rounds):
        for name, arguments in TASKS.items():
            mine = found[name]
            one, *seconds = timed(client, lambda: cl_viz.scan(embedding_set, "cpu", cache=False, **arguments))  # noqa: B023
            mine["one"].append(seconds[0])
            mine["one_wall"].append(seconds[1])
            many, *seconds = timed(client, lambda: cl_viz.scan(embedding_set, cluster=client, cache=False, **arguments))  # noqa: B023
            mine["cluster"].append(seconds[0])
            mine["cluster_wall"].append(seconds[1])
            mine["pairs"] = int(one.pairs.counts.sum())
            mine["totals_equal"] = bool((one.pairs.counts.sum(axis=2) == many.pairs.counts.sum(axis=2)).all())
            # A product rounds by its place in a tile: a score on an edge may fall on either side of it.
            mine["moved"] = int(np.abs(one.pairs.counts - many.pairs.counts).sum()) // 2
    return found


def table(found: dict[str, Any]) -> str:
    lines = [
        "| what | one process, s | cluster, s | ratio | to reach | pairs in another bin |",
        "|---|---|---|---|---|---|",
    ]
    for name, mine in found["tasks"].items():
        one, cluster = statistics.median(mine["one"]), statistics.median(mine["cluster"])
        lines.append(
            f"| {name} | {one:.1f} | {cluster:.1f} | {cluster / one:.2f} | <= {REACH} | "
            f"{mine['moved']:,} of {mine['pairs']:,} |"
        )
    return "\n".join(lines)


def write_page(found: dict[str, Any]) -> None:
    equal = all(mine["totals_equal"] for mine in found["tasks"].values())
    said = (
        f"N = {found['n']:,}, D = {found['dim']}, float32, {found['rounds']} rounds in turns. Medians of processor "
        f"time, of all processes of a pass, scheduler and client too: one process of {found['threads']} threads, "
        f"{WORKERS} workers of one thread. Pairs of every relation, one process against the cluster: "
        f"{'equal' if equal else 'not equal'}."
    )
    publish("performance.md", "bench_cluster.py", table(found), said)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-page", action="store_true", help="print the table and write nothing")
    arguments = parser.parse_args()
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise SystemExit("Dask is not installed: pip install 'cl-viz[cluster]'") from error
    if not compiled.wait():
        raise SystemExit(f"the compiled kernels cannot be had: {compiled.failure()}")
    rows = sphere(arguments.n, arguments.dim).astype(np.float32)
    embedding_set = cl_viz.EmbeddingSet.from_arrays(rows, label=np.arange(arguments.n) % 10)
    _ = embedding_set.quality, embedding_set.fingerprint
    options: dict[str, Any] = {"n_workers": WORKERS, "threads_per_worker": 1, "dashboard_address": ":0"}
    with LocalCluster(**options) as local, Client(local, set_as_default=False) as client:
        if not all(client.run(compiled.wait).values()):
            raise SystemExit("the workers have no compiled kernels")
        tasks = measure(client, embedding_set, arguments.rounds)
    found = {
        "n": arguments.n,
        "dim": arguments.dim,
        "rounds": arguments.rounds,
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "torch": torch.__version__,
        "tasks": tasks,
        "load": os.getloadavg()[0],
    }
    print(table(found))
    if not arguments.no_page:
        keep("cluster", found)
        write_page(found)


if __name__ == "__main__":
    main()
