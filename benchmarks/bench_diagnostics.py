"""Times the checkup against the engine's own pass with 200 neighbours, and each diagnostic, in one process.

Processor time of all threads, which other programs on the machine move less than they move the clock. Run with
``make bench``. Writes benchmarks/results/diagnostics.json and the table in docs/performance.md.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np
import torch
from published import keep, publish

import cl_viz
from cl_viz.diagnostics import DIAGNOSTICS, diagnose, passes_of
from cl_viz.engine import compiled
from cl_viz.engine.scanner import Scanner

MOST = 2.0
"""What the checkup may take, as a multiple of the pass."""


def labelled_set(n: int, dim: int) -> cl_viz.EmbeddingSet:
    """Return one view of ten loose classes, read and fingerprinted."""
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(10, dim))
    rows = centres[np.arange(n) % 10] + 2 * generator.normal(size=(n, dim))
    made = cl_viz.EmbeddingSet.from_arrays(rows.astype(np.float32), label=np.arange(n) % 10)
    _ = made.quality, made.fingerprint
    return made


def measure(embedding_set: cl_viz.EmbeddingSet) -> tuple[float, dict[str, float]]:
    """Return the processor seconds of the pass, and of each quick diagnostic with what it asks for first."""
    began = time.process_time()
    cl_viz.scan(embedding_set, neighbors=200, cache=False)
    passed = time.process_time() - began
    scanner, seconds = Scanner(cache=False), {}
    quick = [spec for spec in DIAGNOSTICS.values() if spec.quick]
    # As `cl_viz.check` does.
    scanner.expect(embedding_set, passes_of(quick))
    for spec in quick:
        began = time.process_time()
        diagnose(spec.name, embedding_set, scanner=scanner)
        seconds[spec.name] = time.process_time() - began
    return passed, seconds


def _load(load: object) -> str:
    return f"Load {load:.1f} before." if isinstance(load, float) else "Other programs used the machine meanwhile."


def write_page(found: dict[str, object]) -> str:
    """Write the table into docs/performance.md and return it."""
    seconds: dict[str, float] = found["seconds"]  # type: ignore[assignment]
    ordered = sorted(seconds.items(), key=lambda item: -item[1])
    lines = ["| what | processor seconds | / the pass |", "|---|---|---|"]
    passed: float = found["pass_seconds"]  # type: ignore[assignment]
    rows = [("the pass with 200 neighbours", passed), ("all quick diagnostics, passes included", sum(seconds.values()))]
    for name, value in [*rows, *ordered[:12]]:
        lines.append(f"| {name} | {value:.2f} | {value / passed:.2f} |")
    text = "\n".join(lines)
    said = (
        f"One view, N = {found['n']:,}, D = {found['dim']}, {found['threads']} threads; at most {MOST:g} times the "
        f"pass is asked for. The first diagnostic that needs a pass pays for it, here adaptive temperature: pairs, "
        f"anchors and neighbours are found in one. {_load(found['load'])}"
    )
    publish("performance.md", "bench_diagnostics.py", text, said)
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=50_000)
    parser.add_argument("--dim", type=int, default=512)
    arguments = parser.parse_args()
    compiled.wait()
    load = os.getloadavg()[0]
    # The nulls of small sets and the first call of a library are not what is measured.
    measure(labelled_set(500, 16))
    passed, seconds = measure(labelled_set(arguments.n, arguments.dim))
    found: dict[str, object] = {
        "n": arguments.n,
        "dim": arguments.dim,
        "threads": torch.get_num_threads(),
        "pass_seconds": passed,
        "seconds": seconds,
        "ratio_to_pass": sum(seconds.values()) / passed,
        "load": load,
    }
    keep("diagnostics", found)
    print(write_page(found))


if __name__ == "__main__":
    main()
