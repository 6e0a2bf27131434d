"""Lines of several runs say whose they are, and no label stands on another; titles wrap at the figure's width."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from plotly.colors import sample_colorscale, unlabel_rgb

from cl_viz.core.result import Caveats, Result
from cl_viz.core.view import Axis, Heatmap, Lines, Reference, Series, overlay
from cl_viz.figures import at_step, compare, render
from cl_viz.figures.frame import Box, new_canvas, set_axes, touches
from cl_viz.figures.references import add_references
from cl_viz.figures.theme import THEMES, contrast

X = np.array([0.0, 1.0])
RUNS = ("mnist-healthy", "mnist-low-temperature", "mnist-complete-collapse")


def of_run(run: str, *references: Reference, curve: float | None = None) -> Lines:
    series = [Series("curve", X, X, "other", run)]
    if curve is not None:
        series.append(Series("null", X, X * curve, "reference", run))
    return Lines("title", Axis("x", range=(0.0, 1.0)), Axis("y", range=(0.0, 1.0)), tuple(series), references)


def test_a_line_of_one_run_has_its_name_and_colour_and_a_shared_one_none() -> None:
    shared = Reference("chance", 0.5, "y")
    view = overlay([of_run(run, shared, Reference("trained at", place / 10)) for place, run in enumerate(RUNS)], "t")
    assert [entry.runs for entry in view.references if entry.label == "chance"] == [()]
    figure = render(view, run_colours=dict(zip(RUNS, (2, 0, 1), strict=True)), wide=True)
    texts = [note.text for note in figure.layout.annotations]
    assert {f"trained at: {run}" for run in RUNS} <= set(texts)
    assert "chance" in texts
    colours = {shape.line.color for shape in figure.layout.shapes}
    assert colours == {THEMES["light"].muted, *(THEMES["light"].runs[place] for place in range(3))}


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("on", ["x", "y"])
def test_labels_of_lines_close_together_do_not_touch(on: str, wide: bool) -> None:
    canvas = new_canvas("title", THEMES["light"], wide=wide)
    set_axes(canvas, Axis("x", range=(0.0, 1.0)), Axis("y", range=(0.0, 1.0)), THEMES["light"])
    lines = [Reference(f"all {place}", 0.5 + 0.01 * place, on) for place in range(3)]  # type: ignore[arg-type]
    add_references(canvas, lines, THEMES["light"])
    assert len(canvas.taken) == 3
    pairs: list[tuple[Box, Box]] = list(itertools.combinations(canvas.taken, 2))
    assert not any(touches(one, other) for one, other in pairs)


def test_many_lines_of_runs_are_told_by_colour_and_the_legend_says_so() -> None:
    runs = [f"run {place}" for place in range(8)]
    figure = render(overlay([of_run(run, Reference("floor", place / 9)) for place, run in enumerate(runs)], "t"))
    assert not figure.layout.annotations
    assert [trace.name for trace in figure.data].count("floor, in the run's colour") == 1


def test_a_reference_curve_that_differs_between_runs_stays_theirs() -> None:
    def result(run: str, curve: float) -> Result:
        return Result("d", run, {}, {"v": of_run(run, curve=curve)}, (), Caveats(10, 0, 3, ("v",)))

    names = [trace.name for trace in render(compare([result("a", 0.2), result("b", 0.4)], "v")).data]
    assert {"null, a", "null, b"} <= set(names)
    alike = compare([result("a", 0.2), result("b", 0.2)], "v")
    assert [trace.name for trace in render(alike).data].count("null") == 1


def test_a_title_wraps_at_the_width_of_its_figure() -> None:
    title = "Share of the negatives that carry the push from 0.00659 (mnist-low-temperature) to 1.000 (mnist-healthy)"
    view = Lines(title, Axis("x"), Axis("y"), (Series("curve", X, X),))
    assert "<br>" not in render(view, wide=True).layout.title.text
    assert len(render(view).layout.title.text.split("<br>")) == 2


def test_the_title_of_an_axis_breaks_only_where_its_side_is_too_short() -> None:
    title = "Alignment (mean squared distance of views)"
    view = Lines("", Axis(title), Axis(title), (Series("curve", X, X),))
    assert render(view, wide=True).layout.xaxis.title.text == title
    assert "<br>" in render(view, wide=True).layout.yaxis.title.text


@pytest.mark.parametrize("high", [10.0, 1e9])
def test_ticks_of_a_logarithmic_axis_are_as_large_as_others(high: float) -> None:
    view = Lines("", Axis("x", range=(0.1, high), log=True), Axis("y"), (Series("curve", X, X),))
    layout = render(view).layout
    assert layout.xaxis.tickfont.size == layout.yaxis.tickfont.size


def matrix(size: int = 4, label: str = "Training step") -> Heatmap:
    labels = tuple(f"{10 * place}" for place in range(size))
    values = np.linspace(-1, 1, size * size).reshape(size, size)
    return Heatmap("t", Axis(label), Axis(label), values, labels, labels, Axis("cosine", range=(-1, 1)), centre=0.0)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("centre", [0.0, None])
def test_numbers_in_cells_can_be_read_in_both_themes(theme: str, centre: float | None) -> None:
    figure = render(replace(matrix(), centre=centre), theme)  # type: ignore[arg-type]
    cells, *texts = figure.data
    assert sum(len(trace.text) for trace in texts) == 16
    for trace in texts:
        for text in trace.text:
            share = (float(text) + 1) / 2
            (rgb,) = sample_colorscale([list(stop) for stop in cells.colorscale], [share])
            cell = "#" + "".join(f"{round(channel):02x}" for channel in unlabel_rgb(rgb))
            assert contrast(cell, trace.textfont.color) >= 4.4  # the text is rounded to two digits


def test_a_matrix_of_steps_marks_the_step_and_others_do_not() -> None:
    marked = at_step(matrix(), 20, {})
    assert isinstance(marked, Heatmap)
    frames = render(marked).layout.shapes
    ends = [(frame.x0, frame.x1, frame.y0, frame.y1) for frame in frames]
    assert ends == [(-0.5, 3.5, 1.5, 2.5), (1.5, 2.5, -0.5, 3.5)]
    assert at_step(plain := matrix(), 21, {}) is plain
    assert not render(at_step(matrix(label="Class"), 20, {})).layout.shapes


def test_many_and_long_names_of_classes_are_shortened_and_told_in_full() -> None:
    labels = tuple(f"a class with a very long name indeed {place}" for place in range(60))
    view = Heatmap("t", Axis("x"), Axis("y"), np.eye(60), labels, labels, Axis("cosine"))
    figure = render(view)
    assert len(figure.layout.xaxis.ticktext) <= 8
    assert all(len(text) <= 22 for text in figure.layout.yaxis.ticktext)
    # What they differ in stays, also where it is their end.
    assert len(set(figure.layout.yaxis.ticktext)) == len(figure.layout.yaxis.ticktext) > 1
    assert list(figure.data[0].x) == list(labels)
    assert len(figure.data) == 1


def test_lines_of_one_label_at_one_place_share_it() -> None:
    def labels(*places: float) -> list[str]:
        lines = tuple(Reference("chance", at, "y", runs=(f"run {at}",)) for at in places)
        view = Lines("", Axis("x"), Axis("y", range=(0.0, 1.0)), (Series("curve", X, X),), lines)
        return [note.text for note in render(view).layout.annotations if "chance" in note.text]

    assert labels(0.5, 0.51, 0.52) == ["chance"]
    assert labels(0.2, 0.8) == ["chance", "chance"]


def test_a_line_of_several_runs_counts_them_where_their_names_do_not_fit() -> None:
    names = ("mnist-healthy", "mnist-low-temperature")
    view = Lines("", Axis("x"), Axis("y"), (Series("curve", X, X),), (Reference("unit length", 1.0, runs=names),))
    assert "unit length, 2 runs" in [note.text for note in render(view).layout.annotations]
    assert "unit length: mnist-healthy, mnist-low-temperature" in [
        note.text for note in render(view, wide=True).layout.annotations
    ]
