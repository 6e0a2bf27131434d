"""Ticks of a logarithmic axis neither touch nor are missing."""

from __future__ import annotations

import numpy as np
import pytest

from cl_viz.core.view import Axis, Lines, Series
from cl_viz.figures import render


@pytest.mark.parametrize(("decades", "tick"), [(1.0, "D2"), (5.0, 1), (16.0, 2), (30.0, 4)])
def test_ticks_follow_the_length_of_the_axis(decades: float, tick: int | str) -> None:
    values = np.array([1.0, 10.0**-decades])
    view = Lines("t", Axis("x"), Axis("y", log=True), (Series("a", np.arange(2.0), values),))
    assert render(view).layout.yaxis.dtick == tick


def test_an_axis_without_positive_values_is_drawn() -> None:
    view = Lines("t", Axis("x"), Axis("y", log=True), (Series("a", np.empty(0), np.empty(0)),))
    assert render(view).layout.yaxis.type == "log"
