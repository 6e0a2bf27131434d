"""Text tables, JSON Lines, Parquet and Arrow: which columns are the embedding, and what is wrong with bad ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cl_viz
from cl_viz.core.errors import FormatError, InputError
from cl_viz.formats import inspect

RNG = np.random.default_rng(5)


def matrix(rows: int = 6, columns: int = 3) -> np.ndarray[Any, Any]:
    return RNG.normal(size=(rows, columns)).astype(np.float32)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def refused(path: Path, *words: str) -> None:
    with pytest.raises(InputError) as caught:
        cl_viz.load(path)
    for word in (str(path), *words):
        assert word in str(caught.value)


# -- CSV ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("names", ["dim_{}", "{}", "emb.{}", "x[{}]", "feature {}"])
@pytest.mark.parametrize("start", [0, 1])
def test_numbered_columns_with_a_label_among_them(names: str, start: int, tmp_path: Path) -> None:
    array = matrix(6, 12)
    # Shuffled columns, and a label in the middle: the number in the name counts, not the place.
    frame = pd.DataFrame(array, columns=[names.format(i + start) for i in range(12)])
    frame = frame[frame.columns[RNG.permutation(12)]]
    frame.insert(5, "label", ["cat", "dog"] * 3)
    frame.to_csv(tmp_path / "a.csv", index=False)
    loaded = cl_viz.load(tmp_path / "a.csv")
    np.testing.assert_allclose(next(iter(loaded.views.values())), array, rtol=1e-6)
    assert loaded.role("label").tolist() == ["cat", "dog"] * 3  # type: ignore[union-attr]


def test_index_column_of_pandas_is_metadata(tmp_path: Path) -> None:
    pd.DataFrame(matrix(), columns=["d0", "d1", "d2"]).to_csv(tmp_path / "a.csv")
    loaded = cl_viz.load(tmp_path / "a.csv")
    assert loaded.dim == 3
    assert list(loaded.columns()) == ["column 1"]


def test_two_numbered_names_are_two_views(tmp_path: Path) -> None:
    frame = pd.DataFrame(matrix(6, 6), columns=["image_0", "image_1", "image_2", "text_0", "text_1", "text_2"])
    frame.to_csv(tmp_path / "a.csv", index=False)
    assert cl_viz.load(tmp_path / "a.csv").view_names == ("image", "text")


def test_columns_with_names_of_their_own(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "x,y,digit\n0.5,1.5,3\n-1,2,4\n0,0.25,3\n")
    loaded = cl_viz.load(path)
    np.testing.assert_array_equal(loaded.views["embedding"], [[0.5, 1.5], [-1, 2], [0, 0.25]])
    assert dict(loaded.roles) == {"label": "digit"}
    assert any("read as the dimensions: x, y" in note for note in inspect(path).notes)


@pytest.mark.parametrize(("suffix", "separator"), [(".csv", ","), (".csv", ";"), (".tsv", "\t")])
def test_no_header(suffix: str, separator: str, tmp_path: Path) -> None:
    array = matrix()
    lines = [separator.join(str(entry) for entry in row) for row in array]
    loaded = cl_viz.load(write(tmp_path / f"a{suffix}", "\n".join(lines)))
    np.testing.assert_array_equal(loaded.views["embedding"].astype(np.float32), array)


def test_no_header_with_labels_in_front(tmp_path: Path) -> None:
    array = matrix()
    path = write(tmp_path / "a.csv", "\n".join(f"{i % 2}," + ",".join(map(str, row)) for i, row in enumerate(array)))
    loaded = cl_viz.load(path)
    np.testing.assert_array_equal(loaded.views["embedding"].astype(np.float32), array)
    np.testing.assert_array_equal(loaded.role("label"), np.arange(6) % 2)
    assert any("whole numbers" in note for note in inspect(path).notes)
    path = write(tmp_path / "b.csv", "\n".join(f"w{i}," + ",".join(map(str, row)) for i, row in enumerate(array)))
    loaded = cl_viz.load(path)
    assert loaded.dim == 3
    assert list(loaded.columns()) == ["column 1"]


def test_dimension_of_zeros_stays_a_dimension(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "0,0.5,0.25\n0,1.5,0.75\n0,2.5,0.125\n")
    assert cl_viz.load(path).dim == 3


def test_text_among_the_numbers_names_column_and_row(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "d0,d1,d2\n1,2,3\n4,oops,6\n7,8,9\n")
    refused(path, "'d1'", "row 2", "'oops'")
    refused(write(tmp_path / "b.csv", "1.5,2,3\n4,oops,6\n7,8,9\n"), "column 2", "row 2", "'oops'")


@pytest.mark.parametrize("rows", ["1,2,3\n4,5\n7,8,9\n", "1,2,3\n4,5,6,6\n7,8,9\n"])
def test_ragged_csv(rows: str, tmp_path: Path) -> None:
    refused(write(tmp_path / "a.csv", "d0,d1,d2\n" + rows), "Expected 3 columns", "Row #")


def test_missing_and_infinite_numbers_are_loaded(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "d0,d1,label\n1,nan,a\n,2,b\ninf,1,\n-inf,2,c\n")
    quality = cl_viz.load(path).quality["d"]
    assert quality.has_nan.tolist() == [True, True, False, False]
    assert quality.has_infinite.tolist() == [False, False, True, True]


def test_numbers_then_text_in_one_column_is_text(tmp_path: Path) -> None:
    rows = "\n".join(f"0.5,1.5,{i}" for i in range(100)) + "\n0.5,1.5,unknown\n"
    loaded = cl_viz.load(write(tmp_path / "a.csv", "d0,d1,label\n" + rows))
    assert loaded.role("label")[[0, 100]].tolist() == ["0", "unknown"]  # type: ignore[index]


def test_text_is_kept_verbatim(tmp_path: Path) -> None:
    text = '"<script>alert(""x"")</script>\nsecond, line"'
    path = write(tmp_path / "a.csv", f"d0,d1,label\n0.5,1,{text}\n1.5,2,NA\n2,3,é\n")
    labels = cl_viz.load(path).role("label")
    assert labels is not None
    assert labels.tolist() == ['<script>alert("x")</script>\nsecond, line', "NA", "é"]


def test_lists_in_cells(tmp_path: Path) -> None:
    array = matrix()
    frame = pd.DataFrame({"embedding": [row.tolist() for row in array], "label": list("ababab")})
    frame.to_csv(tmp_path / "a.csv", index=False)
    loaded = cl_viz.load(tmp_path / "a.csv")
    np.testing.assert_array_equal(loaded.views["embedding"].astype(np.float32), array)
    refused(write(tmp_path / "b.csv", 'embedding,l\n"[1.0, 2.0]",a\n"[1.0]",b\n'), "different dimension", "row 2")


def test_byte_order_mark_and_windows_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbfd0,d1,label\r\n0.5,1,a\r\n1,2.5,b\r\n")
    loaded = cl_viz.load(path)
    assert loaded.view_names == ("d",)
    assert loaded.role("label").tolist() == ["a", "b"]  # type: ignore[union-attr]


def test_text_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"d0,d1,label\n" + b"0.5,1,a\n" * 100 + "1,2.5,é\n".encode("latin-1"))
    refused(path, "UTF-8")


def test_header_only_and_labels_only(tmp_path: Path) -> None:
    refused(write(tmp_path / "a.csv", "d0,d1,d2\n"))
    refused(write(tmp_path / "b.csv", "label\na\nb\n"), "no embeddings", "'label'")
    refused(write(tmp_path / "c.csv", "d0,label\n0.5,a\n1.5,b\n"), "no embeddings", "D >= 2")
    refused(write(tmp_path / "d.csv", "\n\n"))


# -- TensorBoard's projector -------------------------------------------------------------------------------------
@pytest.mark.parametrize("vectors", ["vectors.tsv", "tensors.tsv", "run 1_vectors.tsv"])
def test_projector_pair(vectors: str, tmp_path: Path) -> None:
    array = matrix(4)
    path = write(tmp_path / vectors, "\n".join("\t".join(map(str, row)) for row in array))
    metadata = tmp_path / vectors.replace("vectors", "metadata").replace("tensors", "metadata")
    write(metadata, 'cat\n"dog\n<b>\ncat\n')
    loaded = cl_viz.load(path)
    np.testing.assert_array_equal(loaded.views["embedding"].astype(np.float32), array)
    assert loaded.role("label").tolist() == ["cat", '"dog', "<b>", "cat"]  # type: ignore[union-attr]
    write(metadata, "word\tclass\na\t1\nb\t2\nc\t1\nd\t2\n")
    assert dict(cl_viz.load(path).roles) == {"label": "class"}
    assert dict(cl_viz.load(tmp_path).roles) == {"label": "class"}
    write(metadata, "a\nb\n")
    refused(path, "4 rows", "metadata", " 2")
    write(metadata, "word\tclass\na\t1\nb\nc\t1\nd\t2\n")
    with pytest.raises(FormatError, match="line 3 has 1 cells"):
        cl_viz.load(path)


# -- JSON Lines --------------------------------------------------------------------------------------------------
def test_jsonl_lists_numbers_text_and_gaps(tmp_path: Path) -> None:
    lines = [
        '{"image": [1.5, 2], "text": [3, 4.5], "label": "a", "extra": [{"x": 1}], "score": 1, "page": {"n": 4}}',
        "",
        '{"image": [1, 2.5], "text": [3, null], "label": null, "score": 2.5}',
        '{"image": [NaN, 2], "text": [3, 4], "label": "<i>", "score": null, "late": true}',
    ]
    path = write(tmp_path / "a.jsonl", "\n".join(lines))
    loaded = cl_viz.load(path)
    assert loaded.view_names == ("image", "text")
    assert loaded.quality["text"].has_nan.tolist() == [False, True, False]
    codes = loaded.codes("label")
    assert codes is not None
    assert codes[0][0].tolist() == [1, -1, 0]
    np.testing.assert_array_equal(loaded.columns()["score"], [1, 2.5, np.nan])
    np.testing.assert_array_equal(loaded.columns()["page/n"], [4, np.nan, np.nan])
    assert any("extra" in note for note in inspect(path).notes)


def test_jsonl_of_bare_lists_and_of_number_keys(tmp_path: Path) -> None:
    loaded = cl_viz.load(write(tmp_path / "a.jsonl", "[0.5, 1]\n[1, 2]\n"))
    np.testing.assert_array_equal(loaded.views["embedding"], [[0.5, 1], [1, 2]])
    loaded = cl_viz.load(write(tmp_path / "b.jsonl", '{"d1": 1, "d0": 0.5}\n{"d0": 2, "d1": 3}\n'))
    np.testing.assert_array_equal(loaded.views["d"], [[0.5, 1], [2, 3]])


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('{"e": [1, 2]}\n{"e": [1, 2, 3]}\n', ["line 2", "3 entries", "2 before"]),
        ('{"e": [1, 2]}\n{"e": [1, 2\n', ["line 2", "not JSON"]),
        ('{"e": [1, 2]}\n{"f": 1}\n', ["record 2", "nothing"]),
        ('{"e": [1, 2]}\n{"e": "text"}\n', ["record 2", "str"]),
        ('{"e": [1, 2]}\n7\n', ["line 2", "int"]),
        ('{"label": "a"}\n{"label": "b"}\n', ["no embeddings"]),
        ("{" * 5 + '"a":' * 3, ["line 1"]),
        ("[" * 100_000 + "\n", ["line 1"]),
    ],
)
def test_bad_jsonl(lines: str, words: list[str], tmp_path: Path) -> None:
    refused(write(tmp_path / "a.jsonl", lines), *words)


def test_jsonl_numbers_too_large_for_an_integer(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", f'{{"e": [1, {10**30}]}}\n{{"e": [1, 2]}}\n')
    assert cl_viz.load(path).views["e"][0, 1] == 1e30


# -- Parquet and Arrow -------------------------------------------------------------------------------------------
def _write_table(path: Path, table: pa.Table) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=2)
    elif path.suffix == ".feather":
        import pyarrow.feather

        pyarrow.feather.write_feather(table, str(path), compression="zstd", chunksize=2)
    else:
        # A stream, as the datasets library writes it.
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=2)
    return path


TABLES = [".parquet", ".feather", ".arrow"]


@pytest.mark.parametrize("suffix", TABLES)
@pytest.mark.parametrize("kind", ["list", "large_list", "fixed"])
@pytest.mark.parametrize("number", ["float16", "float32", "float64", "int8"])
def test_list_columns_in_several_chunks(suffix: str, kind: str, number: str, tmp_path: Path) -> None:
    array = (matrix() * 20).astype(number)
    entry = pa.from_numpy_dtype(array.dtype)
    types = {"list": pa.list_(entry), "large_list": pa.large_list(entry), "fixed": pa.list_(entry, 3)}
    table = pa.table({"embedding": pa.array(list(array), type=types[kind]), "label": list("ababab")})
    loaded = cl_viz.load(_write_table(tmp_path / f"a{suffix}", table))
    np.testing.assert_array_equal(loaded.views["embedding"], array)
    assert loaded.dtype == array.dtype
    assert dict(loaded.roles) == {"label": "label"}


@pytest.mark.parametrize("suffix", TABLES)
def test_missing_vectors_become_nan_rows(suffix: str, tmp_path: Path) -> None:
    rows = [[1.0, 2.0], None, [3.0, None], [4.0, 5.0]]
    for kind in (pa.list_(pa.float32()), pa.list_(pa.float32(), 2)):
        loaded = cl_viz.load(_write_table(tmp_path / f"a{suffix}", pa.table({"e": pa.array(rows, type=kind)})))
        assert loaded.quality["e"].has_nan.tolist() == [False, True, True, False]
    refused(
        _write_table(tmp_path / f"b{suffix}", pa.table({"e": pa.array([[1, 2], None], pa.list_(pa.int8()))})), "'e'"
    )


@pytest.mark.parametrize("suffix", TABLES)
def test_vectors_of_different_dimension(suffix: str, tmp_path: Path) -> None:
    for rows in ([[1.0, 2.0], [3.0]], [[1.0, 2.0], [3.0, 4.0], [1.0, 2.0, 3.0], [1.0]], [[], []]):
        table = pa.table({"e": pa.array(rows, type=pa.list_(pa.float32()))})
        refused(_write_table(tmp_path / f"a{suffix}", table))
    refused(_write_table(tmp_path / f"c{suffix}", pa.table({"e": pa.array([[1.0, 2], [3]])})), "row 2", "1 entries")


@pytest.mark.parametrize("suffix", TABLES)
def test_columns_of_many_types(suffix: str, tmp_path: Path) -> None:
    import datetime

    table = pa.table(
        {
            "e": pa.array(list(matrix(3)), type=pa.list_(pa.float32())),
            "label": pa.array(["a", None, "<b>"]).dictionary_encode(),
            "count": pa.array([1, None, 3]),
            "flag": pa.array([True, False, True]),
            "when": pa.array([datetime.date(2020, 1, 1)] * 3),
            "bytes": pa.array([b"x"] * 3),
            "struct": pa.array([{"x": 1}] * 3),
            "nested": pa.array([[{"x": 1}]] * 3),
            "view": pa.array(["p", "q", "r"], type=pa.string_view() if suffix != ".parquet" else pa.string()),
        }
    )
    if suffix == ".feather":
        table = table.drop_columns(["view"])
    path = _write_table(tmp_path / f"a{suffix}", table)
    columns = cl_viz.load(path).columns()
    assert columns["label"].tolist() == ["a", None, "<b>"]
    np.testing.assert_array_equal(columns["count"], [1, np.nan, 3])
    assert columns["flag"].tolist() == [True, False, True]
    assert columns["when"].tolist() == ["2020-01-01"] * 3
    assert columns["struct/x"].tolist() == [1, 1, 1]
    notes = " ".join(inspect(path).notes)
    assert "bytes" in notes
    assert "nested" in notes


@pytest.mark.parametrize("suffix", [".parquet", ".feather"])
def test_frames_of_pandas(suffix: str, tmp_path: Path) -> None:
    array = matrix()
    frame = pd.DataFrame({"embedding": list(array), "text": ["ä"] * 6, "class": pd.Categorical(list("ababab"))})
    path = tmp_path / f"a{suffix}"
    frame.to_parquet(path) if suffix == ".parquet" else frame.to_feather(path)
    loaded = cl_viz.load(path)
    np.testing.assert_array_equal(loaded.views["embedding"], array)
    assert dict(loaded.roles) == {"label": "class", "text": "text"}
    wide = pd.DataFrame(array, columns=["d0", "d1", "d2"])
    wide.to_parquet(path) if suffix == ".parquet" else wide.to_feather(path)
    np.testing.assert_array_equal(cl_viz.load(path).views["d"], array)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet", ".feather"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_extreme_numbers_survive_tables(suffix: str, dtype: str, tmp_path: Path) -> None:
    array = RNG.normal(size=(6, 4)).astype(dtype)
    info = np.finfo(dtype)
    array[0] = [info.max, info.min, info.tiny, info.smallest_subnormal]
    array[1] = [np.nan, np.inf, -np.inf, -0.0]
    saved = cl_viz.EmbeddingSet.from_arrays(array, label=[f"a\n,{i}" for i in range(6)])
    loaded = cl_viz.load(cl_viz.save(saved, tmp_path / f"a{suffix}"))
    np.testing.assert_array_equal(loaded.views["view_1"].astype(dtype), array)
    np.testing.assert_array_equal(loaded.role("label"), saved.role("label"))


def both_kinds(folder: Path, wide: int) -> Path:
    """Write a table with a list of four fractions in text, and `wide` numbered columns."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(6, wide)), columns=[f"dim_{k}" for k in range(wide)])
    frame["box"] = [str(row) for row in rng.random((6, 4)).tolist()]
    frame["label"] = [0, 1, 0, 1, 0, 1]
    frame.to_csv(folder / "dump.csv", index=False)
    return folder / "dump.csv"


@pytest.mark.parametrize(("wide", "guessed"), [(8, "dim"), (4, "box"), (2, "box")])
def test_of_lists_in_text_and_numbered_columns_the_wider_are_guessed(wide: int, guessed: str, tmp_path: Path) -> None:
    path = both_kinds(tmp_path, wide)
    other = {"dim": "box", "box": "dim"}[guessed]
    found = inspect(path)
    assert list(found.views) == [guessed]
    assert f"{guessed} guessed as wider than {other}, which can be chosen as views instead" in found.notes
    made_of = {"box": {"box"}, "dim": {f"dim_{k}" for k in range(wide)}}
    for views, chosen in ((None, guessed), (["dim"], "dim"), (["box"], "box")):
        loaded = cl_viz.load(path, views=views)
        assert loaded.view_names == (chosen,)
        kept = {"dim": "box", "box": "dim"}[chosen]
        assert set(loaded.columns()) == {"label"} | made_of[kept], "what is no view stays a column"
    assert set(found.columns) == {"label"} | made_of[other]


def test_a_box_in_text_can_be_shown_as_the_text(tmp_path: Path) -> None:
    loaded = cl_viz.load(both_kinds(tmp_path, 8), text="box")
    assert (loaded.roles["text"], loaded.dim) == ("box", 8)


def test_the_wider_kind_is_guessed_in_shards_too(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        both_kinds(tmp_path / name, 8).rename(tmp_path / f"part_{name}.csv")
        (tmp_path / name).rmdir()
    loaded = cl_viz.load(tmp_path, text="box")
    assert (loaded.view_names, loaded.n, set(loaded.columns())) == (("dim",), 12, {"label", "box"})


def test_text_among_numbers_is_no_damage_beside_lists_in_text(tmp_path: Path) -> None:
    path = both_kinds(tmp_path, 3)
    frame = pd.read_csv(path)
    frame["dim_1"] = "x"
    frame.to_csv(path, index=False)
    assert cl_viz.load(path).view_names == ("box",)
