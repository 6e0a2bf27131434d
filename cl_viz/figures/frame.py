"""What all figures share: paper, title, axes, reference lines, and text made safe."""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from cl_viz.core.view import Axis
from cl_viz.figures.theme import FONT, Theme

# Characters of a title that fit on one line, in a window of 1280: of half the page's width, and of its whole width.
_TITLE_WIDTH = {False: 62, True: 128}
_UPRIGHT_WIDTH = 30
_AXIS_WIDTH = {False: 46, True: 110}
"""Letters of a line beside the vertical axis, and of one below the other in a figure of half the page and of all."""
_POWER_SIZE = 1.25
"""Plotly writes the powers of ten of a logarithmic axis that much larger than it is told."""
_WRITTEN_OUT = (1e-4, 1e6)
"""Between these the ticks of a logarithmic axis are written as numbers."""
MOST_POWERS = 8
"""Most ticks of a logarithmic axis."""
WIDE_CHARACTER = 0.0085
NARROW_CHARACTER = 0.0185
"""Width of a letter as a share of the plot, in a figure as wide as the page and in one of half its width, at 1280."""
_TITLE_SIZE = 15
TITLE_LINE = 20
"""Pixels of a line of the title."""
_TEXT_SIZE = 13

TOGETHER = "N = ".replace(" ", "\N{NO-BREAK SPACE}")
"""How an N is written so that it stays with its number."""

Box = tuple[float, float, float, float]
"""Left, right, bottom, top of a text, as shares of the plot."""


def touches(one: Box, other: Box) -> bool:
    """Whether two boxes overlap."""
    return one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]


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


@dataclass
class Canvas:
    """A figure being drawn, as plain dictionaries; plotly checks it once, when it is finished.

    Attributes
    ----------
    traces : list of dict
    layout : dict
    x, y : dict
        The two axes.
    notes, shapes : list of dict
        Annotations and lines.
    wide : bool
        Whether it is as wide as the page, and not half of it.
    taken : list of Box
        Where labels stand already.
    lifted : int
        Pixels that labels above the plot take.
    """

    traces: list[dict[str, Any]]
    layout: dict[str, Any]
    x: dict[str, Any] = field(default_factory=dict)
    y: dict[str, Any] = field(default_factory=dict)
    notes: list[dict[str, Any]] = field(default_factory=list)
    shapes: list[dict[str, Any]] = field(default_factory=list)
    wide: bool = False
    taken: list[Box] = field(default_factory=list)
    lifted: int = 0

    @property
    def letter(self) -> float:
        """Width of a letter of a label, as a share of the plot."""
        return WIDE_CHARACTER if self.wide else NARROW_CHARACTER

    def add(self, kind: str, **settings: Any) -> None:
        """Add a trace; settings that are None are left out."""
        self.traces.append({"type": kind, **{name: value for name, value in settings.items() if value is not None}})

    def note(self, **settings: Any) -> None:
        """Add a text without an arrow."""
        self.notes.append({"showarrow": False, **settings})

    def figure(self) -> go.Figure:
        """Return the finished figure."""
        layout = self.layout | {"xaxis": self.x, "yaxis": self.y, "annotations": self.notes, "shapes": self.shapes}
        return go.Figure(data=self.traces, layout=layout)


def new_canvas(title: str, theme: Theme, *, wide: bool = False) -> Canvas:
    """Return an empty canvas with paper, title, type and hover of the theme; the title wraps at the figure's width."""
    lines = balanced(title, _TITLE_WIDTH[wide])
    layout = {
        "template": "none",
        "paper_bgcolor": theme.background,
        "plot_bgcolor": theme.background,
        "font": {"family": FONT, "size": _TEXT_SIZE, "color": theme.text},
        "title": {
            "text": "<br>".join(plain(line) for line in lines),
            "x": 0,
            "xref": "container",
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            # Plotly draws a title of several lines half a line higher than one of a single line.
            "pad": {"t": 10 if len(lines) == 1 else 20, "l": 2},
            "font": {"size": _TITLE_SIZE, "weight": 600, "color": theme.text},
        },
        "margin": {"l": 64, "r": 24, "t": 20 + TITLE_LINE * len(lines), "b": 52},
        "hoverlabel": {
            "bgcolor": theme.background,
            "bordercolor": theme.muted,
            "font": {"family": FONT, "size": _TEXT_SIZE, "color": theme.text},
            "namelength": -1,
        },
        "legend": {
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
        "modebar": {
            "bgcolor": "rgba(0,0,0,0)",
            "color": theme.muted,
            "activecolor": theme.text,
            "orientation": "v",
        },
        # Where a figure is changed in its place, as in a notebook, zoom and hidden curves stay.
        "uirevision": "cl_viz",
        "bargap": 0.35,
    }
    return Canvas([], layout, wide=wide)


def balanced(text: str, width: int) -> list[str]:
    """Return text in as few lines of `width` letters as it needs, about equally long; an N stays with its number.

    A line that ends at half the figure looks meant where all lines do: how wide the figure is drawn is not known.
    """
    text = text.replace("N = ", TOGETHER)
    lines = textwrap.wrap(text, width, break_on_hyphens=False) or [""]
    for narrower in range(width - 1, len(text) // max(len(lines), 1) - 1, -1):
        if narrower < 1 or len(lines) == 1:
            break
        found = textwrap.wrap(text, narrower, break_on_hyphens=False)
        if len(found) > len(lines):
            break
        lines = found
    return [line.replace(TOGETHER, "N = ") for line in lines]


def set_axes(canvas: Canvas, x: Axis, y: Axis, theme: Theme) -> None:
    """Give the figure its two axes, with units and fixed ranges."""
    canvas.x |= _axis(x, theme, _AXIS_WIDTH[canvas.wide])
    canvas.y |= _axis(y, theme, _UPRIGHT_WIDTH)


def _axis(axis: Axis, theme: Theme, width: int) -> dict[str, Any]:
    lines = textwrap.wrap(axis.title, width)
    settings: dict[str, Any] = {
        "title": {
            "text": "<br>".join(plain(line) for line in lines),
            "font": {"size": _TEXT_SIZE, "color": theme.text},
        },
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
    if axis.ticks:
        places, texts = zip(*axis.ticks, strict=True)
        settings |= {"tickmode": "array", "tickvals": list(places), "ticktext": [plain(text) for text in texts]}
    if axis.log:
        settings |= {"type": "log", "exponentformat": "power", "dtick": 1}
        if not axis.ticks:
            settings["tickfont"]["size"] /= _POWER_SIZE
            if axis.range is not None and axis.range[0] > 0:
                write_powers(settings, *axis.range)
    if axis.range is not None:
        low, high = axis.range
        settings["range"] = [math.log10(low), math.log10(high)] if axis.log and low > 0 else [low, high]
        if axis.log and low <= 0:
            settings.pop("range")
    return settings


def write_powers(settings: dict[str, Any], low: float, high: float) -> None:
    """Write the ticks of a logarithmic axis in one form: numbers, or powers of ten where it is long.

    Left to itself, plotly mixes both: 1, 10, 10².
    """
    least, most = _WRITTEN_OUT
    if least <= low and high <= most:
        settings["tickformat"] = ",~g"
    else:
        first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
        powers = range(first, last + 1, math.ceil((last + 1 - first) / MOST_POWERS))
        settings |= {
            "tickmode": "array",
            "tickvals": [10.0**power for power in powers],
            "ticktext": [f"10<sup>{power}</sup>".replace("-", "\N{MINUS SIGN}") for power in powers],
        }
    settings["tickfont"] = settings["tickfont"] | {"size": _TEXT_SIZE - 1}


def _cut(label: str, longest: int, kept_at_end: int) -> str:
    """Return a name of `longest` letters at most, of which so many are its last ones."""
    if len(label) <= longest:
        return label
    return f"{label[: longest - 1 - kept_at_end]}…{label[len(label) - kept_at_end :]}"


def shorten(axis: dict[str, Any], labels: Sequence[str], most: int, longest: int) -> None:
    """End long names of categories early and leave some out where there are many: pointing at one tells it in full.

    Where some would then be the same, names lose their middle instead.
    """
    if all(len(label) <= longest for label in labels):
        return  # plotly leaves out what does not fit
    places = range(0, len(labels), -(-len(labels) // most))
    texts = [_cut(label, longest, 0) for label in labels]
    if len(set(texts)) < len(set(labels)):
        texts = [_cut(label, longest, longest // 2) for label in labels]
    axis.update(tickmode="array", tickvals=list(places), ticktext=[plain(texts[place]) for place in places])


def whiskers(
    values: NDArray[Any], low: NDArray[Any] | None, high: NDArray[Any] | None, theme: Theme
) -> dict[str, object] | None:
    """Return the error bars of values whose intervals end at `low` and `high`; None where there are none."""
    if low is None or high is None:
        return None
    return {
        "type": "data",
        "symmetric": False,
        "array": numbers(np.asarray(high) - np.asarray(values)),
        "arrayminus": numbers(np.asarray(values) - np.asarray(low)),
        "color": theme.text,
        "thickness": 1.5,
        "width": 4,
    }


def on_axis(axis: Mapping[str, Any], value: float) -> float:
    """Return where a text at `value` stands: plotly wants the decadic logarithm on a logarithmic axis."""
    return math.log10(value) if axis.get("type") == "log" and value > 0 else value
