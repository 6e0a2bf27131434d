"""The app, run without a browser, on dumps of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.dashboard import aspects, long_work

OpenApp = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def _empty_caches(one_search_for_components: None) -> Iterator[None]:
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


@pytest.fixture(autouse=True)
def _asks_only_before_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Estimates are times of this machine: let a busy one draw at once what an idle one draws at once."""
    monkeypatch.setattr(long_work, "ASK_ABOVE_SECONDS", 60.0)


@pytest.fixture
def open_app(monkeypatch: pytest.MonkeyPatch, checkout: Path) -> OpenApp:
    """Start the app on some paths, on a page as a link does; `by_start` draws the start page, a checkup, before it."""

    def start(*paths: Path, page: str = "", by_start: bool = False, **query: str | list[str]) -> AppTest:
        monkeypatch.setattr("sys.argv", ["app.py", *map(str, paths)])
        app = AppTest.from_file(str(checkout / "app.py"), default_timeout=120)
        if page and by_start:
            app.run()
        if page:
            app.switch_page(f"pages/{page}.py")
        for name, value in query.items():
            app.query_params[name] = value
        return app.run()

    return start


@pytest.fixture
def controls_of_parameters() -> Callable[[AppTest, str], set[str]]:
    """Return which parameters, of those that any aspect of a page takes, have a control in sight."""

    def found(app: AppTest, page: str) -> set[str]:
        known = set().union(*(aspects.parameters(page, title) for title in aspects.PAGES[page].titles))
        kinds = (app.select_slider, app.slider, app.segmented_control, app.toggle, app.number_input)
        return {str(control.key) for kind in kinds for control in kind} & known

    return found


@pytest.fixture
def dump(labelled_set: EmbeddingSet, tmp_path: Path) -> Callable[..., Path]:
    """Write a dump of two views; `spread` sets how far the views of a sample are apart."""

    def write(name: str = "first.npz", spread: float = 0.3, **columns: np.ndarray) -> Path:
        generator = np.random.default_rng(len(name))
        first = labelled_set.views["view_1"]
        second = first + spread * generator.normal(size=first.shape).astype(np.float32)
        path = tmp_path / name
        with path.open("wb") as file:
            np.savez(file, view_1=first, view_2=second, **(columns or {"label": labelled_set.role("label")}))
        return path

    return write
