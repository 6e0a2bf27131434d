"""What counts as a change: more than the intervals explain, in the direction that the quantity declares."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import cl_viz
from cl_viz.core.errors import FormatError
from cl_viz.core.result import Result
from cl_viz.reporting import (
    as_document,
    compare_documents,
    compare_entries,
    github_annotations,
    junit_xml,
    read_document,
)
from cl_viz.testing import sphere

Found = list[tuple[cl_viz.EmbeddingSet, Sequence[Result]]]
NAME = "score_distribution.dprime"


@pytest.fixture
def document(found: Found) -> dict[str, Any]:
    return as_document(found[:1])


def moved(document: dict[str, Any], name: str, by: float) -> dict[str, Any]:
    """Shift a quantity and its interval by a multiple of the interval's width."""
    new = copy.deepcopy(document)
    entry = new["runs"][0]["quantities"][name]
    step = by * (entry["interval"]["high"] - entry["interval"]["low"])
    entry["value"] += step
    entry["interval"]["low"] += step
    entry["interval"]["high"] += step
    return new


def test_the_same_check_has_not_changed(document: dict[str, Any]) -> None:
    found = compare_documents(document, document)
    assert found.changes == ()
    assert found.n_judged > 3
    assert found.n_without_interval == 0


@pytest.mark.parametrize(("by", "direction"), [(-2.0, "worse"), (2.0, "better"), (0.3, None), (-0.3, None)])
def test_a_quantity_is_worse_only_beyond_its_interval(document: dict[str, Any], by: float, direction: str) -> None:
    found = compare_documents(document, moved(document, NAME, by))
    assert [change.direction for change in found.changes] == ([direction] if direction else [])
    assert len(found.worse) == (direction == "worse")


def test_neither_direction_of_a_mean_is_better(document: dict[str, Any]) -> None:
    (change,) = compare_documents(document, moved(document, "score_distribution.negative_mean", 5.0)).changes
    assert change.direction == "different"


def test_a_number_without_interval_is_counted_and_not_judged(document: dict[str, Any]) -> None:
    new = copy.deepcopy(document)
    new["runs"][0]["quantities"]["score_distribution.overlap"]["value"] += 0.5
    found = compare_documents(document, new)
    assert (found.changes, found.n_without_interval) == ((), 1)


def test_a_run_that_is_gone_is_named(found: Found) -> None:
    assert compare_documents(as_document(found), as_document(found[1:])).missing == ("tight",)


def test_another_draw_of_the_same_set_is_rarely_called_worse() -> None:
    """With 95 % intervals on both sides few of the quantities of fresh draws may differ."""
    judged = changed = 0
    entries = []
    for seed in range(8):
        first = sphere(150, 8, seed)
        drawn = cl_viz.EmbeddingSet.from_arrays({"a": first, "b": first + sphere(150, 8, 100 + seed)})
        entries.append(as_document([(drawn, [cl_viz.diagnose("score_distribution", drawn)])])["runs"][0])
    for before, after in pairwise(entries):
        compared = compare_entries(before, after)
        judged += compared.n_judged
        changed += len(compared.changes)
    assert judged >= 20
    assert changed <= 0.2 * judged


def test_what_is_no_document_is_refused(tmp_path: Path) -> None:
    for text in ("", "[]", "{}", '{"runs": [1]}', '{"runs": [{"name": "a", "quantities": {"b": 1}}]}'):
        path = tmp_path / "baseline.json"
        path.write_text(text)
        with pytest.raises(FormatError, match="earlier check"):
            read_document(path)
    with pytest.raises(FormatError):
        read_document(tmp_path / "absent.json")


def test_junit_counts_failures_and_skips(found: Found, document: dict[str, Any]) -> None:
    runs = [results for _, results in found]
    worse = compare_documents(document, moved(document, NAME, -3.0)).worse
    root = ElementTree.fromstring(junit_xml(runs, "watch", worse))
    findings = [finding for results in runs for result in results for finding in result.findings]
    assert len(root.findall(".//testcase")) == len(findings) + 1
    assert len(root.findall(".//failure")) == sum(finding.level in ("bad", "watch") for finding in findings) + 1
    assert len(root.findall(".//skipped")) == sum(finding.level == "unknown" for finding in findings)
    for suite in root:
        assert int(suite.get("failures", "")) == len(suite.findall(".//failure"))
    assert not ElementTree.fromstring(junit_xml(runs, None)).findall(".//failure")


def test_annotations_are_one_line_each(found: Found, document: dict[str, Any]) -> None:
    worse = compare_documents(document, moved(document, NAME, -3.0)).worse
    lines = github_annotations([results for _, results in found], "bad", worse).splitlines()
    assert lines
    assert all(line.startswith(("::error title=", "::warning title=")) for line in lines)
    assert lines[-1].startswith("::error")
    assert json.dumps(lines)
