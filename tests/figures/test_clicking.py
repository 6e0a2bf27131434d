"""Figures whose places can be clicked: what they carry, and that they look as before."""

from __future__ import annotations

import numpy as np

from cl_viz.core.view import Axis, Bars, Heatmap, Histogram, Lines, Series
from cl_viz.figures import render
from cl_viz.figures.clicking import with_targets

SCORE, DENSITY = Axis("Score", "cosine", (-1.0, 1.0)), Axis("Density")


def test_bins_of_every_curve_carry_their_ends_but_references_do_not() -> None:
    edges = np.linspace(-1, 1, 11)
    series = tuple(
        Series(name, edges, np.arange(10.0) + place, name, "run")  # type: ignore[arg-type]
        for place, name in enumerate(("positive", "negative", "reference"))
    )
    view = Histogram("title", SCORE, DENSITY, series)
    figure = render(view)
    clickable = with_targets(figure, view)
    carried = {trace.customdata[3][0]: trace for trace in clickable.data if trace.customdata is not None}
    assert set(carried) == {"positive", "negative"}
    np.testing.assert_allclose(carried["negative"].customdata[3][2:], [-0.4, -0.2])
    assert carried["negative"].marker.opacity == 0
    assert all(trace.customdata is None for trace in figure.data), "the figure itself is as it was"


def test_points_of_a_curve_carry_the_scores_around_them() -> None:
    view = Lines("title", SCORE, DENSITY, (Series("penalty", np.array([0.1, 0.3, 0.5]), np.ones(3), run="run"),))
    trace = next(trace for trace in with_targets(render(view), view).data if trace.customdata is not None)
    assert list(trace.customdata[1][:2]) == ["other", "run"]
    np.testing.assert_allclose(trace.customdata[1][2:], [0.2, 0.4])


def test_cells_carry_both_labels_letter_by_letter() -> None:
    labels = ("<b>a</b>", "b")
    view = Heatmap("title", Axis("x"), Axis("y"), np.eye(2), labels, labels, Axis("cosine"), run="run")
    marks = with_targets(render(view), view).data[-1]
    assert marks.customdata[1] == ["run", "<b>a</b>", "b"]
    assert marks.marker.opacity == 0
    assert "<b>" not in str(marks.x)
    large = Heatmap("title", Axis("x"), Axis("y"), np.eye(200), ("a",) * 200, ("b",) * 200, Axis("cosine"))
    assert len(with_targets(render(large), large).data) == 1


def test_other_figures_stay_as_they_are() -> None:
    view = Bars("title", Axis("x"), Axis("y"), (Series("bars", np.array(["a"]), np.ones(1)),))
    figure = render(view)
    assert with_targets(figure, view) is figure
