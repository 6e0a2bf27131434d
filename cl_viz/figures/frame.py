"""What all figures share: paper, title, axes, reference lines, and text made safe."""

from __future__ import annotations

import html
import math
import textwrap
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from cl_viz.core.view import Axis, Reference
from cl_viz.figures.theme import FONT, Theme

# Characters of a title that fit on one line of a figure of half the page's width.
_TITLE_WIDTH = 58
_TITLE_SIZE = 16
_TEXT_SIZE = 13


def plain(text: str) -> str:
    """Return text that plotly shows as it is: plotly reads a subset of HTML in every label."""
    return html.escape(str(text), quote=False)


def numbers(values: NDArray[Any]) -> NDArray[Any]:
    """Return values as a compact typed array: float32, or int32 for whole numbers; text stays text."""
    array = np.asarray(values)
    if array.dtype.kind in "iu" and array.size and np.abs(array).max() < 2**31:
        return array.astype(np.int32)
    if array.dtype.kind in "iufb":
        return array.astype(np.float32)
    return np.array([plain(str(value)) for value in array], dtype=object)


def new_figure(title: str, theme: Theme) -> go.Figure:
    """Return an empty figure with paper, title, type and hover of the theme."""
    lines = textwrap.wrap(title, _TITLE_WIDTH) or [""]
    figure = go.Figure()
    figure.update_layout(
        template="none",
        paper_bgcolor=theme.background,
        plot_bgcolor=theme.background,
        font={"family": FONT, "size": _TEXT_SIZE, "color": theme.text},
        title={
            "text": "<br>".join(plain(line) for line in lines),
            "x": 0,
            "xref": "paper",
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"t": 10},
            "font": {"size": _TITLE_SIZE, "weight": 600, "color": theme.text},
        },
        margin={"l": 64, "r": 24, "t": 28 + 21 * len(lines), "b": 52},
        hoverlabel={
            "bgcolor": theme.background,
            "bordercolor": theme.muted,
            "font": {"family": FONT, "size": _TEXT_SIZE, "color": theme.text},
            "namelength": -1,
        },
        legend={
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 0,
            "yref": "container",
            "yanchor": "bottom",
            "font": {"size": _TEXT_SIZE, "color": theme.text},
            "bgcolor": "rgba(0,0,0,0)",
            "itemsizing": "trace",
        },
        modebar={
            "bgcolor": "rgba(0,0,0,0)",
            "color": theme.muted,
            "activecolor": theme.text,
            "orientation": "v",
        },
        # Zoom and hidden curves stay when a control changes the numbers.
        uirevision="cl_viz",
        bargap=0.35,
    )
    return figure


def set_axes(figure: go.Figure, x: Axis, y: Axis, theme: Theme) -> None:
    """Give the figure its two axes, with units and fixed ranges."""
    figure.update_xaxes(**_axis(x, theme), showspikes=False)
    figure.update_yaxes(**_axis(y, theme), title_standoff=8)


def _axis(axis: Axis, theme: Theme) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "title": {"text": plain(axis.title), "font": {"size": _TEXT_SIZE, "color": theme.text}},
        "tickfont": {"size": _TEXT_SIZE - 1, "color": theme.muted},
        "gridcolor": theme.grid,
        "linecolor": theme.muted,
        "showline": True,
        "zeroline": False,
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": theme.muted,
        "automargin": True,
    }
    if axis.log:
        settings |= {"type": "log", "exponentformat": "power", "dtick": 1}
    if axis.range is not None:
        low, high = axis.range
        settings["range"] = [math.log10(low), math.log10(high)] if axis.log and low > 0 else [low, high]
        if axis.log and low <= 0:
            settings.pop("range")
    return settings


def add_references(figure: go.Figure, references: tuple[Reference, ...], theme: Theme) -> None:
    """Draw dashed grey lines with their labels on them; neighbouring labels take different heights."""
    seen: dict[str, int] = {"x": 0, "y": 0}
    for reference in references:
        if not math.isfinite(reference.at):
            continue
        level = seen[reference.on]
        seen[reference.on] += 1
        line = {"color": theme.muted, "width": 1.2, "dash": "dash"}
        label = {
            "text": plain(reference.label),
            "showarrow": False,
            "font": {"size": _TEXT_SIZE - 1, "color": theme.muted},
            "bgcolor": theme.background,
            "borderpad": 1,
        }
        if reference.on == "x":
            figure.add_shape(
                type="line", x0=reference.at, x1=reference.at, y0=0, y1=1, yref="paper", line=line, layer="below"
            )
            figure.add_annotation(
                x=reference.at,
                y=1 - 0.07 * level,
                yref="paper",
                xanchor="left",
                yanchor="top",
                xshift=4,
                **label,
            )
        else:
            figure.add_shape(
                type="line", y0=reference.at, y1=reference.at, x0=0, x1=1, xref="paper", line=line, layer="below"
            )
            figure.add_annotation(
                x=1, xref="paper", y=reference.at, xanchor="right", yanchor="bottom", yshift=2, **label
            )
