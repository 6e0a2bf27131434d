"""Reference lines: dashed, each with its label and whose it is; labels stand where they touch no other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from cl_viz.core.view import Reference
from cl_viz.figures.frame import Box, Canvas, numbers, on_axis, plain, touches
from cl_viz.figures.theme import Theme

_TEXT_SIZE = 12
_ROW = 0.085
"""Height of a label as a share of the plot."""
_ROW_PIXELS = 17
_ROWS = 6
_MOST_NAMED = 6
"""Up to so many lines of single runs carry their name; of more, the colour tells the run."""
_SHORT_NAMES = 30
"""Letters of the names of runs that fit beside a label in a figure of half the page."""
_SAME_PLACE = 0.04
"""Lines of one label that are less of the plot apart share it."""


def add_references(
    canvas: Canvas, references: Sequence[Reference], theme: Theme, run_colours: Mapping[str, str] | None = None
) -> None:
    """Draw dashed lines with their labels; a line of one run has its colour, and its name where there is room.

    Parameters
    ----------
    canvas : Canvas
        With its axes and curves; places that labels take are noted in it.
    references : sequence of Reference
    theme : Theme
    run_colours : Mapping[str, str], optional
        Colour of each run, hexadecimal.
    """
    colours = run_colours or {}
    drawn = [entry for entry in references if math.isfinite(entry.at)]
    owned = [entry for entry in drawn if entry.runs]
    in_legend = owned if len(owned) > _MOST_NAMED else []
    labelled: list[tuple[str, str, float]] = []
    for entry in drawn:
        colour = colours.get(entry.runs[0], theme.muted) if len(entry.runs) == 1 else theme.muted
        _add_line(canvas, entry, colour)
        place = _text(entry, wide=canvas.wide), entry.on, _share(canvas, entry)
        if entry not in in_legend and not any(_is_near(place, other) for other in labelled):
            _add_label(canvas, entry, theme)
            labelled.append(place)
    for label in dict.fromkeys(entry.label for entry in in_legend):
        canvas.add(
            "scatter",
            x=numbers(np.array([np.nan])),
            y=numbers(np.array([np.nan])),
            mode="lines",
            name=plain(f"{label}, in the run's colour"),
            legendrank=4,
            line={"color": theme.muted, "dash": "dash", "width": 1.2},
            hoverinfo="skip",
        )


def _add_line(canvas: Canvas, entry: Reference, colour: str) -> None:
    at = entry.at
    ends = {"x0": at, "x1": at, "y0": 0, "y1": 1, "yref": "paper"} if entry.on == "x" else {
        "y0": at, "y1": at, "x0": 0, "x1": 1, "xref": "paper"}  # fmt: skip
    line = {"color": colour, "width": 1.6 if entry.runs else 1.2, "dash": "dash"}
    canvas.shapes.append({"type": "line", "line": line, "layer": "below", **ends})


def _text(entry: Reference, *, wide: bool) -> str:
    """Return what stands at a line: with the runs it belongs to, where there is room or its colour does not say so."""
    if not entry.runs or (len(entry.runs) == 1 and not wide):
        return entry.label
    names = ", ".join(entry.runs)
    return f"{entry.label}: {names}" if wide or len(names) <= _SHORT_NAMES else f"{entry.label}, {len(entry.runs)} runs"


def _share(canvas: Canvas, entry: Reference) -> float:
    """Return where a line crosses its axis, 0 at the lower end and 1 at the upper."""
    low, high = _ends(canvas, entry.on)
    return (on_axis(canvas.x if entry.on == "x" else canvas.y, entry.at) - low) / (high - low)


def _is_near(one: tuple[str, str, float], other: tuple[str, str, float]) -> bool:
    return one[:2] == other[:2] and abs(one[2] - other[2]) < _SAME_PLACE


def _add_label(canvas: Canvas, entry: Reference, theme: Theme) -> None:
    text = _text(entry, wide=canvas.wide)
    font = {"size": _TEXT_SIZE, "color": theme.muted}
    if entry.on == "y" and "ticktext" in canvas.y:
        # Lines on ticks of their own are ridges: beside the plot the label covers none of them.
        canvas.layout["margin"]["r"] = max(canvas.layout["margin"]["r"], 14 + 7 * len(text))
        canvas.note(
            text=plain(text), font=font, x=1, xref="paper", y=entry.at, xanchor="left", yanchor="middle", xshift=4
        )
        return
    noted = on_axis(canvas.x if entry.on == "x" else canvas.y, entry.at)
    share = _share(canvas, entry)
    width = canvas.letter * (len(text) + 1)
    places = list(_above(noted, share, width) if entry.on == "x" else _along(noted, share, width))
    place, box = next(((p, b) for p, b in places if not any(touches(b, other) for other in canvas.taken)), places[0])
    canvas.taken.append(box)
    if entry.on == "x":
        # Above the plot a label covers no curve.
        lifted = place["yshift"] - 2
        room = canvas.layout["margin"]["t"] - canvas.lifted
        canvas.lifted = max(canvas.lifted, lifted + _ROW_PIXELS)
        canvas.layout["margin"]["t"] = room + canvas.lifted
        canvas.note(text=plain(text), font=font, **place)
    else:
        canvas.note(text=plain(text), font=font, bgcolor=theme.background, borderpad=1, **place)


def _above(noted: float, share: float, width: float) -> Iterator[tuple[dict[str, Any], Box]]:
    """Return places above an upright line: over the top of the plot, in as many rows as are needed."""
    anchor, start = "center", share - width / 2
    if start < -0.06:
        anchor, start = "left", share
    elif start + width > 1.04:
        anchor, start = "right", share - width
    for row in range(_ROWS):
        bottom = 1 + _ROW * row
        yield (
            {"x": noted, "y": 1, "yref": "paper", "yanchor": "bottom", "xanchor": anchor,
             "yshift": 2 + _ROW_PIXELS * row},
            (start, start + width, bottom, bottom + _ROW),
        )  # fmt: skip


def _along(noted: float, share: float, width: float) -> Iterator[tuple[dict[str, Any], Box]]:
    """Return places along a level line: above or below it, at its right end or its left; the nearest first."""
    for row in range(_ROWS):
        for anchor, start in (("right", 1 - width), ("left", 0.0)):
            for above in (True, False):
                bottom = share + _ROW * row if above else share - _ROW * (row + 1)
                lifted = 2 + _ROW_PIXELS * row
                yield (
                    {
                        "x": 1 if anchor == "right" else 0, "xref": "paper", "y": noted, "xanchor": anchor,
                        "yanchor": "bottom" if above else "top", "yshift": lifted if above else -lifted,
                    },
                    (start, start + width, bottom, bottom + _ROW),
                )  # fmt: skip


def _ends(canvas: Canvas, on: str) -> tuple[float, float]:
    """Return the ends of an axis, in decades where it is logarithmic: those it was given, or those of the data."""
    axis = canvas.x if on == "x" else canvas.y
    if axis.get("range") is not None:
        low, high = axis["range"]
        return (low, high) if high > low else (low, low + 1)
    found = [np.asarray(trace[on]) for trace in canvas.traces if on in trace]
    values = np.concatenate([part.astype(float) for part in found if part.dtype.kind in "iuf"] or [np.zeros(0)])
    if axis.get("type") == "log":
        values = np.log10(values[values > 0])
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    if on == "y" and any(trace["type"] == "bar" for trace in canvas.traces):
        low = min(low, 0.0)
    return (low, high) if high > low else (low, low + 1)
