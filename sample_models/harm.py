"""Representation harm of the family whose one digit is rare, with an interval, written into the cards.

Run after training the family: ``python -m sample_models.harm``.

For the digit k that is rare in the runs m = k and not in their twins m = 0 (Maity and others 2023):
RH_kl = (1 - mean over seeds of C^(k)_kl) / (1 - mean over seeds of C^(0)_kl), where C_kl is the mean cosine between
evaluation digits k and l on the backbone, self-pairs left out where k = l. Below 1, k moved towards l.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.run import Run
from cl_viz.diagnostics._groups.harm_bootstrap import UnitRows, estimate_harm
from cl_viz.encoders import open_run
from sample_models.recipes import RARE_DIGIT, RECIPES

BOOTSTRAPS = 2000
LAYER = "backbone"


def representation_harm(
    rare: Sequence[Run], balanced: Sequence[Run], digit: int, *, bootstraps: int = BOOTSTRAPS
) -> dict[str, Any]:
    """Return RH of `digit` against every digit with 95 % intervals.

    The bootstrap draws seeds and evaluation images together, the same for a run and its twin; with few seeds the
    interval speaks of these seeds more than of all.

    Parameters
    ----------
    rare, balanced : sequence of Run, of one length
        Twins at the same place.
    digit : int
    bootstraps : int
        Draws.

    Returns
    -------
    dict
        ``digit``, ``layer``, and by the other digit ``value``, ``low``, ``high``, ``includes_none``.
    """
    labels = np.asarray(rare[0].get(layer=LAYER).columns()["digit"])
    pairs = [(_unit_rows(run), _unit_rows(twin)) for run, twin in zip(rare, balanced, strict=True)]
    found = estimate_harm(pairs, labels, digit, bootstraps=bootstraps)
    value, intervals = found.values, [found.interval(other) for other in range(10)]
    low, high = [interval.low for interval in intervals], [interval.high for interval in intervals]
    towards = {
        str(other): {
            "value": round(float(value[other]), 4),
            "low": round(float(low[other]), 4),
            "high": round(float(high[other]), 4),
            "includes_none": bool(low[other] <= 1 <= high[other]),
        }
        for other in range(10)
    }
    return {"digit": str(digit), "layer": LAYER, "seeds": len(pairs), "level": 0.95, "towards": towards}


def main() -> None:
    """Compute the harm and write it into the cards of the runs with the rare digit."""
    runs = Path(__file__).parent / "runs"
    recipes = [recipe for recipe in RECIPES if recipe.rare_digit == RARE_DIGIT]
    rare = [open_run(runs / recipe.name) for recipe in recipes]
    balanced = [open_run(runs / str(recipe.balanced_twin)) for recipe in recipes]
    found = representation_harm(rare, balanced, RARE_DIGIT)
    moved = [name for name, entry in found["towards"].items() if entry["high"] < 1 and name != str(RARE_DIGIT)]
    unclear = [name for name, entry in found["towards"].items() if entry["includes_none"]]
    summary = (
        f"The digit {RARE_DIGIT} moved towards {', '.join(moved) or 'no other digit'}; "
        f"the interval includes no change for {', '.join(unclear) or 'none'}."
    )
    for recipe in recipes:
        path = runs / recipe.name / "card.json"
        card = json.loads(path.read_text(encoding="utf-8"))
        card["representation_harm"] = {**found, "summary": summary}
        path.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    print(summary)


def _unit_rows(run: Run) -> UnitRows:
    rows = np.asarray(next(iter(run.get(layer=LAYER).views.values())), dtype=np.float64)
    unit: NDArray[np.float64] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return lambda places: unit[places]


if __name__ == "__main__":
    main()
