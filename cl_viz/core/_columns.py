"""Metadata columns: their roles, how views share them, and how they are frozen and hashed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.as_array import as_array
from cl_viz.core.errors import InputError

Role = Literal["label", "subclass", "group", "text", "image", "id"]
ROLES: tuple[Role, ...] = get_args(Role)

Column = NDArray[Any]
Columns = Mapping[str, Column]
_ENTRIES_AT_ONCE = 1 << 14


def columns_by_view(metadata: Columns | Mapping[str, Columns], views: tuple[str, ...]) -> dict[str, Columns]:
    """Give every view its columns; a flat mapping is shared by all views. Raises `InputError` for an unknown view."""
    nested = {key: value for key, value in metadata.items() if isinstance(value, Mapping)}
    if nested and len(nested) == len(metadata):
        for view in nested:
            if view not in views:
                raise InputError(f"metadata given for {view!r}, which is not a view", allowed=", ".join(views))
        return {view: nested.get(view, {}) for view in views}
    shared = {str(key): np.asarray(as_array(value, str(key))) for key, value in metadata.items()}
    return dict.fromkeys(views, shared)


def freeze_metadata(by_view: Mapping[str, Columns]) -> dict[str, Columns]:
    """Make columns read-only; a mapping that views share stays shared, so that it is hashed and held once."""
    frozen: dict[int, Columns] = {}
    for columns in by_view.values():
        if id(columns) not in frozen:
            arrays = {str(name): read_only(np.asarray(as_array(values, str(name)))) for name, values in columns.items()}
            frozen[id(columns)] = MappingProxyType(arrays)
    return {view: frozen[id(columns)] for view, columns in by_view.items()}


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array with the same memory that cannot be written to."""
    # A view, so that the caller's own array stays writable; a memory map stays a memory map.
    frozen = array.view()
    frozen.flags.writeable = False
    return frozen


def hash_column(digest: Any, values: Column) -> None:
    """Feed every entry of a column to a hash of `hashlib`; text with its length, so that no two run together."""
    if values.dtype.kind in "OUS":
        for start in range(0, len(values), _ENTRIES_AT_ONCE):
            parts = []
            for value in values[start : start + _ENTRIES_AT_ONCE]:
                text = f"{type(value).__name__}:{value}".encode("utf-8", "surrogatepass")
                parts += [len(text).to_bytes(8, "little"), text]
            digest.update(b"".join(parts))
    else:
        digest.update(str(values.dtype).encode())
        digest.update(np.ascontiguousarray(values).view(np.uint8).data)
