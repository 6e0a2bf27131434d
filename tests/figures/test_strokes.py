"""Colours of curves: a meaning, a run or a loss is never taken for another; outlines are no points."""

from __future__ import annotations

import numpy as np

from cl_viz.core.view import Axis, Lines, Meaning, Scatter, Series
from cl_viz.figures import render
from cl_viz.figures.strokes import strokes
from cl_viz.figures.theme import LIGHT, run_colour

X = np.array([0.0, 1.0])


def _colours(*meanings: Meaning) -> list[str]:
    series = tuple(Series(f"curve {index}", X, X, meaning, "run") for index, meaning in enumerate(meanings))
    return [stroke.colour for stroke in strokes(series, LIGHT, {"run": 0})]


def test_a_curve_alone_takes_the_colour_of_its_run() -> None:
    assert _colours("other") == [run_colour(0, LIGHT)]
    assert _colours("other", "reference")[0] == run_colour(0, LIGHT)


def test_beside_meanings_a_curve_without_one_takes_no_runs_colour() -> None:
    positive, negative, other = _colours("positive", "negative", "other")
    assert other == LIGHT.meanings["other"]
    assert len({positive, negative, other}) == 3


def test_curves_of_one_run_take_no_other_runs_colour() -> None:
    views = tuple(Series(name, X, X, "other", "run") for name in ("view_1", "view_2"))
    found = strokes(views, LIGHT, {"first": 0, "run": 1})
    assert {stroke.colour for stroke in found} == {run_colour(1, LIGHT)}
    assert len({stroke.dash for stroke in found}) == 2
    assert len({stroke.colour for stroke in strokes(views, LIGHT, {"run": 1}, dashed=False)}) == 2, (
        "points have no dash"
    )


def test_no_two_kinds_of_curve_share_a_dash() -> None:
    kinds: tuple[tuple[str, Meaning], ...] = (("pairs", "positive"), ("strangers", "negative"), ("own view", "other"))
    several = tuple(Series(name, X, X, meaning, run) for run in ("a", "b") for name, meaning in kinds)
    assert len({stroke.dash for stroke in strokes(several, LIGHT, {})[:3]}) == 3
    befores = tuple(Series(f"{name} before", X, X, "reference", "a") for name, _ in kinds)
    found = strokes((several[0], *befores), LIGHT, {})
    assert len({stroke.dash for stroke in found}) == 4
    assert {stroke.colour for stroke in found[1:]} == {LIGHT.meanings["reference"]}


def test_a_shape_keeps_its_proportions_and_its_outline_is_a_line() -> None:
    points, outline = Series("points", X, X, "other", "a"), Series("outline", X, X, "reference")
    figure = render(Scatter("shape", Axis("x"), Axis("y"), (points, outline), equal=True))
    assert [trace.mode for trace in figure.data] == ["markers", "lines"]
    assert figure.layout.yaxis.scaleanchor == "x"
    assert not figure.layout.showlegend
    assert render(Scatter("plain", Axis("x"), Axis("y"), (points,))).layout.yaxis.scaleanchor is None


def test_a_curve_that_is_nowhere_has_no_label_and_one_that_ends_early_has_it_at_its_end() -> None:
    x = np.arange(4.0)
    series = (
        Series("nowhere", x, np.full(4, np.nan)),
        Series("ends early", x, np.array([0.2, 0.5, np.nan, np.nan])),
    )
    figure = render(Lines("ends", Axis("x"), Axis("y"), series))
    labels = [note for note in figure.layout.annotations if note.text in ("nowhere", "ends early")]
    assert [(note.text, note.x) for note in labels] == [("ends early", 1.0)]
    nowhere = render(Lines("nothing", Axis("x"), Axis("y"), (series[0], series[0])))
    assert not [note for note in nowhere.layout.annotations if note.text == "nowhere"]


def test_a_label_stands_beside_the_curves_and_not_on_one() -> None:
    x = np.linspace(0, 1, 11)
    falling = Series("one vote each", x, 0.9 - 0.6 * x, "other", "a")
    level = Series("weighted", x, np.full(11, 0.95), "other", "a")
    figure = render(Lines("t", Axis("x", range=(0.0, 1.0)), Axis("y", range=(0.0, 1.0)), (falling, level)), wide=True)
    label = next(note for note in figure.layout.annotations if note.text == "one vote each")
    assert label.y < 0.3, "above its end the falling curve would run through it"
