"""Selections: found again by id or row, written and read, used as groups."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import FormatError, InputError
from cl_viz.samples import Selection, group_run, read_selection, with_groups
from cl_viz.samples.selection import REST


def test_rows_and_masks_name_the_same_samples(labelled_set: EmbeddingSet) -> None:
    by_row = Selection.of(labelled_set, np.array([5, 3, 3]), " far out ")
    assert (by_row.name, by_row.rows.tolist(), by_row.n) == ("far out", [3, 5], labelled_set.n)
    mask = np.zeros(labelled_set.n, dtype=bool)
    mask[[3, 5]] = True
    assert Selection.of(labelled_set, mask, "far out").rows.tolist() == [3, 5]
    assert np.array_equal(by_row.mask(labelled_set), mask)


@pytest.mark.parametrize(
    ("rows", "name"),
    [([], "none"), ([-1], "before"), ([120], "after"), ([1], ""), ([1], REST), ([1], "x" * 101)],
)
def test_what_cannot_be_a_selection_is_refused(labelled_set: EmbeddingSet, rows: list[int], name: str) -> None:
    with pytest.raises(InputError):
        Selection.of(labelled_set, np.array(rows, dtype=np.int64), name)


def test_ids_find_the_samples_in_another_order() -> None:
    generator = np.random.default_rng(0)
    rows, ids = generator.normal(size=(10, 3)), np.array([f"s{place}" for place in range(10)])
    turned = generator.permutation(10)
    first = EmbeddingSet.from_arrays(rows, id=ids)
    second = EmbeddingSet.from_arrays(rows[turned], id=ids[turned])
    chosen = Selection.of(first, np.array([2, 7]), "two")
    assert set(ids[turned][chosen.mask(second)]) == {"s2", "s7"}
    with pytest.raises(InputError, match="give both sets ids"):
        chosen.mask(EmbeddingSet.from_arrays(rows[:5]))


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_what_is_written_is_read_again(labelled_set: EmbeddingSet, tmp_path: Path, suffix: str) -> None:
    chosen = Selection.of(labelled_set, np.array([1, 40, 77]), 'a, "b" <i>', how="by hand")
    path = tmp_path / f"selection{suffix}"
    chosen.write(path, labelled_set)
    again = read_selection(path, labelled_set)
    assert (again.name, again.rows.tolist()) == (chosen.name, [1, 40, 77])
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert chosen.table(labelled_set)["label"].tolist() == [0, 1, 2]


def test_a_selection_shows_itself_small_and_escaped(labelled_set: EmbeddingSet) -> None:
    selection = Selection.of(labelled_set, np.arange(60), "<b>left</b>", how="<i>lasso</i>")
    shown = selection._repr_html_()
    assert "<b>left" not in shown
    assert "<i>" not in shown
    assert "60 of 120" in shown
    assert len(shown) < 1_000
    assert repr(selection) == "Selection('<b>left</b>', 60 of 120 rows)"
    few = Selection.of(labelled_set, np.arange(3), "few")._repr_html_()
    assert "..." in shown
    assert "..." not in few


def test_files_that_hold_no_selection_are_refused(labelled_set: EmbeddingSet, tmp_path: Path) -> None:
    for name, text in (("a.csv", "row\n1\n"), ("b.csv", "row,selection\nx,y\n"), ("c.csv", ""), ("d.txt", "1")):
        (tmp_path / name).write_text(text)
        with pytest.raises(FormatError):
            read_selection(tmp_path / name, labelled_set)
    (tmp_path / "e.csv").write_text("row,selection\n9999,y\n")
    with pytest.raises(InputError, match="9999"):
        read_selection(tmp_path / "e.csv", labelled_set)
    with pytest.raises(FormatError, match=r"\.parquet or \.csv"):
        Selection.of(labelled_set, np.array([1]), "one").write(tmp_path / "one.json", labelled_set)


def test_selections_are_groups_everywhere(labelled_set: EmbeddingSet) -> None:
    first = Selection.of(labelled_set, np.arange(0, 40), "left")
    second = Selection.of(labelled_set, np.arange(30, 60), "right")
    grouped = with_groups(labelled_set, [first, second])
    group = grouped.role("group")
    assert group is not None
    assert {name: int((group == name).sum()) for name in ("left", "right", REST)} == {"left": 40, "right": 20, REST: 60}
    assert grouped.fingerprint != labelled_set.fingerprint
    table = cl_viz.diagnose("group_table", grouped, params={"groups": "group"})
    assert {"left", "right", REST} <= {str(name) for view in table.views.values() for name in _names(view)}
    with pytest.raises(InputError, match="no selection"):
        with_groups(labelled_set, [])


def test_every_set_of_a_run_gets_the_groups(labelled_set: EmbeddingSet) -> None:
    run = cl_viz.Run("steps", {cl_viz.Snapshot(step): labelled_set for step in (0, 10)}, card={"loss": "ntxent"})
    grouped = group_run(run, [Selection.of(labelled_set, np.arange(7), "few")])
    assert grouped.steps == (0, 10)
    assert grouped.card["loss"] == "ntxent"
    for step in grouped.steps:
        assert int((grouped.get(step).role("group") == "few").sum()) == 7


def _names(view: object) -> list[object]:
    columns = getattr(view, "columns", None)
    return [value for column in columns.values() for value in np.asarray(column).ravel()] if columns else []
