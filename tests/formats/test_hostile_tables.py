"""Tables and archives that would take far more memory or files than they hold, or that say one name twice."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import cl_viz
from cl_viz.core.errors import FormatError, UnsafeFileError
from cl_viz.formats import npz
from cl_viz.formats._limits import LIMIT_VARIABLE

ROWS = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
EXPANDED = torch.zeros(1).expand(10**8)
KEPT = torch.zeros(40_000)


@pytest.mark.parametrize(
    "content",
    [[EXPANDED] * 8, [{"emb": EXPANDED}] * 8, {"a": [{"emb": KEPT}] * 20_000}],
    ids=["a list", "records", "one tensor named again and again"],
)
def test_a_list_of_tensors_is_not_stacked_beyond_what_is_stored(content: object, tmp_path: Path) -> None:
    path = tmp_path / "dump.pt"
    torch.save(content, path)
    with pytest.raises(UnsafeFileError, match="could fill the memory") as caught:
        cl_viz.load(path)
    assert caught.value.allowed
    assert caught.value.remedy


def test_an_archive_of_many_arrays_does_not_use_up_the_open_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npz, "_MOST_MAPPED", 2)
    path = tmp_path / "dump.npz"
    np.savez(path, **{f"view_{place}": place * ROWS for place in range(1, 5)})
    found = cl_viz.load(path)
    assert [isinstance(array.base, np.memmap) or isinstance(array, np.memmap) for array in found.views.values()] == [
        True, True, False, False,
    ]  # fmt: skip
    for place, array in enumerate(found.views.values(), start=1):
        np.testing.assert_array_equal(array, place * ROWS)


TWICE = {
    "columns": pa.Table.from_arrays(
        [pa.array(ROWS.tolist()), *[pa.array(list("abcdef"))] * 2], ["e", "label", "label"]
    ),
    "a part and a column": pa.table({"a": [{"e": row} for row in ROWS.tolist()], "a/e": ROWS.tolist()}),
    "a part and a column with a point": pa.table({"a": [{"e": row} for row in ROWS.tolist()], "a.e": ["x"] * 6}),
}


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
@pytest.mark.parametrize("table", TWICE.values(), ids=TWICE)
def test_a_name_that_stands_twice_is_not_guessed(table: pa.Table, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"dump{suffix}"
    if suffix == ".parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_file(str(path), table.schema) as writer:
            writer.write_table(table)
    with pytest.raises(FormatError, match="two columns are called") as caught:
        cl_viz.load(path)
    assert "rename" in caught.value.remedy


def test_struct_columns_with_missing_rows_keep_their_places(tmp_path: Path) -> None:
    path = tmp_path / "dump.parquet"
    table = pa.table(
        {"a": [{"e": [1.0, 2.0], "text": "x"}, None, {"e": None, "text": "y"}, {"e": [3.0, 4.0], "text": None}]}
    )
    pq.write_table(table, path)
    found = cl_viz.load(path)
    np.testing.assert_array_equal(found.views["a/e"], [[1, 2], [np.nan] * 2, [np.nan] * 2, [3, 4]])
    assert list(found.columns()["a/text"]) == ["x", None, "y", None]


def test_categories_do_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, "200000")
    path = tmp_path / "dump.h5ad"
    with h5py.File(path, "w") as file:
        file["e"] = ROWS
        file.create_dataset("kind/codes", data=np.zeros(100_000, dtype=np.int8), compression="gzip")
        file["kind/categories"] = np.array([b"a"])
    with pytest.raises(UnsafeFileError, match="'kind' claims"):
        cl_viz.load(path)


def test_many_columns_of_one_name_are_told_apart_at_once(tmp_path: Path) -> None:
    path = tmp_path / "dump.csv"
    path.write_text(",".join(["a"] * 3000) + "\n" + (",".join(["1.5"] * 3000) + "\n") * 2)
    assert cl_viz.load(path).dim == 3000


def test_a_signalling_nan_is_a_nan(tmp_path: Path) -> None:
    damaged = ROWS.copy()
    damaged.view(np.uint32)[2, 1] = 0x7F800001
    np.save(tmp_path / "dump.npy", damaged)
    assert cl_viz.load(tmp_path / "dump.npy").quality["view_1"].has_nan.tolist() == [row == 2 for row in range(6)]
