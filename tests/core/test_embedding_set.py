"""Embedding sets: views, roles, partners, fingerprints, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cl_viz import EmbeddingSet
from cl_viz.core.errors import InputError


def rows(n: int = 6, dim: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, dim))


def test_views_are_read_only_and_the_callers_array_is_not() -> None:
    array = rows()
    embedding_set = EmbeddingSet.from_arrays({"a": array})
    with pytest.raises(ValueError, match="read-only"):
        embedding_set.views["a"][0, 0] = 1.0
    array[0, 0] = 7.0


def test_a_memory_map_stays_mapped(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", rows(50, 4))
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    embedding_set = EmbeddingSet.from_arrays({"a": mapped})
    assert isinstance(embedding_set.views["a"], np.memmap)
    assert embedding_set.fingerprint == EmbeddingSet.from_arrays({"a": rows(50, 4)}).fingerprint


def test_the_fingerprint_sees_every_entry_of_everything() -> None:
    base = {"views": {"a": rows(), "b": rows(seed=1)}, "metadata": {"y": np.arange(6)}, "roles": {"label": "y"}}
    first = EmbeddingSet.from_arrays(**base).fingerprint
    assert EmbeddingSet.from_arrays(**base).fingerprint == first
    touched = rows()
    touched[5, 2] += 1e-12
    labels = np.arange(6)
    labels[5] = 0
    others = [
        {**base, "views": {"a": touched, "b": rows(seed=1)}},
        {**base, "views": {"a": rows(), "c": rows(seed=1)}},
        {**base, "views": {"a": rows().astype("f4"), "b": rows(seed=1).astype("f4")}},
        {**base, "metadata": {"y": labels}},
        {**base, "roles": {"group": "y"}},
    ]
    prints = {first, *(EmbeddingSet.from_arrays(**other).fingerprint for other in others)}
    assert len(prints) == 6


def test_codes_number_labels_jointly_and_in_natural_order() -> None:
    labels = np.array([10, 9, 2, 10, np.nan, 2])
    codes, names = EmbeddingSet.from_arrays(rows(), label=labels).codes("label")
    assert names == ("2", "9", "10")
    np.testing.assert_array_equal(codes[0], [2, 1, 0, 2, -1, 0])
    text = np.array(["b", None, "a", "", "b", "a"], dtype=object)
    codes, names = EmbeddingSet.from_arrays(rows(), label=text).codes("label")
    assert names == ("a", "b")
    np.testing.assert_array_equal(codes[0], [1, -1, 0, -1, 1, 0])
    assert EmbeddingSet.from_arrays(rows()).codes("label") is None


def test_labels_are_numbered_once_and_anew_when_the_role_moves() -> None:
    embedding_set = EmbeddingSet.from_arrays(rows(), metadata={"x": np.arange(6), "y": np.arange(6) // 3})
    by_x = embedding_set.with_roles(label="x")
    assert by_x.codes("label") is by_x.codes("label")
    with pytest.raises(ValueError, match="read-only"):
        by_x.codes("label")[0][0][0] = 5
    assert by_x.with_roles(label="y").codes("label")[1] == ("0", "1")
    assert by_x.codes("group") is None


def test_rows_of_aligned_views_are_partners() -> None:
    embedding_set = EmbeddingSet.from_arrays({"a": rows(), "b": rows(seed=1)})
    np.testing.assert_array_equal(embedding_set.links("a", "b"), np.stack([np.arange(6)] * 2, axis=1))
    assert embedding_set.links("a", "a").shape == (0, 2)
    assert embedding_set.aligned


def test_ids_in_another_order_are_partners_by_id() -> None:
    embedding_set = EmbeddingSet.from_arrays(
        {"a": rows(), "b": rows(seed=1)},
        metadata={"a": {"id": np.arange(6)}, "b": {"id": np.arange(6)[::-1]}},
        roles={"id": "id"},
    )
    assert not embedding_set.aligned
    np.testing.assert_array_equal(embedding_set.links("a", "b")[:, 1], np.arange(6)[::-1])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=2, max_size=12), st.lists(st.integers(0, 5), min_size=2, max_size=12))
def test_links_by_id_are_all_pairs_of_equal_ids(left: list[int], right: list[int]) -> None:
    embedding_set = EmbeddingSet.from_arrays(
        {"a": rows(len(left)), "b": rows(len(right), seed=1)},
        metadata={"a": {"id": np.array(left)}, "b": {"id": np.array(right)}},
        roles={"id": "id"},
    )
    across = {(i, j) for i, x in enumerate(left) for j, y in enumerate(right) if x == y}
    within = {(i, j) for i, x in enumerate(left) for j, y in enumerate(left) if x == y and i < j}
    assert {tuple(pair) for pair in embedding_set.links("a", "b")} == across
    assert {tuple(pair) for pair in embedding_set.links("b", "a")} == {(j, i) for i, j in across}
    assert {tuple(pair) for pair in embedding_set.links("a", "a")} == within


def test_rows_that_share_a_partner_are_one_sample_within_their_view() -> None:
    pairs = np.array([[0, 0], [0, 1], [1, 2], [2, 2], [3, 1]])
    embedding_set = EmbeddingSet.from_arrays({"a": rows(), "b": rows(seed=1)}, pairs=pairs)
    np.testing.assert_array_equal(embedding_set.links("a", "a"), [[0, 3], [1, 2]])
    np.testing.assert_array_equal(embedding_set.links("b", "b"), [[0, 1]])


def test_a_bad_row_takes_its_partners_along_only_where_views_are_aligned() -> None:
    bad = rows()
    bad[2] = 0
    aligned = EmbeddingSet.from_arrays({"a": bad, "b": rows(seed=1)})
    np.testing.assert_array_equal(np.flatnonzero(~aligned.usable_rows["b"]), [2])
    pairs = np.array([[0, 0], [1, 3]])
    loose = EmbeddingSet.from_arrays({"a": bad, "b": rows(8, seed=1)}, pairs=pairs)
    assert loose.usable_rows["b"].all()
    assert not loose.usable_rows["a"][2]


def test_selecting_views_and_rows() -> None:
    embedding_set = EmbeddingSet.from_arrays({"a": rows(), "b": rows(seed=1)}, label=np.arange(6))
    some = embedding_set.select(views=["b"], rows=np.array([4, 1]))
    np.testing.assert_array_equal(some.views["b"], rows(seed=1)[[4, 1]])
    np.testing.assert_array_equal(some.role("label"), [4, 1])
    with pytest.raises(InputError, match="no view 'c'"):
        embedding_set.select(views=["c"])


def test_views_in_the_other_order_keep_their_pairs_the_other_way_round() -> None:
    pairs = np.array([[0, 5], [1, 6], [1, 7]])
    loose = EmbeddingSet.from_arrays({"a": rows(), "b": rows(8, seed=1)}, pairs=pairs)
    turned = loose.select(views=["b", "a"])
    assert turned.view_names == ("b", "a")
    np.testing.assert_array_equal(turned.pairs, pairs[:, ::-1])
    np.testing.assert_array_equal(turned.links("a", "b"), loose.links("a", "b"))
    assert turned.select(views=["a", "b"]).fingerprint == loose.fingerprint
    np.testing.assert_array_equal(loose.select(views=["a", "b", "a"]).pairs, pairs)
    assert loose.select(views=["b"]).pairs is None


def test_pairs_of_views_of_one_length_are_not_taken_for_rows_in_order() -> None:
    pairs = np.array([[0, 3], [1, 2]])
    turned = EmbeddingSet.from_arrays({"a": rows(), "b": rows(seed=1)}, pairs=pairs).select(views=["b", "a"])
    assert not turned.aligned
    np.testing.assert_array_equal(turned.links("b", "a"), [[2, 1], [3, 0]])


@pytest.mark.parametrize("dtype", ["S", object])
def test_bytes_that_are_no_text_are_labels_all_the_same(dtype: type | str) -> None:
    label = np.array([b"\xff", b"\xfe", "rød".encode(), b"", b"\xff", "rød".encode()], dtype=dtype)
    found = EmbeddingSet.from_arrays(rows(), label=label).codes("label")
    assert found is not None
    (codes,), names = found
    assert names == ("\\xfe", "\\xff", "rød")
    np.testing.assert_array_equal(codes, [1, 0, 2, -1, 1, 2])


def test_roles_can_be_moved_and_emptied() -> None:
    embedding_set = EmbeddingSet.from_arrays(rows(), metadata={"x": np.arange(6), "y": np.ones(6)})
    assert embedding_set.with_roles(label="x").role("label")[3] == 3
    assert embedding_set.with_roles(label="x").with_roles(label=None).role("label") is None
    with pytest.raises(InputError, match="no column 'z'"):
        embedding_set.with_roles(label="z")


def test_the_table_has_one_row_a_sample() -> None:
    table = EmbeddingSet.from_arrays(rows(), label=np.arange(6)).table()
    assert list(table.columns) == ["label"]
    assert len(table) == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"views": rows()[0]}, "1 axes"),
        ({"views": rows().reshape(1, 6, 3)}, "3 axes"),
        ({"views": rows(6, 1)}, "1 column"),
        ({"views": rows(1, 6)}, "1 row"),
        ({"views": np.array([["a", "b"], ["c", "d"]])}, "not numbers"),
        ({"views": rows() + 1j}, "not numbers"),
        ({"views": {}}, "no views"),
        ({"views": {"a": rows(), "b": rows(6, 4)}}, "differ in D"),
        ({"views": {"a": rows(), "b": rows(7)}}, "different numbers of rows"),
        ({"views": rows(), "label": np.arange(5)}, "column 'label' has shape"),
        ({"views": rows(), "colour": np.arange(6)}, "unknown role 'colour'"),
        ({"views": {"a": rows(), "b": rows()}, "pairs": np.array([[0, 6]])}, "outside the views"),
        ({"views": {"a": rows(), "b": rows()}, "pairs": np.array([[0, 1], [0, 1]])}, "listed twice"),
        ({"views": rows(), "pairs": np.array([[0, 1]])}, "exactly two views"),
        ({"views": rows(), "metadata": {"other": {"x": np.arange(6)}}}, "not a view"),
    ],
)
def test_what_cannot_be_used_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        EmbeddingSet.from_arrays(**arguments)
    assert caught.value.allowed or caught.value.remedy


def test_text_is_escaped_in_html() -> None:
    shown = EmbeddingSet.from_arrays(rows(), name="<script>alert(1)</script>")._repr_html_()
    assert "<script>" not in shown
