"""A tensor, or a dictionary of tensors, saved with torch; loaded with `weights_only`, which runs nothing."""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import FormatError, UnsafeFileError
from cl_viz.core.specs import FormatSpec, RawDump
from cl_viz.formats._dump import MANIFEST_KEY, arrays_to_store, column_to_store, manifest_text, sort_arrays
from cl_viz.formats._guard import guarded_reader, replacing
from cl_viz.formats._zip_archive import check_archive, data_offset, first_member

if TYPE_CHECKING:
    from torch import Tensor

# How files of torch before 1.6 begin: a pickled magic number.
_OLD_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"
_DEEPEST = 16
# Names and sizes of tensors; the numbers themselves are members of their own.
_LARGEST_PICKLE = 64 << 20


def sniff(path: Path, head: bytes) -> bool:
    """Recognise a zip archive whose first member lies in a folder, as torch writes it, or the older format."""
    first = first_member(head)
    return head.startswith(_OLD_MAGIC) or first.endswith(("/data.pkl", "/version", "/byteorder", "/.format_version"))


@guarded_reader("torch file")
def read(path: Path) -> RawDump:
    """Load tensors, memory-mapped where the file is of torch 1.6 or newer.

    Raises
    ------
    FormatError
        If the file is cut off or damaged.
    UnsafeFileError
        If it names anything but tensors and plain containers, or a tensor claims more than is stored.
    """
    import torch

    with path.open("rb") as file:
        # As torch decides; a pickle with an archive behind it must not pass for an archive.
        zipped = file.read(4) == b"PK\x03\x04"
    largest = _check_zip(path) if zipped else _check_old(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = torch.load(str(path), map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        raise _refused(path, error) from error
    arrays: dict[str, NDArray[Any]] = {}
    manifest = None
    for name, value in _leaves(loaded, "", 0):
        if name == MANIFEST_KEY and isinstance(value, str):
            manifest = value
        elif isinstance(value, torch.Tensor):
            arrays[name or path.stem] = _to_numpy(value, path, name or "the tensor", largest)
        else:
            arrays[name or path.stem] = np.asarray(value)
    return sort_arrays(arrays, path, manifest=manifest)


def _check_zip(path: Path) -> int:
    """Check the archive and return the bytes of its largest member."""
    with zipfile.ZipFile(path) as archive:
        members = check_archive(archive, path)
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED:
            raise UnsafeFileError(
                f"member {member.filename!r} is compressed, which torch never does; it claims {member.file_size:,} "
                f"bytes and holds {member.compress_size:,}",
                where=str(path),
                allowed="archives as torch.save writes them",
                remedy="save the tensors again with torch.save",
            )
        if member.filename.endswith("/data.pkl") and member.file_size > _LARGEST_PICKLE:
            raise UnsafeFileError(
                f"the list of tensors alone takes {member.file_size:,} bytes",
                where=str(path),
                allowed=f"up to {_LARGEST_PICKLE:,} bytes",
                remedy="save large lists of Python numbers as tensors",
            )
        if member.filename.endswith("/data.pkl"):
            with path.open("rb") as file:
                file.seek(data_offset(path, member))
                _check_pickle(file.read(member.file_size), path)
    return max(member.file_size for member in members)


def _check_old(path: Path) -> int:
    """Check a file of torch before 1.6, a pickle followed by the numbers, and return its size."""
    with path.open("rb") as file:
        _check_pickle(file.read(_LARGEST_PICKLE), path)
    return path.stat().st_size


def _check_pickle(content: bytes, path: Path) -> None:
    # torch lets a pickle call bytearray, which takes as much memory as a number in the file says.
    if b"bytearray\n" in content:
        raise UnsafeFileError(
            "the file asks to call bytearray, which can take any amount of memory",
            where=str(path),
            allowed="tensors, numbers, text, and lists and dictionaries of these",
            remedy="save only the tensors: torch.save({'view_1': tensor, ...}, path)",
        )


def _refused(path: Path, error: Exception) -> FormatError:
    found = re.search(r"GLOBAL (\S+)", str(error))
    if found is None:
        return FormatError(
            "the file is damaged, or holds something other than tensors and plain containers",
            where=str(path),
            allowed="a tensor, or a dictionary of tensors",
            remedy="save the tensors again with torch.save({'view_1': tensor, ...}, path)",
        )
    name = found.group(1)
    numpy_hint = "save numpy arrays as tensors: torch.from_numpy(array)" if name.startswith("numpy") else ""
    return UnsafeFileError(
        f"the file asks to call {name}, which could run code; it was not executed",
        where=str(path),
        allowed="tensors, numbers, text, and lists and dictionaries of these",
        remedy=numpy_hint or "save only the tensors: torch.save({'view_1': tensor, ...}, path)",
    )


def _leaves(value: Any, prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Yield (name, tensor, text, number or list) of nested containers; names are joined with a slash."""
    import torch

    if isinstance(value, torch.Tensor | str | bool | int | float):
        yield prefix, value
    elif isinstance(value, Mapping) and depth < _DEEPEST:
        for key, entry in value.items():
            yield from _leaves(entry, f"{prefix}/{key}" if prefix else str(key), depth + 1)
    elif isinstance(value, list | tuple) and value and depth < _DEEPEST:
        if all(isinstance(entry, str | bool | int | float) for entry in value):
            yield prefix, value
        elif all(isinstance(entry, torch.Tensor) and entry.ndim == 1 for entry in value) and _alike(value):
            yield prefix, torch.stack(list(value))
        else:
            for index, entry in enumerate(value):
                yield from _leaves(entry, f"{prefix}/{index}" if prefix else str(index), depth + 1)


def _alike(tensors: list[Tensor] | tuple[Tensor, ...]) -> bool:
    return len({(tensor.shape, tensor.dtype) for tensor in tensors}) == 1


def _to_numpy(tensor: Tensor, path: Path, name: str, largest: int) -> NDArray[Any]:
    import torch

    if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
        raise FormatError(
            f"{name!r} is a tensor of layout {tensor.layout} on {tensor.device}",
            where=str(path),
            allowed="dense tensors",
            remedy="save tensor.to_dense().cpu()",
        )
    stored = tensor.untyped_storage().nbytes()
    if tensor.numel() * tensor.element_size() > stored or stored > largest:
        raise UnsafeFileError(
            f"{name!r} of shape {tuple(tensor.shape)} claims {tensor.numel() * tensor.element_size():,} bytes, "
            f"{min(stored, largest):,} are stored",
            where=str(path),
            allowed="tensors whose entries are all in the file",
            remedy="save tensor.contiguous()",
        )
    plain = tensor.detach()
    if plain.dtype == torch.bfloat16:
        import ml_dtypes

        return plain.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return plain.resolve_conj().resolve_neg().numpy()


def write(embedding_set: EmbeddingSet, path: Path) -> None:
    """Write a dictionary: views, pairs and columns of numbers as tensors, text columns as lists."""
    import torch

    arrays, columns = arrays_to_store(embedding_set, path)
    content: dict[str, Any] = {name: _to_torch(array) for name, array in arrays.items()}
    for name, values in columns.items():
        stored = column_to_store(values)
        content[name] = stored.tolist() if stored.dtype.kind not in "fiub" else _to_torch(stored)
    content[MANIFEST_KEY] = manifest_text(embedding_set)
    with replacing(path) as temporary:
        torch.save(content, str(temporary))


def _to_torch(array: NDArray[Any]) -> Tensor:
    import torch

    with warnings.catch_warnings():
        # The arrays of a set are read-only, and nothing here writes to the tensor.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(np.ascontiguousarray(array))


SPEC = FormatSpec(
    name="torch",
    label="torch file",
    suffixes=(".pt", ".pth", ".ckpt", ".bin"),
    sniff=sniff,
    read=read,
    write=write,
    description=(
        "A tensor becomes the one view; in a dictionary, nested or not, tensors of two axes become views by name, "
        "tensors of one axis and lists of text or numbers become columns. Files are loaded with `weights_only=True` "
        "and memory-mapped: a file that asks for anything but tensors and plain containers is refused, and nothing "
        "in it is executed. bfloat16 becomes float32."
    ),
)
