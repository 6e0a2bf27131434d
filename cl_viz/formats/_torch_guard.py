"""Files of torch that are not trusted: checked before anything is unpickled, loaded with `weights_only`."""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cl_viz.core.errors import FormatError, UnsafeFileError
from cl_viz.formats._zip_archive import check_archive, data_offset, first_member

if TYPE_CHECKING:
    from torch import Tensor

PLAIN = "tensors, numbers, text, and lists and dictionaries of these"
# How files of torch before 1.6 begin: a pickled magic number.
OLD_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"
_ZIP_MAGIC = b"PK\x03\x04"
# Names and sizes of tensors; the numbers themselves are members of their own.
_LARGEST_PICKLE = 64 << 20


def sniff_torch(head: bytes) -> bool:
    """Recognise a zip archive whose first member lies in a folder, as torch writes it, or the older format."""
    first = first_member(head)
    return head.startswith(OLD_MAGIC) or first.endswith(("/data.pkl", "/version", "/byteorder", "/.format_version"))


def load_plain(path: Path, remedy: str, harmless: Sequence[type] = ()) -> tuple[Any, int]:
    """Unpickle what torch saved, and nothing that could run.

    Parameters
    ----------
    path : Path
    remedy : str
        What to do about a file that asks for more.
    harmless : sequence of type
        Classes beyond torch's own that may be made: holders of plain data.

    Returns
    -------
    content : object
        Tensors are memory-mapped where the file is of torch 1.6 or newer.
    largest : int
        Bytes of the largest part of the file; no storage of a tensor can take more.

    Raises
    ------
    FormatError
        If the file is cut off or damaged.
    UnsafeFileError
        If it names anything but tensors, plain containers and `harmless`, or claims more than it holds.
    """
    import torch

    with path.open("rb") as file:
        # As torch decides; a pickle with an archive behind it must not pass for an archive.
        zipped = file.read(4) == _ZIP_MAGIC
    largest = _check_zip(path, remedy) if zipped else _check_old(path, remedy)
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(list(harmless)):
            warnings.simplefilter("ignore")
            return torch.load(str(path), map_location="cpu", weights_only=True, mmap=zipped), largest
    except pickle.UnpicklingError as error:
        raise _refused(path, error, remedy) from error


def check_stored(tensor: Tensor, path: Path, name: str, largest: int) -> None:
    """Raise unless a tensor is dense and all of its entries are in the file.

    Raises
    ------
    FormatError
        If it is sparse, quantized or on a device.
    UnsafeFileError
        If it claims more bytes than are stored.
    """
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


def _check_zip(path: Path, remedy: str) -> int:
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
                _check_pickle(file.read(member.file_size), path, remedy)
    return max(member.file_size for member in members)


def _check_old(path: Path, remedy: str) -> int:
    """Check a file of torch before 1.6, a pickle followed by the numbers, and return its size."""
    with path.open("rb") as file:
        _check_pickle(file.read(_LARGEST_PICKLE), path, remedy)
    return path.stat().st_size


def _check_pickle(content: bytes, path: Path, remedy: str) -> None:
    # torch lets a pickle call bytearray, which takes as much memory as a number in the file says.
    if b"bytearray\n" in content:
        raise UnsafeFileError(
            "the file asks to call bytearray, which can take any amount of memory",
            where=str(path),
            allowed=PLAIN,
            remedy=remedy,
        )


def _refused(path: Path, error: Exception, remedy: str) -> FormatError:
    found = re.search(r"GLOBAL (\S+)", str(error))
    if found is None:
        return FormatError(
            "the file is damaged, or holds something other than tensors and plain containers",
            where=str(path),
            allowed="a tensor, or a dictionary of tensors",
            remedy=remedy,
        )
    name = found.group(1)
    numpy_hint = "save numpy arrays as tensors: torch.from_numpy(array); or " if name.startswith("numpy") else ""
    return UnsafeFileError(
        f"the file asks to call {name}, which could run code; it was not executed",
        where=str(path),
        allowed=PLAIN,
        remedy=numpy_hint + remedy,
    )
