"""What differs between the runs of a report is what `cl_viz.compare_runs` says, in the same words."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

import cl_viz
from cl_viz.core.result import Result
from cl_viz.diagnostics import RunTable
from cl_viz.reporting import compare_found, html_text, markdown_text
from cl_viz.reporting.comparing import beyond_noise
from cl_viz.testing import clusters

Found = list[tuple[cl_viz.EmbeddingSet, Sequence[Result]]]
ASKED = ("alignment_uniformity", "isotropy")
HOSTILE = "second <b>"


@pytest.fixture(scope="module")
def checked() -> Found:
    spreads = {"first": 0.2, HOSTILE: 0.9, "third": 0.2}
    sets = [replace(clusters(120, 8, 3, spread), name=name) for name, spread in spreads.items()]
    return [(made, [cl_viz.diagnose(name, made) for name in (*ASKED, "score_distribution")]) for made in sets]


@pytest.fixture(scope="module")
def table(checked: Found) -> RunTable:
    made = compare_found([(made, results[:2]) for made, results in checked])
    assert made is not None
    return made


def text_of(page: str) -> str:
    return html.unescape(re.sub("<[^>]*>", "", page)).replace("\N{NO-BREAK SPACE}", " ")


def test_numbers_at_hand_are_judged_as_compare_runs_judges_them(checked: Found, table: RunTable) -> None:
    expected = cl_viz.compare_runs([made for made, _ in checked], diagnostics=ASKED)
    assert (table.reference, table.runs, table.pairings) == (expected.reference, expected.runs, expected.pairings)
    assert [row.key for row in table.rows] == [row.key for row in expected.rows]
    assert [str(entry) for entry in table.differences] == [str(entry) for entry in expected.differences]
    assert table.holding > 0


def test_there_is_nothing_to_compare_in_one_run_or_in_runs_of_one_name(checked: Found) -> None:
    assert compare_found(checked[:1]) is None
    assert compare_found([checked[0], (checked[1][0], [])]) is None
    assert compare_found([checked[0], checked[0]]) is None
    made = compare_found(checked, "third")
    assert made is not None
    assert made.reference == "third"


def test_a_page_tells_what_differs_and_how_it_was_judged(checked: Found, table: RunTable) -> None:
    runs = [results for _, results in checked]
    page = html_text(runs, table)
    shown = text_of(page)
    assert "How do the runs differ?" in shown
    assert table.title in shown
    assert all(finding.message in shown for _, finding in table.findings)
    assert all(line in shown for line in table.notes)
    assert "false discovery rate" in shown
    assert all(row.cell(run) in shown for row in beyond_noise(table) for run in table.runs)
    assert all(row.reason in shown for row in table.rows)
    assert "second &lt;b&gt;" in page
    assert "How do the runs differ?" not in text_of(html_text(runs[:1]))


def test_markdown_tells_it_too(checked: Found, table: RunTable) -> None:
    shown = markdown_text([results for _, results in checked], table).replace("\\", "")
    assert all(row.cell("third") in shown for row in beyond_noise(table))
    assert all(line in shown for line in table.notes)


def test_only_what_is_beyond_noise_is_listed_the_most_first(table: RunTable) -> None:
    rows = beyond_noise(table)
    assert 0 < len(rows) < len(table.rows)
    assert [row.strength() for row in rows] == sorted((row.strength() for row in rows), reverse=True)
    assert all(any(entry.beyond_noise for entry in row.differences.values()) for row in rows)
