"""Words made for pages and notebooks, and what they are on the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cl_viz._cli.console import OPTIONS, as_options
from cl_viz.cli import main


@pytest.mark.parametrize("text", ["add a label column (Data page)", "pass id=COLUMN", "say which: views=['image']"])
def test_the_options_are_named_where_a_page_or_an_argument_is(text: str) -> None:
    assert as_options("Train longer.", text) == OPTIONS


@pytest.mark.parametrize("text", ["", "Train longer.", "choose fewer clusters", "valid=1"])
def test_nothing_is_said_of_options_elsewhere(text: str) -> None:
    assert as_options(text) == ""


def test_findings_and_errors_name_the_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = np.random.default_rng(0).normal(size=(40, 5))
    np.save(tmp_path / "plain.npy", rows)
    np.savez(tmp_path / "loose.npz", image=rows, caption=rows[:30])
    assert main(["diagnose", "label_retrieval", str(tmp_path / "plain.npy")]) == 0
    assert "Here, the options --view, --label" in capsys.readouterr().out
    assert main(["check", str(tmp_path / "loose.npz")]) == 2
    assert "Here, the options --view" in capsys.readouterr().err
