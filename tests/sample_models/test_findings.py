"""Each phenomenon is found where it was trained in, and not in the healthy run; the page that says so is fresh."""

from __future__ import annotations

import pytest

from cl_viz.core.result import LEVELS, Level
from sample_models import findings
from sample_models.findings import Levels

# Run -> diagnostics that must say at least this.
EXPECTED: dict[str, dict[str, Level]] = {
    "mnist-low-temperature": {"score_distribution": "bad", "hardness": "watch", "suggested_temperature": "watch"},
    "mnist-high-temperature": {"hardness": "watch", "suggested_temperature": "watch"},
    "mnist-small-batch-infonce": {"batch_size": "watch"},
    "mnist-complete-collapse": {
        "spectrum": "bad",
        "dimension_ranks": "bad",
        "isotropy": "bad",
        "alignment_uniformity": "bad",
        "neural_collapse": "bad",
        "score_distribution": "bad",
        "score_curves": "bad",
        "rank_curves": "bad",
    },
    "mnist-dimensional-collapse": {"spectrum": "bad", "dimension_ranks": "watch", "rank_curves": "watch"},
    "mnist-supervised-parity": {"spectrum": "bad", "dimension_ranks": "bad", "score_distribution": "bad"},
    "mnist-two-towers": {"modality_gap": "watch"},
    "mnist-rare-4-seed-0": {"representation_harm": "bad"},
}


@pytest.fixture(scope="module")
def found() -> Levels:
    return findings.levels()


@pytest.mark.slow
def test_every_phenomenon_is_found_where_it_was_trained_in(found: Levels) -> None:
    missed = [
        (run, diagnostic, found[run][diagnostic])
        for run, expected in EXPECTED.items()
        for diagnostic, level in expected.items()
        if LEVELS.index(found[run][diagnostic]) > LEVELS.index(level)
    ]
    assert missed == []


@pytest.mark.slow
def test_nothing_is_bad_in_the_healthy_run(found: Levels) -> None:
    assert [name for name, level in found["mnist-healthy"].items() if level == "bad"] == []
    # Digits overlap a little in 32 dimensions: a silhouette of .2 is the truth, not a false alarm.
    assert [name for name, level in found["mnist-healthy"].items() if level == "watch"] == ["class_separation"]


@pytest.mark.slow
def test_the_page_of_findings_is_fresh(found: Levels) -> None:
    assert findings.PAGE.read_text(encoding="utf-8") == findings.page(found), "run `python -m sample_models.findings`"
