"""The notebook's widget: colours, and a selection in and out."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError, MissingDependencyError
from cl_viz.figures.scatter_widget import ScatterWidget

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def rows() -> np.ndarray:  # type: ignore[type-arg]
    made = np.random.default_rng(5).normal(size=(30, 4)).astype(np.float32)
    made[3] = 0
    return made


@pytest.fixture(scope="module")
def widget(rows: np.ndarray) -> ScatterWidget:  # type: ignore[type-arg]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("jscatter")
        made = cl_viz.project(EmbeddingSet.from_arrays(rows), "pca", cache=False)
        return cl_viz.scatter_widget(made, np.array(["a", "b", "c"] * 10), "label")


def test_a_selection_goes_in_and_comes_out_as_rows_of_the_set(widget: ScatterWidget) -> None:
    assert widget.selection.tolist() == []
    widget.selection = [0, 2, 4, 29]
    assert sorted(widget.selection.tolist()) == [0, 2, 4, 29]
    # The widget counts points, and row 3 has none.
    assert sorted(np.asarray(widget.scatter.selection()).tolist()) == [0, 2, 3, 28]
    widget.selection = np.arange(30) < 5
    assert sorted(widget.selection.tolist()) == [0, 1, 2, 4]
    widget.scatter.selection([3])
    assert widget.selection.tolist() == [4]
    # What the browser says of a lasso comes in by the widget's own trait, and what is set goes out by it.
    widget.scatter.widget.selection = np.array([0, 28])
    assert sorted(widget.selection.tolist()) == [0, 29]
    widget.selection = [4]
    assert np.asarray(widget.scatter.widget.selection).tolist() == [3]
    with pytest.raises(InputError, match="row -1"):
        widget.selection = [-1]


def test_points_and_kinds_are_those_of_the_map(widget: ScatterWidget, rows: np.ndarray) -> None:  # type: ignore[type-arg]
    made = cl_viz.project(EmbeddingSet.from_arrays(rows), "pca", cache=False)
    table = widget.scatter._data
    np.testing.assert_array_equal(table[["x", "y"]].to_numpy(), made.coordinates[made.usable])
    assert table["label"].tolist() == [["a", "b", "c"][row % 3] for row in range(30) if row != 3]


def test_the_error_is_the_colour_by_default(rows: np.ndarray) -> None:  # type: ignore[type-arg]
    pytest.importorskip("jscatter")
    made = cl_viz.project(EmbeddingSet.from_arrays(rows), "pca", cache=False)
    table = cl_viz.scatter_widget(made).scatter._data
    np.testing.assert_allclose(table["Share of the nearest that the map loses"], made.error[made.usable])


def test_what_cannot_be_drawn_is_told(rows: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[type-arg]
    deep = cl_viz.project(EmbeddingSet.from_arrays(rows), "pca", dim=3, cache=False)
    with pytest.raises(InputError, match="3 dimensions"):
        cl_viz.scatter_widget(deep)
    monkeypatch.setitem(sys.modules, "jscatter", None)
    flat = cl_viz.project(EmbeddingSet.from_arrays(rows), "pca", cache=False)
    with pytest.raises(MissingDependencyError, match="pip install"):
        cl_viz.scatter_widget(flat)
