"""The documentation site builds without a warning, asks nothing of the outside, and has a page for every entry."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cl_viz.diagnostics import DIAGNOSTICS
from cl_viz.losses import losses
from docs import site_hooks


@pytest.fixture(scope="module")
def site(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=checkout,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(checkout), site_hooks.FIGURES: "0", "NO_MKDOCS_2_WARNING": "1"},
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_diagnostic_and_loss_has_a_page(site: Path) -> None:
    for folder, names in (("diagnostics", DIAGNOSTICS), ("losses", losses())):
        for name in names:
            page = (site / folder / f"{name}.html").read_text(encoding="utf-8")
            assert "<math" in page, name
    assert "Five minutes" in (site / "tour.html").read_text(encoding="utf-8")


def test_nothing_is_fetched_from_the_outside(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > len(DIAGNOSTICS) + len(losses())
    fetched = re.compile(r'<(?:script|img|iframe)[^>]*\ssrc="?(https?:[^"\s>]+)|<link[^>]*\shref="?(https?:[^"\s>]+)')
    found = {match.group(0) for page in pages for match in fetched.finditer(page.read_text(encoding="utf-8"))}
    assert found == set()


def test_an_example_is_a_figure_of_a_bundled_run_with_what_was_found() -> None:
    text = site_hooks.example("score_distribution")
    assert "On the bundled run `mnist-healthy`" in text
    assert "N = 1,000" in text
    assert "Plotly.newPlot" in text


def test_a_loss_is_shown_by_what_it_pushes_on() -> None:
    assert "Plotly.newPlot" in site_hooks.loss_example("ntxent")
    # The bundled run has two views.
    assert site_hooks.loss_example("triplet_explicit") == ""
