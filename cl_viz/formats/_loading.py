"""`load`: a file or folder becomes an embedding set; what the caller says goes before what is guessed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cl_viz.core.as_array import as_array
from cl_viz.core.embedding_set import Column, EmbeddingSet, Role
from cl_viz.core.errors import FormatError, InputError, similar_name
from cl_viz.core.run import Run
from cl_viz.formats._assemble import Plan, as_pairs, build_set, make_plan, with_column
from cl_viz.formats._choose_views import Requested
from cl_viz.formats._dump import column_to_store, plain_column
from cl_viz.formats._guard import check_present
from cl_viz.formats._in_memory import MEMORY, memory_dump
from cl_viz.formats._opening import read_dump
from cl_viz.formats._roles import ROLE_NAMES, known_role
from cl_viz.formats.shards import read_files

PathLike: TypeAlias = str | os.PathLike[str]
RoleValue: TypeAlias = PathLike | ArrayLike | Mapping[str, Any] | None
"""A column name, a path to a file of labels, the values themselves, or a mapping from view to one of these."""
Source: TypeAlias = PathLike | ArrayLike | Sequence[ArrayLike] | Mapping[str, Any]
"""Where embeddings come from: a path, or what is in memory; see `load`."""


def load(
    source: Source,
    views: Requested = None,
    label: RoleValue = None,
    subclass: RoleValue = None,
    group: RoleValue = None,
    text: RoleValue = None,
    image: RoleValue = None,
    id: RoleValue = None,
    pairs: PathLike | ArrayLike | None = None,
    name: str | None = None,
) -> EmbeddingSet:
    """Read embeddings from a file, from a folder of shards, or from memory.

    Nothing in the file is executed; arrays larger than memory stay mapped where the format allows it. The
    fingerprint of the full content is made here, once.

    Parameters
    ----------
    source : path, array_like, tuple, mapping or table
        A file in one of the formats of `FORMATS`, or a folder of shards of one of them. In memory: an array or tensor
        (N, D); a tuple of such views; a mapping from name to arrays and columns, which is read as an npz file is; a
        pandas frame, or what has ``to_pandas``, which is read as a Parquet file is. Arrays are not copied where that
        is possible: change none while the set is in use.
    views : sequence of str, or mapping of view name to array name, optional
        Arrays to load as views, all of one N and D. By default guessed: the largest group of arrays that fit
        together.
    label, subclass, group, text, image, id : column name, path, array of N entries, or mapping by view, optional
        What plays the role. By default guessed from well-known column names; see `inspect`.
    pairs : path or array of int, shape (P, 2), optional
        Rows of the first and second view that belong together, for views that are not aligned row by row.
    name : str, optional
        Shown to people; by default the name of the file.

    Returns
    -------
    EmbeddingSet

    Examples
    --------
    >>> cl_viz.load("dump.npz", label="class")  # doctest: +SKIP
    >>> cl_viz.load((view_1, view_2), label=labels, name="epoch 10")  # doctest: +SKIP
    >>> cl_viz.load(frame)  # a column of vectors, and columns of labels and texts  # doctest: +SKIP

    Raises
    ------
    FormatError
        If the file is missing, empty, damaged, or not what its suffix says.
    UnsafeFileError
        If it would run code, or claims more than it holds.
    InputError
        If views, columns or pairs do not fit together, or the views cannot be told.
    """
    given_pairs = None if pairs is None else _read_pairs(pairs)
    if isinstance(source, str | os.PathLike):
        place = Path(source)
        _, dump = read_dump(place)
    else:
        place = MEMORY
        dump, told = memory_dump(source)
        views, name = views or told, name or "embeddings"
    plan = make_plan(dump, place, requested=views, pairs=given_pairs)
    roles: dict[Role, RoleValue] = {
        "label": label, "subclass": subclass, "group": group, "text": text, "image": image, "id": id,
    }  # fmt: skip
    for role, value in roles.items():
        if value is not None:
            plan = _with_role(plan, role, value, place)
    loaded = build_set(plan, place, name or place.stem or str(place))
    _ = loaded.fingerprint
    return loaded


def as_set(target: EmbeddingSet | Run | Source, step: int | None = None, layer: str | None = None) -> EmbeddingSet:
    """Return a set as it is, a snapshot of a run (by default the last step and the first layer), or what `load` reads.

    Raises
    ------
    FormatError, UnsafeFileError, InputError
        As `load` and `Run.get` do.
    """
    if isinstance(target, Run):
        return target.get(step, layer)
    return target if isinstance(target, EmbeddingSet) else load(target)


def load_piece(files: Sequence[Path], views: Requested = None, label: str | None = None) -> EmbeddingSet:
    """Read one piece of a folder of shards, as `cl_viz.formats.shards.piece_files` divides it.

    Raises
    ------
    FormatError, UnsafeFileError, InputError
        As `load` does.
    """
    folder = files[0].parent
    plan = make_plan(read_files(files, folder), folder, requested=views, pairs=None)
    if label is not None:
        plan = _with_role(plan, "label", label, folder)
    return build_set(plan, folder, files[0].stem)


def _with_role(plan: Plan, role: Role, value: RoleValue, path: Path) -> Plan:
    if isinstance(value, Mapping):
        for view, own in value.items():
            if view not in plan.arrays:
                raise InputError(f"{role} given for {view!r}, which is not a view", allowed=", ".join(plan.arrays))
            plan = with_column(plan, role, _values(plan, role, own, path, view), path, view=view)
        return plan
    if isinstance(value, str) and any(value in columns for columns in plan.columns.values()):
        return replace(plan, roles={**plan.roles, role: value})
    return with_column(plan, role, _values(plan, role, value, path, None), path)


def _values(plan: Plan, role: Role, value: Any, path: Path, view: str | None) -> Column:
    if not isinstance(value, str | os.PathLike):
        return column_to_store(plain_column(as_array(value)))
    columns = {name: column for own in plan.columns.values() for name, column in own.items()}
    if view is not None:
        columns = dict(plan.columns[view])
    if str(value) in columns:
        return columns[str(value)]
    if not Path(value).exists():
        raise InputError(
            f"{role}={str(value)!r} is neither a column nor a file",
            where=str(path),
            allowed=f"columns: {', '.join(columns) or 'none'}; or a path to a file with one entry per row",
            remedy=similar_name(str(value), columns),
        )
    return read_column(Path(value), role)


def read_column(path: Path, role: Role) -> Column:
    """Read one column from a file: a .txt file with one entry a line, or any dump format.

    Where the file has several columns, the one whose name fits the role is taken.

    Raises
    ------
    InputError
        If the file holds no such column, or it cannot be told which.
    """
    check_present(path)
    if path.suffix.lower() == ".txt":
        return _read_lines(path)
    _, dump = read_dump(path)
    columns = dict(dump.columns)
    for name, array in dump.arrays.items():
        if array.ndim == 2 and array.shape[1] == 1:
            columns[name] = np.asarray(array[:, 0])
    if len(columns) > 1:
        fitting = {name: values for name, values in columns.items() if known_role(name) == role}
        columns = fitting if len(fitting) == 1 else columns
    if len(columns) != 1:
        raise InputError(
            f"the file holds {len(columns)} columns that could be the {role}"
            + (f": {', '.join(columns)}" * bool(columns)),
            where=str(path),
            allowed=f"one column, or one called {', '.join(ROLE_NAMES[role][:3])}",
        )
    return next(iter(columns.values()))


def _read_lines(path: Path) -> Column:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise FormatError(f"the file is not text: {error}", where=str(path), allowed="UTF-8 text") from error
    try:
        return np.array([int(line) for line in lines], dtype=np.int64)
    except (ValueError, OverflowError):
        return np.array(lines, dtype=np.str_)


def _read_pairs(pairs: PathLike | ArrayLike) -> NDArray[np.int64]:
    if not isinstance(pairs, str | os.PathLike):
        return as_pairs(np.asarray(pairs), "pairs")
    path = Path(pairs)
    _, dump = read_dump(path)
    two_wide = [array for array in dump.arrays.values() if array.ndim == 2 and array.shape[1] == 2]
    if len(two_wide) == 1:
        return as_pairs(np.asarray(two_wide[0]), str(path))
    whole = [values for values in dump.columns.values() if values.dtype.kind in "iu"]
    if not dump.arrays and len(whole) == 2 and len(whole[0]) == len(whole[1]):
        return as_pairs(np.stack(whole, axis=1), str(path))
    shapes: Sequence[str] = [f"{n} {a.shape}" for n, a in {**dump.arrays, **dump.columns}.items()]
    raise InputError(
        f"the file holds no two columns of whole numbers, but {', '.join(shapes) or 'nothing'}",
        where=str(path),
        allowed="two columns: row of the first view, row of the second",
    )
