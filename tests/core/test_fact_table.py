"""What notebooks show of objects: escaped, shortened, with nothing where there is nothing to say."""

from __future__ import annotations

import numpy as np

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.fact_table import fact_table
from cl_viz.core.lesson import Outcome
from cl_viz.core.run import Run, Snapshot

EVIL = "<img src=x onerror=alert(1)>"


def test_headings_names_and_values_are_escaped() -> None:
    shown = fact_table(EVIL, {EVIL: EVIL})
    assert "<img" not in shown
    assert shown.count("&lt;img src=x") == 3


def test_long_values_and_long_tables_are_shortened_and_empty_facts_left_out() -> None:
    shown = fact_table("h", {"long": "y" * 5_000, "none": None, "empty": "", "zero": 0})
    assert len(shown) < 600
    assert "yyy..." in shown
    assert "none" not in shown
    assert "empty" not in shown
    assert ">0<" in shown
    many = fact_table("h", {f"fact {number}": number for number in range(1_000)})
    assert many.count("<tr>") == 40
    assert "and 960 more" in many


def test_what_is_cut_is_cut_before_it_is_escaped() -> None:
    shown = fact_table("h", {"a": "&" * 1_000})
    assert shown.count("&amp;") == 197
    assert "..." in shown


def test_a_run_shows_its_card_and_its_snapshots() -> None:
    entry = EmbeddingSet.from_arrays(np.eye(4))
    run = Run(EVIL, {Snapshot(0): entry, Snapshot(500): entry}, card={"loss": EVIL, "steps": 900, "notes": "n" * 9_999})
    shown = run._repr_html_()
    assert "<img" not in shown
    for part in ("0, 500", "900", "loss"):
        assert part in shown
    assert len(shown) < 2_000


def test_an_outcome_says_whether_it_is_solved() -> None:
    assert "<b>Solved.</b> fine" in Outcome(True, "fine", {})._repr_html_()
    shown = Outcome(False, EVIL, {})._repr_html_()
    assert "Not yet." in shown
    assert "<img" not in shown
