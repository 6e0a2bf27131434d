"""Figures as data: arrays and labels, no plotting library; only `cl_viz.figures.render` draws them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.drawing import drawn

if TYPE_CHECKING:
    import pandas as pd

Meaning = Literal["positive", "negative", "false_negative", "reference", "other"]
"""What a curve stands for; each meaning has one colour everywhere."""


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes
    ----------
    label : str
        What it shows.
    unit : str
        Unit, or what one is ("cosine", "share of pairs"); empty for counts.
    range : tuple of float or None
        Fixed range, so that figures compare; None lets the data decide.
    log : bool
        Logarithmic scale.
    ticks : tuple of (float, str)
        Places with a text of their own; empty lets the range decide.
    """

    label: str
    unit: str = ""
    range: tuple[float, float] | None = None
    log: bool = False
    ticks: tuple[tuple[float, str], ...] = ()

    @property
    def title(self) -> str:
        """Label with unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


@dataclass(frozen=True)
class Series:
    """One named curve, set of bars or cloud.

    Attributes
    ----------
    name : str
    x, y : NDArray
        Same length; for a histogram `x` holds the bin edges, one more than `y`.
    meaning : Meaning
    run : str
        Run it belongs to.
    low, high : NDArray or None
        Ends of an interval around `y`.
    n : int or None
        Units it rests on.
    left, right : NDArray or None
        Ends of an interval around `x`, of a point.
    is_loss : bool
        Whether `run` names a loss, and not a run: losses have colours of their own.
    """

    name: str
    x: NDArray[Any]
    y: NDArray[Any]
    meaning: Meaning = "other"
    run: str = ""
    low: NDArray[Any] | None = None
    high: NDArray[Any] | None = None
    n: int | None = None
    left: NDArray[Any] | None = None
    right: NDArray[Any] | None = None
    is_loss: bool = False


@dataclass(frozen=True)
class Reference:
    """A dashed line with its label on it.

    Attributes
    ----------
    label : str
    at : float
        Position on the axis `on`.
    on : {"x", "y"}
    runs : tuple of str
        Runs that it belongs to, where a figure shows runs that it does not belong to; empty for a line of all.
    """

    label: str
    at: float
    on: Literal["x", "y"] = "x"
    runs: tuple[str, ...] = ()


class Drawable:
    """What every view does for somebody who looks at it: a notebook draws it, `table` gives its numbers."""

    title: str
    n: int | None

    def numbers(self) -> dict[str, NDArray[Any]]:
        """Return the data as columns of equal length: of curves, bars and clouds, see `series_table`."""
        return series_table(self)  # type: ignore[arg-type]

    def table(self) -> pd.DataFrame:
        """Return the numbers behind the figure as a pandas frame, one row a point, bin, bar or cell."""
        import pandas as pd

        return pd.DataFrame(self.numbers())

    def __repr__(self) -> str:
        return f"{type(self).__name__}: {told(self)}"  # type: ignore[arg-type]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """Return the figure for notebooks; nothing for a terminal, which shows the text."""
        bundle: dict[str, Any] = drawn(self)._repr_mimebundle_(include, exclude)
        return bundle


@dataclass(frozen=True, repr=False)
class Histogram(Drawable):
    """Densities over shared bins.

    Attributes
    ----------
    title : str
        What the figure found.
    x, y : Axis
    series : tuple of Series
        `x` = edges (B + 1,), `y` = density (B,).
    references : tuple of Reference
    n : int or None
        Units it rests on, which are told with its title; None where the title says so itself. `Result` fills it in.
    """

    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    references: tuple[Reference, ...] = ()
    n: int | None = None


@dataclass(frozen=True, repr=False)
class Lines(Drawable):
    """Curves, with optional interval bands.

    Attributes
    ----------
    title, x, y, series, references, n
        See `Histogram`; of a series `x` and `y` have the same length.
    markers : bool
        Whether the points are marked.
    """

    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    references: tuple[Reference, ...] = ()
    markers: bool = True
    n: int | None = None


@dataclass(frozen=True, repr=False)
class Bars(Drawable):
    """One bar a category; `Series.x` holds the categories as text.

    Attributes
    ----------
    title, x, y, series, references, n
        See `Histogram`.
    sideways : bool
        The bars lie on their side, the first category on top: for many categories in a tall figure.
    """

    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    references: tuple[Reference, ...] = ()
    sideways: bool = False
    n: int | None = None


@dataclass(frozen=True, repr=False)
class Scatter(Drawable):
    """Points; `Series.x`, `Series.y` are coordinates. A series with the meaning "reference" is a line.

    Attributes
    ----------
    title, x, y, series, references, n
        See `Histogram`.
    equal : bool
        One unit is as long upwards as across: for shapes such as the circle.
    named : bool
        The name of a series stands at its points, and not in a legend: for a few points that the text speaks of.
    """

    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    references: tuple[Reference, ...] = ()
    equal: bool = False
    named: bool = False
    n: int | None = None


@dataclass(frozen=True, repr=False)
class Heatmap(Drawable):
    """A matrix with named rows and columns.

    Attributes
    ----------
    title : str
        What the figure found.
    x, y : Axis
        Of the columns, and of the rows.
    values : NDArray, shape (R, C)
    row_labels, column_labels : tuple of str
    scale : Axis
        Label, unit and range of the colour.
    centre : float or None
        Stated centre of a diverging scale; None for a sequential one.
    run : str
    marked : str
        Label of a row and a column that are outlined; empty for none.
    n : int or None
        See `Histogram`.
    """

    title: str
    x: Axis
    y: Axis
    values: NDArray[Any]
    row_labels: tuple[str, ...]
    column_labels: tuple[str, ...]
    scale: Axis
    centre: float | None = None
    run: str = ""
    marked: str = ""
    n: int | None = None

    def numbers(self) -> dict[str, NDArray[Any]]:
        """Return one entry a cell: row, column, value."""
        rows, columns = np.asarray(self.values).shape
        return {
            "row": np.repeat(np.array(self.row_labels, dtype=object), columns),
            "column": np.tile(np.array(self.column_labels, dtype=object), rows),
            "value": np.asarray(self.values).ravel(),
        }


PICTURES = ("data:image/png;base64,", "data:image/jpeg;base64,", "data:image/webp;base64,")
"""How an entry of a table begins that is a picture itself; an address elsewhere would be fetched, so it stays text."""


@dataclass(frozen=True, repr=False)
class Table(Drawable):
    """Columns of equal length, shown as a table.

    Attributes
    ----------
    title : str
    columns : Mapping[str, NDArray]
        By heading.
    run : str
    n : int or None
        See `Histogram`.
    """

    title: str
    columns: Mapping[str, NDArray[Any]]
    run: str = ""
    n: int | None = None

    def numbers(self) -> dict[str, NDArray[Any]]:
        """Return the columns."""
        return {name: np.asarray(values) for name, values in self.columns.items()}


@dataclass(frozen=True, repr=False)
class PointMap(Drawable):
    """Points of a map, each with a kind or a number as its colour.

    Attributes
    ----------
    title : str
        What the figure found.
    points : NDArray, shape (M, 2) or (M, 3)
        Finite. Their axes have no unit of their own.
    rows : NDArray[np.int64], shape (M,)
        Row of the set that each stands for.
    colour : NDArray or None, shape (M,)
        Text or whole numbers: kinds, shown in a legend; fractions: a scale. None: one colour.
    scale : Axis
        What the colour is, with its unit, and its range where that is fixed.
    run : str
    n : int or None
        See `Histogram`.
    """

    title: str
    points: NDArray[Any]
    rows: NDArray[np.int64]
    colour: NDArray[Any] | None
    scale: Axis
    run: str = ""
    n: int | None = None

    def numbers(self) -> dict[str, NDArray[Any]]:
        """Return rows of the set, coordinates and colours."""
        axes = {name: self.points[:, place] for place, name in enumerate("xyz"[: self.points.shape[1]])}
        colour = {} if self.colour is None else {self.scale.label or "colour": np.asarray(self.colour)}
        return {"row": self.rows, **axes, **colour}


SeriesView = Histogram | Lines | Bars | Scatter
View = Histogram | Lines | Bars | Scatter | Heatmap | Table | PointMap


def counted(view: View) -> str:
    """Return how many units a view rests on, in words; empty where its title says so, or nothing does."""
    return "" if view.n is None or "N = " in view.title else f"N = {view.n:,}"


def told(view: View) -> str:
    """Return the title of a view with its N."""
    return ", ".join(part for part in (view.title, counted(view)) if part)


def overlay(views: list[SeriesView], title: str) -> SeriesView:
    """Put the series of several views of one kind (one a run) into one view.

    Parameters
    ----------
    views : list of SeriesView
        At least one; all of the same kind. A line that all have is kept once, as nobody's; others say whose they are.
    title : str
        What the overlay found, and of how many units.

    Raises
    ------
    ValueError
        If the list is empty or mixes kinds.
    """
    kinds = {type(view) for view in views}
    if len(kinds) != 1:
        raise ValueError(f"overlay needs views of one kind, got {sorted(kind.__name__ for kind in kinds)}")
    return replace(
        views[0],
        title=title,
        n=None,
        series=tuple(series for view in views for series in view.series),
        references=_shared_lines(views),
    )


def _shared_lines(views: list[SeriesView]) -> tuple[Reference, ...]:
    """Return the lines of several views, each once, with the runs it belongs to unless it belongs to all."""
    owners: dict[Reference, list[str]] = {}
    for view in views:
        run = next((entry.run for entry in view.series if entry.run), "")
        for reference in view.references:
            owners.setdefault(reference, []).append(run)
    return tuple(
        reference if len(runs) == len(views) else replace(reference, runs=tuple(dict.fromkeys(filter(None, runs))))
        for reference, runs in owners.items()
    )


def series_table(view: SeriesView) -> dict[str, NDArray[Any]]:
    """Return the data of a view as long-form columns, for CSV download.

    They are `run`, `series`, `x` (of a histogram `x_low` and `x_high`, the bin's edges), `y`, and ends of intervals:
    `low` and `high` around y, `left` and `right` around x where any series has them; NaN where there are none.
    """
    parts: dict[str, list[NDArray[Any]]] = {}

    def add(column: str, values: NDArray[Any]) -> None:
        parts.setdefault(column, []).append(values)

    for series in view.series:
        size = len(series.y)
        add("run", np.full(size, series.run, dtype=object))
        add("series", np.full(size, series.name, dtype=object))
        if isinstance(view, Histogram):
            add("x_low", np.asarray(series.x[:-1]))
            add("x_high", np.asarray(series.x[1:]))
        else:
            add("x", np.asarray(series.x))
        add("y", np.asarray(series.y))
        missing = np.full(size, np.nan)
        add("low", missing if series.low is None else np.asarray(series.low))
        add("high", missing if series.high is None else np.asarray(series.high))
        if any(entry.left is not None for entry in view.series):
            add("left", missing if series.left is None else np.asarray(series.left))
            add("right", missing if series.right is None else np.asarray(series.right))
    return {column: np.concatenate(values) for column, values in parts.items()}
