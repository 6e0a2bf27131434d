"""`inspect`: what a file holds and what would be guessed from it, so that a person can agree or overrule."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cl_viz.core.embedding_set import Column, Role
from cl_viz.core.errors import InputError
from cl_viz.formats._assemble import check_plan, make_plan
from cl_viz.formats._opening import read_dump

_EXAMPLES = 3
_LONGEST_EXAMPLE = 80


class ArrayFacts(NamedTuple):
    """Shape and type of an array."""

    shape: tuple[int, ...]
    dtype: str


class ColumnFacts(NamedTuple):
    """Type of a column, the number of distinct entries, and the first few as text."""

    dtype: str
    distinct: int
    examples: tuple[str, ...]
    size: int


@dataclass(frozen=True)
class Inspection:
    """What is in a file.

    Attributes
    ----------
    path : str
    format : str
        Name of the format, a key of `FORMATS`.
    arrays : Mapping[str, ArrayFacts]
    columns : Mapping[str, ColumnFacts]
    views : Mapping[str, str]
        Guessed: view name -> array name; empty where it cannot be told.
    roles : Mapping[Role, str]
        Guessed: role -> column name.
    notes : tuple of str
        What was guessed or left out, in sentences.
    problem : str or None
        Why `load` would refuse the file as it is, with what to do.
    """

    path: str
    format: str
    arrays: Mapping[str, ArrayFacts]
    columns: Mapping[str, ColumnFacts]
    views: Mapping[str, str]
    roles: Mapping[Role, str]
    notes: tuple[str, ...]
    problem: str | None = None


def inspect(path: str | os.PathLike[str]) -> Inspection:
    """Look into a file without assembling a set.

    Parameters
    ----------
    path : path
        A file or a folder of shards.

    Returns
    -------
    Inspection

    Raises
    ------
    FormatError, UnsafeFileError
        If the file cannot be read at all. A file that can be read, but whose views cannot be told or do not fit
        together, is described, with the reason in `problem`.
    """
    place = Path(path)
    spec, dump = read_dump(place)
    arrays = {name: ArrayFacts(array.shape, str(array.dtype)) for name, array in dump.arrays.items()}
    columns = {name: _column_facts(values) for name, values in dump.columns.items()}
    notes = tuple(dump.card.get("notes", ()))
    try:
        plan = make_plan(dump, place)
    except InputError as error:
        return Inspection(str(place), spec.name, arrays, columns, {}, {}, notes, str(error))
    within = {name for array in plan.views.values() for name in dump.card.get("parts", {}).get(array, ())}
    columns = {name: facts for name, facts in columns.items() if name not in within}
    try:
        check_plan(plan, place, place.stem)
        problem = None
    except InputError as error:
        problem = str(error)
    return Inspection(str(place), spec.name, arrays, columns, plan.views, plan.roles, plan.notes, problem)


def _column_facts(values: Column) -> ColumnFacts:
    texts = values.astype(np.str_) if values.dtype.kind != "O" else np.array([str(value) for value in values])
    seen = tuple(dict.fromkeys(str(text)[:_LONGEST_EXAMPLE] for text in texts[:1000]))[:_EXAMPLES]
    return ColumnFacts(str(values.dtype), len(np.unique(texts)), seen, len(values))
