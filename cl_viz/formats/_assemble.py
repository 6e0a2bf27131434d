"""From what a reader found to an embedding set: arrays become views, columns are dealt out and get their roles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import Column, EmbeddingSet, Role
from cl_viz.core.errors import InputError
from cl_viz.core.specs import RawDump
from cl_viz.formats._big_arrays import as_supported
from cl_viz.formats._choose_views import Requested, choose_views, no_arrays, split_narrow, split_pairs
from cl_viz.formats._dump import compact_text
from cl_viz.formats._model_weights import refuse_weights
from cl_viz.formats._roles import guess_roles, known_role
from cl_viz.formats._view_columns import owned_by_name

# Roles whose column may not silently be left out when its length does not fit.
_LABELLING = ("label", "subclass", "group")


@dataclass(frozen=True)
class Plan:
    """What would be made of a file.

    Attributes
    ----------
    views : Mapping[str, str]
        View name -> array name.
    arrays : Mapping[str, NDArray]
        By view name.
    columns : Mapping[str, Mapping[str, Column]]
        By view name; one shared mapping where the views share their columns.
    roles : Mapping[Role, str]
    pairs : NDArray or None, shape (P, 2)
    notes : tuple of str
        What was guessed or left out, for people.
    """

    views: Mapping[str, str]
    arrays: Mapping[str, NDArray[Any]]
    columns: Mapping[str, Mapping[str, Column]]
    roles: Mapping[Role, str]
    pairs: NDArray[Any] | None
    notes: tuple[str, ...]


def make_plan(dump: RawDump, path: Path, *, requested: Requested = None, pairs: NDArray[Any] | None = None) -> Plan:
    """Decide what the arrays and columns of a file are, without copying an embedding.

    Parameters
    ----------
    dump : RawDump
    path : Path
        For messages.
    requested : sequence of array names, or mapping of view name to array name, optional
    pairs : NDArray, shape (P, 2), optional
        Rows that belong together, given by the caller.

    Raises
    ------
    InputError
        If the views cannot be told, or a label column has the wrong length.
    FormatError
        If the arrays are the weights of a model.
    """
    if not dump.arrays:
        raise no_arrays(dump, path)
    if requested is None:
        refuse_weights(dump, path)
    candidates, own_pairs = split_pairs(dump.arrays)
    candidates, narrow = split_narrow(candidates)
    saved = dump.card.get("cl_viz", {})
    parts = dump.card.get("parts", {})
    likely, said = dump.card.get("likely", ((), ""))
    found = {**dump.columns, **narrow}
    order = [name for name in saved.get("columns", ()) if name in found]
    columns = {name: compact_text(found[name]) for name in dict.fromkeys([*order, *found])}
    linked = pairs is not None or own_pairs is not None
    among = {name: candidates[name] for name in likely} if likely and requested is None else candidates
    views, guessed = choose_views(among, path, requested=requested, saved=saved.get("views", ()), linked=linked)
    notes = [*dump.card.get("notes", ()), *guessed, *([said] if said and requested is None else [])]
    within = {name for array in views.values() for name in parts.get(array, ())}
    columns = {name: values for name, values in columns.items() if name not in within}
    arrays = {view: candidates[name] for view, name in views.items()}
    if pairs is None and len(views) == 2:
        pairs = own_pairs
    aligned = pairs is None and len({len(array) for array in arrays.values()}) == 1
    sizes = {view: len(array) for view, array in arrays.items()}
    owned = {} if "columns" in saved else owned_by_name(columns, views, sizes)
    dealt = _deal_columns(columns, views, sizes, owned, path, notes)
    present = {name for own in dealt.values() for name in own}
    roles = {role: column for role, column in saved.get("roles", {}).items() if column in present}
    if not saved.get("roles"):
        roles = guess_roles(dealt, need_unique_ids=aligned)
        notes += [f"{role} guessed: column {column!r}" for role, column in roles.items()]
    return Plan(views, arrays, dealt, roles, pairs, tuple(notes))


def _deal_columns(
    columns: Mapping[str, Column],
    views: Mapping[str, str],
    sizes: Mapping[str, int],
    told: Mapping[str, tuple[str, str]],
    path: Path,
    notes: list[str],
) -> dict[str, dict[str, Column]]:
    """Give each view its columns: those told by their names, by the view's name in front, else by length."""
    notes += [f"column {name!r} is read as {own!r} of the view {view!r}" for name, (view, own) in told.items()]
    shared_size = len(set(sizes.values())) == 1
    owned: dict[str, dict[str, Column]] = {view: {} for view in views}
    common: dict[str, Column] = {}
    for name, values in columns.items():
        owner = told.get(name) or _owner(name, views, slash_only=shared_size)
        if owner is not None and len(values) == sizes[owner[0]]:
            owned[owner[0]][owner[1]] = values
            if name in told:
                # Whoever names it finds it under its own name, too.
                (common if shared_size else owned[owner[0]])[name] = values
            continue
        fitting = [view for view, size in sizes.items() if size == len(values)]
        if shared_size and fitting:
            common[name] = values
        elif len(fitting) == 1:
            owned[fitting[0]][name] = values
        else:
            _refuse_or_note(name, values, sizes, path, notes)
    if shared_size and not any(owned.values()):
        return dict.fromkeys(views, common)
    return {view: {**common, **own} for view, own in owned.items()}


def _owner(name: str, views: Mapping[str, str], *, slash_only: bool) -> tuple[str, str] | None:
    for view in sorted(views, key=len, reverse=True):
        for separator in ("/",) if slash_only else ("/", ".", "_"):
            if name.startswith(view + separator) and len(name) > len(view) + 1:
                return view, name[len(view) + 1 :]
    return None


def _refuse_or_note(name: str, values: Column, sizes: Mapping[str, int], path: Path, notes: list[str]) -> None:
    if known_role(name.rsplit("/", 1)[-1]) in _LABELLING:
        raise InputError(
            f"column {name!r} has {len(values):,} entries, the views have {dict(sizes)} rows",
            where=str(path),
            allowed="one entry per row",
            remedy="check that labels and embeddings come from the same pass over the data, or rename the column",
        )
    notes.append(f"column {name!r} was left out: {len(values):,} entries fit no view")


def build_set(plan: Plan, path: Path, name: str) -> EmbeddingSet:
    """Make the embedding set of a plan; its errors name the file.

    Raises
    ------
    InputError
        As `EmbeddingSet.from_arrays`.
    """
    return _wrapped(plan, {view: as_supported(array) for view, array in plan.arrays.items()}, path, name)


def check_plan(plan: Plan, path: Path, name: str) -> None:
    """Raise what `build_set` would raise; no array is converted or copied for this.

    Raises
    ------
    InputError
        As `EmbeddingSet.from_arrays`.
    """
    _wrapped(plan, plan.arrays, path, name)


def _wrapped(plan: Plan, arrays: Mapping[str, NDArray[Any]], path: Path, name: str) -> EmbeddingSet:
    try:
        return EmbeddingSet.from_arrays(
            arrays,
            metadata=plan.columns,
            roles=dict(plan.roles),
            pairs=plan.pairs,
            name=name,
            source=str(path),
        )
    except InputError as error:
        detail = (error.where or "").removeprefix(name)
        raise InputError(error.what, where=f"{path}{detail}", allowed=error.allowed, remedy=error.remedy) from error


def with_column(plan: Plan, role: Role, values: Column, path: Path, *, view: str | None = None) -> Plan:
    """Return the plan with a column given by the caller in a role; the column is called as the role.

    Raises
    ------
    InputError
        If its length fits no view.
    """
    sizes = {name: len(array) for name, array in plan.arrays.items()}
    targets = [name for name, size in sizes.items() if (view is None or name == view) and size == len(values)]
    if values.ndim != 1 or not targets:
        raise InputError(
            f"{role} has shape {values.shape}, the views have {sizes if view is None else sizes[view]} rows",
            where=str(path),
            allowed="one entry per row",
            remedy="check that it comes from the same, unshuffled pass as the embeddings",
        )
    taken = any(role in plan.columns[name] for name in targets) and view is None
    column = f"{role}_given" if taken else role
    shared = len({id(own) for own in plan.columns.values()}) == 1 and len(targets) == len(sizes)
    extended = {**next(iter(plan.columns.values())), column: values}
    columns = (
        dict.fromkeys(sizes, extended)
        if shared
        else {name: {**own, column: values} if name in targets else own for name, own in plan.columns.items()}
    )
    return Plan(plan.views, plan.arrays, columns, {**plan.roles, role: column}, plan.pairs, plan.notes)


def as_pairs(values: NDArray[Any], where: str) -> NDArray[np.int64]:
    """Return pairs of rows as whole numbers, shape (P, 2).

    Raises
    ------
    InputError
        If the shape or the entries do not fit.
    """
    whole = values.dtype.kind in "iu" or (values.dtype.kind == "f" and bool((values == np.floor(values)).all()))
    if values.ndim != 2 or values.shape[1] != 2 or not whole:
        raise InputError(
            f"pairs have shape {values.shape} and type {values.dtype}",
            where=where,
            allowed="two columns of whole numbers: row of the first view, row of the second",
        )
    return values.astype(np.int64)
