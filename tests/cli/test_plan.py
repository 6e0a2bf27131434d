"""`cl-viz plan` of a set in which some rows have no label: the second pass is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cl_viz.cli import main


def test_plan_tells_the_second_pass_over_the_labelled_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = np.random.default_rng(0).normal(size=(60, 4))
    label = np.arange(60) % 3
    path = tmp_path / "dump.npz"
    np.savez(path, rows=rows, known=np.where(np.arange(60) < 30, label, np.nan), label=label)
    assert main(["plan", str(path)]) == 0
    assert "second pass" not in capsys.readouterr().out
    assert main(["plan", str(path), "--label", "known"]) == 0
    shown = capsys.readouterr().out
    assert "30 of 60 rows have a label" in shown
    assert f"about {(60 * 60 // 2 + 60 * 60) // 4:,} scores" in shown
