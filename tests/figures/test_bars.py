"""The names of categories below bars."""

from dataclasses import replace

import numpy as np

from cl_viz.core.view import Axis, Bars, Series
from cl_viz.figures import render


def test_long_names_of_few_categories_are_broken_into_lines() -> None:
    names = np.array(["query_embedding to <b>document</b>", "b"], dtype=object)
    axis = render(Bars("B", Axis("x"), Axis("y"), (Series("s", names, np.ones(2)),))).layout.xaxis
    assert axis.ticktext == ("query_embedding to<br>&lt;b&gt;document&lt;/b&gt;", "b")
    assert axis.tickvals == (0, 1)
    short = np.array(["one", "two"], dtype=object)
    assert render(Bars("B", Axis("x"), Axis("y"), (Series("s", short, np.ones(2)),))).layout.xaxis.ticktext is None


def test_names_of_any_length_leave_room_for_the_bars() -> None:
    longest = "word " * 200
    for count in (1, 6):
        names = np.array([f"{place} {longest}" for place in range(count)], dtype=object)
        upright = Bars("B", Axis("x"), Axis("y"), (Series("s", names, np.ones(count)),))
        for view in (upright, replace(upright, sideways=True)):
            drawn = render(view)
            axis = drawn.layout.yaxis if view.sideways else drawn.layout.xaxis
            assert len(axis.ticktext) == count
            for text in axis.ticktext:
                assert text.endswith("…")
                lines = text.split("<br>")
                assert len(lines) <= 4
                assert max(map(len, lines)) <= 24
            assert list(drawn.data[0].y if view.sideways else drawn.data[0].x) == list(names)


def test_one_bar_does_not_fill_the_figure() -> None:
    for count, wanted in ((1, (-1.5, 1.5)), (2, (-1.0, 2.0)), (3, None)):
        names = np.array(list("abc"[:count]), dtype=object)
        axis = render(Bars("B", Axis("x"), Axis("y"), (Series("s", names, np.ones(count)),))).layout.xaxis
        assert axis.range == wanted
