"""`render`: one view becomes one figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from cl_viz.core.errors import InputError
from cl_viz.core.result import Result
from cl_viz.core.view import Bars, Heatmap, Histogram, Lines, PointMap, Scatter, SeriesView, Table, View
from cl_viz.figures.bars import draw_bars
from cl_viz.figures.heatmap import draw_heatmap
from cl_viz.figures.histogram import draw_histogram
from cl_viz.figures.lines import draw_lines
from cl_viz.figures.point_map import draw_point_map
from cl_viz.figures.scatter import draw_scatter
from cl_viz.figures.table import draw_table
from cl_viz.figures.theme import THEMES, ThemeName, known_theme

if TYPE_CHECKING:
    import plotly.graph_objects as go


def render(
    view: View | Result,
    theme: ThemeName | None = None,
    *,
    run_colours: Mapping[str, int] | None = None,
    log_y: bool = False,
    wide: bool = False,
) -> go.Figure:
    """Draw a view. Notebook, dashboard and report all call this, so they show the same figure.

    Parameters
    ----------
    view : View or Result
        Of a result, its first figure; ``result.views`` has them all.
    theme : {"light", "dark"}, optional
        By default the one that `cl_viz.use_theme` set, at first light.
    run_colours : Mapping[str, int], optional
        Number of each run's or loss's colour; by default in order of appearance.
    log_y : bool
        Logarithmic vertical axis for histograms, lines, bars and points.
    wide : bool
        Whether the figure is as wide as a page, about 900 pixels or more, and not half of it: the title then wraps
        later, and labels have more room.

    Returns
    -------
    plotly.graph_objects.Figure

    Raises
    ------
    InputError
        If the theme is not known, or there is no figure.
    """
    if isinstance(view, Result):
        view = view.views[next(iter(view.views), "")]
    chosen, colours = THEMES[known_theme(theme)], run_colours or {}
    if isinstance(view, Heatmap):
        return draw_heatmap(view, chosen, wide=wide)
    if isinstance(view, Table):
        return draw_table(view, chosen, wide=wide)
    if isinstance(view, PointMap):
        return draw_point_map(view, chosen, wide=wide)
    if isinstance(view, SeriesView) and any(entry.is_loss for entry in view.series):
        chosen = replace(chosen, runs=chosen.losses)
    if log_y:
        view = replace(view, y=replace(view.y, log=True))
    if isinstance(view, Histogram):
        return draw_histogram(view, chosen, colours, wide=wide)
    if isinstance(view, Lines):
        return draw_lines(view, chosen, colours, wide=wide)
    if isinstance(view, Bars):
        return draw_bars(view, chosen, colours, wide=wide)
    if isinstance(view, Scatter):
        return draw_scatter(view, chosen, colours, wide=wide)
    raise InputError(
        f"{type(view).__name__} is not a figure", where="render", allowed="a result, or one of its figures",
        remedy="ask first: result = cl_viz.diagnose(name, run); cl_viz.render(result)",
    )  # fmt: skip
