"""How long all pairs take, as the dashboard says before it has timed a pass and after."""

from __future__ import annotations

import numpy as np
import pytest
import streamlit as st

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.dashboard import cache
from cl_viz.engine import compiled
from cl_viz.engine.plan import Plan

LARGE = cache._WORTH_TIMING * cache._FIRST_GUESS


@pytest.fixture
def some() -> EmbeddingSet:
    st.cache_resource.clear()
    return EmbeddingSet.from_arrays(np.random.default_rng(0).normal(size=(30, 4)))


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> list[EmbeddingSet]:
    """The sets of which parts of a pass were timed: 2e8 scores a second."""
    asked: list[EmbeddingSet] = []
    monkeypatch.setattr(cache, "plan", lambda of: asked.append(of) or Plan("a processor", 1_000_000, 0.005, {}, 0))
    monkeypatch.setattr(compiled, "wait", lambda timeout: True)
    return asked


def test_parts_of_a_pass_are_timed_for_a_large_set_alone(some: EmbeddingSet, planned: list[EmbeddingSet]) -> None:
    assert cache._scores_a_second(some, LARGE / 2) == cache._FIRST_GUESS
    assert planned == []
    assert cache._scores_a_second(some, LARGE) == pytest.approx(2e8)
    assert planned == [some]


def test_a_pass_that_was_timed_tells_more(some: EmbeddingSet, planned: list[EmbeddingSet]) -> None:
    cache._speed().put("scores", 3e8)
    assert cache._scores_a_second(some, 10 * LARGE) == 3e8
    assert planned == []


def test_nobody_waits_for_loops_that_are_being_compiled(
    some: EmbeddingSet, planned: list[EmbeddingSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "wait", lambda timeout: False)
    monkeypatch.setattr(compiled, "failure", lambda: "")
    assert cache._scores_a_second(some, LARGE) == cache._FIRST_GUESS
    # Where they cannot be had, torch's way is timed.
    monkeypatch.setattr(compiled, "failure", lambda: "numba is not installed")
    assert cache._scores_a_second(some, LARGE) == pytest.approx(2e8)
