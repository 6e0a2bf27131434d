"""Do all groups gain while the encoder trains?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.errors import MissingInputError
from cl_viz.core.result import Finding, Quantity, Result, format_number
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.core.view import Axis, Lines, Series
from cl_viz.diagnostics._groups.group_cells import Cells, GroupParams, group_alignment, group_cells
from cl_viz.diagnostics._groups.group_results import Accuracy, gap_level
from cl_viz.diagnostics._thresholds.harm import WORST_GROUP
from cl_viz.diagnostics.neighbor_accuracy import Votes
from cl_viz.engine.inputs import SetInputs, StepInputs

MOST_CURVES = 8
"""Groups drawn: those that end lowest, and the one that ends highest."""
_SCORES_PER_SECOND = 2e7

Values = NDArray[np.float64]


@dataclass(frozen=True)
class _AtStep:
    """What was measured at one step, by group; NaN where a group cannot be judged."""

    cells: Cells
    accuracy: Accuracy | None
    alignment: Values | None
    judged: int


def compute(inputs: StepInputs, params: GroupParams) -> Result:
    """Measure every group at every step of one layer."""
    found: list[_AtStep] = []
    last: SetInputs | None = None
    for step in inputs.steps:
        last = inputs.at(step)
        found.append(_measure(last, params))
        last.progress(1.0, "groups")
    assert last is not None
    cells = found[-1].cells
    accuracy = _curves([None if at.accuracy is None else at.accuracy.counts.shares for at in found], found, params)
    alignment = _curves([at.alignment for at in found], found, params)
    final = found[-1].accuracy
    views = {
        name: _lines(name, inputs, values, cells, axis, highest_first)
        for name, values, axis, highest_first in (
            ("accuracy", accuracy, Axis("Labels named rightly by neighbours", "share", (0.0, 1.0)), False),
            ("alignment", alignment, Axis("Alignment", "mean squared distance of views", (0.0, 4.0)), True),
        )
        if np.isfinite(values).any()
    }
    quantities = _quantities(accuracy, final, found[-1].judged)
    notes = (
        f"view: {cells.view}; groups are {cells.kind}; usable samples without one: {cells.left_out:,}",
        f"{params.k} neighbours vote, each sample left out of its own; groups of fewer than {params.least} samples are "
        "not compared",
        "the numbers are those of the last step",
    )
    excluded = last.embedding_set.n - len(cells.rows) - cells.left_out
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views=views,
        findings=(_finding(inputs.steps, accuracy, final, cells, quantities),),
        caveats=last.plain_caveats(len(cells.rows), max(0, excluded), seed=0, notes=notes),
        params=params.as_dict(),
    )


def _measure(inputs: SetInputs, params: GroupParams) -> _AtStep:
    embedding_set = inputs.embedding_set
    cells = group_cells(embedding_set, params.view, params.groups)
    measured = group_alignment(embedding_set, cells)
    accuracy, judged = None, 0
    if embedding_set.codes("label") is not None:
        accuracy, judged = _by_neighbours(inputs, cells, params)
    return _AtStep(cells, accuracy, None if measured is None else measured.values, judged)


def _by_neighbours(inputs: SetInputs, cells: Cells, params: GroupParams) -> tuple[Accuracy | None, int]:
    try:
        _, votes = Votes.of(inputs, params.view)
    except MissingInputError:
        return None, 0
    judged = votes.judged
    of_rows = np.full(len(inputs.embedding_set.views[cells.view]), -1, dtype=np.int64)
    of_rows[cells.rows] = cells.codes
    correct = votes.at(params.k, None) == judged.codes
    return Accuracy.of(correct, of_rows[judged.rows], len(cells.names), params.least, seed=0), len(judged.rows)


def _curves(values: list[Values | None], found: list[_AtStep], params: GroupParams) -> Values:
    """Return values by step and group of the last step, shape (T, G); NaN where missing or of too few samples."""
    names = found[-1].cells.names
    curves = np.full((len(found), len(names)), math.nan)
    for row, (own, at) in enumerate(zip(values, found, strict=True)):
        if own is None:
            continue
        places = {name: place for place, name in enumerate(at.cells.names)}
        for column, name in enumerate(names):
            if name in places and at.cells.counts[places[name]] >= params.least:
                curves[row, column] = own[places[name]]
    return curves


def _quantities(accuracy: Values, final: Accuracy | None, judged: int) -> dict[str, Quantity]:
    values: dict[str, float | None] = dict.fromkeys((spec.name for spec in SPEC.quantities), None)
    interval = None
    if final is not None:
        worst_interval, interval = final.intervals()
        # From its best step to the last one, the group that lost most.
        lost = np.nanmax(accuracy[:, final.large], axis=0) - accuracy[-1, final.large]
        values = {
            "worst_last": float(final.shares.min()), "gap_last": final.gap, "largest_loss": float(np.nanmax(lost)),
        }  # fmt: skip
    return {
        spec.name: Quantity(
            spec.name,
            spec.label,
            values[spec.name],
            spec.unit,
            interval if spec.name == "gap_last" else worst_interval if spec.name == "worst_last" and final else None,
            n=judged,
            range=spec.range,
            reference=final.chance.gap if final is not None and spec.name == "gap_last" else None,
            reference_label="equal groups of these sizes" if final is not None and spec.name == "gap_last" else "",
            missing="" if values[spec.name] is not None else "add labels, and two groups or more of enough samples",
        )
        for spec in SPEC.quantities
    }


def _lines(name: str, inputs: StepInputs, values: Values, cells: Cells, axis: Axis, highest_first: bool) -> Lines:
    ends = np.where(np.isfinite(values[-1]), values[-1], -math.inf if highest_first else math.inf)
    order = np.argsort(-ends if highest_first else ends, kind="stable")
    order = order[np.isfinite(values[:, order]).any(axis=0)]
    drawn = order if len(order) <= MOST_CURVES else np.append(order[: MOST_CURVES - 1], order[-1])
    steps = np.array(inputs.steps, dtype=np.float64)
    counts = cells.counts
    series = tuple(
        Series(cells.names[group], steps, values[:, group], run=inputs.run, n=int(counts[group])) for group in drawn
    )
    part = f", {len(drawn)} of {len(order)} groups" if len(drawn) < len(order) else ""
    which = "highest" if highest_first else "lowest"
    title = (
        f"{name.capitalize()} at step {inputs.steps[-1]:,} {which} in group {cells.names[drawn[0]]}: "
        f"{format_number(float(values[-1, drawn[0]]))}{part}"
    )
    return Lines(title, Axis("Training step", "steps"), axis, series)


def _finding(
    steps: tuple[int, ...], accuracy: Values, final: Accuracy | None, cells: Cells, quantities: dict[str, Quantity]
) -> Finding:
    if final is None:
        missing = quantities["gap_last"].missing
        return Finding(SPEC.name, "unknown", f"Unknown: which of the {len(cells.names):,} groups gain.",
                       f"To see it, {missing}.", WORST_GROUP, "gap_last")  # fmt: skip
    compared = accuracy[:, final.large]
    known = np.isfinite(compared).all(axis=1)
    first = int(np.flatnonzero(known)[0])
    gap = quantities["gap_last"]
    gaps = f"from {format_number(float(np.ptp(compared[first])))} at step {steps[first]:,} to {gap.text()} at step"
    message = (
        f"By neighbours the gap between the best and the worst group goes {gaps} {steps[-1]:,}, where "
        f"{cells.names[final.worst]} is lowest with {quantities['worst_last'].text()} (equal groups would have a gap "
        f"of about {format_number(final.chance.gap)}, N = {gap.n:,})."
    )
    level = gap_level(final)
    advice = "" if level == "good" else "Look at the step where the curves part, and at the page Allocation harm."
    return Finding(SPEC.name, level, message, advice, WORST_GROUP, "gap_last")


def seconds(inputs: StepInputs, params: GroupParams) -> float:
    """Return about how long the neighbours of all steps take."""
    n = inputs.at(inputs.steps[-1]).embedding_set.n
    return len(inputs.steps) * (0.05 + n * n / _SCORES_PER_SECOND)


SPEC = DiagnosticSpec(
    name="group_curves",
    title="Groups over training",
    question="Do all groups gain while the encoder trains?",
    section="Runs",
    page="runs/over_training",
    needs="steps",
    params=GroupParams,
    compute=compute,
    passes=("neighbors",),
    quick=False,
    seconds=seconds,
    quantities=(
        QuantitySpec(
            "gap_last", "Gap between groups, last step",
            "Highest minus lowest share of labels named rightly by neighbours, last step.", "share", (0.0, 1.0),
            "lower",
        ),
        QuantitySpec(
            "worst_last", "Worst group, last step", "Lowest share over the groups that are large enough, last step.",
            "share", (0.0, 1.0), "higher",
        ),
        QuantitySpec(
            "largest_loss", "Largest loss of a group", "Best share of a group at any step less its share at the last.",
            "share", (0.0, 1.0), "lower",
        ),
    ),
    definition=(
        "Samples are parted into groups: by the group column, by label, or by both. At every recorded step: how often "
        "neighbours name the label of a group's samples, and how near the two views of its samples are. Both are the "
        "numbers of the group table, step by step."
    ),
    formula=(
        r"a_g(t) = \frac{1}{n_g} \sum_{i \in g} [\hat y_i(t) = y_i], \quad"
        r" \mathrm{gap}(t) = \max_g a_g(t) - \min_g a_g(t)"
    ),
    reading=(
        "Frequent and easy groups gain first. A group that stays behind while others gain is not learned; one that "
        "gained and loses again is given up for others: compare the encoder of its best step with the last one. An "
        "alignment that stays high is a group whose views the encoder does not bring together."
    ),
    traps=(
        "The lowest of many small groups is low by chance, at every step: the reference of the gap says what equal "
        "groups of these sizes would show. Steps share their samples, so their errors move together. The best of many "
        "steps is high by chance, and the loss from it on is too large by as much. The levels are rules of thumb."
    ),
    sources=(WORST_GROUP,),
)  # fmt: skip
