"""What a notebook shows of a checkup."""

from __future__ import annotations

import pytest

import cl_viz
from cl_viz.core.errors import InputError
from cl_viz.diagnostics import DIAGNOSTICS, Checkup
from cl_viz.testing import clusters


def test_a_checkup_is_the_list_of_its_results_and_shows_its_findings_worst_first() -> None:
    found = cl_viz.check(clusters(40, 6, 3, 0.5, seed=1))
    assert [result.diagnostic for result in found] == [name for name, spec in DIAGNOSTICS.items() if spec.quick]
    order = ["bad", "watch", "unknown", "good"]
    levels = [finding.level for finding in found.findings]
    assert levels == sorted(levels, key=order.index)
    heading, *lines = repr(found).splitlines()
    assert heading.startswith(f"Checkup of {found[0].run} (N = {found[0].caveats.n_used:,}): ")
    assert f"{levels.count('good')} good" in heading
    assert lines == [f"  {finding!r}" for finding in found.findings if finding.level != "good"]
    assert found.findings[0].message in lines[0]
    shown = found._repr_html_()
    assert shown.count("<tr>") == len(levels)


def test_what_comes_from_files_is_text() -> None:
    rows = clusters(20, 4, 2, 0.5, seed=1)
    named = cl_viz.EmbeddingSet.from_arrays(dict(rows.views), name="<b>set</b>")
    assert "<b>set" not in Checkup([cl_viz.diagnose("data_quality", named)])._repr_html_()
    assert "Checkup of nothing" in Checkup()._repr_html_()


def test_a_checkup_gives_results_by_name_or_place_and_all_numbers_as_a_frame() -> None:
    found = cl_viz.check(clusters(40, 6, 3, 0.5, seed=1))
    assert found["spectrum"] is next(result for result in found if result.diagnostic == "spectrum")
    assert found[0] is found[:1][0]
    assert found._ipython_key_completions_() == [result.diagnostic for result in found]
    with pytest.raises(InputError, match=r"no result 'spectrun'.*did you mean 'spectrum'"):
        found["spectrun"]
    table = found.table()
    assert len(table) == sum(len(result.quantities) for result in found)
    row = table[(table["diagnostic"] == "spectrum") & (table["quantity"] == "total_variance")]
    assert row["value"].item() == found["spectrum"]["total_variance"].value


def test_what_is_missing_and_what_is_good_is_folded() -> None:
    found = cl_viz.check(clusters(40, 6, 3, 0.5, seed=1))
    first, *rest = found._repr_html_().split("<details>")
    assert "✓ good" not in first
    assert "? unknown" not in first
    assert len(rest) == 2
    fine = Checkup([result for result in found if result.level == "good"])
    assert "Nothing is bad" in fine._repr_html_()
