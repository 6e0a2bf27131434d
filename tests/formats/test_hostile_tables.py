"""Tables and archives that would take far more memory or files than they hold, or that say one name twice."""

from __future__ import annotations

import time
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
from cl_viz.formats._arrow_columns import all_leaves
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


LONG = "x" * 20_000
SHARED: dict[str, object] = {
    "records": [{f"key {place}": 1 for place in range(1000)}] * 300,
    "records in a record": {"a": [{f"k{place}": {f"l{inner}": 1 for inner in range(9)} for place in range(30)}] * 1000},
    "tensors of several records": [{f"key {place}": KEPT[:500] for place in range(9)}] * 100,
    "containers in containers": [[[["x"] * 2] * 99 + [KEPT[:2]]] * 9] * 9,
}


@pytest.mark.parametrize("content", SHARED.values(), ids=SHARED)
def test_what_is_stored_once_and_named_again_and_again_is_counted(
    content: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, "1000000")
    path = tmp_path / "dump.pt"
    torch.save(content, path)
    with pytest.raises(UnsafeFileError, match="could fill the memory"):
        cl_viz.load(path)


def test_records_are_compared_only_if_they_are_few_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "dump.pt"
    torch.save([{f"key {place}": 1 for place in range(100)}] * 100, path)
    monkeypatch.setenv(LIMIT_VARIABLE, str(8 * 100 * 100 - 1))
    with pytest.raises(UnsafeFileError, match="the list of records"):
        cl_viz.load(path)


def test_one_long_text_named_by_many_rows_is_kept_once(tmp_path: Path) -> None:
    path = tmp_path / "dump.pt"
    torch.save({"e": torch.rand(2000, 2), "text": [LONG] * 2000}, path)
    texts = cl_viz.load(path).columns()["text"]
    assert (texts.dtype.kind, texts[0], len(texts)) == ("O", LONG, 2000)


def test_many_names_are_compared_in_one_go() -> None:
    fields = [pa.field(f"c{place}", pa.int8()) for place in range(20_000)]
    start = time.process_time()
    with pytest.raises(FormatError, match="two columns are called 'c0'"):
        all_leaves(pa.schema([*fields, fields[0]]), Path("dump.parquet"))
    assert time.process_time() - start < 2, "comparing each with each takes far longer"


def test_a_name_and_a_part_of_that_name_in_one_record(tmp_path: Path) -> None:
    path = tmp_path / "dump.jsonl"
    path.write_text('{"e": [1, 2], "a/b": 1, "a": {"b": 2}}\n' * 2)
    with pytest.raises(FormatError, match="two columns are called 'a/b'") as caught:
        cl_viz.load(path)
    assert "rename" in caught.value.remedy
