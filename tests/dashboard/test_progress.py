"""Long work says how far it is, and Stop stops it: through Streamlit's own interruption, without a browser."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import streamlit as st
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.runtime.scriptrunner import RerunData, get_script_run_ctx
from streamlit.testing.v1 import AppTest

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.progress import ProgressCallback
from cl_viz.dashboard import progress
from cl_viz.dashboard.text import escape
from cl_viz.engine import Statistics, scanner

_PARTS = 200


def page() -> None:
    """One run and its score distribution, as a page would ask for it."""
    import numpy as np
    import streamlit as st

    from cl_viz.core.embedding_set import EmbeddingSet
    from cl_viz.core.run import Run
    from cl_viz.dashboard import cache, errors, state

    if not state.open_runs():
        random = np.random.default_rng(0)
        first = random.normal(size=(60, 4))
        views = {"view_1": first, "view_2": first + 0.1 * random.normal(size=first.shape)}
        run = Run.from_set(EmbeddingSet.from_arrays(views, name="slow"))
        state.add_run(run, expression="", origin="upload", key="slow")
    state.set_progress_slot(st.empty())
    with errors.boundary("page"):
        found = cache.result(state.open_runs()["slow"], "score_distribution", {})
        st.write(f"found {len(found.quantities)} numbers")


class SlowScan:
    """Reports a part at a time; in its first run somebody presses Stop as soon as it is offered."""

    def __init__(self, real: Callable[..., Statistics], *, pressed: bool) -> None:
        self.real = real
        self.pressed = pressed
        self.reported: list[float] = []
        self.shown: list[str] = []
        self.finished = 0

    def __call__(
        self, embedding_set: EmbeddingSet, *where: str, progress: ProgressCallback, **given: Any
    ) -> Statistics:
        for part in range(1, _PARTS + 1):
            progress(part / _PARTS, f"block {part} of {_PARTS}")
            self.reported.append(part / _PARTS)
            if self.pressed:
                self._press_stop()
            time.sleep(0.002)
        self.finished += 1
        return self.real(embedding_set, *where, progress=progress, **given)

    def _press_stop(self) -> None:
        """Do what the browser does: send the states of the widgets, the button's among them, and ask for a run."""
        context = get_script_run_ctx()
        assert context is not None
        assert context.script_requests is not None
        stops = [widget for widget in context.shared.widget_ids_this_run.snapshot() if "_stop " in widget]
        if stops:
            self.pressed = False
            states = WidgetStates(widgets=[WidgetState(id=stops[0], trigger_value=True)])
            context.script_requests.request_rerun(RerunData(widget_states=states))


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Callable[..., SlowScan]:
    """Replace the scan by a slow one whose bar shows almost at once."""
    monkeypatch.setattr(progress, "_SHOW_AFTER", 0.02)
    monkeypatch.setattr(progress, "_BETWEEN_UPDATES", 0.0)
    st.cache_resource.clear()

    def make(*, pressed: bool) -> SlowScan:
        scan = SlowScan(scanner.scan, pressed=pressed)
        monkeypatch.setattr(scanner, "scan", scan)
        return scan

    return make


def test_stop_marks_the_job_and_the_page_offers_to_compute_it(slow: Callable[..., SlowScan]) -> None:
    scan = slow(pressed=True)
    app = AppTest.from_function(page, default_timeout=60).run()
    assert not app.exception
    assert not scan.pressed
    assert scan.finished == 0
    assert 0 < len(scan.reported) < _PARTS
    (job,) = app.session_state["_stopped_jobs"]
    assert job.startswith("score_distribution/")
    assert any("was stopped" in element.value for element in app.info)
    assert [button.label for button in app.button] == ["Compute"]
    app.run()
    assert scan.finished == 0

    app.button[0].click().run()
    assert scan.finished == 1
    assert len(scan.reported) > _PARTS
    assert any(element.value.startswith("found ") for element in app.markdown)
    assert len(app.button) == 0


def test_long_work_shows_a_bar_with_time_left_and_takes_it_away(
    slow: Callable[..., SlowScan], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[float, str]] = []
    real = st.progress

    def watched(share: float, text: str) -> Any:
        drawn.append((share, text))
        return real(share, text=text)

    monkeypatch.setattr(progress.st, "progress", watched)
    scan = slow(pressed=False)
    app = AppTest.from_function(page, default_timeout=60).run()
    assert not app.exception
    assert scan.finished == 1
    ((share, text),) = drawn
    assert 0 < share < 1
    assert text.startswith(escape("slow: "))
    assert text.endswith("s left")
    assert len(app.button) == 0
    assert not app.get("progress")


def test_short_work_draws_nothing(slow: Callable[..., SlowScan], monkeypatch: pytest.MonkeyPatch) -> None:
    scan = slow(pressed=False)
    monkeypatch.setattr(progress, "_SHOW_AFTER", 60.0)
    monkeypatch.setattr(progress.st, "progress", lambda *_, **__: pytest.fail("a bar was drawn"))
    app = AppTest.from_function(page, default_timeout=60).run()
    assert not app.exception
    assert scan.finished == 1
