"""What is made of arrays and columns: views, roles, pairs, and the errors where it cannot be told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cl_viz
from cl_viz.core.errors import FormatError, InputError
from cl_viz.formats import inspect

RNG = np.random.default_rng(3)


def matrix(rows: int = 10, columns: int = 4) -> np.ndarray[Any, Any]:
    return RNG.normal(size=(rows, columns)).astype(np.float32)


def refused(path: Path, *words: str, **arguments: Any) -> str:
    with pytest.raises(InputError) as caught:
        cl_viz.load(path, **arguments)
    message = str(caught.value)
    assert str(path) in message
    for word in words:
        assert word in message
    return message


# -- views -------------------------------------------------------------------------------------------------------
def test_largest_group_becomes_views_and_the_rest_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, one=matrix(), two=matrix(), logits=matrix(10, 3), pixels=matrix(10, 16).reshape(10, 4, 4))
    assert cl_viz.load(path).view_names == ("one", "two")
    note = " ".join(inspect(path).notes)
    assert "logits" in note
    assert "pixels" in note


def test_equal_groups_are_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, backbone=matrix(10, 8), projector=matrix(10, 4))
    message = refused(path, "backbone (10, 8)", "projector (10, 4)", "views=")
    inspection = inspect(path)
    assert inspection.problem == message
    assert set(inspection.arrays) == {"backbone", "projector"}
    assert cl_viz.load(path, views=["projector"]).dim == 4
    assert cl_viz.load(path, views={"head": "projector"}).view_names == ("head",)


def test_views_that_nothing_links_are_a_problem_before_they_are_loaded(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, one=matrix(10), two=matrix(15))
    message = refused(path, "different numbers of rows", "pairs=")
    inspection = inspect(path)
    assert inspection.problem == message
    assert tuple(inspection.views) == ("one", "two")
    np.savez(path, one=matrix(10), two=matrix(15), pairs=np.array([[0, 14], [9, 15]]))
    assert inspect(path).problem == refused(path, "outside the views")
    np.savez(path, one=matrix(10), two=matrix(15), pairs=np.array([[0, 14], [9, 3]]))
    assert inspect(path).problem is None


def test_looking_into_a_file_converts_no_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.arange(40, dtype=np.int64).reshape(10, 4))

    def refuse(*_: object) -> None:
        raise AssertionError("an array was copied")

    monkeypatch.setattr("cl_viz.formats._big_arrays.allocate", refuse)
    assert inspect(path).problem is None
    with pytest.raises(AssertionError, match="copied"):
        cl_viz.load(path)


def test_a_usual_name_decides_between_equal_groups(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, embeddings=matrix(10, 8), logits=matrix(10, 4))
    assert cl_viz.load(path).view_names == ("embeddings",)
    assert any("logits" in note for note in inspect(path).notes)


@pytest.mark.parametrize("shape", [(2, 10, 4), (10, 2, 4)])
def test_three_axes_are_ambiguous(shape: tuple[int, ...], tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, RNG.normal(size=shape))
    refused(path, "three axes", "numpy.savez", str(shape))
    refused(path, "three axes", views=["a"])


@pytest.mark.parametrize(("shape", "words"), [((10,), "no array of two axes"), ((), "no array of two axes")])
def test_wrong_rank(shape: tuple[int, ...], words: str, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.ones(shape))
    refused(path, words)


@pytest.mark.parametrize(("shape", "words"), [((10, 1), "1 column"), ((1, 10), "1 row"), ((0, 4), "0 row")])
def test_too_small(shape: tuple[int, ...], words: str, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.ones(shape))
    refused(path, words)


def test_views_asked_for_that_are_not_there(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, one=matrix(), two=matrix())
    refused(path, "three", "one (10, 4)", views=["one", "three"])
    refused(path, "empty", views=[])


def test_views_of_different_width_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, one=matrix(), two=matrix(10, 5))
    refused(path, "differ in D", views=["one", "two"])


def test_a_label_column_of_one_wide_array(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, one=matrix(), label=np.arange(10)[:, None] % 2)
    loaded = cl_viz.load(path)
    assert loaded.view_names == ("one",)
    np.testing.assert_array_equal(loaded.role("label"), np.arange(10) % 2)


def test_nan_infinite_and_zero_rows_are_loaded_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    array = matrix()
    array[1], array[2, 0], array[3, 0] = 0, np.nan, np.inf
    np.save(path, array)
    quality = cl_viz.load(path).quality["view_1"]
    assert (quality.is_zero.sum(), quality.has_nan.sum(), quality.has_infinite.sum()) == (1, 1, 1)


# -- numbers -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("stored", "loaded"),
    [("float16", "float16"), ("int8", "int8"), ("uint8", "uint8"), (">f4", "float32"), ("int16", "float32"),
     ("int64", "float64"), ("float64", "float64")],
)  # fmt: skip
def test_types(stored: str, loaded: str, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    array = (matrix() * 20).astype(stored) if stored != "uint8" else np.arange(40, dtype=np.uint8).reshape(10, 4)
    np.save(path, array)
    found = cl_viz.load(path)
    assert found.dtype == np.dtype(loaded)
    assert found.dtype.isnative
    np.testing.assert_array_equal(found.views["view_1"], array.astype(loaded))


def test_columns_of_the_array_may_come_first_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    array = np.asfortranarray(matrix())
    np.save(path, array)
    loaded = cl_viz.load(path)
    np.testing.assert_array_equal(loaded.views["view_1"], array)
    np.save(path, np.ascontiguousarray(array))
    assert cl_viz.load(path).fingerprint == loaded.fingerprint


@pytest.mark.parametrize("dtype", ["complex64", "datetime64[s]", "bool"])
def test_entries_that_are_no_numbers(dtype: str, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.ones((4, 4)).astype(dtype))
    refused(path)


def test_records_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros(4, dtype=[("x", "f4"), ("y", "f4")]))
    refused(path, "each field")


# -- roles -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("column", "values", "role"),
    [
        ("labels", np.arange(10) % 2, "label"),
        ("Class", np.arange(10) % 2, "label"),
        ("y", np.arange(10) % 2, "label"),
        ("fine_label", np.arange(10) % 2, "subclass"),
        ("attribute", np.array(["a", "b"] * 5), "group"),
        ("sentence", np.array(["a", "b"] * 5), "text"),
        ("filename", np.array(["a", "b"] * 5), "image"),
        ("sample_id", np.arange(10), "id"),
        ("uid", np.array([f"u{i}" for i in range(10)]), "id"),
    ],
)
def test_roles_are_guessed_from_names(column: str, values: Any, role: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, one=matrix(), **{column: values})
    loaded = cl_viz.load(path)
    assert dict(loaded.roles) == {role: column}
    assert loaded.aligned
    assert dict(inspect(path).roles) == {role: column}
    assert any("guessed" in note and column in note for note in inspect(path).notes)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("id", np.arange(10) // 2),
        ("index", np.linspace(0, 1, 10)),
        ("label", np.linspace(0, 1, 10)),
        ("text", np.arange(10)),
        ("other", np.arange(10)),
    ],
)
def test_columns_that_cannot_play_the_role_are_not_guessed(column: str, values: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, one=matrix(), **{column: values})
    loaded = cl_viz.load(path)
    assert dict(loaded.roles) == {}
    assert column in loaded.columns()


def test_repeated_ids_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, one=matrix(), id=np.arange(10) // 2)
    assert dict(cl_viz.load(path, id="id").roles) == {"id": "id"}


def test_the_caller_overrules_the_guess(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, one=matrix(), label=np.arange(10) % 2, colour=np.arange(10) % 5)
    assert dict(cl_viz.load(path, label="colour").roles) == {"label": "colour"}
    given = cl_viz.load(path, label=[f"c{i % 3}" for i in range(10)])
    assert dict(given.roles) == {"label": "label_given"}
    assert set(given.columns()) == {"label", "colour", "label_given"}


@pytest.mark.parametrize("suffix", [".txt", ".npy", ".csv", ".tsv"])
def test_labels_from_a_file(suffix: str, tmp_path: Path) -> None:
    path, labels = tmp_path / "a.npy", tmp_path / f"my labels{suffix}"
    np.save(path, matrix())
    values = np.arange(10) % 3
    if suffix == ".npy":
        np.save(labels, values)
    else:
        header = "" if suffix == ".txt" else "label\n"
        labels.write_text(header + "\n".join(map(str, values)) + "\n")
    np.testing.assert_array_equal(cl_viz.load(path, label=labels).role("label"), values)
    np.testing.assert_array_equal(cl_viz.load(path, label=str(labels)).role("label"), values)


def test_text_labels_from_a_text_file_are_kept_verbatim(tmp_path: Path) -> None:
    path, labels = tmp_path / "a.npy", tmp_path / "labels.txt"
    np.save(path, matrix(3))
    lines = ["<script>alert('x')</script>", "é  ", "a,b"]
    labels.write_text("\n".join(lines), encoding="utf-8")
    loaded = cl_viz.load(path, label=labels).role("label")
    assert loaded is not None
    assert loaded.tolist() == lines


def test_the_fitting_column_of_a_label_table_is_taken(tmp_path: Path) -> None:
    path, table = tmp_path / "a.npy", tmp_path / "meta.csv"
    np.save(path, matrix(3))
    table.write_text("name,category\na,x\nb,y\nc,x\n")
    loaded = cl_viz.load(path, label=table).role("label")
    assert loaded is not None
    assert loaded.tolist() == ["x", "y", "x"]
    with pytest.raises(InputError, match="2 columns"):
        cl_viz.load(path, group=table)


def test_labels_of_wrong_length(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, one=matrix(), label=np.arange(9))
    refused(path, "9 entries", "'one': 10")
    np.savez(path, one=matrix())
    refused(path, "(9,)", label=np.arange(9))
    np.savez(path, one=matrix(), losses=np.arange(100.0))
    assert any("losses" in note for note in inspect(path).notes)


def test_a_label_that_is_neither_column_nor_file(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, one=matrix(), digit=np.arange(10))
    refused(path, "neither a column nor a file", "digit", label="digits.txt")


def test_ten_thousand_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, one=matrix(10_000), label=np.array([f"label <b>{i}</b>" for i in range(10_000)]))
    codes = cl_viz.load(path).codes("label")
    assert codes is not None
    assert len(codes[1]) == 10_000
    assert inspect(path).columns["label"].distinct == 10_000


# -- views of different length -----------------------------------------------------------------------------------
def test_views_of_different_length_need_a_link(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, image=matrix(5), text=matrix(10))
    refused(path, "different numbers of rows", "id=COLUMN", "pairs=FILE")


@pytest.mark.parametrize("suffix", [".csv", ".npy", ".parquet", ".tsv", None])
def test_pairs(suffix: str | None, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, image=matrix(5), text=matrix(10))
    pairs: Any = np.stack([np.arange(10) // 2, np.arange(10)], axis=1)
    given = pairs
    if suffix is not None:
        given = tmp_path / f"pairs{suffix}"
    if suffix in (".csv", ".tsv"):
        separator = "," if suffix == ".csv" else "\t"
        header = f"image{separator}text\n" if suffix == ".csv" else ""
        given.write_text(header + "\n".join(f"{i}{separator}{j}" for i, j in pairs))
    elif suffix == ".npy":
        np.save(given, pairs)
    elif suffix == ".parquet":
        import pandas as pd

        pd.DataFrame(pairs, columns=["image", "text"]).to_parquet(given)
    loaded = cl_viz.load(path, pairs=given)
    assert loaded.sizes == (5, 10)
    np.testing.assert_array_equal(loaded.links("image", "text"), pairs)


@pytest.mark.parametrize(
    "pairs", [np.array([[0, 10]]), np.array([[0.5, 1]]), np.array([0, 1]), np.array([[0, 1], [0, 1]])]
)
def test_wrong_pairs(pairs: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, image=matrix(5), text=matrix(10))
    with pytest.raises(InputError, match="pair"):
        cl_viz.load(path, pairs=pairs)


def test_a_pairs_file_without_pairs(tmp_path: Path) -> None:
    path, pairs = tmp_path / "a.npz", tmp_path / "pairs.csv"
    np.savez(path, image=matrix(5), text=matrix(10))
    pairs.write_text("a,b,c\n1,2,3\n")
    with pytest.raises(InputError, match="two columns"):
        cl_viz.load(path, pairs=pairs)


def test_ids_in_each_view_link_them(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, image=matrix(5), text=matrix(10), image_id=np.arange(5), text_id=np.arange(10) // 2)
    loaded = cl_viz.load(path)
    assert dict(loaded.roles) == {"id": "id"}
    np.testing.assert_array_equal(loaded.links("image", "text")[:, 0], np.arange(10) // 2)


def test_ids_given_by_view(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, image=matrix(5), text=matrix(10))
    loaded = cl_viz.load(path, id={"image": np.arange(5), "text": np.arange(10) // 2})
    assert len(loaded.links("image", "text")) == 10
    with pytest.raises(InputError, match="not a view"):
        cl_viz.load(path, id={"picture": np.arange(5)})


@pytest.mark.parametrize("suffix", [".npz", ".pt", ".safetensors", ".h5"])
def test_pairs_and_columns_of_each_view_survive_saving(suffix: str, tmp_path: Path) -> None:
    pairs = np.stack([np.arange(10) // 2, np.arange(10)], axis=1)
    saved = cl_viz.EmbeddingSet.from_arrays(
        {"image": matrix(5), "text": matrix(10)},
        metadata={"image": {"label": np.arange(5)}, "text": {"label": np.arange(10), "words": np.array(["ä"] * 10)}},
        roles={"label": "label"},
        pairs=pairs,
    )
    loaded = cl_viz.load(cl_viz.save(saved, tmp_path / f"a{suffix}"))
    assert loaded.fingerprint == saved.fingerprint


@pytest.mark.parametrize("suffix", [".npy", ".csv", ".jsonl", ".parquet", ".feather"])
def test_formats_that_cannot_hold_it_name_those_that_can(suffix: str, tmp_path: Path) -> None:
    unaligned = cl_viz.EmbeddingSet.from_arrays(
        {"image": matrix(5), "text": matrix(10)}, pairs=np.stack([np.arange(5), np.arange(5)], axis=1)
    )
    path = tmp_path / f"a{suffix}"
    with pytest.raises(InputError, match=r"\.npz") as caught:
        cl_viz.save(unaligned, path)
    assert str(path) in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_nothing_writes_that_suffix(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"\.npz"):
        cl_viz.save(cl_viz.EmbeddingSet.from_arrays(matrix()), tmp_path / "a.xyz")


@pytest.mark.parametrize("suffix", [".npz", ".pt", ".safetensors", ".h5", ".parquet", ".arrow", ".jsonl", ".csv"])
def test_a_column_called_like_a_view(suffix: str, tmp_path: Path) -> None:
    saved = cl_viz.EmbeddingSet.from_arrays(
        {"image": matrix(), "text": matrix()}, metadata={"text": np.array(["a"] * 10)}, roles={"text": "text"}
    )
    loaded = cl_viz.load(cl_viz.save(saved, tmp_path / f"a{suffix}"))
    assert loaded.view_names == ("image", "text")
    assert dict(loaded.roles) == {"text": "text"}


def test_a_mistyped_column_or_array_is_guessed(tmp_path: Path) -> None:
    path = tmp_path / "dump.npz"
    np.savez(path, view_1=np.eye(4), view_2=np.eye(4), label=np.arange(4))
    for asked, near in (({"label": "lable"}, "label"), ({"views": ["veiw_2"]}, "view_2")):
        with pytest.raises(InputError, match=r"lable|veiw_2") as caught:
            cl_viz.load(path, **asked)
        assert caught.value.remedy == f"did you mean {near!r}?"
