"""Bars of many categories: both ends at first, all of them below each other, and the lines that make the same."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

import cl_viz
from cl_viz.core.view import Axis, Bars, Lines, Reference, Series
from cl_viz.figures import at_ends, below_each_other, python_lines, render
from cl_viz.figures.many_bars import categories, tall

NAMES = np.array([f"class {place}" for place in range(50)])
HEIGHTS = np.random.default_rng(0).permutation(50) / 50


def bars(*runs: str) -> Bars:
    series = tuple(
        Series("recall", NAMES, HEIGHTS, "other", run, low=HEIGHTS - 0.1, high=HEIGHTS + 0.1) for run in runs or ("a",)
    )
    return Bars("t", Axis("Class"), Axis("Recall", range=(0.0, 1.0)), series, (Reference("chance", 0.02, "y"),))


def test_both_ends_are_kept_lowest_first_with_their_intervals() -> None:
    view = at_ends(bars("a", "b"), 5)
    assert isinstance(view, Bars)
    assert len(categories(view)) == 10
    assert view.x.title == "Class (5 lowest and 5 highest of 50)"
    for entry in view.series:
        assert list(entry.y) == sorted([*np.sort(HEIGHTS)[:5], *np.sort(HEIGHTS)[-5:]])
        assert entry.low is not None
        np.testing.assert_allclose(entry.low, entry.y - 0.1)


def test_few_bars_and_other_figures_stay_as_they_are() -> None:
    few = at_ends(bars(), 25)
    assert categories(few) == list(NAMES)
    lines = Lines("t", Axis("x"), Axis("y"), ())
    assert at_ends(lines) is lines
    assert below_each_other(lines) is lines
    assert categories(lines) == []


def test_all_bars_lie_below_each_other_with_the_lowest_on_top() -> None:
    view = below_each_other(bars("a", "b"))
    figure = json.loads(render(view).to_json())
    assert {trace["orientation"] for trace in figure["data"]} == {"h"}
    assert len(figure["data"][0]["y"]) == 50
    assert figure["data"][0]["y"][0] == NAMES[int(np.argmin(HEIGHTS))]
    assert figure["layout"]["yaxis"]["title"]["text"] == "Class"
    assert figure["layout"]["shapes"][0]["x0"] == 0.02
    assert tall(view) > 50 * 20


def test_a_hundred_thousand_categories_and_missing_numbers_are_bounded() -> None:
    names = np.array([f"id {place}" for place in range(100_000)])
    heights = np.linspace(0, 1, 100_000)
    heights[7] = np.nan
    view = below_each_other(Bars("t", Axis("Id"), Axis("y"), (Series("s", names, heights),)))
    assert len(categories(view)) == 400
    assert "id 7" not in categories(view)


def test_the_python_lines_make_the_same_bars() -> None:
    made = cl_viz.EmbeddingSet.from_arrays(
        {"one": np.random.default_rng(0).normal(size=(600, 6)), "two": np.random.default_rng(1).normal(size=(600, 6))},
        label=np.arange(600) % 30,
    )  # fmt: skip
    result = cl_viz.diagnose("neighbor_accuracy", made)
    lines = python_lines("neighbor_accuracy", ["given"], "recalls", bars="at_ends", wide=True)
    *setup, last = lines.splitlines()
    names = {"given": made}
    exec("\n".join([*setup, f"figure = {last}"]), names)
    assert names["figure"].to_json() == render(at_ends(result.views["recalls"]), wide=True).to_json()  # type: ignore[attr-defined]


def test_bars_of_one_run_that_stand_for_different_things_differ_in_their_pattern() -> None:
    names = np.array(["there", "back"])
    series = tuple(
        Series(kind, names, np.array([0.2, 0.4]), "other", run) for run in "ab" for kind in ("as it is", "gap closed")
    )
    view = Bars("t", Axis("Direction"), Axis("Recall"), series)
    for sideways in (False, True):
        drawn = render(replace(view, sideways=sideways))
        bars_of_runs, legend = drawn.data[:4], drawn.data[4:]
        fills = [(bar.marker.color, bar.marker.pattern.shape or "") for bar in bars_of_runs]
        assert len(set(fills)) == 4
        assert [bar.name for bar in legend] == ["as it is", "gap closed"]
        assert [bar.marker.pattern.shape or "" for bar in legend] == [shape for _, shape in fills[:2]]
        assert {bar.offsetgroup for bar in legend} <= {bar.offsetgroup for bar in bars_of_runs}, "takes room of its own"
    one = render(replace(view, series=series[:2]))
    assert len(one.data) == 2
    assert not any(bar.marker.pattern.shape for bar in one.data), "colour says it where the run has none"
    own = render(replace(view, series=series[:2]), run_colours={"a": 0, "b": 1})
    assert len({bar.marker.color for bar in own.data}) == 1, "the colour of another run"
    assert len({bar.marker.pattern.shape or "" for bar in own.data}) == 2
