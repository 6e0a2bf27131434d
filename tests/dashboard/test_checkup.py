"""The checkup stays readable while more is being found."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from cl_viz.dashboard import checkup


def page() -> None:
    import numpy as np

    from cl_viz.core.embedding_set import EmbeddingSet
    from cl_viz.core.run import Run
    from cl_viz.dashboard import checkup, state

    if not state.open_runs():
        rows = np.random.default_rng(0).normal(size=(60, 4))
        state.add_run(Run.from_set(EmbeddingSet.from_arrays(rows, name="one")), expression="", origin="upload", key="")
    checkup.show(list(state.open_runs().values()))


def test_what_is_known_is_drawn_before_slow_questions_are_looked_at_and_once_where_all_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[int] = []
    when_slow: list[list[int]] = []
    real = checkup.slow_work

    def looking(runs: Any, results: checkup.Results) -> Any:
        when_slow.append(list(drawn))
        return real(runs, results)

    monkeypatch.setattr(checkup, "slow_work", looking)
    monkeypatch.setattr(checkup, "_draw", lambda place, results: drawn.append(len(results["one"])))
    app = AppTest.from_function(page, default_timeout=120).run()
    assert not app.exception
    quick = len([spec for spec in checkup.DIAGNOSTICS.values() if spec.quick])
    assert when_slow[0][-1] == quick
    # With every result at hand, cells are not emptied and filled again, however busy the machine.
    monkeypatch.setattr(checkup, "_FIRST_DRAWING", 60.0)
    found = drawn[-1]
    assert found > quick
    drawn.clear()
    app.run()
    assert drawn == [found]
