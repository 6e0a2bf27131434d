"""A marked step: a line where steps are on an axis, a point on a path, nothing elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cl_viz
from cl_viz.core.run import Run, Snapshot
from cl_viz.core.view import Axis, Lines, Table
from cl_viz.figures import at_step, compare, python_lines
from cl_viz.testing import paired_sphere

RUN = Run("trained", {Snapshot(step): paired_sphere(30, 8, 0.5, seed=step) for step in (0, 10, 20)})
STEPS = {"trained": RUN.steps}


def view_of(diagnostic: str, view: str) -> Lines:
    found = cl_viz.diagnose(diagnostic, RUN).views[view]
    assert isinstance(found, Lines)
    return found


def test_curves_get_a_line_at_the_step() -> None:
    marked = at_step(view_of("rank_curves", "rankme"), 10, STEPS)
    assert isinstance(marked, Lines)
    assert (marked.references[-1].label, marked.references[-1].at, marked.references[-1].on) == ("step 10", 10.0, "x")


def test_ridges_get_a_line_at_their_ridge() -> None:
    view = view_of("score_ridges", "ridges")
    marked = at_step(view, 10, STEPS)
    assert isinstance(marked, Lines)
    assert (marked.references[-1].at, marked.references[-1].on) == (1.0, "y")
    assert at_step(view, 11, STEPS) == view
    figure = cl_viz.render(marked)
    assert [note.text for note in figure.layout.annotations] == ["step 10"]
    assert [curve.name for curve in figure.data if curve.showlegend] == ["positives", "negatives"]


def test_a_path_gets_a_point() -> None:
    view = view_of("alignment_uniformity_path", "path")
    marked = at_step(view, 10, STEPS)
    assert isinstance(marked, Lines)
    (point,) = marked.series[1:]
    assert (point.x[0], point.y[0]) == (view.series[0].x[1], view.series[0].y[1])
    assert at_step(view, 11, STEPS) == view
    assert len(cl_viz.render(marked).data) == 2


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(("diagnostic", "view"), [("rank_curves", "rankme"), ("alignment_uniformity_path", "path")])
def test_the_python_lines_mark_the_step_too(diagnostic: str, view: str, count: int) -> None:
    other = Run("other", {Snapshot(step): paired_sphere(30, 8, 0.2, seed=step) for step in (0, 10)})
    runs = [RUN, other][:count]
    results = [cl_viz.diagnose(diagnostic, run) for run in runs]
    marked = at_step(compare(results, view), 10, {run.name: run.steps for run in runs})
    lines = python_lines(diagnostic, [f"given[{place}]" for place in range(count)], view, marked=10)
    *setup, last = lines.splitlines()
    names: dict[str, Any] = {"given": runs}
    exec("\n".join([*setup, f"figure = {last}"]), names)
    assert "step 10" in names["figure"].to_json()
    assert names["figure"].to_json() == cl_viz.render(marked).to_json()


def test_other_figures_stay_as_they_are() -> None:
    table = Table("t", {"a": np.arange(2)})
    assert at_step(table, 10, STEPS) is table


def test_places_with_texts_of_their_own_are_the_ticks_of_an_axis() -> None:
    axis = Axis("Step", ticks=((0.0, "first"), (1.0, "<b>")))
    view = Lines("t", Axis("x"), axis, view_of("rank_curves", "rankme").series)
    drawn = cl_viz.render(view).layout.yaxis
    assert list(drawn.tickvals) == [0.0, 1.0]
    assert list(drawn.ticktext) == ["first", "&lt;b&gt;"]
