"""Every entry of the registry: round trip, sniffing, truncated and empty files."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cl_viz
from cl_viz.core.errors import ClVizError, FormatError, InputError
from cl_viz.core.specs import FormatSpec
from cl_viz.formats import FORMATS, inspect
from tests.formats.format_samples import EVERY_SUFFIX, WRITABLE, make_set

WriteFormat = Callable[[str], Path]
TEXT = {"csv", "jsonl"}


def test_suffixes_are_unique_and_lower_case() -> None:
    suffixes = [suffix for spec in FORMATS.values() for suffix in spec.suffixes]
    assert len(suffixes) == len(set(suffixes))
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in suffixes)


def test_every_promised_suffix_is_there() -> None:
    promised = {".npy", ".npz", ".pt", ".pth", ".safetensors", ".parquet", ".feather", ".arrow", ".csv", ".tsv"}
    assert promised | {".jsonl", ".h5"} <= set(EVERY_SUFFIX)


@pytest.mark.parametrize("suffix", EVERY_SUFFIX)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8"])
def test_round_trip(suffix: str, dtype: str, tmp_path: Path) -> None:
    plain = suffix == ".npy"
    saved = make_set(dtype, views=1 if plain else 2, columns=not plain)
    path = cl_viz.save(saved, tmp_path / f"a b é{suffix}")
    loaded = cl_viz.load(path, name="small")
    if plain:
        np.testing.assert_array_equal(loaded.views["view_1"], saved.views["image"])
        assert loaded.dtype == saved.dtype
        return
    assert loaded.view_names == saved.view_names
    assert dict(loaded.roles) == dict(saved.roles)
    assert list(loaded.columns()) == list(saved.columns())
    for column, values in saved.columns().items():
        np.testing.assert_array_equal(loaded.columns()[column], values)
    for view, array in saved.views.items():
        # Text holds decimals: they are read as float64 and give the same numbers in the type they came from.
        np.testing.assert_array_equal(loaded.views[view].astype(array.dtype), array)
    if suffix not in (".csv", ".tsv", ".jsonl", ".ndjson"):
        assert loaded.fingerprint == saved.fingerprint
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_sniff_knows_its_own_files_only(name: str, write_format: WriteFormat) -> None:
    path = write_format(name)
    head = b"" if path.is_dir() else path.read_bytes()[:512]
    assert [spec.name for spec in FORMATS.values() if spec.sniff(path, head)] == [name]
    if not path.is_dir():
        # By content alone, too.
        bare = path.rename(path.with_name("no suffix"))
        assert [spec.name for spec in FORMATS.values() if spec.sniff(bare, head)] == [name]
        assert inspect(bare).format == name


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_inspection_says_what_load_makes(name: str, write_format: WriteFormat) -> None:
    path = write_format(name)
    inspection, loaded = inspect(path), cl_viz.load(path)
    assert inspection.format == name
    assert inspection.problem is None
    assert tuple(inspection.views) == loaded.view_names
    assert dict(inspection.roles) == dict(loaded.roles)
    assert all(facts.shape[1] == 4 for facts in inspection.arrays.values())


@pytest.mark.parametrize("name", WRITABLE)
def test_empty_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"empty{FORMATS[name].suffixes[0]}"
    path.touch()
    for read in (cl_viz.load, FORMATS[name].read, inspect):
        with pytest.raises(FormatError, match="empty") as caught:
            read(path)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_missing_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"absent{(FORMATS[name].suffixes or ('',))[0]}"
    for read in (cl_viz.load, FORMATS[name].read):
        with pytest.raises(FormatError, match="no such file") as caught:
            read(path)
        assert "absent" in str(caught.value)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.999])
@pytest.mark.parametrize("name", sorted(set(WRITABLE) - TEXT))
def test_truncated_binary_file_is_refused(name: str, share: float, write_format: WriteFormat) -> None:
    path = write_format(name)
    content = path.read_bytes()
    path.write_bytes(content[: max(1, int(len(content) * share))])
    with pytest.raises(FormatError) as caught:
        cl_viz.load(path)
    assert str(path) in str(caught.value)
    assert caught.value.remedy
    with pytest.raises(FormatError):
        FORMATS[name].read(path)


@pytest.mark.parametrize("name", sorted(TEXT))
def test_truncated_text_is_refused_inside_a_row(name: str, write_format: WriteFormat) -> None:
    path = write_format(name)
    content = path.read_bytes()
    # The middle of the numbers of the sixth row.
    rows = content.splitlines(keepends=True)
    path.write_bytes(b"".join(rows[:6]) + rows[6][:25])
    with pytest.raises(FormatError) as caught:
        cl_viz.load(path)
    assert str(path) in str(caught.value)


def _load_or_refuse(path: Path) -> None:
    """Whatever the bytes: a set, or an error of cl_viz that names the file."""
    refusal = None
    try:
        cl_viz.load(path)
    except ClVizError as error:
        refusal = str(error)
    assert refusal is None or str(path) in refusal


@pytest.mark.parametrize("name", WRITABLE)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_truncation_or_damage_is_an_error_with_a_name(name: str, data: st.DataObject, tmp_path: Path) -> None:
    path = tmp_path / f"damaged{FORMATS[name].suffixes[0]}"
    plain = name == "npy"
    if not (tmp_path / "good").exists():
        cl_viz.save(make_set(views=1 if plain else 2, columns=not plain), path)
        path.rename(tmp_path / "good")
    content = bytearray((tmp_path / "good").read_bytes())
    length = data.draw(st.integers(1, len(content)))
    if name != "hdf5":
        # libhdf5 itself may fall over flipped bits; cut files it refuses.
        for position in data.draw(st.lists(st.integers(0, length - 1), max_size=3)):
            content[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(content[:length]))
    _load_or_refuse(path)


@pytest.mark.parametrize("suffix", EVERY_SUFFIX)
def test_random_bytes_under_any_suffix(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"noise{suffix}"
    for seed in range(5):
        path.write_bytes(random.Random(seed).randbytes(2000))
        with pytest.raises(FormatError) as caught:
            cl_viz.load(path)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("suffix", EVERY_SUFFIX)
def test_a_picture_under_any_suffix(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"picture{suffix}"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(400))
    with pytest.raises(FormatError, match="is not a") as caught:
        cl_viz.load(path)
    assert "PNG" in str(caught.value)


@pytest.mark.parametrize("name", WRITABLE)
def test_another_formats_content_names_both(name: str, write_format: WriteFormat, tmp_path: Path) -> None:
    other: FormatSpec = FORMATS["npz" if name != "npz" else "parquet"]
    path = write_format(name)
    renamed = path.rename(tmp_path / f"wrong{other.suffixes[0]}")
    with pytest.raises(FormatError) as caught:
        cl_viz.load(renamed)
    assert FORMATS[name].label in str(caught.value)
    assert other.label in str(caught.value)


def test_unknown_content_lists_the_formats(tmp_path: Path) -> None:
    path = tmp_path / "dump.xyz"
    path.write_bytes(b"\x00\x01\x02\x03 nothing known")
    with pytest.raises(FormatError) as caught:
        cl_viz.load(path)
    assert all(spec.label in str(caught.value) for spec in FORMATS.values())


@pytest.mark.parametrize("suffix", [s for s in EVERY_SUFFIX if s != ".npy"])
def test_one_row_names_the_file(suffix: str, tmp_path: Path) -> None:
    import pandas as pd

    path = cl_viz.save(make_set(n_rows=2), tmp_path / f"two{suffix}")
    assert cl_viz.load(path).n == 2
    if suffix == ".parquet":
        pd.DataFrame({"embedding": [np.ones(3)], "label": ["a"]}).to_parquet(path)
        with pytest.raises(InputError, match="1 row") as caught:
            cl_viz.load(path)
        assert str(path) in str(caught.value)
