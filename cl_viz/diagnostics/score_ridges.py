"""How do the distributions of positives and negatives change from step to step?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.params import param
from cl_viz.core.result import Finding, Quantity, Result, format_number
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.core.view import Axis, Lines, Series
from cl_viz.diagnostics._scores.score_measures import ScoreMeasures
from cl_viz.diagnostics._scores.score_roles import ZHU, RoleParams
from cl_viz.diagnostics._thresholds import scores as _thresholds
from cl_viz.diagnostics.step_similarity import chosen_steps
from cl_viz.engine.inputs import SetInputs, StepInputs

MOST_RIDGES = 12
"""Steps drawn; of more, so many are taken evenly, the first and the last among them."""
HEIGHT = 1.6
"""Height of a ridge's peak, in distances between neighbouring ridges."""
_AT_ENDS = ("overlap", "auc")


@dataclass(frozen=True)
class RidgeParams(RoleParams):
    """Which pairs, and how finely they are counted."""

    ridge_bins: int = param(50, "Bins of each ridge over scores from -1 to 1.", low=20, high=400)


def compute(inputs: StepInputs, params: RidgeParams) -> Result:
    """Read the distributions of both kinds of pairs at up to twelve steps, and how far they overlap."""
    from cl_viz.diagnostics.score_distribution import SPEC as DISTRIBUTION

    steps = chosen_steps(inputs.steps, MOST_RIDGES)
    ridges: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    ends: list[dict[str, Quantity]] = []
    last: tuple[SetInputs, ScoreMeasures] | None = None
    for step in steps:
        found = inputs.at(step)
        measures = ScoreMeasures.of(found, params.positives, params.negatives, temperature=1.0)
        ridges.append((measures.positives.masses(params.ridge_bins), measures.negatives.masses(params.ridge_bins)))
        if step in (steps[0], steps[-1]):
            ends.append({name: measures.quantity(DISTRIBUTION.quantity(name)) for name in _AT_ENDS})
        last = (found, measures)
    assert last is not None
    quantities = {
        spec.name: _renamed(ends[place][name], spec)
        for name in _AT_ENDS
        for place, spec in ((0, SPEC.quantity(f"{name}_first")), (-1, SPEC.quantity(f"{name}_last")))
    }
    shown = "" if len(steps) == len(inputs.steps) else f", of {len(inputs.steps)} recorded"
    notes = (
        f"negatives: {last[1].negatives_in_words}",
        f"steps drawn: {', '.join(f'{step:,}' for step in steps)}{shown}; every curve has its own scale",
        *last[1].notes_on_labels,
    )
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views={"ridges": _ridges(steps, ridges, quantities, inputs.run, last[1].statistics.n_used)},
        findings=(_finding(steps, quantities),),
        caveats=last[0].caveats(notes=notes),
        params=params.as_dict(),
    )


def _renamed(quantity: Quantity, spec: QuantitySpec) -> Quantity:
    return Quantity(
        spec.name, spec.label, quantity.value, spec.unit, quantity.interval, quantity.n, quantity.unit_of_n, spec.range,
        quantity.reference, quantity.reference_label, quantity.missing,
    )  # fmt: skip


def _ridges(
    steps: tuple[int, ...],
    ridges: list[tuple[NDArray[np.float64], NDArray[np.float64]]],
    quantities: dict[str, Quantity],
    run: str,
    n: int,
) -> Lines:
    """One line a step, the first at the bottom; the gap between two ridges ends a line."""
    bins = len(ridges[0][0])
    middles = np.append(np.linspace(-1, 1, bins + 1)[:-1] + 1 / bins, np.nan)
    across = np.tile(middles, len(steps))
    series = []
    for kind, name in enumerate(("positives", "negatives")):
        heights = [place + HEIGHT * _own_scale(ridge[kind]) for place, ridge in enumerate(ridges)]
        up = np.concatenate([np.append(height, np.nan) for height in heights])
        series.append(Series(name, across, up, "positive" if kind == 0 else "negative", run, n=n))
    ticks = tuple((float(place), f"{step:,}") for place, step in enumerate(steps))
    title = (
        f"Overlap {_percent(quantities['overlap_first'])} at step {steps[0]:,}, "
        f"{_percent(quantities['overlap_last'])} at step {steps[-1]:,}"
    )
    axis = Axis("Training step", "each curve to its own peak", (-0.2, len(steps) - 1 + HEIGHT + 0.2), ticks=ticks)
    return Lines(title, Axis("Score", "cosine", (-1.0, 1.0)), axis, tuple(series), markers=False)


def _own_scale(masses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the density over its largest value; where it is 0, nothing, so that ridges do not lie on each other."""
    scaled: NDArray[np.float64] = masses / masses.max()
    empty = scaled <= 0
    # A line goes down to its ground beside what it shows.
    beside = empty & (np.append(~empty[1:], False) | np.append(False, ~empty[:-1]))
    return np.where(empty & ~beside, np.nan, scaled)


def _percent(quantity: Quantity) -> str:
    return "unknown" if quantity.value is None else f"{format_number(100 * quantity.value)} %"


def _finding(steps: tuple[int, ...], quantities: dict[str, Quantity]) -> Finding:
    auc, overlap = quantities["auc_last"], quantities["overlap_last"]
    source = _thresholds.AUC.source
    if auc.value is None:
        return Finding(SPEC.name, "unknown", "Unknown: how far positives and negatives overlap.",
                       f"To see it, {auc.missing}.", source, "auc_last")  # fmt: skip
    message = (
        f"Positives and negatives share {_percent(quantities['overlap_first'])} of their distributions at step "
        f"{steps[0]:,} and {_percent(overlap)} at step {steps[-1]:,}; the AUC goes from "
        f"{quantities['auc_first'].text()} to {auc.text()} (N = {auc.n:,})."
    )
    level = _thresholds.AUC.level(auc.value)
    advice = "" if level == "good" else "Look at the page Distributions for what scores as high as the positives."
    if level == "good" and overlap.value is not None and _thresholds.OVERLAP.level(overlap.value) != "good":
        level = "watch"
        advice = "Scores are ordered, but all within few bins: look at means and variances over training for collapse."
    return Finding(SPEC.name, level, message, advice, source, "auc_last")


def _at(when: str, name: str) -> QuantitySpec:
    words = {
        "overlap": ("Overlap", "Shared area of both histograms over 100 bins of [-1, 1]", "lower"),
        "auc": ("AUC", "Probability that a positive scores above a negative, ties half", "higher"),
    }
    label, definition, better = words[name]
    return QuantitySpec(
        f"{name}_{when}", f"{label}, {when} step", f"{definition}, {when} step.",
        "share" if name == "overlap" else "probability", (0.0, 1.0), "lower" if better == "lower" else "higher",
    )  # fmt: skip


SPEC = DiagnosticSpec(
    name="score_ridges",
    title="Score distributions by step",
    question="How do the distributions of positives and negatives change from step to step?",
    section="Runs",
    page="runs/over_training",
    needs="steps",
    params=RidgeParams,
    compute=compute,
    passes=("statistics",),
    labelled_passes=("statistics",),
    quantities=(_at("first", "overlap"), _at("last", "overlap"), _at("first", "auc"), _at("last", "auc")),
    definition=(
        "One line a step, the first step at the bottom: how the scores of positives and those of negatives are "
        "distributed. Overlap and AUC are those of the page Distributions, at the first and the last step."
    ),
    formula=r"p^+_t(s), \; p^-_t(s), \quad \mathrm{OVL}_t = \int \min(p^+_t, p^-_t), \quad P_t(s^+ > s^-)",
    reading=(
        "At the start both often stand together near 1: an untrained network maps everything into a narrow cone. "
        "Training moves the negatives down towards 0 and then pulls the positives up. Both sharp at 1 again is "
        "collapse. A second hill of the negatives is a class, or a group, that is pushed together; a tail of the "
        "positives that stays behind are samples whose views have little in common."
    ),
    traps=(
        "Every curve is scaled to its own peak, since positives at the end are many times sharper than negatives: "
        "compare where curves stand and how wide they are, never their heights. At most twelve steps are drawn, "
        "evenly by their place in the list. Where all scores are nearly equal they fill few bins: the overlap is then "
        "near 1 whatever the AUC. Distributions hide that there are N - 1 negatives for each positive."
    ),
    sources=(ZHU, _thresholds.AUC.source),
    thresholds=(_thresholds.AUC, _thresholds.OVERLAP),
)
