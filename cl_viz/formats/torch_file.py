"""A tensor, or a dictionary of tensors, saved with torch; loaded with `weights_only`, which runs nothing."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.specs import FormatSpec, RawDump
from cl_viz.formats._dump import (
    MANIFEST_KEY,
    arrays_to_store,
    column_to_store,
    compact_text,
    manifest_text,
    sort_arrays,
)
from cl_viz.formats._guard import guarded_reader, replacing
from cl_viz.formats._limits import check_expansion
from cl_viz.formats._torch_guard import check_stored, load_plain, sniff_torch

if TYPE_CHECKING:
    from torch import Tensor

_REMEDY = "save only the tensors: torch.save({'view_1': tensor, ...}, path)"
_DEEPEST = 16
_ENTRY_BYTES = 256
"""About what an array takes beside its numbers, with its name."""


def sniff(path: Path, head: bytes) -> bool:
    """Recognise a zip archive whose first member lies in a folder, as torch writes it, or the older format."""
    return sniff_torch(head)


@guarded_reader("torch file")
def read(path: Path) -> RawDump:
    """Load tensors, memory-mapped where the file is of torch 1.6 or newer.

    Raises
    ------
    FormatError
        If the file is cut off or damaged.
    UnsafeFileError
        If it names anything but tensors and plain containers, or tensors or containers claim more than is stored.
    """
    import torch

    loaded, largest = load_plain(path, _REMEDY)
    arrays: dict[str, NDArray[Any]] = {}
    manifest = None
    size, taken = path.stat().st_size, 0
    for name, value in _leaves(loaded, "", 0, path):
        # What is stored once can be named any number of times: what all of it would take is known before it is taken.
        taken += _ENTRY_BYTES + _listed_bytes(value)
        check_expansion(path, f"the content up to {name!r}", taken, size)
        if name == MANIFEST_KEY and isinstance(value, str):
            manifest = value
        elif isinstance(value, torch.Tensor):
            check_stored(value, path, name or "the tensor", largest)
            arrays[name or path.stem] = _to_numpy(value)
        elif isinstance(value, list | tuple) and isinstance(value[0], torch.Tensor):
            for place, entry in enumerate(value):
                check_stored(entry, path, f"{name}/{place}", largest)
            arrays[name or path.stem] = _to_numpy(torch.stack(list(value)))
        else:
            arrays[name or path.stem] = _plain(value)
    return sort_arrays(arrays, path, manifest=manifest)


def _leaves(value: Any, prefix: str, depth: int, path: Path) -> Iterator[tuple[str, Any]]:
    """Yield (name, tensor, text, number or list of them) of nested containers; names are joined with a slash."""
    import torch

    if isinstance(value, torch.Tensor | str | bool | int | float):
        yield prefix, value
    elif isinstance(value, Mapping) and depth < _DEEPEST:
        for key, entry in value.items():
            yield from _leaves(entry, f"{prefix}/{key}" if prefix else str(key), depth + 1, path)
    elif isinstance(value, list | tuple) and value and depth < _DEEPEST:
        plain = all(isinstance(entry, str | bool | int | float) for entry in value)
        if plain or (all(isinstance(entry, torch.Tensor) and entry.ndim < 2 for entry in value) and _alike(value)):
            yield prefix, value
        elif isinstance(value[0], Mapping) and _are_records(value, prefix, path):
            # A record for each sample: the same as a dictionary of columns.
            yield from _leaves({key: [entry[key] for entry in value] for key in value[0]}, prefix, depth + 1, path)
        else:
            for index, entry in enumerate(value):
                yield from _leaves(entry, f"{prefix}/{index}" if prefix else str(index), depth + 1, path)


def _are_records(entries: list[Any] | tuple[Any, ...], prefix: str, path: Path) -> bool:
    """Return whether all entries have the keys of the first, once it is known that comparing them is no trap."""
    claimed = 8 * len(entries) * len(entries[0])
    check_expansion(path, repr(prefix or "the list of records"), claimed, path.stat().st_size)
    return all(isinstance(entry, Mapping) and entry.keys() == entries[0].keys() for entry in entries)


def _listed_bytes(value: Any) -> int:
    """Return what the entries of a list would take, 0 for anything else: a tensor stays where it is stored."""
    if not isinstance(value, list | tuple):
        return 0
    each = 8 if isinstance(value[0], str | bool | int | float) else value[0].numel() * value[0].element_size()
    return len(value) * each


def _plain(value: Any) -> NDArray[Any]:
    """Return text, a number, or a list of them as an array; a long text among short ones does not widen them all."""
    if isinstance(value, list | tuple) and any(isinstance(entry, str) for entry in value):
        return compact_text(np.array([str(entry) for entry in value], dtype=object))
    return np.asarray(value)


def _alike(tensors: list[Tensor] | tuple[Tensor, ...]) -> bool:
    return len({(tensor.shape, tensor.dtype) for tensor in tensors}) == 1


def _to_numpy(tensor: Tensor) -> NDArray[Any]:
    import torch

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
