"""Nothing is praised beside a collapse."""

from __future__ import annotations

import numpy as np
import pytest

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.run import Run, Snapshot
from cl_viz.diagnostics import DIAGNOSTICS, check, diagnose
from cl_viz.diagnostics._one_point import FACTS_OF_THE_FILE
from cl_viz.engine.scanner import Scanner

N, D = 100, 12


def _run(noise: float, dims: int) -> Run:
    """Two steps of two views: rows in `dims` directions around one point, or around nothing, with noise."""

    def at(seed: int) -> EmbeddingSet:
        generator = np.random.default_rng(seed)
        rows = generator.normal(size=(N, dims)) @ np.eye(dims, D) if dims else np.ones((N, D))
        views = {name: (rows + noise * generator.normal(size=(N, D))).astype(np.float32) for name in ("one", "two")}
        label = np.arange(N) % 3
        return EmbeddingSet.from_arrays(views, label=label, group=np.arange(N) % 2)

    card = {"temperature": 0.2, "batch_size": 32}
    return Run("run", {Snapshot(step, None): at(step) for step in (0, 5)}, card=card)


@pytest.mark.parametrize("noise", [1e-4, 0.0], ids=["with noise", "exactly"])
def test_only_the_file_is_good_where_all_rows_are_one_point(noise: float) -> None:
    results = check(_run(noise, 0))
    good = {result.diagnostic for result in results if any(finding.level == "good" for finding in result.findings)}
    assert good <= FACTS_OF_THE_FILE
    assert {"bad"} <= {result.level for result in results}


def test_what_says_little_says_so_and_what_to_mend() -> None:
    (finding,) = diagnose("batch_size", _run(1e-4, 0)).findings
    assert finding.level == "watch"
    assert "total variance" in finding.message
    assert "collapse" in finding.advice


def test_only_the_file_is_good_where_all_rows_lie_on_one_line() -> None:
    results = check(_run(1e-7, 1))
    good = {result.diagnostic for result in results if any(finding.level == "good" for finding in result.findings)}
    assert good <= FACTS_OF_THE_FILE
    messages = [finding.message for result in results for finding in result.findings]
    assert any("nearly on one line (variance beside it" in message for message in messages)


@pytest.mark.parametrize("dim", [2, D])
def test_a_circle_is_no_line(dim: int) -> None:
    rows = np.random.default_rng(0).normal(size=(N, 2)) @ np.eye(2, dim)
    messages = [finding.message for finding in diagnose("spectrum", EmbeddingSet.from_arrays(rows)).findings]
    assert any("spread around their mean" in message for message in messages)
    assert not any("one line" in message for message in messages)


def test_spread_rows_keep_their_good_findings() -> None:
    generator, scanner = np.random.default_rng(0), Scanner()
    spread = EmbeddingSet.from_arrays(generator.normal(size=(N, D)).astype(np.float32), label=np.arange(N) % 3)
    for name in ("hubness", "isotropy", "spectrum"):
        assert diagnose(name, spread, scanner=scanner).level == "good"


@pytest.mark.parametrize("name", ["rank_curves", "alignment_uniformity_path"])
def test_what_never_was_there_is_not_kept_well(name: str) -> None:
    assert DIAGNOSTICS[name].needs == "steps"
    assert diagnose(name, _run(1e-5, 1)).level in ("bad", "watch")


@pytest.mark.parametrize(("classes", "level"), [(2, "good"), (3, "watch")])
def test_two_classes_need_no_more_than_a_line(classes: int, level: str) -> None:
    """Two opposite points are the simplex ETF of two classes; three classes on a line have collapsed."""
    generator = np.random.default_rng(0)
    label = np.arange(N) % classes
    angle = np.linspace(-0.35, 0.35, classes)[label] + 0.12 * generator.normal(size=N)
    rows = np.stack([np.cos(angle), np.sin(angle)], axis=1) @ np.eye(2, D)
    found = EmbeddingSet.from_arrays(rows + 1e-3 * generator.normal(size=rows.shape), label=label)
    for name in ("neural_collapse", "class_cosines"):
        assert {finding.level for finding in diagnose(name, found).findings} == {level}, name
