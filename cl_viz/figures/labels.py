"""Direct labels: the name of a curve written at the curve, where there is room."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

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


# Anchor of the text, and how many pixels it keeps from the point.
_ANCHORS: dict[Side, tuple[str, int]] = {"left": ("right", -7), "centre": ("center", 0), "right": ("left", 7)}


def add_labels(canvas: Canvas, labels: list[Label], *, log_y: bool = False) -> bool:
    """Write each label at its first place where it touches neither another label nor the plot's edge.

    Returns
    -------
    bool
        Whether all could be written; if not none is, and the figure needs a legend.
    """
    chosen: list[tuple[Label, Place]] = []
    taken = list(canvas.taken)
    for label in labels:
        free = (place for place in label.places if not _blocked(_box(label, place, canvas.letter), taken))
        place = next(free, None)
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


def _box(label: Label, place: Place, letter: float) -> Box:
    width = letter * len(label.text)
    left = place.across - {"left": 1.0, "centre": 0.5, "right": 0.0}[place.side] * width
    return left, left + width, place.up - HEIGHT / 2, place.up + HEIGHT / 2


def _blocked(box: Box, taken: list[Box]) -> bool:
    left, right, bottom, top = box
    if left < -0.001 or right > 1.001 or bottom < -0.06 or top > 1.06:
        return True
    return any(touches(box, other) for other in taken)
