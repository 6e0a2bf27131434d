"""How often equal runs are told apart, and how right standard errors of differences are, number by number.

One encoder sees the same samples twice, each time with noise of its own: whatever differs is noise. The spread of each
difference over fresh samples is the truth; influences and resamples have to find it from one set of samples. Writes a
table into docs/comparing.md.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict

import numpy as np
from published import publish

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.run import Run
from cl_viz.diagnostics import DIAGNOSTICS, Pairing, compare_runs, compared_diagnostics, resample

SAMPLES, DIM, CLASSES = 400, 16, 5
FEWEST = 30
"""Pairs of equal runs in which a number must be judged for its rate to be shown."""
LEFT_OUT = ("adaptive_temperature", "modality_gap", "suggested_temperature")
"""Diagnostics that take too long for hundreds of sets, or whose numbers stand on a grid."""
CENTRES = np.random.default_rng(99).normal(size=(CLASSES, DIM)) * 0.55
SCALE = np.linspace(1.3, 0.5, DIM)


def draw(generator: np.random.Generator) -> list[Run]:
    """Draw samples, and embed them twice."""
    label = generator.integers(CLASSES, size=SAMPLES)
    content = (CENTRES[label] + 0.6 * generator.normal(size=(SAMPLES, DIM))) * SCALE + 0.15
    runs = []
    for name in ("first", "second"):
        views = {
            view: (content + 0.35 * generator.normal(size=content.shape)).astype(np.float32)
            for view in ("view_1", "view_2")
        }
        found = EmbeddingSet.from_arrays(views, name=name, label=label)
        runs.append(Run.from_set(found, card={"temperature": 0.2, "batch_size": 64}))
    return runs


def measure(rounds: int, resampled: int, draws: int) -> tuple[dict[str, dict[str, list[float]]], int]:
    """Return, by number: differences and, of influences and resamples, standard errors; and whether each was marked."""
    asked = [name for name in compared_diagnostics() if name not in LEFT_OUT]
    generator = np.random.default_rng(1)
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    holding = 0
    for place in range(rounds):
        runs = draw(generator)
        table = compare_runs(runs, diagnostics=asked)
        holding += table.holding > 0
        for row in table.rows:
            for entry in row.differences.values():
                found[row.key]["moved"].append(entry.value)
                if entry.interval is not None:
                    found[row.key]["influences"].append((entry.interval.high - entry.interval.low) / 2 / 1.96)
                    found[row.key]["marked"].append(entry.beyond_noise)
        if place < resampled:
            drawn = resample(runs, {"second": Pairing(True, "")}, "first", asked, draws=draws, seed=place)
            for run, key in drawn.values:
                if run == "first":
                    found[key]["resamples"].append(drawn.standard_error("first", "second", key)[0])
    return found, holding


def rows_of(found: dict[str, dict[str, list[float]]]) -> list[str]:
    """Return a line of the table for each diagnostic."""
    lines = []
    for name in sorted({key.partition(".")[0] for key in found}, key=lambda name: DIAGNOSTICS[name].title):
        own = {key: entry for key, entry in found.items() if key.startswith(f"{name}.")}
        rates = [100 * np.mean(entry["marked"]) for entry in own.values() if len(entry["marked"]) >= FEWEST]
        ratios = {
            way: [
                math.sqrt(float(np.nanmean(np.square(entry[way])))) / float(np.std(entry["moved"], ddof=1))
                for entry in own.values()
                if np.std(entry["moved"]) > 0 and np.isfinite(entry[way]).sum() >= fewest
            ]
            for way, fewest in (("influences", FEWEST), ("resamples", 1))
        }
        marked = f"{len(rates)}: {np.mean(rates):.1f}, at most {max(rates):.1f}" if rates else "none"
        cells = [f"{min(values):.2f} to {max(values):.2f}" if values else "" for values in ratios.values()]
        lines.append(f"| {DIAGNOSTICS[name].title} | {marked} | {cells[0]} | {cells[1]} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--resampled", type=int, default=3)
    parser.add_argument("--draws", type=int, default=30)
    arguments = parser.parse_args()
    found, holding = measure(arguments.rounds, arguments.resampled, arguments.draws)
    head = (
        "| diagnostic | numbers judged at once, and % of equal runs marked | error by influences / true "
        "| error by resamples / true |\n|---|---|---|---|"
    )
    said = (
        f"{arguments.rounds} pairs of equal runs, N = {SAMPLES}, D = {DIM}, two views, {CLASSES} classes; resamples of "
        f"{arguments.resampled} of them, {arguments.draws} draws each; numbers that have an interval in fewer than "
        f"{FEWEST} pairs are left out. A rate of 5 % is known to "
        f"{100 * math.sqrt(0.05 * 0.95 / arguments.rounds):.1f} points, the true error to "
        f"{100 / math.sqrt(2 * arguments.rounds):.0f} %, that by resamples to "
        f"{100 / math.sqrt(2 * arguments.resampled * arguments.draws):.0f} %. In {holding} of {arguments.rounds} pairs "
        "any difference held at the false discovery rate of 5 %."
    )
    text = "\n".join([head, *rows_of(found)])
    publish("comparing.md", "differences.py", text, said)
    print(text, said, sep="\n\n")


if __name__ == "__main__":
    main()
