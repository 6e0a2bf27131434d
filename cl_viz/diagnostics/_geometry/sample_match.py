"""Whether two sets hold the same samples in the same order: only then can their rows be compared one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import Column, EmbeddingSet, Role
from cl_viz.core.errors import MissingInputError

_TELLING: tuple[Role, ...] = ("id", "label", "subclass", "group", "text")
_REMEDY = "embed the same samples in the same order with both encoders"


@dataclass(frozen=True)
class SampleMatch:
    """Views of several sets that are compared, and what says that their rows are the same samples.

    Attributes
    ----------
    views : tuple of tuple of str
        One entry a comparison: the view's name in each set.
    evidence : str
        In words.
    """

    views: tuple[tuple[str, ...], ...]
    evidence: str

    def shared_rows(self, sets: Sequence[EmbeddingSet], place: int) -> NDArray[np.int64]:
        """Return the rows of comparison `place` that are usable in every set, ascending."""
        usable = [chosen.usable_rows[view] for chosen, view in zip(sets, self.views[place], strict=True)]
        return np.flatnonzero(np.logical_and.reduce(usable)).astype(np.int64)


def match_samples(sets: Sequence[EmbeddingSet], names: Sequence[str]) -> SampleMatch:
    """Check that all sets hold the samples of the first, in its order.

    Parameters
    ----------
    sets : sequence of EmbeddingSet
        Two or more; D may differ.
    names : sequence of str
        What each is called in errors.

    Raises
    ------
    MissingInputError
        If they do not, saying which column shows it.
    """
    views = _common_views(sets, names)
    evidence: set[str] = set()
    for entry in views:
        for other in range(1, len(sets)):
            pair = ((sets[0], entry[0], names[0]), (sets[other], entry[other], names[other]))
            evidence |= _check_pair(*pair)
    columns = ", ".join(sorted(evidence))
    text = f"same samples by {columns}" if columns else "same N; no column says whether the samples are the same"
    return SampleMatch(views, text)


def _common_views(sets: Sequence[EmbeddingSet], names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Pair views by name, or by place where no name is shared."""
    shared = [view for view in sets[0].view_names if all(view in chosen.views for chosen in sets)]
    if shared:
        return tuple((view,) * len(sets) for view in shared)
    count = min(len(chosen.view_names) for chosen in sets)
    return tuple(tuple(chosen.view_names[place] for chosen in sets) for place in range(count))


_Side = tuple[EmbeddingSet, str, str]


def _check_pair(own: _Side, other: _Side) -> set[str]:
    """Return the columns that say that two views hold the same samples."""
    (first, view, name), (second, second_view, second_name) = own, other
    sizes = len(first.views[view]), len(second.views[second_view])
    where = f"{name} and {second_name}"
    if sizes[0] != sizes[1]:
        raise MissingInputError(
            f"{name} has {sizes[0]:,} samples in {view}, {second_name} {sizes[1]:,} in {second_view}",
            where=where,
            remedy=_REMEDY,
        )
    equal = set()
    telling = _telling_columns(first, view, second, second_view)
    for column in _shared_columns(first, view, second, second_view):
        one, two = first.columns(view)[column], second.columns(second_view)[column]
        differing = _differing(one, two)
        if not differing:
            equal.add(column)
        elif column in telling:
            reordered = np.array_equal(np.sort(one.astype(np.str_)), np.sort(two.astype(np.str_)))
            raise MissingInputError(
                f"{name} and {second_name} differ in {column} on {differing:,} of {sizes[0]:,} rows"
                + (", which holds the same values in another order" if reordered else ""),
                where=where,
                remedy=_REMEDY,
            )
    return equal


def _shared_columns(first: EmbeddingSet, view: str, second: EmbeddingSet, second_view: str) -> list[str]:
    """Return the columns of both views; pictures aside, which may show another augmentation of the same sample."""
    pictures = {chosen.roles.get("image") for chosen in (first, second)}
    others = second.columns(second_view)
    return [name for name in first.columns(view) if name in others and name not in pictures]


def _telling_columns(first: EmbeddingSet, view: str, second: EmbeddingSet, second_view: str) -> list[str]:
    """Return the columns that must be equal: the ids alone, or whatever plays a role in either set.

    A column without a role may be a fact about the run, such as its predictions.
    """
    there = _shared_columns(first, view, second, second_view)
    ids = {chosen.roles.get("id") for chosen in (first, second)}
    if len(ids) == 1 and ids <= set(there):
        return [name for name in there if name in ids]
    telling = {chosen.roles.get(role) for chosen in (first, second) for role in _TELLING}
    return [name for name in there if name in telling]


def _differing(first: Column, second: Column) -> int:
    """Return in how many rows two columns differ; missing numbers are equal to each other."""
    if first.dtype.kind in "biuf" and second.dtype.kind in "biuf":
        one, two = first.astype(np.float64), second.astype(np.float64)
        return int((~((one == two) | (np.isnan(one) & np.isnan(two)))).sum())
    return int((first.astype(np.str_) != second.astype(np.str_)).sum())
