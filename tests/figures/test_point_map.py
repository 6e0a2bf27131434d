"""Maps as figures: kinds with a legend, numbers on a scale, two and three dimensions, many points."""

from __future__ import annotations

import numpy as np
import pytest

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError
from cl_viz.core.view import Axis, PointMap
from cl_viz.figures import csv_text, render
from cl_viz.projections import Projection


@pytest.fixture(scope="module")
def made(labelled_set: EmbeddingSet) -> Projection:
    return cl_viz.project(labelled_set, "pca", cache=False)


def test_kinds_have_a_legend_and_their_own_points(made: Projection, labelled_set: EmbeddingSet) -> None:
    label = np.asarray(labelled_set.role("label"))
    figure = render(made.as_view(label, "label"))
    assert [trace.name for trace in figure.data] == ["0", "1", "2", "3"]
    assert figure.layout.showlegend
    assert figure.layout.legend.title.text == "label"
    assert len({trace.marker.color for trace in figure.data}) == 4
    for kind, trace in enumerate(figure.data):
        np.testing.assert_array_equal(trace.customdata, np.flatnonzero(label == kind))
        np.testing.assert_array_equal(trace.x, made.coordinates[label == kind, 0])
    assert f"keeps {100 * made.neighbor_recall.value:.0f} % of the 15 nearest" in figure.layout.title.text.replace(  # type: ignore[operator]
        "<br>", " "
    )
    assert figure.layout.yaxis.scaleanchor == "x"


def test_the_error_is_the_colour_unless_another_is_given(made: Projection) -> None:
    (trace,) = render(made.as_view(), "dark").data
    assert (trace.marker.cmin, trace.marker.cmax) == (0.0, 1.0)
    np.testing.assert_array_equal(trace.marker.color, made.error)
    norm = np.linspace(0, 5, 120)
    norm[7] = np.nan
    unknown, known = render(made.as_view(norm, "norm")).data
    assert (unknown.name, unknown.customdata.tolist(), len(known.x)) == ("unknown", [7], 119)
    assert known.marker.colorbar.title.text == "norm"


def test_three_dimensions_are_a_scene(labelled_set: EmbeddingSet) -> None:
    made = cl_viz.project(labelled_set, "pca", dim=3, cache=False)
    (trace,) = render(made.as_view()).data
    assert trace.type == "scatter3d"
    assert render(made.as_view()).layout.scene.zaxis.title.text == "Axis 3 of the map (map units)"


def test_of_many_points_a_seeded_draw_is_shown_and_told(made: Projection) -> None:
    view = made.as_view(most=50)
    assert "50 of 120 points shown" in view.title
    assert len(view.points) == len(np.unique(view.rows)) == 50
    np.testing.assert_array_equal(view.points, made.coordinates[view.rows])
    np.testing.assert_array_equal(view.rows, made.as_view(most=50).rows)


def test_many_kinds_share_a_colour_and_markup_is_text(made: Projection) -> None:
    many = np.array([f"<b>kind {row // 2}</b>" for row in range(120)])
    figure = render(made.as_view(many, "<i>x</i>"))
    assert len(figure.data) == 21
    assert figure.data[-1].name == "other"
    assert figure.data[0].name.startswith("&lt;b&gt;")
    assert figure.layout.legend.title.text == "&lt;i&gt;x&lt;/i&gt;"


def test_rows_without_a_point_are_left_out_and_a_wrong_length_is_told(rng: np.random.Generator) -> None:
    rows = rng.normal(size=(12, 4))
    rows[2] = 0
    made = cl_viz.project(EmbeddingSet.from_arrays(rows), "pca", cache=False)
    assert made.as_view().rows.tolist() == [0, 1, *range(3, 12)]
    with pytest.raises(InputError, match=r"Allowed: \(12,\)"):
        made.as_view(np.zeros(11))


def test_the_numbers_behind_a_map_are_a_table() -> None:
    view = PointMap("two", np.array([[0.0, 1.0], [2.0, 3.0]]), np.array([4, 9]), np.array(["a", "b"]), Axis("label"))
    assert csv_text(view) == "row,x,y,label\n4,0.0,1.0,a\n9,2.0,3.0,b\n"
    plainly = render(PointMap("two", view.points, view.rows, None, Axis("")))
    assert [trace.name for trace in plainly.data] == ["points"]
