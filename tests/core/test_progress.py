"""A progress bar in a notebook or a terminal."""

from __future__ import annotations

import sys
from pathlib import Path

import IPython  # noqa: F401  # what a notebook has imported before anything else
import numpy as np
import pytest
import tqdm.std

import cl_viz
from cl_viz.core import progress
from cl_viz.core.errors import MissingDependencyError


def test_the_bar_goes_from_nothing_to_all(capsys: pytest.CaptureFixture[str]) -> None:
    rows = np.random.default_rng(0).normal(size=(300, 8))
    with cl_viz.progress_bar("all pairs") as progress:
        cl_viz.scan(cl_viz.EmbeddingSet.from_arrays(rows), cache=False, progress=progress)
    drawn = capsys.readouterr().err
    assert "all pairs" in drawn
    assert "100%" in drawn


def test_without_tqdm_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(MissingDependencyError, match="notebook"), cl_viz.progress_bar():
        pass


class Kernel:
    """A shell as a notebook has one."""

    kernel = object()


def test_a_notebook_shows_a_bar_only_where_it_takes_a_while(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("IPython.get_ipython", Kernel)
    monkeypatch.setitem(sys.modules, "tqdm.auto", tqdm.std)
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    bar = progress.or_bar(None, "All pairs")
    bar(0.2, "reading rows")
    assert capsys.readouterr().err == ""
    now[0] += 3.0
    bar(0.5, "scores")
    assert "All pairs:  50%" in capsys.readouterr().err
    # A step back is not drawn, and the end takes the bar away.
    bar(0.4, "scores")
    assert bar._bar.n == 0.5  # type: ignore[attr-defined]
    bar(1.0, "done")
    assert bar._bar.n == bar._bar.total  # type: ignore[attr-defined]
    assert bar._bar.disable  # type: ignore[attr-defined]


def test_elsewhere_or_without_tqdm_nothing_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert progress.or_bar(progress.silent, "x") is progress.silent
    monkeypatch.setattr("IPython.get_ipython", lambda: None)
    assert progress.or_bar(None, "x") is progress.silent
    monkeypatch.setattr("IPython.get_ipython", Kernel)
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    bar = progress.or_bar(None, "x")
    bar(0.5, "scores")
    bar(1.0, "done")
    assert capsys.readouterr().err == ""


def test_what_takes_long_shows_its_bar_in_a_notebook(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("IPython.get_ipython", Kernel)
    monkeypatch.setitem(sys.modules, "tqdm.auto", tqdm.std)
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)
    rows = np.random.default_rng(0).normal(size=(30, 8))
    asked = {
        "All pairs": lambda: cl_viz.scan(rows, cache=False),
        "Pairs": lambda: cl_viz.find_pairs(rows),
        "Score distribution": lambda: cl_viz.diagnose("score_distribution", (rows, rows)),
        "Checkup of embeddings": lambda: cl_viz.check(rows),
        "Comparison": lambda: cl_viz.compare_runs({"a": rows, "b": rows}, diagnostics=["spectrum"]),
        "Report": lambda: cl_viz.report(rows, tmp_path / "out.json"),
        "Map of embeddings": lambda: cl_viz.project(rows, "pca", cache=False),
    }
    for title, ask in asked.items():
        ask()
        assert f"{title}: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.2, "1 s"), (8.4, "8 s"), (119.4, "119 s"), (150.0, "2 min"), (5000.0, "83 min"), (9000.0, "2.5 h")],
)
def test_times_are_told_in_the_unit_that_people_use(seconds: float, told: str) -> None:
    assert progress.duration(seconds) == told
