"""Which arrays of a file are the views: as asked for, as saved, or guessed; a guess that could be wrong is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.errors import InputError, similar_name
from cl_viz.core.specs import RawDump
from cl_viz.formats._dump import PAIRS_KEY
from cl_viz.formats._view_columns import is_negative

Arrays = Mapping[str, NDArray[Any]]
Requested = Sequence[str] | Mapping[str, str] | None

# Names people give to embeddings, used only to choose between groups of arrays that do not fit together.
_EMBEDDING_NAMES = re.compile(r"emb(ed(ding)?)?s?|feat(ure)?s?|vectors?|repr(esentation)?s?|z|h")
_MOST_LISTED = 12


def split_pairs(arrays: Arrays) -> tuple[dict[str, NDArray[Any]], NDArray[Any] | None]:
    """Take the array called ``pairs`` (whole numbers, two columns) out of the candidate views."""
    candidates = dict(arrays)
    pairs = candidates.get(PAIRS_KEY)
    if pairs is None or pairs.dtype.kind not in "iu" or pairs.ndim != 2 or pairs.shape[1] != 2 or len(candidates) == 1:
        return candidates, None
    return candidates, candidates.pop(PAIRS_KEY)


def split_narrow(arrays: Arrays) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """Take arrays of one column, (N, 1), out of the candidate views: they are columns, unless there is nothing else."""
    wide = {name: array for name, array in arrays.items() if array.ndim != 2 or array.shape[1] != 1}
    if not any(array.ndim == 2 for array in wide.values()):
        return dict(arrays), {}
    narrow = {name: np.asarray(array[:, 0]) for name, array in arrays.items() if name not in wide}
    return wide, narrow


def choose_views(
    arrays: Arrays, path: Path, *, requested: Requested = None, saved: Sequence[str] = (), linked: bool = False
) -> tuple[dict[str, str], list[str]]:
    """Choose the views among the arrays of a file.

    Parameters
    ----------
    arrays : Mapping[str, NDArray]
        Candidates by name.
    path : Path
        For messages.
    requested : sequence of str, or mapping of view name to array name, optional
        What the caller asked for.
    saved : sequence of str
        Views as the file itself lists them.
    linked : bool
        Whether pairs or ids link rows, so that arrays of one width and different lengths can be views together.

    Returns
    -------
    views : dict of view name to array name, in order
    notes : list of str
        What was guessed.

    Raises
    ------
    InputError
        If there is no candidate, a name asked for is missing, or the choice is ambiguous.
    """
    if requested is not None:
        return _as_requested(arrays, path, requested), []
    if saved and all(name in arrays for name in saved):
        return {name: name for name in saved}, []
    matrices = {name: array for name, array in arrays.items() if array.ndim == 2}
    if not matrices:
        raise _no_matrix(arrays, path)
    floats = {n: a for n, a in matrices.items() if a.dtype.kind == "f" or a.dtype.name in ("int8", "bfloat16")}
    candidates = floats or matrices
    chosen = _largest_group(candidates, arrays, path, linked=linked)
    notes = []
    negatives = [name for name in chosen if is_negative(name)]
    if negatives and len(chosen) - len(negatives) > 1:
        chosen = [name for name in chosen if name not in negatives]
        notes.append(f"{', '.join(negatives)}: negatives are other samples, so this is no view of the same ones")
    if len(chosen) < len(arrays):
        rest = ", ".join(_describe(name, arrays[name]) for name in arrays if name not in chosen)
        notes.append(f"views guessed: {', '.join(chosen)}; left out: {rest}")
    if len(arrays) == 1 and chosen == [path.stem]:
        # The array of a .npy file has no name of its own, and a view called like the file would differ between runs.
        return {"view_1": chosen[0]}, notes
    return {name: name for name in chosen}, notes


def list_arrays(arrays: Arrays) -> str:
    """Return names and shapes of arrays for a message; the first dozen."""
    described = [_describe(name, array) for name, array in arrays.items()]
    more = f" and {len(described) - _MOST_LISTED} more" if len(described) > _MOST_LISTED else ""
    return ", ".join(described[:_MOST_LISTED]) + more


def _describe(name: str, array: NDArray[Any]) -> str:
    return f"{name} {array.shape} {array.dtype}"


def _as_requested(arrays: Arrays, path: Path, requested: Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    if isinstance(requested, str):
        requested = [requested]
    wanted = dict(requested) if isinstance(requested, Mapping) else {name: name for name in requested}
    if not wanted:
        raise InputError("views is empty", where=str(path), allowed=list_arrays(arrays))
    if len(arrays) == 1 and len(wanted) == 1 and path.stem in arrays:
        # The only array has no name of its own: the caller names it.
        wanted = {next(iter(wanted)): path.stem}
    for name in wanted.values():
        if name not in arrays:
            raise InputError(
                f"no array {name!r} to use as a view",
                where=str(path),
                allowed=list_arrays(arrays) or "nothing: the file holds no numeric array of two axes",
                remedy=similar_name(name, arrays),
            )
        if arrays[name].ndim != 2:
            raise _no_matrix({name: arrays[name]}, path)
    return wanted


def no_arrays(dump: RawDump, path: Path) -> InputError:
    """Return the error for a file that holds no array of two axes; it says what the file holds instead."""
    found = [f"column {name!r} ({len(values):,} entries, {values.dtype})" for name, values in dump.columns.items()]
    left_out = list(dump.card.get("notes", ()))
    return InputError(
        "the file holds no embeddings: no array of two axes, no list column, no block of number columns; it holds "
        + ("; ".join([*found[:_MOST_LISTED], *left_out]) or "nothing that can be used"),
        where=str(path),
        allowed="an array of N rows (samples) by D >= 2 columns (dimensions)",
        remedy="check that this is the file with the embeddings, not only labels or metadata",
    )


def _no_matrix(arrays: Arrays, path: Path) -> InputError:
    return InputError(
        f"the file holds no array of two axes, but {list_arrays(arrays)}; with three axes it cannot be told which one "
        "counts the views",
        where=str(path),
        allowed="one array of N rows by D columns per view",
        remedy="save each view by name, for example numpy.savez(path, view_1=array[0], view_2=array[1]) for an "
        "array (V, N, D), array[:, 0] and array[:, 1] for (N, V, D), or pool a token axis first",
    )


def _largest_group(candidates: Arrays, arrays: Arrays, path: Path, *, linked: bool) -> list[str]:
    groups: dict[tuple[int, ...], list[str]] = {}
    for name, array in candidates.items():
        key = (array.shape[1],) if linked else array.shape
        groups.setdefault(key, []).append(name)
    largest = max(len(names) for names in groups.values())
    best = [names for names in groups.values() if len(names) == largest]
    if len(best) > 1:
        named = [names for names in best if any(_is_embedding_name(name) for name in names)]
        best = named or best
    if len(best) == 1:
        return best[0]
    widths = {candidates[names[0]].shape[1] for names in best}
    if len(widths) == 1 and len(best) == 2 and largest == 1:
        # Two arrays of one width and different lengths are two views of different size, if something links them;
        # the set itself says what is missing.
        return [name for names in best for name in names]
    raise InputError(
        f"several groups of arrays could be the views: {list_arrays(candidates)}",
        where=str(path),
        allowed="views of one set share N and D",
        remedy=f"say which: views={best[0]!r}; layers of different width are separate sets, and a model checkpoint is "
        "opened with cl_viz.open_run",
    )


def _is_embedding_name(name: str) -> bool:
    return _EMBEDDING_NAMES.fullmatch(name.lower().rsplit("/", 1)[-1]) is not None
