"""Statistics, plans and lists of pairs show themselves small, readable and escaped."""

from __future__ import annotations

import numpy as np
import pytest

import cl_viz
from cl_viz.engine.found_pairs import FoundPairs
from cl_viz.engine.plan import Plan
from cl_viz.engine.statistics import Statistics

EVIL = "<img src=x>"


@pytest.fixture(scope="module")
def evil_set() -> cl_viz.EmbeddingSet:
    generator = np.random.default_rng(0)
    views = {EVIL: generator.normal(size=(40, 5)), "other": generator.normal(size=(40, 5))}
    views["other"][3] = np.nan
    return cl_viz.EmbeddingSet.from_arrays(views, label=np.repeat([EVIL, "b"], 20))


def small_and_escaped(shown: str) -> bool:
    return "<img" not in shown and len(shown) < 3_000 and shown.startswith("<p><b>")


def test_statistics_say_what_they_rest_on_and_not_their_arrays(evil_set: cl_viz.EmbeddingSet) -> None:
    found: Statistics = cl_viz.scan(evil_set, "cpu", anchors=10, neighbors=3)
    shown = found._repr_html_()
    assert small_and_escaped(shown)
    pairs = f"{int(found.pairs.counts.sum()):,}"
    for part in (f"{found.n_used} used, {found.n_excluded} excluded", pairs, "10 of other", "3 of each row"):
        assert part in shown
        assert part in repr(found)
    assert len(repr(found)) < 500
    alone = cl_viz.scan(evil_set, "cpu", anchors=0)._repr_html_()
    assert "anchors" not in alone
    assert "neighbours" not in alone


def test_a_list_of_pairs_shows_the_first_of_them(evil_set: cl_viz.EmbeddingSet) -> None:
    found: FoundPairs = cl_viz.find_pairs(evil_set, device="cpu")
    shown = found._repr_html_()
    assert small_and_escaped(shown)
    assert f"{len(found):,} of {found.count:,} negatives" in shown
    assert f"{found.score[0]:.3f}" in shown
    assert shown.count("<tr>") == 5 + 2
    assert repr(found) == f"FoundPairs({len(found):,} of {found.count:,} negatives)"


def test_a_plan_says_its_parts_and_leaves_out_those_that_take_nothing() -> None:
    shown = Plan(EVIL, 1_234_567, 12.34, {"pairs": 12.34, "anchors": 0.0}, 2_500_000)._repr_html_()
    assert small_and_escaped(shown)
    for part in ("about 12 s", "1,234,567", "about 2.5 MB", "time of pairs"):
        assert part in shown
    assert "anchors" not in shown
