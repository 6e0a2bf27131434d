"""Which rows an outline, rows from elsewhere and a click mean, on one map and on two."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.run import Run, Snapshot
from cl_viz.dashboard.map_colouring import ERROR, ONE_COLOUR, Shown, options
from cl_viz.dashboard.map_memory import MapMemory
from cl_viz.dashboard.map_selection import clicked_row, current_rows, selected
from cl_viz.dashboard.state import OpenRun
from cl_viz.figures.map_colours import by_entries
from cl_viz.projections import Kept, Projection

LINE = np.stack([np.arange(6), np.zeros(6)], axis=1).astype(np.float32)
LEFT_THREE = ((-0.5, -1.0), (2.5, -1.0), (2.5, 1.0), (-0.5, 1.0))
COLOURS = by_entries("label", np.array([0, 1, 0, 1, 0, 1]))


def projection(places: NDArray[np.float32]) -> Projection:
    kept = Kept(0.5, len(places), len(places), 3)
    error = np.zeros(len(places), dtype=np.float32)
    return Projection(places, "pca", {}, 0, "view_1", "fingerprint", kept, kept, error, 1.0)


def shown(slot: str, places: NDArray[np.float32], step: int = 1, ids: list[str] | None = None) -> Shown:
    rows = np.random.default_rng(0).normal(size=(len(places), 3))
    columns = {} if ids is None else {"id": np.array(ids)}
    found = EmbeddingSet.from_arrays(rows, name=slot, **columns)
    return Shown(
        slot,
        OpenRun(Run.from_set(found), 0, "", "sample", slot),
        found,
        "view_1",
        Snapshot(step),
        "",
        projection(places),
    )


@pytest.fixture
def memory() -> MapMemory:
    return MapMemory(outlines=(LEFT_THREE,), outlined="left@1")


def rows_of(masks: list[NDArray[np.bool_] | None]) -> list[list[int] | None]:
    return [None if mask is None else np.flatnonzero(mask).tolist() for mask in masks]


def test_an_outline_selects_what_is_visible_in_it(memory: MapMemory) -> None:
    entry = shown("left", LINE)
    assert rows_of(selected(memory, [entry], [COLOURS], {})) == [[0, 1, 2]]
    memory.hidden = frozenset({1})
    assert rows_of(selected(memory, [entry], [COLOURS], {})) == [[0, 2]]
    found = current_rows(memory, [entry], [COLOURS], {})
    assert found is not None
    assert found[1].tolist() == [0, 2]


def test_an_outline_of_another_step_selects_the_rows_it_held_there(memory: MapMemory) -> None:
    later = shown("left", LINE[::-1].copy(), step=2)
    assert rows_of(selected(memory, [later], [COLOURS], {"left@1": projection(LINE)})) == [[0, 1, 2]]
    assert rows_of(selected(memory, [later], [COLOURS], {})) == [None]
    assert current_rows(memory, [later], [COLOURS], {}) is None


def test_a_selection_goes_over_to_another_run_by_id_or_by_row(memory: MapMemory) -> None:
    left, right = shown("left", LINE), shown("right", LINE[::-1].copy())
    assert rows_of(selected(memory, [left, right], [COLOURS] * 2, {})) == [[0, 1, 2], [0, 1, 2]]
    left = shown("left", LINE, ids=list("abcdef"))
    right = shown("right", LINE[:4].copy(), ids=list("fbax"))
    assert rows_of(selected(memory, [left, right], [COLOURS] * 2, {})) == [[0, 1, 2], [1, 2]]
    shorter = shown("right", LINE[:4].copy())
    assert rows_of(selected(memory, [left, shorter], [COLOURS] * 2, {})) == [[0, 1, 2], []]


def test_rows_found_otherwise_are_the_selection_of_their_run(memory: MapMemory) -> None:
    left, right = shown("left", LINE), shown("right", LINE)
    memory.picked, memory.picked_of, memory.hidden = np.arange(6) > 3, "right", frozenset({1})
    assert rows_of(selected(memory, [left, right], [COLOURS] * 2, {})) == [[4, 5], [4, 5]]


def test_a_click_means_the_nearest_visible_point() -> None:
    places = LINE.copy()
    places[2] = np.nan
    memory = MapMemory(clicked=(1.2, 0.1), clicked_at="left@1")
    entry = shown("left", places)
    assert clicked_row(memory, [entry], [COLOURS]) == (0, 1)
    memory.hidden = frozenset({1})
    assert clicked_row(memory, [entry], [COLOURS]) == (0, 0)
    memory.hidden = frozenset({0, 1})
    assert clicked_row(memory, [entry], [COLOURS]) is None
    memory.clicked = (1.0, 0.0, 0.0)
    assert clicked_row(memory, [entry], [COLOURS]) is None


def test_a_column_with_an_entry_for_each_sample_is_no_first_colour() -> None:
    rows = np.random.default_rng(0).normal(size=(6, 3))
    queries, places = np.array([f"query {row}" for row in range(6)]), np.array(["a", "b"] * 3)
    columns = {"query": queries, "place": places, "year": np.arange(6)}
    found = options(EmbeddingSet.from_arrays(rows, metadata=columns), "view_1")
    assert found[:3] == ["place", "year", ERROR]
    assert found[-1] == "query"
    alone = options(EmbeddingSet.from_arrays(rows, metadata={"query": queries}), "view_1")
    assert (alone[0], alone[-1]) == (ONE_COLOUR, "query")
