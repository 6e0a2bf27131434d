"""The usable, labelled rows of one view: what probes, votes and clusterings are judged on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet, Role
from cl_viz.core.errors import MissingInputError
from cl_viz.core.params import Params, param
from cl_viz.diagnostics._groups.probes import Codes, classes_of_size
from cl_viz.diagnostics._left_out import NO_LABEL, left_out


@dataclass(frozen=True)
class ViewParams(Params):
    """Which view is looked at."""

    view: int = param(1, "The view that is looked at, counted from 1.", low=1, high=16)


@dataclass(frozen=True)
class LabelledView:
    """Rows of one view that have a direction and a value in a column.

    Attributes
    ----------
    view : str
    rows : NDArray[np.int64], shape (n,)
        Rows of the view, ascending.
    codes : NDArray[np.int64], shape (n,)
        Index into `names`.
    names : tuple of str
        Values of the column over all views.
    unlabelled : int
        Usable rows without a value.
    excluded : int
        Rows that are NaN, infinite or zero.
    """

    view: str
    rows: Codes
    codes: Codes
    names: tuple[str, ...]
    unlabelled: int
    excluded: int

    @property
    def counts(self) -> Codes:
        """Rows of each class, shape (K,)."""
        return np.bincount(self.codes, minlength=len(self.names))

    def keep(self, chosen: NDArray[np.bool_] | Codes) -> LabelledView:
        """Return some of the rows."""
        return LabelledView(
            self.view, self.rows[chosen], self.codes[chosen], self.names, self.unlabelled, self.excluded
        )

    def of_classes(self, least: int) -> LabelledView:
        """Return the rows of classes that have at least `least` of them.

        Raises
        ------
        MissingInputError
            If fewer than two classes have.
        """
        kept = self.keep(classes_of_size(self.codes, least))
        if len(np.unique(kept.codes)) < 2:
            raise MissingInputError(
                f"fewer than two classes have {least} samples or more in {self.view} "
                f"({_counted(len(self.rows), 'sample')} of {_counted(len(np.unique(self.codes)), 'class')})",
                where=self.view,
                remedy="choose another label column on the Data page, or add samples",
            )
        return kept

    def notes(self, kept: LabelledView) -> tuple[str, ...]:
        """Return what was left out, for the caveats."""
        dropped = int((self.counts > 0).sum() - (kept.counts > 0).sum())
        found = [f"view looked at: {self.view}, {len(kept.rows):,} samples of {int((kept.counts > 0).sum()):,} classes"]
        if dropped:
            samples = _counted(len(self.rows) - len(kept.rows), "sample")
            found.append(f"classes too small to judge, left out: {dropped:,} ({samples})")
        return (*found, *left_out(NO_LABEL, self.unlabelled))


def _counted(number: int, what: str) -> str:
    """Return a number of classes or samples with its noun."""
    ending = "" if number == 1 else "es" if what.endswith("s") else "s"
    return f"{number:,} {what}{ending}"


def view_name(embedding_set: EmbeddingSet, number: int) -> str:
    """Return the name of the view that stands at `number`, counted from 1.

    Raises
    ------
    MissingInputError
        If there are not so many.
    """
    names = embedding_set.view_names
    if number > len(names):
        raise MissingInputError(
            f"there is no view {number}: the set has {len(names)}",
            where=embedding_set.name,
            remedy=f"choose a view from 1 to {len(names)}",
        )
    return names[number - 1]


def labelled_view(embedding_set: EmbeddingSet, number: int = 1, role: Role = "label") -> LabelledView:
    """Return the usable rows of a view that have a value in the column of `role`.

    Raises
    ------
    MissingInputError
        If there is no such view or column, or no row with a value.
    """
    view = view_name(embedding_set, number)
    found = embedding_set.codes(role)
    usable = np.flatnonzero(embedding_set.usable_rows[view])
    codes = None if found is None else found[0][number - 1][usable]
    if found is None or codes is None or not (codes >= 0).any():
        raise MissingInputError(
            f"no sample of {view} has a {role}", where=embedding_set.name, remedy=f"add a {role} column (Data page)"
        )
    known = codes >= 0
    size = len(embedding_set.views[view])
    return LabelledView(view, usable[known], codes[known], found[1], int((~known).sum()), size - len(usable))
