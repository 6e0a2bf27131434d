"""The figures of `neural_collapse`, as data."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cl_viz.core.result import Quantity, format_number
from cl_viz.core.view import Axis, Bars, Heatmap, Series, View
from cl_viz.diagnostics._collapse.class_frame import ClassFrame
from cl_viz.diagnostics._dense import neural_collapse as measures

MOST_CLASSES = 60
"""Classes drawn: the largest ones."""
_FRAMES = {
    "orthogonal": "near an orthogonal frame (0), not a simplex ETF",
    "simplex": "near a simplex ETF",
    "neither": "neither orthogonal (0) nor a simplex ETF",
}


def views(frame: ClassFrame, quantities: Mapping[str, Quantity], run: str) -> dict[str, View]:
    """Return the cosines of class means, and norm and spread of every class."""
    if not frame.defined:
        return {}
    found = {"class_cosines": _heatmap(frame, quantities, run)}
    return {**found, "class_spread": _spread(frame, run), "class_norms": _norms(frame, quantities, run)}


def _drawn(frame: ClassFrame) -> np.ndarray:
    """Return the classes drawn, in their own order."""
    order = np.argsort(-frame.classes.statistics.counts, kind="stable")[:MOST_CLASSES]
    return np.sort(order)


def _left_out(frame: ClassFrame) -> str:
    rest = frame.classes.count - MOST_CLASSES
    return f"; the {MOST_CLASSES} largest of {frame.classes.count} classes" if rest > 0 else ""


def _heatmap(frame: ClassFrame, quantities: Mapping[str, Quantity], run: str) -> Heatmap:
    drawn = _drawn(frame)
    names = tuple(frame.classes.names[place] for place in drawn)
    title = (
        f"Class means have mean cosine {quantities['mean_cosine'].text()}: {_FRAMES[frame.frame]} "
        f"({format_number(frame.simplex_cosine)}){_left_out(frame)}"
    )
    return Heatmap(
        title,
        Axis("Class"),
        Axis("Class"),
        np.nan_to_num(frame.cosines[np.ix_(drawn, drawn)]),
        names,
        names,
        Axis("Cosine of class means, not centred", "cosine", (-1.0, 1.0)),
        centre=0.0,
        run=run,
    )


def _spread(frame: ClassFrame, run: str) -> Bars:
    found, drawn = frame.classes.statistics, _drawn(frame)
    # Relative to the mean squared distance of the centred class means: NC1's quotient, class by class.
    ratios = found.variances / found.between_trace
    widest = int(ratios.argmax())
    title = (
        f"Within over between: {format_number(measures.nc1_quotient(found))} over all, largest for class "
        f"{frame.classes.names[widest]} ({format_number(float(ratios[widest]))}){_left_out(frame)}"
    )
    return Bars(
        title,
        Axis("Class"),
        Axis("Variance within the class over that of class means", "ratio"),
        (Series("spread", _names(frame, drawn), ratios[drawn], run=run, n=frame.classes.n),),
    )


def _norms(frame: ClassFrame, quantities: Mapping[str, Quantity], run: str) -> Bars:
    found, drawn = frame.classes.statistics, _drawn(frame)
    norms = measures.mean_norms(found)
    unit = "length of unit rows" if frame.classes.scale == "unit" else "length of raw rows"
    return Bars(
        f"Norms of centred class means vary by {quantities['nc2_equinorm'].text()} of their mean{_left_out(frame)}",
        Axis("Class"),
        Axis("Norm of the centred class mean", unit),
        (Series("norm", _names(frame, drawn), norms[drawn], run=run, n=frame.classes.n),),
    )


def _names(frame: ClassFrame, drawn: np.ndarray) -> np.ndarray:
    return np.array([frame.classes.names[place] for place in drawn], dtype=object)
