"""`scatter_widget`: a map in a notebook that millions of points fit into, with a selection in and out."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.errors import InputError, MissingDependencyError
from cl_viz.figures.map_colours import Categories, by_numbers, colour_column

if TYPE_CHECKING:
    from cl_viz.projections import Projection


class ScatterWidget:
    """A map drawn by jupyter-scatter; shown where it is the last line of a cell.

    Attributes
    ----------
    scatter : jscatter.Scatter
        For everything else that the library can do, such as ``jscatter.link``.
    """

    def __init__(self, scatter: Any, rows: NDArray[np.int64]) -> None:
        self.scatter = scatter
        self._rows = rows

    @property
    def selection(self) -> NDArray[np.int64]:
        """Rows of the set that are selected, in the order of the widget."""
        return self._rows[np.asarray(self.scatter.selection(), dtype=np.int64)]

    @selection.setter
    def selection(self, rows: Sequence[int] | NDArray[Any]) -> None:
        wanted = np.asarray(rows)
        chosen = np.flatnonzero(wanted) if wanted.dtype == np.bool_ else wanted.astype(np.int64)
        place = np.full(int(max(self._rows.max(), chosen.max(initial=0))) + 1, -1, dtype=np.int64)
        place[self._rows] = np.arange(len(self._rows))
        # Rows without a point cannot be shown; rows that do not exist are a mistake.
        if len(chosen) and chosen.min() < 0:
            raise InputError(f"row {int(chosen.min())}", where="selection", allowed="rows of the set, or a mask")
        self.scatter.selection(place[chosen][place[chosen] >= 0])

    def _ipython_display_(self) -> None:
        importlib.import_module("IPython.display").display(self.scatter.show())


def scatter_widget(
    projection: Projection, colour: NDArray[Any] | None = None, label: str = "", *, height: int = 480
) -> ScatterWidget:
    """Draw a map as a widget of jupyter-scatter.

    Parameters
    ----------
    projection : Projection
        In two dimensions.
    colour : NDArray, shape (N,), optional
        One entry a row: kinds or numbers; by default the error of each point.
    label : str
        What the colour is.
    height : int
        Pixels.

    Returns
    -------
    ScatterWidget
        Its ``selection`` can be read and set: rows of the set, or a mask over them.

    Raises
    ------
    MissingDependencyError
        If jupyter-scatter is not installed.
    InputError
        If the map has three dimensions, or `colour` has not one entry a row.
    """
    if projection.dim != 2:
        raise InputError(
            f"the map has {projection.dim} dimensions", where="scatter_widget", allowed="2",
            remedy="draw it with cl_viz.render(projection.as_view())",
        )  # fmt: skip
    library = _library()
    import pandas as pd

    view = projection.as_view(colour, label, most=len(projection.coordinates))
    name = view.scale.label or "colour"
    assert view.colour is not None
    fixed = view.scale.range
    colouring = by_numbers(name, view.colour, fixed) if fixed else colour_column(name, np.asarray(view.colour))
    table = pd.DataFrame({"x": view.points[:, 0], "y": view.points[:, 1]})
    scatter = library.Scatter(data=table, x="x", y="y", height=height)
    if isinstance(colouring, Categories):
        names = np.array(colouring.names, dtype=object)
        table[name] = pd.Categorical(names[colouring.codes], categories=list(colouring.names))
        scatter.data(table)
        scatter.color(by=name, map=dict(zip(colouring.names, colouring.colours("light"), strict=True)))
    else:
        # The library has no colour for what is unknown: it takes that of the low end.
        table[name] = np.nan_to_num(np.clip(colouring.values, colouring.low, colouring.high), nan=colouring.low)
        scatter.data(table)
        scatter.color(by=name, map="cividis", norm=(colouring.low, colouring.high))
    scatter.legend(True)
    return ScatterWidget(scatter, view.rows)


def _library() -> Any:
    try:
        return importlib.import_module("jscatter")
    except ImportError as error:
        raise MissingDependencyError(
            f"jupyter-scatter cannot be imported: {error}", where="scatter_widget",
            remedy="pip install 'cl-viz[notebook]'",
        ) from error  # fmt: skip
