"""Which classes lie close to each other?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cl_viz.core.params import Params, param
from cl_viz.core.result import Interval, Quantity, Result
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.diagnostics._groups.class_cosine_measures import (
    MOST_CLASSES,
    ClassCosines,
    Floats,
    chance_of_separation,
    cosines_of,
    extreme_pair,
    influences,
    interval_of_mean,
    interval_of_pair,
    nearly_equal,
)
from cl_viz.diagnostics._groups.class_cosine_reading import SHOWN_CLASSES, finding, views
from cl_viz.diagnostics._left_out import NO_LABEL, left_out
from cl_viz.diagnostics._thresholds import harm
from cl_viz.diagnostics._thresholds.harm import GRETTON, MAITY
from cl_viz.engine.inputs import SetInputs


@dataclass(frozen=True)
class ClassCosinesParams(Params):
    """What the diagonal counts."""

    self_pairs: bool = param(
        False,
        "Count a sample's cosine with itself in its own class, as the authors of representation harm do.",
    )
    seed: int = param(
        0, "Seed of the permutations that say what chance makes of two equal classes.", low=0, high=2**31 - 1
    )


def compute(inputs: SetInputs, params: ClassCosinesParams) -> Result:
    """Compute the mean cosines between the classes of one set."""
    found = cosines_of(inputs)
    matrix = found.included if params.self_pairs else found.corrected
    closest, weakest = extreme_pair(found.corrected, largest=True), extreme_pair(found.separation, largest=False)
    chance = None if weakest is None else chance_of_separation(inputs, found, weakest, params.seed)
    apart = chance is not None and harm.SEPARATE_MEANS.level(chance) == "good"
    close = weakest is not None and chance is not None and not apart and nearly_equal(inputs, found, weakest)
    quantities = _quantities(inputs, found, matrix, closest, weakest, params)
    if closest is not None:
        quantities["closest"] = replace(
            quantities["closest"], interval=interval_of_pair(inputs, found, closest, separation=False)
        )
    # Means that may be the same have a separation near 0, whose spread no influence shows.
    if weakest is not None and apart:
        quantities["least_separation"] = replace(
            quantities["least_separation"], interval=interval_of_pair(inputs, found, weakest, separation=True)
        )
    view = inputs.embedding_set.view_names[0]
    n_used, n_usable = int(found.counts.sum()), int(inputs.embedding_set.usable_rows[view].sum())
    n_labelled = int(inputs.moments.classes[view].counts.sum())
    notes = (
        f"self-pairs {'included in' if params.self_pairs else 'left out of'} the cosine of a class with itself",
        f"view: {view}",
        "describes this run only: representation harm compares with a balanced twin",
        *([f"the {MOST_CLASSES:,} largest classes are compared"] if n_used < n_labelled else []),
        *left_out(NO_LABEL, n_usable - n_labelled),
    )
    return Result(
        SPEC.name,
        inputs.run,
        quantities,
        views(found, matrix, closest, inputs.run),
        (finding(found, closest, weakest, chance, n_used, close=close),),
        inputs.plain_caveats(n_used, inputs.embedding_set.n - n_usable, seed=params.seed, notes=notes),
        params.as_dict(),
    )


def _quantities(
    inputs: SetInputs, found: ClassCosines, matrix: Floats, closest: tuple[int, int] | None,
    weakest: tuple[int, int] | None, params: ClassCosinesParams,
) -> dict[str, Quantity]:  # fmt: skip
    n, several = int(found.counts.sum()), bool((found.counts >= 2).all())
    own = np.diag(matrix)
    between = found.corrected[~np.eye(len(own), dtype=bool)]
    within, outer = influences(inputs, found) if several else ([], [])
    values: dict[str, float | None] = {
        "within": float(own.mean()) if np.isfinite(own).all() else None,
        "between": float(between.mean()),
        "closest": None if closest is None else float(found.corrected[closest]),
        "least_separation": None if weakest is None else float(found.separation[weakest]),
    }
    intervals: dict[str, Interval | None] = {}
    if several:
        intervals["between"] = interval_of_mean(float(between.mean()), outer, n)
        if not params.self_pairs:
            intervals["within"] = interval_of_mean(float(own.mean()), within, n)
    return {
        spec.name: Quantity(
            spec.name,
            spec.label,
            _within(values[spec.name], spec.range),
            spec.unit,
            intervals.get(spec.name),
            n,
            range=spec.range,
            missing="" if values[spec.name] is not None else "add a second sample of every class",
        )
        for spec in SPEC.quantities
    }


def _within(value: float | None, ends: tuple[float, float] | None) -> float | None:
    """Return a value without the rounding that carries it past its range."""
    return value if value is None or ends is None else min(max(value, ends[0]), ends[1])


SPEC = DiagnosticSpec(
    name="class_cosines",
    title="Class cosines",
    question="Which classes lie close to each other?",
    section="Groups",
    page="groups/representation_harm",
    needs="set",
    params=ClassCosinesParams,
    compute=compute,
    quantities=(
        QuantitySpec(
            "within",
            "Within classes",
            "Mean over classes of the mean cosine of two of its samples.",
            "cosine",
            (-1.0, 1.0),
        ),
        QuantitySpec(
            "between", "Between classes", "Mean over pairs of classes of their mean cosine.", "cosine", (-1.0, 1.0)
        ),
        QuantitySpec("closest", "Closest classes", "Largest mean cosine of two classes.", "cosine", (-1.0, 1.0)),
        QuantitySpec(
            "least_separation",
            "Least separation",
            "Smallest half squared distance of two class means, without the noise of the means.",
            "squared distance",
            (-2.0, 2.0),
            "higher",
        ),
    ),
    definition=(
        "The mean cosine between the samples of two classes, for every two classes. It describes one run and is no "
        "representation harm, which is a ratio against a balanced twin. The separation of two classes is the mean of "
        "their own cosines less the cosine between them: half the squared distance of their means, corrected for the "
        "noise of the means, so that it is 0 in expectation for two classes that do not differ."
    ),
    formula=(
        r"C_{kl} = \frac{1}{n_k n_l} \sum_{i \in k} \sum_{j \in l} z_i \cdot z_j = \bar z_k \cdot \bar z_l, \quad "
        r"\Delta_{kl} = \frac{C_{kk} + C_{ll}}{2} - C_{kl}"
    ),
    reading=(
        "Near 1 on the diagonal: the class is tight. A bright cell off the diagonal: two classes lie close. Whether a "
        "class came closer because it was rare in training cannot be read from one run: two classes may look alike. "
        "The level asks only whether the two classes with the least separation have different means, by permuting "
        "their labels. Where that does not show it, their means have to be shown close before it is an alarm: closer "
        "than a tenth of the squared distance of two samples of a class (a rule of thumb), beyond what chance makes of "
        "the least of so many pairs. Between the two it is unknown."
    ),
    traps=(
        "The authors count a sample's cosine with itself on the diagonal, which adds (1 - C)/n_k: nothing for 1,000 "
        "samples, much for 20. It is left out here unless asked for; the numbers for the closest classes and the "
        "separation never count it. A common mean of all samples raises every cosine: compare cells, not their level. "
        "Two classes with equal means may still differ in shape. A class with one sample has no cosine with itself. "
        f"Above {SHOWN_CLASSES} classes the figure shows those of the closest pairs. The intervals of the closest "
        "pair and of the least separation are those of these two classes: that they are the extreme ones of many is "
        "not in them, and with few samples another draw may put another pair there. A separation no larger than chance "
        "has none."
    ),
    sources=(MAITY, GRETTON),
    thresholds=(harm.SEPARATE_MEANS, harm.ONE_DIRECTION),
)
