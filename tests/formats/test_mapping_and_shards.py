"""Arrays larger than memory stay on disk; folders of shards; torch and safetensors details; writing safely."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import ml_dtypes
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import cl_viz
from cl_viz.core.errors import FormatError, InputError, MissingDependencyError
from cl_viz.formats import FORMATS, _big_arrays, inspect, shards
from tests.formats.format_samples import make_set

RNG = np.random.default_rng(11)


def matrix(rows: int = 10, columns: int = 4) -> np.ndarray[Any, Any]:
    return RNG.normal(size=(rows, columns)).astype(np.float32)


def is_mapped(array: Any) -> bool:
    """Follow an array to what owns its memory."""
    while array is not None:
        if isinstance(array, np.memmap | mmap.mmap):
            return True
        array = getattr(array, "base", None)
    return False


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors", ".h5"])
def test_arrays_stay_mapped(suffix: str, tmp_path: Path) -> None:
    plain = suffix == ".npy"
    loaded = cl_viz.load(cl_viz.save(make_set(views=1 if plain else 2, columns=not plain), tmp_path / f"a{suffix}"))
    assert all(is_mapped(array) for array in loaded.views.values())
    assert not any(array.flags.writeable for array in loaded.views.values())


LIMITED = """
import resource, sys
import numpy, torch, h5py, pyarrow.compute, safetensors
from cl_viz.formats._opening import read_dump
from cl_viz.formats._assemble import make_plan, build_set
from pathlib import Path
path = Path(sys.argv[1])
status = dict(line.split(":") for line in open("/proc/self/status") if line.startswith("RssAnon"))
before = int(status["RssAnon"].split()[0])
made = build_set(make_plan(read_dump(path)[1], path), path, "big")
status = dict(line.split(":") for line in open("/proc/self/status") if line.startswith("RssAnon"))
print(int(status["RssAnon"].split()[0]) - before, made.n, float(made.views[made.view_names[0]][-1, -1]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".npy", ".npz", ".pt", ".safetensors", ".h5", ".feather"])
def test_a_large_file_takes_no_memory(suffix: str, tmp_path: Path) -> None:
    """200 MB of embeddings; assembling the set takes less than 60 MB of memory that is not the file itself."""
    array = np.zeros((100_000, 512), dtype=np.float32)
    array[-1, -1] = 7
    path = cl_viz.save(cl_viz.EmbeddingSet.from_arrays(array), tmp_path / f"a{suffix}")
    done = subprocess.run([sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=True)
    grown_kib, n_rows, last = done.stdout.split()
    assert (int(n_rows), float(last)) == (100_000, 7)
    assert int(grown_kib) < 60_000


def test_large_joins_go_to_a_mapped_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_big_arrays, "IN_MEMORY_BYTES", 100)
    monkeypatch.setattr(shards, "IN_MEMORY_BYTES", 100)
    arrays = [matrix() for _ in range(3)]
    for index, array in enumerate(arrays):
        np.savez_compressed(tmp_path / f"part-{index}.npz", view_1=array)
    before = len(os.listdir("/proc/self/fd"))
    loaded = cl_viz.load(tmp_path)
    assert is_mapped(loaded.views["view_1"])
    np.testing.assert_array_equal(loaded.views["view_1"], np.concatenate(arrays))
    # The file has no name and no open descriptor of ours: it goes with the array.
    assert len(os.listdir("/proc/self/fd")) <= before + 1


def test_too_little_room_for_a_temporary_file(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="temporary folder") as caught:
        _big_arrays.allocate((10**9, 10**9), np.float32)
    assert "TMPDIR" in str(caught.value)


# -- shards ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("suffix", [".npz", ".pt", ".safetensors", ".h5", ".parquet", ".feather", ".csv", ".jsonl"])
def test_shards_in_natural_order(suffix: str, tmp_path: Path) -> None:
    whole = make_set(n_rows=24)
    for shard in range(12):
        rows = np.arange(2 * shard, 2 * shard + 2)
        cl_viz.save(whole.select(rows=rows), tmp_path / f"part-{shard}{suffix}")
    (tmp_path / "README.md").write_text("not a shard")
    loaded = cl_viz.load(tmp_path)
    for view, array in whole.views.items():
        np.testing.assert_array_equal(loaded.views[view].astype(np.float32), array)
    np.testing.assert_array_equal(loaded.role("label"), whole.role("label"))
    np.testing.assert_array_equal(loaded.role("text"), whole.role("text"))
    assert any("12 files" in note for note in inspect(tmp_path).notes)


def test_npy_shards_are_joined_by_name(tmp_path: Path) -> None:
    image, text = matrix(12), matrix(12)
    for shard in range(3):
        rows = slice(4 * shard, 4 * shard + 4)
        np.save(tmp_path / f"image_{shard}.npy", image[rows])
        np.save(tmp_path / f"text_{shard}.npy", text[rows])
        np.save(tmp_path / f"labels_{shard}.npy", np.full(4, shard))
    loaded = cl_viz.load(tmp_path)
    assert loaded.view_names == ("image", "text")
    np.testing.assert_array_equal(loaded.views["image"], image)
    assert loaded.role("label").tolist() == [0] * 4 + [1] * 4 + [2] * 4  # type: ignore[union-attr]


def test_one_npy_shard_stays_mapped(tmp_path: Path) -> None:
    np.save(tmp_path / "train-00000-of-00001.npy", matrix())
    loaded = cl_viz.load(tmp_path)
    assert loaded.view_names == ("train",)
    assert is_mapped(loaded.views["train"])


def test_bad_folders(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no file of a known format"):
        cl_viz.load(tmp_path)
    (tmp_path / "train" / "cats").mkdir(parents=True)
    (tmp_path / "train" / "cats" / "1.JPG").touch()
    with pytest.raises(FormatError, match="holds pictures, and no embeddings") as caught:
        cl_viz.load(tmp_path)
    assert f"cl-viz encode CHECKPOINT {tmp_path}," in caught.value.remedy
    (folder := tmp_path / "my pictures; x").mkdir()
    (folder / "1.png").touch()
    with pytest.raises(FormatError, match="holds pictures") as caught:
        cl_viz.load(folder)
    assert f"cl-viz encode CHECKPOINT '{folder}'," in caught.value.remedy
    np.save(tmp_path / "a_0.npy", matrix())
    np.save(tmp_path / "a_1.npy", matrix(10, 5))
    with pytest.raises(FormatError, match=r"a_1\.npy"):
        cl_viz.load(tmp_path)
    np.savez(tmp_path / "b.npz", one=matrix())
    with pytest.raises(FormatError, match="several formats"):
        cl_viz.load(tmp_path)


def test_shards_that_lack_a_column(tmp_path: Path) -> None:
    np.savez(tmp_path / "a_0.npz", one=matrix(), label=np.arange(10))
    np.savez(tmp_path / "a_1.npz", one=matrix())
    with pytest.raises(FormatError, match=r"'label' is missing in a_1\.npz"):
        cl_viz.load(tmp_path)


def test_a_truncated_shard_is_named(tmp_path: Path) -> None:
    for shard in range(2):
        np.save(tmp_path / f"a_{shard}.npy", matrix())
    content = (tmp_path / "a_1.npy").read_bytes()
    (tmp_path / "a_1.npy").write_bytes(content[:-4])
    with pytest.raises(FormatError, match=r"a_1\.npy"):
        cl_viz.load(tmp_path)


# -- bfloat16 and torch ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("suffix", [".npy", ".npz", ".pt", ".safetensors"])
def test_bfloat16_becomes_float32(suffix: str, tmp_path: Path) -> None:
    tensor = torch.from_numpy(matrix()).bfloat16()
    path = tmp_path / f"a{suffix}"
    if suffix == ".npy":
        np.save(path, tensor.float().numpy().astype(ml_dtypes.bfloat16))
    elif suffix == ".npz":
        np.savez(path, view_1=tensor.float().numpy().astype(ml_dtypes.bfloat16))
    elif suffix == ".pt":
        torch.save({"view_1": tensor}, path)
    else:
        save_file({"view_1": tensor}, path)
    loaded = cl_viz.load(path)
    assert loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded.views["view_1"], tensor.float().numpy())


def test_torch_tensor_old_format_and_gradients(tmp_path: Path) -> None:
    tensor = torch.nn.Parameter(torch.randn(6, 3))
    torch.save(tensor, tmp_path / "a.pt")
    torch.save(tensor, tmp_path / "b.pth", _use_new_zipfile_serialization=False)
    for name in ("a.pt", "b.pth"):
        loaded = cl_viz.load(tmp_path / name)
        assert loaded.view_names == ("view_1",)
        np.testing.assert_array_equal(loaded.views["view_1"], tensor.detach().numpy())


def test_torch_nested_dictionary_lists_and_slices(tmp_path: Path) -> None:
    big = torch.randn(20, 6)
    content = {
        "out": {"image": big[:10, :3], "text": big[10:].T[:3].T},
        "labels": ["a", "b"] * 5,
        "rows": [torch.arange(3.0)] * 10,
        "score": torch.arange(10),
        "step": 3,
        "note": "hello",
    }
    torch.save(content, tmp_path / "a.pt")
    loaded = cl_viz.load(tmp_path / "a.pt", views=["out/image", "out/text", "rows"])
    np.testing.assert_array_equal(loaded.views["out/text"], big[10:, :3].numpy())
    np.testing.assert_array_equal(loaded.views["rows"][3], [0, 1, 2])
    assert dict(loaded.roles) == {"label": "labels"}
    assert set(loaded.columns()) == {"labels", "score"}


@pytest.mark.parametrize("tensor", [torch.eye(4).to_sparse(), torch.empty(4, 4, device="meta")])
def test_torch_tensors_without_plain_numbers(tensor: torch.Tensor, tmp_path: Path) -> None:
    torch.save({"view_1": tensor}, tmp_path / "a.pt")
    with pytest.raises(FormatError, match="dense"):
        cl_viz.load(tmp_path / "a.pt")


def test_a_whole_pickled_model_is_refused(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "a.pt")
    with pytest.raises(FormatError, match="was not executed"):
        cl_viz.load(tmp_path / "a.pt")


def test_hdf5_groups_chunks_and_compression(tmp_path: Path) -> None:
    path, array = tmp_path / "a.h5", matrix(50, 4)
    with h5py.File(path, "w") as file:
        file.create_dataset("model/image", data=array, chunks=(7, 4), compression="gzip")
        file.create_dataset("model/text", data=array.astype(">f8"))
        file.create_dataset("labels", data=[f"<é {i}>" for i in range(50)])
        file.create_dataset("fixed", data=np.array([b"x"] * 50))
        file.create_dataset("flag", data=np.arange(50) % 2 == 0)
        file.create_dataset("step", data=3)
        file.create_dataset("kind", data="train")
    loaded = cl_viz.load(path)
    np.testing.assert_array_equal(loaded.views["model/image"], array)
    np.testing.assert_array_equal(loaded.views["model/text"], array)
    assert loaded.role("label")[3] == "<é 3>"  # type: ignore[index]
    assert loaded.columns()["flag"].dtype == np.bool_


# -- writing and missing libraries -------------------------------------------------------------------------------
@pytest.mark.parametrize("suffix", [".npz", ".pt", ".safetensors", ".h5", ".parquet", ".arrow", ".csv", ".jsonl"])
def test_a_writer_that_fails_leaves_the_old_file(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"precious")
    monkeypatch.setattr(os, "replace", _no_space)
    with pytest.raises(InputError, match="cannot be written") as caught:
        cl_viz.save(make_set(), path)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == b"precious"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def _no_space(*_: Any) -> None:
    raise OSError(28, "No space left on device")


def test_saving_replaces_and_keeps_usual_permissions(tmp_path: Path) -> None:
    path = cl_viz.save(make_set(), tmp_path / "a.npz")
    first = cl_viz.load(path)
    cl_viz.save(make_set("float64"), path)
    # The set that was loaded before still sees its own content.
    np.testing.assert_array_equal(first.views["image"], make_set().views["image"])
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_saving_into_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        cl_viz.save(make_set(), tmp_path / "absent" / "a.npz")
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(InputError, match="folder"):
        cl_viz.save(make_set(), tmp_path / "folder.npz")


@pytest.mark.parametrize(
    ("name", "library"),
    [
        ("hdf5", "h5py"),
        ("safetensors", "safetensors"),
        ("parquet", "pyarrow"),
        ("arrow", "pyarrow"),
        ("csv", "pyarrow"),
    ],
)
def test_missing_libraries_name_the_pip_line(
    name: str, library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = cl_viz.save(make_set(), tmp_path / f"a{FORMATS[name].suffixes[0]}")
    for module in [library, *(found for found in sys.modules if found.startswith(f"{library}."))]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError) as caught:
        cl_viz.load(path)
    assert f"pip install {library}" in str(caught.value)
    assert str(path) in str(caught.value)
    if name != "csv":
        with pytest.raises(MissingDependencyError):
            FORMATS[name].write(make_set(), path)  # type: ignore[misc]


def test_importing_the_formats_loads_no_heavy_library() -> None:
    script = (
        "import sys, cl_viz.formats; list(cl_viz.formats.FORMATS); "
        "print([m for m in ('torch', 'h5py', 'pyarrow', 'safetensors', 'pandas', 'streamlit') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
