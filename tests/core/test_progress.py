"""A progress bar in a notebook or a terminal."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import cl_viz
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
