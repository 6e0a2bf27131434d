"""A run folder that grows is followed while it is open and wanted; nothing else is looked at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

import cl_viz
from cl_viz.dashboard import watching

OpenApp = Callable[..., AppTest]
Dump = Callable[..., Path]
PROBE = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def recorder(tmp_path: Path) -> cl_viz.Recorder:
    made = cl_viz.Recorder(tmp_path / "course", PROBE, every=1)
    for step in range(2):
        made.step(noisy, step)
    return made


def noisy(batch: torch.Tensor, view: str) -> torch.Tensor:
    return batch + 0.1 * torch.randn_like(batch)


def test_new_snapshots_are_read_where_they_are_wanted(open_app: OpenApp, recorder: cl_viz.Recorder) -> None:
    app = open_app(recorder.path, page="start/data")
    assert not app.error
    assert "last snapshot" in "\n".join(element.value for element in app.caption)
    app.sidebar.checkbox[0].set_value(False).run()
    recorder.step(noisy, 2)
    app.run()
    assert app.session_state["_runs"]["course"].run.steps == (0, 1, 2)
    assert app.sidebar.checkbox[0].value is False  # hidden by the user: stays so
    app.toggle(key="follow").set_value(False).run()
    recorder.step(noisy, 3)
    app.run()
    assert app.session_state["_runs"]["course"].run.steps == (0, 1, 2)
    app.toggle(key="follow").set_value(True).run()
    assert app.session_state["_runs"]["course"].run.steps == (0, 1, 2, 3)
    assert not app.error
    assert not app.exception


def test_a_finished_folder_and_a_dump_are_not_looked_at(
    open_app: OpenApp, recorder: cl_viz.Recorder, dump: Dump, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder.close()
    monkeypatch.setattr(watching, "_look", lambda wanted: pytest.fail("looked"))
    app = open_app(recorder.path, dump(), page="start/data")
    assert not app.error
    assert not app.exception
    assert [toggle.key for toggle in app.sidebar.toggle] == []


def test_a_folder_that_vanishes_is_no_error(open_app: OpenApp, recorder: cl_viz.Recorder) -> None:
    import shutil

    app = open_app(recorder.path, page="start/data")
    shutil.rmtree(recorder.path)
    app.run()
    assert not app.exception
    assert not app.error
    assert [toggle.key for toggle in app.sidebar.toggle] == []
