"""Times the pass over all pairs on a CUDA device against what else one could do there.

Run it on a machine with one with ``python benchmarks/bench_cuda.py [--n N]``. Rows of the table: the bare product into
one reused buffer, which keeps nothing; product and torch.histc, all N x N; the pass with torch alone; the pass with the
Triton kernel, and with the kernel cut in other ways; the same with the 15 nearest of every row, found among its scores
or alone; the bare product with torch.topk; the whole of `cl_viz.scan`. Each is warmed up once, then timed in turns.
Writes benchmarks/results/cuda.json and a table in docs/performance.md.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from published import keep, publish

import cl_viz
from cl_viz.engine import triton_neighbors, triton_tiles
from cl_viz.engine.nearest_so_far import NearestSoFar
from cl_viz.engine.neighbors import Neighbors, find_neighbors, largest_of_blocks, neighbors_of
from cl_viz.engine.pair_pass import run_pairs, tile_rows, tiles
from cl_viz.engine.pair_sketch import PairSketch
from cl_viz.engine.precision import full_float32
from cl_viz.engine.rows import ViewRows, view_rows
from cl_viz.engine.triton_tiles import Shape
from cl_viz.testing import sphere

REACH_SECONDS = 3.0
SHAPES = (
    Shape(128, 128, 32, programs=1, warps=8),
    Shape(64, 64, 32, programs=2, warps=4),
    Shape(128, 64, 64, programs=1, warps=8, stages=2),
)
"""Other ways to cut the kernel, timed beside `triton_tiles.SHAPE`."""
BUFFER_ROWS = 2048
NEIGHBORS = 15
SLOW_SECONDS = 20.0
"""What takes longer the first time is not timed again."""


def bare_product(rows: torch.Tensor, buffer: torch.Tensor) -> None:
    for start in range(0, len(rows), BUFFER_ROWS):
        part = rows[start : start + BUFFER_ROWS]
        torch.mm(part, rows.T, out=buffer[: len(part)])


def product_and_histc(rows: torch.Tensor, buffer: torch.Tensor) -> None:
    for start in range(0, len(rows), BUFFER_ROWS):
        part = rows[start : start + BUFFER_ROWS]
        torch.histc(torch.mm(part, rows.T, out=buffer[: len(part)]), bins=4096, min=-1, max=1)


def product_and_topk(rows: torch.Tensor, buffer: torch.Tensor) -> None:
    for start in range(0, len(rows), BUFFER_ROWS):
        part = rows[start : start + BUFFER_ROWS]
        torch.mm(part, rows.T, out=buffer[: len(part)]).topk(NEIGHBORS + 1, dim=1)


def near_alone(rows: dict[str, ViewRows]) -> Neighbors:
    """Return the nearest rows, no score of which is binned."""
    (part,) = rows.values()
    return find_neighbors(part, part, NEIGHBORS, lambda done: None)


def pass_over(rows: dict[str, ViewRows], shape: Shape | None, neighbors: int | None = None) -> PairSketch:
    """Return the sketch of all pairs, by the kernel cut in this way, or by torch alone (None).

    With `neighbors`, so many nearest rows are found among the same scores.
    """
    view, part = next(iter(rows.items()))
    usable, before = triton_tiles.usable, triton_tiles.SHAPE
    if shape is None:
        triton_tiles.usable = lambda device, dtype: False
    else:
        triton_tiles.SHAPE = shape
    try:
        block = (view, view)
        nothing = [np.zeros((0, 2), dtype=np.int64)]
        work = list(tiles([block], rows, tile_rows(part.device, torch.float32)))
        near = None if neighbors is None else NearestSoFar(largest_of_blocks(rows, neighbors))
        found = run_pairs([block], rows, nothing, work, lambda done: None, near=near)
        if near is not None:
            neighbors_of(part, part, near.largest[block])
        return found
    finally:
        triton_tiles.usable, triton_tiles.SHAPE = usable, before


def words(shape: Shape) -> str:
    return f"{shape.rows} x {shape.columns} x {shape.depth}, {shape.warps} warps, {shape.programs} a multiprocessor"


def tasks(embedding_set: cl_viz.EmbeddingSet, device: torch.device) -> dict[str, Callable[[], object]]:
    rows = view_rows(embedding_set, device, torch.float32, n_leading=0)
    tensor = next(iter(rows.values())).tile(slice(None))
    buffer = torch.empty((min(BUFFER_ROWS, len(tensor)), len(tensor)), device=device)
    found: dict[str, Callable[[], object]] = {
        "bare product, float32, all N x N": lambda: bare_product(tensor, buffer),
        "product + torch.histc, all N x N": lambda: product_and_histc(tensor, buffer),
        f"product + torch.topk ({NEIGHBORS}), all N x N": lambda: product_and_topk(tensor, buffer),
        "pass, torch alone": lambda: pass_over(rows, None),
    }
    if triton_tiles.usable(device, torch.float32):
        found[f"pass, Triton kernel ({words(triton_tiles.SHAPE)})"] = lambda: pass_over(rows, triton_tiles.SHAPE)
        for shape in SHAPES:
            found[f"pass, Triton kernel ({words(shape)})"] = lambda shape=shape: pass_over(rows, shape)  # type: ignore[misc]
        if not triton_neighbors.usable(device, torch.float32):
            print(f"the Triton kernel cannot be used for neighbours: {triton_neighbors.failure()}")
        found[f"pass with {NEIGHBORS} neighbours"] = lambda: pass_over(rows, triton_tiles.SHAPE, NEIGHBORS)
        found[f"{NEIGHBORS} neighbours alone"] = lambda: near_alone(rows)
    else:
        print(f"the Triton kernel cannot be used: {triton_tiles.failure()}")
    found["cl_viz.scan without anchors"] = lambda: cl_viz.scan(embedding_set, str(device), anchors=0, cache=False)
    found["cl_viz.scan"] = lambda: cl_viz.scan(embedding_set, str(device), cache=False)
    found[f"cl_viz.scan with {NEIGHBORS} neighbours"] = lambda: cl_viz.scan(
        embedding_set, str(device), neighbors=NEIGHBORS, cache=False
    )
    return found


def timed(work: Callable[[], object], device: torch.device) -> float:
    torch.cuda.synchronize(device)
    began = time.perf_counter()
    work()
    torch.cuda.synchronize(device)
    return time.perf_counter() - began


def measure(work: dict[str, Callable[[], object]], device: torch.device, rounds: int) -> dict[str, list[float]]:
    """Time every task in turns; one that fails (too much memory, say) is left out and its error printed."""
    seconds: dict[str, list[float]] = {}
    with full_float32():
        for name, do in list(work.items()):
            try:
                seconds[name] = [timed(do, device)]
            except Exception as error:
                print(f"{name}: {type(error).__name__}: {error}")
        print("first time, compiling included:", {name: round(values[0], 2) for name, values in seconds.items()})
        again = [name for name, values in seconds.items() if values[0] < SLOW_SECONDS]
        seconds |= {name: [] for name in again}
        for _ in range(rounds):
            for name in again:
                seconds[name].append(timed(work[name], device))
    return seconds


def table(found: dict[str, Any]) -> str:
    middle = {name: statistics.median(values) for name, values in found["seconds"].items()}
    bare = middle["bare product, float32, all N x N"]
    lines = ["| what | s | / bare product |", "|---|---|---|"]
    return "\n".join(lines + [f"| {name} | {value:.2f} | {value / bare:.2f} |" for name, value in middle.items()])


def write_page(found: dict[str, Any]) -> None:
    said = (
        f"{found['device']}, N = {found['n']:,}, D = {found['dim']}, labels of two kinds, {found['rounds']} rounds, "
        f"medians; torch {found['torch']}. To reach at N = 1,000,000, D = 128 on an H100: {REACH_SECONDS:.0f} s."
    )
    publish("performance.md", "bench_cuda.py", table(found), said)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("this needs a CUDA device, and torch sees none here: run it on a machine that has one")
    device = torch.device("cuda", 0)
    rows = sphere(arguments.n, arguments.dim).astype(np.float32)
    embedding_set = cl_viz.EmbeddingSet.from_arrays(rows, label=np.arange(arguments.n) % 2)
    _ = embedding_set.quality, embedding_set.fingerprint
    found = {
        "device": torch.cuda.get_device_name(device),
        "n": arguments.n,
        "dim": arguments.dim,
        "rounds": arguments.rounds,
        "torch": torch.__version__,
        "seconds": measure(tasks(embedding_set, device), device, arguments.rounds),
    }
    keep("cuda", found)
    write_page(found)
    print(table(found))


if __name__ == "__main__":
    main()
