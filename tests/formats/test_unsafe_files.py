"""Files that would run code, point elsewhere, or claim more than they hold: refused before anything happens."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

import cl_viz
from cl_viz.core.errors import FormatError, UnsafeFileError
from cl_viz.formats import FORMATS, inspect
from cl_viz.formats._limits import LIMIT_VARIABLE


class Payload:
    """Unpickling this makes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.target}'",)


def _npy_of_objects(path: Path, payload: Payload) -> None:
    np.save(path, np.array([payload, payload], dtype=object), allow_pickle=True)


def _npz_of_objects(path: Path, payload: Payload) -> None:
    np.savez(path, view_1=np.eye(4), label=np.array([payload] * 4, dtype=object))


def _compressed_npz_of_objects(path: Path, payload: Payload) -> None:
    np.savez_compressed(path, view_1=np.array([[payload] * 4] * 4, dtype=object))


def _torch_zip(path: Path, payload: Payload) -> None:
    torch.save({"view_1": torch.eye(4), "extra": payload}, path)


def _torch_old(path: Path, payload: Payload) -> None:
    torch.save({"view_1": torch.eye(4), "extra": payload}, path, _use_new_zipfile_serialization=False)


def _bare_pickle(path: Path, payload: Payload) -> None:
    path.write_bytes(pickle.dumps({"view_1": payload}))


def _zip_behind_pickle(path: Path, payload: Payload) -> None:
    archive = io.BytesIO()
    torch.save(torch.eye(4), archive)
    path.write_bytes(pickle.dumps(payload, protocol=2) + archive.getvalue())


@pytest.mark.parametrize(
    ("suffix", "write"),
    [
        (".npy", _npy_of_objects),
        (".npz", _npz_of_objects),
        (".npz", _compressed_npz_of_objects),
        (".pt", _torch_zip),
        (".pth", _torch_old),
        (".pt", _bare_pickle),
        (".pt", _zip_behind_pickle),
    ],
)
def test_a_pickle_is_never_executed(suffix: str, write: Any, tmp_path: Path) -> None:
    target = tmp_path / "executed"
    path = tmp_path / f"hostile{suffix}"
    write(path, Payload(target))
    for read in (cl_viz.load, inspect, next(s for s in FORMATS.values() if suffix in s.suffixes).read):
        with pytest.raises(FormatError) as caught:
            read(path)
        assert str(path) in str(caught.value)
    assert not target.exists()
    # The payload itself works: the test would notice.
    os.system(Payload(target).__reduce__()[1][0])
    assert target.exists()


@pytest.mark.parametrize(("suffix", "write"), [(".npz", _npz_of_objects), (".pt", _torch_zip), (".pt", _torch_old)])
def test_refusals_say_what_would_have_run(suffix: str, write: Any, tmp_path: Path) -> None:
    path = tmp_path / f"hostile{suffix}"
    write(path, Payload(tmp_path / "executed"))
    with pytest.raises(UnsafeFileError, match="could run code"):
        cl_viz.load(path)


def test_numpy_arrays_in_a_torch_file_get_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "arrays.pt"
    torch.save({"view_1": np.eye(4)}, path)
    with pytest.raises(UnsafeFileError) as caught:
        cl_viz.load(path)
    assert "torch.from_numpy" in str(caught.value)


def test_pickled_bytearray_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "bytes.pt"
    with zipfile.ZipFile(path, "w") as archive:
        # bytearray(10**15), as opcodes.
        archive.writestr("bytes/data.pkl", b"\x80\x02cbuiltins\nbytearray\nL1000000000000000L\n\x85R.")
        archive.writestr("bytes/version", b"3")
    with pytest.raises(UnsafeFileError, match="bytearray"):
        cl_viz.load(path)


# -- headers that claim more than the file holds -----------------------------------------------------------------
def _npy_bytes(shape: tuple[int, ...], content: bytes) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return stream.getvalue() + content


@pytest.mark.parametrize("shape", [(10**6, 10**6), (10**15, 2), (5, 4), (2**62, 2**62)])
def test_npy_header_claims_more(shape: tuple[int, ...], tmp_path: Path) -> None:
    path = tmp_path / "claims.npy"
    path.write_bytes(_npy_bytes(shape, bytes(64)))
    with pytest.raises(UnsafeFileError, match="claims"):
        cl_viz.load(path)


def test_npy_header_with_negative_shape(tmp_path: Path) -> None:
    path = tmp_path / "negative.npy"
    path.write_bytes(_npy_bytes((-4, 4), bytes(64)))
    with pytest.raises(FormatError):
        cl_viz.load(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_npz_member_claims_more(compression: int, tmp_path: Path) -> None:
    path = tmp_path / "claims.npz"
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("view_1.npy", _npy_bytes((10**6, 10**6), bytes(4096)))
    with pytest.raises(UnsafeFileError, match="claims"):
        cl_viz.load(path)


def test_npz_bomb_is_refused_by_ratio_and_can_be_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.npz"
    rows = 300 << 10
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("view_1.npy", "w") as member:
        member.write(_npy_bytes((rows, 256), b""))
        for _ in range(300):
            member.write(bytes(1 << 20))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(UnsafeFileError, match="fill the memory") as caught:
        inspect(path)
    assert LIMIT_VARIABLE in str(caught.value)
    monkeypatch.setenv(LIMIT_VARIABLE, "4e8")
    assert inspect(path).arrays["view_1"].shape == (rows, 256)
    monkeypatch.setenv(LIMIT_VARIABLE, "1000")
    with pytest.raises(UnsafeFileError):
        inspect(path)


def test_npz_directory_lies_about_sizes(tmp_path: Path) -> None:
    path = tmp_path / "lies.npz"
    np.savez(path, view_1=np.eye(4, dtype=np.float32))
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02")
    # Compressed and full size in the directory.
    content[entry + 20 : entry + 28] = struct.pack("<2L", 0x7FFFFFFF, 0x7FFFFFFF)
    path.write_bytes(bytes(content))
    with pytest.raises(FormatError):
        cl_viz.load(path)


def test_compressed_torch_archive_is_refused(tmp_path: Path) -> None:
    torch.save(torch.zeros(1000, 1000), tmp_path / "plain.pt")
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(tmp_path / "plain.pt") as plain, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        for member in plain.infolist():
            bomb.writestr(member.filename, plain.read(member))
    with pytest.raises(UnsafeFileError, match="compressed"):
        cl_viz.load(path)


@pytest.mark.parametrize("zipped", [True, False])
def test_torch_tensor_claims_more_than_is_stored(zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / "expanded.pt"
    torch.save(torch.zeros(1).expand(10**6, 10**6), path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UnsafeFileError, match="claims"):
        cl_viz.load(path)


def test_safetensors_header_claims_more(tmp_path: Path) -> None:
    path = tmp_path / "claims.safetensors"
    header = json.dumps({"view_1": {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 4 * 10**12]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(64))
    with pytest.raises(UnsafeFileError, match="claims"):
        cl_viz.load(path)
    path.write_bytes(struct.pack("<Q", 50_000_000) + header + bytes(64))
    with pytest.raises(UnsafeFileError, match="claims"):
        cl_viz.load(path)


def test_safetensors_shape_and_offsets_disagree(tmp_path: Path) -> None:
    path = tmp_path / "lies.safetensors"
    header = json.dumps({"view_1": {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 64]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(64))
    with pytest.raises(FormatError):
        cl_viz.load(path)


def test_hdf5_dataset_that_was_never_written(tmp_path: Path) -> None:
    path = tmp_path / "claims.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("view_1", shape=(10**6, 10**5), dtype="f4", chunks=(1000, 1000))
    with pytest.raises(UnsafeFileError, match="claims"):
        cl_viz.load(path)


def test_parquet_with_endless_repetition(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "bomb.parquet"
    schema = pa.schema([("label", pa.string())])
    with pq.ParquetWriter(path, schema) as writer:
        batch = pa.table(
            {"label": pa.DictionaryArray.from_arrays(np.zeros(1 << 22, dtype=np.int8), ["a"]).cast("string")}
        )
        for _ in range(10):
            writer.write_table(batch)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(UnsafeFileError, match="claims"):
        cl_viz.load(path)


def test_parquet_vectors_of_endless_repetition(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "bomb.parquet"
    zeros = pa.array(np.zeros(100 * 100_000, dtype=np.float32))
    column = pa.FixedSizeListArray.from_arrays(zeros, 100_000)
    with pq.ParquetWriter(path, pa.schema([("view_1", column.type)])) as writer:
        for _ in range(10):
            writer.write_table(pa.table({"view_1": column}))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(UnsafeFileError, match="claims"):
        cl_viz.load(path)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("column", ["vector", "dictionary"])
def test_compressed_arrow_bomb(stream: bool, column: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa

    path = tmp_path / "bomb.arrow"
    if column == "vector":
        zeros = pa.array(np.zeros(300 << 18, dtype=np.float32))
        table = pa.table({"view_1": pa.FixedSizeListArray.from_arrays(zeros, 1024)})
    else:
        words = pa.array(["a" * (300 << 20), "b"])
        table = pa.table({"label": pa.DictionaryArray.from_arrays(pa.array([0, 1], type=pa.int8()), words)})
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    opened = pa.ipc.new_stream if stream else pa.ipc.new_file
    with opened(str(path), table.schema, options=options) as writer:
        writer.write_table(table)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(UnsafeFileError, match="claims"):
        inspect(path)
    if column == "vector":
        monkeypatch.setenv(LIMIT_VARIABLE, "4e8")
        assert inspect(path).arrays["view_1"].shape == (300 << 8, 1024)


# -- files that point to other files -----------------------------------------------------------------------------
@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.h5"
    with h5py.File(path, "w") as file:
        file["view_1"] = np.eye(4)
    return path


def test_hdf5_external_link(secret: Path, tmp_path: Path) -> None:
    path = tmp_path / "link.h5"
    with h5py.File(path, "w") as file:
        file["mine"] = np.eye(4)
        file["theirs"] = h5py.ExternalLink(str(secret), "/view_1")
    with pytest.raises(UnsafeFileError, match="another file"):
        cl_viz.load(path)


def test_hdf5_virtual_dataset(secret: Path, tmp_path: Path) -> None:
    path = tmp_path / "virtual.h5"
    layout = h5py.VirtualLayout(shape=(4, 4), dtype="f8")
    layout[:] = h5py.VirtualSource(str(secret), "view_1", shape=(4, 4))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("view_1", layout)
    with pytest.raises(UnsafeFileError, match="another file"):
        cl_viz.load(path)


def test_hdf5_external_storage(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(np.eye(4).tobytes())
    path = tmp_path / "external.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("view_1", shape=(4, 4), dtype="f8", external=[(str(tmp_path / "raw"), 0, 128)])
    with pytest.raises(UnsafeFileError, match="another file"):
        cl_viz.load(path)


def test_hdf5_soft_links_and_cycles_are_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "cycle.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("model")
        group["view_1"] = np.eye(4)
        group["again"] = group
        file["soft"] = h5py.SoftLink("/model/view_1")
    assert cl_viz.load(path).view_names == ("model/view_1",)
    assert any("soft" in note for note in inspect(path).notes)


@pytest.mark.slow
def test_hostile_claims_do_not_take_memory(tmp_path: Path) -> None:
    """Load the liars in a process that may not take 4 GiB of address space more than it starts with."""
    (tmp_path / "a.npy").write_bytes(_npy_bytes((10**6, 10**6), bytes(64)))
    with zipfile.ZipFile(tmp_path / "b.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("view_1.npy", _npy_bytes((10**6, 10**6), bytes(4096)))
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file.create_dataset("view_1", shape=(10**6, 10**5), dtype="f4", chunks=(1000, 1000))
    script = """
import resource, sys
import cl_viz, h5py, numpy
from cl_viz.core.errors import UnsafeFileError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    try:
        cl_viz.load(path)
    except UnsafeFileError:
        print("refused")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""
    paths = [str(tmp_path / name) for name in ("a.npy", "b.npz", "c.h5")]
    done = subprocess.run([sys.executable, "-c", script, *paths], capture_output=True, text=True, check=True)
    *refusals, grown = done.stdout.split()
    assert refusals == ["refused"] * 3
    assert int(grown) < 200
