"""Measures the memory that a pass takes beyond the mapped dump, each time in a fresh process.

Run it with ``python benchmarks/bench_memory.py [--part SHARE] [--only TASK]``. Without ``--part`` a pass goes to its
end.
What counts is the process's anonymous memory (RssAnon of /proc, sampled each 10 ms) less what it was before the pass,
after a pass over a small set: pages of the mapped file are not in it, buffers and results are. What `cl_viz.plan` says
of it stands beside it. Writes benchmarks/results/memory.json and a table in docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from published import keep, kept, publish

REACH = 256
SAMPLED_EVERY = 0.01
TASKS: dict[str, dict[str, Any]] = {"without anchors": {"anchors": 0}, 'with anchors="auto" (8,192)': {}}


def anonymous_mib() -> float:
    """Return the anonymous resident memory of this process."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")) / 1024


def write_dump(path: Path, n: int, dim: int) -> None:
    """Write rows in parts, so that the file never was memory of this process as a whole."""
    generator = np.random.default_rng(0)
    found = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(n, dim))
    for start in range(0, n, 10_000):
        found[start : start + 10_000] = generator.normal(size=found[start : start + 10_000].shape)
    found.flush()


def measure_here(path: Path, arguments: dict[str, Any], part: float) -> dict[str, float]:
    """Make a pass over a mapped dump, or its first part, and return its peak beyond what the process held before.

    Beside it, what a plan says of the whole pass.
    """
    import cl_viz
    from cl_viz.core.errors import Cancelled
    from cl_viz.engine import compiled
    from cl_viz.testing import sphere

    if not compiled.wait():
        raise SystemExit(f"the compiled kernels cannot be had: {compiled.failure()}")
    cl_viz.scan(cl_viz.EmbeddingSet.from_arrays(sphere(2_000, 128).astype(np.float32)), anchors=100, cache=False)
    mapped = np.load(path, mmap_mode="r")
    embedding_set = cl_viz.EmbeddingSet.from_arrays(mapped, label=np.arange(len(mapped)) % 10)
    _ = embedding_set.quality, embedding_set.fingerprint
    before, peak, done = anonymous_mib(), [0.0], threading.Event()

    def sample() -> None:
        while not done.wait(SAMPLED_EVERY):
            peak[0] = max(peak[0], anonymous_mib())

    def stop(share: float, message: str) -> None:
        if share >= part:
            raise Cancelled("far enough")

    sampler = threading.Thread(target=sample)
    sampler.start()
    began = time.perf_counter()
    reached = 1.0
    try:
        cl_viz.scan(embedding_set, "cpu", cache=False, progress=stop if part < 1 else lambda *_: None, **arguments)
    except Cancelled:
        reached = part
    finally:
        done.set()
        sampler.join()
    seconds = time.perf_counter() - began
    said = cl_viz.plan(embedding_set, "cpu", **arguments).memory / 2**20
    return {"before": before, "extra": peak[0] - before, "said": said, "seconds": seconds, "part": reached}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--part", type=float, default=1.0, help="stop a pass at this share of it")
    parser.add_argument("--only", type=int, help="number of the one task to measure; the others stay as they were")
    parser.add_argument("--no-page", action="store_true", help="print the table and write nothing")
    parser.add_argument("--here", nargs=2, metavar=("PATH", "TASK"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(measure_here(Path(arguments.here[0]), TASKS[arguments.here[1]], arguments.part)))
        return
    before = kept("memory") if arguments.only is not None else {}
    same = (before.get("n"), before.get("dim")) == (arguments.n, arguments.dim)
    found: dict[str, Any] = dict(before["tasks"]) if same else {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npy"
        write_dump(path, arguments.n, arguments.dim)
        for name in TASKS if arguments.only is None else [list(TASKS)[arguments.only]]:
            command = [sys.executable, __file__, "--part", str(arguments.part), "--here", str(path), name]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found[name] = json.loads(done.stdout.splitlines()[-1])
    found = {name: found[name] for name in TASKS if name in found}
    lines = [
        "| what | beyond the mapped dump, MiB | to reach | said by `plan`, MiB | measured over |",
        "|---|---|---|---|---|",
    ]
    for name, mine in found.items():
        over = "the whole pass" if mine["part"] == 1 else f"its first {100 * mine['part']:.0f} %"
        lines.append(f"| {name} | {mine['extra']:.0f} | <= {REACH} | {mine['said']:.0f} | {over} |")
    said = (
        f"N = {arguments.n:,}, D = {arguments.dim}, float32, ten labels, no neighbours; the dump is "
        f"{arguments.n * arguments.dim * 4 / 2**20:.0f} MiB. Peak of anonymous memory of a fresh process."
    )
    print("\n".join(lines), said, sep="\n\n")
    if not arguments.no_page:
        keep("memory", {"n": arguments.n, "dim": arguments.dim, "tasks": found})
        publish("performance.md", "bench_memory.py", "\n".join(lines), said)


if __name__ == "__main__":
    main()
