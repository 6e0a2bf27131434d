"""Measures what `cl_viz.Recorder` adds to a training: loops with and without it take turns in one process.

Run with ``make bench``. Writes benchmarks/results/recorder.json and a table in docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn

import cl_viz

CHECKOUT = Path(__file__).resolve().parents[1]
MARK = "<!-- measured by benchmarks/bench_recorder.py -->"
MOST = 0.02
"""Share of the training time that snapshots may take."""
WIDTH, BATCH, PROBE, DIM = 512, 256, 512, 128


class Encoder(nn.Module):
    """A small convolutional network of CIFAR's size with a projector: a step of it is short, a snapshot is not."""

    def __init__(self) -> None:
        super().__init__()
        channels = [3, 32, 64, 128]
        blocks = [
            layer
            for before, after in pairwise(channels)
            for layer in (nn.Conv2d(before, after, 3, 2, 1), nn.BatchNorm2d(after), nn.ReLU())
        ]
        self.backbone = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.projector = nn.Sequential(nn.Linear(128, WIDTH), nn.ReLU(), nn.Linear(WIDTH, DIM))

    def forward(self, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        features = self.backbone(batch)
        return {"projector": self.projector(features), "backbone": features}


def train(steps: int, recorder: cl_viz.Recorder | None) -> float:
    """Return the seconds that `steps` optimiser steps take."""
    torch.manual_seed(0)
    encoder = Encoder()
    optimiser = torch.optim.SGD(encoder.parameters(), lr=0.01)
    images = torch.randn(BATCH, 3, 32, 32)
    labels = torch.arange(BATCH)
    began = time.perf_counter()
    for step in range(1, steps + 1):
        rows = [nn.functional.normalize(encoder(images + 0.1)["projector"], dim=1) for _ in range(2)]
        loss = nn.functional.cross_entropy(rows[0] @ rows[1].T / 0.2, labels)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        if recorder is not None:
            recorder.step(encoder, step)
    return time.perf_counter() - began


def measure(steps: int, every: int, rounds: int) -> dict[str, object]:
    """Time loops in turn; the shares are medians over rounds."""
    probe = torch.randn(2, PROBE, 3, 32, 32)
    added, said, snapshots = [], [], 0
    train(3, None)
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            plain = train(steps, None)
            recorder = cl_viz.Recorder(folder, (probe[0], probe[1]), every=every, label=torch.arange(PROBE) % 10)
            recorded = train(steps, recorder)
            recorder.close()
            added.append((recorded - plain) / plain)
            said.append(recorder.overhead)
            snapshots = len(recorder.steps)
    return {
        "steps": steps,
        "every": every,
        "rounds": rounds,
        "snapshots": snapshots,
        "step_ms": 1000 * plain / steps,
        "added": float(np.median(added)),
        "own_measure": float(np.median(said)),
        "every_for_two_percent": int(np.ceil(every * float(np.median(said)) / MOST)),
        "threads": torch.get_num_threads(),
    }


def write_page(found: dict[str, object]) -> str:
    """Write what was measured into docs/performance.md and return it."""
    text = (
        "| what | value |\n|---|---|\n"
        f"| a training step | {found['step_ms']:.0f} ms |\n"
        f"| added by a snapshot every {found['every']} steps, measured from outside | {100 * found['added']:.1f} % |\n"  # type: ignore[operator]
        f"| the same by `recorder.overhead` | {100 * found['own_measure']:.1f} % |\n"  # type: ignore[operator]
        f"| steps between snapshots for {MOST:.0%} | {found['every_for_two_percent']} |"
    )
    said = (
        f"Probe of {PROBE} images in two views, two layers ({DIM} and 128 dimensions), batches of {BATCH}, "
        f"{found['threads']} threads; medians of {found['rounds']} rounds of {found['steps']} steps. From outside the "
        "noise of the machine is part of the number. Load {load:.1f} before.".format(load=found["load"])
    )
    page = CHECKOUT / "docs" / "performance.md"
    before, mark, rest = page.read_text(encoding="utf-8").partition(MARK)
    after = rest.partition(MARK)[2] if mark else "\n"
    start = before if mark else f"{before.rstrip()}\n\n## What recording a training costs\n\n"
    page.write_text(f"{start}{MARK}\n\n{text}\n\n{said}\n\n{MARK}{after}", encoding="utf-8")
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--every", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    found = measure(arguments.steps, arguments.every, arguments.rounds) | {"load": load}
    target = CHECKOUT / "benchmarks" / "results" / "recorder.json"
    target.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(write_page(found))


if __name__ == "__main__":
    main()
