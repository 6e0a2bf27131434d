"""Between named arrays and sets: how array stores (npz, pt, safetensors, h5) are read into and made from a set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import ROLES, Column, EmbeddingSet
from cl_viz.core.errors import InputError
from cl_viz.core.specs import RawDump
from cl_viz.formats._big_arrays import as_supported
from cl_viz.formats._guard import own_columns

MANIFEST_KEY = "__cl_viz__"
PAIRS_KEY = "pairs"
COLUMN_PREFIX = "columns/"

_LONGEST_MANIFEST = 1 << 20
_LARGEST_TEXT_BYTES = 64 << 20


def is_number_type(dtype: np.dtype[Any]) -> bool:
    """Return whether entries are real numbers an embedding can be made of."""
    return dtype.kind in "fiu" or dtype.name == "bfloat16"


def sort_arrays(
    items: Mapping[str, NDArray[Any]], path: Path, *, manifest: str | None = None, notes: tuple[str, ...] = ()
) -> RawDump:
    """Sort named arrays into candidate views, columns and facts.

    Parameters
    ----------
    items : Mapping[str, NDArray]
        Arrays by name, possibly mapped.
    path : Path
        For messages.
    manifest : str, optional
        What `manifest_text` wrote; else the entry `MANIFEST_KEY` of `items` is looked at.
    notes : tuple of str
        What the reader left out, for people.

    Returns
    -------
    RawDump
        Numeric arrays of two or more axes, one-axis columns, and a card with ``cl_viz`` (roles and views as saved),
        ``notes`` and the facts found in arrays without axes.
    """
    arrays: dict[str, NDArray[Any]] = {}
    columns: dict[str, Column] = {}
    facts: dict[str, Any] = {}
    said = list(notes)
    for name, array in items.items():
        if name == MANIFEST_KEY:
            manifest = str(array) if array.ndim == 0 and array.dtype.kind == "U" else None
        elif array.ndim == 0:
            facts[name] = array.item()
        elif array.ndim == 1:
            columns[name.removeprefix(COLUMN_PREFIX)] = plain_column(array)
        elif is_number_type(array.dtype):
            arrays[name] = array
        else:
            said.append(f"array {name!r} of {array.dtype} entries was left out: it holds no numbers")
    return RawDump(arrays, columns, {"cl_viz": read_manifest(manifest), "notes": tuple(said), "facts": facts})


def plain_column(array: NDArray[Any]) -> Column:
    """Return a column in memory: bytes as text, other byte orders turned, bfloat16 as float32."""
    if array.dtype.kind == "S":
        return np.array([entry.decode("utf-8", "replace") for entry in array], dtype=np.str_)
    if array.dtype.name == "bfloat16":
        return array.astype(np.float32)
    return np.array(array, dtype=array.dtype.newbyteorder("="))


def manifest_text(embedding_set: EmbeddingSet) -> str:
    """Return what a file should say beside its arrays: views and columns in order, and the roles, as JSON."""
    return json.dumps(
        {
            "views": list(embedding_set.view_names),
            "columns": list(embedding_set.columns()),
            "roles": dict(embedding_set.roles),
        }
    )


def read_manifest(text: str | None) -> dict[str, Any]:
    """Return the manifest of a file as far as it makes sense; anything else in it is ignored."""
    if text is None or len(text) > _LONGEST_MANIFEST:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    manifest: dict[str, Any] = {}
    for key in ("views", "columns"):
        names = found.get(key)
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            manifest[key] = names
    roles = found.get("roles")
    if isinstance(roles, dict):
        manifest["roles"] = {k: v for k, v in roles.items() if k in ROLES and isinstance(v, str)}
    return manifest


def arrays_to_store(embedding_set: EmbeddingSet, path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Column]]:
    """Return the arrays (views and pairs) and the columns of a set under the names an array store uses.

    Columns that all views share keep their name, unless a view has it; others are called ``columns/view/column``.

    Raises
    ------
    InputError
        If a name is taken by the format itself.
    """
    arrays: dict[str, NDArray[Any]] = {view: as_supported(array) for view, array in embedding_set.views.items()}
    for reserved in (PAIRS_KEY, MANIFEST_KEY):
        if reserved in arrays:
            raise InputError(f"a view is called {reserved!r}", where=str(path), remedy="give it another name")
    columns: dict[str, Column] = {}
    if not own_columns(embedding_set):
        for name, values in embedding_set.columns().items():
            taken = name in arrays or name in (PAIRS_KEY, MANIFEST_KEY)
            columns[f"{COLUMN_PREFIX}{name}" if taken else name] = values
    else:
        for view in embedding_set.view_names:
            columns.update(
                {f"{COLUMN_PREFIX}{view}/{name}": values for name, values in embedding_set.columns(view).items()}
            )
    if embedding_set.pairs is not None:
        arrays[PAIRS_KEY] = embedding_set.pairs
    return arrays, columns


def compact_text(values: Column) -> Column:
    """Return a text column as a fixed-width array where no entry is missing and none is much longer than the rest.

    Files of different formats then give the same column, and so the same fingerprint.
    """
    if values.dtype.kind != "O" or not len(values) or not all(isinstance(value, str) for value in values):
        return values
    if len(values) * max(len(value) for value in values) * 4 > _LARGEST_TEXT_BYTES:
        return values
    return values.astype(np.str_)


def column_to_store(values: Column) -> Column:
    """Return a column without Python objects: whole numbers, numbers or text; a missing entry becomes NaN or ''."""
    if values.dtype.kind != "O":
        return values
    present = [value for value in values if value is not None and value == value]
    if present and all(isinstance(value, bool | np.bool_) for value in present) and len(present) == len(values):
        return values.astype(np.bool_)
    if present and all(
        isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_) for value in present
    ):
        whole = len(present) == len(values) and all(isinstance(value, int | np.integer) for value in present)
        return np.array([np.nan if v is None else v for v in values], dtype=np.int64 if whole else np.float64)
    return np.array(["" if value is None or value != value else str(value) for value in values], dtype=np.str_)
