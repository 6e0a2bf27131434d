"""Names of curves stand beside all curves, or in a legend; titles break into lines of about one length."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import pytest

from cl_viz.core.view import Axis, Lines, Reference, Series
from cl_viz.figures import render
from cl_viz.figures.frame import balanced
from cl_viz.figures.labels import crosses

X = np.geomspace(0.005, 5.0, 21)
RISING, FALLING = 1 / (1 + (0.3 / X) ** 2), 0.85 / (1 + (X / 0.2) ** 2)
NARROWEST = {False: 6.0 / 330, True: 6.0 / 820}
"""Share of the plot that a letter takes, in a window of 1280."""


def lines(*curves: np.ndarray, ends: tuple[float, float] | None, log_y: bool = False) -> Lines:
    names = ("gradient left", "view_2", "push on the same label, beyond chance", "x")
    series = tuple(Series(name, X, curve, "other", "a") for name, curve in zip(names, curves, strict=False))
    y = Axis("Share", range=ends, log=log_y)
    return Lines("t", Axis("Temperature", log=True), y, series, (Reference("here", 0.2),), markers=False)


def covered(figure: go.Figure, view: Lines, wide: bool) -> int:
    """Count the points of densely drawn curves that lie under the names of curves."""
    every = np.concatenate([np.asarray(entry.y) for entry in view.series])
    every = np.log10(every) if view.y.log else every
    low, high = view.y.range or (every.min(), every.max())
    across = np.linspace(0, 1, 4000)
    found = 0
    names = {entry.name for entry in view.series}
    for note in (note for note in figure.layout.annotations if note.text in names):
        right = (note.x - np.log10(X[0])) / np.log10(X[-1] / X[0])
        width, middle = NARROWEST[wide] * len(note.text), (note.y - low) / (high - low)
        left, right = (right, right + width) if note.xanchor == "left" else (right - width, right)
        for entry in view.series:
            y = np.log10(entry.y) if view.y.log else entry.y
            up = (np.interp(across, np.linspace(0, 1, len(X)), y) - low) / (high - low)
            found += int(((across > left) & (across < right) & (abs(up - middle) < 0.02)).sum())
    return found


VIEWS = {
    "long name of a falling curve": lines(RISING, 1 - FALLING / 2, FALLING, ends=(0.0, 1.0)),
    "two alike that end steeply": lines(FALLING**2, FALLING**2 * 1.02, ends=None, log_y=True),
    "one end": lines(RISING, RISING**2, RISING**4, ends=None),
    "waves": lines(*(0.5 + 0.4 * np.sin(np.arange(21) / 2 + turn) for turn in (0, 1, 2, 4)), ends=(0.0, 1.0)),
}


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("kind", list(VIEWS))
def test_no_name_stands_on_a_curve(kind: str, wide: bool) -> None:
    view = VIEWS[kind]
    figure = render(view, wide=wide)
    assert covered(figure, view, wide) == 0
    named = {note.text for note in figure.layout.annotations} - {"here"}
    assert figure.layout.showlegend is not False or named == {entry.name for entry in view.series}


def test_names_stand_at_the_curves_where_there_is_room() -> None:
    for kind in list(VIEWS)[:3]:
        assert render(VIEWS[kind], wide=True).layout.showlegend is False, kind


def test_a_segment_crosses_a_box_only_where_it_has_a_part_in_it() -> None:
    box = (0.4, 0.6, 0.4, 0.6)
    through = [(0.0, 0.0, 1.0, 1.0), (0.5, 0.0, 0.5, 1.0), (0.5, 0.5, 0.5, 0.5), (0.0, 0.5, 0.45, 0.5)]
    beside = [(0.0, 0.0, 0.39, 0.39), (0.3, 0.0, 0.3, 1.0), (0.0, 0.7, 0.7, 1.0), (0.0, 0.3, 0.3, 0.9)]
    assert all(crosses(box, np.array([segment])) for segment in through)
    assert not any(crosses(box, np.array([segment])) for segment in beside)


def test_markers_at_the_end_of_an_axis_are_seen_whole() -> None:
    view = Lines("t", Axis("Step"), Axis("Share", range=(0.0, 1.0)), (Series("a", X, np.ones(21), "other", "a"),))
    assert render(view).data[0].cliponaxis is False


def test_a_title_breaks_into_lines_of_about_one_length_and_keeps_an_n_with_its_number() -> None:
    title = "CCA, mean R2 from 0.194 (mnist-complete-collapse) to 0.425 (mnist-low-temperature)"
    lengths = [len(line) for line in balanced(title, 62)]
    assert len(lengths) == 2
    assert max(lengths) - min(lengths) < 24
    assert balanced("CKA: least 0.189, one and the other (N = 1,000)", 42)[-1].endswith("(N = 1,000)")
    assert balanced("", 62) == [""]
    assert " ".join(balanced(title, 30)) == title
