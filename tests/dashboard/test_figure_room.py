"""How high figures are drawn: the plot keeps its room where runs are many, or have long names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cl_viz.core.view import Axis, Lines, Series
from cl_viz.dashboard import drawn_figures
from cl_viz.figures import render

LONG = "simclr-resnet50-batch-4096-temperature-0.1-{}"


def drawn(runs: list[str], title: str = "Found, N = 1,000") -> Any:
    places = np.linspace(0, 1, 3)
    series = [Series(kind, places, places, run=run) for run in runs for kind in ("measured", "expected")]
    view = Lines(title, Axis("Place", "", (0, 1)), Axis("Share", "", (0, 1)), tuple(series))
    return render(view, run_colours={run: number for number, run in enumerate(runs)})


def height_on_page(figure: Any, monkeypatch: pytest.MonkeyPatch) -> int:
    put: list[int] = []
    monkeypatch.setattr("streamlit.plotly_chart", lambda *args, height, **kwargs: put.append(height))
    drawn_figures.chart(figure, "figure any", "Found", 400)
    return put[0]


def test_few_short_names_take_nothing_from_the_plot(monkeypatch: pytest.MonkeyPatch) -> None:
    assert height_on_page(drawn(["first", "second", "third"]), monkeypatch) == 400


def test_a_legend_of_many_rows_is_made_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    six = height_on_page(drawn([LONG.format(number) for number in range(6)]), monkeypatch)
    assert six == 400 + 7 * 30 - 90  # a row a run, and one for the styles
    sixty = height_on_page(drawn([LONG.format(number) for number in range(60)]), monkeypatch)
    assert sixty == 400 + 330 - 90


def test_lines_of_a_long_title_are_added(monkeypatch: pytest.MonkeyPatch) -> None:
    title = f"AUC from 0.763 ({LONG.format(1)}, N = 1,000) to 0.999 ({LONG.format(2)}, N = 1,000)"
    assert height_on_page(drawn(["first"], title), monkeypatch) == 400 + 20
