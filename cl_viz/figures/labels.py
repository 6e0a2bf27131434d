"""Direct labels: the name of a curve written at the curve, where there is room."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cl_viz.figures.frame import Box, Canvas, on_axis, plain, touches

Side = Literal["left", "centre", "right"]

HEIGHT = 0.075
"""Height of a label as a share of the plot."""


@dataclass(frozen=True)
class Place:
    """Where a label may stand.

    Attributes
    ----------
    x, y : float
        Point in data coordinates.
    across, up : float
        The same point as shares (0 to 1) of the plot's width and height.
    side : {"left", "centre", "right"}
        On which side of the point the text stands.
    """

    x: float
    y: float
    across: float
    up: float
    side: Side


@dataclass(frozen=True)
class Label:
    """A text, its colour, and the places it may take (best first)."""

    text: str
    colour: str
    places: tuple[Place, ...]


Segments = NDArray[np.float64]
"""What is drawn, shape (n, 4): from where to where, across and up, as shares of the plot."""
NO_SEGMENTS: Segments = np.zeros((0, 4))

# Anchor of the text, and how many pixels it keeps from the point.
_ANCHORS: dict[Side, tuple[str, int]] = {"left": ("right", -7), "centre": ("center", 0), "right": ("left", 7)}


def segments(across: NDArray[np.float64], up: NDArray[np.float64]) -> Segments:
    """Return the parts of a curve, and its points: one that is not a number is nowhere, and joins no others."""
    ends = np.column_stack([across[:-1], up[:-1], across[1:], up[1:]])
    every = np.concatenate([ends, np.column_stack([across, up, across, up])])
    there: Segments = every[np.isfinite(every).all(axis=1)]
    return there


def crosses(box: Box, drawn: Segments) -> bool:
    """Whether any segment has a part inside a box (Liang and Barsky 1984)."""
    left, right, bottom, top = box
    start, way = drawn[:, :2], drawn[:, 2:] - drawn[:, :2]
    low, high = np.array([left, bottom]) - start, np.array([right, top]) - start
    # A segment that does not move along an axis is between its two sides all the way, or nowhere.
    still = way == 0
    way = np.where(still, 1.0, way)
    first, last = np.minimum(low / way, high / way), np.maximum(low / way, high / way)
    inside = (low < 0) & (high > 0)
    first = np.where(still, np.where(inside, -np.inf, np.inf), first)
    last = np.where(still, np.where(inside, np.inf, -np.inf), last)
    return bool((np.maximum(first.max(axis=1), 0.0) < np.minimum(last.min(axis=1), 1.0)).any()) if len(drawn) else False


def add_labels(
    canvas: Canvas,
    labels: list[Label],
    *,
    log_y: bool = False,
    curves: Segments = NO_SEGMENTS,
    lines: Segments = NO_SEGMENTS,
) -> bool:
    """Write each label at its first place where it touches no curve, no other label and not the plot's edge.

    Parameters
    ----------
    canvas : Canvas
    labels : list of Label
    log_y : bool
        Whether the vertical axis is logarithmic.
    curves : Segments
        What no label may cover.
    lines : Segments
        What a label covers only where it has no other place.

    Returns
    -------
    bool
        Whether all could be written; if not none is, and the figure needs a legend.
    """
    chosen: list[tuple[Label, Place]] = []
    taken = list(canvas.taken)
    for label in labels:
        place = _first_free(label, canvas.letter, taken, curves, lines)
        if place is None:
            return False
        chosen.append((label, place))
        taken.append(_box(label, place, canvas.letter))
    canvas.taken[:] = taken
    for label, place in chosen:
        canvas.note(
            x=on_axis(canvas.x, place.x),
            y=math.log10(place.y) if log_y and place.y > 0 else place.y,
            text=plain(label.text),
            xanchor=_ANCHORS[place.side][0],
            yanchor="middle",
            xshift=_ANCHORS[place.side][1],
            font={"color": label.colour, "size": 13, "weight": 600},
        )
    return True


def _first_free(label: Label, letter: float, taken: list[Box], curves: Segments, lines: Segments) -> Place | None:
    found = None
    for place in label.places:
        box = _box(label, place, letter)
        if _blocked(box, taken, curves):
            continue
        if not crosses(box, lines):
            return place
        found = found or place
    return found


def _box(label: Label, place: Place, letter: float) -> Box:
    width = letter * len(label.text)
    left = place.across - {"left": 1.0, "centre": 0.5, "right": 0.0}[place.side] * width
    return left, left + width, place.up - HEIGHT / 2, place.up + HEIGHT / 2


def _blocked(box: Box, taken: list[Box], curves: Segments) -> bool:
    left, right, bottom, top = box
    if left < -0.001 or right > 1.001 or bottom < -0.06 or top > 1.06:
        return True
    return any(touches(box, other) for other in taken) or crosses(box, curves)
