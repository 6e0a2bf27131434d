"""Times losses forwards and backwards against the same losses in other packages, in one process, as ratios of medians.

Run with ``make bench``. Every loss is timed once in each of several rounds, so that a busy machine slows all alike;
what is counted is processor time of one thread, so that other programs do not count. Peak memory of a large batch is
taken in a process of its own for each loss. Writes benchmarks/results/losses.json, and the table in
docs/performance.md where its marks are.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from loss_peers import PACKAGES, Case, Loss, cases, version_of
from published import keep, publish
from torch import Tensor

REACH = 1.1
LARGE = ("infonce", "ntxent", "dcl", "supcon")
"""Losses whose peak memory is taken."""


def batch(n: int, dim: int) -> tuple[Tensor, Tensor]:
    """Return raw rows of two views that agree with a mean cosine near 0.7."""
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(n, dim, generator=generator)
    return first, first + torch.randn(n, dim, generator=generator)


def once(loss: Loss, views: tuple[Tensor, Tensor]) -> tuple[float, float]:
    """Return the seconds of processor time of one forward and backward pass, and the value."""
    leaves = [view.clone().requires_grad_() for view in views]
    before = time.process_time()
    value = loss(*leaves)
    value.backward()  # type: ignore[no-untyped-call]
    return time.process_time() - before, float(value.detach())


def measure(case: Case, views: tuple[Tensor, Tensor], rounds: int) -> dict[str, Any]:
    """Return median seconds of ours and of each peer, and the ratio to the faster."""
    runs: dict[str, Loss] = {"ours": case.ours, **case.peers}
    values = {name: once(loss, views)[1] for name, loss in runs.items()}
    for name, value in values.items():
        if abs(value - values["ours"]) > 1e-3 * (1 + abs(values["ours"])):
            raise SystemExit(f"{case.label}: {name} gives {value}, not {values['ours']}: not the same loss")
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    # Quick losses are timed more often: a millisecond is uncertain.
    started = time.process_time()
    while len(seconds["ours"]) < rounds or (len(seconds["ours"]) < 51 and time.process_time() - started < 1):
        for name, loss in runs.items():
            seconds[name].append(once(loss, views)[0])
    middle = {name: statistics.median(times) for name, times in seconds.items()}
    peers = {name: value for name, value in middle.items() if name != "ours"}
    faster = min(peers, key=lambda name: peers[name]) if peers else None
    return {
        "label": case.label, "seconds": middle, "faster_peer": faster,
        "ratio": middle["ours"] / peers[faster] if faster else None,
    }  # fmt: skip


def peak(name: str, which: str, n: int, dim: int) -> None:
    """Print the bytes one pass takes beyond what the process held before it."""
    small = cases(4 * dim, dim)[name]
    once(small.ours if which == "ours" else small.peers[which], batch(4 * dim, dim))
    case = cases(n, dim)[name]
    loss, views = case.ours if which == "ours" else case.peers[which], batch(n, dim)
    # A child begins with its parent's highest mark: it is put back to what is held now.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    held = memory("VmRSS")
    seconds, value = once(loss, views)
    highest = memory("VmHWM")
    print(json.dumps({"bytes": max(highest - held, 0), "seconds": seconds, "value": value}))


def memory(mark: str) -> int:
    """Return a mark of this process's memory in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{mark}:"))


def peaks(n: int, dim: int, peers: dict[str, list[str]]) -> dict[str, Any]:
    """Return peak bytes of ours at n and n / 2, and of each peer at n; None where a peer ran out of memory."""

    def of(name: str, which: str, size: int) -> dict[str, Any] | None:
        command = [sys.executable, __file__, "--peak", name, which, "--n", str(size), "--dim", str(dim)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
            return found
        if done.returncode > 0 and "memory" not in done.stderr:
            raise SystemExit(done.stderr)
        return None

    return {
        name: {
            "ours": of(name, "ours", n),
            "ours_half": of(name, "ours", n // 2),
            **{peer: of(name, peer, n) for peer in peers[name]},
        }
        for name in LARGE
    }


def time_table(found: dict[str, Any]) -> str:
    lines = [f"| loss | ours, ms | faster peer, ms | ratio (to reach: {REACH}) |", "|---|---|---|---|"]
    for entry in found["losses"].values():
        ours, faster = entry["seconds"]["ours"] * 1e3, entry["faster_peer"]
        if faster is None:
            lines.append(f"| {entry['label']} | {ours:.1f} | none | |")
        else:
            peer = f"{entry['seconds'][faster] * 1e3:.1f} ({PACKAGES[faster]})"
            lines.append(f"| {entry['label']} | {ours:.1f} | {peer} | {entry['ratio']:.2f} |")
    return "\n".join(lines)


def memory_table(found: dict[str, Any]) -> str:
    def size(entry: dict[str, Any] | None) -> str:
        return "out of memory" if entry is None else f"{entry['bytes'] / 2**20:,.0f}"

    n = found["large_n"]
    lines = [f"| loss | ours, MiB | ours at N = {n // 2:,}, MiB | peer, MiB |", "|---|---|---|---|"]
    for name, entry in found["peaks"].items():
        peers = [f"{size(entry[peer])} ({PACKAGES[peer]})" for peer in entry if peer in PACKAGES]
        label = found["losses"][name]["label"]
        lines.append(f"| {label} | {size(entry['ours'])} | {size(entry['ours_half'])} | {', '.join(peers)} |")
    return "\n".join(lines)


def text(found: dict[str, Any]) -> str:
    packages = ", ".join(f"{PACKAGES[name]} {version}" for name, version in found["packages"].items() if version)
    return (
        f"{time_table(found)}\n\nN = {found['n']:,} samples, two views (labelled losses: one), D = {found['dim']}, "
        f"float32, forward and backward, normalisation included; medians of at least {found['rounds']} rounds, "
        f"processor time of one thread; torch {found['torch']}, {packages}. Each pair was first "
        f"checked to give the same value.\n\n"
        f"{memory_table(found)}\n\nN = {found['large_n']:,}, peak memory of one pass beyond what the process held "
        f"before. All scores of one pair of views once, in single precision: {found['large_n'] ** 2 * 4 / 2**20:,.0f} "
        f"MiB; of both views together four times that."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1024)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--large", type=int, default=8192)
    parser.add_argument("--peak", nargs=2, metavar=("LOSS", "WHICH"), help="only print the peak memory of one pass")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    # Peers warn of their own ways.
    warnings.simplefilter("ignore")
    if arguments.peak:
        peak(*arguments.peak, arguments.n, arguments.dim)
        return
    views, chosen = batch(arguments.n, arguments.dim), cases(arguments.n, arguments.dim)
    timed = {}
    for name, case in chosen.items():
        timed[name] = measure(case, views, arguments.rounds)
        print(f"{name}: {timed[name]['ratio']}", flush=True)
    found: dict[str, Any] = {
        "n": arguments.n,
        "dim": arguments.dim,
        "rounds": arguments.rounds,
        "machine": platform.machine(),
        "torch": torch.__version__,
        "packages": {name: version_of(name) for name in PACKAGES},
        "losses": timed,
        "large_n": arguments.large,
        "peaks": peaks(arguments.large, arguments.dim, {name: list(chosen[name].peers) for name in LARGE}),
        "load": os.getloadavg()[0],
    }
    keep("losses", found)
    publish("performance.md", "bench_losses.py", text(found))
    print(text(found))


if __name__ == "__main__":
    main()
