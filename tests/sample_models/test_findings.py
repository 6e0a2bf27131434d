"""Each phenomenon is found where it was trained in, and not in the healthy run; the page that says so is fresh."""

from __future__ import annotations

import pytest

from sample_models import findings
from sample_models.findings import Levels


@pytest.fixture(scope="module")
def found() -> Levels:
    return findings.levels()


@pytest.mark.slow
def test_every_phenomenon_is_found_where_it_was_trained_in(found: Levels) -> None:
    assert [
        (run, findings.missed(run, found[run])) for run in findings.EXPECTED if findings.missed(run, found[run])
    ] == []


@pytest.mark.slow
def test_nothing_is_bad_in_the_healthy_run(found: Levels) -> None:
    assert [name for name, level in found["mnist-healthy"].items() if level == "bad"] == []
    # Digits overlap a little in 32 dimensions: a silhouette of .2 is the truth, not a false alarm.
    assert [name for name, level in found["mnist-healthy"].items() if level == "watch"] == ["class_separation"]
    # Neither are these unknown, which find the temperatures and the small batch of other runs.
    assert {found["mnist-healthy"][name] for name in ("suggested_temperature", "hardness", "batch_size")} == {"good"}
    for name in ("suggested_temperature", "hardness"):
        assert found["mnist-high-temperature"][name] == "watch"
    assert found["mnist-low-temperature"]["suggested_temperature"] == "watch"
    assert found["mnist-small-batch-infonce"]["batch_size"] == "watch"


@pytest.mark.slow
def test_the_page_of_findings_is_fresh(found: Levels) -> None:
    assert findings.PAGE.read_text(encoding="utf-8") == findings.page(found), "run `python -m sample_models.findings`"
