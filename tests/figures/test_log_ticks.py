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


def test_ticks_have_one_form_along_an_axis() -> None:
    def drawn(low: float, high: float) -> dict[str, object]:
        ends = np.array([low, high])
        x, y = Axis("x", "", (low, high), log=True), Axis("y", log=True)
        layout = render(Lines("t", x, y, (Series("a", ends, ends),))).layout
        assert layout.xaxis.tickformat == layout.yaxis.tickformat
        return dict(layout.xaxis.to_plotly_json())

    assert drawn(0.01, 100.0)["tickformat"] == ",~g"
    long = drawn(1e-6, 1e4)
    assert list(long["ticktext"]) == [f"10<sup>{power}</sup>" for power in ("−6", "−4", "−2", "0", "2", "4")]  # type: ignore[call-overload]
    np.testing.assert_allclose(long["tickvals"], [1e-6, 1e-4, 1e-2, 1.0, 1e2, 1e4])  # type: ignore[arg-type]
