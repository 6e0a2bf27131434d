"""Measures what `cl_viz.Recorder` adds to a training: loops with and without it take turns in one process.

Run with ``make bench``. Writes benchmarks/results/recorder.json and a table in docs/recording.md.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from published import keep, publish
from torch import nn

import cl_viz

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


class Times(NamedTuple):
    """Seconds of a training: processor time of all steps and, of these, in the recorder; and wall time."""

    processor: float
    recorder: float
    wall: float


def train(steps: int, recorder: cl_viz.Recorder | None) -> Times:
    """Train for `steps` optimiser steps."""
    torch.manual_seed(0)
    encoder = Encoder()
    optimiser = torch.optim.SGD(encoder.parameters(), lr=0.01)
    images = torch.randn(BATCH, 3, 32, 32)
    labels = torch.arange(BATCH)
    inside = 0.0
    began, used = time.perf_counter(), time.process_time()
    for step in range(1, steps + 1):
        rows = [nn.functional.normalize(encoder(images + 0.1)["projector"], dim=1) for _ in range(2)]
        loss = nn.functional.cross_entropy(rows[0] @ rows[1].T / 0.2, labels)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        if recorder is not None:
            before = time.process_time()
            recorder.step(encoder, step)
            inside += time.process_time() - before
    return Times(time.process_time() - used, inside, time.perf_counter() - began)


def measure(steps: int, every: int, rounds: int) -> dict[str, float]:
    """Time trainings in turn; the shares are medians over rounds."""
    probe = torch.randn(2, PROBE, 3, 32, 32)
    plain, recorded, said, snapshots = [], [], [], 0
    train(3, None)
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            plain.append(train(steps, None))
            recorder = cl_viz.Recorder(folder, (probe[0], probe[1]), every=every, label=torch.arange(PROBE) % 10)
            recorded.append(train(steps, recorder))
            recorder.close()
            said.append(recorder.overhead)
            snapshots = len(recorder.steps)
    pairs = list(zip(plain, recorded, strict=True))
    inside = _median([one.recorder / (one.processor - one.recorder) for one in recorded])
    return {
        "steps": steps,
        "every": every,
        "rounds": rounds,
        "snapshots": snapshots,
        "step_ms": 1000 * _median([one.processor for one in plain]) / steps,
        "snapshot_ms": 1000 * _median([one.recorder for one in recorded]) / snapshots,
        "added": inside,
        "added_from_outside": _median([two.processor / one.processor - 1 for one, two in pairs]),
        "added_wall_from_outside": _median([two.wall / one.wall - 1 for one, two in pairs]),
        "own_measure": _median(said),
        "every_for_two_percent": int(np.ceil(every * inside / MOST)),
        "threads": torch.get_num_threads(),
    }


def _median(values: Sequence[float]) -> float:
    return float(np.median(values))


def write_page(found: Mapping[str, float]) -> str:
    """Write what was measured into docs/recording.md and return it."""
    shares = {name: f"{100 * found[name]:.2f} %" for name in found if name.startswith("added") or name == "own_measure"}
    text = (
        "| what | measured | to reach |\n|---|---|---|\n"
        f"| a training step | {found['step_ms']:.0f} ms | |\n"
        f"| a snapshot | {found['snapshot_ms']:.0f} ms | |\n"
        f"| added by a snapshot every {found['every']} steps | {shares['added']} | below {100 * MOST:.0f} % |\n"
        f"| the same by `recorder.overhead`, in wall time | {shares['own_measure']} | |\n"
        f"| the same as a whole training against one without | {shares['added_from_outside']} | |\n"
        f"| the same in wall time | {shares['added_wall_from_outside']} | |\n"
        f"| steps between snapshots for {100 * MOST:.0f} % | {found['every_for_two_percent']} | |"
    )
    said = (
        f"Probe of {PROBE} images in two views, two layers ({DIM} and 128 dimensions), batches of {BATCH} images of "
        f"32 x 32, a network of three convolutions, {found['threads']} threads; processor time unless wall time is "
        f"named, medians of {found['rounds']} rounds of {found['steps']} steps, trainings with and without in turn. "
        f"The last rows hold the noise of the machine too: load {found['load']:.1f} before."
    )
    publish("recording.md", "bench_recorder.py", text, said)
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--every", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    found = measure(arguments.steps, arguments.every, arguments.rounds) | {"load": load}
    keep("recorder", found)
    print(write_page(found))


if __name__ == "__main__":
    main()
