"""Compares what `cl_viz.plan` says of a pass with what the pass takes, for sets of many sizes.

Run with ``make bench``. A plan is asked for as by a new process: nothing that an earlier case measured is used. Then
the pass is made. Writes benchmarks/results/plan.json and a table in docs/performance.md. With ``--only``, some cases
are measured again and the others stay as they were.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from typing import Any

import numpy as np
import torch
from published import keep, kept, publish

import cl_viz
from cl_viz.engine import compiled, pass_rates

WITHIN = 2.0
"""Times too much or too little that a plan may say."""
# Rows in all, dimensions, views, labels, arguments.
CASES: dict[str, tuple[int, int, int, bool, dict[str, Any]]] = {
    "N = 3,000, D = 64 (float64)": (3_000, 64, 1, True, {}),
    "two views of 1,500, D = 64 (float64)": (3_000, 64, 2, True, {}),
    "N = 5,000, D = 128 (float64)": (5_000, 128, 1, True, {}),
    "N = 10,000, D = 64": (10_000, 64, 1, True, {}),
    "N = 10,000, D = 512": (10_000, 512, 1, True, {}),
    "N = 20,000, D = 128": (20_000, 128, 1, True, {}),
    "the same without labels": (20_000, 128, 1, False, {}),
    "the same without anchors": (20_000, 128, 1, True, {"anchors": 0}),
    "the same with 15 neighbours": (20_000, 128, 1, True, {"neighbors": 15}),
    "two views of 10,000, D = 128": (20_000, 128, 2, True, {}),
    "N = 20,000, D = 512": (20_000, 512, 1, True, {}),
    "N = 40,000, D = 128": (40_000, 128, 1, True, {}),
    "N = 50,000, D = 64": (50_000, 64, 1, True, {}),
}


def a_set(n: int, dim: int, views: int, labelled: bool) -> cl_viz.EmbeddingSet:
    generator = np.random.default_rng(1)
    arrays = {f"view {place}": generator.standard_normal((n // views, dim), dtype=np.float32) for place in range(views)}
    labels = {"label": np.arange(n // views) % 10} if labelled else {}
    made = cl_viz.EmbeddingSet.from_arrays(arrays, metadata=labels, roles={"label": "label"} if labelled else {})
    # Read once a set, not once a pass.
    _ = made.quality, made.fingerprint
    return made


def seconds_of(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(name: str, rounds: int) -> dict[str, Any]:
    """Return the seconds that a plan says, those that the pass takes, and those that the plan itself took."""
    n, dim, views, labelled, arguments = CASES[name]
    load = os.getloadavg()[0]
    embedding_set = a_set(n, dim, views, labelled)
    pass_rates.forget()
    began = time.perf_counter()
    planned = cl_viz.plan(embedding_set, "cpu", **arguments)
    asking = time.perf_counter() - began
    taken = [seconds_of(lambda: cl_viz.scan(embedding_set, "cpu", cache=False, **arguments)) for _ in range(rounds)]
    print(f"{name}: said {planned.seconds:.2f} s, taken {statistics.median(taken):.2f} s", flush=True)
    return {
        "said": planned.seconds,
        "parts": dict(planned.parts),
        "taken": statistics.median(taken),
        "asking": asking,
        "ratio": planned.seconds / statistics.median(taken),
        "rounds": rounds,
        "load_before": load,
    }


def table(found: dict[str, dict[str, Any]]) -> str:
    lines = ["| what | said, s | taken, s | said / taken | to reach |", "|---|---|---|---|---|"]
    for name, mine in found.items():
        numbers = f"{mine['said']:.2f} | {mine['taken']:.2f} | {mine['ratio']:.2f}"
        lines.append(f"| {name} | {numbers} | {1 / WITHIN:g} to {WITHIN:g} |")
    return "\n".join(lines)


def said(found: dict[str, dict[str, Any]]) -> str:
    longest = max(mine["asking"] for mine in found.values())
    rounds = {mine["rounds"] for mine in found.values()}
    loads = [mine["load_before"] for mine in found.values()]
    return (
        f"Ten labels, anchors as by default, float32 unless said otherwise, {torch.get_num_threads()} threads. Passes: "
        f"medians of {' or '.join(map(str, sorted(rounds)))}. Each plan measured anew, which took {longest:.1f} s at "
        f"most. Load before each case: {min(loads):.1f} to {max(loads):.1f}, this process included."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", type=int, nargs="+", help="numbers of the cases to measure, from 0")
    arguments = parser.parse_args()
    if not compiled.wait():
        raise SystemExit(f"the compiled kernels cannot be had: {compiled.failure()}")
    names = list(CASES) if arguments.only is None else [list(CASES)[number] for number in arguments.only]
    # The first pass of a process makes its threads and warms up the machine.
    cl_viz.scan(a_set(4_000, 64, 1, True), "cpu", cache=False)
    found = {} if arguments.only is None else kept("plan").get("cases", {})
    for name in names:
        found[name] = measure(name, arguments.rounds)
        keep("plan", {"cases": found})
    found = {name: found[name] for name in CASES if name in found}
    keep("plan", {"cases": found})
    print(table(found), said(found), sep="\n\n")
    publish("performance.md", "bench_plan.py", table(found), said(found))


if __name__ == "__main__":
    main()
