"""A training step marked in a figure over training: a line where steps are on an axis, else rings on the path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from cl_viz.core.view import Heatmap, Lines, Reference, Series, View

STEP_AXIS = "Training step"
"""Label of an axis that shows steps."""


def at_step(view: View, step: int, steps: Mapping[str, Sequence[int | None]]) -> View:
    """Mark a step.

    Parameters
    ----------
    view : View
        Only lines, and matrices of steps, are marked; others are returned as they are.
    step : int
    steps : Mapping[str, sequence of int or None]
        Steps of each run, in the order of the points of a path; None, a set without a step, has no point.

    Returns
    -------
    View
        With a dashed line at the step; on an axis of ridges at its ridge, where it is drawn; on a path a ring a run;
        in a matrix its row and its column.
    """
    label = f"step {step:,}"
    if isinstance(view, Heatmap):
        named = label.removeprefix("step ")
        of_steps = STEP_AXIS == view.x.label == view.y.label
        return replace(view, marked=named) if of_steps and named in view.row_labels else view
    if not isinstance(view, Lines):
        return view
    if view.x.label == STEP_AXIS:
        return replace(view, references=(*view.references, Reference(label, float(step), "x")))
    if view.y.label == STEP_AXIS:
        places = [place for place, text in view.y.ticks if text == f"{step:,}"]
        return replace(view, references=(*view.references, *(Reference(label, place, "y") for place in places)))
    points = []
    for entry in view.series:
        own = [one for one in steps.get(entry.run, ()) if one is not None]
        if len(own) == len(entry.x) and step in own:
            here = own.index(step)
            points += [(float(entry.x[here]), float(entry.y[here])), (np.nan, np.nan)]
    if not points:
        return view
    x, y = np.array(points[:-1]).T
    return replace(view, series=(*view.series, Series(label, x, y, "reference")))
