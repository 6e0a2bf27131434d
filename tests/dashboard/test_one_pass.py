"""The checkup finds statistics and neighbours in one pass and asks for it once; a page pays for what it shows."""

from __future__ import annotations

from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from cl_viz.dashboard import long_work
from cl_viz.engine import scanner


def page() -> None:
    """Two questions on one run: together, as the checkup asks them, or the first one alone."""
    import numpy as np
    import streamlit as st

    from cl_viz.core.embedding_set import EmbeddingSet
    from cl_viz.core.run import Run
    from cl_viz.dashboard import cache, errors, long_work, state

    if not state.open_runs():
        rows = np.random.default_rng(0).normal(size=(60, 4))
        state.add_run(Run.from_set(EmbeddingSet.from_arrays(rows, name="one")), expression="", origin="upload", key="")
    opened = next(iter(state.open_runs().values()))
    both = ("hubness", "score_distribution")
    together = st.session_state.get("together", True)
    waiting = []
    for name in both if together else both[:1]:
        try:
            st.write(f"found {cache.result(opened, name, {}, beside=both if together else ()).diagnostic}")
        except long_work.LongWork as work:
            waiting.append(work)
    if waiting:
        errors.show_long_work(waiting, "page")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the passes that are made."""
    made: list[str] = []
    for name in ("scan", "nearest"):
        real = getattr(scanner, name)

        def counting(*given: Any, real: Any = real, name: str = name, **named: Any) -> Any:
            made.append(name)
            return real(*given, **named)

        monkeypatch.setattr(scanner, name, counting)
    st.cache_resource.clear()
    return made


def test_questions_asked_together_are_asked_about_once_and_take_one_pass(
    made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_work, "ASK_ABOVE_SECONDS", 0.0)
    app = AppTest.from_function(page, default_timeout=60).run()
    (question,) = app.info
    assert question.value.count("about") == 1
    assert not made
    app.button[0].click().run()
    assert not app.exception
    assert [element.value for element in app.markdown] == ["found hubness", "found score_distribution"]
    assert made == ["scan"]


def test_a_question_asked_alone_takes_its_own_pass(made: list[str]) -> None:
    app = AppTest.from_function(page, default_timeout=60)
    app.session_state["together"] = False
    app.run()
    assert not app.exception
    assert made == ["nearest"]
    app.session_state["together"] = True
    app.run()
    assert made == ["nearest", "scan"]


def partly_labelled() -> None:
    """Two questions of labels on a run of which half the rows have one."""
    import numpy as np

    from cl_viz.core.embedding_set import EmbeddingSet
    from cl_viz.core.run import Run
    from cl_viz.dashboard import cache, errors, long_work, state

    if not state.open_runs():
        rows = np.random.default_rng(0).normal(size=(60, 4))
        label = np.where(np.arange(60) < 30, np.arange(60) % 3, np.nan)
        state.add_run(
            Run.from_set(EmbeddingSet.from_arrays(rows, label=label, name="one")),
            expression="",
            origin="upload",
            key="",
        )
    for name in ("spectrum", "hubness", "score_distribution"):
        try:
            cache.result(next(iter(state.open_runs().values())), name, {})
        except long_work.LongWork as work:
            errors.show_long_work([work], name)


def test_the_second_pass_over_the_labelled_rows_is_part_of_the_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    st.cache_resource.clear()
    monkeypatch.setattr(long_work, "ASK_ABOVE_SECONDS", 0.0)
    app = AppTest.from_function(partly_labelled, default_timeout=60).run()
    hubness, scores = (element.value for element in app.info)
    assert "have a label" not in hubness
    assert "60 samples, and again of the 50 % that have a label" in scores
