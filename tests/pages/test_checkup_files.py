"""What the checkup saves of several runs says how they differ, against the reference run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import cl_viz
from cl_viz.core.result import Result
from cl_viz.dashboard import checkup, state

Dump = Callable[..., Path]
OpenApp = Callable[..., AppTest]
Files = Mapping[str, tuple[str, str, Callable[[], str | bytes]]]


def only_isotropy(runs: Sequence[state.OpenRun]) -> dict[str, dict[str, Result]]:
    """Return one result of each run, instead of those of every quick question."""
    return {opened.name: {"isotropy": cl_viz.diagnose("isotropy", opened.run)} for opened in runs}


def test_files_of_several_runs_say_how_they_differ(
    open_app: OpenApp, dump: Dump, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered: list[Files] = []
    monkeypatch.setattr(checkup, "take_away", offered.append)
    monkeypatch.setattr(checkup, "show", only_isotropy)
    app = open_app(dump("first.npz"), dump("second.npz"))
    assert not app.exception
    for label in ("Report", "Markdown"):
        made = str(offered[-1][label][2]())
        assert "How do the runs differ?" in made
        assert "judged numbers differ from those of first beyond noise" in made
