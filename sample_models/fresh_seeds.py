"""Whether what is found holds for other seeds: ``python -m sample_models.fresh_seeds`` (some minutes).

Trains the runs that show one phenomenon anew, with seeds that no bundled run has, in a folder that is thrown away;
checks them, and writes docs/fresh_seeds.md.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import cl_viz
from cl_viz.core.result import Level
from sample_models.findings import EXPECTED, missed
from sample_models.recipes import BY_NAME
from sample_models.train import make_run, provide_data

PAGE = Path(__file__).resolve().parents[1] / "docs" / "fresh_seeds.md"
HEALTHY = "mnist-healthy"
SEEDS = (11,)
# A rare digit shows beside its balanced twin alone: those are three seeds already.
NAMES = (HEALTHY, *(name for name in EXPECTED if BY_NAME[name].rare_digit is None))
Found = dict[tuple[str, int], dict[str, Level]]
"""Run and seed -> diagnostic -> level."""


def retrain(name: str, seed: int, out: Path, fast: bool = False) -> dict[str, Level]:
    """Train a bundled run's recipe with another seed, and return the level of every quick diagnostic."""
    recipe = BY_NAME[name]
    changed = replace(recipe, name=f"{name}-seed-{seed}", config=replace(recipe.config, seed=seed))
    run = cl_viz.open_run(make_run(changed, out, fast=fast))
    return {result.diagnostic: result.level for result in cl_viz.check(run)}


def retrain_all(seeds: Sequence[int], jobs: int) -> Found:
    """Train and check every run that shows one phenomenon, with each of the seeds."""
    keys = [(name, seed) for name in NAMES for seed in seeds]
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        out = Path(folder)
        provide_data(out)
        waiting = {key: pool.submit(retrain, *key, out) for key in keys}
        return {key: found.result() for key, found in waiting.items()}


def page(found: Mapping[tuple[str, int], Mapping[str, Level]]) -> str:
    """Return the page: a line a run and seed, with what must be found and what was."""
    seeds = sorted({seed for _, seed in found})
    lines = [
        "<!-- Made by `python -m sample_models.fresh_seeds`. -->",
        "",
        "# What is found with other seeds",
        "",
        "Thresholds may not be fitted to the runs that they are shown on. So the recipes of the bundled runs that show",
        f"one phenomenon were trained again with seeds that no bundled run has ({', '.join(map(str, seeds))}), and",
        "checked once. What must be found is what [the bundled runs](findings.md) are held to; in the healthy run",
        "nothing may be bad.",
        "",
        "| Run | Seed | Must be found | Missed | All that is bad |",
        "|---|---|---|---|---|",
    ]
    for (name, seed), levels in found.items():
        must = ", ".join(f"{diagnostic} ({level})" for diagnostic, level in EXPECTED.get(name, {}).items())
        bad = [diagnostic for diagnostic, level in levels.items() if level == "bad"]
        cells = (name, str(seed), must or "nothing", ", ".join(missed(name, levels)), ", ".join(bad))
        lines.append(f"| {' | '.join(cell or 'none' for cell in cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m sample_models.fresh_seeds", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS, help="seeds to train with (default: 11)")
    parser.add_argument("--jobs", type=int, default=2, help="runs trained at a time, one thread each (default: 2)")
    options = parser.parse_args()
    PAGE.write_text(page(retrain_all(options.seeds, options.jobs)), encoding="utf-8")


if __name__ == "__main__":
    main()
